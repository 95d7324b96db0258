/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A log file as the master owns it: opened for appending (0664, folders 0755),
 * handed to workers as a descriptor, rotated by size as Traefik's log.maxSize,
 * maxAge and maxBackups say. Without a path it is standard output.
 *
 * Rotation renames NAME.EXT to NAME-TIME.EXT, opens a new file, and packs the
 * old one to NAME-TIME.EXT.gz a slice at a time between events, once everybody
 * had time to take the new descriptor.
 */
#ifndef LOGFILE_H
#define LOGFILE_H

#include "loop.h"

#include <stddef.h>
#include <sys/types.h>

struct gzFile_s;

struct logfile {
	char *path;		/* NULL: standard output */
	int fd;			/* -1: closed */
	uint64_t max_bytes;	/* 0: never rotated */
	int64_t max_age_ns;	/* of rotated files, 0: kept */
	unsigned max_backups;	/* 0: kept */
	bool keep_plain;	/* rotated files are not packed */
	/* Packing. */
	struct loop *loop;
	struct timer_at timer;
	char *old_path;		/* what is being packed */
	int old_fd;
	struct gzFile_s *gz;
};

#define LOGFILE_INIT	{ .fd = -1, .old_fd = -1, .timer = { .at = NSEC_NEVER } }

/*
 * Opens path (NULL: standard output). 0, or -errno with a message in err; the
 * former file then stays open and in place.
 */
int	logfile_open(struct logfile *f, struct loop *l, const char *path,
	    char *err, size_t err_size);
/* The same path again: after somebody moved the file (SIGUSR1). */
int	logfile_reopen(struct logfile *f, char *err, size_t err_size);
/* Rotates when the file has grown beyond its bound; true: the fd is new. */
bool	logfile_check(struct logfile *f);
void	logfile_close(struct logfile *f);

#endif
