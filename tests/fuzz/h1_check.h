/* SPDX-License-Identifier: BSD-2-Clause */
/* What the HTTP/1 fuzz targets share: copies of exact size, and claims. */
#ifndef H1_CHECK_H
#define H1_CHECK_H

#include "field.h"
#include "h1.h"
#include "token.h"

#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CLAIM(c) do {							\
	if (!(c)) {							\
		fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #c);	\
		abort();						\
	}								\
} while (0)

/* Small limits, so that a short input reaches them. */
static const struct h1_limits check_limits = { 512, 512, 1536, 24 };

/* Memory whose end the address sanitizer guards; a copy in such. */
static inline char *
check_alloc(size_t n)
{
	char *p = malloc(n != 0 ? n : 1);

	CLAIM(p != NULL);
	return p;
}

static inline char *
check_copy(const void *p, size_t n)
{
	char *copy = check_alloc(n);

	if (n != 0)
		memcpy(copy, p, n);
	return copy;
}

/* No field may split or bend a head (N-03). */
static inline void
check_fields(const struct fields *fs)
{
	FIELDS_EACH(fs, f) {
		CLAIM(field_name_valid(field_name(f)));
		CLAIM(field_value_valid(field_value(f)));
		CLAIM(f->id == field_lookup(field_name(f)));
		CLAIM(str_trim(field_value(f)).n == f->value_n);
	}
}

static inline void
check_same_fields(const struct fields *a, const struct fields *b)
{
	CLAIM(a->n == b->n);
	for (unsigned i = 0; i < a->n; i++) {
		CLAIM(str_eq(field_name(&a->v[i]), field_name(&b->v[i])));
		CLAIM(str_eq(field_value(&a->v[i]), field_value(&b->v[i])));
	}
}

#endif
