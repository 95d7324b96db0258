/* SPDX-License-Identifier: BSD-2-Clause */
/* What Secrets hold; see kube_secret.h. */
#include "kube_secret.h"

#include "cert_store.h"
#include "kube_store.h"

#include <errno.h>
#include <openssl/evp.h>
#include <stdlib.h>

static const json_t *
data_of(const struct kube_object *o)
{
	return json_object_get(o->json, "data");
}

/* Padded base64 without blanks, as the API server writes it. */
static int
decode(const char *s, size_t n, struct buf *out)
{
	unsigned pad = n > 0 && s[n - 1] == '=';
	int got;
	void *to;

	pad += n > 1 && s[n - 2] == '=';
	if (n == 0)
		return -ENOENT;
	if (n % 4 != 0 || (to = buf_space(out, n / 4 * 3)) == NULL)
		return -EINVAL;
	got = EVP_DecodeBlock(to, (const unsigned char *)s, (int)n);
	if (got < 0)
		return -EINVAL;
	out->n -= n / 4 * 3 - (size_t)got + pad;
	return out->n == 0 ? -ENOENT : 0;
}

int
kube_data(const struct kube_object *o, const char *key, struct buf *out)
{
	const json_t *v = json_object_get(data_of(o), key);

	if (!json_is_string(v) || json_string_length(v) == 0)
		return -ENOENT;
	if (o->kind == KUBE_SECRET)
		return decode(json_string_value(v), json_string_length(v),
		    out);
	buf_put(out, json_string_value(v), json_string_length(v));
	return 0;
}

const char *
kube_only_key(const struct kube_object *o)
{
	json_t *data = (json_t *)(size_t)data_of(o);

	return json_object_size(data) == 1 ?
	    json_object_iter_key(json_object_iter(data)) : NULL;
}

/* PEM, and as such no name of a file to whoever takes either. */
static bool
is_pem(struct buf *b)
{
	return str_chr(buf_str(b), '\0') < 0 &&
	    strstr(buf_cstr(b), "-----BEGIN ") != NULL;
}

json_t *
kube_pair(struct kube_view *v, const char *ns, const char *name,
    enum kube_found *ret, struct buf *why)
{
	const struct kube_object *o = kube_get(v, KUBE_SECRET, ns, name);
	struct buf cert = BUF_INIT, key = BUF_INIT;
	struct certificate *parsed = NULL;
	char text[CERT_WHY];
	json_t *pair = NULL;

	*ret = o != NULL ? KUBE_BAD : KUBE_GONE;
	if (o == NULL) {
		buf_printf(why, "Secret %s/%s does not exist", ns, name);
		return NULL;
	}
	if (kube_data(o, "tls.crt", &cert) < 0)
		buf_printf(why, "Secret %s/%s has no tls.crt", ns, name);
	else if (kube_data(o, "tls.key", &key) < 0)
		buf_printf(why, "Secret %s/%s has no tls.key", ns, name);
	else if (!is_pem(&cert) || !is_pem(&key))
		buf_printf(why, "Secret %s/%s: no PEM text", ns, name);
	else if (cert_store_load(v->certs, buf_cstr(&cert), buf_cstr(&key),
	    clock_wall() / NSEC_SEC, &parsed, text) < 0)
		buf_printf(why, "Secret %s/%s: %s", ns, name, text);
	else
		pair = json_pack("{s:s%, s:s%}", "certFile", cert.p, cert.n,
		    "keyFile", key.p, key.n);
	if (pair != NULL)
		*ret = parsed->expired ? KUBE_OLD : KUBE_GOOD;
	if (*ret == KUBE_OLD)
		buf_printf(why, "Secret %s/%s: the certificate has expired",
		    ns, name);
	else if (pair == NULL && why->n == 0)
		buf_printf(why, "Secret %s/%s: no text", ns, name);
	certificate_free(parsed);
	if (key.p != NULL)
		explicit_bzero(key.p, key.cap);
	buf_fini(&key);
	buf_fini(&cert);
	return pair;
}

json_t *
kube_ca(struct kube_view *v, enum kube_kind kind, const char *ns,
    const char *name, bool any, struct buf *why)
{
	const char *word = kube_resources[kind].kind;
	const struct kube_object *o = kube_get(v, kind, ns, name);
	struct buf pem = BUF_INIT, der = BUF_INIT;
	char text[CERT_WHY];
	json_t *ca = NULL;
	int r;

	if (o == NULL) {
		buf_printf(why, "%s %s/%s does not exist", word, ns, name);
		return NULL;
	}
	r = kube_data(o, "tls.ca", &pem);
	if (r == -ENOENT)
		r = kube_data(o, "ca.crt", &pem);
	if (r == -ENOENT && any && kube_only_key(o) != NULL)
		r = kube_data(o, kube_only_key(o), &pem);
	if (r < 0)
		buf_printf(why, "%s %s/%s has neither tls.ca nor ca.crt",
		    word, ns, name);
	else if (!is_pem(&pem) || cert_store_bundle(v->certs, buf_cstr(&pem),
	    &der, text) < 0)
		buf_printf(why, "%s %s/%s: %s", word, ns, name,
		    is_pem(&pem) ? text : "no PEM text");
	else
		ca = json_stringn(pem.p, pem.n);
	buf_fini(&pem);
	buf_fini(&der);
	return ca;
}
