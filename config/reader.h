/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reading YAML by the schema: libyaml makes the document, one walk fills the
 * structs and diagnoses everything that is wrong, with file, line and column.
 */
#ifndef READER_H
#define READER_H

#include "diag.h"
#include "schema.h"

/*
 * Reads `text` (named `file` in messages) into obj, which is cleared and given
 * its defaults first. The arena holds all memory of the result. 0, or -EINVAL
 * when a file error was found; object errors are only noted.
 */
int	reader_read(const struct schema *s, struct arena *a, const char *file,
	    struct str text, void *obj, struct diags *d);

/*
 * The same from a document that was made otherwise (json.c); it is consumed.
 * Places are what `place` says of the index in a node's start mark.
 */
struct yaml_document_s;
typedef struct place reader_place_fn(void *arg, size_t index);
int	reader_read_document(const struct schema *s, struct arena *a,
	    struct yaml_document_s *doc, reader_place_fn *place, void *arg,
	    void *obj, struct diags *d);

/* Go's durations ("1h2m3.5s", "100ms") and bare seconds. 0 or -EINVAL. */
int	reader_duration(struct str s, nsec_t *ret);

#endif
