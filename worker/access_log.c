/* SPDX-License-Identifier: BSD-2-Clause */
/* The access log; see access_log.h. */
#include "access_log.h"

#include "access_line.h"
#include "buf.h"
#include "conn.h"
#include "exchange.h"
#include "live.h"
#include "log.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define FLUSH_BYTES	(32 * 1024)

struct access_log {
	struct worker *w;
	struct buf lines;
	unsigned pending;	/* lines in it */
	bool torn;		/* it begins with the rest of a line */
	bool pipe;
	int fd;
};

struct access_deferred {
	nsec_t start;
	size_t n;
	char line[];
};

struct access_log *
access_log_new(struct worker *w)
{
	struct access_log *l = calloc(1, sizeof(*l));

	if (l != NULL) {
		l->w = w;
		l->fd = -1;
	}
	return l;
}

void
access_log_free(struct access_log *l)
{
	if (l == NULL)
		return;
	access_log_flush(l);
	if (l->fd >= 0)
		close(l->fd);
	buf_fini(&l->lines);
	free(l);
}

void
access_log_set_fd(struct access_log *l, int fd)
{
	struct stat st;

	access_log_flush(l);
	if (l->fd >= 0)
		close(l->fd);
	l->fd = fd;
	/* The rest of a line is of no use in another file. */
	l->torn = false;
	l->pending = 0;
	buf_reset(&l->lines);
	l->pipe = fd >= 0 && fstat(fd, &st) == 0 && S_ISFIFO(st.st_mode);
}

unsigned long
access_log_dropped(const struct access_log *l)
{
	return (unsigned long)atomic_load_explicit(&l->w->mine->log_dropped,
	    memory_order_relaxed);
}

static void
drop(struct access_log *l, unsigned n)
{
	live_bump(l->w->mine->log_dropped, n);
	log_limited(LOG_WARN, "access log: %s: lines are lost",
	    strerror(errno));
}

/* As many whole lines as one write may take: a pipe takes PIPE_BUF at once. */
static size_t
portion(const struct access_log *l, struct str rest)
{
	ptrdiff_t end;

	if (!l->pipe || rest.n <= PIPE_BUF)
		return rest.n;
	if ((end = str_rchr(str_head(rest, PIPE_BUF), '\n')) < 0)
		end = str_chr(rest, '\n');
	return end < 0 ? rest.n : (size_t)end + 1;
}

/* Nothing more can be written: only the rest of a begun line is kept. */
static void
keep_rest(struct access_log *l, struct str rest)
{
	ptrdiff_t end = str_chr(rest, '\n');
	bool begun = rest.p != l->lines.p ? rest.p[-1] != '\n' : l->torn;
	size_t keep = begun ? (size_t)end + 1 : 0;
	unsigned lost = 0;

	for (size_t i = keep; i < rest.n; i++)
		lost += rest.p[i] == '\n';
	if (lost > 0)
		drop(l, lost);
	memmove(l->lines.p, rest.p, keep);
	l->lines.n = keep;
	l->torn = begun;
	l->pending = begun;
}

/*
 * Whole lines in one write: the descriptor is opened for appending, so lines of
 * several workers do not mix.
 */
void
access_log_flush(struct access_log *l)
{
	struct str rest = buf_str(&l->lines);

	if (l->pending == 0)
		return;
	while (rest.n > 0) {
		ssize_t n = write(l->fd, rest.p, portion(l, rest));

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			keep_rest(l, rest);
			return;
		}
		rest = str_from(rest, (size_t)n);
	}
	l->torn = false;
	l->pending = 0;
	buf_reset(&l->lines);
}

static bool
wanted(const struct exchange *x, const struct taccess_log *a)
{
	const struct trange *v = TABLE_VEC(x->t, a->statuses, struct trange);
	nsec_t took = ring_now(x->w->ring) - x->facts.start;

	if (x->router != NULL && (x->router->internal ? !a->add_internals :
	    !x->router->access_log))
		return false;
	if (!a->filter)
		return true;
	for (uint32_t i = 0; i < a->statuses.n; i++)
		if (x->resp.status >= v[i].from && x->resp.status <= v[i].to)
			return true;
	return (a->filter_retries && x->facts.retries > 0) ||
	    (a->min_duration_ns > 0 && took > a->min_duration_ns);
}

/* Appends the line of an exchange; false when none is wanted. */
static bool
put_line(const struct exchange *x, struct buf *out)
{
	const struct taccess_log *a;

	if (x->w->access_log->fd < 0 || x->t == NULL ||
	    x->t->hdr->access_log.n == 0)
		return false;
	a = TABLE_REC(x->t, access_log, struct taccess_log, 0);
	if (!wanted(x, a))
		return false;
	if (a->format == TLOG_JSON)
		access_line_json(x, a, out);
	else
		access_line_common(x, a, out);
	return true;
}

/* The line that begins at `before` is whole, or it is lost. */
static void
line_done(struct access_log *l, size_t before)
{
	if (buf_failed(&l->lines)) {
		l->lines.failed = false;
		l->lines.n = before;
		drop(l, 1);
		return;
	}
	l->pending++;
	if (l->lines.n >= FLUSH_BYTES)
		access_log_flush(l);
}

void
access_log_write(struct exchange *x)
{
	struct access_log *l = x->w->access_log;
	size_t before = l->lines.n;

	if (put_line(x, &l->lines))
		line_done(l, before);
}

struct access_deferred *
access_log_defer(struct exchange *x)
{
	struct access_deferred *d = NULL;
	struct buf b = BUF_INIT;

	if (put_line(x, &b) && !buf_failed(&b))
		d = access_deferred_new(buf_str(&b), x->facts.start);
	buf_fini(&b);
	return d;
}

struct access_deferred *
access_deferred_new(struct str line, nsec_t start)
{
	struct access_deferred *d = malloc(sizeof(*d) + line.n);

	if (d != NULL) {
		d->start = start;
		d->n = line.n;
		if (line.n > 0)
			memcpy(d->line, line.p, line.n);
	}
	return d;
}

void
access_deferred_get(const struct access_deferred *d, struct str *ret_line,
    nsec_t *ret_start)
{
	*ret_line = str_n(d->line, d->n);
	*ret_start = d->start;
}

void
access_log_deferred(struct worker *w, struct access_deferred *d,
    struct access_late *late)
{
	struct access_log *l = w->access_log;
	size_t before = l->lines.n;

	if (d == NULL)
		return;
	late->took = ring_now(w->ring) - d->start;
	if (l->fd >= 0) {
		access_line_late(str_n(d->line, d->n), late, &l->lines);
		line_done(l, before);
	}
	free(d);
}
