/* SPDX-License-Identifier: BSD-2-Clause */
/* Items a provider makes; see kube_out.h. */
#include "kube_out.h"

#include "alloc.h"

#include <stdlib.h>

#define REFUSED_MAX	16	/* lines of one object */

static void
item_fini(struct kube_item *i)
{
	free(i->name);
	free(i->broken);
	json_decref(i->value);
}

/* Its place in v from 1; 0: none. An object may make thousands of items. */
static size_t
find(const struct kube_out *o, enum change_kind kind, const char *name)
{
	struct buf key = BUF_INIT;
	size_t at;

	buf_printf(&key, "%d %s", (int)kind, name);
	at = (size_t)map_get(&o->index, buf_str(&key));
	buf_fini(&key);
	return at;
}

static void
set_index(struct kube_out *o, enum change_kind kind, const char *name)
{
	struct buf key = BUF_INIT;

	buf_printf(&key, "%d %s", (int)kind, name);
	*map_at(&o->index, buf_str(&key)) = (void *)(size_t)o->n;
	buf_fini(&key);
}

struct kube_item *
kube_emit(struct kube_out *o, enum change_kind kind, const char *name,
    json_t *value)
{
	size_t at = find(o, kind, name);
	struct kube_item *i;

	if (at != 0) {
		i = &o->v[at - 1];
		item_fini(i);
	} else {
		if (o->n == o->cap) {
			o->cap = o->cap == 0 ? 4 : o->cap * 2;
			o->v = xreallocarray(o->v, o->cap, sizeof(*o->v));
		}
		i = &o->v[o->n++];
		set_index(o, kind, name);
	}
	*i = (struct kube_item){ .kind = kind, .name = xstrdup(name),
	    .value = value };
	return i;
}

static char * __attribute__((format(printf, 1, 0)))
text(const char *fmt, va_list ap)
{
	struct buf b = BUF_INIT;
	char *s;

	buf_vprintf(&b, fmt, ap);
	s = xstrdup(buf_cstr(&b));
	buf_fini(&b);
	return s;
}

void
kube_emit_broken(struct kube_out *o, enum change_kind kind, const char *name,
    json_t *value, const char *fmt, ...)
{
	struct kube_item *i = kube_emit(o, kind, name, value != NULL ? value :
	    json_object());
	va_list ap;

	va_start(ap, fmt);
	i->broken = text(fmt, ap);
	va_end(ap);
}

bool
kube_emitted(const struct kube_out *o, enum change_kind kind,
    const char *name)
{
	return find(o, kind, name) != 0;
}

void
kube_refuse(struct kube_out *o, const char *fmt, ...)
{
	va_list ap;
	char *line;

	va_start(ap, fmt);
	line = text(fmt, ap);
	va_end(ap);
	/* The first ones tell enough. */
	for (unsigned i = 0; i < o->nrefused; i++)
		if (i == REFUSED_MAX - 1 || strcmp(o->refused[i], line) == 0) {
			free(line);
			return;
		}
	o->refused = xreallocarray(o->refused, o->nrefused + 1,
	    sizeof(*o->refused));
	o->refused[o->nrefused++] = line;
}

void
kube_out_fini(struct kube_out *o)
{
	for (unsigned i = 0; i < o->n; i++)
		item_fini(&o->v[i]);
	for (unsigned i = 0; i < o->nrefused; i++)
		free(o->refused[i]);
	free(o->v);
	free(o->refused);
	map_fini(&o->index);
	json_decref(o->status);
	*o = (struct kube_out){ .v = NULL };
}
