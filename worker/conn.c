/* SPDX-License-Identifier: BSD-2-Clause */
/* A client connection; see conn.h. */
#include "conn.h"

#include "clients.h"
#include "generation.h"
#include "http1.h"
#include "http2.h"
#include "live.h"
#include "log.h"
#include "parcel.h"
#include "passage.h"
#include "proxied.h"
#include "pool.h"
#include "tls_accept.h"
#include "tunnel.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <unistd.h>

/* Between the last byte read of a client that goes on sending, and the end. */
#define LINGER_LAST	(500 * NSEC_MSEC)

static void conn_park(struct fiber *f, struct conn *c);

void
conn_free(struct conn *c)
{
	struct worker *w = c->w;

	passage_forget(w, c);
	timer_stop(w->ring, &c->timer);
	conn_unfinished(c, false);
	(void)conn_large_head(c, false);
	http2_free(c->h2);
	if (c->cut)
		stream_abort(&c->st);
	else
		stream_close(&c->st);
	*c->prev = c->next;
	if (c->next != NULL)
		c->next->prev = c->prev;
	client_leave(c->client);
	w->nconns--;
	live_bump(w->mine->connections, -1);
	free(c);
}

/*
 * Ends our side and reads on for a moment: closing with unread bytes would turn
 * our last answer into a reset at the client (security 0.3, 5.2).
 */
static void
conn_linger(struct fiber *f, struct conn *c)
{
	struct worker *w = c->w;
	size_t left = w->limits.linger_bytes;
	struct iobuf *b;
	int n;

	c->state = CONN_LINGERING;
	fiber_deadline(f, ring_now(w->ring) + w->limits.linger_ns);
	if (stream_shutdown(f, &c->st) < 0)
		return;
	while (left > 0 && (n = sock_recv(f, c->st.s, &b)) > 0) {
		iobuf_put(w->ring, b);
		left -= (size_t)n < left ? (size_t)n : left;
	}
	/* One who goes on sending gets the time to read what we said. */
	if (left == 0)
		(void)fiber_sleep_until(f, ring_now(w->ring) + LINGER_LAST);
}

/*
 * Entry of a connection's fiber: serves what is there, then gives the fiber
 * back by parking or closing.
 */
static void
conn_main(struct fiber *f, void *arg)
{
	struct conn *c = arg;
	int r = 0;

	sock_hold(c->st.s, f);
	fiber_set_object(f, c);
	if (!c->tls_tried && (r = proxied_accept(f, c)) == 0)
		r = tls_accept(f, c);
	if (r == 0 && c->requests == 0 && c->h2 == NULL &&
	    (r = http2_wanted(f, c)) > 0)
		r = http2_open(c);
	if (r == 0 && c->h2 != NULL) {
		conn_unfinished(c, false);
		r = http2_serve(f, c);
	} else
		while (r == 0 && stream_has_unread(&c->st))
			r = http1_serve(f, c);
	if (r == HTTP1_TUNNEL)		/* it went on as a tunnel */
		return;
	if (r == 0 && !c->st.eof && !c->st.truncated) {
		conn_park(f, c);
		return;
	}
	if (r == 1)
		conn_linger(f, c);
	if (c->st.s->tx == SOCK_TX_BUSY)
		sock_quiesce(f, c->st.s);
	conn_free(c);
}

/* ---- Parking ------------------------------------------------------------ */

void
conn_unfinished(struct conn *c, bool yes)
{
	if (c->unfinished == yes)
		return;
	c->unfinished = yes;
	c->w->unfinished += yes ? 1 : -1U;
}

#define LARGE_HEADS	32	/* at once in one worker */

bool
conn_large_head(struct conn *c, bool yes)
{
	if (c->large_head == yes)
		return true;
	if (yes && c->w->large_heads >= LARGE_HEADS)
		return false;
	c->large_head = yes;
	c->w->large_heads += yes ? 1 : -1U;
	return true;
}

/*
 * Handshakes and heads that do not end may have half of the fibers, so that the
 * others serve on. From half of that on newcomers are turned away, the more the
 * fewer are left (security 0.4).
 */
static bool
crowded(const struct worker *w)
{
	unsigned most = w->limits.max_fibers / 2 > 64 ?
	    w->limits.max_fibers / 2 : 64, from = most / 2;

	if (w->unfinished < from)
		return false;
	log_limited(LOG_WARN, "%u handshakes and heads are unfinished: "
	    "newcomers are turned away", w->unfinished);
	return w->unfinished >= most ||
	    (unsigned)random() % (most - from) < w->unfinished - from;
}

/* A parked one has something to do. */
static void
conn_wake(struct conn *c)
{
	if (c->h2 == NULL) {
		if (!c->had_request && crowded(c->w)) {
			conn_free(c);
			return;
		}
		conn_unfinished(c, true);
	}
	timer_stop(c->w->ring, &c->timer);
	c->state = CONN_SERVING;
	if (fiber_start(c->w->ring, conn_main, c, "conn") == NULL) {
		/* All fibers work: look again in a moment. */
		conn_unfinished(c, false);
		c->state = CONN_PARKED;
		timer_set(c->w->ring, &c->timer, ring_now(c->w->ring) +
		    10 * NSEC_MSEC);
	}
}

/* Something happened on a parked connection: bytes, or its end. */
static void
on_parked(struct sock *s)
{
	struct conn *c = s->arg;

	/* Its fiber may be on its way already, to say that we drain. */
	if (c->state != CONN_PARKED)
		return;
	if (s->rx == SOCK_RX_READY && s->rx_res <= 0 && !http2_busy(c->h2))
		conn_free(c);
	else
		conn_wake(c);
}

static struct conn *
conn_of_timer(struct timer *t)
{
	return (struct conn *)((char *)t - offsetof(struct conn, timer));
}

/* A quiet one gets a fiber to say so. */
static void
drain_http2(struct conn *c)
{
	http2_drain(c->h2);
	if (c->state == CONN_PARKED)
		on_parked(c->st.s);
}

void
conn_rouse(struct conn *c)
{
	if (c->state == CONN_PARKED)
		timer_set(c->w->ring, &c->timer, ring_now(c->w->ring));
}

static void
on_idle(struct timer *t)
{
	struct conn *c = conn_of_timer(t);

	if (stream_has_unread(&c->st) || (c->h2 != NULL && c->h2->roused))
		on_parked(c->st.s);	/* it waited for a fiber */
	else if (c->h2 != NULL && c->h2->goaway_at == 0)
		drain_http2(c);		/* it hears of the end */
	else
		conn_free(c);
}

nsec_t
conn_read_limit(const struct conn *c, nsec_t limit)
{
	const struct generation *g = c->w->gen;
	const struct tentry_point *ep;

	if (g == NULL || c->l->ep == TNONE)
		return limit;
	ep = table_entry_point(&g->table, c->l->ep);
	return ep->read_timeout_set && ep->read_timeout_ns > 0 &&
	    ep->read_timeout_ns < limit ? ep->read_timeout_ns : limit;
}

/*
 * Long lives end spread over a fifth of them, so that clients who came together,
 * after a restart, do not all come again together (security 0.4).
 */
static nsec_t
age_limit(const struct conn *c, const struct tentry_point *ep)
{
	nsec_t t = ep->keep_alive_max_ns;

	return t < 60 * NSEC_SEC || t > 1000000 * NSEC_SEC ? t :
	    t / 1000 * (900 + c->accepted / 1000 % 201);
}

bool
conn_worn(const struct conn *c, const struct tentry_point *ep)
{
	return (ep->keep_alive_max_requests != 0 &&
	    c->requests >= ep->keep_alive_max_requests) ||
	    (ep->keep_alive_max_ns != 0 && ring_now(c->w->ring) -
	    c->accepted >= age_limit(c, ep));
}

static nsec_t
idle_timeout(const struct conn *c)
{
	const struct generation *g = c->w->gen;
	nsec_t t;

	if (c->h2 != NULL && c->h2->working > 0)	/* they have times */
		return NSEC_NEVER;
	if (!c->had_request)
		return conn_read_limit(c, c->w->limits.first_byte_ns);
	if (g == NULL || c->l->ep == TNONE)
		return NSEC_SEC;
	t = table_entry_point(&g->table, c->l->ep)->idle_timeout_ns;
	return t > 0 ? t : NSEC_NEVER;
}

void
conn_rest(struct conn *c, nsec_t until)
{
	struct worker *w = c->w;
	nsec_t hurry = clock_add(ring_now(w->ring), w->drain_idle);

	conn_unfinished(c, false);	/* it holds no fiber */
	c->state = CONN_PARKED;
	/* Its last answer had begun before the drain, and promised more. */
	if (w->draining && c->had_request && hurry < until &&
	    (c->h2 == NULL || c->h2->working == 0))
		until = hurry;
	timer_set(w->ring, &c->timer, until);
	if (c->h2 == NULL && stream_has_unread(&c->st)) {
		sock_hold(c->st.s, NULL);
		conn_wake(c);
	} else
		stream_park(&c->st);
}

static void
conn_park(struct fiber *f, struct conn *c)
{
	nsec_t until = clock_add(ring_now(c->w->ring), idle_timeout(c));

	if (c->h2 == NULL && passage_open(c->w) && !c->stays)
		conn_move(f, c, until);
	else
		conn_rest(c, until);
}

/* ---- Moving ---------------------------------------------------------------- */

void
conn_gone(struct conn *c)
{
	if (c->tunnel != NULL)
		tunnel_gone(c->tunnel);
	else
		conn_free(c);
}

void
conn_move(struct fiber *f, struct conn *c, nsec_t until)
{
	timer_stop(c->w->ring, &c->timer);
	c->state = CONN_MOVING;
	sock_hold(c->st.s, f);
	if (passage_give(f, c, until) == PASSAGE_GIVEN)
		conn_free(c);
	else
		conn_rest(c, until);
}

bool
conn_ends(const struct conn *c)
{
	return c->w->draining && (c->stays || !passage_open(c->w) ||
	    (c->st.tls != NULL && !tls_state_has(c->st.tls)));
}

/* ---- Accepting ------------------------------------------------------------- */

static int
conn_addresses(struct conn *c, int fd)
{
	struct sockaddr_storage ss;
	socklen_t n = sizeof(ss);

	if (getpeername(fd, (struct sockaddr *)&ss, &n) < 0 ||
	    addr_from_sockaddr((struct sockaddr *)&ss, &c->peer,
	    &c->peer_port) < 0)
		return -ENOTCONN;
	n = sizeof(ss);
	if (getsockname(fd, (struct sockaddr *)&ss, &n) < 0 ||
	    addr_from_sockaddr((struct sockaddr *)&ss, &c->local,
	    &c->local_port) < 0)
		return -ENOTCONN;
	return 0;
}

/* Makes it one of the worker's, with a socket and an idle timer. */
static void
conn_enlist(struct conn *c, struct sock *s)
{
	struct worker *w = c->w;

	s->notify = on_parked;
	s->arg = c;
	stream_init(&c->st, s, NULL);
	c->timer.fn = on_idle;
	c->next = w->conns;
	c->prev = &w->conns;
	if (c->next != NULL)
		c->next->prev = &c->next;
	w->conns = c;
	w->nconns++;
	live_bump(w->mine->connections, 1);
}

/* Over the limits the connection is closed at once and counted (S-106). */
static bool
conn_admit(struct worker *w, struct conn *c)
{
	if (w->nconns >= w->limits.max_conns) {
		log_limited(LOG_WARN, "%u connections: no more are taken",
		    w->nconns);
		return false;
	}
	/* One that speaks for many is not counted. */
	if (proxied_peer_trusted(c))
		return true;
	c->client = client_enter(w->clients, &c->peer,
	    w->limits.max_per_address);
	if (c->client == NULL) {
		log_limited(LOG_WARN, "one address holds %u connections: "
		    "no more are taken from it", w->limits.max_per_address);
		return false;
	}
	return true;
}

void
conn_accepted(void *arg, int fd)
{
	struct listener *l = arg;
	struct worker *w = l->w;
	struct conn *c;

	if (fd < 0) {
		log_limited(LOG_ERROR, "entry point %s: accept: %s", l->name,
		    strerror(-fd));
		if (fd == -EMFILE || fd == -ENFILE)
			(void)pool_shed(w->pool);
		return;
	}
	live_bump(w->mine->accepted, 1);
	if ((c = calloc(1, sizeof(*c))) == NULL) {
		close(fd);
		return;
	}
	c->w = w;
	c->l = l;
	if (conn_addresses(c, fd) < 0 || !conn_admit(w, c)) {
		free(c);
		close(fd);
		return;
	}
	struct sock *s = sock_new(w->ring, fd);

	if (s == NULL) {
		(void)pool_shed(w->pool);
		client_leave(c->client);
		free(c);
		close(fd);
		return;
	}
	conn_enlist(c, s);
	c->accepted = ring_now(w->ring);
	/* Bytes are usually there already: the first receive tries at once. */
	c->state = CONN_PARKED;
	timer_set(w->ring, &c->timer, c->accepted +
	    conn_read_limit(c, w->limits.first_byte_ns));
	sock_recv_start(s, false);
}

/* Any listener of the entry point will do: it stands for its name. */
static struct listener *
find_listener(const struct worker *w, struct str name)
{
	struct listener *l = w->listeners;

	while (l != NULL && !(l->fd >= 0 && str_eq(str_c(l->name), name)))
		l = l->next;
	return l;
}

struct conn *
conn_take(struct worker *w, const struct parcel *p, int fd,
    const char **ret_why)
{
	struct conn *c = calloc(1, sizeof(*c));
	struct sock *s;

	*ret_why = "no memory";
	if (c == NULL) {
		close(fd);
		return NULL;
	}
	c->w = w;
	c->state = CONN_MOVING;
	if ((c->l = find_listener(w, p->entry_point)) == NULL)
		*ret_why = "no such entry point";
	else if (w->nconns >= w->limits.max_conns)
		*ret_why = "too many connections";
	else if (conn_addresses(c, fd) < 0)
		*ret_why = "not connected";
	else if (p->counted && (c->client = client_enter(w->clients, &c->peer,
	    w->limits.max_per_address)) == NULL)
		*ret_why = "too many connections of one address";
	else if ((s = sock_new(w->ring, fd)) != NULL) {
		conn_enlist(c, s);
		return c;
	}
	client_leave(c->client);
	free(c);
	close(fd);
	return NULL;
}

/* ---- Draining ----------------------------------------------------------------- */

void
conn_hurry(struct worker *w)
{
	/* A request may be on its way: idle ones are not closed at once. */
	for (struct conn *c = w->conns; c != NULL; c = c->next)
		if (c->state == CONN_PARKED && c->h2 == NULL && c->had_request)
			timer_set(w->ring, &c->timer, ring_now(w->ring) +
			    w->drain_idle);
		else if (c->tunnel != NULL)
			tunnel_drain(c->tunnel);
}

void
conn_drain(struct worker *w)
{
	struct conn *c, *next;

	for (c = w->conns; c != NULL; c = next) {
		next = c->next;		/* one whose client left ends here */
		c->stays = false;	/* others may take it now */
		if (c->h2 != NULL) {
			http2_drain_tunnels(c->h2);
			drain_http2(c);
		} else if (c->tunnel != NULL)
			tunnel_drain(c->tunnel);
	}
	if (passage_open(w))
		passage_begin(w);
	else
		conn_hurry(w);
}

void
conn_close_parked(struct worker *w)
{
	struct conn *c, *next;

	for (c = w->conns; c != NULL; c = next) {
		next = c->next;
		if (c->state == CONN_PARKED && !http2_busy(c->h2))
			conn_free(c);
		else if (c->state == CONN_TUNNEL)
			tunnel_end(c->tunnel);
	}
}
