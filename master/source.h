/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Where the configuration comes from: the -c file (or the usual place, or the
 * embedded default) and, if it names one, the file provider's file or folder.
 * A source is loaded whole beside the one in use and takes its place only when
 * it could be published.
 */
#ifndef SOURCE_H
#define SOURCE_H

#include "load.h"
#include "world.h"

struct source {
	char *path;		/* of the -c file; NULL: embedded default */
	struct config *config;
	struct provided *provided;	/* NULL: none, or never loaded */
	bool borrowed;		/* `provided` is that of the source in use */
	bool shared;		/* so is `config` */
	char *provider_error;	/* why it could not be read this time, or NULL */
};

#define SOURCE_DEFAULT_PATH	"/etc/akkod/akkod.yaml"

/*
 * Loads. `last` is the source in use (may be NULL): what its provider gave last
 * is kept when the files cannot be read now. NULL on file errors of the -c file
 * (they are in diags).
 */
struct source *source_load(const char *path, const struct source *last,
	    struct diags *diags);
/* For a look at all errors: file errors alone do not end it; config_inspect(). */
struct source *source_inspect(const char *path, struct diags *diags);
/* Only the provider's files, beside the static part in use. */
struct source *source_load_files(const struct source *last,
	    struct diags *diags);
/* Makes `next` the one in use in place of *cur, which is freed. */
void	source_commit(struct source **cur, struct source *next);
void	source_free(struct source *s);

#define SOURCE_MORE	2

/* The world of a source and of what other providers say, at most SOURCE_MORE. */
struct world *source_world(const struct source *s,
	    const struct world_part *more, unsigned nmore,
	    struct diags *diags);

/* All diagnostics of at least this class, one per line; the caller frees it. */
char   *source_diag_text(const struct diags *d, enum diag_class least);

#endif
