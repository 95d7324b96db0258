/* SPDX-License-Identifier: BSD-2-Clause */
/* WebSocket over HTTP/2; see http2_tunnel.h. */
#include "http2_tunnel.h"

#include "conn.h"
#include "http2.h"
#include "http2_stream.h"
#include "tunnel.h"

#include <errno.h>
#include <openssl/evp.h>
#include <openssl/rand.h>

#define KEY_BYTES	16
#define KEY_TEXT	25	/* in base64, terminated */

/* ---- The handshake ------------------------------------------------------------ */

int
http2_tunnel_ask(struct exchange *x)
{
	struct fields *fs = &x->req.fields;
	unsigned char raw[KEY_BYTES];
	char *key = arena_alloc(&x->arena, KEY_TEXT);

	if (key == NULL || RAND_bytes(raw, sizeof(raw)) != 1)
		return -ENOMEM;
	EVP_EncodeBlock((unsigned char *)key, raw, sizeof(raw));
	/* What the client may have said has no meaning here. */
	return fields_set_id(fs, FIELD_SEC_WEBSOCKET_KEY, str_c(key)) < 0 ||
	    fields_add_id(fs, FIELD_UPGRADE, STR("websocket")) < 0 ||
	    fields_add_id(fs, FIELD_CONNECTION, STR("Upgrade")) < 0 ?
	    -ENOBUFS : 0;
}

void
http2_tunnel_agree(struct exchange *x)
{
	fields_remove(&x->resp.fields, FIELD_SEC_WEBSOCKET_ACCEPT);
	x->resp.status = 200;
	x->resp.length = -1;
}

/* ---- The end of a tunnel ---------------------------------------------------------- */

/* Closed by both sides in order; otherwise a closed stream was reset. */
static bool
lost(const struct http2_stream *s)
{
	return s->closed && !(s->body_ended && s->out.last &&
	    s->out.pending.n == 0);
}

static int
receive(struct fiber *f, void *end, struct str *ret)
{
	struct http2_stream *s = end;

	(void)f;
	if (lost(s))
		return -ECONNRESET;
	if (s->given == NULL) {
		s->given = s->body;
		s->body = NULL;
	}
	if (s->given == NULL)
		return s->body_ended ? -EPIPE : 0;
	*ret = str_n((const char *)s->given->data + s->given->head,
	    iobuf_len(s->given) < IOBUF_LARGE ? iobuf_len(s->given) :
	    IOBUF_LARGE);
	return 1;
}

/* The client may send as much again. */
static void
consume(void *end, size_t n)
{
	struct http2_stream *s = end;
	struct http2 *h = s->h;

	s->given->head += (uint32_t)n;
	if (iobuf_len(s->given) == 0) {
		iobuf_put(h->c->w->ring, s->given);
		s->given = NULL;
	}
	if (s->closed)
		nghttp2_session_consume_connection(h->link.session, n);
	else
		nghttp2_session_consume(h->link.session, s->id, n);
	http2_wake(h);
}

static int
frame(struct http2_stream *s)
{
	int r;

	(void)nghttp2_session_resume_data(s->h->link.session, s->id);
	r = http2_link_fill(&s->h->link);
	http2_wake(s->h);
	return r;
}

static int
send_data(void *end, struct str data)
{
	struct http2_stream *s = end;

	if (s->closed)
		return -ECONNRESET;
	s->out.pending = data;
	s->out.waiter = s->f;
	return frame(s);
}

static int
sent(void *end)
{
	struct http2_stream *s = end;

	if (s->out.pending.n > 0)
		return s->closed ? -ECONNRESET : -EAGAIN;
	s->out.waiter = NULL;
	return 0;
}

static int
shut_down(struct fiber *f, void *end)
{
	struct http2_stream *s = end;

	(void)f;
	if (s->closed)
		return -ECONNRESET;
	s->out.last = true;
	return frame(s);
}

/* Without a fiber the session may rest as well. */
static void
hold(void *end, struct fiber *f)
{
	struct http2_stream *s = end;
	struct http2 *h = s->h;

	if (f != NULL && s->f == NULL)
		h->quiet--;
	else if (f == NULL && s->f != NULL) {
		h->quiet++;
		http2_wake(h);
	}
	s->f = f;
}

static void
stop(struct fiber *f, void *end)
{
	struct http2_stream *s = end;

	(void)f;
	s->out.pending = STR_NONE;
	s->out.waiter = NULL;
}

/* What the client has not been told: that a side was cut off, or is unread. */
static void
close_stream(void *end)
{
	struct http2_stream *s = end;
	struct http2 *h = s->h;

	s->tunnel = NULL;
	if (s->f == NULL)
		h->quiet--;
	if (!s->closed && nghttp2_session_get_stream_local_close(
	    h->link.session, s->id) != 1)
		http2_stream_reset(s, NGHTTP2_CANCEL);
	else if (!s->body_ended)
		http2_stream_reset(s, NGHTTP2_NO_ERROR);
	http2_stream_leave(s);
}

void
http2_tunnel_closed(struct http2_stream *s)
{
	tunnel_wake(s->tunnel);
	/* A side that is over is not asked any more. */
	if (s->f != NULL && lost(s))
		fiber_cancel(s->f);
}

void
http2_tunnel_run(struct fiber *f, struct http2_stream *s, struct tunnel *t)
{
	static const struct tunnel_end_ops ops = { receive, consume, send_data,
	    sent, shut_down, hold, stop, close_stream };

	s->tunnel = t;
	s->out.trailers = NULL;
	tunnel_run(f, t, (struct tunnel_end){ &ops, s });
}
