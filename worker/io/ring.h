/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The ring: all waiting of a worker for the world outside. One interface, three
 * backends: io_uring, epoll where io_uring is forbidden, and a simulated one
 * for tests. Operations are started, complete later, and wake either the fiber
 * that holds the socket or, for parked sockets, a callback.
 *
 *   conversation:  sock_recv(f, s, &buf)      linear, on a fiber
 *   several at once: sock_recv_start(s); sock_send_start(s2, ...);
 *                    while (!done) fiber_wait(f);
 *   parked:        s->notify = fn; sock_recv_start(s); no fiber, no buffer
 *
 * At most one receive and one send are in flight per socket. The ring owns
 * `struct sock` (a slot with a generation, so that a late completion for a
 * closed socket finds nobody); memory named in an operation belongs to the
 * kernel until the operation is done, and every function here that returns
 * early for a deadline first takes its memory back.
 */
#ifndef RING_H
#define RING_H

#include "clock.h"
#include "fiber.h"
#include "iobuf.h"
#include "timer.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/uio.h>

enum ring_backend { RING_AUTO, RING_URING, RING_EPOLL, RING_SIM };

struct ring_options {
	enum ring_backend backend;
	unsigned max_socks;		/* bound of open sockets */
	unsigned max_fibers;
	unsigned small_buffers;		/* bounds of the pools */
	unsigned large_buffers;
};

/*
 * Makes the ring of the calling process (after privileges were dropped: the
 * ring keeps those it was made with). With RING_AUTO io_uring that is refused
 * (EPERM, ENOSYS, EINVAL, ENOMEM, kernel.io_uring_disabled, or a child killed
 * by SIGSYS when it probes) means epoll. ret_why receives static or process-
 * lifetime text saying which backend runs and why. 0 or -errno.
 */
int	ring_new(const struct ring_options *o, struct ring **ret,
	    const char **ret_why);
/* Cancels everything in flight, reaps it, frees. No fiber may be in use. */
void	ring_free(struct ring *r);
enum ring_backend ring_backend(const struct ring *r);
const char *ring_backend_name(enum ring_backend b);

/*
 * One turn: submits, waits for at least one event or the next timer (at most
 * until `until`), handles completions, runs fibers that became runnable.
 * 0 or -errno of a fatal kind (a lost completion: the worker must end).
 */
int	ring_turn(struct ring *r, nsec_t until);
/* The time of this turn, monotonic; cheap. */
nsec_t	ring_now(const struct ring *r);

/* ---- Sockets ----------------------------------------------------------- */

enum sock_rx { SOCK_RX_IDLE, SOCK_RX_ARMED, SOCK_RX_READY };
enum sock_tx { SOCK_TX_IDLE, SOCK_TX_BUSY, SOCK_TX_DONE };

struct sock {
	struct ring *ring;
	int fd;
	uint32_t slot;
	uint32_t gen;
	uint8_t rx;			/* enum sock_rx */
	uint8_t tx;			/* enum sock_tx: also connect */
	uint8_t inflight;		/* operations the kernel still holds */
	int rx_res;			/* RX_READY: bytes, 0 end of file, -errno */
	int tx_res;			/* TX_DONE: 0, or -errno */
	struct iobuf *rx_buf;		/* RX_READY of sock_recv_start: its bytes; taken by the reader */
	struct fiber *fiber;		/* woken on events; NULL when parked */
	void (*notify)(struct sock *s);	/* called on events while fiber is NULL */
	void *arg;			/* the socket's user */
	uint64_t tx_sent;		/* bytes of the current or last send that left */
	/* Private to the ring from here on. */
	uint32_t flags;
	uint32_t tx_n;			/* iovecs left to send */
	struct iovec *tx_iov;
	void *into;			/* where a recv_into goes */
	size_t into_n;
	struct iobuf *rx_more;		/* received ahead, first in first out */
	int rx_last;			/* what ended receiving ahead */
	struct sock *next;		/* queue of events, or free list */
	struct sock *starve_next, **starve_prev;
};

/*
 * Takes over fd (non-blocking, close-on-exec). NULL when max_socks is reached
 * or memory is short; the caller then still owns fd.
 */
struct sock *sock_new(struct ring *r, int fd);

/*
 * Receive into a buffer that the ring picks when bytes are there: rx becomes
 * READY with rx_buf and rx_res. On READY the reader calls sock_recv_take().
 * `idle` says that nothing is expected soon (parked): the kernel then does not
 * try at once.
 */
void	sock_recv_start(struct sock *s, bool idle);
/* Receive into the caller's memory: READY with rx_res, rx_buf stays NULL. */
void	sock_recv_into_start(struct sock *s, void *p, size_t n);
/*
 * Takes a READY result: returns rx_res, moves rx_buf to *ret_buf (NULL unless
 * bytes came), rx becomes IDLE.
 */
int	sock_recv_take(struct sock *s, struct iobuf **ret_buf);

/*
 * Without waiting, while no receive is armed: takes what is already there into
 * the caller's memory. Bytes, or -EAGAIN; an end or an error is kept for the
 * next receive.
 */
int	sock_recv_now(struct sock *s, void *p, size_t n);

/*
 * Without waiting and without copying: moves up to n bytes (at most
 * IOBUF_LARGE) that are there in one socket to the other, while neither has an
 * operation of that kind under way. Returns the bytes taken; what of them `to`
 * did not take is in *ret_rest, for the caller to send next. 0: nothing can be
 * moved, receive as usual. -EIO: bytes were lost, both can only be closed.
 */
ssize_t	sock_splice(struct sock *from, struct sock *to, size_t n,
	    struct iobuf **ret_rest);

/*
 * Sends all bytes of the vector; the vector and the data stay untouched by
 * others until tx is DONE (the ring itself advances the vector). tx_sent counts
 * on while a large send is under way, so that progress can be told from a
 * stall. sock_send_take() returns tx_res and makes it IDLE.
 */
void	sock_send_start(struct sock *s, struct iovec *iov, unsigned n);
void	sock_connect_start(struct sock *s, const struct sockaddr *sa,
	    socklen_t len);
int	sock_send_take(struct sock *s);

/*
 * The same on a fiber, which holds the socket at least while it waits. They
 * also return -ETIMEDOUT and -ECANCELED, at once when that is already so; the
 * memory named is the caller's again then. sock_recv() leaves its receive
 * armed in that case: the next one, or sock_close(), takes it up.
 * After a send that failed the connection can only be closed.
 */
int	sock_recv(struct fiber *f, struct sock *s, struct iobuf **ret_buf);
int	sock_recv_into(struct fiber *f, struct sock *s, void *p, size_t n);
int	sock_send(struct fiber *f, struct sock *s, struct iovec *iov, unsigned n);
int	sock_connect(struct fiber *f, struct sock *s, const struct sockaddr *sa,
	    socklen_t len);
/*
 * Sends as sock_send(), but gives up (-ETIMEDOUT) only when `gap` went by
 * without a byte leaving, or at the fiber's deadline.
 */
int	sock_send_gap(struct fiber *f, struct sock *s, struct iovec *iov,
	    unsigned n, nsec_t gap);

/*
 * Binds the socket's events to a fiber, or with NULL parks it. Changing hands
 * loses nothing: an event that already came wakes the new holder.
 */
void	sock_hold(struct sock *s, struct fiber *f);

/*
 * Takes back a receive of sock_recv_start() and waits until nothing in the
 * kernel is this process's any more, so that the descriptor can go to another
 * one. Nothing is lost: what was received meanwhile is READY, and behind it
 * sock_has_more(). No send may be under way. The socket can be used on.
 */
void	sock_still(struct fiber *f, struct sock *s);
/* The next sock_recv_start() is answered at once from what came before. */
bool	sock_has_more(const struct sock *s);

/* Half-close: no more sends. */
void	sock_shutdown(struct sock *s);
/*
 * Closes. The holder's memory must not be in flight: a fiber that has a send or
 * a recv_into under way calls sock_quiesce() first. A receive of
 * sock_recv_start() may be: the ring cancels it and drops what it brings.
 * The pointer is invalid afterwards.
 */
void	sock_close(struct sock *s);
/*
 * Takes back everything that is in flight and waits until it is; what was
 * received meanwhile is dropped, so the connection can only be closed then.
 */
void	sock_quiesce(struct fiber *f, struct sock *s);
/* Close with a reset instead of FIN. */
void	sock_abort(struct sock *s);

/* ---- Other descriptors ---------------------------------------------------- */

/*
 * Accepts on a listening socket until stopped: fn(arg, fd) for each connection
 * (non-blocking, close-on-exec), fn(arg, -errno) when accepting fails; it is
 * then taken up again by itself after 100 ms. The ring does not own fd.
 */
struct acceptor;
struct acceptor *acceptor_start(struct ring *r, int fd,
	    void (*fn)(void *arg, int fd_or_err), void *arg);
/* Connections accepted meanwhile are still handed to fn before it returns. */
void	acceptor_stop(struct acceptor *a);
/* Back-pressure: no accepts until resumed. */
void	acceptor_pause(struct acceptor *a, bool pause);

/* Calls fn(arg) whenever fd is readable. The ring does not own fd. */
struct watch;
struct watch *watch_start(struct ring *r, int fd, void (*fn)(void *arg),
	    void *arg);
void	watch_stop(struct watch *w);

/* ---- Counters ----------------------------------------------------------------- */

struct ring_stats {
	uint64_t turns, completions, stale, enobufs, overflows;
	unsigned socks, small_used, large_used;
};
void	ring_stats(const struct ring *r, struct ring_stats *ret);

#endif
