/* SPDX-License-Identifier: BSD-2-Clause */
/* Frames to the socket; see http2_output.h. */
#include "http2_output.h"

#include "conn.h"
#include "http2.h"
#include "http2_stream.h"

#include <errno.h>
#include <string.h>

#define FRAME_HEAD	9

/* What a buffer still takes: no more than one send may carry. */
static size_t
room(const struct iobuf *b)
{
	return b->tail >= IOBUF_LARGE ? 0 : b->cap > IOBUF_LARGE ?
	    IOBUF_LARGE - b->tail : iobuf_room(b);
}

/* Room for n bytes in h->out, which is made when there is none. */
static bool
room_for(struct http2 *h, size_t n)
{
	struct ring *r = h->c->w->ring;

	if (h->out == NULL)
		h->out = iobuf_get(r, n > IOBUF_SMALL ? IOBUF_LARGE :
		    IOBUF_SMALL);
	else if (h->out->tail == 0 && h->out->cap < n) {
		iobuf_put(r, h->out);
		h->out = iobuf_get(r, IOBUF_LARGE);
	}
	return h->out != NULL && room(h->out) >= n;
}

static void
append(struct http2 *h, const void *p, size_t n)
{
	if (n == 0)
		return;
	memcpy(h->out->data + h->out->tail, p, n);
	h->out->tail += (uint32_t)n;
}

static ssize_t
on_send(nghttp2_session *session, const uint8_t *data, size_t n, int flags,
    void *arg)
{
	struct http2 *h = arg;

	(void)session;
	(void)flags;
	if (!room_for(h, 1))
		return NGHTTP2_ERR_WOULDBLOCK;
	if (n > room(h->out))
		n = room(h->out);
	append(h, data, n);
	return (ssize_t)n;
}

/* A DATA frame whose bytes are still the stream's. */
static int
on_send_data(nghttp2_session *session, nghttp2_frame *frame, const uint8_t *head,
    size_t n, nghttp2_data_source *source, void *arg)
{
	struct http2 *h = arg;
	struct http2_stream *s = source->ptr;

	(void)session;
	(void)frame;		/* we never pad */
	if (s->x == NULL)	/* its exchange has ended without all of it */
		return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
	if (!room_for(h, FRAME_HEAD + n))
		return NGHTTP2_ERR_WOULDBLOCK;
	append(h, head, FRAME_HEAD);
	append(h, s->pending.p, n);
	http2_stream_taken(s, n);
	http2_refund(&h->budget, HTTP2_WINDOW, 10);
	return 0;
}

void
http2_output_callbacks(nghttp2_session_callbacks *cb)
{
	nghttp2_session_callbacks_set_send_callback(cb, on_send);
	nghttp2_session_callbacks_set_send_data_callback(cb, on_send_data);
}

int
http2_output_fill(struct http2 *h)
{
	int r = nghttp2_session_send(h->session);

	return r == 0 ? 0 : r == NGHTTP2_ERR_NOMEM ? -ENOMEM : -EPROTO;
}

/* Takes a finished send up. -EAGAIN while it is under way. */
static int
reap(struct http2 *h)
{
	int r = stream_send_poll(&h->c->st);

	if (r == -EAGAIN)
		return r;
	iobuf_put(h->c->w->ring, h->sending);
	h->sending = NULL;
	return r;
}

int
http2_output_send(struct http2 *h)
{
	int r;

	for (;;) {
		if (h->sending != NULL && (r = reap(h)) < 0)
			return r == -EAGAIN ? http2_output_fill(h) : r;
		if ((r = http2_output_fill(h)) < 0)
			return r;
		if (iobuf_len(h->out) == 0) {
			iobuf_put(h->c->w->ring, h->out);
			h->out = NULL;
			return 0;
		}
		h->sending = h->out;
		h->out = NULL;
		if ((r = stream_send_start(&h->c->st, h->sending->data,
		    h->sending->tail)) < 0)
			return r;
	}
}
