/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Giving up privileges, in one function and one order for every child
 * (P-01 to P-05). The ring is made afterwards: it keeps the privileges of the
 * moment in which it was made.
 */
#ifndef PRIVDROP_H
#define PRIVDROP_H

#include <sys/types.h>

struct jail {
	uid_t uid;		/* used only when the process is root */
	gid_t gid;
	unsigned max_files;	/* RLIMIT_NOFILE */
};

/* 0, or -errno with a static text in *ret_what naming the step that failed. */
int	privdrop(const struct jail *j, const char **ret_what);
/* The user `name`, else "nobody": ids into *j. -ENOENT when there is neither. */
int	privdrop_user(const char *name, struct jail *j);

/*
 * Forbids new processes, once nothing more has to be probed. A few threads stay
 * possible, since io_uring may want helpers in the kernel (P-05).
 */
int	privdrop_processes(void);

#endif
