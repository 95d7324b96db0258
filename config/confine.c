/* SPDX-License-Identifier: BSD-2-Clause */
/* Objects that name no files; see confine.h. */
#include "confine.h"

#include "model.h"

struct any_list { char *v; unsigned n; };

static bool
is_file_key(struct str key)
{
	return str_eq(key, STR("ca")) || str_eq(key, STR("cert")) ||
	    str_eq(key, STR("key")) || str_eq(key, STR("rootCAs")) ||
	    str_has_suffix(key, STR("File")) ||
	    str_has_suffix(key, STR("Files"));
}

/* As the certificate loader tells text from the name of a file. */
static bool
is_content(const char *text)
{
	return text == NULL || text[0] == '\0' ||
	    strstr(text, "-----BEGIN ") != NULL;
}

static bool
texts_good(const struct sfield *f, const char *at)
{
	const struct strlist *l = (const void *)at;

	if (!is_file_key(str_c(f->key)))
		return true;
	if (f->type == S_STR)
		return is_content(*(char *const *)(const void *)at);
	for (unsigned i = 0; i < l->n; i++)
		if (!is_content(l->v[i]))
			return false;
	return true;
}

static const char *
check_field(const struct sfield *f, const char *at)
{
	const struct any_list *l = (const void *)at;
	const char *bad = NULL, *sub;

	switch ((enum stype)f->type) {
	case S_STR:
	case S_STRLIST:
		return texts_good(f, at) ? NULL : f->key;
	case S_STRUCT:
		return confine_check(f->sub, at);
	case S_OBJECT:
		sub = *(char *const *)(const void *)at;
		return sub != NULL ? confine_check(f->sub, sub) : NULL;
	case S_LIST:
	case S_MAP:
		for (unsigned i = 0; i < l->n && bad == NULL; i++)
			bad = confine_check(f->sub, l->v + i * f->sub->bytes);
		return bad;
	default:
		return NULL;
	}
}

const char *
confine_check(const struct schema *s, const void *obj)
{
	const char *bad = NULL;

	for (unsigned i = 0; i < s->nfields && bad == NULL; i++)
		bad = check_field(&s->fields[i], (const char *)obj +
		    s->fields[i].off);
	return bad;
}
