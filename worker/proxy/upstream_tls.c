/* SPDX-License-Identifier: BSD-2-Clause */
/* TLS towards a server; see upstream_tls.h. */
#include "upstream_tls.h"

#include "generation.h"
#include "log.h"
#include "table_tls.h"
#include "tls.h"
#include "worker.h"

#include <errno.h>

static enum reason
failure_reason(enum tls_failure why)
{
	switch (why) {
	case TLS_FAIL_ALERT:
		return REASON_UPSTREAM_TLS_ALERT;
	case TLS_FAIL_NONE:
		return REASON_UPSTREAM_CLOSED;
	default:
		return REASON_UPSTREAM_TLS;
	}
}

static void
client_policy(struct exchange *x, const struct ttransport *tr,
    struct str *sans, unsigned nsans, struct tls_cert *cert, bool http2,
    struct tls_client_policy *p)
{
	static const struct str offered[] = { { "h2", 2 }, { "http/1.1", 8 } };
	const struct tstr *v = TABLE_VEC(x->t, tr->peer_sans, struct tstr);

	*p = (struct tls_client_policy){ .digest = tr->policy,
	    .insecure = tr->insecure_skip_verify,
	    .system_roots = tr->system_roots, .min_version = tr->min_version,
	    .max_version = tr->max_version,
	    .ciphers = table_str(x->t, tr->ciphers), .peer_sans = sans,
	    .npeer_sans = tr->peer_sans.n < nsans ? tr->peer_sans.n : nsans };
	for (unsigned i = 0; i < p->npeer_sans; i++)
		sans[i] = table_str(x->t, v[i]);
	if (tr->root_cas != TNONE)
		p->roots = table_str(x->t, TABLE_REC(x->t, blobs, struct tblob,
		    tr->root_cas)->data);
	if (tr->client_cert != TNONE && table_tls_cert(x->t, x->gen->keys,
	    tr->client_cert, cert) == 0)
		p->client_cert = cert;
	if (http2) {	/* one SSL_CTX for each of both kinds */
		p->digest = ~p->digest;
		p->alpn = offered;
		p->nalpn = ARRAY_SIZE(offered);
	}
}

int
upstream_tls(struct fiber *f, struct exchange *x, struct upstream *u,
    const struct tserver *sv, const struct ttransport *tr, bool http2,
    enum reason *ret_why)
{
	struct tls_client_policy p;
	struct tls_cert cert;
	struct str sans[16], name = table_str(x->t, tr->server_name);
	enum tls_failure why = TLS_FAIL_POLICY;
	int r;

	*ret_why = REASON_UPSTREAM_TLS;
	if (tr->broken)		/* never without the verification asked for */
		return -EACCES;
	if (name.n == 0)
		name = table_str(x->t, sv->host);
	client_policy(x, tr, sans, ARRAY_SIZE(sans), &cert, http2, &p);
	u->st.tls = tls_connect_new(x->w->tls, &p, name, sv->pool_key, &why);
	if (u->st.tls == NULL)
		return -EACCES;
	if ((r = stream_handshake(f, &u->st)) == 0)
		return 0;
	*ret_why = r == -ETIMEDOUT ? REASON_UPSTREAM_CONNECT_TIMEOUT :
	    failure_reason(tls_failure(u->st.tls));
	if (*ret_why == REASON_UPSTREAM_TLS)
		log_limited(LOG_ERROR, "server %.*s: TLS: %s",
		    STR_ARG(table_str(x->t, sv->url)),
		    tls_failure_text(u->st.tls));
	return r;
}
