/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Loading a configuration: reading, then checking each object by itself. What
 * needs more than one object (references, conflicts) is found where the world
 * is made.
 */
#ifndef LOAD_H
#define LOAD_H

#include "diag.h"
#include "model.h"

/*
 * The file at path, or with NULL the embedded default. 0 with the caller owning
 * *ret; -EINVAL when file errors were noted (then *ret is not set).
 */
int	config_load(const char *path, struct config **ret, struct diags *d);
/*
 * As config_load(), but with a file that can be read *ret is what it says apart
 * from its errors, so that more of them can be looked for. -EINVAL: no file.
 */
int	config_inspect(const char *path, struct config **ret, struct diags *d);
/* The same from text that stands in memory, for tests. */
int	config_load_text(const char *name, struct str text, struct config **ret,
	    struct diags *d);
void	config_free(struct config *c);
extern const char config_embedded[];

/* What a file provider's file or directory says. */
struct provided_file;
struct provided {
	struct arena arena;
	struct dynamic dynamic;		/* of all files, in their order */
	struct provided_file **files;
	unsigned nfiles;
	bool empty;		/* no http section at all: see errata A3 */
};
/*
 * One file, or all .yml and .yaml files of a directory and below. One bad file
 * refuses all. Files that did not change since `last` (may be NULL) was loaded
 * are not read again; both own them. 0 with the caller owning *ret, or -EINVAL,
 * -errno.
 */
int	provided_load(const struct file_provider *p,
	    const struct provided *last, struct provided **ret,
	    struct diags *d);
void	provided_free(struct provided *p);

#endif
