/* SPDX-License-Identifier: BSD-2-Clause */
/* Log files: opening, reopening, rotating; see logfile.h. */
#include "logfile.h"

#include "alloc.h"
#include "dir.h"
#include "log.h"
#include "str.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <zlib.h>

#define PACK_DELAY	(2 * NSEC_SEC)	/* workers take the new descriptor */
#define PACK_STEP	(2 * NSEC_MSEC)	/* between slices */
#define PACK_BYTES	(128 * 1024)	/* per slice: a few milliseconds */

/*
 * Standard output as a description of our own, so that non-blocking mode does
 * not leak into the shell or pipeline that gave it.
 */
static int
open_stdout(void)
{
	int fd = open("/proc/self/fd/1",
	    O_WRONLY | O_APPEND | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	int type;
	socklen_t n = sizeof(type);

	if (fd >= 0)
		return fd;
	fd = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
	if (fd >= 0 && getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &n) == 0)
		/* A service manager's socket: nobody else writes to it. */
		(void)fcntl(fd, F_SETFL, O_NONBLOCK);
	return fd >= 0 ? fd : -errno;
}

static int
open_path(const char *path)
{
	mode_t old;
	int fd;

	dir_make_above(path);
	old = umask(0002);
	fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_NONBLOCK | O_NOCTTY |
	    O_CLOEXEC, 0664);
	/* A FIFO that nobody reads yet: what it cannot hold will be lost. */
	if (fd < 0 && errno == ENXIO)
		fd = open(path, O_RDWR | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd < 0)
		fd = -errno;
	(void)umask(old);
	return fd;
}

int
logfile_open(struct logfile *f, struct loop *l, const char *path, char *err,
    size_t err_size)
{
	int fd;

	if (path != NULL && path[0] == '\0')
		path = NULL;
	fd = path != NULL ? open_path(path) : open_stdout();
	if (fd < 0) {
		snprintf(err, err_size, "log file \"%s\": %s",
		    path != NULL ? path : "standard output", strerror(-fd));
		return fd;
	}
	if (f->fd >= 0)
		(void)close(f->fd);
	f->fd = fd;
	f->loop = l;
	if (f->path == NULL || path == NULL || strcmp(f->path, path) != 0) {
		free(f->path);
		f->path = path != NULL ? xstrdup(path) : NULL;
	}
	return 0;
}

int
logfile_reopen(struct logfile *f, char *err, size_t err_size)
{
	if (f->fd < 0 || f->path == NULL)
		return 0;
	return logfile_open(f, f->loop, f->path, err, err_size);
}

/* ---- Rotation ----------------------------------------------------------- */

/* "/var/log/a.log" -> "/var/log/a-" and ".log" */
static void
split_name(const char *path, char **ret_stem, const char **ret_ext)
{
	const char *slash = strrchr(path, '/');
	const char *dot = strrchr(path, '.');

	if (dot == NULL || (slash != NULL && dot < slash + 2))
		dot = path + strlen(path);
	*ret_stem = xasprintf("%.*s-", (int)(dot - path), path);
	*ret_ext = dot;
}

static bool
is_backup(const char *name, const char *stem, const char *ext)
{
	struct str s = str_c(name);

	if (str_has_suffix(s, STR(".gz")))
		s.n -= 3;
	return str_has_prefix(s, str_c(stem)) && str_has_suffix(s, str_c(ext)) &&
	    s.n >= strlen(stem) + strlen(ext) + 19;
}

static int
name_cmp(const void *a, const void *b)
{
	/* Times in names sort as text; newest first. */
	return strcmp(*(char *const *)b, *(char *const *)a);
}

/* Deletes rotated files that are too many or too old. */
static void
prune(const struct logfile *f)
{
	const char *slash = strrchr(f->path, '/'), *ext;
	char *dir = slash == NULL ? xstrdup(".") :
	    xasprintf("%.*s", (int)(slash - f->path + 1), f->path);
	char *stem, **names = NULL;
	const char *base;
	size_t n = 0;
	struct dirent *e;
	DIR *d = opendir(dir);

	split_name(f->path, &stem, &ext);
	base = slash == NULL ? stem : stem + (slash - f->path) + 1;
	while (d != NULL && (e = readdir(d)) != NULL)
		if (is_backup(e->d_name, base, ext)) {
			names = xreallocarray(names, n + 1, sizeof(*names));
			names[n++] = xstrdup(e->d_name);
		}
	if (n != 0)
		qsort(names, n, sizeof(*names), name_cmp);
	for (size_t i = 0; i < n; i++) {
		struct stat st;
		bool old = f->max_age_ns != 0 &&
		    fstatat(dirfd(d), names[i], &st, 0) == 0 &&
		    clock_wall() - st.st_mtim.tv_sec * NSEC_SEC > f->max_age_ns;

		if (old || (f->max_backups != 0 && i >= f->max_backups))
			(void)unlinkat(dirfd(d), names[i], 0);
		free(names[i]);
	}
	if (d != NULL)
		(void)closedir(d);
	free(names);
	free(stem);
	free(dir);
}

static void
pack_end(struct logfile *f, bool good)
{
	if (f->gz != NULL && gzclose(f->gz) != Z_OK)
		good = false;
	f->gz = NULL;
	if (f->old_fd >= 0)
		(void)close(f->old_fd);
	f->old_fd = -1;
	if (good) {
		(void)unlink(f->old_path);
	} else {
		char *gz = xasprintf("%s.gz", f->old_path);

		log_warn("cannot pack \"%s\"; it stays as it is", f->old_path);
		(void)unlink(gz);
		free(gz);
	}
	free(f->old_path);
	f->old_path = NULL;
	prune(f);
}

static bool
pack_begin(struct logfile *f)
{
	char *name = xasprintf("%s.gz", f->old_path);
	int out = open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0664);

	free(name);
	f->old_fd = open(f->old_path, O_RDONLY | O_CLOEXEC);
	if (out < 0 || f->old_fd < 0 || (f->gz = gzdopen(out, "wb6")) == NULL) {
		if (out >= 0)
			(void)close(out);
		return false;
	}
	return true;
}

static void
pack_slice(struct timer_at *t)
{
	static char piece[PACK_BYTES];
	struct logfile *f = t->arg;
	ssize_t n;

	if (f->gz == NULL && !pack_begin(f)) {
		pack_end(f, false);
		return;
	}
	n = read(f->old_fd, piece, sizeof(piece));
	if (n > 0 && gzwrite(f->gz, piece, (unsigned)n) == (int)n) {
		loop_at(f->loop, &f->timer, clock_mono() + PACK_STEP);
		return;
	}
	pack_end(f, n == 0);
}

static void
rotate(struct logfile *f)
{
	char when[32], err[256], *stem, *to;
	const char *ext;
	nsec_t now = clock_wall();
	time_t sec = now / NSEC_SEC;
	struct tm tm;

	gmtime_r(&sec, &tm);
	strftime(when, sizeof(when), "%Y-%m-%dT%H-%M-%S", &tm);
	split_name(f->path, &stem, &ext);
	to = xasprintf("%s%s.%03d%s", stem, when,
	    (int)(now % NSEC_SEC / NSEC_MSEC), ext);
	free(stem);
	if (rename(f->path, to) < 0 ||
	    logfile_reopen(f, err, sizeof(err)) < 0) {
		log_limited(LOG_ERROR, "cannot rotate \"%s\": %s", f->path,
		    strerror(errno));
		free(to);
		return;
	}
	f->old_path = to;
	if (f->keep_plain) {
		free(f->old_path);
		f->old_path = NULL;
		prune(f);
		return;
	}
	f->timer.fire = pack_slice;
	f->timer.arg = f;
	loop_at(f->loop, &f->timer, clock_mono() + PACK_DELAY);
}

bool
logfile_check(struct logfile *f)
{
	struct stat st;
	int fd = f->fd;

	if (f->path == NULL || fd < 0 || f->max_bytes == 0 ||
	    f->old_path != NULL || fstat(fd, &st) < 0 ||
	    !S_ISREG(st.st_mode) || (uint64_t)st.st_size < f->max_bytes)
		return false;
	rotate(f);
	return f->fd != fd || f->old_path != NULL;
}

void
logfile_close(struct logfile *f)
{
	if (f->loop != NULL)
		loop_at(f->loop, &f->timer, NSEC_NEVER);
	if (f->old_path != NULL)
		/* Unpacked it is still complete. */
		pack_end(f, false);
	if (f->fd >= 0)
		(void)close(f->fd);
	f->fd = -1;
	free(f->path);
	f->path = NULL;
}
