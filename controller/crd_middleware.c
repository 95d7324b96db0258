/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Middleware: where it differs from a file it is made to read like one, with
 * Secrets and references resolved, and the schema of files reads it. One that
 * cannot be keeps its name and says why: its routers answer 503.
 */
#include "crd_impl.h"

#include "alloc.h"
#include "kube_names.h"
#include "kube_secret.h"

#include <openssl/evp.h>
#include <openssl/sha.h>
#include <stdlib.h>

typedef bool mend_fn(const struct crd *c, const char *key, json_t *config,
	    struct buf *why);

/* ---- Users ----------------------------------------------------------------------- */

/* "user:{SHA}..." of a Secret of type kubernetes.io/basic-auth. */
static bool
add_basic(const struct kube_object *secret, json_t *users, struct buf *why)
{
	struct buf name = BUF_INIT, password = BUF_INIT;
	unsigned char sum[SHA_DIGEST_LENGTH], text[32];
	bool good = kube_data(secret, "username", &name) == 0 &&
	    kube_data(secret, "password", &password) == 0;

	if (good) {
		SHA1((const unsigned char *)password.p, password.n, sum);
		EVP_EncodeBlock(text, sum, sizeof(sum));
		json_array_append_new(users, json_sprintf("%.*s:{SHA}%s",
		    STR_ARG(buf_str(&name)), (const char *)text));
	} else {
		buf_printf(why, "Secret %s/%s needs username and password",
		    secret->ns, secret->name);
	}
	if (password.p != NULL)
		explicit_bzero(password.p, password.cap);
	buf_fini(&name);
	buf_fini(&password);
	return good;
}

/* The lines of the only key of any other Secret. */
static bool
add_lines(const struct kube_object *secret, json_t *users, struct buf *why)
{
	const char *key = kube_only_key(secret);
	struct buf text = BUF_INIT;
	struct str rest, line;

	if (key == NULL || kube_data(secret, key, &text) < 0) {
		buf_printf(why, "Secret %s/%s must have one key with users",
		    secret->ns, secret->name);
		buf_fini(&text);
		return false;
	}
	rest = buf_str(&text);
	while (str_next(&rest, '\n', &line)) {
		while (line.n != 0 && line.p[line.n - 1] == '\r')
			line.n--;
		if (line.n != 0)
			json_array_append_new(users, json_stringn(line.p,
			    line.n));
	}
	buf_fini(&text);
	if (json_array_size(users) != 0)
		return true;
	buf_printf(why, "Secret %s/%s names no user", secret->ns,
	    secret->name);
	return false;
}

static bool
mend_users(const struct crd *c, json_t *config, bool basic, struct buf *why)
{
	const char *name = kube_text_at(config, "secret"), *type;
	const struct kube_object *secret;
	json_t *users;
	bool good;

	/* Users and files of them are a file's words, not an object's. */
	json_object_del(config, "users");
	json_object_del(config, "usersFile");
	if (str_c(name).n == 0) {
		buf_puts(why, STR("secret is missing"));
		return false;
	}
	secret = kube_get(c->v, KUBE_SECRET, c->o->ns, name);
	if (secret == NULL) {
		buf_printf(why, "Secret %s/%.253s does not exist", c->o->ns,
		    name);
		return false;
	}
	type = kube_text_at(secret->json, "type");
	users = json_array();
	good = basic && type != NULL && strcmp(type,
	    "kubernetes.io/basic-auth") == 0 ?
	    add_basic(secret, users, why) : add_lines(secret, users, why);
	json_object_set_new(config, "users", users);
	json_object_del(config, "secret");
	return good;
}

static bool
mend_basic_auth(const struct crd *c, const char *key, json_t *config,
    struct buf *why)
{
	(void)key;
	return mend_users(c, config, true, why);
}

static bool
mend_digest_auth(const struct crd *c, const char *key, json_t *config,
    struct buf *why)
{
	(void)key;
	return mend_users(c, config, false, why);
}

/* ---- The others -------------------------------------------------------------------- */

static bool
mend_forward_auth(const struct crd *c, const char *key, json_t *config,
    struct buf *why)
{
	json_t *tls = json_object_get(config, "tls"), *v;
	const char *ca = kube_text_at(tls, "caSecret");
	const char *cert = kube_text_at(tls, "certSecret");
	enum kube_found found;

	(void)key;
	json_object_del(tls, "ca");
	json_object_del(tls, "cert");
	json_object_del(tls, "key");
	if (str_c(ca).n != 0) {
		v = kube_ca(c->v, KUBE_SECRET, c->o->ns, ca, true, why);
		if (v == NULL)
			return false;
		json_object_set_new(tls, "ca", v);
	}
	if (str_c(cert).n != 0) {
		v = kube_pair(c->v, c->o->ns, cert, &found, why);
		if (v == NULL)
			return false;
		/* The other side judges an expired one. */
		buf_reset(why);
		json_object_set(tls, "cert", json_object_get(v, "certFile"));
		json_object_set(tls, "key", json_object_get(v, "keyFile"));
		json_decref(v);
	}
	json_object_del(tls, "caSecret");
	json_object_del(tls, "certSecret");
	return true;
}

static bool
mend_errors(const struct crd *c, const char *key, json_t *config,
    struct buf *why)
{
	const json_t *entry = json_object_get(config, "service");
	char *as = xasprintf("%s-errorpage-service", key), *service;

	service = crd_entry(c, entry, as, false, why);
	free(as);
	if (service == NULL)
		return false;
	json_object_set_new(config, "service", json_string(service));
	free(service);
	return true;
}

static bool
mend_chain(const struct crd *c, const char *key, json_t *config,
    struct buf *why)
{
	json_t *refs = crd_refs(c, c->o->ns, json_object_get(config,
	    "middlewares"), why);

	(void)key;
	if (refs == NULL)
		return false;
	json_object_set_new(config, "middlewares", refs);
	return true;
}

void
crd_middleware(const struct crd *c)
{
	static const struct { const char *kind; mend_fn *mend; } kinds[] = {
		{ "basicAuth", mend_basic_auth },
		{ "digestAuth", mend_digest_auth },
		{ "forwardAuth", mend_forward_auth },
		{ "errors", mend_errors },
		{ "chain", mend_chain },
	};
	char *key = kube_normalf("%s-%s", c->o->ns, c->o->name);
	json_t *spec = json_deep_copy(c->spec);
	struct buf why = BUF_INIT;

	if (!json_is_object(spec)) {
		json_decref(spec);
		spec = json_object();
	}
	for (size_t i = 0; i < ARRAY_SIZE(kinds) && why.n == 0; i++) {
		json_t *config = json_object_get(spec, kinds[i].kind);

		if (json_is_object(config) && !kinds[i].mend(c, key, config,
		    &why))
			kube_emit_broken(c->out, CHANGE_MIDDLEWARE, key, NULL,
			    "%s: %s", kinds[i].kind, buf_cstr(&why));
	}
	if (why.n == 0)
		(void)kube_emit(c->out, CHANGE_MIDDLEWARE, key,
		    json_incref(spec));
	json_decref(spec);
	free(key);
	buf_fini(&why);
}
