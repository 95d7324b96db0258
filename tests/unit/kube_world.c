/* SPDX-License-Identifier: BSD-2-Clause */
/* A small cluster in memory; see kube_world.h. */
#include "kube_world.h"

#include "alloc.h"
#include "change.h"
#include "json.h"
#include "kube.h"
#include "unit.h"
#include "wire.h"

#include <stdio.h>

struct told { char *key, *line; };

static struct kube *kube;
static struct kube_settings settings;
static struct kube_provider ingress_options, crd_options;
static struct arena memory;
static struct told *told;
static unsigned ntold, changes;
static struct buf text, notes;

const char *
world_quotes(const char *s)
{
	char *copy = arena_alloc(&memory, strlen(s) + 1);

	strcpy(copy, s);
	for (char *p = copy; *p != '\0'; p++)
		if (*p == '\'')
			*p = '"';
	return copy;
}

static json_t *
parse(const char *s)
{
	json_error_t e;
	json_t *v = json_loads(world_quotes(s), 0, &e);

	ck_assert_msg(v != NULL, "%s in %s", e.text, s);
	return v;
}

/* ---- Lines -------------------------------------------------------------------------- */

static void
put_list(struct buf *b, const char *word, const struct strlist *l)
{
	for (unsigned i = 0; i < l->n; i++)
		buf_printf(b, "%s%s", i == 0 ? word : ",", l->v[i]);
}

static void
put_router(struct buf *b, const struct router *r)
{
	buf_printf(b, "%s -> %s", r->rule_text, r->service != NULL ?
	    r->service : "-");
	if (r->priority != 0)
		buf_printf(b, " prio=%lld", (long long)r->priority);
	put_list(b, " ep=", &r->entry_points);
	put_list(b, " mw=", &r->middlewares);
	if (r->tls != NULL) {
		buf_printf(b, " tls");
		if (r->tls->options != NULL)
			buf_printf(b, "=%s", r->tls->options);
		if (r->tls->cert_resolver != NULL)
			buf_printf(b, " resolver=%s", r->tls->cert_resolver);
		for (unsigned i = 0; i < r->tls->domains.n; i++) {
			buf_printf(b, " domain=%s",
			    r->tls->domains.v[i].main);
			put_list(b, "/", &r->tls->domains.v[i].sans);
		}
	}
	if (r->observability.access_logs != TRI_UNSET)
		buf_printf(b, " logs=%d", r->observability.access_logs ==
		    TRI_TRUE);
	if (r->observability.metrics != TRI_UNSET)
		buf_printf(b, " metrics=%d", r->observability.metrics ==
		    TRI_TRUE);
	if (r->later != NULL)
		buf_printf(b, " later=%s", r->later);
}

/* "sticky=name;path=/;secure". */
static void
put_sticky(struct buf *b, const struct sticky *s)
{
	const struct sticky_cookie *c = s != NULL ? s->cookie : NULL;

	if (s == NULL)
		return;
	buf_printf(b, " sticky");
	if (c == NULL)
		return;
	buf_printf(b, "=%s;path=%s%s%s", c->name != NULL ? c->name : "",
	    c->path != NULL ? c->path : "", c->secure ? ";secure" : "",
	    c->http_only ? ";http" : "");
	if (c->same_site != NULL)
		buf_printf(b, ";site=%s", c->same_site);
	if (c->domain != NULL)
		buf_printf(b, ";domain=%s", c->domain);
	if (c->max_age != 0)
		buf_printf(b, ";age=%lld", (long long)c->max_age);
}

static void
put_shares(struct buf *b, const char *kind, const struct weighted *w)
{
	buf_printf(b, "%s", kind);
	for (unsigned i = 0; i < w->services.n; i++)
		buf_printf(b, " %s*%lld", w->services.v[i].name,
		    (long long)w->services.v[i].weight);
	put_sticky(b, w->sticky);
}

/* "weighted a*1 b*2", "mirror a 20%b", "failover a or b on 500-504". */
static void
put_tree(struct buf *b, const struct service *s)
{
	const struct mirroring *m = s->mirroring;
	const struct failover *f = s->failover;

	if (s->weighted != NULL)
		put_shares(b, "weighted", s->weighted);
	if (s->random_weight != NULL)
		put_shares(b, "hrw", s->random_weight);
	if (m != NULL)
		buf_printf(b, "mirror %s", m->service);
	for (unsigned i = 0; m != NULL && i < m->mirrors.n; i++)
		buf_printf(b, " %lld%%%s", (long long)m->mirrors.v[i].percent,
		    m->mirrors.v[i].name);
	if (m != NULL && !m->mirror_body)
		buf_printf(b, " body=no");
	if (m != NULL && m->max_body_size != -1)
		buf_printf(b, " max=%lld", (long long)m->max_body_size);
	if (f != NULL)
		buf_printf(b, "failover %s or %s", f->service, f->fallback);
	if (f != NULL && f->errors != NULL) {
		put_list(b, " on ", &f->errors->status);
		buf_printf(b, " max=%lld", (long long)f->errors->max_body_size);
	}
}

/* "check=/x interval 30/30 timeout 5 passive 3 in 10". */
static void
put_balance(struct buf *b, const struct load_balancer *lb)
{
	const struct health_check *h = lb->health_check;
	const struct passive_health_check *p = lb->passive_health_check;

	if (lb->strategy != NULL)
		buf_printf(b, " %s", lb->strategy);
	put_sticky(b, lb->sticky);
	if (h != NULL)
		buf_printf(b, " check=%s interval %lld/%lld timeout %lld%s",
		    h->path, (long long)(h->interval / NSEC_SEC),
		    (long long)(h->unhealthy_interval / NSEC_SEC),
		    (long long)(h->timeout / NSEC_SEC),
		    h->follow_redirects ? "" : " as is");
	if (p != NULL)
		buf_printf(b, " passive %lld in %lld", (long long)
		    p->max_failed_attempts, (long long)(p->failure_window /
		    NSEC_SEC));
}

static void
put_service(struct buf *b, const struct service *s)
{
	const struct load_balancer *lb = s->load_balancer;

	for (unsigned i = 0; lb != NULL && i < lb->servers.n; i++)
		buf_printf(b, "%s%s%s", i == 0 ? "" : " ",
		    lb->servers.v[i].url, lb->servers.v[i].fenced ? "~" : "");
	if (lb != NULL && lb->servers.n == 0)
		buf_printf(b, "(none)");
	if (lb != NULL && lb->pass_host_header == TRI_FALSE)
		buf_printf(b, " host=no");
	if (lb != NULL && lb->servers_transport != NULL)
		buf_printf(b, " transport=%s", lb->servers_transport);
	if (lb != NULL && lb->response_forwarding.flush_interval !=
	    100 * NSEC_MSEC)
		buf_printf(b, " flush=%lldms", (long long)
		    (lb->response_forwarding.flush_interval / NSEC_MSEC));
	if (lb != NULL)
		put_balance(b, lb);
	put_tree(b, s);
	put_list(b, " mw=", &s->middlewares);
}

static void
put_middleware(struct buf *b, const struct middleware *m)
{
	if (m->chain != NULL)
		put_list(b, "chain ", &m->chain->middlewares);
	if (m->basic_auth != NULL)
		put_list(b, "basicAuth ", &m->basic_auth->users);
	if (m->errors != NULL)
		buf_printf(b, "errors %s", m->errors->service);
	if (m->forward_auth != NULL) {
		const struct client_tls *t = m->forward_auth->tls;

		buf_printf(b, "forwardAuth %s", m->forward_auth->address);
		if (t != NULL && t->ca != NULL)
			buf_printf(b, " ca=%.10s", t->ca);
		if (t != NULL && t->cert != NULL)
			buf_printf(b, " cert=%.10s", t->cert);
	}
	if (m->add_prefix != NULL)
		buf_printf(b, "addPrefix %s", m->add_prefix->prefix);
	if (m->rate_limit != NULL)
		buf_printf(b, "rateLimit %lld/%lldms", (long long)
		    m->rate_limit->average, (long long)(m->rate_limit->period /
		    NSEC_MSEC));
	if (m->headers != NULL)
		buf_printf(b, "headers");
	if (m->later != NULL)
		buf_printf(b, "later=%s", m->later);
}

static void
put_transport(struct buf *b, const struct servers_transport *t)
{
	buf_printf(b, "name=%s roots=%u certs=%u", t->server_name != NULL ?
	    t->server_name : "", t->root_cas.n, t->certificates.n);
	if (t->insecure_skip_verify)
		buf_printf(b, " insecure");
	if (t->forwarding_timeouts != NULL)
		buf_printf(b, " dial=%lldms", (long long)
		    (t->forwarding_timeouts->dial / NSEC_MSEC));
}

static void
put_options(struct buf *b, const struct tls_options *o)
{
	buf_printf(b, "min=%s cas=%u", o->min_version != NULL ?
	    o->min_version : "", o->client_auth.ca_files.n);
	if (o->client_auth.type != NULL)
		buf_printf(b, " auth=%s", o->client_auth.type);
}

static void
put_certificate(struct buf *b, const struct cert_files *c)
{
	buf_printf(b, "%.27s", c->cert_file);
	put_list(b, " stores=", &c->stores);
}

static void
put_line(struct buf *b, const struct change *c)
{
	static const char letters[] = "RSMXOBC";
	const struct schema *s = change_schema(c->kind);
	struct arena a;
	void *obj;

	arena_init(&a, 1u << 24);
	obj = arena_zalloc(&a, s->bytes);
	ck_assert_int_eq(wire_decode(s, &a, c->body, obj), 0);
	buf_printf(b, "%c %.*s: ", letters[c->kind], STR_ARG(c->name));
	switch (c->kind) {
	case CHANGE_ROUTER:
		put_router(b, obj);
		break;
	case CHANGE_SERVICE:
		put_service(b, obj);
		break;
	case CHANGE_MIDDLEWARE:
		put_middleware(b, obj);
		break;
	case CHANGE_TRANSPORT:
		put_transport(b, obj);
		break;
	case CHANGE_TLS_OPTIONS:
		put_options(b, obj);
		break;
	case CHANGE_TLS_STORE:
		buf_printf(b, "%s", ((const struct tls_store *)obj)->
		    default_certificate != NULL ? "default" : "");
		break;
	default:
		put_certificate(b, obj);
	}
	if (c->verdict != 0)
		buf_printf(b, " BROKEN");
	arena_fini(&a);
}

/* ---- The stream ------------------------------------------------------------------------ */

static void
forget(unsigned i)
{
	free(told[i].key);
	free(told[i].line);
	told[i] = told[--ntold];
}

static void
take(const struct change *c)
{
	char *key = xasprintf("%d %d %.*s", (int)c->part, (int)c->kind,
	    STR_ARG(c->name));
	struct buf line = BUF_INIT;

	changes++;
	for (unsigned i = 0; i < ntold; i++)
		if (strcmp(told[i].key, key) == 0) {
			forget(i);
			break;
		}
	if (c->op == CHANGE_DELETE) {
		free(key);
		return;
	}
	if (c->kind == CHANGE_NOTE)
		buf_printf(&line, "%.*s: %.*s", STR_ARG(c->name),
		    STR_ARG(c->why));
	else
		put_line(&line, c);
	told = xreallocarray(told, ntold + 1, sizeof(*told));
	told[ntold++] = (struct told){ key, xstrdup(buf_cstr(&line)) };
	buf_fini(&line);
}

static void
receive(void *arg, struct str bytes)
{
	struct change c;
	int r;

	(void)arg;
	while ((r = change_next(&bytes, &c)) == 1)
		if (c.op == CHANGE_UPSERT || c.op == CHANGE_DELETE)
			take(&c);
	ck_assert_int_eq(r, 0);
	ck_assert_uint_eq(bytes.n, 0);
}

/* ---- The world --------------------------------------------------------------------------- */

static void
options(const char *s, const struct schema *schema,
    struct kube_provider *to, const struct kube_provider **ret)
{
	struct diags d = { 0 };
	json_t *v;

	*ret = NULL;
	if (s == NULL)
		return;
	v = parse(s);
	ck_assert_msg(json_read(schema, &memory, "options", "", v, to, &d) ==
	    0, "%s: %s", s, d.n != 0 ? d.v[0].text : "");
	json_decref(v);
	*ret = to;
}

void
world_free(void)
{
	kube_free(kube);
	kube = NULL;
	while (ntold > 0)
		forget(0);
	free(told);
	told = NULL;
	buf_fini(&text);
	buf_fini(&notes);
	arena_fini(&memory);
}

void
world_new(const char *ingress, const char *crd)
{
	world_free();
	changes = 0;
	arena_init(&memory, 1u << 26);
	options(ingress, &schema_kube_ingress, &ingress_options,
	    &settings.ingress);
	options(crd, &schema_kube_crd, &crd_options, &settings.crd);
	kube = kube_new(&settings, receive, NULL);
}

/* The watch of an object, by kind and namespace; -1: nobody wants it. */
static int
watch_of(const json_t *o)
{
	const char *kind = json_string_value(json_object_get(o, "kind"));
	const char *ns = json_string_value(json_object_get(json_object_get(o,
	    "metadata"), "namespace"));
	const struct kube_watch *w;
	unsigned n = kube_watches(kube, &w);

	ck_assert_ptr_nonnull(kind);
	for (unsigned i = 0; i < n; i++)
		if (strcmp(kube_resources[w[i].kind].kind, kind) == 0 &&
		    (w[i].ns == NULL || strcmp(w[i].ns, ns) == 0))
			return (int)i;
	return -1;
}

void
world_put(const char *objects)
{
	json_t *list = parse(objects), *o;
	size_t i;

	json_array_foreach(list, i, o) {
		int w = watch_of(o);

		if (w >= 0)
			ck_assert_int_eq(kube_put(kube, (unsigned)w, o), 0);
	}
	json_decref(list);
}

void
world_remove(const char *object)
{
	json_t *o = parse(object);

	ck_assert_int_eq(kube_remove(kube, (unsigned)watch_of(o), o), 0);
	json_decref(o);
}

void
world_listed(void)
{
	const struct kube_watch *w;
	unsigned n = kube_watches(kube, &w);

	for (unsigned i = 0; i < n; i++)
		kube_list_end(kube, i);
}

void
world_listed_kind(const char *kinds)
{
	struct str rest = str_c(kinds), kind;
	const struct kube_watch *w;
	unsigned n = kube_watches(kube, &w);

	while (str_next(&rest, ' ', &kind))
		for (unsigned i = 0; i < n; i++)
			if (str_eq(str_c(kube_resources[w[i].kind].kind),
			    kind))
				kube_list_end(kube, i);
}

static int
line_cmp(const void *a, const void *b)
{
	const struct told *x = a, *y = b;

	return strcmp(x->line, y->line);
}

static const char *
lines(struct buf *b, bool note)
{
	kube_flush(kube);
	if (ntold != 0)
		qsort(told, ntold, sizeof(*told), line_cmp);
	buf_reset(b);
	for (unsigned i = 0; i < ntold; i++)
		if ((told[i].key[2] == '0' + CHANGE_NOTE) == note)
			buf_printf(b, "%s\n", told[i].line);
	return buf_cstr(b);
}

const char *
world_told(void)
{
	return lines(&text, false);
}

const char *
world_refused(void)
{
	return lines(&notes, true);
}

const char *
world_status(void)
{
	json_t *o, *s;
	char *all;

	kube_flush(kube);
	if ((o = kube_take_status(kube)) == NULL)
		return "";
	s = json_object_get(json_object_get(json_object_get(o, "status"),
	    "loadBalancer"), "ingress");
	all = json_dumps(s, JSON_COMPACT | JSON_SORT_KEYS);
	json_decref(o);
	buf_reset(&text);
	buf_puts(&text, str_c(all));
	free(all);
	return buf_cstr(&text);
}

unsigned
world_changes(void)
{
	unsigned n;

	kube_flush(kube);
	n = changes;
	changes = 0;
	return n;
}

void
world_check(const struct world_case *cases, size_t n, int crd,
    const char *base)
{
	for (size_t i = 0; i < n; i++) {
		const struct world_case *c = &cases[i];
		const char *o = c->options != NULL ? c->options : "{}";
		const char *got;

		world_new(crd ? NULL : o, crd ? o : NULL);
		world_put(base);
		if (c->objects != NULL)
			world_put(c->objects);
		world_listed();
		got = world_told();
		ck_assert_msg(strcmp(got, world_quotes(c->want)) == 0,
		    "case %s\n got: %swant: %s(%s)", c->number, got,
		    world_quotes(c->want), world_refused());
	}
	world_free();
}
