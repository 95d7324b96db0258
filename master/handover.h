/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What two masters say to each other while one takes the place of the other,
 * over SOCK_SEQPACKET. The two may be different programs: every message carries
 * a version, and one row of a table says how long it is and how many
 * descriptors come along. What does not fit its row ends the hand-over.
 *
 *   old                                   new
 *    |<------------- HELLO ----------------|   what it understands
 *    |-- STATE, LISTENER..., GIVEN..., LAST >|   everything it needs to serve
 *    |<- REFUSE or READY ------------------|   its workers serve
 *    |-------------- COMMIT -------------->|   pid file and control socket
 *    |<------------- TAKEN ----------------|
 *    |-------------- PROBE --------------->|   at the end of the trial
 *    |<------------- HEALTH ---------------|   its workers live on
 *    |-- PASSAGE... ---------------------->|   ways for connections to move
 *    |   (the old workers drain)           |
 *    |<------------- TABLE ----------------|   so that they follow changes
 *    |-------------- OLD ----------------->|   how many are left
 */
#ifndef HANDOVER_H
#define HANDOVER_H

#include "listen.h"
#include "live.h"

#include <stdint.h>

#define HANDOVER_VERSION	3
#define HANDOVER_FD		3	/* of the new master at its start */
#define HANDOVER_FDS		WORKERS_MAX

enum handover_type {
	HO_HELLO = 1, HO_REFUSE, HO_READY, HO_TAKEN, HO_TABLE, HO_HEALTH,	/* from the new */
	HO_STATE, HO_LISTENER, HO_GIVEN, HO_LAST, HO_COMMIT, HO_PROBE, HO_OLD,	/* from the old */
	HO_PASSAGE,							/* the same */
	HO_TYPES
};

struct ho_hello { uint32_t table_abi, live_abi; char version[32]; };
struct ho_refuse { char text[1000]; };
struct ho_table { uint64_t generation; };
/* Workers that there are to be, that serve, and that died since the start. */
struct ho_health { uint32_t workers, serving, died; };

/* In the order of the descriptors of HO_STATE; NOTES is JSON (succeed.c). */
enum ho_fd { HO_FD_LIVE, HO_FD_TICKETS, HO_FD_PID, HO_FD_SOCKET, HO_FD_NOTES,
	HO_STATE_FDS };
struct ho_state {
	uint64_t generation;
	uint32_t live_base;		/* the half of the slots that is in use */
	uint32_t nworkers;
};
/* As many descriptors as there are sockets. */
struct ho_listener {
	uint32_t nfds, reserved;
	char name[LISTEN_NAME_MAX + 1], address[256];
};
/* A socket of the service manager, and the entry point that has it, or "". */
struct ho_given { char name[LISTEN_NAME_MAX + 1], user[LISTEN_NAME_MAX + 1]; };
/* follows: the old workers take the new master's tables. */
struct ho_old { uint64_t connections; uint32_t workers, follows; };
/* The taking end; `worker` only spreads them. */
struct ho_passage { uint8_t key[32]; uint32_t worker, reserved; };

struct handover {
	uint32_t version;		/* of the other side */
	enum handover_type type;
	int fds[HANDOVER_FDS];		/* the receiver owns them */
	unsigned nfds;
	union {
		struct ho_hello hello;
		struct ho_refuse refuse;
		struct ho_table table;
		struct ho_health health;
		struct ho_state state;
		struct ho_listener listener;
		struct ho_given given;
		struct ho_old old;
		struct ho_passage passage;
	} u;
};

/* 0 or -errno; descriptors are borrowed. Never blocks. */
int	handover_send(int sock, enum handover_type type, const void *payload,
	    const int *fds, unsigned nfds);
/*
 * 1, 0 at end of file, -EAGAIN, -EPROTO, or -EPROTONOSUPPORT when the other
 * side speaks another version, which is in ret->version. No descriptor is open
 * after a failure.
 */
int	handover_recv(int sock, struct handover *ret);
void	handover_close_fds(struct handover *h);

#endif
