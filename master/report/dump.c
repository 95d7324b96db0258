/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * akkod dump: the configuration in use, as a file would say it. What the file
 * provider's files say stands beside what the -c file says; objects of a
 * cluster are shown by akkod routes.
 */
#include "report.h"

#include "master.h"
#include "source.h"
#include "writer.h"

/* Adds the members of `more` below those of `all`; the first of a name stays. */
static void
merge(json_t *all, json_t *more)
{
	const char *key;
	json_t *value, *old;

	json_object_foreach(more, key, value) {
		old = json_object_get(all, key);
		if (old == NULL)
			json_object_set(all, key, value);
		else if (json_is_object(old) && json_is_object(value))
			merge(old, value);
		else if (json_is_array(old) && json_is_array(value))
			json_array_extend(old, value);
	}
}

json_t *
dump_report(struct view *v, const json_t *request, char *err,
    size_t err_size)
{
	const struct source *s = v->m->source;
	unsigned flags = json_is_true(json_object_get(request, "defaults")) ?
	    WRITE_DEFAULTS : 0;
	json_t *all = write_json(&schema_root, s->config, flags), *files;

	(void)err;
	(void)err_size;
	if (s->provided != NULL) {
		files = write_json(&schema_dynamic_file,
		    &s->provided->dynamic, flags);
		merge(all, files);
		json_decref(files);
	}
	return json_pack("{s:o}", "config", all);
}
