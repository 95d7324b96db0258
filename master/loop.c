/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The master's event loop; see loop.h. Timers are a plain list: there are
 * about as many as workers, so a heap would only be more code.
 */
#include "loop.h"

#include "alloc.h"
#include "log.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#define EVENTS_PER_TURN	64

struct loop {
	int epfd;
	struct timer_at *timers;
	struct epoll_event *pending;	/* of the turn that runs */
	int npending;
};

struct loop *
loop_new(void)
{
	struct loop *l = xcalloc(1, sizeof(*l));

	l->epfd = epoll_create1(EPOLL_CLOEXEC);
	if (l->epfd < 0) {
		log_error("epoll: %s", strerror(errno));
		abort();
	}
	return l;
}

void
loop_free(struct loop *l)
{
	if (l == NULL)
		return;
	(void)close(l->epfd);
	free(l);
}

int
loop_add(struct loop *l, struct watch *w, int fd, uint32_t events)
{
	struct epoll_event e = { .events = events, .data.ptr = w };

	if (epoll_ctl(l->epfd, EPOLL_CTL_ADD, fd, &e) < 0)
		return -errno;
	w->fd = fd;
	w->events = events;
	return 0;
}

void
loop_change(struct loop *l, struct watch *w, uint32_t events)
{
	struct epoll_event e = { .events = events, .data.ptr = w };

	if (w->fd < 0 || w->events == events)
		return;
	w->events = events;
	if (epoll_ctl(l->epfd, EPOLL_CTL_MOD, w->fd, &e) < 0)
		log_error("epoll: %s", strerror(errno));
}

void
loop_remove(struct loop *l, struct watch *w)
{
	if (w->fd < 0)
		return;
	(void)epoll_ctl(l->epfd, EPOLL_CTL_DEL, w->fd, NULL);
	w->fd = -1;
	/* The owner may free itself while a turn still holds its event. */
	for (int i = 0; i < l->npending; i++)
		if (l->pending[i].data.ptr == w)
			l->pending[i].data.ptr = NULL;
}

static void
timer_unlink(struct loop *l, struct timer_at *t)
{
	struct timer_at **p = &l->timers;

	while (*p != NULL && *p != t)
		p = &(*p)->next;
	if (*p != NULL)
		*p = t->next;
	t->linked = false;
}

void
loop_at(struct loop *l, struct timer_at *t, nsec_t at)
{
	if (t->linked)
		timer_unlink(l, t);
	t->at = at;
	if (at == NSEC_NEVER)
		return;
	t->next = l->timers;
	l->timers = t;
	t->linked = true;
}

/* Milliseconds to wait for the nearest deadline, rounded up. */
static int
wait_ms(const struct loop *l, nsec_t until)
{
	nsec_t now = clock_mono(), left;

	for (const struct timer_at *t = l->timers; t != NULL; t = t->next)
		if (t->at < until)
			until = t->at;
	if (until == NSEC_NEVER)
		return -1;
	if (until <= now)
		return 0;
	left = (until - now + NSEC_MSEC - 1) / NSEC_MSEC;
	return left > 3600000 ? 3600000 : (int)left;
}

/* A timer may set or clear any timer, so the list is read anew each time. */
static void
fire_due(struct loop *l)
{
	nsec_t now = clock_mono();
	struct timer_at *t;

	do {
		for (t = l->timers; t != NULL && t->at > now;)
			t = t->next;
		if (t == NULL)
			return;
		timer_unlink(l, t);
		t->at = NSEC_NEVER;
		t->fire(t);
	} while (1);
}

void
loop_turn(struct loop *l, nsec_t until)
{
	struct epoll_event events[EVENTS_PER_TURN];
	int n = epoll_wait(l->epfd, events, EVENTS_PER_TURN,
	    wait_ms(l, until));

	if (n < 0) {
		assert(errno == EINTR);
		n = 0;
	}
	l->pending = events;
	l->npending = n;
	for (int i = 0; i < n; i++) {
		struct watch *w = events[i].data.ptr;

		if (w != NULL)
			w->ready(w, events[i].events);
	}
	l->npending = 0;
	fire_due(l);
}
