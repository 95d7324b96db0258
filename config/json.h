/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reading JSON by the schema: objects of the Kubernetes API are read by the
 * tables that read files, and say what is wrong with kind, namespace, name and
 * JSON path in place of file, line and column.
 */
#ifndef JSON_H
#define JSON_H

#include "diag.h"
#include "schema.h"

#include <jansson.h>

/*
 * Reads `value` into obj, which is cleared and given its defaults first.
 * Messages begin with origin ("Middleware shop/auth") and the path below
 * `path` ("spec"). The arena holds all memory of the result. 0, or -EINVAL
 * when something is wrong; what is not supported yet is an object error and
 * stands in the object.
 */
int	json_read(const struct schema *s, struct arena *a, const char *origin,
	    const char *path, const json_t *value, void *obj, struct diags *d);

#endif
