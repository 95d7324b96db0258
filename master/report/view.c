/* SPDX-License-Identifier: BSD-2-Clause */
/* What is served, for those who ask; see view.h. */
#include "view.h"

#include "alloc.h"
#include "master.h"
#include "memfd.h"
#include "source.h"
#include "writer.h"

#include <errno.h>
#include <stdlib.h>

static int
open_table(struct view *v)
{
	const char *why;
	const void *p;
	size_t n;
	int r;

	if (v->m->now.table_fd < 0)
		return -EAGAIN;
	if ((r = memfd_map(v->m->now.table_fd, &p, &n)) < 0)
		return r;
	return table_check(p, n, &v->t, &why);
}

static void
index_table(struct view *v)
{
	const struct table *t = &v->t;

	for (uint32_t i = 0; i < t->hdr->routers.n; i++)
		(void)names_add(&v->routers, table_str(t,
		    table_router(t, i)->name), i);
	for (uint32_t i = 0; i < t->hdr->services.n; i++)
		(void)names_add(&v->services, table_str(t,
		    table_service(t, i)->name), i);
}

int
view_open(struct master *m, struct view *ret)
{
	/* Names are not asked for: the published table has their addresses. */
	struct compile_env env = { .certs = m->certs };
	struct world_part more[SOURCE_MORE];
	int r;

	*ret = (struct view){ .m = m };
	if (m->source == NULL)
		return -EAGAIN;
	if ((r = open_table(ret)) < 0)
		return r;
	index_table(ret);
	ret->w = source_world(m->source, more, cluster_world(m,
	    m->source->config, more), &ret->diags);
	compile_world(ret->w, 1, &env, &ret->diags, &ret->made);
	return 0;
}

void
view_close(struct view *v)
{
	compiled_fini(&v->made);
	world_free(v->w);
	diags_fini(&v->diags);
	names_fini(&v->routers);
	names_fini(&v->services);
	if (v->t.base != NULL)
		memfd_unmap(v->t.base, v->t.bytes);
}

/* ---- Objects -------------------------------------------------------------- */

json_t *
view_object(const struct place *p)
{
	struct buf b = BUF_INIT;
	json_t *o;

	if (p->file == NULL)
		return json_string("akkod");
	buf_puts(&b, str_c(p->file));
	if (p->line != 0) {
		buf_printf(&b, ":%u:%u", p->line, p->column);
	} else {
		/* "Ingress shop/front" is an object of the cluster. */
		char *blank = memchr(b.p, ' ', b.n);

		if (blank != NULL)
			*blank = '/';
	}
	o = write_text(buf_cstr(&b));
	buf_fini(&b);
	return o;
}

static void
add_error(json_t *list, const char *text)
{
	json_t *new = write_text(text != NULL ? text : "?"), *old;
	size_t i;

	json_array_foreach(list, i, old)
		if (json_equal(old, new)) {
			json_decref(new);
			return;
		}
	json_array_append_new(list, new);
}

/* Is it a diagnostic of this object: "router bi@file"? */
static bool
is_about(const struct diag *d, const char *kind, const char *name)
{
	struct str s = str_c(d->object), k = str_c(kind);

	return str_has_prefix(s, k) && s.n > k.n && s.p[k.n] == ' ' &&
	    str_eq(str_from(s, k.n + 1), str_c(name));
}

json_t *
view_errors(const struct view *v, const char *kind, const struct object *o)
{
	json_t *list = json_array();

	if (o->verdict != VERDICT_OK)
		add_error(list, o->why);
	for (unsigned i = 0; i < v->diags.n; i++)
		if (v->diags.v[i].class != DIAG_WARNING &&
		    is_about(&v->diags.v[i], kind, o->name))
			add_error(list, v->diags.v[i].text);
	return list;
}

const char *
view_status(const struct view *v, const char *kind, const struct object *o,
    const json_t *errors)
{
	if (json_array_size(errors) != 0)
		return "disabled";
	for (unsigned i = 0; i < v->diags.n; i++)
		if (is_about(&v->diags.v[i], kind, o->name))
			return "warning";
	return "enabled";
}

/* ---- Servers -------------------------------------------------------------- */

uint32_t
view_service(const struct view *v, const char *name)
{
	uint32_t i = name == NULL ? NAMES_NONE :
	    names_get(&v->services, str_c(name));

	return i == NAMES_NONE ? TNONE : i;
}

const char *
view_server(const struct view *v, const struct tservice *sv,
    const struct tserver *s)
{
	return !s->resolved ? "unresolved" : server_up(v->m, sv,
	    s->live_slot) ? "up" : "down";
}
