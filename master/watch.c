/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * inotify on the file provider's file or folder. What is watched is the folder,
 * since editors and Kubernetes replace files by renaming; events of other names
 * in it are ignored. Of a burst the first change is used at once and the last
 * after providersThrottleDuration (proxy.md 1.5), the ones between not at all.
 */
#include "master.h"

#include "alloc.h"
#include "log.h"
#include "source.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

/*
 * A writer's truncate and write are two events a moment apart; files that come
 * whole may still be several.
 */
#define SETTLE		(20 * NSEC_MSEC)
#define SETTLE_WHOLE	(1 * NSEC_MSEC)
#define WHOLE	(IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE)
#define MASK	(IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE | \
	IN_CREATE | IN_ATTRIB | IN_DELETE_SELF | IN_MOVE_SELF)

struct watcher {
	struct master *m;
	struct watch watch;
	struct timer_at timer;
	char *dir;
	char *name;		/* of the file; NULL: the whole folder */
	nsec_t next;		/* not before this */
};

static void
fire(struct timer_at *t)
{
	struct watcher *w = t->arg;
	struct master *m = w->m;

	w->next = clock_mono() + m->source->config->throttle;
	if (m->phase <= PHASE_RUNNING)
		reload_files(m);
}

static void
schedule(struct watcher *w, nsec_t settle)
{
	nsec_t at = clock_mono() + settle;

	if (w->timer.at != NSEC_NEVER)
		return;
	loop_at(w->m->loop, &w->timer, at > w->next ? at : w->next);
}

static bool
concerns(const struct watcher *w, const struct inotify_event *e)
{
	if ((e->mask & (IN_DELETE_SELF | IN_MOVE_SELF | IN_Q_OVERFLOW |
	    IN_IGNORED)) != 0 || e->len == 0)
		return true;
	if (w->name == NULL)
		return e->name[0] != '.' || strcmp(e->name, "..data") == 0;
	/* A mounted ConfigMap changes by its link ..data. */
	return strcmp(e->name, w->name) == 0 || strcmp(e->name, "..data") == 0;
}

static void
close_inotify(struct watcher *w)
{
	int fd = w->watch.fd;

	loop_remove(w->m->loop, &w->watch);
	if (fd >= 0)
		(void)close(fd);
}

static void
ready(struct watch *watch, uint32_t events)
{
	_Alignas(struct inotify_event) char piece[2048];
	struct watcher *w = watch->arg;
	bool relevant = false, gone = false;
	uint32_t all = 0;
	ssize_t n;

	(void)events;
	while ((n = read(watch->fd, piece, sizeof(piece))) > 0)
		for (ssize_t at = 0; at < n;) {
			const struct inotify_event *e =
			    (const void *)(piece + at);

			if (concerns(w, e)) {
				relevant = true;
				all |= e->mask;
			}
			gone |= (e->mask & IN_IGNORED) != 0;
			at += (ssize_t)(sizeof(*e) + e->len);
		}
	if (relevant)
		schedule(w, (all & ~(uint32_t)WHOLE) == 0 ? SETTLE_WHOLE :
		    SETTLE);
	if (gone)		/* the folder: watch_tick() looks for it */
		close_inotify(w);
}

static void
watcher_free(struct watcher *w)
{
	if (w == NULL)
		return;
	loop_at(w->m->loop, &w->timer, NSEC_NEVER);
	close_inotify(w);
	free(w->dir);
	free(w->name);
	free(w);
}

/* The folder to watch and the name in it. */
static void
split(const struct file_provider *fp, char **ret_dir, char **ret_name)
{
	const char *slash;

	*ret_name = NULL;
	if (fp->directory != NULL) {
		*ret_dir = xstrdup(fp->directory);
		return;
	}
	slash = strrchr(fp->filename, '/');
	*ret_name = xstrdup(slash != NULL ? slash + 1 : fp->filename);
	*ret_dir = slash == NULL ? xstrdup(".") : slash == fp->filename ?
	    xstrdup("/") : xasprintf("%.*s", (int)(slash - fp->filename),
	    fp->filename);
}

static int
open_inotify(struct watcher *w)
{
	int fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC), r;

	if (fd < 0)
		return -errno;
	if (inotify_add_watch(fd, w->dir, MASK) < 0)
		r = -errno;
	else
		r = loop_add(w->m->loop, &w->watch, fd, EPOLLIN);
	if (r < 0)
		(void)close(fd);
	return r;
}

static bool
newer(int dir, const char *name, nsec_t since)
{
	struct stat st;

	return fstatat(dir, name, &st, 0) == 0 && (nsec_t)st.st_ctim.tv_sec *
	    NSEC_SEC + st.st_ctim.tv_nsec > since;
}

/*
 * Whether something may have changed between reading and watching. Clocks of
 * files are coarse, so what is young is read once more.
 */
static bool
changed_before(const struct watcher *w)
{
	nsec_t since = w->m->config_loaded - 2 * NSEC_SEC;
	bool found = false;
	struct dirent *e;
	DIR *d = opendir(w->dir);

	if (d == NULL)
		return true;
	if (w->name != NULL)
		found = newer(dirfd(d), w->name, since);
	while (w->name == NULL && !found && (e = readdir(d)) != NULL)
		found = strcmp(e->d_name, "..") != 0 &&
		    newer(dirfd(d), e->d_name, since);
	(void)closedir(d);
	return found;
}

void
watch_sources(struct master *m)
{
	const struct file_provider *fp = m->source->config->file;
	struct watcher *w;
	int r;

	watcher_free(m->watcher);
	m->watcher = NULL;
	if (fp == NULL || fp->watch == TRI_FALSE ||
	    (fp->filename == NULL && fp->directory == NULL))
		return;
	w = xcalloc(1, sizeof(*w));
	w->m = m;
	w->watch = (struct watch){ .fd = -1, .ready = ready, .arg = w };
	w->timer = (struct timer_at){ .at = NSEC_NEVER, .fire = fire,
	    .arg = w };
	split(fp, &w->dir, &w->name);
	m->watcher = w;
	if ((r = open_inotify(w)) < 0)
		log_error("\"%s\" cannot be watched: %s; it is looked for "
		    "every second", w->dir, strerror(-r));
	else if (changed_before(w))
		schedule(w, SETTLE);
}

void
watch_tick(struct master *m)
{
	struct watcher *w = m->watcher;

	if (w != NULL && w->watch.fd < 0 && open_inotify(w) == 0)
		schedule(w, SETTLE);
}

void
watch_fini(struct master *m)
{
	watcher_free(m->watcher);
	m->watcher = NULL;
}
