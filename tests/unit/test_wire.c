/* SPDX-License-Identifier: BSD-2-Clause */
/* Objects in binary: what is written is read back; nothing else is taken. */
#include "wire.h"

#include "load.h"
#include "unit.h"

#include <errno.h>
#include <stdio.h>

/* ---- Random objects, made by the schema -------------------------------------- */

struct random { uint64_t state; struct arena a; };

static unsigned
below(struct random *r, unsigned n)
{
	r->state = r->state * 6364136223846793005u + 1442695040888963407u;
	return (unsigned)(r->state >> 33) % n;
}

static char *
some_text(struct random *r)
{
	unsigned n = below(r, 12);
	char *p = arena_zalloc(&r->a, n + 1);

	for (unsigned i = 0; i < n; i++)
		p[i] = (char)(1 + below(r, 255));
	return p;
}

static void fill(struct random *r, const struct schema *s, char *obj,
    unsigned depth);

static void
fill_list(struct random *r, const struct sfield *f, char *at, unsigned depth)
{
	struct { char *v; unsigned n; } *l = (void *)at;
	size_t bytes = f->type == S_STRLIST ? sizeof(char *) :
	    f->type == S_PAIRS ? sizeof(struct strpair) : f->sub->bytes;

	l->n = below(r, 4);
	l->v = arena_zalloc(&r->a, l->n * bytes + 1);
	for (unsigned i = 0; i < l->n; i++) {
		char *e = l->v + i * bytes;

		if (f->type == S_STRLIST)
			*(char **)(void *)e = some_text(r);
		else if (f->type == S_PAIRS)
			*(struct strpair *)(void *)e = (struct strpair){
			    some_text(r), some_text(r), { 0 } };
		else
			fill(r, f->sub, e, depth + 1);
	}
}

static void
fill_field(struct random *r, const struct schema *s, const struct sfield *f,
    char *obj, unsigned depth)
{
	char *at = obj + f->off;

	switch ((enum stype)f->type) {
	case S_STR:
		*(char **)(void *)at = some_text(r);
		break;
	case S_BOOL:
	case S_PRIVATE:
		*(bool *)(void *)at = below(r, 2);
		break;
	case S_TRI:
		*(enum tri *)(void *)at = (enum tri)below(r, 3);
		break;
	case S_INT:
	case S_DURATION:
		*(int64_t *)(void *)at = (int64_t)below(r, 1u << 30) - 999;
		break;
	case S_STRUCT:
		fill(r, f->sub, at, depth + 1);
		break;
	case S_OBJECT:
		*(char **)(void *)at = arena_zalloc(&r->a, f->sub->bytes);
		fill(r, f->sub, *(char **)(void *)at, depth + 1);
		break;
	case S_STRLIST:
	case S_PAIRS:
	case S_LIST:
		fill_list(r, f, at, depth);
		break;
	case S_LATER:
		if (s->later != 0)
			*(char **)(void *)(obj + s->later) =
			    (char *)(size_t)f->key;
		return;
	default:
		return;
	}
	if (f->arg != S_NO_ARG)
		*(bool *)(void *)(obj + f->arg) = true;
}

static void
fill(struct random *r, const struct schema *s, char *obj, unsigned depth)
{
	if (s->defaults != NULL)
		s->defaults(obj);
	for (unsigned i = 0; i < s->nfields && depth < 8; i++)
		if (below(r, 3) == 0)
			fill_field(r, s, &s->fields[i], obj, depth);
}

static const struct schema *
kind(unsigned i)
{
	const struct schema *const kinds[] = { schema_router, schema_service,
	    schema_middleware, schema_transport, schema_tls_options,
	    schema_tls_store, schema_certificate, &schema_kube_ingress,
	    &schema_kube_crd };

	return kinds[i % ARRAY_SIZE(kinds)];
}

START_TEST(written_is_read)
{
	struct random r = { .state = 7 };

	for (unsigned i = 0; i < 20000; i++) {
		const struct schema *s = kind(i);
		struct buf one = BUF_INIT, two = BUF_INIT;
		char *obj, *back;

		arena_init(&r.a, 1u << 24);
		obj = arena_zalloc(&r.a, s->bytes);
		back = arena_zalloc(&r.a, s->bytes);
		fill(&r, s, obj, 0);
		wire_encode(s, obj, &one);
		ck_assert_msg(wire_decode(s, &r.a, buf_str(&one), back) == 0,
		    "%s, round %u", s->what, i);
		wire_encode(s, back, &two);
		ck_assert_msg(str_eq(buf_str(&one), buf_str(&two)),
		    "%s, round %u", s->what, i);
		buf_fini(&one);
		buf_fini(&two);
		arena_fini(&r.a);
	}
}
END_TEST

START_TEST(every_cut_is_refused)
{
	struct random r = { .state = 11 };
	unsigned cuts = 0;

	for (unsigned i = 0; i < 300; i++) {
		const struct schema *s = kind(i);
		struct buf one = BUF_INIT;
		char *obj;

		arena_init(&r.a, 1u << 24);
		obj = arena_zalloc(&r.a, s->bytes);
		fill(&r, s, obj, 0);
		wire_encode(s, obj, &one);
		for (size_t n = 0; n < one.n; n++, cuts++)
			ck_assert_int_eq(wire_decode(s, &r.a,
			    str_head(buf_str(&one), n), obj), -EINVAL);
		buf_putc(&one, 0);
		ck_assert_int_eq(wire_decode(s, &r.a, buf_str(&one), obj),
		    -EINVAL);
		buf_fini(&one);
		arena_fini(&r.a);
	}
	ck_assert_uint_gt(cuts, 1000);
}
END_TEST

/* The values themselves, not only their bytes. */
START_TEST(router_by_value)
{
	static const char text[] = "http: {routers: {r: {rule: 'Host(`a`)', "
	    "service: s, priority: -3, entryPoints: [web, x], middlewares: "
	    "[m@file], tls: {options: o, domains: [{main: d, sans: [e, f]}]}, "
	    "observability: {metrics: false}}}}";
	struct diags d = { 0 };
	struct buf b = BUF_INIT;
	struct config *c;
	struct router r;
	struct arena a;

	ck_assert_int_eq(config_load_text("t", STR(text), &c, &d), 0);
	arena_init(&a, 65536);
	wire_encode(schema_router, &c->dynamic.routers.v[0], &b);
	ck_assert_int_eq(wire_decode(schema_router, &a, buf_str(&b), &r), 0);
	ck_assert_str_eq(r.rule_text, "Host(`a`)");
	ck_assert_str_eq(r.service, "s");
	ck_assert_int_eq(r.priority, -3);
	ck_assert_uint_eq(r.entry_points.n, 2);
	ck_assert_str_eq(r.entry_points.v[1], "x");
	ck_assert_str_eq(r.middlewares.v[0], "m@file");
	ck_assert_ptr_nonnull(r.tls);
	ck_assert_str_eq(r.tls->options, "o");
	ck_assert_str_eq(r.tls->domains.v[0].sans.v[1], "f");
	ck_assert_int_eq(r.observability.metrics, TRI_FALSE);
	ck_assert_int_eq(r.observability.tracing, TRI_UNSET);
	ck_assert_ptr_null(r.rule_syntax);
	buf_fini(&b);
	arena_fini(&a);
	config_free(c);
	diags_fini(&d);
}
END_TEST

START_TEST(hostile_bytes)
{
	static const struct { const char *p; size_t n; } rows[] = {
#define ROW(s)	{ s, sizeof(s) - 1 }
		ROW(""),
		ROW("\xff"),				/* no such field */
		ROW("\x02\x01\0\0\0a\x02\x01\0\0\0a\0"),	/* twice */
		ROW("\x05\x01\0\0\0a\x02\x01\0\0\0a\0"),	/* backwards */
		ROW("\x02\x01\0\0\0\0\0"),		/* NUL in a text */
		ROW("\x02\xff\xff\xff\xff\0"),		/* longer than all */
		ROW("\x01\xff\xff\0\0\0"),		/* more than can be */
		ROW("\x04\0\0\0"),			/* cut number */
		ROW("\x08\x01\x03\0\0"),		/* tri above 2 */
#undef ROW
	};
	struct router r;
	struct arena a;

	arena_init(&a, 1u << 20);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		ck_assert_msg(wire_decode(schema_router, &a, str_n(rows[i].p,
		    rows[i].n), &r) == -EINVAL, "row %zu", i);
	/* An arena that is full is a refusal too. */
	arena_fini(&a);
	arena_init(&a, 8);
	ck_assert_int_eq(wire_decode(schema_router, &a, str_n(
	    "\x02\x08\0\0\0aaaaaaaa\0", 14), &r), -EINVAL);
	arena_fini(&a);
}
END_TEST

UNIT_MAIN("wire", written_is_read, every_cut_is_refused, router_by_value,
    hostile_bytes)
