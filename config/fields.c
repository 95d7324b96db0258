/* SPDX-License-Identifier: BSD-2-Clause */
/* Fields of described structs; see fields.h. */
#include "fields.h"

#include "alloc.h"
#include "model.h"

char *
fields_plain(const struct schema *s)
{
	char *obj = xcalloc(1, s->bytes);

	if (s->defaults != NULL)
		s->defaults(obj);
	return obj;
}

static size_t
scalar_bytes(enum stype type)
{
	return type == S_BOOL || type == S_PRIVATE ? sizeof(bool) :
	    type == S_TRI ? sizeof(enum tri) : sizeof(int64_t);
}

bool
fields_said(const struct schema *s, const struct sfield *f, const char *obj,
    const char *plain)
{
	const char *at = obj + f->off;

	if (f->arg != S_NO_ARG && *(const bool *)(const void *)(obj + f->arg))
		return true;
	switch ((enum stype)f->type) {
	case S_STR:
	case S_OBJECT:
		return *(char *const *)(const void *)at != NULL;
	case S_STRLIST:
		return ((const struct strlist *)(const void *)at)->n != 0;
	case S_PAIRS:
		return ((const struct pairlist *)(const void *)at)->n != 0;
	case S_LIST:
		return ((const struct any_list *)(const void *)at)->n != 0;
	case S_STRUCT:
		return true;		/* taken back when it is empty */
	case S_LATER:
		return s->later != 0 && str_eq(str_c(*(char *const *)
		    (const void *)(obj + s->later)), str_c(f->key));
	case S_BOOL:
	case S_PRIVATE:
	case S_TRI:
	case S_INT:
	case S_DURATION:
		return memcmp(at, plain + f->off,
		    scalar_bytes((enum stype)f->type)) != 0;
	default:
		return false;		/* maps are told entry by entry */
	}
}
