/* SPDX-License-Identifier: BSD-2-Clause */
/* References between objects, and who may make them; see crd_impl.h. */
#include "crd_impl.h"

#include "alloc.h"
#include "kube_names.h"

#include <stdlib.h>

#define OWN	"@kubernetescrd"

/* A name with '@'; false with why when this namespace may not say it. */
static bool
may_qualify(const struct crd *c, const char *from, const char *name,
    struct buf *why)
{
	if (!kube_may_cross(c->opt, from)) {
		buf_printf(why, "namespace %s may not name \"%.200s\" "
		    "(crossProviderNamespaces)", from, name);
		return false;
	}
	if (str_has_suffix(str_c(name), STR(OWN)) &&
	    !c->opt->allow_cross_namespace) {
		buf_printf(why, "\"%.200s\" may be in another namespace "
		    "(allowCrossNamespace)", name);
		return false;
	}
	return true;
}

const char *
crd_namespace(const struct crd *c, const json_t *ref, struct buf *why)
{
	const char *ns = kube_text_at(ref, "namespace");
	const char *name = kube_text_at(ref, "name");

	if (str_c(ns).n == 0 || strcmp(ns, c->o->ns) == 0)
		return c->o->ns;
	if (c->opt->allow_cross_namespace)
		return ns;
	buf_printf(why, "\"%.100s\" is in namespace %.64s "
	    "(allowCrossNamespace)", name != NULL ? name : "", ns);
	return NULL;
}

char *
crd_ref(const struct crd *c, const char *from, const json_t *ref,
    struct buf *why)
{
	const char *name = kube_text_at(ref, "name");
	const char *ns = kube_text_at(ref, "namespace");

	if (str_c(name).n == 0) {
		buf_puts(why, STR("a reference has no name"));
		return NULL;
	}
	if (strchr(name, '@') != NULL)
		return may_qualify(c, from, name, why) ? xstrdup(name) : NULL;
	if (str_c(ns).n == 0)
		ns = from;
	if (strcmp(ns, from) != 0 && !c->opt->allow_cross_namespace) {
		buf_printf(why, "\"%.100s\" is in namespace %.64s "
		    "(allowCrossNamespace)", name, ns);
		return NULL;
	}
	return kube_normalf("%s-%s", ns, name);
}

json_t *
crd_refs(const struct crd *c, const char *from, const json_t *list,
    struct buf *why)
{
	json_t *out = json_array(), *ref;
	size_t i;

	json_array_foreach(list, i, ref) {
		char *key = crd_ref(c, from, ref, why);

		if (key == NULL) {
			json_decref(out);
			return NULL;
		}
		json_array_append_new(out, json_string(key));
		free(key);
	}
	return out;
}

char *
crd_transport_ref(const struct crd *c, const char *from, const char *name,
    struct buf *why)
{
	if (strchr(name, '@') != NULL)
		return may_qualify(c, from, name, why) ? xstrdup(name) : NULL;
	return kube_normalf("%s-%s", from, name);
}

char *
crd_service_ref(const struct crd *c, const json_t *ref, struct buf *why)
{
	const char *name = kube_text_at(ref, "name");
	const char *ns = kube_text_at(ref, "namespace"), *at;
	char *plain, *key;

	if (str_c(name).n == 0) {
		buf_puts(why, STR("a service has no name"));
		return NULL;
	}
	if ((at = strchr(name, '@')) == NULL) {
		if ((ns = crd_namespace(c, ref, why)) == NULL)
			return NULL;
		return kube_normalf("%s-%s", ns, name);
	}
	/* Traefik checks no namespace here. */
	if (!kube_may_cross(c->opt, c->o->ns)) {
		buf_printf(why, "namespace %s may not name \"%.200s\" "
		    "(crossProviderNamespaces)", c->o->ns, name);
		return NULL;
	}
	plain = xasprintf("%.*s", (int)(at - name), name);
	if (strcmp(at, OWN) == 0) {
		key = kube_normalf("%s-%s", ns != NULL ? ns : "", plain);
	} else {
		char *normal = kube_normal(plain);

		key = xasprintf("%s%s", normal, at);
		free(normal);
	}
	free(plain);
	return key;
}
