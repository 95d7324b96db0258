/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Where the connections of workers that leave go: pairs of sockets, one end for
 * the worker that gives, one for the worker that takes (worker/passage.h). Each
 * leaving one gets as many as it needs for every other one to have its share.
 */
#include "master.h"

#include "handover.h"
#include "log.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

struct pair { int give, take; struct msg_passage msg; };

static int
pair_make(struct pair *p)
{
	int fds[2], r;

	memset(p, 0, sizeof(*p));
	if (getrandom(p->msg.key, sizeof(p->msg.key), 0) !=
	    sizeof(p->msg.key))
		return -EIO;
	if ((r = msg_pair(fds)) < 0) {
		log_warn("connections cannot move: %s", strerror(-r));
		return r;
	}
	p->give = fds[0];
	p->take = fds[1];
	return 0;
}

/* Whoever was to have an end has it. */
static void
pair_end(struct pair *p)
{
	(void)close(p->give);
	(void)close(p->take);
	explicit_bzero(&p->msg, sizeof(p->msg));
}

/* The next of `to` that leaving worker `i` of `from` gives to; k counts up. */
static bool
share(unsigned i, unsigned from, unsigned to, unsigned k, unsigned *ret)
{
	unsigned n = i + k * from;

	if (to == 0 || (k > 0 && n >= to))
		return false;
	*ret = n % to;
	return true;
}

/* The n-th of those that serve and stay, counted round and round. */
static struct worker_slot *
taker(struct master *m, unsigned n)
{
	struct worker_slot *v[WORKERS_MAX];
	unsigned have = 0;

	for (unsigned i = 0; i < m->nworkers; i++)
		if (m->slots[i].pid != 0 && m->slots[i].ready &&
		    !m->slots[i].leaving)
			v[have++] = &m->slots[i];
	return have > 0 ? v[n % have] : NULL;
}

static void
send_take(struct worker_slot *s, struct pair *p)
{
	p->msg.end = PASSAGE_TAKE;
	supervise_send(s, MSG_PASSAGE, &p->msg, sizeof(p->msg), &p->take, 1);
}

static void
send_give(struct worker_slot *s, struct pair *p)
{
	p->msg.end = PASSAGE_GIVE;
	supervise_send(s, MSG_PASSAGE, &p->msg, sizeof(p->msg), &p->give, 1);
}

void
passages_resize(struct master *m, unsigned was)
{
	unsigned from = was - m->nworkers, n;
	struct worker_slot *to;
	struct pair p;

	for (unsigned i = 0; i < from; i++)
		for (unsigned k = 0; share(i, from, m->nworkers, k, &n); k++) {
			if (m->slots[m->nworkers + i].pid == 0 ||
			    (to = taker(m, n)) == NULL || pair_make(&p) < 0)
				break;
			send_take(to, &p);
			send_give(&m->slots[m->nworkers + i], &p);
			pair_end(&p);
		}
}

static int
send_to_successor(int sock, unsigned worker, const struct pair *p)
{
	struct ho_passage msg = { .worker = worker };
	int r;

	memcpy(msg.key, p->msg.key, sizeof(msg.key));
	r = handover_send(sock, HO_PASSAGE, &msg, &p->take, 1);
	explicit_bzero(&msg, sizeof(msg));
	return r;
}

void
passages_upgrade(struct master *m, int sock, unsigned workers)
{
	unsigned from = supervise_alive(m), i = 0, n;
	struct pair p;

	for (unsigned at = 0; at < WORKERS_MAX; at++) {
		if (m->slots[at].pid == 0)
			continue;
		for (unsigned k = 0; share(i, from, workers, k, &n); k++) {
			if (pair_make(&p) < 0)
				break;
			/* Without its other end it would be a dead one. */
			if (send_to_successor(sock, n, &p) == 0)
				send_give(&m->slots[at], &p);
			pair_end(&p);
		}
		i++;
	}
}

void
passages_take(struct master *m, unsigned n, const uint8_t key[32], int fd)
{
	struct worker_slot *s = taker(m, n);
	struct msg_passage msg = { .end = PASSAGE_TAKE };

	memcpy(msg.key, key, sizeof(msg.key));
	if (s != NULL)
		supervise_send(s, MSG_PASSAGE, &msg, sizeof(msg), &fd, 1);
	explicit_bzero(&msg, sizeof(msg));
	(void)close(fd);
}

void
passages_orphan(struct master *m, int control, unsigned i, unsigned from)
{
	struct worker_slot *to;
	struct pair p;
	unsigned n;

	for (unsigned k = 0; share(i, from, m->nworkers, k, &n); k++) {
		if ((to = taker(m, n)) == NULL || pair_make(&p) < 0)
			break;
		send_take(to, &p);
		p.msg.end = PASSAGE_GIVE;
		(void)msg_send(control, MSG_PASSAGE, &p.msg, &p.give);
		pair_end(&p);
	}
}
