/* SPDX-License-Identifier: BSD-2-Clause */
/* Sticky cookies; see sticky.h. */
#include "sticky.h"

#include <errno.h>

/* ---- What the client brings --------------------------------------------------- */

/* Without the quotes that may stand around it (RFC 6265 4.1.1). */
static struct str
unquote(struct str v)
{
	return v.n >= 2 && v.p[0] == '"' && v.p[v.n - 1] == '"' ?
	    str_n(v.p + 1, v.n - 2) : v;
}

/* Lower-case hexadecimal digits, up to 16 of them. */
static bool
parse_hex(struct str s, uint64_t *ret)
{
	*ret = 0;
	if (s.n == 0 || s.n > 16)
		return false;
	for (size_t i = 0; i < s.n; i++) {
		char c = s.p[i];

		if (c >= '0' && c <= '9')
			*ret = *ret << 4 | (uint64_t)(c - '0');
		else if (c >= 'a' && c <= 'f')
			*ret = *ret << 4 | (uint64_t)(c - 'a' + 10);
		else
			return false;
	}
	return true;
}

static uint32_t
find_value(const struct table *t, const struct tsticky *s, struct str value,
    bool *ret_old)
{
	const struct tsticky_key *k = TABLE_VEC(t, s->keys, struct tsticky_key);
	uint64_t hex;
	bool is_hex = parse_hex(value, &hex);

	*ret_old = false;
	for (uint32_t i = 0; value.n == 16 && is_hex && i < s->keys.n; i++)
		if (k[i].value == hex)
			return i;
	*ret_old = true;
	/* The older hashes have no leading zeros. */
	for (uint32_t i = 0; is_hex && value.p[0] != '0' && i < s->keys.n; i++)
		if (k[i].fnv == hex || k[i].fnv_fnv == hex)
			return i;
	for (uint32_t i = 0; !is_hex && i < s->keys.n; i++)
		if (str_eq(table_str(t, k[i].plain), value))
			return i;
	return TNONE;
}

uint32_t
sticky_find_in(const struct table *t, const struct tsticky *s,
    struct str cookies, bool *ret_old)
{
	struct str name = table_str(t, s->name), item;

	while (str_next(&cookies, ';', &item)) {
		ptrdiff_t equal = str_chr(item, '=');

		if (equal < 0 || !str_eq(str_head(item, (size_t)equal), name))
			continue;
		/* The first of a name counts. */
		return find_value(t, s, unquote(str_from(item,
		    (size_t)equal + 1)), ret_old);
	}
	return TNONE;
}

uint32_t
sticky_find(const struct exchange *x, const struct tsticky *t, bool *ret_old)
{
	const struct field *f = fields_find(&x->req.fields, FIELD_COOKIE);

	return f == NULL ? TNONE : sticky_find_in(x->t, t, field_value(f),
	    ret_old);
}

/* ---- What it is given ---------------------------------------------------------- */

struct sticky_sink {
	struct sink s;
	struct str cookie;
};

/*
 * A server that could not be reached gets no session: the next request is free
 * to go to another.
 */
static bool
is_own_failure(const struct exchange *x)
{
	return x->facts.origin_status == 0 && x->resp.status >= 500;
}

static int
on_head(struct fiber *f, struct exchange *x, struct sink *sink)
{
	struct sticky_sink *k = (struct sticky_sink *)sink;

	if (!is_own_failure(x) && fields_prepend_id(&x->resp.fields,
	    FIELD_SET_COOKIE, k->cookie) < 0)
		return -ENOBUFS;
	return sink_head(f, x, sink->out);
}

int
sticky_set(struct exchange *x, const struct tsticky *t, uint32_t index)
{
	struct sticky_sink *k = arena_zalloc(&x->arena, sizeof(*k));

	if (k == NULL)
		return -ENOMEM;
	k->cookie = arena_printf(&x->arena, "%.*s=%016llx%.*s",
	    STR_ARG(table_str(x->t, t->name)), (unsigned long long)TABLE_VEC(
	    x->t, t->keys, struct tsticky_key)[index].value,
	    STR_ARG(table_str(x->t, t->attributes)));
	if (k->cookie.p == NULL)
		return -ENOMEM;
	k->s.head = on_head;
	sink_push(x, &k->s);
	return 0;
}
