/* SPDX-License-Identifier: BSD-2-Clause */
/* Records of named changes; see change.h. */
#include "change.h"

#include "confine.h"
#include "hash.h"
#include "model.h"
#include "validate.h"
#include "wire.h"

#include <errno.h>

#define HEAD	8

const char *const change_providers[CHANGE_PARTS] = {
	[PART_INGRESS] = "kubernetes", [PART_CRD] = "kubernetescrd",
};

const char *const change_words[CHANGE_KINDS] = {
	[CHANGE_ROUTER] = "router", [CHANGE_SERVICE] = "service",
	[CHANGE_MIDDLEWARE] = "middleware",
	[CHANGE_TRANSPORT] = "serversTransport",
	[CHANGE_TLS_OPTIONS] = "TLS options", [CHANGE_TLS_STORE] = "TLS store",
	[CHANGE_CERTIFICATE] = "certificate", [CHANGE_NOTE] = "note",
};

const struct schema *
change_schema(enum change_kind kind)
{
	switch (kind) {
	case CHANGE_ROUTER:
		return schema_router;
	case CHANGE_SERVICE:
		return schema_service;
	case CHANGE_MIDDLEWARE:
		return schema_middleware;
	case CHANGE_TRANSPORT:
		return schema_transport;
	case CHANGE_TLS_OPTIONS:
		return schema_tls_options;
	case CHANGE_TLS_STORE:
		return schema_tls_store;
	case CHANGE_CERTIFICATE:
		return schema_certificate;
	default:
		return NULL;
	}
}

int
change_decode(enum change_kind kind, struct str body, struct arena *a,
    void **ret)
{
	const struct schema *s = change_schema(kind);
	void *obj = arena_zalloc(a, s->bytes);

	if (obj == NULL || wire_decode(s, a, body, obj) < 0 ||
	    confine_check(s, obj) != NULL)
		return -EINVAL;
	*ret = obj;
	return 0;
}

/* Services stand in services, but no deeper than this in what is hashed. */
#define DEPTH	6

static uint64_t
fingerprint(const struct schema *s, unsigned depth, uint64_t h)
{
	for (unsigned i = 0; i < s->nfields && depth < DEPTH; i++) {
		const struct sfield *f = &s->fields[i];

		h = hash_str(str_c(f->key), h + f->type);
		if (f->sub != NULL && f->type != S_IGNORED)
			h = fingerprint(f->sub, depth + 1, h);
	}
	return h;
}

uint64_t
change_fingerprint(void)
{
	uint64_t h = 0;

	for (int kind = 0; kind < CHANGE_NOTE; kind++)
		h = fingerprint(change_schema((enum change_kind)kind), 0,
		    h + 1);
	return h;
}

enum verdict
change_check(enum change_kind kind, const char *name, void *obj,
    struct arena *a, struct diags *d)
{
	struct dynamic one = { 0 };
	struct object *o = obj;

	if (kind == CHANGE_CERTIFICATE || kind == CHANGE_NOTE)
		return VERDICT_OK;
	o->name = (char *)(size_t)name;
	if (kind == CHANGE_ROUTER) {
		one.routers.v = obj;
		one.routers.n = 1;
	} else if (kind == CHANGE_SERVICE) {
		one.services.v = obj;
		one.services.n = 1;
	} else if (kind == CHANGE_MIDDLEWARE) {
		one.middlewares.v = obj;
		one.middlewares.n = 1;
	} else if (kind == CHANGE_TRANSPORT) {
		one.transports.v = obj;
		one.transports.n = 1;
	}
	check_dynamic(&one, a, d);
	/* It may stand in the diagnostics, which end sooner. */
	if (o->why != NULL)
		o->why = (char *)(size_t)arena_printf(a, "%s", o->why).p;
	return o->verdict;
}

static void
put_number(struct buf *b, uint32_t v, unsigned bytes)
{
	for (unsigned i = 0; i < bytes; i++)
		buf_putc(b, (char)(uint8_t)(v >> (8 * i)));
}

static void
put_text(struct buf *b, struct str s)
{
	s = str_head(s, CHANGE_NAME_MAX);
	put_number(b, (uint32_t)s.n, 2);
	buf_puts(b, s);
}

int
change_put(struct buf *out, const struct change *c)
{
	size_t from = out->n, n;

	if (c->name.n > CHANGE_NAME_MAX || c->body.n > CHANGE_BYTES_MAX -
	    HEAD - 3 * (CHANGE_NAME_MAX + 2))
		return -E2BIG;
	put_number(out, 0, 4);
	put_number(out, c->op, 1);
	put_number(out, c->part, 1);
	put_number(out, c->kind, 1);
	put_number(out, c->verdict, 1);
	put_text(out, c->name);
	put_text(out, c->origin);
	put_text(out, c->why);
	buf_puts(out, c->body);
	if (buf_failed(out))
		return -ENOMEM;
	n = out->n - from - 4;
	for (unsigned i = 0; i < 4; i++)
		out->p[from + i] = (char)(uint8_t)(n >> (8 * i));
	return 0;
}

static uint32_t
number(const char *p, unsigned bytes)
{
	uint32_t v = 0;

	for (unsigned i = 0; i < bytes; i++)
		v |= (uint32_t)(uint8_t)p[i] << (8 * i);
	return v;
}

static bool
take_text(struct str *rest, struct str *ret)
{
	uint32_t n;

	if (rest->n < 2 || (n = number(rest->p, 2)) > CHANGE_NAME_MAX ||
	    n > rest->n - 2)
		return false;
	*ret = str_n(rest->p + 2, n);
	*rest = str_from(*rest, n + 2);
	return str_chr(*ret, '\0') < 0;
}

int
change_next(struct str *rest, struct change *ret)
{
	struct str in;
	uint32_t n;

	if (rest->n < 4)
		return 0;
	n = number(rest->p, 4);
	if (n < 4 || n > CHANGE_BYTES_MAX)
		return -EPROTO;
	if (rest->n - 4 < n)
		return 0;
	in = str_n(rest->p + 4, n);
	*rest = str_from(*rest, n + 4);
	*ret = (struct change){ .op = (enum change_op)(uint8_t)in.p[0],
	    .part = (enum change_part)(uint8_t)in.p[1],
	    .kind = (enum change_kind)(uint8_t)in.p[2],
	    .verdict = (uint8_t)in.p[3] };
	in = str_from(in, 4);
	if (ret->op == 0 || ret->op >= CHANGE_OPS ||
	    ret->part >= CHANGE_PARTS || ret->kind >= CHANGE_KINDS ||
	    ret->verdict > VERDICT_UNUSABLE || !take_text(&in, &ret->name) ||
	    !take_text(&in, &ret->origin) || !take_text(&in, &ret->why))
		return -EPROTO;
	ret->body = in;
	return 1;
}

void
change_put_state(struct buf *body, const struct change_state *s)
{
	const uint64_t v[] = { s->objects, s->errors, (uint64_t)s->heard };

	for (size_t i = 0; i < ARRAY_SIZE(v); i++) {
		put_number(body, (uint32_t)v[i], 4);
		put_number(body, (uint32_t)(v[i] >> 32), 4);
	}
}

int
change_get_state(struct str body, struct change_state *ret)
{
	uint64_t v[3];

	if (body.n != sizeof(v))
		return -EPROTO;
	for (size_t i = 0; i < ARRAY_SIZE(v); i++)
		v[i] = number(body.p + 8 * i, 4) |
		    (uint64_t)number(body.p + 8 * i + 4, 4) << 32;
	/* They are shown as JSON's integers, and times are subtracted. */
	if (v[0] > INT64_MAX || v[1] > INT64_MAX || v[2] > INT64_MAX)
		return -EPROTO;
	*ret = (struct change_state){ v[0], v[1], (nsec_t)v[2] };
	return 0;
}
