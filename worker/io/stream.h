/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A connection's bytes in clear, whatever carries them: plain TCP or TLS. The
 * rest of the worker never sees a cipher. The unread bytes stand in `in`, which
 * exists only while there are some.
 */
#ifndef STREAM_H
#define STREAM_H

#include "ring.h"

struct tls_conn;

struct stream {
	struct sock *s;
	struct tls_conn *tls;		/* NULL: plain */
	struct iobuf *in;		/* clear bytes not yet consumed, or NULL */
	struct iobuf *raw;		/* TLS: records received, not yet opened */
	bool eof;			/* the peer ended its side (TLS: close_notify) */
	bool truncated;			/* TLS ended without close_notify, or a reset */
	bool flow;			/* private: the last receive was a full buffer */
	uint32_t peeked;		/* private: bytes of `in` that no fill has told of */
	struct iobuf *out;		/* private: TLS: records still to be sent */
	struct iobuf *sealed;		/* private: TLS: records of stream_send_start() */
	struct iovec sending;		/* private: what it sends */
	bool far;			/* private: TLS records are small at first */
	nsec_t sealed_at;		/* private: when the last one was made, if far */
	nsec_t send_gap;		/* 0, or a send ends with -ETIMEDOUT after so long without progress */
	uint64_t bytes_in, bytes_out;	/* in clear */
};

void	stream_init(struct stream *st, struct sock *s, struct tls_conn *tls);
/*
 * Gives buffers back, frees the TLS state, closes; says nothing to a TLS peer.
 * A receive may be armed, no other operation in flight.
 */
void	stream_close(struct stream *st);
/* The same with a reset instead of the end. */
void	stream_abort(struct stream *st);

/*
 * Waits for more clear bytes and appends them to st->in, which is replaced by a
 * larger buffer when it is full, up to max bytes (-EMSGSIZE beyond). Returns
 * the number of bytes added, 0 at the end of the stream, or -errno. Pointers
 * into st->in are invalid after a call that made it grow.
 */
int	stream_fill(struct fiber *f, struct stream *st, size_t max);
/* Marks n bytes of st->in as read; gives the buffer back when it is empty. */
void	stream_consume(struct stream *st, size_t n);

/*
 * Detaches st->in: the caller owns the buffer (so that pointers into its
 * consumed part stay valid), unread bytes after `head` are copied to a new
 * st->in. NULL when there was none; -ENOMEM through *ret_err.
 */
struct iobuf *stream_detach(struct stream *st, size_t consumed, int *ret_err);

/* Sends all bytes. The vector may be changed. 0 or -errno. */
int	stream_send(struct fiber *f, struct stream *st, struct iovec *iov,
	    unsigned n);

/*
 * The same without a wait, at most IOBUF_LARGE bytes: starts, then
 * stream_send_poll() gives -EAGAIN while it is under way and once 0 or -errno;
 * the holder is woken in between. Until then the bytes stay untouched.
 */
int	stream_send_start(struct stream *st, const void *p, size_t n);
int	stream_send_poll(struct stream *st);

/*
 * Without waiting: passes on up to n bytes that are there in `from`, copying
 * none, where both are plain and nothing is unread; see sock_splice().
 */
ssize_t	stream_splice(struct fiber *f, struct stream *from, struct stream *to,
	    size_t n, struct iobuf **ret_rest);

/*
 * Keeps a receive armed while the fiber does something else, so that the peer's
 * leaving or a next byte wakes it. stream_peek() then tells without waiting:
 * 0 nothing yet, 1 clear bytes are there (in st->in or found by the next
 * stream_fill() without a wait), -ECONNRESET the peer is gone or cut its TLS
 * off, -EPIPE clean end of the peer's side.
 */
void	stream_watch(struct stream *st);
int	stream_peek(struct stream *st);

/*
 * Before the descriptor goes to another process: sock_still(), and what came
 * until then stands in st->in and st->raw. 0; -EPIPE when the peer's end is
 * among it, -ENOMEM: the stream is to be read on here.
 */
int	stream_settle(struct fiber *f, struct stream *st);

/* Parked: a receive armed, no fiber; s->notify must be set. */
void	stream_park(struct stream *st);
bool	stream_has_unread(const struct stream *st);

/*
 * TLS close_notify where it applies, then half-close. Waits for the send; the
 * half-close is done in any case.
 */
int	stream_shutdown(struct fiber *f, struct stream *st);

/*
 * Server and client handshakes; see tls.h for the reasons of failure. 0, at
 * once for plain streams; -ECONNRESET when the peer left; else -errno.
 */
int	stream_handshake(struct fiber *f, struct stream *st);
/*
 * The peer of a TLS stream is a long way off: what is sent first, and first
 * after a second of quiet, leaves in small records.
 */
void	stream_far(struct stream *st);

#endif
