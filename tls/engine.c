/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The engine behind tls.h: one SSL object over a BIO that reads from and
 * writes to the buffers of the current call. After a TLS 1.3 handshake the
 * record layer of layer.h takes its place (takeover.c).
 *
 * OpenSSL's error queue belongs to the thread, not to the connection. So every
 * function here clears it, makes one call and reads the outcome before it
 * returns; nothing between these three may wait.
 */
#include "tls_impl.h"

#include "cursor.h"
#include "layer.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>

/* ---- The BIO --------------------------------------------------------- */

static int
bio_read(BIO *b, char *dst, int n)
{
	struct tls_conn *c = BIO_get_data(b);
	struct tls_io *io = c->io;
	size_t k = (size_t)n;

	BIO_clear_retry_flags(b);
	if (n <= 0)
		return 0;
	if (io == NULL || io->in_n == 0) {
		BIO_set_retry_read(b);
		return -1;
	}
	if (k > io->in_n)
		k = io->in_n;
	memcpy(dst, io->in, k);
	io->in += k;
	io->in_n -= k;
	takeover_input(c, k);
	return (int)k;
}

static int
bio_write(BIO *b, const char *src, int n)
{
	struct tls_conn *c = BIO_get_data(b);
	struct tls_io *io = c->io;
	size_t k = (size_t)n;

	BIO_clear_retry_flags(b);
	if (n <= 0)
		return 0;
	if (c->mute)
		return n;
	if (io == NULL)
		return -1;
	if (io->out_cap - io->out_n < k &&
	    (io->grow == NULL || io->grow(io, k) < 0)) {
		/* Records cannot wait: what comes later would overtake. */
		engine_fail(c, TLS_FAIL_MEMORY, "no room for a record");
		return -1;
	}
	assert(io->out_cap - io->out_n >= k);
	memcpy(io->out + io->out_n, src, k);
	io->out_n += k;
	return n;
}

static long
bio_ctrl(BIO *b, int cmd, long larg, void *parg)
{
	(void)b;
	(void)larg;
	(void)parg;
	return cmd == BIO_CTRL_FLUSH ? 1 : 0;
}

static BIO_METHOD *
bio_method(void)
{
	static BIO_METHOD *m;

	if (m != NULL)
		return m;
	m = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "akkod");
	if (m == NULL)
		return NULL;
	BIO_meth_set_read(m, bio_read);
	BIO_meth_set_write(m, bio_write);
	BIO_meth_set_ctrl(m, bio_ctrl);
	return m;
}

BIO *
engine_bio_new(struct tls_conn *c)
{
	BIO_METHOD *m = bio_method();
	BIO *b = m != NULL ? BIO_new(m) : NULL;

	if (b != NULL) {
		BIO_set_data(b, c);
		BIO_set_init(b, 1);
	}
	return b;
}

/* Instead of ex_data, which would cost an allocation per connection. */
struct tls_conn *
engine_conn(const SSL *ssl)
{
	return BIO_get_data(SSL_get_rbio(ssl));
}

/* ---- Failures -------------------------------------------------------- */

void
engine_fail(struct tls_conn *c, enum tls_failure why, const char *text)
{
	if (c->failure != TLS_FAIL_NONE)
		return;
	c->failure = (uint8_t)why;
	if (text != NULL && c->text == NULL)
		c->text = strdup(text);
}

static enum tls_failure
failure_of(const struct tls_conn *c, unsigned long code)
{
	if (ERR_GET_REASON(code) == ERR_R_MALLOC_FAILURE)
		return TLS_FAIL_MEMORY;
	if (ERR_GET_LIB(code) != ERR_LIB_SSL)
		return TLS_FAIL_PROTOCOL;
	if (ERR_GET_REASON(code) >= SSL_AD_REASON_OFFSET)
		return TLS_FAIL_ALERT;
	switch (ERR_GET_REASON(code)) {
	case SSL_R_CERTIFICATE_VERIFY_FAILED:
	case SSL_R_NO_CERTIFICATES_RETURNED:
		return TLS_FAIL_VERIFY;
	case SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE:
		return c->server ? TLS_FAIL_NO_CLIENT_CERT : TLS_FAIL_VERIFY;
	case SSL_R_UNSUPPORTED_PROTOCOL:
	case SSL_R_VERSION_TOO_LOW:
	case SSL_R_VERSION_TOO_HIGH:
	case SSL_R_NO_PROTOCOLS_AVAILABLE:
	case SSL_R_NO_SHARED_CIPHER:
	case SSL_R_NO_CIPHERS_AVAILABLE:
	case SSL_R_NO_SHARED_GROUPS:
	case SSL_R_NO_SUITABLE_KEY_SHARE:
	case SSL_R_NO_SUITABLE_GROUPS:
	case SSL_R_NO_SUITABLE_SIGNATURE_ALGORITHM:
	case SSL_R_NO_SHARED_SIGNATURE_ALGORITHMS:
	case SSL_R_INAPPROPRIATE_FALLBACK:
		return TLS_FAIL_NO_SHARED;
	case SSL_R_NO_APPLICATION_PROTOCOL:
		return TLS_FAIL_ALPN;
	case SSL_R_HTTP_REQUEST:
	case SSL_R_HTTPS_PROXY_REQUEST:
		return TLS_FAIL_NOT_TLS;
	default:
		return TLS_FAIL_PROTOCOL;
	}
}

/* Describes what the error queue holds and empties it. */
static void
fail_from_queue(struct tls_conn *c)
{
	unsigned long code = ERR_peek_error();
	enum tls_failure why = failure_of(c, code);
	const char *reason = ERR_reason_error_string(code);
	char text[256];

	ERR_clear_error();
	if (c->failure != TLS_FAIL_NONE)
		return;
	if (why == TLS_FAIL_ALERT)
		c->alert = (int16_t)(ERR_GET_REASON(code) -
		    SSL_AD_REASON_OFFSET);
	if (why == TLS_FAIL_ALERT)
		(void)snprintf(text, sizeof(text), "alert from the peer: %s",
		    SSL_alert_desc_string_long(c->alert));
	else if (why == TLS_FAIL_VERIFY)
		(void)snprintf(text, sizeof(text), "peer certificate: %s",
		    X509_verify_cert_error_string(
		    SSL_get_verify_result(c->ssl)));
	else
		(void)snprintf(text, sizeof(text), "%s",
		    reason != NULL ? reason : "unexpected end");
	engine_fail(c, why, text);
}

static int
failure_errno(const struct tls_conn *c)
{
	switch ((enum tls_failure)c->failure) {
	case TLS_FAIL_ALERT:
		return -ECONNRESET;
	case TLS_FAIL_VERIFY:
	case TLS_FAIL_NO_CLIENT_CERT:
		return -EACCES;
	case TLS_FAIL_CLOSED:
	case TLS_FAIL_SNI:
	case TLS_FAIL_POLICY:
	case TLS_FAIL_NO_CERT:
		return -ECONNABORTED;
	case TLS_FAIL_MEMORY:
		return -ENOMEM;
	default:
		return -EPROTO;
	}
}

/* After a call that did not succeed: -EAGAIN or the failure. */
static int
outcome(struct tls_conn *c, int r)
{
	int e = SSL_get_error(c->ssl, r);

	if (c->failure == TLS_FAIL_NONE) {
		if (e == SSL_ERROR_WANT_READ)
			return -EAGAIN;
		if (e == SSL_ERROR_ZERO_RETURN)
			engine_fail(c, TLS_FAIL_ALERT, "closed by the peer");
	}
	fail_from_queue(c);
	if (c->server && !c->done)
		c->set->stats.failed++;
	return failure_errno(c);
}

/* ---- Life ------------------------------------------------------------- */

static struct tls_conn *
conn_new(struct tls_contexts *set, SSL_CTX *ctx, bool server)
{
	struct tls_conn *c = calloc(1, sizeof(*c));
	BIO *b;

	if (c == NULL)
		return NULL;
	c->set = set;
	c->server = server;
	c->alert = -1;
	ERR_clear_error();
	if ((c->ssl = SSL_new(ctx)) == NULL || (b = engine_bio_new(c)) == NULL) {
		ERR_clear_error();
		SSL_free(c->ssl);
		free(c);
		return NULL;
	}
	SSL_set_bio(c->ssl, b, b);
	takeover_begin(c);
	if (server)
		SSL_set_accept_state(c->ssl);
	else
		SSL_set_connect_state(c->ssl);
	return c;
}

struct tls_conn *
tls_accept_new(struct tls_contexts *set, const struct tls_server *srv,
    void *arg, const struct addr *local)
{
	static const struct tls_policy builtin;
	struct tls_context *x = set->recent;
	struct tls_conn *c;

	/* Any context will do until the ClientHello picks the right one. */
	if (x == NULL &&
	    (x = server_context_get(set, &builtin, NULL, 0)) == NULL)
		return NULL;
	if ((c = conn_new(set, x->ctx, true)) == NULL)
		return NULL;
	c->srv = srv;
	c->arg = arg;
	if (local != NULL)
		c->local = *local;
	return c;
}

/* An address is verified as such and never sent as a name (RFC 6066 3). */
static int
expect_name(struct tls_conn *c, bool verify)
{
	X509_VERIFY_PARAM *param = SSL_get0_param(c->ssl);
	struct addr a;
	bool ip = addr_parse(str_c(c->sni), &a) == 0;

	if (!ip && c->sni[0] != '\0' &&
	    SSL_set_tlsext_host_name(c->ssl, c->sni) != 1)
		return -ENOMEM;
	if (!verify)
		return 0;
	if (c->sni[0] == '\0')
		return -EINVAL;
	X509_VERIFY_PARAM_set_hostflags(param,
	    X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS |
	    X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
	if (ip)
		return X509_VERIFY_PARAM_set1_ip_asc(param, c->sni) == 1 ?
		    0 : -ENOMEM;
	return X509_VERIFY_PARAM_set1_host(param, c->sni, 0) == 1 ?
	    0 : -ENOMEM;
}

static uint64_t
session_key(const struct tls_client_policy *p, struct str name, uint64_t key)
{
	if (key == 0)
		return 0;
	/* Never 0; sessions do not cross policies or names. */
	key = (key ^ p->digest) * UINT64_C(0x9e3779b97f4a7c15);
	for (size_t i = 0; i < name.n; i++)
		key = (key ^ (uint8_t)name.p[i]) * UINT64_C(0x100000001b3);
	return key | 1;
}

struct tls_conn *
tls_connect_new(struct tls_contexts *set, const struct tls_client_policy *p,
    struct str name, uint64_t key, enum tls_failure *ret_why)
{
	struct tls_client_context *x = client_context_get(set, p, NULL, 0);
	struct tls_conn *c;
	SSL_SESSION *s;

	*ret_why = TLS_FAIL_POLICY;
	if (x == NULL)
		return NULL;
	*ret_why = TLS_FAIL_MEMORY;
	if ((c = conn_new(set, x->ctx, false)) == NULL)
		return NULL;
	c->cctx = x;
	x->refs++;
	if ((c->sni = str_dup(name)) == NULL) {
		tls_free(c);
		return NULL;
	}
	if (expect_name(c, !p->insecure && p->npeer_sans == 0) < 0) {
		*ret_why = TLS_FAIL_POLICY;
		tls_free(c);
		return NULL;
	}
	c->session_key = session_key(p, name, key);
	if (c->session_key != 0 &&
	    (s = sessions_get(set->sessions, c->session_key)) != NULL) {
		(void)SSL_set_session(c->ssl, s);
		SSL_SESSION_free(s);
	}
	return c;
}

void
engine_ssl_free(struct tls_conn *c)
{
	if (c->ssl == NULL)
		return;
	/* Otherwise OpenSSL marks a session that others hold as dead. */
	SSL_set_shutdown(c->ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
	c->mute = true;
	SSL_free(c->ssl);
	c->ssl = NULL;
	c->mute = false;
	ERR_clear_error();
}

void
tls_free(struct tls_conn *c)
{
	if (c == NULL)
		return;
	if (c->done && c->own != NULL)
		c->set->stats.own--;
	else if (c->done)
		c->set->stats.openssl--;
	engine_ssl_free(c);
	layer_free(c->own);
	takeover_free(c->takeover);
	if (c->ctx != NULL)
		server_context_unref(c->set, c->ctx);
	if (c->cctx != NULL)
		client_context_unref(c->set, c->cctx);
	for (unsigned i = 0; i < c->npeer; i++)
		OPENSSL_free((void *)(uintptr_t)c->peer[i].p);
	free(c->peer);
	free(c->subject);
	free(c->sni);
	free(c->alpn);
	free(c->text);
	free(c);
	ERR_clear_error();
}

/* ---- Handshake --------------------------------------------------------- */

static void
set_alpn(struct tls_conn *c)
{
	const unsigned char *p;
	unsigned int n;
	struct str s;

	SSL_get0_alpn_selected(c->ssl, &p, &n);
	s = str_n(p, n);
	if (n == 0)
		return;
	if (str_eq(s, STR("http/1.1")))
		c->facts.alpn = STR("http/1.1");
	else if (str_eq(s, STR("h2")))
		c->facts.alpn = STR("h2");
	else if ((c->alpn = str_dup(s)) != NULL)
		c->facts.alpn = str_n(c->alpn, n);
}

/*
 * Below TLS 1.3 OpenSSL does not report a ticket that was renewed while
 * resuming; without it the old one would soon be useless.
 */
static void
keep_renewed(struct tls_conn *c)
{
	SSL_SESSION *s;

	if (c->session_key == 0 || !c->facts.resumed ||
	    c->facts.version >= TLS1_3_VERSION)
		return;
	if ((s = SSL_get1_session(c->ssl)) != NULL)
		sessions_put(c->set->sessions, c->session_key, s);
}

static void
handshake_ended(struct tls_conn *c)
{
	const SSL_CIPHER *cipher = SSL_get_current_cipher(c->ssl);
	const char *name = SSL_CIPHER_standard_name(cipher);
	struct tls_facts *f = &c->facts;

	c->done = true;
	f->version = (uint16_t)SSL_version(c->ssl);
	f->version_name = f->version == TLS1_3_VERSION ? "1.3" :
	    f->version == TLS1_2_VERSION ? "1.2" :
	    f->version == TLS1_1_VERSION ? "1.1" : "1.0";
	f->cipher = name != NULL ? name : "";
	f->resumed = SSL_session_reused(c->ssl) == 1;
	f->has_peer_cert = SSL_get0_peer_certificate(c->ssl) != NULL;
	set_alpn(c);
	c->set->stats.openssl++;
	takeover_handshake_done(c);
	if (!c->server) {
		keep_renewed(c);
		return;
	}
	if (f->resumed)
		c->set->stats.resumed++;
	else
		c->set->stats.full++;
}

/* The first byte of a record says whether the peer speaks TLS at all. */
static bool
first_byte_fits(struct tls_conn *c, const struct tls_io *io)
{
	if (c->first_seen || io->in_n == 0)
		return true;
	c->first_seen = true;
	return io->in[0] == SSL3_RT_HANDSHAKE ||
	    (!c->server && io->in[0] == SSL3_RT_ALERT);
}

int
tls_handshake(struct tls_conn *c, struct tls_io *io)
{
	int r;

	if (c->failure != TLS_FAIL_NONE)
		return failure_errno(c);
	if (c->done)
		return 0;
	if (!first_byte_fits(c, io)) {
		engine_fail(c, TLS_FAIL_NOT_TLS, "the peer does not speak TLS");
		return failure_errno(c);
	}
	c->io = io;
	ERR_clear_error();
	r = SSL_do_handshake(c->ssl);
	if (r == 1) {
		handshake_ended(c);
		/* A client's tickets still come; without a use for them: now. */
		if (c->server || c->session_key == 0)
			takeover_try(c);
		r = 0;
	} else
		r = outcome(c, r);
	c->io = NULL;
	return r;
}

bool
tls_handshake_done(const struct tls_conn *c)
{
	return c->done;
}

/* ---- Data ------------------------------------------------------------------ */

static int
ssl_read(struct tls_conn *c, struct tls_io *io, void *dst, size_t n)
{
	size_t got = 0, k;
	int err = 0, r;

	c->io = io;
	while (got < n && (got == 0 || io->in_n > 0)) {
		ERR_clear_error();
		r = SSL_read_ex(c->ssl, (char *)dst + got, n - got, &k);
		if (r == 1) {
			got += k;
			continue;
		}
		if (SSL_get_error(c->ssl, r) == SSL_ERROR_ZERO_RETURN) {
			c->peer_closed = true;
			break;
		}
		if ((err = outcome(c, r)) != -EAGAIN || io->in_n == 0)
			break;
		if (c->got_session)
			takeover_try(c);
		if (c->own != NULL)
			break;
	}
	c->io = NULL;
	if (c->takeover != NULL && c->failure == TLS_FAIL_NONE &&
	    !c->peer_closed && (c->got_session || got > 0))
		takeover_try(c);
	/* A failure behind good bytes is told by the next call. */
	return got > 0 ? (int)got : err;
}

/* Notes why the own record layer gave up; returns r. */
static ssize_t
own_outcome(struct tls_conn *c, ssize_t r)
{
	struct layer *l = c->own;
	char text[96];

	c->peer_closed = l->peer_closed;
	if (c->failure != TLS_FAIL_NONE || (!l->broken && !l->alerted))
		return r;
	c->alert = l->alert;
	(void)snprintf(text, sizeof(text), "%s: %s", l->alerted ?
	    "alert from the peer" : "bad record", l->alert < 0 ?
	    "cannot be sealed" : SSL_alert_desc_string_long(l->alert));
	engine_fail(c, l->alerted ? TLS_FAIL_ALERT : TLS_FAIL_PROTOCOL, text);
	return r;
}

int
tls_read(struct tls_conn *c, struct tls_io *io, void *dst, size_t n)
{
	int r;

	if (c->failure != TLS_FAIL_NONE)
		return failure_errno(c);
	if (c->peer_closed && (c->own == NULL || layer_pending(c->own) == 0))
		return 0;
	assert(c->done);
	assert(n > 0);
	if (n > INT32_MAX)
		n = INT32_MAX;
	if (c->own != NULL)
		return (int)own_outcome(c, layer_read(c->own, io, dst, n));
	r = ssl_read(c, io, dst, n);
	/* It was taken over before all input was read. */
	if (r == -EAGAIN && c->own != NULL && io->in_n > 0)
		r = (int)own_outcome(c, layer_read(c->own, io, dst, n));
	return r;
}

size_t
tls_pending(const struct tls_conn *c)
{
	if (c->own != NULL)
		return layer_pending(c->own);
	return c->done ? (size_t)SSL_pending(c->ssl) : 0;
}

bool
tls_peer_closed(const struct tls_conn *c)
{
	return c->peer_closed;
}

/*
 * The next record's clear bytes, at most `max`: in place when one element
 * fills a record or is the last, else gathered (one record costs far less
 * than two). The gathering place is shared: it is used up before this returns
 * to anyone who might wait.
 */
static struct str
cursor_record(const struct cursor *cur, size_t max)
{
	static uint8_t gathered[TLS_RECORD_MAX];
	const uint8_t *p = (const uint8_t *)cur->iov->iov_base + cur->off;
	size_t n = cur->iov->iov_len - cur->off, got = 0;

	if (n >= max || cur->n == 1)
		return str_n(p, n < max ? n : max);
	for (unsigned i = 0; i < cur->n && got < max; i++) {
		const struct iovec *v = &cur->iov[i];
		size_t off = i == 0 ? cur->off : 0;
		size_t k = v->iov_len - off;

		if (k > max - got)
			k = max - got;
		if (k > 0)
			memcpy(gathered + got,
			    (const uint8_t *)v->iov_base + off, k);
		got += k;
	}
	return str_n(gathered, got);
}

static int
write_records(struct tls_conn *c, struct tls_io *io, struct cursor *cur,
    size_t total, size_t *ret_done)
{
	while (*ret_done < total) {
		size_t left = total - *ret_done, k;
		size_t max = layer_room(io, left < TLS_RECORD_MAX ? left :
		    TLS_RECORD_MAX);
		struct str rec;
		int r;

		if (max == 0)
			return *ret_done > 0 ? 0 : -ENOBUFS;
		rec = cursor_record(cur, max);
		ERR_clear_error();
		if ((r = SSL_write_ex(c->ssl, rec.p, rec.n, &k)) != 1)
			return outcome(c, r);
		cursor_advance(cur, k);
		*ret_done += k;
	}
	return 0;
}

ssize_t
tls_write(struct tls_conn *c, struct tls_io *io, const struct iovec *iov,
    unsigned n)
{
	struct cursor cur = { iov, n, 0 };
	size_t total = 0, done = 0;
	int err;

	if (c->failure != TLS_FAIL_NONE)
		return failure_errno(c);
	assert(c->done);
	if (c->close_sent)
		return -EPIPE;
	if (c->own != NULL)
		return own_outcome(c, layer_write(c->own, io, iov, n));
	for (unsigned i = 0; i < n; i++)
		total += iov[i].iov_len;
	cursor_skip_empty(&cur);
	if (total == 0)
		return 0;
	/* One growth for all, where the caller's buffer can. */
	if (io->grow != NULL && io->out_cap - io->out_n < TLS_SEALED_MAX(total))
		(void)io->grow(io, TLS_SEALED_MAX(total));
	c->io = io;
	err = write_records(c, io, &cur, total, &done);
	c->io = NULL;
	if (err == -EAGAIN) {
		/* TLS 1.2 renegotiation is off, so a write never needs input. */
		engine_fail(c, TLS_FAIL_PROTOCOL, "a write wants input");
		err = failure_errno(c);
	}
	return err < 0 ? err : (ssize_t)done;
}

void
tls_small_first(struct tls_conn *c, size_t n)
{
	assert(n <= TLS_SMALL_MAX);
	if (c->own != NULL)
		c->own->small = (uint32_t)n;
}

int
tls_close_notify(struct tls_conn *c, struct tls_io *io)
{
	int r;

	if (c->failure != TLS_FAIL_NONE)
		return failure_errno(c);
	if (!c->done || c->close_sent)
		return 0;
	c->close_sent = true;
	if (c->own != NULL)
		return (int)own_outcome(c, layer_close(c->own, io));
	c->io = io;
	ERR_clear_error();
	r = SSL_shutdown(c->ssl);
	r = r >= 0 ? 0 : outcome(c, r);
	c->io = NULL;
	return r == -EAGAIN ? 0 : r;
}

/* ---- Facts ------------------------------------------------------------------ */

const struct tls_facts *
tls_facts(const struct tls_conn *c)
{
	return &c->facts;
}

static void
peer_add(struct tls_conn *c, X509 *x)
{
	unsigned char *der = NULL;
	int n;

	if (x == NULL || c->npeer == TLS_CHAIN_MAX)
		return;
	if ((n = i2d_X509(x, &der)) > 0)
		c->peer[c->npeer++] = str_n(der, (size_t)n);
}

int
engine_keep_peer(struct tls_conn *c)
{
	STACK_OF(X509) *rest;

	if (c->peer != NULL || !c->facts.has_peer_cert)
		return 0;
	if ((c->peer = calloc(TLS_CHAIN_MAX, sizeof(*c->peer))) == NULL)
		return -ENOMEM;
	ERR_clear_error();
	rest = SSL_get_peer_cert_chain(c->ssl);
	peer_add(c, SSL_get0_peer_certificate(c->ssl));
	/* A client sees the leaf in the chain, a server does not. */
	for (int i = c->server ? 0 : 1; i < sk_X509_num(rest); i++)
		peer_add(c, sk_X509_value(rest, i));
	ERR_clear_error();
	return 0;
}

unsigned
tls_peer_chain(struct tls_conn *c, struct str *ret, unsigned max)
{
	unsigned n;

	if (c->ssl != NULL)
		(void)engine_keep_peer(c);
	n = c->npeer < max ? c->npeer : max;
	if (n > 0)
		memcpy(ret, c->peer, n * sizeof(*ret));
	return n;
}

/* A reference of its own to the peer's certificate, or NULL. */
static X509 *
peer_cert(struct tls_conn *c)
{
	const unsigned char *p;

	if (!c->facts.has_peer_cert)
		return NULL;
	if (c->ssl != NULL)
		return SSL_get1_peer_certificate(c->ssl);
	if (c->npeer == 0)
		return NULL;
	p = (const unsigned char *)c->peer[0].p;
	return d2i_X509(NULL, &p, (long)c->peer[0].n);
}

static char *
subject_text(X509 *x)
{
	BIO *b = x != NULL ? BIO_new(BIO_s_mem()) : NULL;
	char *p, *text = NULL;
	long n;

	if (b != NULL && X509_NAME_print_ex(b, X509_get_subject_name(x), 0,
	    XN_FLAG_RFC2253 & ~ASN1_STRFLGS_ESC_MSB) >= 0 &&
	    (n = BIO_get_mem_data(b, &p)) >= 0)
		text = str_dup(str_n(p, (size_t)n));
	BIO_free(b);
	ERR_clear_error();
	return text;
}

size_t
tls_peer_subject(struct tls_conn *c, char *out, size_t size)
{
	X509 *x;
	size_t n;

	/* Each request of the connection asks. */
	if (c->subject == NULL && (x = peer_cert(c)) != NULL) {
		c->subject = subject_text(x);
		X509_free(x);
	}
	n = c->subject != NULL ? strlen(c->subject) : 0;
	if (n >= size)
		n = size - 1;
	if (n > 0)
		memcpy(out, c->subject, n);
	out[n] = '\0';
	return n;
}

enum tls_failure
tls_failure(const struct tls_conn *c)
{
	return (enum tls_failure)c->failure;
}

const char *
tls_failure_text(const struct tls_conn *c)
{
	static const char *const text[TLS_FAILURES] = {
		[TLS_FAIL_NONE] = "",
		[TLS_FAIL_NOT_TLS] = "not TLS",
		[TLS_FAIL_PROTOCOL] = "protocol error",
		[TLS_FAIL_NO_SHARED] = "nothing in common",
		[TLS_FAIL_ALPN] = "no application protocol in common",
		[TLS_FAIL_ALERT] = "alert from the peer",
		[TLS_FAIL_VERIFY] = "certificate not accepted",
		[TLS_FAIL_NO_CLIENT_CERT] = "no client certificate",
		[TLS_FAIL_SNI] = "no certificate for this name",
		[TLS_FAIL_CLOSED] = "refused",
		[TLS_FAIL_NO_CERT] = "no usable certificate",
		[TLS_FAIL_POLICY] = "unusable options",
		[TLS_FAIL_MEMORY] = "out of memory"
	};

	return c->text != NULL ? c->text : text[c->failure];
}

int
tls_failure_alert(const struct tls_conn *c)
{
	return c->alert;
}
