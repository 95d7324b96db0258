/* SPDX-License-Identifier: BSD-2-Clause */
/* Header fields; see field.h. */
#include "field.h"

#include "token.h"

#include <assert.h>
#include <errno.h>

#define NAME_WORDS	4	/* the longest known name has 32 bytes */

/*
 * A known name, and the same as words: a byte of another name is equal when,
 * with the mask's 0x20 set where a letter stands, it is the lower-case one.
 */
static struct known {
	const char *name;
	uint8_t n, classes;
	uint8_t next;		/* of the same hash, 0: none */
	uint64_t word[NAME_WORDS], mask[NAME_WORDS];
} known[] = {
	[FIELD_OTHER] = { .name = "" },
#define FIELD(id, text, bits)						\
	[FIELD_##id] = { .name = text, .n = sizeof(text) - 1,		\
	    .classes = (bits) },
#include "field.def"
#undef FIELD
};
_Static_assert(ARRAY_SIZE(known) == FIELD_IDS, "one row each");
_Static_assert(FIELD_IDS < 256, "the index holds bytes");

/*
 * Index of the known names by length and three letters; few collide, and the
 * comparison decides. Filled at the first use: a worker is one thread.
 */
#define INDEX_BITS	9
static uint8_t index_first[1 << INDEX_BITS];	/* id, 0 empty */
static bool index_made;

static inline unsigned
index_hash(const char *p, size_t n)
{
	unsigned a = (unsigned char)p[0] | 0x20, b = (unsigned char)p[n - 1] |
	    0x20, m = (unsigned char)p[n / 2] | 0x20;

	return ((unsigned)n * 31 + a * 7 + b * 3 + m * 13) &
	    ((1 << INDEX_BITS) - 1);
}

static inline uint64_t
load8(const char *p)
{
	uint64_t w;

	memcpy(&w, p, 8);
	return w;
}

/* The last word of a name; it overlaps the one before. */
static inline uint64_t
load_tail(const char *p, size_t n)
{
	uint32_t lo, hi;

	if (n >= 8)
		return load8(p + n - 8);
	if (n >= 4) {
		memcpy(&lo, p, 4);
		memcpy(&hi, p + n - 4, 4);
		return lo | (uint64_t)hi << 32;
	}
	return (unsigned char)p[0] | (uint64_t)(unsigned char)p[n / 2] << 8 |
	    (uint64_t)(unsigned char)p[n - 1] << 16;
}

static inline bool
known_is(const struct known *k, const char *p)
{
	size_t n = k->n, w = 0;

	for (size_t at = 0; at + 8 < n; at += 8, w++)
		if ((load8(p + at) | k->mask[w]) != k->word[w])
			return false;
	return (load_tail(p, n) | k->mask[w]) == k->word[w];
}

static void
known_make(struct known *k)
{
	char lower[8 * NAME_WORDS], mask[8 * NAME_WORDS];
	size_t w = 0;

	assert(k->n > 0 && k->n <= sizeof(lower));
	for (size_t i = 0; i < k->n; i++) {
		lower[i] = str_lower(k->name[i]);
		mask[i] = lower[i] >= 'a' && lower[i] <= 'z' ? 0x20 : 0;
	}
	for (size_t at = 0; at + 8 < k->n; at += 8, w++) {
		k->word[w] = load8(lower + at);
		k->mask[w] = load8(mask + at);
	}
	k->word[w] = load_tail(lower, k->n);
	k->mask[w] = load_tail(mask, k->n);
}

static void
index_make(void)
{
	for (unsigned id = FIELD_IDS - 1; id > 0; id--) {
		unsigned h = index_hash(known[id].name, known[id].n);

		known_make(&known[id]);
		known[id].next = index_first[h];
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
	if (name.n == 0 || name.n > 8 * NAME_WORDS)
		return FIELD_OTHER;
	for (id = index_first[index_hash(name.p, name.n)]; id != 0;
	    id = known[id].next)
		if (known[id].n == name.n && known_is(&known[id], name.p))
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

static unsigned
classes_of(enum field_id id, struct str name)
{
	if (id != FIELD_OTHER)
		return known[id].classes;
	return str_has_caseprefix(name, STR("X-Auth-Request-")) ?
	    CLASS_IDENTITY : 0;
}

unsigned
field_name_classes(struct str name)
{
	return classes_of(field_lookup(name), name);
}

unsigned
field_all_classes(const struct field *f)
{
	return classes_of((enum field_id)f->id, field_name(f));
}

/* A byte as H1-H13 sees it: lower case, and '-' for all but letters and digits. */
static inline char
fold(char c)
{
	c = str_lower(c);
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ? c : '-';
}

bool
field_has_odd_bytes(struct str name)
{
	for (size_t i = 0; i < name.n; i++)
		if (fold(name.p[i]) == '-' && name.p[i] != '-')
			return true;
	return false;
}

unsigned
field_alias_classes(struct str name, char out[256])
{
	if (name.n > 256 || !field_has_odd_bytes(name))
		return 0;
	for (size_t i = 0; i < name.n; i++)
		out[i] = fold(name.p[i]);
	return field_name_classes((struct str){ out, name.n });
}

bool
field_same_spelling(struct str a, struct str b)
{
	if (a.n != b.n)
		return false;
	for (size_t i = 0; i < a.n; i++)
		if (fold(a.p[i]) != fold(b.p[i]))
			return false;
	return true;
}

bool
field_name_valid(struct str name)
{
	return name.n <= 256 && token_valid(name, TOKEN_CHAR);
}

bool
field_value_valid(struct str value)
{
	return value.n == 0 || token_valid(value, TOKEN_VALUE);
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

struct str
field_canonical_copy(struct arena *a, struct str name)
{
	char *p = arena_alloc(a, name.n);

	if (p == NULL)
		return STR_NONE;
	memcpy(p, name.p, name.n);
	field_canonicalize(p, name.n);
	return str_n(p, name.n);
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

int
fields_push(struct fields *fs, enum field_id id, struct str name,
    struct str value)
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
	if (!field_name_valid(name) || !field_value_valid(value))
		return -EINVAL;
	return fields_push(fs, field_lookup(name), name, value);
}

int
fields_add_id(struct fields *fs, enum field_id id, struct str value)
{
	if (!field_value_valid(value))
		return -EINVAL;
	return fields_push(fs, id, field_canonical(id), value);
}

int
fields_prepend_id(struct fields *fs, enum field_id id, struct str value)
{
	struct field first;
	int r = fields_add_id(fs, id, value);

	if (r < 0)
		return r;
	first = fs->v[fs->n - 1];
	memmove(fs->v + 1, fs->v, (fs->n - 1) * sizeof(*fs->v));
	fs->v[0] = first;
	return 0;
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
fields_remove_spellings(struct fields *fs, struct str name)
{
	FIELDS_EACH(fs, f)
		if (field_same_spelling(field_name(f), name))
			f->name_n = 0;
}

void
fields_remove_classes(struct fields *fs, unsigned classes)
{
	FIELDS_EACH(fs, f) {
		if (f->id == FIELD_OTHER && !(classes & CLASS_IDENTITY))
			continue;
		if (field_all_classes(f) & classes)
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
