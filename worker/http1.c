/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The life of an HTTP/1 request. http1_serve() reads top to bottom: head, what
 * serve.c does with it, log line. Each step is a function of the file that its
 * name says.
 */
#include "http1.h"

#include "access_log.h"
#include "conn.h"
#include "exchange.h"
#include "generation.h"
#include "h1.h"
#include "h1_write.h"
#include "http1_body.h"
#include "http1_sink.h"
#include "live.h"
#include "log.h"
#include "route.h"
#include "serve.h"
#include "tunnel.h"

#include <errno.h>
#include <stdio.h>

static struct h1_limits
head_limits(const struct conn *c)
{
	struct h1_limits lim = { .line = 16 << 10, .field = 32 << 10,
	    .head = 64 << 10, .fields = FIELDS_RECEIVED };
	const struct generation *g = c->w->gen;
	uint32_t max;

	if (g != NULL && c->l->ep != TNONE &&
	    (max = table_entry_point(&g->table, c->l->ep)->max_header_bytes)) {
		/* Who asks for a larger head may mean one line of it. */
		if (max > lim.head)
			lim.field = max;
		lim.head = max;
	}
	return lim;
}

/*
 * A request that is not one: Go's short answer, then the end. Nothing that
 * follows on this connection is parsed (security 0.3).
 */
static int
refuse(struct fiber *f, struct conn *c, struct h1_error err)
{
	char out[512], a[128], b[128], peer[ADDR_TEXT];
	struct str text = h1_error_phrase(&err, a), body = h1_error_body(&err,
	    b);
	struct iovec iov = { .iov_base = out };

	/* Where Traefik's own answer has no body, ours has none. */
	if (err.reason == REASON_METHOD_UNKNOWN)
		body = STR_NONE;
	if (text.n == 0)
		text = h1_status_text(err.status);
	iov.iov_len = (size_t)snprintf(out, sizeof(out), "HTTP/1.1 %u %.*s\r\n"
	    "%sConnection: close\r\n%s\r\n%.*s", err.status, STR_ARG(text),
	    body.n != 0 ? "Content-Type: text/plain; charset=utf-8\r\n" : "",
	    body.n == 0 ? "Content-Length: 0\r\n" : "", STR_ARG(body));
	live_bump(c->w->mine->responses[err.status / 100], 1);
	/* It has no line in the access log, so it is seen here (N-13). */
	log_limited(LOG_INFO, "entry point %s: refused a request of %s: %u %s",
	    c->l->name, addr_text(&c->peer, peer), err.status,
	    reason_word(err.reason));
	fiber_deadline(f, ring_now(c->w->ring) + c->w->limits.write_gap_ns);
	return stream_send(f, &c->st, &iov, 1) < 0 ? -EPIPE : 1;
}

/*
 * A head grows beyond what the entry point takes only where a router of its host
 * allows that: which one it is, and whether it does, shows when it is whole.
 */
static bool
raise_limits(struct conn *c, struct h1_limits *lim, struct h1_error *err)
{
	const struct generation *g = c->w->gen;
	const struct tentry_point *ep;
	struct str host;
	uint32_t max;
	size_t n;

	if (c->large_head || err->reason != REASON_HEAD_TOO_LARGE ||
	    g == NULL || c->l->ep == TNONE)
		return false;
	ep = table_entry_point(&g->table, c->l->ep);
	n = iobuf_len(c->st.in);
	host = h1_peek_host(str_n((const char *)c->st.in->data +
	    c->st.in->head, n < lim->head ? n : lim->head));
	max = host.n == 0 ? 0 : route_head_max(&g->table, conn_is_tls(c) ?
	    ep->tls_mux : ep->plain_mux, host);
	if (max <= lim->head && max <= lim->field)
		return false;
	if (!conn_large_head(c, true)) {
		*err = (struct h1_error){ .status = 503,
		    .reason = REASON_OVERLOAD };
		return false;
	}
	lim->head = max > lim->head ? max : lim->head;
	lim->field = lim->head;
	return true;
}

/*
 * Reads a whole head. 1 with its length; 0 when the client left before a first
 * byte; -EBADMSG with *err; other -errno.
 */
static int
read_head(struct fiber *f, struct conn *c, struct h1_limits *lim,
    size_t *ret_n, struct h1_error *err)
{
	struct h1_scan scan = { 0 };
	int r;

	fiber_deadline(f, ring_now(c->w->ring) +
	    conn_read_limit(c, c->w->limits.head_ns));
	for (;;) {
		const struct iobuf *b = c->st.in;

		if (iobuf_len(b) > 0) {
			r = h1_scan(&scan, (const char *)b->data + b->head,
			    iobuf_len(b), lim, err);
			if (r < 0) {
				if (!raise_limits(c, lim, err))
					return r;
				scan = (struct h1_scan){ 0 };
				continue;
			}
			if (r > 0) {
				*ret_n = (size_t)r;
				return 1;
			}
		}
		r = stream_fill(f, &c->st, lim->head + 1);
		if (r == 0)
			return iobuf_len(c->st.in) == 0 ? 0 : -ECONNRESET;
		if (r == -ETIMEDOUT) {
			*err = (struct h1_error){ .status = 408,
			    .reason = REASON_HEAD_TIMEOUT };
			return -EBADMSG;
		}
		if (r == -EMSGSIZE) {
			*err = (struct h1_error){ .status = 431,
			    .reason = REASON_HEAD_TOO_LARGE };
			return -EBADMSG;
		}
		if (r < 0)
			return r;
	}
}

static int
parse_head(struct exchange *x, struct conn *c, size_t n,
    const struct h1_limits *lim, struct h1_error *err)
{
	struct h1_request q;
	int r;

	x->head = stream_detach(&c->st, n, &r);
	if (x->head == NULL) {
		*err = (struct h1_error){ .status = 503,
		    .reason = REASON_NO_MEMORY };
		return -EBADMSG;
	}
	r = h1_parse_request(&q, &x->req.fields, (const char *)x->head->data +
	    x->head->head - n, n, lim, err);
	if (r < 0)
		return r;
	/* Whoever asks for another scheme means another listener (L18). */
	if (q.scheme.n != 0 && (q.scheme.n == 5) != conn_is_tls(c)) {
		*err = (struct h1_error){ .status = 421,
		    .reason = REASON_MISDIRECTED };
		return -EBADMSG;
	}
	serve_take(x, &q);
	x->head_bytes = (uint32_t)n;
	if (c->large_head)	/* what is made of it may be as large */
		x->arena.max += n;
	x->req.major = 1;
	x->req.minor = q.minor;
	x->close = !q.keep_alive || conn_ends(c);
	return 0;
}

int
http1_serve(struct fiber *f, struct conn *c)
{
	struct h1_limits lim = head_limits(c);
	struct http1_body body;
	struct http1_sink sink;
	struct h1_error err;
	struct exchange *x;
	struct tunnel *tunnel;
	size_t n;
	int r;

	conn_unfinished(c, true);
	r = read_head(f, c, &lim, &n, &err);
	conn_unfinished(c, false);
	if (r == -EBADMSG)
		return refuse(f, c, err);
	if (r <= 0)
		return r < 0 ? r : -ECONNRESET;
	if ((x = exchange_get(c->w)) == NULL)
		return -ENOMEM;
	x->c = c;
	if (parse_head(x, c, n, &lim, &err) < 0) {
		exchange_put(x);
		return refuse(f, c, err);
	}
	serve_begin(x, c);
	x->client = &c->st;
	http1_body_init(&body, x);
	http1_sink_init(&sink, x);
	r = serve_exchange(f, x);
	if (r == 0)
		r = http1_sink_finish(f, x, &sink);
	c->cut = r < 0 && sink.until_close;
	tunnel = x->tunnel;
	http1_sink_fini(&sink, x);
	http1_body_fini(&body, x);
	if (tunnel == NULL)
		access_log_write(x);
	(void)conn_large_head(c, false);
	if (r == 0 && x->close)
		r = 1;
	exchange_put(x);
	if (tunnel != NULL && r >= 0) {
		tunnel_run_conn(f, tunnel, c);
		return HTTP1_TUNNEL;
	}
	tunnel_free(tunnel);
	return r;
}
