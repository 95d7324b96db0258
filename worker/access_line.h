/* SPDX-License-Identifier: BSD-2-Clause */
/* One line of the access log, as text or JSON (Traefik's accessLog). */
#ifndef ACCESS_LINE_H
#define ACCESS_LINE_H

#include "clock.h"
#include "str.h"

struct buf;
struct exchange;
struct taccess_log;

/* Both append a line with its newline. */
void	access_line_common(const struct exchange *x,
	    const struct taccess_log *a, struct buf *out);
void	access_line_json(const struct exchange *x,
	    const struct taccess_log *a, struct buf *out);

/* Figures of a tunnel that only its end knows. */
struct access_late {
	uint64_t request_bytes, response_bytes;
	nsec_t took;
};

/*
 * Copies a line that was written for an exchange with x->upgraded; marks in it
 * stand for those figures.
 */
void	access_line_late(struct str line, const struct access_late *late,
	    struct buf *out);

#endif
