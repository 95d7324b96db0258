/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The simulated ring, for tests: sockets are made up, the clock jumps from
 * timer to timer, and the test decides what the peer and the kernel do. With a
 * seed, results come in any order, late, and in pieces, always the same for
 * the same seed.
 */
#ifndef RING_SIM_H
#define RING_SIM_H

#include "ring.h"

/* A made-up descriptor for sock_new(), acceptor_start() or watch_start(). */
int	sim_open(struct ring *r);
/* Closed by the ring? */
bool	sim_closed(const struct ring *r, int fd);

/* What the peer does. Bytes are copied and queued. */
void	sim_peer_sends(struct ring *r, int fd, const void *p, size_t n);
void	sim_peer_ends(struct ring *r, int fd);
/* After the bytes queued before, receives fail with -err; sends at once. */
void	sim_peer_resets(struct ring *r, int fd, int err);
/* At most n bytes per receive (0: no bound). */
void	sim_rx_pieces(struct ring *r, int fd, size_t n);
/* How many bytes the socket takes before it is full (SIZE_MAX at first). */
void	sim_tx_room(struct ring *r, int fd, size_t n);
/* What was sent so far; valid until more is. */
size_t	sim_sent(const struct ring *r, int fd, const void **ret_p);
bool	sim_shut(const struct ring *r, int fd);	/* half-closed by us */
bool	sim_was_reset(const struct ring *r, int fd);

/* How the next connect of fd ends (0 or -errno); -EINPROGRESS: not yet. */
void	sim_connects(struct ring *r, int fd, int res);
/* A connection (a sim_open() descriptor) or -errno for a listening one. */
void	sim_accepts(struct ring *r, int listener, int fd_or_err);
/* Calls the watch once. */
void	sim_readable(struct ring *r, int fd);

/* 0: in order, all at once, whole. */
void	sim_seed(struct ring *r, uint64_t seed);

#endif
