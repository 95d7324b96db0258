/* SPDX-License-Identifier: BSD-2-Clause */
/* TLS with a client; see tls_accept.h. */
#include "tls_accept.h"

#include "conn.h"
#include "context.h"
#include "generation.h"
#include "hash.h"
#include "inherit.h"
#include "keys.h"
#include "live.h"
#include "log.h"
#include "msg.h"
#include "server_name.h"
#include "table_tls.h"
#include "tls.h"

#include <errno.h>
#include <linux/tcp.h>
#include <netinet/in.h>

/*
 * What the callbacks hand out lives until the handshake step returns, and a
 * step never waits: one of each per process is enough.
 */
static struct tls_policy policy;
static struct str alpn[16];
/* This step offered the default certificate, and only with an ECDSA key. */
static bool only_ecdsa;

/* ClientHello read: which options, before version and session are settled. */
static int
on_select(void *arg, const struct tls_hello *hello, struct tls_choice *ret)
{
	struct conn *c = arg;
	const struct table *t = &c->w->gen->table;
	const struct tentry_point *ep;
	const struct ttls_options *o;
	const struct ttls_host *h;
	uint32_t i;

	/* It may have gone while the hello came in pieces. */
	if (c->l->ep == TNONE)
		return -EACCES;
	ep = table_entry_point(t, c->l->ep);
	h = hello->sni.n != 0 ? server_name_options(t, ep,
	    hello->sni) : NULL;
	i = h != NULL ? h->options : ep->default_tls_options;
	o = TABLE_REC(t, tls_options, struct ttls_options, i);

	if ((h != NULL && h->broken) || o->broken)
		return -EACCES;
	only_ecdsa = false;
	table_tls_policy(t, o, alpn, ARRAY_SIZE(alpn), &policy);
	*ret = (struct tls_choice){ .policy = &policy, .options = i,
	    .scope = hash_str(table_str(t, ep->name), 0) };
	c->tls_options = hash_str(table_str(t, o->name), 1);
	return 0;
}

static int
on_certs(void *arg, const struct tls_hello *hello, struct tls_candidates *ret)
{
	struct conn *c = arg;
	struct generation *g = c->w->gen;
	char text[ADDR_TEXT];
	struct str name = hello->sni.n != 0 ? hello->sni :
	    str_c(addr_text(&hello->local, text));
	int r = table_tls_candidates(&g->table, g->keys, name, ret);

	only_ecdsa = r == 0 && ret->is_default && ret->n == 1 &&
	    ret->v[0].key_type == TLS_KEY_EC;
	return r;
}

static const struct tls_server server = { on_select, on_certs };

/* The table expects TLS here, and the first byte says that it comes. */
static bool
is_tls(const struct conn *c)
{
	return c->st.in->data[c->st.in->head] == 0x16;
}

/* By the round trips of the handshake, as TCP measured them. */
static bool
far_off(const struct conn *c)
{
	struct tcp_info t = { .tcpi_rtt = 0 };	/* us */
	socklen_t n = sizeof(t);

	return getsockopt(c->st.s->fd, IPPROTO_TCP, TCP_INFO, &t, &n) == 0 &&
	    (int64_t)t.tcpi_rtt * 1000 >=
	    c->w->gen->table.hdr->tls_small_from_ns;
}

static int
handshake(struct fiber *f, struct conn *c)
{
	struct worker *w = c->w;
	const char *why;
	int r;

	c->st.tls = tls_accept_new(w->tls, &server, c, &c->local);
	if (c->st.tls == NULL)
		return -ENOMEM;
	/* What was read is not clear text but the first record. */
	c->st.raw = c->st.in;
	c->st.in = NULL;
	r = stream_handshake(f, &c->st);
	if (r < 0) {
		why = r == -ETIMEDOUT ? "no end within the time limit" :
		    tls_failure_text(c->st.tls);
		live_bump(w->mine->handshake_errors, 1);
		if (only_ecdsa && r != -ETIMEDOUT &&
		    tls_failure(c->st.tls) == TLS_FAIL_NO_SHARED)
			(void)msg_send(INHERIT_CONTROL, MSG_WANT_RSA, NULL,
			    NULL);
		log_limited(LOG_DEBUG, "entry point %s: TLS handshake: %s",
		    c->l->name, why);
		return r;
	}
	if (far_off(c))
		stream_far(&c->st);
	live_bump(w->mine->handshakes, 1);
	if (tls_facts(c->st.tls)->resumed)
		live_bump(w->mine->resumed, 1);
	return 0;
}

int
tls_accept(struct fiber *f, struct conn *c)
{
	struct worker *w = c->w;
	int r;

	c->tls_tried = true;
	fiber_deadline(f, c->accepted +
	    conn_read_limit(c, w->limits.first_byte_ns));
	if (iobuf_len(c->st.in) == 0 &&
	    (r = stream_fill(f, &c->st, IOBUF_SMALL)) <= 0)
		return r < 0 ? r : -ECONNRESET;
	if (!is_tls(c) || w->gen == NULL || c->l->ep == TNONE)
		return 0;	/* the parser refuses what is not HTTP */
	fiber_deadline(f, ring_now(w->ring) +
	    conn_read_limit(c, w->limits.tls_handshake_ns));
	return handshake(f, c);
}
