/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Diagnostics: everything that was found wrong in one run, each with its place,
 * so that an operator mends a file in one go. A file error refuses the file; an
 * object error disables one object.
 */
#ifndef DIAG_H
#define DIAG_H

#include "buf.h"
#include "model.h"

enum diag_class { DIAG_WARNING, DIAG_OBJECT, DIAG_FILE };

struct diag {
	enum diag_class class;
	struct place place;
	char *object;		/* "router bi@file", or NULL */
	char *text;
};

struct diags {
	struct diag *v;
	unsigned n, cap;
	unsigned count[3];	/* by class */
};

void	diags_fini(struct diags *d);
void	diag_add(struct diags *d, enum diag_class class, struct place place,
	    const char *object, const char *fmt, ...)
	    __attribute__((format(printf, 5, 6)));
/* One line: "file:line:column: error: router bi: text". */
void	diag_format(const struct diag *d, struct buf *out);

/*
 * The known word nearest to `word`, or NULL when none is near. words ends with
 * NULL.
 */
const char *diag_nearest(struct str word, const char *const *words);
/* Marks an object broken or unusable, with the diagnostic that says why. */
void	diag_object(struct diags *d, struct object *o, const char *kind,
	    enum verdict verdict, const char *fmt, ...)
	    __attribute__((format(printf, 5, 6)));

#endif
