/* SPDX-License-Identifier: BSD-2-Clause */
/* Objects in binary; see wire.h. */
#include "wire.h"

#include "fields.h"
#include "model.h"

#include <errno.h>
#include <stdlib.h>

/* ---- Writing -------------------------------------------------------------- */

static void put_struct(struct buf *b, const struct schema *s, const char *obj,
    const char *plain);

static void
put_number(struct buf *b, uint64_t v, unsigned bytes)
{
	for (unsigned i = 0; i < bytes; i++)
		buf_putc(b, (char)(uint8_t)(v >> (8 * i)));
}

static void
put_text(struct buf *b, const char *text)
{
	struct str s = str_c(text);

	put_number(b, s.n, 4);
	buf_puts(b, s);
}

static void
put_strlist(struct buf *b, const struct strlist *l)
{
	put_number(b, l->n, 4);
	for (unsigned i = 0; i < l->n; i++)
		put_text(b, l->v[i]);
}

static void
put_pairs(struct buf *b, const struct pairlist *l)
{
	put_number(b, l->n, 4);
	for (unsigned i = 0; i < l->n; i++) {
		put_text(b, l->v[i].name);
		put_text(b, l->v[i].value);
	}
}

static void
put_fresh(struct buf *b, const struct schema *s, const char *obj)
{
	char *plain = fields_plain(s);

	put_struct(b, s, obj, plain);
	free(plain);
}

static void
put_list(struct buf *b, const struct schema *s, const struct any_list *l)
{
	char *plain = fields_plain(s);

	put_number(b, l->n, 4);
	for (unsigned i = 0; i < l->n; i++)
		put_struct(b, s, l->v + i * s->bytes, plain);
	free(plain);
}

static void
put_scalar(struct buf *b, const struct sfield *f, const char *at)
{
	switch ((enum stype)f->type) {
	case S_BOOL:
	case S_PRIVATE:
		buf_putc(b, *(const bool *)(const void *)at);
		return;
	case S_TRI:
		put_number(b, *(const enum tri *)(const void *)at, 1);
		return;
	default:
		put_number(b, (uint64_t)*(const int64_t *)(const void *)at, 8);
	}
}

static void
put_value(struct buf *b, const struct sfield *f, const char *at,
    const char *plain)
{
	switch ((enum stype)f->type) {
	case S_STR:
		put_text(b, *(char *const *)(const void *)at);
		return;
	case S_STRLIST:
		put_strlist(b, (const struct strlist *)(const void *)at);
		return;
	case S_PAIRS:
		put_pairs(b, (const struct pairlist *)(const void *)at);
		return;
	case S_LIST:
		put_list(b, f->sub, (const struct any_list *)(const void *)at);
		return;
	case S_STRUCT:
		put_struct(b, f->sub, at, plain);
		return;
	case S_OBJECT:
		put_fresh(b, f->sub, *(char *const *)(const void *)at);
		return;
	case S_LATER:
		return;
	default:
		put_scalar(b, f, at);
	}
}

static void
put_struct(struct buf *b, const struct schema *s, const char *obj,
    const char *plain)
{
	for (unsigned i = 0; i < s->nfields; i++) {
		const struct sfield *f = &s->fields[i];
		size_t from = b->n;

		if (!fields_said(s, f, obj, plain))
			continue;
		buf_putc(b, (char)(uint8_t)(i + 1));
		put_value(b, f, obj + f->off, plain + f->off);
		/* An inline struct that says nothing: its number and its end. */
		if (f->type == S_STRUCT && b->n == from + 2 &&
		    (f->arg == S_NO_ARG ||
		    !*(const bool *)(const void *)(obj + f->arg)))
			b->n = from;
	}
	buf_putc(b, 0);
}

void
wire_encode(const struct schema *s, const void *obj, struct buf *out)
{
	put_fresh(out, s, obj);
}

/* ---- Reading -------------------------------------------------------------- */

struct source {
	struct str rest;
	struct arena *a;
	unsigned depth;
};

static bool get_struct(struct source *in, const struct schema *s, char *obj);

static bool
get_number(struct source *in, unsigned bytes, uint64_t *ret)
{
	if (in->rest.n < bytes)
		return false;
	*ret = 0;
	for (unsigned i = 0; i < bytes; i++)
		*ret |= (uint64_t)(uint8_t)in->rest.p[i] << (8 * i);
	in->rest = str_from(in->rest, bytes);
	return true;
}

static bool
get_text(struct source *in, char **ret)
{
	struct str s;
	uint64_t n;

	if (!get_number(in, 4, &n) || n > in->rest.n)
		return false;
	s = str_head(in->rest, n);
	in->rest = str_from(in->rest, n);
	if (str_chr(s, '\0') >= 0 || (*ret = arena_alloc(in->a, n + 1)) == NULL)
		return false;
	if (n != 0)
		memcpy(*ret, s.p, n);
	(*ret)[n] = '\0';
	return true;
}

/* How many elements of at least `least` bytes follow, with room for them. */
static bool
get_count(struct source *in, size_t least, size_t bytes, unsigned *ret_n,
    void *ret)
{
	uint64_t n;
	void *v;

	if (!get_number(in, 4, &n) || n > WIRE_LIST_MAX ||
	    n > in->rest.n / least)
		return false;
	v = arena_zalloc(in->a, n != 0 ? n * bytes : 1);
	if (v == NULL)
		return false;
	memcpy(ret, &v, sizeof(v));
	*ret_n = (unsigned)n;
	return true;
}

static bool
get_strlist(struct source *in, struct strlist *l)
{
	unsigned n;

	if (!get_count(in, 4, sizeof(*l->v), &n, &l->v))
		return false;
	for (l->n = 0; l->n < n; l->n++)
		if (!get_text(in, &l->v[l->n]))
			return false;
	return true;
}

static bool
get_pairs(struct source *in, struct pairlist *l)
{
	unsigned n;

	if (!get_count(in, 8, sizeof(*l->v), &n, &l->v))
		return false;
	for (l->n = 0; l->n < n; l->n++)
		if (!get_text(in, &l->v[l->n].name) ||
		    !get_text(in, &l->v[l->n].value))
			return false;
	return true;
}

static bool
get_list(struct source *in, const struct schema *s, struct any_list *l)
{
	unsigned n;

	if (!get_count(in, 1, s->bytes, &n, &l->v))
		return false;
	for (l->n = 0; l->n < n; l->n++) {
		char *obj = l->v + l->n * s->bytes;

		if (s->defaults != NULL)
			s->defaults(obj);
		if (!get_struct(in, s, obj))
			return false;
	}
	return true;
}

static bool
get_scalar(struct source *in, enum stype type, char *at)
{
	uint64_t v;

	switch (type) {
	case S_BOOL:
	case S_PRIVATE:
		if (!get_number(in, 1, &v) || v > 1)
			return false;
		*(bool *)(void *)at = v != 0;
		return true;
	case S_TRI:
		if (!get_number(in, 1, &v) || v > TRI_TRUE)
			return false;
		*(enum tri *)(void *)at = (enum tri)v;
		return true;
	case S_INT:
	case S_DURATION:
		if (!get_number(in, 8, &v))
			return false;
		*(int64_t *)(void *)at = (int64_t)v;
		return true;
	default:
		return false;
	}
}

static bool
get_object(struct source *in, const struct schema *s, char **ret)
{
	if ((*ret = arena_zalloc(in->a, s->bytes)) == NULL)
		return false;
	if (s->defaults != NULL)
		s->defaults(*ret);
	return get_struct(in, s, *ret);
}

static bool
get_value(struct source *in, const struct schema *s, const struct sfield *f,
    char *obj)
{
	char *at = obj + f->off;

	switch ((enum stype)f->type) {
	case S_STR:
		return get_text(in, (char **)(void *)at);
	case S_STRLIST:
		return get_strlist(in, (struct strlist *)(void *)at);
	case S_PAIRS:
		return get_pairs(in, (struct pairlist *)(void *)at);
	case S_LIST:
		return get_list(in, f->sub, (struct any_list *)(void *)at);
	case S_STRUCT:
		return get_struct(in, f->sub, at);
	case S_OBJECT:
		return get_object(in, f->sub, (char **)(void *)at);
	case S_LATER:
		if (s->later == 0)
			return false;
		*(char **)(void *)(obj + s->later) = (char *)(size_t)f->key;
		return true;
	default:
		return get_scalar(in, (enum stype)f->type, at);
	}
}

static bool
get_struct(struct source *in, const struct schema *s, char *obj)
{
	uint64_t number, last = 0;
	bool good;

	if (++in->depth > WIRE_DEPTH_MAX)
		return false;
	while ((good = get_number(in, 1, &number)) && number != 0) {
		const struct sfield *f;

		if (number <= last || number > s->nfields)
			return false;
		last = number;
		f = &s->fields[number - 1];
		if (!get_value(in, s, f, obj))
			return false;
		if (f->arg != S_NO_ARG)
			*(bool *)(void *)(obj + f->arg) = true;
	}
	in->depth--;
	return good;
}

int
wire_decode(const struct schema *s, struct arena *a, struct str bytes,
    void *obj)
{
	struct source in = { .rest = bytes, .a = a };

	memset(obj, 0, s->bytes);
	if (s->defaults != NULL)
		s->defaults(obj);
	return get_struct(&in, s, obj) && in.rest.n == 0 ? 0 : -EINVAL;
}
