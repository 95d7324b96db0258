/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Services that stand on others, and middlewares of services; see compile.h.
 * What a service refers to is built before it, so its depth is known.
 */
#include "compile_impl.h"

#include "alloc.h"

#include <errno.h>
#include <stdlib.h>

#define WEIGHT_MAX	(1 << 20)

/* One that is being made. */
struct tree {
	struct compiler *c;
	struct service *s;
	struct result *res;
	const char *key;	/* of its kind, for messages */
	struct tservice t;
	struct tchild *children;
};

static const struct tservice *
record(const struct tree *b, uint32_t i)
{
	return build_at(b->c->b, BUILD_SERVICES, i);
}

static int
broken(struct tree *b, const char *why)
{
	return compile_broken(b->c, &b->s->o, "service", b->res, "%s: %s",
	    b->key, why);
}

/* The depth is for what refers to the service, child or not. */
static int
go_above(struct tree *b, uint32_t service)
{
	uint8_t depth = record(b, service)->depth;

	if (depth >= TSERVICE_DEPTH)
		return broken(b, world_printf(b->c->w, "services stand in "
		    "each other more than %d deep", TSERVICE_DEPTH));
	if (depth >= b->t.depth)
		b->t.depth = (uint8_t)(depth + 1);
	return 0;
}

static int
push_child(struct tree *b, struct tchild child)
{
	b->t.below += 1 + record(b, child.service)->below;
	b->children[b->t.children.n++] = child;
	if (b->t.below > TSERVICE_BELOW)
		return broken(b, world_printf(b->c->w, "more than %d services "
		    "stand in each other", TSERVICE_BELOW));
	return go_above(b, child.service);
}

/* Names stay inside the provider of the one who refers. */
static int
add_child(struct tree *b, const char *name, uint32_t weight)
{
	struct compiler *c = b->c;
	char *full = world_qualify(c->w, name, world_provider(b->s->o.name));
	const struct result *res = compile_service(c, full);

	if (res->state == RESULT_BROKEN && names_get(&c->w->service_names,
	    str_c(full)) != NAMES_NONE)
		/* Cut: they tell of each other. */
		return broken(b, world_printf(c->w, "service \"%s\" cannot be "
		    "used: %.300s", full, res->why));
	if (res->state != RESULT_GOOD)
		return broken(b, res->why);
	return push_child(b, (struct tchild){ build_cstr(b->c->b, name),
	    res->index, weight });
}

/*
 * Who asks to hear of its children's health must be told by each (proxy.md
 * 3.5): they need a healthCheck of their own.
 */
static int
watch(struct tree *b, bool asked, unsigned n)
{
	if (!asked)
		return 0;
	for (unsigned i = 0; i < n; i++)
		if (!record(b, b->children[i].service)->health)
			return broken(b, world_printf(b->c->w, "healthCheck "
			    "needs one of service \"%.*s\" too",
			    STR_ARG(build_text(b->c->b,
			    b->children[i].name))));
	b->t.health = 1;
	return 0;
}

static uint32_t
slot(struct tree *b)
{
	bool is_new;

	return compile_slot(b->c, b->c->env->services, str_c(b->s->o.name),
	    &is_new);
}

static uint32_t
common_divisor(uint32_t a, uint32_t b)
{
	while (b != 0) {
		uint32_t rest = a % b;

		a = b;
		b = rest;
	}
	return a;
}

/* All had to be good, but some are never used. */
static void
settle_weights(struct tree *b)
{
	uint32_t n = 0, by = 0;

	b->t.below = 0;
	for (uint32_t i = 0; i < b->t.children.n; i++) {
		if (b->children[i].weight == 0)
			continue;
		b->children[n] = b->children[i];
		by = common_divisor(by, b->children[n].weight);
		b->t.below += 1 + record(b, b->children[n++].service)->below;
	}
	b->t.children.n = n;
	for (uint32_t i = 0; i < n; i++)
		b->children[i].weight /= by;
}

/* The children that are left, by their names as written. */
static void
sticky_children(struct tree *b, const struct weighted *w)
{
	const char **names = xcalloc(w->services.n, sizeof(*names));
	unsigned n = 0;

	for (unsigned i = 0; i < w->services.n; i++)
		if (w->services.v[i].weight > 0)
			names[n++] = w->services.v[i].name;
	b->t.sticky = compile_sticky(b->c, w->sticky, b->s->o.name, names, n);
	free(names);
}

static int
weighted(struct tree *b, const struct weighted *w)
{
	int r = 0;

	b->t.live_slot = slot(b);
	for (unsigned i = 0; r == 0 && i < w->services.n; i++) {
		int64_t weight = w->services.v[i].weight;

		r = add_child(b, w->services.v[i].name, weight < 0 ? 0 :
		    weight > WEIGHT_MAX ? WEIGHT_MAX : (uint32_t)weight);
	}
	if (r == 0)
		r = watch(b, w->health_check, b->t.children.n);
	if (r == 0) {
		settle_weights(b);
		sticky_children(b, w);
	}
	return r;
}

static int
mirroring(struct tree *b)
{
	const struct mirroring *m = b->s->mirroring;
	int r = add_child(b, m->service, 100);

	b->t.live_slot = slot(b);
	b->t.mirror_body = m->mirror_body;
	b->t.max_body = m->max_body_size;
	if (r == 0)
		r = watch(b, m->health_check, 1);
	for (unsigned i = 0; r == 0 && i < m->mirrors.n; i++)
		r = add_child(b, m->mirrors.v[i].name,
		    (uint32_t)m->mirrors.v[i].percent);
	return r;
}

static int
failover(struct tree *b)
{
	const struct failover *f = b->s->failover;
	unsigned n = f->errors != NULL ? f->errors->status.n : 0;
	struct trange *v;
	int r = add_child(b, f->service, 1);

	if (r == 0)
		r = add_child(b, f->fallback, 1);
	if (r == 0 && n == 0 && !record(b, b->children[0].service)->health)
		return broken(b, world_printf(b->c->w, "service \"%s\" needs "
		    "a healthCheck, or failover errors.status", f->service));
	if (r == 0)
		r = watch(b, f->health_check, 2);
	v = xcalloc(n, sizeof(*v));
	for (unsigned i = 0; r == 0 && i < n; i++)
		if (compile_range(str_c(f->errors->status.v[i]), &v[i]) < 0)
			r = broken(b, world_printf(b->c->w, "errors.status: "
			    "\"%s\" is not a status code or range",
			    f->errors->status.v[i]));
	b->t.statuses = build_vec(b->c->b, v, r == 0 ? n : 0, sizeof(*v));
	b->t.max_body = n != 0 ? f->errors->max_body_size : -1;
	free(v);
	return r;
}

static int
fill(struct tree *b)
{
	const struct service *s = b->s;
	unsigned room = s->weighted != NULL ? s->weighted->services.n :
	    s->random_weight != NULL ? s->random_weight->services.n :
	    s->mirroring != NULL ? s->mirroring->mirrors.n + 1 : 2;

	b->children = xcalloc(room, sizeof(*b->children));
	b->t.children.n = 0;
	switch (b->t.kind) {
	case TSERVICE_WEIGHTED:
		return weighted(b, s->weighted);
	case TSERVICE_RANDOM_WEIGHT:
		return weighted(b, s->random_weight);
	case TSERVICE_MIRRORING:
		return mirroring(b);
	default:
		return failover(b);
	}
}

static void
finish(struct tree *b)
{
	b->t.children = build_vec(b->c->b, b->children, b->t.children.n,
	    sizeof(*b->children));
	b->res->index = build_add(b->c->b, BUILD_SERVICES, &b->t);
	b->res->state = RESULT_GOOD;
}

void
compile_tree(struct compiler *c, struct service *s, struct result *res)
{
	enum tservice_kind kind = s->weighted != NULL ? TSERVICE_WEIGHTED :
	    s->random_weight != NULL ? TSERVICE_RANDOM_WEIGHT :
	    s->mirroring != NULL ? TSERVICE_MIRRORING : TSERVICE_FAILOVER;
	static const char *const keys[] = {
		[TSERVICE_WEIGHTED] = "weighted",
		[TSERVICE_RANDOM_WEIGHT] = "highestRandomWeight",
		[TSERVICE_MIRRORING] = "mirroring",
		[TSERVICE_FAILOVER] = "failover",
	};
	struct tree b = { .c = c, .s = s, .res = res, .key = keys[kind],
	    .t = compile_service_init(c, s, kind) };

	if (fill(&b) == 0)
		finish(&b);
	free(b.children);
}

/* The errors middleware asks a service, which must not lead back here. */
static int
above_middlewares(struct tree *b, const struct mw_list *l)
{
	for (unsigned i = 0; i < l->n; i++) {
		const struct mw_errors *e = l->v[i].m->errors;

		if (e != NULL && go_above(b, compile_service(b->c,
		    e->service)->index) < 0)
			return -EINVAL;
	}
	return 0;
}

void
compile_tree_middlewares(struct compiler *c, struct service *s,
    struct result *res)
{
	struct tree b = { .c = c, .s = s, .res = res, .key = "middlewares" };
	struct mw_list l = { NULL, 0, 0 };
	struct tchild child = { .service = res->index, .weight = 1 };
	char *why = NULL, *owner = world_printf(c->w, "service %s",
	    s->o.name);
	uint32_t *v = NULL;

	/* Until they are there nobody may use it without them. */
	res->state = RESULT_BUSY;
	res->index = TNONE;
	b.t = compile_service_init(c, s, TSERVICE_MIDDLEWARES);
	b.t.health = record(&b, child.service)->health;
	b.t.children.n = 0;
	b.children = &child;
	child.name = b.t.name;
	if (compile_mw_list(c, &s->middlewares, &l, &why) < 0) {
		compile_broken(c, &s->o, "service", res, "%s", why);
	} else if (push_child(&b, child) == 0 &&
	    above_middlewares(&b, &l) == 0) {
		v = xcalloc(l.n, sizeof(*v));
		for (unsigned i = 0; i < l.n; i++)
			v[i] = compile_mw_instance(c, &l.v[i], owner);
		b.t.middlewares = build_vec(c->b, v, l.n, sizeof(*v));
		finish(&b);
	}
	free(v);
	free(l.v);
}

/* ---- What a router runs beyond its own middlewares --------------------------- */

static void uses(struct compiler *c, const char *name, struct mw_list *ret);

static void
uses_below(struct compiler *c, const struct service *s, const char *child,
    struct mw_list *ret)
{
	uses(c, world_qualify(c->w, child, world_provider(s->o.name)), ret);
}

/* Each service once: a tree may meet it often. */
static void
uses(struct compiler *c, const char *name, struct mw_list *ret)
{
	uint32_t i = names_get(&c->w->service_names, str_c(name));
	const struct service *s;
	const struct weighted *w;
	char *why;

	if (i == NAMES_NONE || c->walked[i] == c->walk)
		return;
	c->walked[i] = c->walk;
	s = &c->w->services[i];
	(void)compile_mw_list(c, &s->middlewares, ret, &why);
	w = s->weighted != NULL ? s->weighted : s->random_weight;
	for (unsigned k = 0; w != NULL && k < w->services.n; k++)
		uses_below(c, s, w->services.v[k].name, ret);
	if (s->mirroring != NULL)
		uses_below(c, s, s->mirroring->service, ret);
	if (s->failover != NULL) {
		uses_below(c, s, s->failover->service, ret);
		uses_below(c, s, s->failover->fallback, ret);
	}
}

void
compile_tree_uses(struct compiler *c, const char *name, struct mw_list *ret)
{
	c->walk++;
	uses(c, name, ret);
	for (unsigned i = 0; i < ret->n; i++)
		if (ret->v[i].m->errors != NULL)
			uses(c, ret->v[i].m->errors->service, ret);
}
