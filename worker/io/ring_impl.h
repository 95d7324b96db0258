/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The inside of the ring, shared by ring.c, its backends, fibers, timers and
 * buffers. Nothing above worker/io includes this, tests of the traps do.
 */
#ifndef RING_IMPL_H
#define RING_IMPL_H

#include "ring.h"

/* sock.flags */
enum {
	SOCK_CLOSING = 1,	/* closed by its user, operations still in flight */
	SOCK_CONNECTING = 2,
	SOCK_QUEUED = 4,	/* in the queue of events to deliver */
	SOCK_STARVED = 8,	/* in the list that waits for a buffer */
	SOCK_RX_POOL = 16,	/* the receive takes a buffer of the pool */
	SOCK_RX_CANCEL = 32,	/* the receive was asked to end */
	SOCK_TX_CANCEL = 64,
	SOCK_FRESH = 128,	/* io_uring: nothing received yet */
	SOCK_MORE = 256,	/* io_uring: the kernel said that bytes are left */
	SOCK_READABLE = 512,	/* epoll: a receive is worth trying */
	SOCK_WRITABLE = 1024,	/* epoll */
	SOCK_HUNGUP = 2048,	/* epoll: end of file or error will be read */
	SOCK_ADDED = 4096,	/* epoll: registered */
	SOCK_MULTI = 8192,	/* io_uring: a receive that goes on is in flight */
	SOCK_ENOUGH = 16384,	/* io_uring: it was asked to stop, too much is ahead */
	SOCK_LAST = 32768,	/* io_uring: rx_last is to be told */
	SOCK_DOUBT = 65536,	/* io_uring: the end may have been missed */
	SOCK_STILL = 131072,	/* somebody waits for the end of all operations */
};

struct ring_ops {
	enum ring_backend backend;
	int (*init)(struct ring *r, const struct ring_options *o);
	void (*fini)(struct ring *r);
	/* Submits, waits up to timeout (0: only looks), handles completions. */
	int (*wait)(struct ring *r, nsec_t timeout);
	void (*sock_add)(struct sock *s);
	/* What to do stands in the socket: into, into_n; tx_iov, tx_n. */
	void (*recv)(struct sock *s, bool idle);
	/* At once: bytes, 0 at the end, -errno (-EAGAIN: nothing there). */
	int (*recv_now)(struct sock *s, void *p, size_t n);
	void (*send)(struct sock *s);
	void (*connect)(struct sock *s, const struct sockaddr *sa, socklen_t n);
	/* No bytes of the socket are on their way past its own queue. */
	bool (*nothing_ahead)(const struct sock *s);
	/* Makes a receive or a send end soon, with -ECANCELED or its result. */
	void (*cancel_rx)(struct sock *s);
	void (*cancel_tx)(struct sock *s);
	/* Forgets a socket without an operation; NULL: there is nothing to do. */
	void (*let_go)(struct sock *s);
	void (*shutdown)(struct sock *s);
	void (*reset)(struct sock *s);	/* the next close sends RST */
	void (*close)(struct ring *r, int fd);
	void (*accept)(struct acceptor *a);
	void (*accept_pause)(struct acceptor *a);
	void (*accept_stop)(struct acceptor *a);
	void (*watch)(struct watch *w);
	void (*watch_stop)(struct watch *w);
	/* How many receives that found no buffer may be tried again. */
	unsigned (*room)(struct ring *r);
};
extern const struct ring_ops ring_uring_ops, ring_epoll_ops, ring_sim_ops;

#define WHEEL_LEVELS	5
#define WHEEL_SLOTS	64
#define TIMER_TICK	(4 * NSEC_MSEC)

struct wheel {
	int64_t tick;				/* all up to here have fired */
	uint64_t used[WHEEL_LEVELS];		/* bit per slot that may hold some */
	struct timer *slot[WHEEL_LEVELS][WHEEL_SLOTS];
};

/* Stands at the top of its own stack, next to its hottest frames. */
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
	bool woken, canceled, quiet;
	uint8_t burst;				/* operations since it last waited */
	void *asan_fake_stack;
};

struct fiber_pool {
	struct fiber *free;
	char *slab;
	size_t slab_bytes;
	unsigned made;				/* stacks with a guard, from 0 */
	bool guard_by_mprotect;
	struct fiber_stats stats;
	const void *asan_bottom;		/* the loop's own stack */
	size_t asan_size;
	void *asan_fake_stack;
};

/* Per kind: small, large. */
struct iobuf_slab {
	char *mem;
	size_t bytes, stride;
	struct iobuf *all, *free, *cold;	/* cold: pages given back */
	unsigned made, used, max, nfree;	/* nfree: in `free` */
};

struct acceptor {
	struct ring *ring;
	int fd;
	void (*fn)(void *arg, int fd_or_err);
	void *arg;
	struct timer retry, sweep;
	nsec_t sweep_gap;			/* io_uring: until the next sweep */
	struct acceptor *next;
	uint32_t id;
	unsigned burst;				/* epoll: accepts per event */
	bool armed, paused, stopped;
};

struct watch {
	struct ring *ring;
	int fd;
	void (*fn)(void *arg);
	void *arg;
	struct watch *next;
	uint32_t id;
	bool armed;
};

struct ring {
	const struct ring_ops *ops;
	void *backend;				/* private to it */
	nsec_t now;
	struct fiber *current;			/* NULL in the loop */
	void *loop_sp;
	struct fiber *run_head, **run_tail;
	struct fiber *later_head, **later_tail;	/* yielded: next turn */
	unsigned time_each;			/* turns to time every fiber in */
	struct fiber_pool fibers;
	struct wheel wheel;
	struct iobuf_slab bufs[2];
	struct sock **slots;			/* by number */
	uint32_t nslots, max_slots;
	struct sock *free_socks;
	struct sock *queue_head, **queue_tail;	/* events to deliver */
	struct sock *starved, **starved_tail;	/* first come, first served */
	struct acceptor *acceptors;
	struct watch *watches;
	uint32_t next_id;
	struct ring_stats stats;
	int pipe[2];				/* of splice.c */
	bool has_pipe;
	int fatal;				/* -errno: the loop must end */
};

/* Set before ring_new() by tests that want small or old rings; 0: default. */
struct ring_uring_test {
	unsigned sq_entries, cq_entries;
	unsigned skip_setups;	/* pretend that the first n are refused */
	bool no_multi;		/* pretend that multishot has no limit */
};
extern struct ring_uring_test ring_uring_test;

/* What is known from the kernel's completions, in one place. */
void	sock_rx_done(struct sock *s, int res, struct iobuf *b);
void	sock_tx_done(struct sock *s, int res);
/*
 * Counts n sent bytes off the vector; true when there is more to send.
 */
bool	sock_tx_advance(struct sock *s, size_t n);
/* A kernel operation was reaped; closes at the last one. */
void	sock_op_done(struct sock *s);
/* NULL when the generation is over or the slot free; counted. */
struct sock *sock_by_slot(struct ring *r, uint32_t slot, uint32_t gen);
/* The pool is empty: the socket waits until buffers came back. */
void	sock_starve(struct sock *s);
struct acceptor *acceptor_by_id(struct ring *r, uint32_t id);
struct watch *watch_by_id(struct ring *r, uint32_t id);
/* Hands over what accept gave; an error also starts the pause of 100 ms. */
void	acceptor_result(struct acceptor *a, int fd_or_err);

/* Runs the fibers that are runnable, within the turn's budget. */
void	fiber_run_all(struct ring *r);
/* Why a wait would fail now: -ECANCELED, -ETIMEDOUT, or 0. */
int	fiber_verdict(const struct fiber *f);
/* The same before an operation; after many that never waited others run. */
int	fiber_step(struct fiber *f);

/* Fires what is due. */
void	wheel_advance(struct ring *r);
/* The time of the next turn of the wheel that matters, or NSEC_NEVER. */
nsec_t	wheel_next(const struct ring *r);

void	splice_fini(struct ring *r);

int	iobuf_pool_init(struct ring *r, const struct ring_options *o);
void	iobuf_pool_fini(struct ring *r);
/* Small buffers that can still be had. */
unsigned iobuf_small_left(const struct ring *r);

#endif
