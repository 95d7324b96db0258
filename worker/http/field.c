/* SPDX-License-Identifier: BSD-2-Clause */
/* Header fields; see field.h. */
#include "field.h"

#include <errno.h>

static const struct { const char *name; uint8_t n, classes; } known[] = {
	[FIELD_OTHER] = { "", 0, 0 },
#define FIELD(id, name, classes) \
	[FIELD_##id] = { name, sizeof(name) - 1, classes },
#include "field.def"
#undef FIELD
};
_Static_assert(ARRAY_SIZE(known) == FIELD_IDS, "one row each");
_Static_assert(FIELD_IDS < 256, "the index holds bytes");

/*
 * Index of the known names by length, first and last letter; few collide, and
 * the comparison decides. Filled at the first use: a worker is one thread.
 */
#define INDEX_BITS	9
static uint8_t index_first[1 << INDEX_BITS];	/* id, 0 empty */
static uint8_t index_next[FIELD_IDS];
static bool index_made;

static inline unsigned
index_hash(const char *p, size_t n)
{
	unsigned a = (unsigned char)p[0] | 0x20, b = (unsigned char)p[n - 1] |
	    0x20, m = (unsigned char)p[n / 2] | 0x20;

	return ((unsigned)n * 31 + a * 7 + b * 3 + m * 13) &
	    ((1 << INDEX_BITS) - 1);
}

static void
index_make(void)
{
	for (unsigned id = FIELD_IDS - 1; id > 0; id--) {
		unsigned h = index_hash(known[id].name, known[id].n);

		index_next[id] = index_first[h];
		index_first[h] = (uint8_t)id;
	}
	index_made = true;
}

enum field_id
field_lookup(struct str name)
{
	unsigned id;

	if (!index_made)
		index_make();
	if (name.n == 0)
		return FIELD_OTHER;
	for (id = index_first[index_hash(name.p, name.n)]; id != 0;
	    id = index_next[id])
		if (known[id].n == name.n && str_caseeq(name,
		    (struct str){ known[id].name, known[id].n }))
			break;
	return (enum field_id)id;
}

unsigned
field_classes(enum field_id id)
{
	return (unsigned)id < FIELD_IDS ? known[id].classes : 0;
}

struct str
field_canonical(enum field_id id)
{
	return (struct str){ known[id].name, known[id].n };
}

unsigned
field_name_classes(struct str name)
{
	enum field_id id = field_lookup(name);

	if (id != FIELD_OTHER)
		return known[id].classes;
	return str_has_caseprefix(name, STR("X-Auth-Request-")) ?
	    CLASS_IDENTITY : 0;
}

unsigned
field_alias_classes(struct str name, char out[256])
{
	bool alias = false;

	if (name.n > 255)
		return 0;
	for (size_t i = 0; i < name.n; i++) {
		char c = str_lower(name.p[i]);
		bool plain = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
		    c == '-';

		out[i] = plain ? c : '-';
		alias |= !plain;
	}
	return alias ? field_name_classes((struct str){ out, name.n }) : 0;
}

void
field_canonicalize(char *name, size_t n)
{
	bool upper = true;

	for (size_t i = 0; i < n; i++) {
		char c = str_lower(name[i]);

		if (upper && c >= 'a' && c <= 'z')
			c = (char)(c - 32);
		name[i] = c;
		upper = c == '-';
	}
}

struct field *
fields_find(const struct fields *fs, enum field_id id)
{
	FIELDS_EACH(fs, f)
		if (f->id == id)
			return f;
	return NULL;
}

struct field *
fields_next(const struct fields *fs, struct str name, const struct field *after)
{
	struct field *f = after != NULL ? fs->v + (after - fs->v) + 1 : fs->v;
	enum field_id id = field_lookup(name);

	for (; f != fs->v + fs->n; f++) {
		if (f->name_n == 0 || f->id != id)
			continue;
		if (id != FIELD_OTHER || str_caseeq(field_name(f), name))
			return f;
	}
	return NULL;
}

struct field *
fields_find_name(const struct fields *fs, struct str name)
{
	return fields_next(fs, name, NULL);
}

struct str
fields_get(const struct fields *fs, enum field_id id)
{
	const struct field *f = fields_find(fs, id);

	return f != NULL ? field_value(f) : STR_NONE;
}

static int
add(struct fields *fs, enum field_id id, struct str name, struct str value)
{
	if (fs->n == fs->cap || name.n == 0 || name.n > UINT16_MAX)
		return -ENOBUFS;
	fs->v[fs->n++] = (struct field){ .name = name.p,
	    .name_n = (uint16_t)name.n, .id = (uint16_t)id,
	    .value = value.n != 0 ? value.p : "",
	    .value_n = (uint32_t)value.n };
	return 0;
}

int
fields_add(struct fields *fs, struct str name, struct str value)
{
	return add(fs, field_lookup(name), name, value);
}

int
fields_add_id(struct fields *fs, enum field_id id, struct str value)
{
	return add(fs, id, field_canonical(id), value);
}

int
fields_set(struct fields *fs, struct str name, struct str value)
{
	fields_remove_name(fs, name);
	return fields_add(fs, name, value);
}

int
fields_set_id(struct fields *fs, enum field_id id, struct str value)
{
	fields_remove(fs, id);
	return fields_add_id(fs, id, value);
}

void
fields_remove(struct fields *fs, enum field_id id)
{
	FIELDS_EACH(fs, f)
		if (f->id == id)
			f->name_n = 0;
}

void
fields_remove_name(struct fields *fs, struct str name)
{
	struct field *f = NULL;

	while ((f = fields_next(fs, name, f)) != NULL)
		f->name_n = 0;
}

void
fields_remove_classes(struct fields *fs, unsigned classes)
{
	FIELDS_EACH(fs, f) {
		unsigned have = f->id != FIELD_OTHER ? known[f->id].classes :
		    classes & CLASS_IDENTITY ?
		    field_name_classes(field_name(f)) : 0;

		if (have & classes)
			f->name_n = 0;
	}
}

int
fields_copy(struct fields *dst, const struct fields *src)
{
	dst->n = 0;
	FIELDS_EACH(src, f) {
		if (dst->n == dst->cap)
			return -ENOBUFS;
		dst->v[dst->n++] = *f;
	}
	return 0;
}
