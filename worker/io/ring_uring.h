/* SPDX-License-Identifier: BSD-2-Clause */
/* The inside of the io_uring backend: what its two files share. */
#ifndef RING_URING_H
#define RING_URING_H

#include "ring_impl.h"

#include <liburing.h>
#include <poll.h>

#define POSTED_MAX	128	/* entries of the buffer ring; power of two */
#define DOUBTS		1024

enum { KIND_RECV = 1, KIND_SEND, KIND_CONNECT, KIND_ACCEPT, KIND_WATCH,
    KIND_CANCEL };

/* A completion, copied out of the queue. */
struct done {
	uint64_t user_data;
	int res;
	uint32_t flags;
};

/* Lives until submission only, so one per entry of the submission queue. */
union sqe_extra {
	struct msghdr msg;
	struct sockaddr_storage sa;
};

struct uring_state {
	struct io_uring ring;
	unsigned enter_flags;
	int enter_fd;
	unsigned lost;				/* *koverflow last seen */
	unsigned refused;			/* enters in a row */
	unsigned kernel_ops;			/* all that is in flight */
	unsigned batch;				/* completions of this turn */
	bool no_multi;				/* the kernel cannot limit it */
	struct ring *r;
	struct timer doubt_timer;
	unsigned doubt_n;
	struct doubt { uint32_t slot, gen; } doubt[DOUBTS];
	struct pollfd doubt_polls[DOUBTS];
	struct io_uring_buf_ring *br;
	struct iobuf *posted[POSTED_MAX];	/* by buffer id */
	uint16_t free_ids[POSTED_MAX];
	unsigned posted_n, posted_want, posted_limit;
	unsigned taken, taken_most, window;
	struct done *stash;		/* reaped while stopping an acceptor */
	unsigned stash_n, stash_cap;
	union sqe_extra *extra;
};

static inline struct uring_state *
state(const struct ring *r)
{
	return r->backend;
}

static inline uint64_t
tag(unsigned kind, uint32_t gen, uint32_t slot)
{
	return (uint64_t)kind << 56 | (uint64_t)(gen & 0xffffff) << 32 | slot;
}

/* An entry of the submission queue; never NULL. */
struct io_uring_sqe *uring_sqe(struct ring *r);
/* Counts the operation and tags its entry. */
void	uring_op_begin(struct sock *s, struct io_uring_sqe *sqe, unsigned kind);
void	uring_cancel_rx(struct sock *s);

/* ring_uring_recv.c */
int	uring_buffers_init(struct ring *r, const struct ring_options *o);
/* Gives the kernel as many buffers as it should have. */
void	uring_refill(struct ring *r);
/* Once a turn: how many that is. */
void	uring_posted_adapt(struct uring_state *u);
unsigned uring_room(struct ring *r);
void	uring_recv(struct sock *s, bool idle);
int	uring_recv_now(struct sock *s, void *p, size_t n);
bool	uring_nothing_ahead(const struct sock *s);
void	uring_on_recv(struct ring *r, struct sock *s, const struct done *cqe);
void	uring_on_doubt(struct timer *t);

#endif
