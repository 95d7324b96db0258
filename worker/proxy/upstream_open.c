/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Connections to servers: from the pool or fresh; see upstream.h. Where HTTP/2
 * may be spoken, one fiber at a time connects and the others share what it finds.
 */
#include "upstream.h"

#include "conn.h"
#include "h2_call.h"
#include "pool.h"
#include "tls.h"
#include "upstream_tls.h"
#include "worker.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <unistd.h>

#define HEAD_MAX	(64 * 1024)	/* unless the router says more */
#define SHED_TRIES	10
#define SHED_PAUSE	(2 * NSEC_MSEC)	/* until a closed one is gone */

static int
open_socket(struct ring *r, int family, struct sock **ret)
{
	int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int one = 1;

	if (fd < 0)
		return -errno;
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if ((*ret = sock_new(r, fd)) != NULL)
		return 0;
	close(fd);
	return -ENOMEM;
}

/* A socket; where there are too many, idle connections make room. */
static int
new_socket(struct fiber *f, struct worker *w, int family, struct sock **ret)
{
	int r = open_socket(w->ring, family, ret), slept;

	for (unsigned i = 0; i < SHED_TRIES && (r == -EMFILE || r == -ENFILE ||
	    r == -ENOMEM) && pool_shed(w->pool); i++) {
		/* At once, before another fiber does; else when it is gone. */
		if ((r = open_socket(w->ring, family, ret)) == 0)
			break;
		slept = fiber_sleep_until(f, ring_now(w->ring) + SHED_PAUSE);
		if (slept < 0)
			return slept;
		r = open_socket(w->ring, family, ret);
	}
	return r;
}

static int
dial(struct fiber *f, struct upstream *u, const struct addr *a, uint16_t port)
{
	struct sockaddr_storage ss;
	socklen_t len = addr_to_sockaddr(a, port, &ss);
	struct sock *s;
	int r = new_socket(f, u->w, ss.ss_family, &s);

	if (r < 0)
		return r;
	stream_init(&u->st, s, NULL);
	if ((r = sock_connect(f, s, (struct sockaddr *)&ss, len)) < 0) {
		sock_close(s);
		u->st.s = NULL;
	}
	return r;
}

/* Tries the addresses in order; one deadline for all of them and for TLS. */
static int
connect_any(struct fiber *f, struct exchange *x, struct upstream *u,
    const struct tserver *sv, struct addr *ret_addr, enum reason *ret_why)
{
	const struct addr *a = TABLE_VEC(x->t, sv->addrs, struct addr);
	int r = -EHOSTUNREACH;

	for (uint32_t i = 0; i < sv->addrs.n; i++) {
		r = dial(f, u, &a[i], sv->port);
		*ret_addr = a[i];
		if (r == 0 || r == -ETIMEDOUT || r == -ECANCELED)
			break;
	}
	if (r < 0)
		*ret_why = r == -ETIMEDOUT ? REASON_UPSTREAM_CONNECT_TIMEOUT :
		    upstream_reason(r);
	return r;
}

/* Without a connection yet. */
static struct upstream *
upstream_new(struct worker *w)
{
	struct upstream *u = malloc(sizeof(*u));

	/* The store needs no clearing: fields.n says what is valid. */
	if (u != NULL)
		memset(u, 0, offsetof(struct upstream, store));
	if (u != NULL)
		u->w = w;
	return u;
}

void
upstream_free(struct upstream *u)
{
	struct ring *r = u->w->ring;

	timer_stop(r, &u->timer);
	iobuf_put(r, u->head);
	iobuf_put(r, u->out);
	buf_fini(&u->trailers);
	if (u->h2 != NULL)
		h2_call_done(u->h2);
	if (u->st.s != NULL)
		stream_close(&u->st);
	free(u);
}

/* What is asked for, and what is found. */
struct opening {
	const struct tserver *sv;
	const struct ttransport *tr;
	struct pool_list *list;		/* NULL: no memory for one */
	bool fresh;			/* not from the pool */
	bool http2;			/* may be spoken */
	const struct proxy_header *whose;	/* to be sent first; or NULL */
	struct addr addr;		/* connected to */
	struct pool_waiter waiter;	/* for another that connects */
	enum reason why;
};

/* For whom a connection speaks; a probe is our own (LOCAL, UNKNOWN). */
static struct proxy_header
client_of(const struct exchange *x)
{
	const struct conn *c = x->c;

	if (c == NULL)
		return (struct proxy_header){ .known = false };
	return (struct proxy_header){ .known = true, .from = c->peer,
	    .to = c->local, .from_port = c->peer_port,
	    .to_port = c->local_port };
}

/* The PROXY header, in clear and before anything else. */
static int
introduce(struct fiber *f, struct opening *o, struct upstream *u)
{
	uint8_t head[PROXY_HEADER_WRITTEN];
	struct iovec iov = { head, 0 };
	int r;

	if (o->whose == NULL)
		return 0;
	u->proxied = true;
	u->whose = *o->whose;
	iov.iov_len = proxy_header_write(o->whose, o->tr->proxy_protocol, head);
	if ((r = stream_send(f, &u->st, &iov, 1)) < 0)
		o->why = r == -ETIMEDOUT ? REASON_UPSTREAM_CONNECT_TIMEOUT :
		    upstream_reason(r);
	return r;
}

static int
open_fresh(struct fiber *f, struct exchange *x, struct opening *o,
    struct upstream **ret)
{
	struct upstream *u = upstream_new(x->w);
	nsec_t before, end;
	int r;

	o->why = REASON_NO_MEMORY;
	if (u == NULL)
		return -ENOMEM;
	before = fiber_get_deadline(f);
	end = o->tr->dial_timeout_ns > 0 ? clock_add(ring_now(x->w->ring),
	    o->tr->dial_timeout_ns) : NSEC_NEVER;
	(void)fiber_deadline(f, end < before ? end : before);
	r = connect_any(f, x, u, o->sv, &o->addr, &o->why);
	if (r == 0)
		r = introduce(f, o, u);
	if (r == 0 && o->sv->scheme == TSCHEME_HTTPS)
		r = upstream_tls(f, x, u, o->sv, o->tr, o->http2, &o->why);
	fiber_deadline(f, before);
	if (r < 0) {
		if (u->st.s != NULL && u->st.s->tx == SOCK_TX_BUSY)
			sock_quiesce(f, u->st.s);
		upstream_free(u);
		return r;
	}
	*ret = u;
	return 0;
}

/* ---- HTTP/2 ------------------------------------------------------------------ */

static int
begin_call(struct fiber *f, struct exchange *x, struct opening *o,
    struct h2_upstream *h, struct upstream *u)
{
	u->reused = h->used;
	h->keep = o->tr->max_idle_per_host != 0;
	h->idle_timeout = o->tr->idle_conn_timeout_ns;
	h->read_idle = o->tr->read_idle_ns;
	h->ping_timeout = o->tr->ping_timeout_ns;
	if ((u->h2 = h2_call_new(h, x, f)) != NULL)
		return 0;
	o->why = REASON_NO_MEMORY;
	return -ENOMEM;
}

/* Where h2 was agreed on, or is known beforehand, its connection is shared. */
static int
share(struct fiber *f, struct exchange *x, struct opening *o,
    struct upstream *u)
{
	struct h2_upstream *h;
	bool tls = o->sv->scheme == TSCHEME_HTTPS;

	if (tls && !str_eq(tls_facts(u->st.tls)->alpn, STR("h2"))) {
		pool_set_protocol(o->list, POOL_HTTP1);
		return 0;
	}
	pool_set_protocol(o->list, POOL_HTTP2);
	if ((h = h2_upstream_new(x->w, &u->st, &o->addr)) == NULL) {
		o->why = REASON_NO_MEMORY;
		return -ENOMEM;
	}
	pool_h2_add(o->list, h);
	return begin_call(f, x, o, h, u);
}

/* One for many: found, or made by this fiber while others wait for it. */
static int
open_shared(struct fiber *f, struct exchange *x, struct opening *o,
    struct upstream **ret)
{
	const struct addr *a = TABLE_VEC(x->t, o->sv->addrs, struct addr);
	struct h2_upstream *h;
	int r;

	for (;;) {
		h = pool_h2_find(o->list, a, o->sv->addrs.n);
		if (h != NULL) {
			o->why = REASON_NO_MEMORY;
			if ((*ret = upstream_new(x->w)) == NULL)
				return -ENOMEM;
			return begin_call(f, x, o, h, *ret);
		}
		if (pool_protocol(o->list) == POOL_HTTP1 || !pool_dialing(
		    o->list))
			break;
		if ((r = pool_dial_join(f, o->list, &o->waiter)) < 0) {
			o->why = o->waiter.why;
			return r;
		}
	}
	/* An idle connection of the older kind serves as well. */
	if (pool_protocol(o->list) == POOL_HTTP1) {
		*ret = o->fresh ? NULL : pool_take(o->list, f, NULL);
		if (*ret != NULL) {
			(*ret)->reused = true;
			return 0;
		}
		r = open_fresh(f, x, o, ret);
		return r < 0 ? r : share(f, x, o, *ret);
	}
	pool_dial_begin(o->list);
	if ((r = open_fresh(f, x, o, ret)) == 0)
		r = share(f, x, o, *ret);
	pool_dial_end(o->list, r, o->why);
	return r;
}

/* ---- Either ------------------------------------------------------------------- */

static int
open_alone(struct fiber *f, struct exchange *x, struct opening *o,
    struct upstream **ret)
{
	if (!o->fresh && o->list != NULL)
		*ret = pool_take(o->list, f, o->whose);
	if (*ret == NULL)
		return open_fresh(f, x, o, ret);
	(*ret)->reused = true;
	return 0;
}

static bool
may_speak_http2(const struct opening *o, unsigned how)
{
	if ((how & UPSTREAM_HTTP1) || o->whose != NULL)
		return false;
	return o->sv->scheme == TSCHEME_H2C ||
	    (o->sv->scheme == TSCHEME_HTTPS && !o->tr->disable_http2);
}

static struct h1_limits
head_limits(const struct exchange *x)
{
	struct h1_limits lim = { .line = 16 << 10, .field = 32 << 10,
	    .head = HEAD_MAX, .fields = FIELDS_RECEIVED };

	if (x->router != NULL && x->router->max_header_bytes > HEAD_MAX)
		lim.field = lim.head = x->router->max_header_bytes;
	return lim;
}

int
upstream_open(struct fiber *f, struct exchange *x, const struct tserver *sv,
    const struct ttransport *tr, unsigned how, struct upstream **ret,
    enum reason *ret_why)
{
	struct opening o = { .sv = sv, .tr = tr, .fresh = how & UPSTREAM_FRESH,
	    .list = pool_list(x->w->pool, sv->pool_key) };
	struct proxy_header whose;
	struct upstream *u = NULL;
	int r;

	*ret_why = REASON_UPSTREAM_UNRESOLVED;
	if (!sv->resolved || sv->addrs.n == 0)
		return -EHOSTUNREACH;
	*ret_why = REASON_OVERLOAD;
	if (!pool_enter(o.list, x->w->limits.max_per_server))
		return -EBUSY;
	if (tr->proxy_protocol != 0) {
		whose = client_of(x);
		o.whose = &whose;
	}
	o.http2 = may_speak_http2(&o, how) && o.list != NULL;
	r = o.http2 ? open_shared(f, x, &o, &u) : open_alone(f, x, &o, &u);
	if (r < 0) {
		*ret_why = o.why;
		if (u != NULL)
			upstream_free(u);
		pool_leave(o.list);
		return r;
	}
	if (u->h2 == NULL)
		sock_hold(u->st.s, f);
	u->list = o.list;
	u->max_idle = tr->max_idle_per_host;
	u->idle_timeout = tr->idle_conn_timeout_ns;
	u->fields = (struct fields){ u->store, 0, FIELDS_MAX };
	u->sent_all = u->body_done = u->broken = false;
	u->limits = head_limits(x);
	u->given = 0;
	u->client = NULL;
	u->relayed = u->quiet = false;
	*ret = u;
	return 0;
}
