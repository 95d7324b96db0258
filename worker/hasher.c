/* SPDX-License-Identifier: BSD-2-Clause */
/* Passwords on a thread; see hasher.h. */
#include "hasher.h"

#include "basic.h"
#include "log.h"
#include "ring.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <unistd.h>

#define QUEUE_MAX	64
#define ADDRESS_MAX	8	/* of them, for one client address */
#define STACK_BYTES	(256 * 1024)
#define NICE		10	/* who serves goes first */

struct job {
	struct job *next;
	struct addr client;
	struct str hash, password;
	struct fiber *f;
	bool matches;
	bool done;		/* seen by the loop */
};

struct hasher {
	pthread_mutex_t lock;	/* of queue, running and finished */
	pthread_cond_t more;
	struct job *queue, **end;
	struct job *running;
	struct job *finished;
	int event_fd;
};

/* ---- The thread ------------------------------------------------------------- */

static struct job *
next_job(struct hasher *h)
{
	struct job *j;

	while ((j = h->queue) == NULL)
		pthread_cond_wait(&h->more, &h->lock);
	h->queue = j->next;
	if (h->queue == NULL)
		h->end = &h->queue;
	return h->running = j;
}

static void *
hash_on(void *arg)
{
	struct hasher *h = arg;
	const uint64_t one = 1;
	struct job *j;

	(void)setpriority(PRIO_PROCESS, (id_t)gettid(), NICE);
	pthread_mutex_lock(&h->lock);
	for (;;) {
		j = next_job(h);
		pthread_mutex_unlock(&h->lock);
		j->matches = basic_hash_matches(j->hash, j->password);
		pthread_mutex_lock(&h->lock);
		h->running = NULL;
		j->next = h->finished;
		h->finished = j;
		/* The counter cannot overflow: nothing else can fail. */
		if (write(h->event_fd, &one, sizeof(one)) < 0)
			abort();
	}
}

/* ---- The worker's side ------------------------------------------------------ */

static void
on_finished(void *arg)
{
	struct hasher *h = arg;
	struct job *j, *next;
	uint64_t n;

	if (read(h->event_fd, &n, sizeof(n)) < 0)
		return;
	pthread_mutex_lock(&h->lock);
	j = h->finished;
	h->finished = NULL;
	pthread_mutex_unlock(&h->lock);
	for (; j != NULL; j = next) {
		next = j->next;	/* it is gone once its fiber runs */
		j->done = true;
		fiber_wake(j->f);
	}
}

/* All signals are the worker's own. */
static int
start_thread(struct hasher *h)
{
	pthread_attr_t attr;
	sigset_t all, before;
	pthread_t t;
	int r;

	sigfillset(&all);
	if ((r = pthread_attr_init(&attr)) != 0)
		return r;
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	pthread_attr_setstacksize(&attr, STACK_BYTES);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	r = pthread_create(&t, &attr, hash_on, h);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	pthread_attr_destroy(&attr);
	return r;
}

struct hasher *
hasher_new(struct ring *r)
{
	struct hasher *h = calloc(1, sizeof(*h));
	int err;

	if (h == NULL)
		return NULL;
	pthread_mutex_init(&h->lock, NULL);
	pthread_cond_init(&h->more, NULL);
	h->end = &h->queue;
	h->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	err = h->event_fd < 0 ? errno : watch_start(r, h->event_fd,
	    on_finished, h) == NULL ? ENOMEM : start_thread(h);
	if (err == 0)
		return h;
	log_warn("no thread for passwords: %s", strerror(err));
	return NULL;	/* once per process; what was made stays */
}

/* 0, or -EBUSY. */
static int
enqueue(struct hasher *h, struct job *j)
{
	unsigned all = 0, same = 0;

	pthread_mutex_lock(&h->lock);
	for (const struct job *q = h->queue; q != NULL; q = q->next) {
		all++;
		same += addr_eq(&q->client, &j->client);
	}
	if (all < QUEUE_MAX && same < ADDRESS_MAX) {
		*h->end = j;
		h->end = &j->next;
		pthread_cond_signal(&h->more);
		all = 0;
	} else
		all = QUEUE_MAX;
	pthread_mutex_unlock(&h->lock);
	return all == 0 ? 0 : -EBUSY;
}

/* True when the thread has not taken it yet, and now will not. */
static bool
withdraw(struct hasher *h, struct job *j)
{
	struct job **p;
	bool found;

	pthread_mutex_lock(&h->lock);
	for (p = &h->queue; *p != NULL && *p != j; p = &(*p)->next)
		;
	found = *p == j;
	if (found) {
		*p = j->next;
		if (*p == NULL)
			h->end = p;
	}
	pthread_mutex_unlock(&h->lock);
	return found;
}

int
hasher_matches(struct fiber *f, struct hasher *h, const struct addr *client,
    struct str hash, struct str password)
{
	struct job j = { .client = *client, .hash = hash,
	    .password = password, .f = f };
	int r;

	if (h == NULL)
		return basic_hash_matches(hash, password);
	if ((r = enqueue(h, &j)) < 0)
		return r;
	while (!j.done && (r = fiber_wait(f)) == 0)
		;
	if (!j.done && withdraw(h, &j))
		return r;
	while (!j.done)		/* it works on our memory */
		fiber_wait_quiet(f);
	return j.matches;
}
