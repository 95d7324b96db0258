/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A client connection from accept to close.
 *
 *   accepted --first bytes--> SERVING <--bytes / idle--> PARKED
 *                                |  |                       |
 *                                |  +----> LINGERING <------+--> closed
 *                                +-------> TUNNEL ----------------> closed
 *
 * While its worker leaves, one that is parked or a quiet tunnel is MOVING to
 * another one (passage.h).
 *
 * A parked connection is this struct, its socket with one armed receive and one
 * timer: no fiber, no buffer. When bytes arrive it borrows a fiber; when no
 * fiber is free it stays parked, which is back-pressure for free.
 */
#ifndef CONN_H
#define CONN_H

#include "addr.h"
#include "stream.h"
#include "table.h"
#include "worker.h"

/* A listening socket as the worker has it; entry points keep their name. */
struct listener {
	struct worker *w;
	struct acceptor *acceptor;
	struct watch *watch;		/* instead, where it is a neighbour's */
	struct listener *next;
	char *name;			/* of the entry point */
	char *next_name;		/* from the next table on; NULL */
	uint32_t id, address;		/* as the master numbers them */
	uint32_t ep;			/* index in the current table, TNONE */
	int fd;
};

enum conn_state { CONN_PARKED, CONN_SERVING, CONN_LINGERING, CONN_TUNNEL,
	CONN_MOVING };

struct conn {
	struct stream st;
	struct worker *w;
	struct listener *l;
	struct conn *next, **prev;	/* in w->conns */
	struct client *client;		/* counts it; NULL: a trusted proxy */
	struct timer timer;		/* parked: when to give up */
	struct addr peer, local;
	uint16_t peer_port, local_port;
	struct http2 *h2;		/* speaks HTTP/2; NULL: HTTP/1 */
	struct tunnel *tunnel;		/* CONN_TUNNEL: owns the connection */
	uint8_t state;			/* enum conn_state */
	bool tls_tried;			/* the first byte was looked at */
	bool unfinished;		/* counted: its handshake or head is not complete */
	bool large_head;		/* counted: a router may take it */
	bool had_request;		/* idle from now on, not fresh */
	bool cut;			/* only a reset tells that the answer was (N-09) */
	bool stays;			/* no other worker takes it */
	uint32_t requests;
	nsec_t accepted;
	uint64_t tls_options;		/* hash of the name of the options in use; 0 plain */
};

/* For acceptor_start(); arg is the struct listener. */
void	conn_accepted(void *arg, int fd_or_err);
/* Closes and frees a connection of which only a receive is in flight. */
void	conn_free(struct conn *c);
/* A parked one gets a fiber, though nothing came. */
void	conn_rouse(struct conn *c);
/* By requests or age it has served as much as keepAliveMax... says. */
bool	conn_worn(const struct conn *c, const struct tentry_point *ep);
/*
 * Notes that the head being read, or served, is larger than usual. False when the
 * worker has no room for one more.
 */
bool	conn_large_head(struct conn *c, bool yes);
/* Notes that a handshake or head has begun, or is complete. */
void	conn_unfinished(struct conn *c, bool yes);
/* Closes all quiet connections: the drain's end. */
void	conn_close_parked(struct worker *w);
/* The worker drains: HTTP/2 is told; the others move, or hurry. */
void	conn_drain(struct worker *w);
/* Connections that are idle stay for drain_idle. */
void	conn_hurry(struct worker *w);
/* It is to end with the answer that is being given. */
bool	conn_ends(const struct conn *c);

/* Parks it, to be closed at `until`; what is unread is served. */
void	conn_rest(struct conn *c, nsec_t until);
/* Gives a quiet one away, on any fiber; else it rests. */
void	conn_move(struct fiber *f, struct conn *c, nsec_t until);
/* Forgets one that is another worker's now; also a tunnel, with its server. */
void	conn_gone(struct conn *c);
/*
 * A new one from a parcel, as yet without what that says; fd is the callee's.
 * NULL with the reason.
 */
struct parcel;
struct conn *conn_take(struct worker *w, const struct parcel *p, int fd,
	    const char **ret_why);

/* The lesser of a limit and the readTimeout that the entry point sets. */
nsec_t	conn_read_limit(const struct conn *c, nsec_t limit);

static inline bool
conn_is_tls(const struct conn *c)
{
	return c->st.tls != NULL;
}

#endif
