/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * From OpenSSL's records to those of layer.h, when a TLS 1.3 handshake is over:
 *
 *   keylog callback   the two application traffic secrets (RFC 8446 7.1)
 *   message callback  how many records were made or opened under them
 *   takeover_try()    a layer with both, and the SSL object is freed
 *
 * The secrets stand in memory that no core dump has and are wiped here; the
 * callback writes them nowhere else. A server takes over as the handshake ends:
 * its tickets are in the output by then and count as records. A client that
 * resumes sessions waits for the first ticket, because what seals the session
 * in it is told by no callback.
 *
 * Whatever is not as expected leaves the connection with OpenSSL.
 */
#include "tls_impl.h"

#include "layer.h"
#include "memory.h"

#include <string.h>
#include <openssl/err.h>

#define KEY_UPDATE	24

struct takeover {
	uint8_t client[SUITE_HASH_MAX], server[SUITE_HASH_MAX];
	uint8_t nclient, nserver;	/* bytes; 0: not known yet */
	bool counting_out, counting_in;
	bool never;			/* something unexpected was seen */
	uint64_t out, in;		/* records under these secrets */
	size_t body;			/* of a record still to be read */
};

/* A secret in hexadecimal digits; its length in bytes, 0 when it is none. */
static uint8_t
secret_parse(const char *hex, uint8_t ret[SUITE_HASH_MAX])
{
	size_t n = strlen(hex);

	if (n % 2 != 0 || n / 2 > SUITE_HASH_MAX)
		return 0;
	for (size_t i = 0; i < n; i++) {
		int c = hex[i];
		int v = c >= '0' && c <= '9' ? c - '0' :
		    c >= 'a' && c <= 'f' ? c - 'a' + 10 :
		    c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;

		if (v < 0)
			return 0;
		ret[i / 2] = (uint8_t)(i % 2 == 0 ? v << 4 : ret[i / 2] | v);
	}
	return (uint8_t)(n / 2);
}

/* LABEL, client random, secret. */
static void
on_keylog(const SSL *ssl, const char *line)
{
	struct tls_conn *c = engine_conn(ssl);
	struct takeover *t = c->takeover;
	const char *last = strrchr(line, ' ');
	bool client = str_has_prefix(str_c(line), STR("CLIENT_TRAFFIC_SECRET_0 "));

	if (t == NULL || last == NULL || (!client &&
	    !str_has_prefix(str_c(line), STR("SERVER_TRAFFIC_SECRET_0 "))))
		return;
	if (client)
		t->nclient = secret_parse(last + 1, t->client);
	else
		t->nserver = secret_parse(last + 1, t->server);
	/* What is sent from here on is sealed under it. */
	if (client != c->server) {
		t->counting_out = true;
		t->out = 0;
	}
}

static void
on_message(int writing, int version, int type, const void *buf, size_t n,
    SSL *ssl, void *arg)
{
	struct tls_conn *c = arg;
	struct takeover *t = c->takeover;
	const uint8_t *p = buf;

	(void)version;
	(void)ssl;
	if (t == NULL)
		return;
	if (type == SSL3_RT_HEADER && n >= RECORD_HEADER) {
		if (writing && t->counting_out)
			t->out++;
		else if (!writing && t->counting_in) {
			t->in++;
			t->body = (size_t)p[3] << 8 | p[4];
		}
	} else if (type == SSL3_RT_HANDSHAKE && n > 0 && p[0] == KEY_UPDATE)
		t->never = true;
}

void
takeover_context(SSL_CTX *ctx)
{
	SSL_CTX_set_keylog_callback(ctx, on_keylog);
}

void
takeover_begin(struct tls_conn *c)
{
	if (!c->set->own_records || c->set->suites == NULL)
		return;
	if ((c->takeover = tls_memory_alloc(sizeof(*c->takeover))) == NULL)
		return;
	memset(c->takeover, 0, sizeof(*c->takeover));
	SSL_set_msg_callback(c->ssl, on_message);
	SSL_set_msg_callback_arg(c->ssl, c);
	/* So that a read ends behind a ticket, whatever follows it. */
	if (!c->server)
		(void)SSL_clear_mode(c->ssl, SSL_MODE_AUTO_RETRY);
}

void
takeover_input(struct tls_conn *c, size_t n)
{
	if (c->takeover != NULL && c->takeover->body > 0)
		c->takeover->body -= n < c->takeover->body ? n :
		    c->takeover->body;
}

void
takeover_free(struct takeover *t)
{
	if (t == NULL)
		return;
	OPENSSL_cleanse(t, sizeof(*t));
	tls_memory_free(t);
}

static void
give_up(struct tls_conn *c)
{
	takeover_free(c->takeover);
	c->takeover = NULL;
	SSL_set_msg_callback(c->ssl, NULL);
}

void
takeover_handshake_done(struct tls_conn *c)
{
	if (c->takeover == NULL)
		return;
	if (c->facts.version != TLS1_3_VERSION)
		give_up(c);
	else
		c->takeover->counting_in = true;
}

/* NULL: the secrets do not fit the suite, or no memory. */
static struct layer *
make_layer(struct tls_conn *c, const struct takeover *t)
{
	int kind = suite_by_number(SSL_CIPHER_get_protocol_id(
	    SSL_get_current_cipher(c->ssl)));

	if (t->never || kind < 0 ||
	    t->nclient != suite_hash_len((enum suite)kind) ||
	    t->nserver != t->nclient)
		return NULL;
	return layer_new(c->set->suites, (enum suite)kind, c->server,
	    c->server ? t->client : t->server, t->in,
	    c->server ? t->server : t->client, t->out);
}

void
takeover_try(struct tls_conn *c)
{
	struct takeover *t = c->takeover;
	struct layer *l;

	if (t == NULL)
		return;
	/* Only between two records, with nothing in OpenSSL's buffers. */
	if (t->body > 0 || SSL_has_pending(c->ssl))
		return;
	if (engine_keep_peer(c) < 0 || (l = make_layer(c, t)) == NULL) {
		give_up(c);
		return;
	}
	takeover_free(t);
	c->takeover = NULL;
	l->close_sent = c->close_sent;
	c->own = l;
	c->set->stats.openssl--;
	c->set->stats.own++;
	engine_ssl_free(c);
	/* The policies are needed no more either. */
	if (c->ctx != NULL)
		server_context_unref(c->set, c->ctx);
	if (c->cctx != NULL)
		client_context_unref(c->set, c->cctx);
	c->ctx = NULL;
	c->cctx = NULL;
}
