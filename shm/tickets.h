/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Session ticket keys, made by the master and shared with all workers in a
 * sealed memfd, so that a session resumes on any of them. The first seals new
 * tickets; all three open old ones. Rotated every 12 hours (S-408).
 */
#ifndef TICKETS_H
#define TICKETS_H

#include <stdint.h>

#define TICKET_KEYS	3

struct ticket_key {
	uint8_t name[16];
	uint8_t aes[32];
	uint8_t hmac[32];
};

struct tickets {
	uint64_t epoch;			/* counts rotations */
	struct ticket_key key[TICKET_KEYS];	/* newest first */
};

/* Sealed descriptor or -errno. */
int	tickets_seal(const struct tickets *t);
/* Copies a sealed segment out; 0 or -errno. */
int	tickets_read(int fd, struct tickets *ret);

#endif
