/* SPDX-License-Identifier: BSD-2-Clause */
/* How the files of the schema write it down; see schema.h. */
#ifndef SCHEMA_IMPL_H
#define SCHEMA_IMPL_H

#include "model.h"
#include "schema.h"

#define OFF(type, m)	offsetof(struct type, m)
#define F(key, t, type, m)	{ key, t, OFF(type, m), S_NO_ARG, NULL, 0 }
#define FS(key, t, type, m, how) \
	{ key, t, OFF(type, m), S_NO_ARG, NULL, how }
#define FA(key, t, type, m, seen) \
	{ key, t, OFF(type, m), OFF(type, seen), NULL, 0 }
#define SUB(key, t, type, m, s)	{ key, t, OFF(type, m), S_NO_ARG, &s, 0 }
#define IGNORED(key)	{ key, S_IGNORED, 0, S_NO_ARG, NULL, 0 }
#define IDLE(key)	{ key, S_IDLE, 0, S_NO_ARG, NULL, 0 }
#define LATER(key)	{ key, S_LATER, 0, S_NO_ARG, NULL, 0 }
#define STATIC_LATER(key) { key, S_STATIC_LATER, 0, S_NO_ARG, NULL, 0 }
#define N(fields)	fields, sizeof(fields) / sizeof((fields)[0])
#define SCHEMA(name, type, what, ...) \
	static const struct schema name = { what, N(name##_fields), \
	    sizeof(struct type), __VA_ARGS__ }

/* Parts of it that have a file of their own. */
extern const struct schema schema_service_object;

#endif
