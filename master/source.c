/* SPDX-License-Identifier: BSD-2-Clause */
/* Loading the configuration; see source.h. */
#include "source.h"

#include "alloc.h"

#include <stdlib.h>
#include <unistd.h>

char *
source_diag_text(const struct diags *d, enum diag_class least)
{
	struct buf b = BUF_INIT;
	char *text;

	for (unsigned i = 0; i < d->n; i++) {
		if (d->v[i].class < least)
			continue;
		if (b.n != 0)
			buf_putc(&b, '\n');
		diag_format(&d->v[i], &b);
	}
	while (b.n != 0 && b.p[b.n - 1] == '\n')
		b.n--;
	text = xasprintf("%.*s", STR_ARG(buf_str(&b)));
	buf_fini(&b);
	return text;
}

/* Moves what was found to `all`, except that file errors become `as`. */
static void
merge(struct diags *all, const struct diags *part, enum diag_class as)
{
	for (unsigned i = 0; i < part->n; i++) {
		const struct diag *d = &part->v[i];

		diag_add(all, d->class == DIAG_FILE ? as : d->class, d->place,
		    d->object, "%s", d->text);
	}
}

/*
 * The provider's files. They cannot refuse the whole configuration: their last
 * good content stays (errata A2, A3).
 */
static void
load_provider(struct source *s, const struct source *last, struct diags *diags)
{
	const struct file_provider *fp = s->config->file;
	struct diags found = { 0 };
	struct provided *p;

	if (fp == NULL || (fp->filename == NULL && fp->directory == NULL))
		return;
	if (provided_load(fp, last != NULL ? last->provided : NULL, &p,
	    &found) == 0) {
		if (!p->empty || last == NULL || last->provided == NULL ||
		    last->provided->empty) {
			merge(diags, &found, DIAG_OBJECT);
			diags_fini(&found);
			s->provided = p;
			return;
		}
		provided_free(p);
		diag_add(&found, DIAG_OBJECT, fp->place, "file provider",
		    "the file is empty; to remove all routes write \"http: "
		    "{}\"");
	}
	if (last != NULL && last->provided != NULL) {
		s->provided = last->provided;
		s->borrowed = true;
	}
	s->provider_error = source_diag_text(&found, DIAG_OBJECT);
	merge(diags, &found, DIAG_OBJECT);
	diags_fini(&found);
}

static struct source *
load_by(int (*load)(const char *, struct config **, struct diags *),
    const char *path, const struct source *last, struct diags *diags)
{
	struct source *s = xcalloc(1, sizeof(*s));

	if (path == NULL && access(SOURCE_DEFAULT_PATH, F_OK) == 0)
		path = SOURCE_DEFAULT_PATH;
	s->path = path != NULL ? xstrdup(path) : NULL;
	if (load(path, &s->config, diags) < 0) {
		s->config = NULL;
		source_free(s);
		return NULL;
	}
	load_provider(s, last, diags);
	return s;
}

struct source *
source_load(const char *path, const struct source *last, struct diags *diags)
{
	return load_by(config_load, path, last, diags);
}

struct source *
source_inspect(const char *path, struct diags *diags)
{
	return load_by(config_inspect, path, NULL, diags);
}

/* The configuration itself is shared until one of the two is freed. */
struct source *
source_load_files(const struct source *last, struct diags *diags)
{
	struct source *s = xcalloc(1, sizeof(*s));

	s->path = last->path != NULL ? xstrdup(last->path) : NULL;
	s->config = last->config;
	s->shared = true;
	load_provider(s, last, diags);
	return s;
}

void
source_commit(struct source **cur, struct source *next)
{
	struct source *old = *cur;

	if (old != NULL) {
		if (old->provided == next->provided)
			old->provided = NULL;
		if (old->config == next->config)
			old->config = NULL;
		next->borrowed = next->shared = false;
		source_free(old);
	}
	*cur = next;
}

void
source_free(struct source *s)
{
	if (s == NULL)
		return;
	if (!s->shared)
		config_free(s->config);
	if (!s->borrowed)
		provided_free(s->provided);
	free(s->provider_error);
	free(s->path);
	free(s);
}

/*
 * Who is configured and has said nothing yet. Of a cluster it will soon be
 * known, so what no router matches may well have one; files that cannot be read
 * are the operator's (errata A2).
 */
static void
set_waiting(const struct source *s, struct world *w,
    const struct world_part *more, unsigned nmore)
{
	const struct { bool wanted; const char *name; } all[] = {
		{ s->config->file != NULL && s->provided == NULL, "file" },
		{ s->config->kube_ingress != NULL, "kubernetes" },
		{ s->config->kube_crd != NULL, "kubernetescrd" },
	};
	const char *text = NULL;

	for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
		bool spoke = !all[i].wanted;

		for (unsigned n = 0; n < nmore; n++)
			spoke |= strcmp(more[n].provider, all[i].name) == 0;
		if (spoke)
			continue;
		w->incomplete |= i > 0;
		text = world_printf(w, "%s%s%s", text != NULL ? text : "",
		    text != NULL ? ", " : "", all[i].name);
	}
	w->waiting = text;
}

struct world *
source_world(const struct source *s, const struct world_part *more,
    unsigned nmore, struct diags *diags)
{
	struct world_part parts[2 + SOURCE_MORE];
	struct world *w;
	unsigned n = 0;

	parts[n++] = (struct world_part){ &s->config->dynamic,
	    s->path != NULL ? "file" : "embedded" };
	if (s->provided != NULL)
		parts[n++] = (struct world_part){ &s->provided->dynamic,
		    "file" };
	for (unsigned i = 0; i < nmore && i < SOURCE_MORE; i++)
		parts[n++] = more[i];
	w = world_make(s->config, parts, n, diags);
	w->not_ready = s->config->file != NULL && s->provided == NULL;
	set_waiting(s, w, more, nmore);
	return w;
}
