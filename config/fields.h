/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Questions about one field of a struct that a schema describes, for those who
 * write it down (wire.c, writer.c).
 */
#ifndef FIELDS_H
#define FIELDS_H

#include "schema.h"

/* Any array of structs as the model has them. */
struct any_list { char *v; unsigned n; };

/* A struct as its defaults leave it; the caller frees it. */
char   *fields_plain(const struct schema *s);
/*
 * Does obj say anything about the field, unlike `plain`? Inline structs always
 * seem to. `s` is the schema in which the field stands.
 */
bool	fields_said(const struct schema *s, const struct sfield *f,
	    const char *obj, const char *plain);

#endif
