/* SPDX-License-Identifier: BSD-2-Clause */
/* Making directories; see dir.h. */
#include "dir.h"

#include "alloc.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>

void
dir_make_above(const char *file)
{
	char *copy = xstrdup(file);
	mode_t old = umask(0022);

	for (char *p = copy + 1; *p != '\0'; p++)
		if (*p == '/') {
			*p = '\0';
			(void)mkdir(copy, 0755);
			*p = '/';
		}
	(void)umask(old);
	free(copy);
}

int
dir_make(const char *path)
{
	mode_t old;
	int r;

	dir_make_above(path);
	old = umask(0022);
	r = mkdir(path, 0755) == 0 || errno == EEXIST ? 0 : -errno;
	(void)umask(old);
	return r;
}
