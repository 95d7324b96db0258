/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * akkod certs: every certificate with its names, when it expires, where it came
 * from and which hosts of which entry points get it.
 */
#include "report.h"

#include "alloc.h"
#include "cert_store.h"
#include "master.h"
#include "server_name.h"
#include "writer.h"

#include <openssl/bn.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define DAY	86400

static json_t *
date(int64_t seconds)
{
	time_t t = (time_t)seconds;
	char text[32];
	struct tm tm;

	if (gmtime_r(&t, &tm) == NULL)
		return json_null();
	(void)strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &tm);
	return json_string(text);
}

static json_t *
hex(const uint8_t *p, size_t n)
{
	char *text = xcalloc(n, 2 + 1);
	json_t *o;

	for (size_t i = 0; i < n; i++)
		(void)snprintf(text + 2 * i, 3, "%02x", p[i]);
	o = json_string(text);
	free(text);
	return o;
}

static void
add_x509(json_t *o, struct str der)
{
	const unsigned char *p = (const unsigned char *)der.p;
	X509 *x = d2i_X509(NULL, &p, (long)der.n);
	BIGNUM *serial;
	char *text;
	char name[512];

	if (x == NULL)
		return;
	serial = ASN1_INTEGER_to_BN(X509_get0_serialNumber(x), NULL);
	text = serial != NULL ? BN_bn2hex(serial) : NULL;
	if (text != NULL)
		json_object_set_new(o, "serial", json_string(text));
	OPENSSL_free(text);
	BN_free(serial);
	if (X509_NAME_oneline(X509_get_issuer_name(x), name,
	    sizeof(name)) != NULL)
		json_object_set_new(o, "issuer", write_text(name));
	X509_free(x);
}

static json_t *
names_of(struct str key_text)
{
	json_t *list = json_array();
	struct str name;

	while (str_next(&key_text, ',', &name)) {
		char *text = str_dup(name);

		json_array_append_new(list, write_text(text));
		free(text);
	}
	return list;
}

/* ---- Who gets it ----------------------------------------------------------- */

/* As a client gets it that can verify them all. */
uint32_t
certs_choose(const struct view *v, struct str name)
{
	const struct table *t = &v->t;
	struct tls_candidates all = { .n = 0 };
	uint32_t certs[TLS_CANDIDATES];
	bool is_default;
	unsigned n = server_name_certs(t, name, certs, TLS_CANDIDATES,
	    &is_default);
	int best;

	for (unsigned i = 0; i < n; i++) {
		const struct tcert *c = TABLE_REC(t, certs, struct tcert,
		    certs[i]);

		all.v[all.n++] = (struct tls_cert){ .key_type =
		    (uint8_t)c->key_type, .not_before = c->not_before,
		    .not_after = c->not_after };
	}
	best = tls_cert_choose(&all, true, true, true,
	    clock_wall() / NSEC_SEC);
	return best < 0 ? TNONE : certs[best];
}

bool
certs_covers(const struct view *v, uint32_t i, struct str name)
{
	struct str rest = table_str(&v->t, TABLE_REC(&v->t, certs,
	    struct tcert, i)->key_text), one;
	ptrdiff_t dot = str_chr(name, '.');

	while (str_next(&rest, ',', &one))
		if (str_eq(one, name) || (dot > 0 && one.n > 1 &&
		    one.p[0] == '*' && str_eq(str_from(one, 1),
		    str_from(name, (size_t)dot))))
			return true;
	return false;
}

/* {"websecure": ["bi.test", ...]} for each certificate. */
static void
add_hosts(const struct view *v, json_t *by_cert)
{
	const struct table *t = &v->t;

	for (uint32_t e = 0; e < t->hdr->entry_points.n; e++) {
		const struct tentry_point *ep = table_entry_point(t, e);
		const struct ttls_host *h = TABLE_VEC(t, ep->tls_hosts,
		    struct ttls_host);
		char *name = str_dup(table_str(t, ep->name));

		for (uint32_t i = 0; i < ep->tls_hosts.n; i++) {
			uint32_t c = certs_choose(v, table_str(t, h[i].name));
			json_t *eps = json_array_get(by_cert, c), *hosts;
			char *host;

			if (eps == NULL)
				continue;	/* nobody has one for it */
			host = str_dup(table_str(t, h[i].name));
			if ((hosts = json_object_get(eps, name)) == NULL) {
				hosts = json_array();
				write_member(eps, name, hosts);
			}
			json_array_append_new(hosts, write_text(host));
			free(host);
		}
		free(name);
	}
}

/* ---- One certificate --------------------------------------------------------- */

/* Fields of a certificate in the table. */
json_t *
certs_json(const struct view *v, uint32_t i)
{
	static const char *const kinds[] = { "RSA", "EC", "Ed25519" };
	const struct table *t = &v->t;
	const struct tcert *c = TABLE_REC(t, certs, struct tcert, i);
	int64_t left = c->not_after - clock_wall() / NSEC_SEC;
	json_t *o = json_pack("{s:o}", "names", names_of(table_str(t,
	    c->key_text)));

	if (c->chain.n != 0)
		add_x509(o, table_str(t, TABLE_VEC(t, c->chain,
		    struct tstr)[0]));
	json_object_set_new(o, "notBefore", date(c->not_before));
	json_object_set_new(o, "notAfter", date(c->not_after));
	json_object_set_new(o, "daysLeft", json_integer(left / DAY));
	json_object_set_new(o, "status", json_string(left <= 0 ? "expired" :
	    c->not_before > clock_wall() / NSEC_SEC ? "not yet valid" :
	    "valid"));
	json_object_set_new(o, "keyType", json_string(c->key_type <
	    ARRAY_SIZE(kinds) ? kinds[c->key_type] : "?"));
	json_object_set_new(o, "fingerprint", hex(c->fingerprint,
	    sizeof(c->fingerprint)));
	json_object_set_new(o, "chain", json_integer(c->chain.n));
	json_object_set_new(o, "ocsp", json_string("none"));
	json_object_set_new(o, "default", json_boolean(i ==
	    t->hdr->default_cert));
	return o;
}

/* The number in the table of what an object gives; TNONE: it is not served. */
static uint32_t
find(const struct view *v, const uint8_t fingerprint[32])
{
	for (uint32_t i = 0; i < v->t.hdr->certs.n; i++)
		if (memcmp(TABLE_REC(&v->t, certs, struct tcert, i)->
		    fingerprint, fingerprint, 32) == 0)
			return i;
	return TNONE;
}

/* What one object gives: as it is served, or why it is not. */
static void
add_object(const struct view *v, const struct cert_files *f, json_t *by_cert,
    json_t *objects)
{
	struct certificate *c = NULL;
	char why[CERT_WHY];
	uint32_t i = TNONE;
	json_t *o;

	if (f->cert_file == NULL || f->key_file == NULL)
		(void)snprintf(why, sizeof(why), "certFile and keyFile are "
		    "both needed");
	else if (cert_store_load(v->m->certs, f->cert_file, f->key_file,
	    clock_wall() / NSEC_SEC, &c, why) == 0)
		i = find(v, c->fingerprint);
	if (c != NULL && i == TNONE)
		(void)snprintf(why, sizeof(why), "another one with the same "
		    "names counts, or it has changed since the last reload");
	if (i == TNONE) {
		o = json_pack("{s:s, s:o}", "status", "disabled", "error",
		    json_array());
		json_array_append_new(json_object_get(o, "error"),
		    write_text(why));
	} else {
		o = certs_json(v, i);
		json_object_set(o, "hosts", json_array_get(by_cert, i));
	}
	json_object_set_new(o, "object", view_object(&f->place));
	json_array_append_new(objects, o);
	if (c != NULL)
		certificate_free(c);
}

json_t *
certs_all(const struct view *v)
{
	json_t *by_cert = json_array(), *all = json_array();

	for (uint32_t i = 0; i < v->t.hdr->certs.n; i++)
		json_array_append_new(by_cert, json_object());
	add_hosts(v, by_cert);
	for (unsigned i = 0; i < v->w->ncertificates; i++)
		add_object(v, &v->w->certificates[i], by_cert, all);
	if (v->w->default_certificate != NULL)
		add_object(v, v->w->default_certificate, by_cert, all);
	for (uint32_t i = 0; i < v->t.hdr->certs.n; i++) {
		const struct tcert *c = TABLE_REC(&v->t, certs, struct tcert,
		    i);
		json_t *o;

		if (!str_eq(table_str(&v->t, c->source), STR("local CA")))
			continue;
		o = certs_json(v, i);
		json_object_set(o, "hosts", json_array_get(by_cert, i));
		json_object_set_new(o, "object", json_string("local CA"));
		json_array_append_new(all, o);
	}
	json_decref(by_cert);
	return all;
}

json_t *
certs_report(struct view *v, const json_t *request, char *err,
    size_t err_size)
{
	(void)request;
	(void)err;
	(void)err_size;
	return json_pack("{s:o}", "certificates", certs_all(v));
}
