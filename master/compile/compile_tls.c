/* SPDX-License-Identifier: BSD-2-Clause */
/* Certificates and TLS options to records; see compile.h. */
#include "compile_impl.h"

#include "alloc.h"
#include "cert_store.h"
#include "context.h"
#include "hash.h"
#include "local_ca.h"
#include "names.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

_Static_assert((int)TCLIENT_REQUIRE_AND_VERIFY ==
    (int)TLS_CLIENT_REQUIRE_AND_VERIFY, "one numbering");
_Static_assert(TLS_DIGEST == sizeof(((struct ttls_options *)0)->policy),
    "one digest");

/* ---- CA bundles ----------------------------------------------------------------- */

uint32_t
compile_ca_bundle(struct compiler *c, const struct strlist *files,
    char **ret_why)
{
	struct buf der = BUF_INIT;
	char why[CERT_WHY], key[17];
	struct tblob blob;
	uint32_t i;

	for (unsigned k = 0; k < files->n; k++)
		if (cert_store_bundle(c->env->certs, files->v[k], &der,
		    why) < 0) {
			*ret_why = world_printf(c->w, "%s", why);
			buf_fini(&der);
			return TNONE;
		}
	(void)snprintf(key, sizeof(key), "%016llx",
	    (unsigned long long)hash_bytes(der.p, der.n, 0));
	i = names_get(&c->blobs, str_c(key));
	if (i == NAMES_NONE) {
		blob.data = build_str(c->b, buf_str(&der));
		i = names_add(&c->blobs, str_c(key),
		    build_add(c->b, BUILD_BLOBS, &blob));
	}
	buf_fini(&der);
	return i;
}

/* ---- Options ---------------------------------------------------------------------- */

/* IANA words to OpenSSL's, joined by ':'; the first unknown one on failure. */
static const char *
map_words(struct compiler *c, const struct strlist *l,
    const char *(*by_name)(struct str), struct tstr *ret)
{
	struct buf b = BUF_INIT;

	for (unsigned i = 0; i < l->n; i++) {
		const char *ours = by_name(str_c(l->v[i]));

		if (ours == NULL) {
			buf_fini(&b);
			return l->v[i];
		}
		if (ours[0] == '\0')
			continue;
		if (b.n != 0)
			buf_putc(&b, ':');
		buf_puts(&b, str_c(ours));
	}
	*ret = build_str(c->b, buf_str(&b));
	buf_fini(&b);
	return NULL;
}

static int
version(const char *text, uint16_t *ret)
{
	*ret = 0;
	if (str_c(text).n == 0)
		return 0;
	*ret = tls_version_by_name(str_c(text));
	return *ret != 0 ? 0 : -EINVAL;
}

static char *
client_auth(struct compiler *c, const struct client_cert_auth *a,
    struct ttls_options *t)
{
	char *why = NULL;
	int kind = a->ca_files.n != 0 ? TLS_CLIENT_REQUIRE_AND_VERIFY :
	    TLS_CLIENT_NONE;

	if (str_c(a->type).n != 0)
		kind = tls_client_auth_by_name(str_c(a->type));
	if (kind < 0)
		return world_printf(c->w, "unknown clientAuthType \"%s\"",
		    a->type);
	t->client_auth = (uint8_t)kind;
	if ((kind == TLS_CLIENT_VERIFY_IF_GIVEN ||
	    kind == TLS_CLIENT_REQUIRE_AND_VERIFY) && a->ca_files.n == 0)
		return world_printf(c->w, "clientAuthType %s needs caFiles",
		    a->type);
	if (a->ca_files.n != 0 && (t->client_cas = compile_ca_bundle(c,
	    &a->ca_files, &why)) == TNONE)
		return world_printf(c->w, "caFiles: %s", why);
	return NULL;
}

/* Fills what can be filled; returns why the options are broken, or NULL. */
static char *
fill_options(struct compiler *c, const struct tls_options *o,
    struct ttls_options *t)
{
	const char *bad;

	if (version(o->min_version, &t->min_version) < 0)
		return world_printf(c->w, "unknown minVersion \"%s\"",
		    o->min_version);
	if (version(o->max_version, &t->max_version) < 0)
		return world_printf(c->w, "unknown maxVersion \"%s\"",
		    o->max_version);
	if (t->min_version != 0 && t->max_version != 0 &&
	    t->min_version > t->max_version)
		return world_printf(c->w, "minVersion is above maxVersion");
	if ((bad = map_words(c, &o->cipher_suites, tls_cipher_by_name,
	    &t->ciphers)) != NULL)
		return world_printf(c->w, "unknown cipher suite \"%s\"", bad);
	if ((bad = map_words(c, &o->curve_preferences, tls_group_by_name,
	    &t->groups)) != NULL)
		return world_printf(c->w, "unknown curve \"%s\"", bad);
	return client_auth(c, &o->client_auth, t);
}

static void
digest(struct compiler *c, const struct tls_options *o, struct ttls_options *t)
{
	struct str *alpn = xcalloc(o->alpn_protocols.n, sizeof(*alpn));
	struct tls_policy p = {
		.min_version = t->min_version, .max_version = t->max_version,
		.ciphers = build_text(c->b, t->ciphers),
		.groups = build_text(c->b, t->groups),
		.alpn = alpn, .nalpn = o->alpn_protocols.n,
		.sni_strict = t->sni_strict, .no_tickets = t->no_tickets,
		.client_auth = t->client_auth,
	};

	for (unsigned i = 0; i < o->alpn_protocols.n; i++)
		alpn[i] = str_c(o->alpn_protocols.v[i]);
	if (t->client_cas != TNONE)
		p.client_cas = build_text(c->b, ((const struct tblob *)build_at(
		    c->b, BUILD_BLOBS, t->client_cas))->data);
	tls_policy_digest(&p);
	memcpy(t->policy, p.digest, sizeof(t->policy));
	free(alpn);
}

static void
build_options(struct compiler *c, struct tls_options *o, struct result *res)
{
	struct ttls_options t = {
		.name = build_cstr(c->b, o->o.name),
		.sni_strict = o->sni_strict,
		.no_tickets = o->disable_session_tickets,
		.ciphers = build_cstr(c->b, ""),
		.groups = build_cstr(c->b, ""),
		.alpn = compile_strings(c, &o->alpn_protocols),
		.client_cas = TNONE,
	};
	char *why = NULL;

	res->state = RESULT_GOOD;
	if (o->o.verdict != VERDICT_OK) {
		res->state = RESULT_BROKEN;
		res->why = o->o.why;
	} else if ((why = fill_options(c, o, &t)) != NULL) {
		compile_broken(c, &o->o, "TLS options", res, "%s", why);
	}
	t.broken = res->state == RESULT_BROKEN;
	digest(c, o, &t);
	/* A broken one has a record too: its hosts are closed by it. */
	res->index = build_add(c->b, BUILD_TLS_OPTIONS, &t);
}

void
compile_all_options(struct compiler *c)
{
	for (unsigned i = 0; i < c->w->ntls_options; i++)
		build_options(c, &c->w->tls_options[i], &c->options[i]);
}

const struct result *
compile_options(struct compiler *c, const char *name)
{
	uint32_t i = names_get(&c->w->options_names, str_c(name));

	return i != NAMES_NONE ? &c->options[i] : NULL;
}

/* From nothing asked to verified for all. */
static int
client_rank(const struct ttls_options *o)
{
	static const int rank[] = {
		[TCLIENT_NONE] = 0, [TCLIENT_REQUEST] = 1,
		[TCLIENT_VERIFY_IF_GIVEN] = 2, [TCLIENT_REQUIRE_ANY] = 3,
		[TCLIENT_REQUIRE_AND_VERIFY] = 4,
	};

	return o->broken ? 5 : rank[o->client_auth];
}

int
compile_stricter(struct compiler *c, uint32_t a, uint32_t b)
{
	const struct ttls_options *x = build_at(c->b, BUILD_TLS_OPTIONS, a);
	const struct ttls_options *y = build_at(c->b, BUILD_TLS_OPTIONS, b);
	int d = client_rank(x) - client_rank(y);

	if (d != 0)
		return d;
	/* Both verify, but against different CAs: neither contains the other. */
	if (x->client_cas != y->client_cas && client_rank(x) >= 2)
		return 0;
	if (x->min_version != y->min_version)
		return (x->min_version != 0 ? x->min_version : 0x0303) -
		    (y->min_version != 0 ? y->min_version : 0x0303);
	if (x->sni_strict != y->sni_strict)
		return x->sni_strict - y->sni_strict;
	if ((x->ciphers.n != 0) != (y->ciphers.n != 0))
		return x->ciphers.n != 0 ? 1 : -1;
	/* Equally strict as far as can be told: the first by name. */
	return a < b ? 1 : -1;
}

/* ---- Certificates ------------------------------------------------------------------ */

static uint32_t
add_cert(struct compiler *c, const struct certificate *cert, const char *source)
{
	struct tstr *chain = xcalloc(cert->nchain, sizeof(*chain));
	struct tcert t = {
		.key_text = build_str(c->b, cert->key_text),
		.source = build_cstr(c->b, source),
		.key_id = keys_add(&c->out->keys, cert->key),
		.key_type = cert->key_type,
		.not_before = cert->not_before,
		.not_after = cert->not_after,
	};

	for (unsigned i = 0; i < cert->nchain; i++)
		chain[i] = build_str(c->b, cert->chain[i]);
	t.chain = build_vec(c->b, chain, cert->nchain, sizeof(*chain));
	free(chain);
	memcpy(t.fingerprint, cert->fingerprint, sizeof(t.fingerprint));
	return build_add(c->b, BUILD_CERTS, &t);
}

uint32_t
compile_client_cert(struct compiler *c, const char *cert_file,
    const char *key_file, char **ret_why)
{
	struct certificate *cert;
	char why[CERT_WHY];
	uint32_t i;
	int r = cert_store_load(c->env->certs, cert_file, key_file,
	    clock_wall() / NSEC_SEC, &cert, why);

	if (r < 0) {
		*ret_why = world_printf(c->w, "%s", why);
		return TNONE;
	}
	if (r > 0)
		diag_add(c->diags, DIAG_WARNING, (struct place){ 0 },
		    "certificate", "%s; the last good one is used on", why);
	i = add_cert(c, cert, cert_file);
	certificate_free(cert);
	return i;
}

/* Inline PEM is no name to print. */
static const char *
source_name(const struct cert_files *f)
{
	return strncmp(f->cert_file != NULL ? f->cert_file : "", "-----", 5) ==
	    0 ? "inline" : f->cert_file;
}

static struct certificate *
load(struct compiler *c, const struct cert_files *f)
{
	struct certificate *cert;
	char why[CERT_WHY];
	int r;

	if (f->cert_file == NULL || f->key_file == NULL) {
		diag_add(c->diags, DIAG_OBJECT, f->place, "certificate",
		    "certFile and keyFile are both needed");
		return NULL;
	}
	r = cert_store_load(c->env->certs, f->cert_file, f->key_file,
	    clock_wall() / NSEC_SEC, &cert, why);
	if (r != 0)
		diag_add(c->diags, DIAG_OBJECT, f->place, "certificate",
		    "%s%s", why, r > 0 ? "; the last good one is served on" :
		    "");
	if (r < 0)
		return NULL;
	if (cert->expired || cert->not_yet_valid)
		diag_add(c->diags, DIAG_WARNING, f->place, "certificate",
		    "\"%s\" %s; it is served all the same", source_name(f),
		    cert->expired ? "has expired" : "is not valid yet");
	return cert;
}

struct loaded { struct certificate *cert; const char *source; };

static int
loaded_cmp(const void *a, const void *b)
{
	const struct loaded *x = a, *y = b;

	/* Candidates are tried in reverse order of the key (proxy.md 5.2). */
	return str_cmp(y->cert->key_text, x->cert->key_text);
}

struct cert_name { struct str name; uint32_t cert; };

static int
cert_name_cmp(const void *a, const void *b)
{
	const struct cert_name *x = a, *y = b;
	int r = str_cmp(x->name, y->name);

	return r != 0 ? r : x->cert < y->cert ? -1 : x->cert > y->cert;
}

/* The default's RSA sibling stands under the empty name, which no client has. */
static void
index_names(struct compiler *c, const struct loaded *v, unsigned n,
    uint32_t first, uint32_t sibling)
{
	struct cert_name *names = NULL;
	unsigned total = 0, at = 0;

	for (unsigned i = 0; i < n; i++)
		total += v[i].cert->nnames;
	names = xcalloc(total + 1, sizeof(*names));
	if (sibling != TNONE)
		names[at++] = (struct cert_name){ STR(""), sibling };
	for (unsigned i = 0; i < n; i++)
		for (unsigned k = 0; k < v[i].cert->nnames; k++)
			names[at++] = (struct cert_name){ v[i].cert->names[k],
			    first + i };
	if (at != 0)
		qsort(names, at, sizeof(*names), cert_name_cmp);
	for (unsigned i = 0; i < at; i++) {
		struct tcert_name t = {
			.name = build_str(c->b, names[i].name),
			.cert = names[i].cert,
		};

		(void)build_add(c->b, BUILD_CERT_NAMES, &t);
	}
	free(names);
}

static uint32_t
local_leaf(struct compiler *c, enum tls_key_type type, const struct str *hosts,
    unsigned nhosts)
{
	struct certificate *cert;
	char why[CERT_WHY];
	nsec_t renew;
	uint32_t i;

	if (local_ca_leaf(c->env->ca, type, hosts, nhosts, clock_wall() /
	    NSEC_SEC, &cert, why) < 0) {
		diag_add(c->diags, DIAG_OBJECT, (struct place){ 0 },
		    "default certificate", "%s", why);
		return TNONE;
	}
	i = add_cert(c, cert, "local CA");
	renew = local_ca_renew_at(cert) * NSEC_SEC;
	if (renew < c->out->renew_at)
		c->out->renew_at = renew;
	certificate_free(cert);
	return i;
}

/* The configured default, else the local CA's, with RSA where it is wanted. */
static void
default_certificate(struct compiler *c, const struct str *hosts,
    unsigned nhosts, uint32_t *ret, uint32_t *ret_sibling)
{
	const struct cert_files *files = c->w->default_certificate;
	struct certificate *cert = files != NULL ? load(c, files) : NULL;

	*ret = *ret_sibling = TNONE;
	if (cert != NULL) {
		*ret = add_cert(c, cert, source_name(files));
		certificate_free(cert);
	} else if (c->env->ca != NULL) {
		if (nhosts > LOCAL_CA_NAMES)
			diag_add(c->diags, DIAG_WARNING, (struct place){ 0 },
			    NULL, "the local CA's certificate has room for %u "
			    "of %u hosts; give the others tls.certificates",
			    LOCAL_CA_NAMES, nhosts);
		*ret = local_leaf(c, TLS_KEY_EC, hosts, nhosts);
		if (local_ca_has_rsa(c->env->ca))
			*ret_sibling = local_leaf(c, TLS_KEY_RSA, hosts,
			    nhosts);
	}
}

void
compile_certificates(struct compiler *c, const struct str *hosts,
    unsigned nhosts, uint32_t *ret_default)
{
	const struct world *w = c->w;
	struct loaded *v = xcalloc(w->ncertificates + 1, sizeof(*v));
	struct names seen = { .v = NULL };
	struct certificate *cert;
	uint32_t first, sibling;
	unsigned n = 0;

	for (unsigned i = 0; i < w->ncertificates; i++) {
		if ((cert = load(c, &w->certificates[i])) == NULL)
			continue;
		/* Of two with the same names the first counts. */
		if (names_add(&seen, cert->key_text, i) != i) {
			certificate_free(cert);
			continue;
		}
		v[n++] = (struct loaded){ cert,
		    source_name(&w->certificates[i]) };
	}
	names_fini(&seen);
	if (n != 0)
		qsort(v, n, sizeof(*v), loaded_cmp);
	for (unsigned i = 0; i < n; i++)
		(void)add_cert(c, v[i].cert, v[i].source);
	first = build_count(c->b, BUILD_CERTS) - n;
	default_certificate(c, hosts, nhosts, ret_default, &sibling);
	index_names(c, v, n, first, sibling);
	for (unsigned i = 0; i < n; i++)
		certificate_free(v[i].cert);
	free(v);
}
