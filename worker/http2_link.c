/* SPDX-License-Identifier: BSD-2-Clause */
/* Frames between session and connection; see http2_link.h. */
#include "http2_link.h"

#include <errno.h>
#include <string.h>

#define FRAME_HEAD	9

const nghttp2_option *
http2_link_options(void)
{
	static nghttp2_option *o;	/* one for all, never freed */

	if (o != NULL || nghttp2_option_new(&o) != 0)
		return o;
	nghttp2_option_set_no_auto_window_update(o, 1);
	nghttp2_option_set_no_closed_streams(o, 1);
	nghttp2_option_set_max_outbound_ack(o, 100);
	nghttp2_option_set_max_settings(o, 32);
	/* What was received within our limits may be passed on. */
	nghttp2_option_set_max_send_header_block_length(o, 8 << 20);
	nghttp2_option_set_max_continuations(o, 8);
	nghttp2_option_set_max_deflate_dynamic_table_size(o, 4096);
	/* Counted by our own budget, which answers ENHANCE_YOUR_CALM. */
	nghttp2_option_set_stream_reset_rate_limit(o, 1000, 1000);
	return o;
}

void
http2_link_fini(struct http2_link *l)
{
	nghttp2_session_del(l->session);
	iobuf_put(l->ring, l->out);
	iobuf_put(l->ring, l->sending);
}

size_t
http2_put_fields(nghttp2_nv *v, const struct fields *fs)
{
	size_t n = 0;

	FIELDS_EACH(fs, f) {
		unsigned classes = field_classes((enum field_id)f->id);

		/* Whoever set it: this concerns connections of HTTP/1. */
		if (f->id != FIELD_TRAILER &&
		    (classes & (CLASS_HOP | CLASS_FRAMING)))
			continue;
		v[n++] = http2_nv(field_name(f), field_value(f));
	}
	return n;
}

/* ---- Out --------------------------------------------------------------------- */

/* What a buffer still takes: no more than one send may carry. */
static size_t
room(const struct iobuf *b)
{
	return b->tail >= IOBUF_LARGE ? 0 : b->cap > IOBUF_LARGE ?
	    IOBUF_LARGE - b->tail : iobuf_room(b);
}

/* Room for n bytes in l->out, which is made when there is none. */
static bool
room_for(struct http2_link *l, size_t n)
{
	if (l->out == NULL)
		l->out = iobuf_get(l->ring, n > IOBUF_SMALL ? IOBUF_LARGE :
		    IOBUF_SMALL);
	else if (l->out->tail == 0 && l->out->cap < n) {
		iobuf_put(l->ring, l->out);
		l->out = iobuf_get(l->ring, IOBUF_LARGE);
	}
	return l->out != NULL && room(l->out) >= n;
}

static void
append(struct http2_link *l, const void *p, size_t n)
{
	if (n == 0)
		return;
	memcpy(l->out->data + l->out->tail, p, n);
	l->out->tail += (uint32_t)n;
	l->framed += n;
}

static ssize_t
on_send(nghttp2_session *session, const uint8_t *data, size_t n, int flags,
    void *arg)
{
	struct http2_link *l = arg;

	(void)session;
	(void)flags;
	if (!room_for(l, 1))
		return NGHTTP2_ERR_WOULDBLOCK;
	if (n > room(l->out))
		n = room(l->out);
	append(l, data, n);
	return (ssize_t)n;
}

/* A DATA frame whose bytes are still the stream's. */
static int
on_send_data(nghttp2_session *session, nghttp2_frame *frame, const uint8_t *head,
    size_t n, nghttp2_data_source *source, void *arg)
{
	struct http2_link *l = arg;
	struct http2_outgoing *o = source->ptr;

	(void)session;
	(void)frame;		/* we never pad */
	if (o->dead)		/* its exchange has ended without all of it */
		return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
	if (!room_for(l, FRAME_HEAD + n))
		return NGHTTP2_ERR_WOULDBLOCK;
	append(l, head, FRAME_HEAD);
	append(l, o->pending.p, n);
	o->pending = str_from(o->pending, n);
	if (o->pending.n == 0 && o->waiter != NULL)
		fiber_wake(o->waiter);
	http2_refund(&l->budget, HTTP2_WINDOW, 10);
	/* Receivers of gRPC measure the way of the data by pings. */
	http2_refund(&l->budget, HTTP2_PING, 1);
	return 0;
}

ssize_t
http2_link_read(nghttp2_session *session, int32_t id, uint8_t *buf, size_t max,
    uint32_t *flags, nghttp2_data_source *source, void *arg)
{
	static nghttp2_nv nv[FIELDS_MAX];	/* used within this call */
	struct http2_outgoing *o = source->ptr;
	size_t n;

	(void)buf;
	(void)arg;
	if (o->dead || (o->pending.n == 0 && !o->last))
		return NGHTTP2_ERR_DEFERRED;
	n = o->pending.n < max ? o->pending.n : max;
	*flags |= NGHTTP2_DATA_FLAG_NO_COPY;
	if (!o->last || n < o->pending.n)
		return (ssize_t)n;
	*flags |= NGHTTP2_DATA_FLAG_EOF;
	if (o->trailers != NULL && o->trailers->n != 0) {
		*flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
		nghttp2_submit_trailer(session, id, nv, http2_put_fields(nv,
		    o->trailers));
	}
	return (ssize_t)n;
}

void
http2_link_callbacks(nghttp2_session_callbacks *cb)
{
	nghttp2_session_callbacks_set_send_callback(cb, on_send);
	nghttp2_session_callbacks_set_send_data_callback(cb, on_send_data);
}

int
http2_link_fill(struct http2_link *l)
{
	int r = nghttp2_session_send(l->session);

	return r == 0 ? 0 : r == NGHTTP2_ERR_NOMEM ? -ENOMEM : -EPROTO;
}

/* Takes a finished send up. -EAGAIN while it is under way. */
static int
reap(struct http2_link *l)
{
	int r = stream_send_poll(l->st);

	if (r == -EAGAIN)
		return r;
	iobuf_put(l->ring, l->sending);
	l->sending = NULL;
	return r;
}

int
http2_link_send(struct http2_link *l)
{
	int r;

	for (;;) {
		if (l->sending != NULL && (r = reap(l)) < 0)
			return r == -EAGAIN ? http2_link_fill(l) : r;
		if ((r = http2_link_fill(l)) < 0)
			return r;
		if (iobuf_len(l->out) == 0) {
			iobuf_put(l->ring, l->out);
			l->out = NULL;
			return 0;
		}
		l->sending = l->out;
		l->out = NULL;
		if ((r = stream_send_start(l->st, l->sending->data,
		    l->sending->tail)) < 0)
			return r;
	}
}

bool
http2_link_quiet(const struct http2_link *l)
{
	return l->sending == NULL && l->out == NULL &&
	    !nghttp2_session_want_write(l->session);
}

/* ---- In ------------------------------------------------------------------------ */

static int
feed(struct http2_link *l, const uint8_t *p, const uint8_t *end)
{
	ssize_t n = p < end ? nghttp2_session_mem_recv(l->session, p,
	    (size_t)(end - p)) : 0;

	if (n >= 0)
		return 0;
	l->error = nghttp2_strerror((int)n);
	return n == NGHTTP2_ERR_NOMEM ? -ENOMEM : -EPROTO;
}

/* Frame by frame, as what one means depends on those before it. */
static int
feed_frames(struct http2_link *l, const uint8_t *fed, size_t left,
    void (*look)(struct http2_link *l, const struct h2_frame *frame))
{
	const uint8_t *p = fed, *end = fed + left;
	struct h2_frame frame;
	int r;

	while (h2_frames_next(&l->frames, &p, &left, &frame) > 0) {
		const uint8_t *head = p - sizeof(l->frames.head);

		if ((r = feed(l, fed, head)) < 0)
			return r;
		if (head > fed)
			fed = head;
		look(l, &frame);
	}
	return feed(l, fed, end);
}

int
http2_link_receive(struct fiber *f, struct http2_link *l,
    void (*look)(struct http2_link *l, const struct h2_frame *frame))
{
	struct stream *st = l->st;
	size_t n;
	int r;

	while ((r = stream_peek(st)) == 1) {
		/* It is there: this does not wait. */
		if (iobuf_len(st->in) == 0 &&
		    (r = stream_fill(f, st, IOBUF_LARGE)) <= 0)
			return r < 0 ? r : -ECONNRESET;
		st->peeked = 0;
		n = iobuf_len(st->in);
		if ((r = feed_frames(l, st->in->data + st->in->head, n,
		    look)) < 0)
			return r;
		stream_consume(st, n);
	}
	if (r < 0)
		return r == -EPIPE ? -ECONNRESET : r;
	stream_watch(st);
	return 0;
}
