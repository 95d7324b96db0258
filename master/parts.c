/* SPDX-License-Identifier: BSD-2-Clause */
/* What the controller says; see parts.h. */
#include "parts.h"

#include "alloc.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define STATES_MAX	4096		/* watches; more are not shown */
#define PIECE		(64u << 10)	/* of a snapshot at once */

struct entry {
	enum change_kind kind;
	enum verdict verdict;
	uint64_t round;		/* of the sender that named it last */
	char *name, *origin, *why;
	struct buf body;	/* as it came, to know a change */
	struct arena arena;
	void *obj;		/* NULL: a note, or not decodable */
};

/* A record that waits for its commit. */
struct pending { bool upsert; struct entry *e; };

struct part {
	struct entry **v;	/* in the order they came; NULL: gone */
	unsigned n, cap, holes;
	struct names index;	/* "kind name" to place in v */
	unsigned count[CHANGE_KINDS];
	struct pending *pending;
	unsigned npending;
	bool synced, sweep;	/* once; at the next commit */
	bool restored;		/* from a snapshot, until it is synced */
	bool gathered;		/* dynamic is up to date */
	struct dynamic dynamic;
};

struct state {
	char *name, *text, *version;
	struct change_state count;
};

struct parts {
	struct part part[CHANGE_PARTS];
	struct buf in;
	uint64_t round;		/* senders so far */
	size_t bytes;		/* that all entries take */
	unsigned objects;
	struct state *states;
	unsigned nstates;
};

struct parts *
parts_new(void)
{
	struct parts *p = xcalloc(1, sizeof(*p));

	p->round = 1;
	return p;
}

/* ---- Entries --------------------------------------------------------------- */

static void
entry_free(struct parts *p, struct entry *e)
{
	if (e == NULL)
		return;
	p->bytes -= e->body.n + e->arena.used;
	p->objects--;
	arena_fini(&e->arena);
	buf_fini(&e->body);
	free(e->name);
	free(e->origin);
	free(e->why);
	free(e);
}

static char *
text(struct str s)
{
	return xasprintf("%.*s", STR_ARG(s));
}

/* Decodes into an arena; what the sender says of the object goes first. */
static int
decode(struct entry *e, struct arena *a, void **ret)
{
	const struct schema *s = change_schema(e->kind);
	struct diags diags = { 0 };
	struct object *o;
	void *obj;

	if (change_decode(e->kind, buf_str(&e->body), a, &obj) < 0)
		return -EPROTO;
	if (s->place != 0)
		*(struct place *)(void *)((char *)obj + s->place) =
		    (struct place){ .file = e->origin };
	if (e->kind != CHANGE_CERTIFICATE) {
		o = obj;
		o->verdict = e->verdict;
		o->why = e->why;
	}
	/* The controller has told what it found; here it is not told again. */
	(void)change_check(e->kind, e->name, obj, a, &diags);
	diags_fini(&diags);
	*ret = obj;
	return 0;
}

/* Twice: the first time tells how much memory it takes. */
static int
decode_exactly(struct entry *e)
{
	struct arena trial;
	void *obj;
	int r;

	arena_init(&trial, CHANGE_ARENA_MAX);
	r = decode(e, &trial, &obj);
	arena_init(&e->arena, CHANGE_ARENA_MAX);
	if (r == 0 && (r = arena_reserve(&e->arena, trial.used)) == 0)
		r = decode(e, &e->arena, &e->obj);
	arena_fini(&trial);
	return r;
}

static bool
name_good(struct str name)
{
	/* '@' would make it an object of another provider. */
	return name.n != 0 && str_chr(name, '@') < 0;
}

static struct entry *
entry_new(struct parts *p, const struct change *c)
{
	struct entry *e = xcalloc(1, sizeof(*e));

	p->objects++;
	*e = (struct entry){ .kind = c->kind, .verdict = (enum verdict)
	    c->verdict, .round = p->round, .name = text(c->name),
	    .origin = text(c->origin),
	    .why = c->why.n != 0 ? text(c->why) : NULL };
	buf_put(&e->body, c->body.p, c->body.n);
	p->bytes += e->body.n;
	return e;
}

/* ---- Batches ---------------------------------------------------------------- */

static uint32_t
find(const struct part *t, enum change_kind kind, const char *name)
{
	char key[CHANGE_NAME_MAX + 16];
	int n = snprintf(key, sizeof(key), "%d %s", (int)kind, name);

	return names_get(&t->index, str_n(key, (size_t)n));
}

static void
index_add(struct part *t, const struct entry *e, uint32_t i)
{
	char key[CHANGE_NAME_MAX + 16];
	int n = snprintf(key, sizeof(key), "%d %s", (int)e->kind, e->name);

	(void)names_add(&t->index, str_n(key, (size_t)n), i);
}

/* Names cannot be taken out of the index: it is made anew with the holes. */
static void
compact(struct part *t)
{
	unsigned n = 0;

	names_fini(&t->index);
	t->index = (struct names){ .v = NULL };
	for (unsigned i = 0; i < t->n; i++) {
		if (t->v[i] == NULL)
			continue;
		t->v[n] = t->v[i];
		index_add(t, t->v[n], n);
		n++;
	}
	t->n = n;
	t->holes = 0;
}

static bool
same(const struct entry *a, const struct entry *b)
{
	return a->verdict == b->verdict &&
	    str_eq(buf_str(&a->body), buf_str(&b->body)) &&
	    strcmp(a->origin, b->origin) == 0 &&
	    str_eq(str_c(a->why), str_c(b->why));
}

static void
drop(struct parts *p, struct part *t, uint32_t i)
{
	if (t->v[i] == NULL)
		return;
	t->count[t->v[i]->kind]--;
	entry_free(p, t->v[i]);
	t->v[i] = NULL;
	t->holes++;
}

static void
place(struct part *t, struct entry *e, uint32_t i)
{
	if (i == NAMES_NONE) {
		if (t->n == t->cap) {
			t->cap = t->cap == 0 ? 64 : t->cap * 2;
			t->v = xreallocarray(t->v, t->cap, sizeof(*t->v));
		}
		i = t->n++;
		index_add(t, e, i);
	} else if (t->v[i] == NULL) {
		t->holes--;
	}
	t->v[i] = e;
	t->count[e->kind]++;
}

/* True when the world has something new. */
static bool
apply(struct parts *p, struct part *t, const struct pending *x)
{
	uint32_t i = find(t, x->e->kind, x->e->name);
	struct entry *old = i != NAMES_NONE ? t->v[i] : NULL;
	bool note = x->e->kind == CHANGE_NOTE;

	if (!x->upsert) {
		entry_free(p, x->e);
		if (old != NULL)
			drop(p, t, i);
		return old != NULL && !note;
	}
	if (old != NULL && same(old, x->e)) {
		old->round = p->round;
		entry_free(p, x->e);
		return false;
	}
	if (old != NULL)
		drop(p, t, i);
	place(t, x->e, i);
	return !note;
}

static bool
sweep(struct parts *p, struct part *t)
{
	bool changed = !t->synced;

	for (uint32_t i = 0; i < t->n; i++)
		if (t->v[i] != NULL && t->v[i]->round != p->round) {
			changed |= t->v[i]->kind != CHANGE_NOTE;
			drop(p, t, i);
		}
	t->synced = true;
	t->restored = false;
	t->sweep = false;
	return changed;
}

static bool
commit(struct parts *p, struct part *t)
{
	bool changed = false;

	for (unsigned i = 0; i < t->npending; i++)
		changed |= apply(p, t, &t->pending[i]);
	free(t->pending);
	t->pending = NULL;
	t->npending = 0;
	if (t->sweep)
		changed |= sweep(p, t);
	if (t->holes > 64 && t->holes > t->n / 2)
		compact(t);
	if (changed)
		t->gathered = false;
	/* Before the first synchronisation nothing of it is served. */
	return changed && t->synced;
}

static void
forget_pending(struct parts *p, struct part *t)
{
	for (unsigned i = 0; i < t->npending; i++)
		entry_free(p, t->pending[i].e);
	free(t->pending);
	t->pending = NULL;
	t->npending = 0;
	t->sweep = false;
}

/* ---- Reading ------------------------------------------------------------------ */

static int
put_aside(struct parts *p, const struct change *c, const char **why)
{
	struct part *t = &p->part[c->part];
	struct entry *e;

	*why = "an object's name";
	if (!name_good(c->name))
		return -EPROTO;
	*why = "more objects than there can be";
	if (p->objects >= PARTS_OBJECTS_MAX || p->bytes > PARTS_BYTES_MAX)
		return -EPROTO;
	*why = "an object that cannot be";
	e = entry_new(p, c);
	if (c->op == CHANGE_UPSERT && c->kind != CHANGE_NOTE &&
	    decode_exactly(e) < 0) {
		p->bytes += e->arena.used;
		entry_free(p, e);
		return -EPROTO;
	}
	p->bytes += e->arena.used;
	if ((t->npending & (t->npending - 1)) == 0)
		t->pending = xreallocarray(t->pending, t->npending == 0 ? 1 :
		    (size_t)t->npending * 2, sizeof(*t->pending));
	t->pending[t->npending++] = (struct pending){
	    c->op == CHANGE_UPSERT, e };
	return 0;
}

static int
set_state(struct parts *p, const struct change *c)
{
	struct state *s = NULL;
	struct change_state count;

	if (change_get_state(c->body, &count) < 0)
		return -EPROTO;

	for (unsigned i = 0; i < p->nstates; i++)
		if (str_eq(str_c(p->states[i].name), c->name))
			s = &p->states[i];
	if (s == NULL) {
		if (p->nstates == STATES_MAX)
			return 0;
		p->states = xreallocarray(p->states, p->nstates + 1,
		    sizeof(*s));
		s = &p->states[p->nstates++];
		*s = (struct state){ .name = text(c->name) };
	}
	free(s->text);
	free(s->version);
	s->text = text(c->why);
	s->version = text(c->origin);
	s->count = count;
	return 0;
}

static int
take(struct parts *p, const struct change *c, bool *ret_changed,
    const char **why)
{
	struct part *t = &p->part[c->part];

	switch (c->op) {
	case CHANGE_UPSERT:
	case CHANGE_DELETE:
		return put_aside(p, c, why);
	case CHANGE_COMMIT:
		if (commit(p, t))
			*ret_changed = true;
		return 0;
	case CHANGE_SYNCED:
		t->sweep = true;
		return 0;
	case CHANGE_STATE:
		*why = "the state of a watch";
		return set_state(p, c);
	default:
		*why = "a record that is not for the master";
		return -EPROTO;
	}
}

int
parts_feed(struct parts *p, struct str bytes, bool *ret_changed,
    const char **why)
{
	struct change c;
	struct str rest;
	int r, bad = 0;

	p->in.max = CHANGE_BYTES_MAX + 65536;
	buf_puts(&p->in, bytes);
	*why = "a record that is too long or malformed";
	if (buf_failed(&p->in))
		return -EPROTO;
	rest = buf_str(&p->in);
	while (bad == 0 && (r = change_next(&rest, &c)) == 1)
		bad = take(p, &c, ret_changed, why);
	if (bad < 0 || r < 0)
		return -EPROTO;
	if (rest.n != 0)
		memmove(p->in.p, rest.p, rest.n);
	p->in.n = rest.n;
	return 0;
}

void
parts_restart(struct parts *p)
{
	for (unsigned i = 0; i < CHANGE_PARTS; i++)
		forget_pending(p, &p->part[i]);
	buf_fini(&p->in);
	p->in = (struct buf)BUF_INIT;
	p->round++;
}

static void
dynamic_free(struct dynamic *d)
{
	free(d->routers.v);
	free(d->services.v);
	free(d->middlewares.v);
	free(d->transports.v);
	free(d->tls_options.v);
	free(d->tls_stores.v);
	free(d->certificates.v);
	*d = (struct dynamic){ 0 };
}

/* ---- Saving -------------------------------------------------------------------- */

void
parts_save(const struct parts *p, struct buf *out)
{
	for (int i = 0; i < CHANGE_PARTS; i++) {
		const struct part *t = &p->part[i];
		struct change end = { .part = (enum change_part)i };

		if (!t->synced)
			continue;
		for (unsigned k = 0; k < t->n; k++) {
			const struct entry *e = t->v[k];

			if (e != NULL)
				(void)change_put(out, &(struct change){
				    .op = CHANGE_UPSERT, .part = end.part,
				    .kind = e->kind, .verdict = e->verdict,
				    .name = str_c(e->name),
				    .origin = str_c(e->origin),
				    .why = str_c(e->why),
				    .body = buf_str(&e->body) });
		}
		end.op = CHANGE_SYNCED;
		(void)change_put(out, &end);
		end.op = CHANGE_COMMIT;
		(void)change_put(out, &end);
	}
}

/* Its entries are of a sender long gone, so the next one's sweep takes them. */
static void
take_part(struct parts *p, struct parts *from, int i)
{
	struct part *t = &p->part[i], *s = &from->part[i];
	struct part had = *t;
	size_t bytes = 0;

	free(had.v);
	names_fini(&had.index);
	dynamic_free(&had.dynamic);

	for (unsigned k = 0; k < s->n; k++)
		bytes += s->v[k]->body.n + s->v[k]->arena.used;
	*t = *s;
	t->pending = had.pending;
	t->npending = had.npending;
	t->sweep = had.sweep;
	t->synced = false;
	t->restored = true;
	*s = (struct part){ .v = NULL };
	from->bytes -= bytes;
	from->objects -= t->n;
	p->bytes += bytes;
	p->objects += t->n;
}

int
parts_restore(struct parts *p, struct str bytes, const char **why)
{
	struct parts *saved = parts_new();
	bool changed;
	int r = 0;

	saved->round = 0;
	for (; r == 0 && bytes.n != 0; bytes = str_from(bytes, PIECE))
		r = parts_feed(saved, str_head(bytes, PIECE), &changed, why);
	if (r == 0 && saved->in.n != 0)
		r = -EPROTO;
	for (int i = 0; i < CHANGE_PARTS; i++)
		if (saved->part[i].npending != 0)
			r = -EPROTO;
	/* Nobody saves what was taken back; take_part() expects no holes. */
	for (int i = 0; r == 0 && i < CHANGE_PARTS; i++)
		if (saved->part[i].holes != 0) {
			*why = "it takes back what it says";
			r = -EPROTO;
		}
	for (int i = 0; r == 0 && i < CHANGE_PARTS; i++)
		if (saved->part[i].synced && !p->part[i].synced &&
		    p->part[i].n == 0)
			take_part(p, saved, i);
	parts_free(saved);
	return r;
}

/* ---- For the world -------------------------------------------------------------- */

#define ROOM(t, list, kind)						\
	(list).v = xcalloc((t)->count[kind], sizeof(*(list).v))
#define PUT(list, type, e)						\
	(list).v[(list).n++] = *(const struct type *)(e)->obj

static int
by_name(const void *a, const void *b)
{
	const struct entry *const *x = a, *const *y = b;

	return strcmp((*x)->name, (*y)->name);
}

/* Of two certificates with the same names the first counts: they are sorted. */
static void
gather_certificates(const struct part *t, struct certlist *ret)
{
	struct entry **v = xcalloc(t->count[CHANGE_CERTIFICATE] + 1,
	    sizeof(struct entry *));
	unsigned n = 0;

	for (unsigned i = 0; i < t->n; i++)
		if (t->v[i] != NULL && t->v[i]->kind == CHANGE_CERTIFICATE)
			v[n++] = t->v[i];
	if (n != 0)
		qsort(v, n, sizeof(struct entry *), by_name);
	for (unsigned i = 0; i < n; i++)
		PUT(*ret, cert_files, v[i]);
	free(v);
}

static void
gather(struct part *t)
{
	struct dynamic *d = &t->dynamic;

	dynamic_free(d);
	ROOM(t, d->routers, CHANGE_ROUTER);
	ROOM(t, d->services, CHANGE_SERVICE);
	ROOM(t, d->middlewares, CHANGE_MIDDLEWARE);
	ROOM(t, d->transports, CHANGE_TRANSPORT);
	ROOM(t, d->tls_options, CHANGE_TLS_OPTIONS);
	ROOM(t, d->tls_stores, CHANGE_TLS_STORE);
	ROOM(t, d->certificates, CHANGE_CERTIFICATE);
	for (unsigned i = 0; i < t->n; i++) {
		const struct entry *e = t->v[i];

		if (e == NULL || e->obj == NULL)
			continue;
		if (e->kind == CHANGE_ROUTER)
			PUT(d->routers, router, e);
		else if (e->kind == CHANGE_SERVICE)
			PUT(d->services, service, e);
		else if (e->kind == CHANGE_MIDDLEWARE)
			PUT(d->middlewares, middleware, e);
		else if (e->kind == CHANGE_TRANSPORT)
			PUT(d->transports, servers_transport, e);
		else if (e->kind == CHANGE_TLS_OPTIONS)
			PUT(d->tls_options, tls_options, e);
		else if (e->kind == CHANGE_TLS_STORE)
			PUT(d->tls_stores, tls_store, e);
	}
	gather_certificates(t, &d->certificates);
	d->http_present = true;
	t->gathered = true;
}

unsigned
parts_world(struct parts *p, struct world_part out[CHANGE_PARTS])
{
	unsigned n = 0;

	for (unsigned i = 0; i < CHANGE_PARTS; i++) {
		struct part *t = &p->part[i];

		if (!t->synced && !t->restored)
			continue;
		if (!t->gathered)
			gather(t);
		out[n++] = (struct world_part){ &t->dynamic,
		    change_providers[i] };
	}
	return n;
}

/* ---- For status ------------------------------------------------------------------- */

bool
parts_synced(const struct parts *p, enum change_part part)
{
	return p->part[part].synced;
}

bool
parts_restored(const struct parts *p, enum change_part part)
{
	return p->part[part].restored;
}

unsigned
parts_count(const struct parts *p, enum change_part part,
    enum change_kind kind)
{
	return p->part[part].count[kind];
}

void
parts_notes(const struct parts *p, enum change_part part,
    void (*fn)(void *arg, const char *name, const char *why), void *arg)
{
	const struct part *t = &p->part[part];

	for (unsigned i = 0; i < t->n; i++)
		if (t->v[i] != NULL && t->v[i]->kind == CHANGE_NOTE)
			fn(arg, t->v[i]->name, t->v[i]->why != NULL ?
			    t->v[i]->why : "");
}

void
parts_states(const struct parts *p, void (*fn)(void *arg, const char *name,
    const char *state, const char *version, const struct change_state *count),
    void *arg)
{
	for (unsigned i = 0; i < p->nstates; i++)
		fn(arg, p->states[i].name, p->states[i].text,
		    p->states[i].version, &p->states[i].count);
}

void
parts_free(struct parts *p)
{
	if (p == NULL)
		return;
	for (unsigned i = 0; i < CHANGE_PARTS; i++) {
		struct part *t = &p->part[i];

		forget_pending(p, t);
		for (uint32_t k = 0; k < t->n; k++)
			entry_free(p, t->v[k]);
		free(t->v);
		names_fini(&t->index);
		dynamic_free(&t->dynamic);
	}
	for (unsigned i = 0; i < p->nstates; i++) {
		free(p->states[i].name);
		free(p->states[i].text);
		free(p->states[i].version);
	}
	free(p->states);
	buf_fini(&p->in);
	free(p);
}
