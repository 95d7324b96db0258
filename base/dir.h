/* SPDX-License-Identifier: BSD-2-Clause */
/* Directories that akkod makes for itself. */
#ifndef DIR_H
#define DIR_H

/* Makes a directory and those above it, 0755 whatever the umask. 0 or -errno. */
int	dir_make(const char *path);
/* Makes the directories above a file; what fails is told by opening it. */
void	dir_make_above(const char *file);

#endif
