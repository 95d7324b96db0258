/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The way back from reader.h: structs of the model in the words of the file, by
 * the same schema, as JSON and as YAML. What is secret is masked, see enum
 * secrecy.
 */
#ifndef WRITER_H
#define WRITER_H

#include "buf.h"
#include "clock.h"
#include "schema.h"

#include <jansson.h>

enum write_flags {
	WRITE_DEFAULTS = 1,	/* also what nobody has said */
	WRITE_PRIVATE = 2	/* also what no file may say */
};

#define WRITE_MASK	"***"

/*
 * An object with the keys of the schema, in its order; the caller owns it. A
 * mapping with free keys has the names of its elements.
 */
json_t *write_json(const struct schema *s, const void *obj, unsigned flags);
/* A string or a member from bytes that nobody has looked at. */
json_t *write_text(const char *v);
void	write_member(json_t *o, const char *key, json_t *value);
/* As reader_duration() takes it: "1m30s". */
void	write_duration(nsec_t t, struct buf *out);
/* Appends a JSON value as a YAML document; -ENOMEM. */
int	write_yaml(const json_t *value, struct buf *out);

#endif
