/* SPDX-License-Identifier: BSD-2-Clause */
/* See state.h. */
#include "state.h"

#include "tls_impl.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

size_t
tls_state_secret(uint16_t suite)
{
	int kind = suite_by_number(suite);

	return kind < 0 ? 0 : suite_hash_len((enum suite)kind);
}

bool
tls_state_has(const struct tls_conn *c)
{
	return c->own != NULL;
}

int
tls_state_get(const struct tls_conn *c, struct tls_state *ret,
    struct tls_held *held)
{
	const struct layer *l = c->own;

	if (l == NULL || c->failure != TLS_FAIL_NONE || l->broken || l->alerted)
		return -ENOTSUP;
	memset(ret, 0, sizeof(*ret));
	ret->suite = suite_number((enum suite)l->rd.suite);
	ret->server = l->server;
	ret->resumed = c->facts.resumed;
	ret->owes_update = l->owes_update;
	ret->close_sent = l->close_sent;
	ret->peer_closed = l->peer_closed;
	memcpy(ret->rd, l->rd.secret, sizeof(ret->rd));
	memcpy(ret->wr, l->wr.secret, sizeof(ret->wr));
	ret->rd_seq = l->rd.seq;
	ret->wr_seq = l->wr.seq;
	ret->credit = l->credit;
	memcpy(ret->message, l->message, sizeof(ret->message));
	ret->message_n = l->message_n;
	ret->skip = l->skip;
	ret->sni = c->facts.sni;
	ret->alpn = c->facts.alpn;
	ret->npeer = c->npeer;
	for (unsigned i = 0; i < c->npeer; i++)
		ret->peer[i] = c->peer[i];
	held->clear = l->clear_n == 0 ? STR_NONE :
	    str_n(l->clear + l->clear_at, l->clear_n);
	held->header = str_n(l->header, l->header_n);
	held->body = str_n(l->part, l->part_n);
	return 0;
}

static struct layer *
make_layer(struct tls_contexts *set, const struct tls_state *s)
{
	int kind = suite_by_number(s->suite);
	struct layer *l;

	if (kind < 0 || set->suites == NULL || (l = layer_new(set->suites,
	    (enum suite)kind, s->server, s->rd, s->rd_seq, s->wr,
	    s->wr_seq)) == NULL)
		return NULL;
	l->owes_update = s->owes_update;
	l->close_sent = s->close_sent;
	l->peer_closed = s->peer_closed;
	l->credit = s->credit;
	memcpy(l->message, s->message, sizeof(l->message));
	l->message_n = s->message_n;
	l->skip = s->skip;
	return l;
}

/* Copies what is kept of the handshake. False: no memory. */
static bool
take_facts(struct tls_conn *c, const struct tls_state *s)
{
	struct tls_facts *f = &c->facts;

	f->version = TLS1_3_VERSION;
	f->version_name = "1.3";
	f->cipher = suite_name((enum suite)c->own->rd.suite);
	f->resumed = s->resumed;
	f->has_peer_cert = s->npeer > 0;
	if (s->sni.n > 0) {
		if ((c->sni = str_dup(s->sni)) == NULL)
			return false;
		f->sni = str_n(c->sni, s->sni.n);
	}
	if (s->alpn.n > 0) {
		if ((c->alpn = str_dup(s->alpn)) == NULL)
			return false;
		f->alpn = str_n(c->alpn, s->alpn.n);
	}
	if (s->npeer > 0 &&
	    (c->peer = calloc(TLS_CHAIN_MAX, sizeof(*c->peer))) == NULL)
		return false;
	for (; c->npeer < s->npeer; c->npeer++) {
		const struct str *from = &s->peer[c->npeer];
		void *der = OPENSSL_memdup(from->p, from->n);

		if (der == NULL)
			return false;
		c->peer[c->npeer] = str_n(der, from->n);
	}
	return true;
}

struct tls_conn *
tls_state_resume(struct tls_contexts *set, const struct tls_state *s)
{
	struct tls_conn *c = calloc(1, sizeof(*c));

	if (c == NULL)
		return NULL;
	c->set = set;
	c->server = s->server;
	c->alert = -1;
	if ((c->own = make_layer(set, s)) == NULL) {
		tls_free(c);
		return NULL;
	}
	c->done = true;
	set->stats.own++;
	c->close_sent = s->close_sent;
	c->peer_closed = s->peer_closed;
	c->got_session = true;
	if (!take_facts(c, s)) {
		tls_free(c);
		return NULL;
	}
	return c;
}
