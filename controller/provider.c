/* SPDX-License-Identifier: BSD-2-Clause */
/* One Kubernetes provider; see provider.h. */
#include "provider.h"

#include "alloc.h"
#include "hash.h"
#include "json.h"
#include "log.h"
#include "wire.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NOTICES	512	/* more are in the log only */

struct root;

/* One item of a root, ready to be sent. */
struct output {
	struct root *root;
	struct claim *claim;
	struct buf body;
	uint8_t verdict;
	bool empty, exclusive;
	char *why;
};

/* A name and who makes an item of it. */
struct claim {
	enum change_kind kind;
	char *name;
	struct output **v;
	unsigned n;
	bool is_told, touched;
	bool shared;		/* more than one made it, the last time */
	uint64_t told;		/* hash of what the master has */
	struct claim *next;	/* touched */
};

struct root {
	enum kube_kind kind;
	char *ns, *name;
	char *origin;		/* "Ingress shop/front" */
	int64_t created;
	struct output **v;
	unsigned n;
	struct kube_deps deps;
	char *refused;		/* what was, when it was built; or NULL */
	char *note;		/* that and what others have; or NULL */
	bool dirty, noted;	/* noted: its note is to be made anew */
	struct root *next_note;
	struct root *next;	/* dirty */
	json_t *status;		/* to be written, or NULL */
};

struct root_list { struct root **v; unsigned n, cap; };

struct provider {
	enum change_part part;
	const struct kube_provider *opt;
	uint32_t kinds;
	provider_fn *build;
	struct map roots;	/* by "kind/ns/name" */
	struct map deps;	/* struct root_list by number */
	struct map claims;	/* by "kind name" */
	struct root *dirty, **dirty_end;
	struct claim *touched, **touched_end;
	struct root *noted;
	bool synced;
	struct root_list statuses;	/* to be written; NULL: gone since */
	struct notice *notices;		/* NOTICES of them, a ring; or NULL */
	unsigned notice_first, nnotices;
};

struct provider *
provider_new(enum change_part part, const struct kube_provider *opt,
    uint32_t roots, provider_fn *build)
{
	struct provider *p = xcalloc(1, sizeof(*p));

	p->part = part;
	p->opt = opt;
	p->kinds = roots;
	p->build = build;
	p->dirty_end = &p->dirty;
	p->touched_end = &p->touched;
	return p;
}

/* ---- Claims ------------------------------------------------------------------ */

static void
touch(struct provider *p, struct claim *c)
{
	if (c->touched)
		return;
	c->touched = true;
	c->next = NULL;
	*p->touched_end = c;
	p->touched_end = &c->next;
}

static struct claim *
claim_of(struct provider *p, enum change_kind kind, const char *name)
{
	struct buf key = BUF_INIT;
	struct claim *c;
	void **at;

	buf_printf(&key, "%d %s", (int)kind, name);
	at = map_at(&p->claims, buf_str(&key));
	buf_fini(&key);
	if ((c = *at) == NULL) {
		c = *at = xcalloc(1, sizeof(*c));
		c->kind = kind;
		c->name = xstrdup(name);
	}
	return c;
}

static void
claim_add(struct provider *p, struct output *o)
{
	struct claim *c = o->claim;

	c->v = xreallocarray(c->v, c->n + 1, sizeof(struct output *));
	c->v[c->n++] = o;
	touch(p, c);
}

static void
claim_remove(struct provider *p, struct output *o)
{
	struct claim *c = o->claim;

	for (unsigned i = 0; i < c->n; i++)
		if (c->v[i] == o) {
			c->v[i] = c->v[--c->n];
			break;
		}
	touch(p, c);
}

static bool
is_before(const struct root *a, const struct root *b)
{
	int r;

	if (a->created != b->created)
		return a->created < b->created;
	r = strcmp(a->ns, b->ns);
	return (r != 0 ? r : strcmp(a->name, b->name)) < 0;
}

/* Who has the name; NULL: nobody. */
static const struct output *
winner(const struct claim *c)
{
	const struct output *best = NULL;

	for (unsigned i = 0; i < c->n; i++) {
		if (c->v[i]->exclusive && c->n > 1)
			return NULL;
		if (best == NULL || is_before(c->v[i]->root, best->root))
			best = c->v[i];
	}
	return best != NULL && best->empty ? NULL : best;
}

/* ---- Outputs ------------------------------------------------------------------- */

static void
output_free(struct output *o)
{
	buf_fini(&o->body);
	free(o->why);
	free(o);
}

/*
 * The first reason, for the one object; all are told, with the path below the
 * object and, where it is one of several, what it is called.
 */
static char *
reasons(const char *origin, struct kube_out *out, const struct diags *d)
{
	char *first = NULL;

	for (unsigned i = 0; i < d->n; i++) {
		const struct diag *x = &d->v[i];
		struct str path = str_c(x->place.file);

		if (x->class == DIAG_WARNING)
			continue;
		path = str_has_prefix(path, str_c(origin)) ?
		    str_from(path, strlen(origin)) : STR("");
		/* ": spec.headers" */
		path = str_from(path, 2);
		kube_refuse(out, "%.*s%s%s%s%s", STR_ARG(path), path.n != 0 ?
		    ": " : "", x->object != NULL ? x->object : "",
		    x->object != NULL ? ": " : "", x->text);
		if (first == NULL)
			first = xstrdup(x->text);
	}
	return first;
}

/* Would the master take it? Its word is final: it ends who sends other things. */
static bool
is_taken(enum change_kind kind, struct str body)
{
	struct arena a;
	void *obj;
	int r;

	arena_init(&a, CHANGE_ARENA_MAX);
	r = body.n > CHANGE_BYTES_MAX / 2 ? -E2BIG :
	    change_decode(kind, body, &a, &obj);
	arena_fini(&a);
	return r == 0;
}

#define POINTS_MOST	100	/* entry points of a router that is too large */

/* A router keeps its match, so that no broader one takes its place. */
static void
keep_match(struct router *to, const struct router *from)
{
	static struct router_tls tls;

	to->rule_text = from->rule_text;
	to->priority = from->priority;
	if (from->entry_points.n <= POINTS_MOST)
		to->entry_points = from->entry_points;
	if (from->tls != NULL)
		to->tls = &tls;
}

/* Only the name and why are left of what is too large, and a router's match. */
static void
replace(struct output *o, const struct kube_item *item, const void *whole,
    struct kube_out *out)
{
	const struct schema *s = change_schema(item->kind);
	char *obj = xcalloc(1, s->bytes);

	kube_refuse(out, "%s %.200s is too large, or names a file",
	    change_words[item->kind], item->name);
	if (item->kind == CHANGE_ROUTER)
		keep_match((void *)obj, whole);
	buf_reset(&o->body);
	wire_encode(s, obj, &o->body);
	if (!is_taken(item->kind, buf_str(&o->body))) {
		memset(obj, 0, s->bytes);
		buf_reset(&o->body);
		wire_encode(s, obj, &o->body);
	}
	free(obj);
	free(o->why);
	o->why = xstrdup("it is too large, or names a file");
	/* Without files a pair is nothing. */
	o->verdict = VERDICT_BROKEN;
	o->empty = item->kind == CHANGE_CERTIFICATE;
}

/* From words to the binary form; what does not read is broken and says why. */
static void
encode(struct output *o, const struct kube_item *item, struct kube_out *out)
{
	const struct schema *s = change_schema(item->kind);
	struct diags d = { 0 };
	struct arena a;
	void *obj;
	char *why;

	arena_init(&a, CHANGE_ARENA_MAX);
	obj = arena_zalloc(&a, s->bytes);
	if (obj == NULL)
		abort();
	if (json_read(s, &a, o->root->origin, item->kind ==
	    CHANGE_MIDDLEWARE ? "spec" : "", item->value, obj, &d) < 0)
		o->verdict = VERDICT_BROKEN;
	else if (item->broken == NULL)
		o->verdict = change_check(item->kind, item->name, obj, &a,
		    &d);
	if (item->broken != NULL) {
		o->verdict = VERDICT_BROKEN;
		o->why = xstrdup(item->broken);
		kube_refuse(out, "%s", item->broken);
	}
	why = reasons(o->root->origin, out, &d);
	if (o->why == NULL)
		o->why = why;
	else
		free(why);
	wire_encode(s, obj, &o->body);
	if (!is_taken(item->kind, buf_str(&o->body)))
		replace(o, item, obj, out);
	diags_fini(&d);
	arena_fini(&a);
}

static struct output *
old_output(const struct root *r, const struct claim *c)
{
	for (unsigned i = 0; i < r->n; i++)
		if (r->v[i]->claim == c)
			return r->v[i];
	return NULL;
}

static struct output *
output_new(struct provider *p, struct root *r, const struct kube_item *item,
    struct kube_out *out)
{
	struct output *o = xcalloc(1, sizeof(*o)), *old;

	o->root = r;
	o->claim = claim_of(p, item->kind, item->name);
	o->exclusive = item->exclusive;
	old = item->keep ? old_output(r, o->claim) : NULL;
	if (old != NULL && !old->empty) {
		buf_puts(&o->body, buf_str(&old->body));
		o->verdict = old->verdict;
		o->why = old->why != NULL ? xstrdup(old->why) : NULL;
	} else if (item->value == NULL) {
		o->empty = true;
	} else {
		encode(o, item, out);
	}
	return o;
}

static void
replace_outputs(struct provider *p, struct root *r, struct kube_out *out)
{
	struct output **v = xcalloc(out->n, sizeof(struct output *));
	unsigned n = out->n;

	for (unsigned i = 0; i < n; i++)
		v[i] = output_new(p, r, &out->v[i], out);
	for (unsigned i = 0; i < r->n; i++) {
		claim_remove(p, r->v[i]);
		output_free(r->v[i]);
	}
	free(r->v);
	r->v = v;
	r->n = n;
	for (unsigned i = 0; i < n; i++)
		claim_add(p, v[i]);
}

/* ---- Who looked at what ----------------------------------------------------------- */

static void
push_root(struct root_list *l, struct root *r)
{
	if (l->n == l->cap) {
		l->cap = l->cap == 0 ? 1 : l->cap * 2;
		l->v = xreallocarray(l->v, l->cap, sizeof(struct root *));
	}
	l->v[l->n++] = r;
}

static struct str
dep_key(const uint64_t *dep)
{
	return str_n(dep, sizeof(*dep));
}

static void
forget_deps(struct provider *p, struct root *r)
{
	for (unsigned i = 0; i < r->deps.n; i++) {
		struct root_list *l = map_get(&p->deps,
		    dep_key(&r->deps.v[i]));

		for (unsigned k = 0; l != NULL && k < l->n; k++)
			if (l->v[k] == r) {
				l->v[k] = l->v[--l->n];
				break;
			}
		if (l != NULL && l->n == 0) {
			(void)map_take(&p->deps, dep_key(&r->deps.v[i]));
			free(l->v);
			free(l);
		}
	}
	free(r->deps.v);
	r->deps = (struct kube_deps){ NULL, 0, 0 };
}

static void
set_deps(struct provider *p, struct root *r, struct kube_deps *deps)
{
	if (deps->n == r->deps.n && (deps->n == 0 || memcmp(deps->v,
	    r->deps.v, deps->n * sizeof(*deps->v)) == 0)) {
		free(deps->v);
		return;
	}
	forget_deps(p, r);
	r->deps = *deps;
	for (unsigned i = 0; i < deps->n; i++) {
		void **at = map_at(&p->deps, dep_key(&r->deps.v[i]));
		struct root_list *l;

		if (*at == NULL)
			*at = xcalloc(1, sizeof(*l));
		l = *at;
		push_root(l, r);
	}
}

/* ---- Roots ------------------------------------------------------------------------- */

static void
set_dirty(struct provider *p, struct root *r)
{
	if (r->dirty)
		return;
	r->dirty = true;
	r->next = NULL;
	*p->dirty_end = r;
	p->dirty_end = &r->next;
}

static struct str
root_key(struct buf *b, enum kube_kind kind, const char *ns, const char *name)
{
	buf_printf(b, "%d/%s/%s", (int)kind, ns, name);
	return buf_str(b);
}

void
provider_changed(struct provider *p, enum kube_kind kind, const char *ns,
    const char *name)
{
	struct buf key = BUF_INIT;
	struct root *r;
	void **at;

	if ((p->kinds & 1u << kind) == 0)
		return;
	at = map_at(&p->roots, root_key(&key, kind, ns, name));
	buf_fini(&key);
	if ((r = *at) == NULL) {
		r = *at = xcalloc(1, sizeof(*r));
		r->kind = kind;
		r->ns = xstrdup(ns);
		r->name = xstrdup(name);
		r->origin = xasprintf("%s %s/%s", kube_resources[kind].kind,
		    ns, name);
	}
	set_dirty(p, r);
}

void
provider_dep_changed(struct provider *p, uint64_t dep)
{
	const struct root_list *l = map_get(&p->deps, dep_key(&dep));

	for (unsigned i = 0; l != NULL && i < l->n; i++)
		set_dirty(p, l->v[i]);
}

static void
set_refused(struct root *r, const struct kube_out *out)
{
	struct buf b = BUF_INIT;

	for (unsigned i = 0; i < out->nrefused; i++)
		buf_printf(&b, "%s%s", i == 0 ? "" : "\n", out->refused[i]);
	free(r->refused);
	r->refused = b.n != 0 ? xstrdup(buf_cstr(&b)) : NULL;
	buf_fini(&b);
}

/* Names that others have, with something else behind them. */
static void
put_losses(const struct root *r, struct buf *b)
{
	for (unsigned i = 0; i < r->n; i++) {
		const struct output *own = r->v[i], *o;
		const struct claim *c = own->claim;

		if (c->n < 2 || (o = winner(c)) == own)
			continue;
		if (o == NULL && own->exclusive)
			buf_printf(b, "%s%s \"%s\" is defined more than "
			    "once; nobody has it", b->n != 0 ? "\n" : "",
			    change_words[c->kind], c->name);
		else if (o != NULL && !str_eq(buf_str(&o->body),
		    buf_str(&own->body)))
			buf_printf(b, "%s%s %s is that of %s", b->n != 0 ?
			    "\n" : "", change_words[c->kind], c->name,
			    o->root->origin);
	}
}

static struct str
first_line(struct str *rest)
{
	ptrdiff_t end = str_chr(*rest, '\n');
	struct str line = end < 0 ? *rest : str_head(*rest, (size_t)end);

	*rest = str_from(*rest, line.n + (end >= 0));
	return line;
}

static bool
has_line(const char *lines, struct str line)
{
	for (struct str rest = str_c(lines); rest.n != 0;)
		if (str_eq(first_line(&rest), line))
			return true;
	return false;
}

/* Lines that did not stand in the last note. */
static void
put_notices(struct provider *p, const struct root *r, const char *last)
{
	for (struct str rest = str_c(r->note); rest.n != 0;) {
		struct str line = first_line(&rest);

		if (has_line(last, line) || p->nnotices == NOTICES)
			continue;
		if (p->notices == NULL)
			p->notices = xcalloc(NOTICES, sizeof(*p->notices));
		p->notices[(p->notice_first + p->nnotices++) % NOTICES] =
		    (struct notice){ r->kind, xstrdup(r->ns),
		    xstrdup(r->name), xstrndup(line.p, line.n) };
	}
}

bool
provider_take_notice(struct provider *p, struct notice *ret)
{
	if (p->nnotices == 0)
		return false;
	*ret = p->notices[p->notice_first];
	p->notice_first = (p->notice_first + 1) % NOTICES;
	p->nnotices--;
	return true;
}

/* One line of all reasons. */
static char *
joined(const char *lines)
{
	struct buf b = BUF_INIT;
	char *out;

	for (struct str rest = str_c(lines); rest.n != 0;) {
		if (b.n != 0)
			buf_puts(&b, STR("; "));
		buf_puts(&b, first_line(&rest));
	}
	out = xstrdup(buf_cstr(&b));
	buf_fini(&b);
	return out;
}

static void
put_note(const struct provider *p, const struct root *r, struct buf *stream)
{
	char *text = joined(r->note);

	if (r->note != NULL)
		log_warn("%s: %s", r->origin, text);
	(void)change_put(stream, &(struct change){ .op = r->note != NULL ?
	    CHANGE_UPSERT : CHANGE_DELETE, .part = p->part,
	    .kind = CHANGE_NOTE, .name = str_c(r->origin),
	    .why = str_c(text) });
	free(text);
}

/* Told once, in the log and to the master, until it changes. */
static bool
set_note(struct provider *p, struct root *r, struct buf *stream)
{
	struct buf b = BUF_INIT;
	bool changed;
	char *last;

	buf_puts(&b, str_c(r->refused));
	put_losses(r, &b);
	changed = !str_eq(buf_str(&b), str_c(r->note));
	if (changed) {
		last = r->note;
		r->note = b.n != 0 ? xstrdup(buf_cstr(&b)) : NULL;
		put_notices(p, r, last);
		put_note(p, r, stream);
		free(last);
	}
	buf_fini(&b);
	return changed;
}

static void
set_status(struct provider *p, struct root *r, json_t *status)
{
	/* Where one waits already it stands in the list. */
	if (status != NULL && r->status == NULL)
		push_root(&p->statuses, r);
	json_decref(r->status);
	r->status = json_incref(status);
}

static void
root_free(struct provider *p, struct root *r)
{
	struct buf key = BUF_INIT;

	for (unsigned i = 0; i < p->statuses.n; i++)
		if (p->statuses.v[i] == r)
			p->statuses.v[i] = NULL;
	json_decref(r->status);
	(void)map_take(&p->roots, root_key(&key, r->kind, r->ns, r->name));
	buf_fini(&key);
	forget_deps(p, r);
	for (unsigned i = 0; i < r->n; i++)
		output_free(r->v[i]);
	free(r->v);
	free(r->ns);
	free(r->name);
	free(r->origin);
	free(r->refused);
	free(r->note);
	free(r);
}

static void
want_note(struct provider *p, struct root *r)
{
	if (r->noted)
		return;
	r->noted = true;
	r->next_note = p->noted;
	p->noted = r;
}

/* After all claims are settled. What is gone says nothing more and ends. */
static bool
tell_notes(struct provider *p, const struct kube_view *v, struct buf *stream)
{
	bool any = false;

	while (p->noted != NULL) {
		struct root *r = p->noted;

		p->noted = r->next_note;
		r->noted = false;
		any |= set_note(p, r, stream);
		if (kube_store_get(v->store, r->kind, r->ns, r->name) == NULL)
			root_free(p, r);
	}
	return any;
}

static void
rebuild(struct provider *p, struct root *r, struct kube_view *v)
{
	const struct kube_cached *c = kube_store_get(v->store, r->kind, r->ns,
	    r->name);
	struct kube_deps deps = { NULL, 0, 0 };
	struct kube_out out = { .v = NULL };

	if (c != NULL) {
		r->created = c->o.created;
		v->deps = &deps;
		p->build(v, p->opt, &c->o, &out);
		v->deps = NULL;
	}
	replace_outputs(p, r, &out);
	set_deps(p, r, &deps);
	set_refused(r, &out);
	want_note(p, r);
	set_status(p, r, out.status);
	kube_out_fini(&out);
	r->dirty = false;
}

/* ---- Telling -------------------------------------------------------------------------- */

static uint64_t
output_hash(const struct output *o)
{
	uint64_t h = hash_str(buf_str(&o->body), o->verdict + 1u);

	h = hash_str(str_c(o->root->origin), h);
	return hash_str(str_c(o->why), h);
}

static void
claim_free(void *arg, void *value)
{
	struct claim *c = value;

	(void)arg;
	free(c->name);
	free(c->v);
	free(c);
}

static bool
tell(struct provider *p, struct claim *c, struct buf *stream)
{
	const struct output *o = winner(c);
	uint64_t h = o != NULL ? output_hash(o) : 0;
	struct change ch = { .op = o != NULL ? CHANGE_UPSERT : CHANGE_DELETE,
	    .part = p->part, .kind = c->kind, .name = str_c(c->name) };

	if (c->is_told == (o != NULL) && (o == NULL || c->told == h))
		return false;
	if (o != NULL) {
		ch.verdict = o->verdict;
		ch.origin = str_c(o->root->origin);
		ch.why = str_c(o->why);
		ch.body = buf_str(&o->body);
	}
	if (change_put(stream, &ch) < 0) {
		log_error("%s: %s \"%.100s\" is too large; it is left out",
		    o != NULL ? o->root->origin : "?", change_words[c->kind],
		    c->name);
		return false;
	}
	c->is_told = o != NULL;
	c->told = h;
	return true;
}

static void
claim_gone(struct provider *p, struct claim *c)
{
	struct buf key = BUF_INIT;

	if (c->n != 0)
		return;
	buf_printf(&key, "%d %s", (int)c->kind, c->name);
	(void)map_take(&p->claims, buf_str(&key));
	buf_fini(&key);
	claim_free(NULL, c);
}

bool
provider_dirty(const struct provider *p)
{
	return p->dirty != NULL || !p->synced;
}

void
provider_flush(struct provider *p, struct kube_view *v, struct buf *stream)
{
	bool any = false;

	while (p->dirty != NULL) {
		struct root *r = p->dirty;

		if ((p->dirty = r->next) == NULL)
			p->dirty_end = &p->dirty;
		rebuild(p, r, v);
	}
	while (p->touched != NULL) {
		struct claim *c = p->touched;

		if ((p->touched = c->next) == NULL)
			p->touched_end = &p->touched;
		c->touched = false;
		any |= tell(p, c, stream);
		for (unsigned i = 0; i < c->n && (c->n > 1 || c->shared); i++)
			want_note(p, c->v[i]->root);
		c->shared = c->n > 1;
		claim_gone(p, c);
	}
	any |= tell_notes(p, v, stream);
	if (!p->synced)
		(void)change_put(stream, &(struct change){
		    .op = CHANGE_SYNCED, .part = p->part });
	if (any || !p->synced)
		(void)change_put(stream, &(struct change){
		    .op = CHANGE_COMMIT, .part = p->part });
	p->synced = true;
}

json_t *
provider_take_status(struct provider *p, const char **ret_ns,
    const char **ret_name)
{
	struct root_list *l = &p->statuses;

	while (l->n > 0) {
		struct root *r = l->v[--l->n];
		json_t *status = r != NULL ? r->status : NULL;

		if (status == NULL)
			continue;
		*ret_ns = r->ns;
		*ret_name = r->name;
		r->status = NULL;
		return status;
	}
	return NULL;
}

static void
root_free_all(void *arg, void *value)
{
	struct root *r = value;

	(void)arg;
	for (unsigned i = 0; i < r->n; i++)
		output_free(r->v[i]);
	json_decref(r->status);
	free(r->v);
	free(r->deps.v);
	free(r->ns);
	free(r->name);
	free(r->origin);
	free(r->refused);
	free(r->note);
	free(r);
}

static void
list_free(void *arg, void *value)
{
	struct root_list *l = value;

	(void)arg;
	free(l->v);
	free(l);
}

void
provider_free(struct provider *p)
{
	if (p == NULL)
		return;
	map_each(&p->roots, root_free_all, NULL);
	map_fini(&p->roots);
	map_each(&p->deps, list_free, NULL);
	map_fini(&p->deps);
	map_each(&p->claims, claim_free, NULL);
	map_fini(&p->claims);
	free(p->statuses.v);
	for (struct notice n; provider_take_notice(p, &n);) {
		free(n.ns);
		free(n.name);
		free(n.text);
	}
	free(p->notices);
	free(p);
}
