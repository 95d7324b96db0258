/* SPDX-License-Identifier: BSD-2-Clause */
/* ServersTransport, TLSOption and TLSStore; see crd_impl.h. */
#include "crd_impl.h"

#include "alloc.h"
#include "kube_names.h"
#include "kube_secret.h"

#include <stdlib.h>

static json_t *
copy_of(const json_t *spec)
{
	json_t *copy = json_deep_copy(spec);

	if (json_is_object(copy))
		return copy;
	json_decref(copy);
	return json_object();
}

/* The CA goes to the list; a missing one is told and left out. */
static void
add_ca(const struct crd *c, json_t *list, enum kube_kind kind,
    const char *name, bool any, const char *path)
{
	struct buf why = BUF_INIT;
	json_t *ca = kube_ca(c->v, kind, c->o->ns, name, any, &why);

	if (ca != NULL)
		json_array_append_new(list, ca);
	else
		kube_refuse(c->out, "spec.%s: %s", path, buf_cstr(&why));
	buf_fini(&why);
}

/* ---- ServersTransport --------------------------------------------------------- */

static void
add_roots(const struct crd *c, json_t *list)
{
	json_t *secrets = json_object_get(c->spec, "rootCAsSecrets");
	json_t *both = json_object_get(c->spec, "rootCAs"), *v;
	size_t i;

	json_array_foreach(secrets, i, v)
		if (json_is_string(v))
			add_ca(c, list, KUBE_SECRET, json_string_value(v),
			    true, "rootCAsSecrets");
	json_array_foreach(both, i, v) {
		const char *secret = kube_text_at(v, "secret");
		const char *map = kube_text_at(v, "configMap");

		if (secret != NULL && map != NULL)
			kube_refuse(c->out, "spec.rootCAs[%zu]: both a Secret "
			    "and a ConfigMap", i);
		else if (secret != NULL)
			add_ca(c, list, KUBE_SECRET, secret, true, "rootCAs");
		else if (map != NULL)
			add_ca(c, list, KUBE_CONFIG_MAP, map, false,
			    "rootCAs");
	}
}

static void
add_pairs(const struct crd *c, json_t *list)
{
	json_t *secrets = json_object_get(c->spec, "certificatesSecrets"), *v;
	size_t i;

	json_array_foreach(secrets, i, v) {
		struct buf why = BUF_INIT;
		json_t *pair;
		enum kube_found found;

		if (!json_is_string(v))
			continue;
		pair = kube_pair(c->v, c->o->ns, json_string_value(v), &found,
		    &why);
		if (pair != NULL)
			json_array_append_new(list, pair);
		else
			kube_refuse(c->out, "spec.certificatesSecrets: %s",
			    buf_cstr(&why));
		buf_fini(&why);
	}
}

void
crd_transport(const struct crd *c)
{
	char *key = kube_normalf("%s-%s", c->o->ns, c->o->name);
	json_t *v = copy_of(c->spec), *roots = json_array();
	json_t *pairs = json_array();

	add_roots(c, roots);
	add_pairs(c, pairs);
	json_object_del(v, "rootCAsSecrets");
	json_object_del(v, "certificatesSecrets");
	json_object_set_new(v, "rootCAs", roots);
	json_object_set_new(v, "certificates", pairs);
	(void)kube_emit(c->out, CHANGE_TRANSPORT, key, v);
	free(key);
}

/* ---- TLSOption ------------------------------------------------------------------ */

void
crd_tls_option(const struct crd *c)
{
	bool is_default = strcmp(c->o->name, "default") == 0;
	char *key = is_default ? xstrdup("default") :
	    kube_normalf("%s-%s", c->o->ns, c->o->name);
	json_t *v = copy_of(c->spec), *cas = json_array(), *name;
	json_t *auth = json_object_get(v, "clientAuth");
	json_t *secrets = json_object_get(auth, "secretNames");
	size_t i, asked = json_array_size(secrets);

	json_array_foreach(secrets, i, name)
		if (json_is_string(name))
			add_ca(c, cas, KUBE_SECRET, json_string_value(name),
			    false, "clientAuth.secretNames");
	json_object_del(auth, "secretNames");
	if (json_is_object(auth))
		json_object_set(auth, "caFiles", cas);
	/* Traefik would ask for no certificate any more (kubernetes.md 4.9). */
	if (asked != 0 && json_array_size(cas) == 0)
		kube_emit_broken(c->out, CHANGE_TLS_OPTIONS, key, v,
		    "clientAuth: none of its Secrets can be used");
	else
		(void)kube_emit(c->out, CHANGE_TLS_OPTIONS, key, v);
	c->out->v[c->out->n - 1].exclusive = is_default;
	json_decref(cas);
	free(key);
}

/* ---- Certificates ------------------------------------------------------------------ */

void
crd_certificate(const struct crd *c, const char *secret, const char *store)
{
	struct buf why = BUF_INIT;
	char *key = xasprintf("%s/%s", c->o->ns, secret);
	enum kube_found found;
	json_t *pair = kube_pair(c->v, c->o->ns, secret, &found, &why);

	if (pair != NULL && store != NULL)
		json_object_set_new(pair, "stores", json_pack("[s]", store));
	/* What was good stays while its Secret is broken. */
	if (found != KUBE_GONE)
		kube_emit(c->out, CHANGE_CERTIFICATE, key, pair)->keep =
		    found != KUBE_GOOD;
	if (found != KUBE_GOOD)
		kube_refuse(c->out, "%s", buf_cstr(&why));
	free(key);
	buf_fini(&why);
}

/* ---- TLSStore ------------------------------------------------------------------------ */

static void
emit_store(const struct crd *c, const char *key, json_t *v, bool keep)
{
	struct kube_item *i = kube_emit(c->out, CHANGE_TLS_STORE, key, v);

	i->exclusive = strcmp(key, "default") == 0;
	i->keep = keep;
}

void
crd_tls_store(const struct crd *c)
{
	bool is_default = strcmp(c->o->name, "default") == 0;
	enum kube_found found = KUBE_GOOD;
	char *key = is_default ? xstrdup("default") :
	    kube_normalf("%s-%s", c->o->ns, c->o->name);
	const char *secret = kube_text_at(c->spec,
	    "defaultCertificate.secretName");
	json_t *list = json_object_get(c->spec, "certificates"), *v, *pair;
	json_t *made = json_object_get(c->spec, "defaultGeneratedCert");
	struct buf why = BUF_INIT;
	size_t i;

	json_array_foreach(list, i, v) {
		const char *name = kube_text_at(v, "secretName");

		if (str_c(name).n != 0)
			crd_certificate(c, name, key);
	}
	v = json_object();
	if (secret != NULL) {
		pair = kube_pair(c->v, c->o->ns, secret, &found, &why);
		if (found != KUBE_GOOD)
			kube_refuse(c->out, "spec.defaultCertificate: %s",
			    buf_cstr(&why));
		if (pair == NULL) {
			json_decref(v);
			v = NULL;
		} else {
			json_object_set_new(v, "defaultCertificate", pair);
		}
	} else if (json_is_object(made)) {
		json_object_set(v, "defaultGeneratedCert", made);
	}
	emit_store(c, key, v, found == KUBE_BAD || found == KUBE_OLD);
	buf_fini(&why);
	free(key);
}
