/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The inside of the ring, shared by ring.c, its backends, fibers, timers and
 * buffers. Nothing above worker/io includes this.
 */
#ifndef RING_IMPL_H
#define RING_IMPL_H

#include "ring.h"

/* sock.flags */
enum {
	SOCK_CLOSING = 1,	/* closed by its user, operations still in flight */
	SOCK_CONNECTING = 2,
	SOCK_READABLE = 4,	/* epoll: a receive is worth trying */
	SOCK_WRITABLE = 8,	/* epoll */
	SOCK_HUNGUP = 16,	/* epoll: end of file or error will be read */
	SOCK_QUEUED = 32,	/* in the queue of events to deliver */
	SOCK_STARVED = 64,	/* io_uring: waits for a buffer */
	SOCK_RX_POOL = 128	/* the receive in flight takes a buffer of the pool */
};

struct ring_ops {
	enum ring_backend backend;
	int (*init)(struct ring *r, const struct ring_options *o);
	void (*fini)(struct ring *r);
	/* Submits, waits up to timeout (0: only looks), handles completions. */
	int (*wait)(struct ring *r, nsec_t timeout);
	int (*sock_add)(struct sock *s);
	void (*recv)(struct sock *s, bool idle);
	void (*recv_into)(struct sock *s, void *p, size_t n);
	void (*send)(struct sock *s, struct iovec *iov, unsigned n);
	void (*connect)(struct sock *s, const struct sockaddr *sa, socklen_t n);
	/* Makes what is in flight end soon. */
	void (*cancel)(struct sock *s);
	void (*accept)(struct acceptor *a);
	void (*accept_stop)(struct acceptor *a);
	void (*watch)(struct watch *w);
	void (*watch_stop)(struct watch *w);
	/* Tries the receive of a socket again that found no buffer. */
	void (*feed)(struct sock *s);
	/* After the pool ran dry: whether there are buffers again. */
	bool (*refill)(struct ring *r);
};
extern const struct ring_ops ring_uring_ops, ring_epoll_ops, ring_sim_ops;

#define WHEEL_LEVELS	5
#define WHEEL_SLOTS	64
#define TIMER_TICK	(4 * NSEC_MSEC)

struct wheel {
	int64_t tick;				/* all up to here have fired */
	uint64_t used[WHEEL_LEVELS];		/* bit per slot that may hold some */
	struct timer *slot[WHEEL_LEVELS][WHEEL_SLOTS];
	bool inited;
};

struct fiber {
	void *sp;
	char *stack;				/* lowest usable byte */
	struct ring *ring;
	fiber_main fn;
	void *arg;
	const char *name;
	const void *object;
	nsec_t deadline, since;
	struct timer timer;
	struct fiber *next;			/* run queue or free list */
	uint8_t state;				/* enum fiber_state */
	bool woken, canceled, used_deep;
	void *asan_fake_stack;
};

struct fiber_pool {
	struct fiber *all, *free;
	char *slab;
	size_t slab_bytes;
	struct fiber_stats stats;
	const void *asan_bottom;		/* the loop's own stack */
	size_t asan_size;
	void *asan_fake_stack;
};

struct iobuf_pool {
	struct iobuf *free[2];			/* small, large */
	unsigned made[2], used[2], max[2];
};

struct acceptor {
	struct ring *ring;
	int fd;
	void (*fn)(void *arg, int fd_or_err);
	void *arg;
	struct timer retry;
	struct acceptor *next;
	uint32_t id;
	bool armed, paused, stopped;
};

struct watch {
	struct ring *ring;
	int fd;
	void (*fn)(void *arg);
	void *arg;
	struct watch *next;
	uint32_t id;
	bool armed, stopped;
};

struct ring {
	const struct ring_ops *ops;
	void *backend;				/* private to it */
	nsec_t now;
	struct fiber *current;			/* NULL in the loop */
	void *loop_sp;
	struct fiber *run_head, **run_tail;
	struct fiber_pool fibers;
	struct wheel wheel;
	struct iobuf_pool bufs;
	struct sock **slots;			/* by number; NULL never used */
	uint32_t nslots, max_slots;
	struct sock *free_socks;		/* linked through tx_state */
	struct sock *queue[256];		/* epoll, sim: events to deliver */
	unsigned queue_n;
	struct acceptor *acceptors;
	struct watch *watches;
	uint32_t next_id;
	unsigned starved;			/* sockets with SOCK_STARVED */
	struct ring_stats stats;
	int fatal;				/* -errno: the loop must end */
};

/* Runs one fiber until it waits or ends. */
void	fiber_run(struct fiber *f);
/* Delivers an event of a socket to its holder: wakes or calls. */
void	sock_event(struct sock *s);
/* An operation ended: one less in flight; closes at the last one. */
void	sock_op_done(struct sock *s);
struct sock *sock_by_slot(struct ring *r, uint32_t slot, uint32_t gen);
/* The pool is empty: the socket waits until buffers came back. */
void	sock_starve(struct sock *s);
void	acceptor_retry(struct acceptor *a);
/* Fires what is due; returns the time of the next one or NSEC_NEVER. */
nsec_t	wheel_advance(struct ring *r);
nsec_t	wheel_next(const struct ring *r);
void	iobuf_pool_init(struct ring *r, const struct ring_options *o);
void	iobuf_pool_fini(struct ring *r);

#endif
