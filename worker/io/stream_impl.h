/* SPDX-License-Identifier: BSD-2-Clause */
/* The inside of streams: what stream.c and stream_tls.c share. */
#ifndef STREAM_IMPL_H
#define STREAM_IMPL_H

#include "stream.h"

/* Gives a buffer of the stream back; *b may be NULL already. */
void	stream_drop(struct stream *st, struct iobuf **b);
/* Makes room for `need` bytes behind those unread in st->in. 0 or -ENOMEM. */
int	stream_reserve(struct stream *st, size_t need);
/* The peer's side is over (res 0) or broken; notes it and returns res. */
int	stream_rx_over(struct stream *st, int res);
/* Receives into the room of *at; gives it back when nothing is in it. */
int	stream_receive_behind(struct fiber *f, struct stream *st,
	    struct iobuf **at);
int	stream_send_raw(struct fiber *f, struct stream *st, struct iovec *iov,
	    unsigned n);

/*
 * A full small buffer means that more may be there: moves *at to a large buffer
 * and adds what can be had without waiting. Returns the bytes added.
 */
int	stream_top_up(struct stream *st, struct iobuf **at);

int	stream_tls_fill(struct fiber *f, struct stream *st, size_t max);
int	stream_tls_send(struct fiber *f, struct stream *st,
	    const struct iovec *iov, unsigned n, size_t total);
/* Seals the bytes of *iov into st->sealed, which *iov then names. */
int	stream_tls_seal(struct stream *st, struct iovec *iov);
int	stream_tls_close_notify(struct fiber *f, struct stream *st);
int	stream_tls_handshake(struct fiber *f, struct stream *st);
/* 1: clear bytes are in st->in. 0: not, or the stream is over. */
int	stream_tls_peek(struct stream *st);

#endif
