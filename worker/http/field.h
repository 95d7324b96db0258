/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Header fields of a message: spans into the head's buffer or the arena, in
 * the order received, with a number for the names that akkod treats itself
 * (field.def). A removed field stays as a hole, so order and pointers hold.
 */
#ifndef FIELD_H
#define FIELD_H

#include "arena.h"
#include "str.h"

enum {
	CLASS_HOP = 1,		/* hop-by-hop */
	CLASS_FRAMING = 2,	/* decides where messages end or who gets them */
	CLASS_MANAGED = 4,	/* X-Forwarded-* and relatives that Traefik owns */
	CLASS_CLAIM = 8,	/* other forwarding claims (S-501) */
	CLASS_IDENTITY = 16	/* who the user is (S-501 I) */
};

enum field_id {
	FIELD_OTHER,
#define FIELD(id, name, classes)	FIELD_##id,
#include "field.def"
#undef FIELD
	FIELD_IDS
};

#define FIELDS_RECEIVED	128	/* more are refused (0.4) */
#define FIELDS_MAX	192	/* with those that akkod adds */

struct field {
	const char *name;
	const char *value;
	uint16_t name_n;	/* 0: removed */
	uint16_t id;		/* enum field_id */
	uint32_t value_n;
};

struct fields {
	struct field *v;
	unsigned n;		/* holes included */
	unsigned cap;
};

static inline struct str
field_name(const struct field *f)
{
	return (struct str){ f->name, f->name_n };
}

static inline struct str
field_value(const struct field *f)
{
	return (struct str){ f->value, f->value_n };
}

/* The number of a name in any case, FIELD_OTHER when it has none. */
enum field_id field_lookup(struct str name);
/* CLASS_* bits of a number. X-Auth-Request-* is found by name only. */
unsigned field_classes(enum field_id id);
/* Canonical spelling of a number ("X-Forwarded-For"). */
struct str field_canonical(enum field_id id);
/* Classes of a name, identity prefixes included. */
unsigned field_name_classes(struct str name);
/* The same of a field, whose number is known. */
unsigned field_all_classes(const struct field *f);
/* Whether a name has a byte other than alphanumerics and '-' (H1-H12). */
bool	field_has_odd_bytes(struct str name);
/*
 * For a name that is not purely alphanumerics and '-': the classes of the name
 * that it turns into when every other byte becomes '-' (H1-H13), which is
 * written to out (name.n bytes); 0 when the name is in dash form already.
 */
unsigned field_alias_classes(struct str name, char out[256]);
/* Whether two names are one after case-folding and that mapping. */
bool	field_same_spelling(struct str a, struct str b);
/* A token of at most 256 bytes; text without control bytes (N-03). */
bool	field_name_valid(struct str name);
bool	field_value_valid(struct str value);
/* Canonical MIME spelling: "x-real-ip" -> "X-Real-Ip"; in place. */
void	field_canonicalize(char *name, size_t n);
/*
 * A name of HTTP/2 in that spelling, which HTTP/1 on the other side knows it by;
 * in the arena. STR_NONE when that is full.
 */
struct str field_canonical_copy(struct arena *a, struct str name);

/* NULL when there is none. */
struct field *fields_find(const struct fields *fs, enum field_id id);
struct field *fields_find_name(const struct fields *fs, struct str name);
/* The next one of the same name after `after` (NULL: the first). */
struct field *fields_next(const struct fields *fs, struct str name,
	    const struct field *after);
/* Empty slice with p NULL when absent. */
struct str fields_get(const struct fields *fs, enum field_id id);
/*
 * Appends. Name and value are borrowed. -ENOBUFS when full, -EINVAL when name
 * or value could break a head (so no caller can write one that splits).
 */
int	fields_add(struct fields *fs, struct str name, struct str value);
int	fields_add_id(struct fields *fs, enum field_id id, struct str value);
/* Appends what a codec has checked itself; -ENOBUFS. */
int	fields_push(struct fields *fs, enum field_id id, struct str name,
	    struct str value);
/* The same in front of all others, which move. */
int	fields_prepend_id(struct fields *fs, enum field_id id,
	    struct str value);
/* Removes all of that name, then appends one. */
int	fields_set(struct fields *fs, struct str name, struct str value);
int	fields_set_id(struct fields *fs, enum field_id id, struct str value);
void	fields_remove(struct fields *fs, enum field_id id);
void	fields_remove_name(struct fields *fs, struct str name);
/* Also removes X_Name, X.Name and so on (H1-H13 for names set per router). */
void	fields_remove_spellings(struct fields *fs, struct str name);
/* Removes all fields with any of the classes. */
void	fields_remove_classes(struct fields *fs, unsigned classes);
/* Copies the headers of src (spans stay shared). -ENOBUFS. */
int	fields_copy(struct fields *dst, const struct fields *src);

#define FIELDS_EACH(fs, f)						\
	for (struct field *f = (fs)->v; f != (fs)->v + (fs)->n; f++)	\
		if (f->name_n != 0)

#endif
