/* SPDX-License-Identifier: BSD-2-Clause */
/* Tunnels; see tunnel.h. */
#include "tunnel.h"

#include "access_line.h"
#include "access_log.h"
#include "conn.h"
#include "exchange.h"
#include "websocket.h"

#include <errno.h>
#include <stdlib.h>

/* One direction. */
struct half {
	struct stream *from, *to;
	size_t sending;		/* bytes of from->in on their way */
	bool over;		/* the end was passed on */
};

struct tunnel {
	struct stream server;
	struct conn *c;		/* NULL until it runs */
	struct half up, down;
	struct websocket_frames frames;	/* from the server */
	struct timer timer;	/* quiet: idle bound; draining: the end */
	nsec_t idle;		/* quiet for so long: the end */
	nsec_t ends;		/* of the drain, else NSEC_NEVER */
	bool on_fiber;
	struct access_deferred *line;
};

static void	tunnel_main(struct fiber *f, void *arg);

struct tunnel *
tunnel_new(struct exchange *x, struct stream *server)
{
	struct tunnel *t = calloc(1, sizeof(*t));

	if (t == NULL)
		return NULL;
	t->server = *server;
	server->s = NULL;
	t->idle = x->w->limits.tunnel_idle_ns;
	t->ends = NSEC_NEVER;
	t->line = access_log_defer(x);
	return t;
}

void
tunnel_free(struct tunnel *t)
{
	if (t == NULL)
		return;
	free(t->line);
	stream_close(&t->server);
	free(t);
}

/* The end of both sides. Nothing is in flight but receives. */
static void
finish(struct tunnel *t)
{
	struct conn *c = t->c;
	struct access_late late = { .response_bytes = t->down.to->bytes_out,
	    .request_bytes = t->up.to->bytes_out };

	timer_stop(c->w->ring, &t->timer);
	access_log_deferred(c->w, t->line, &late);
	t->line = NULL;
	tunnel_free(t);
	c->tunnel = NULL;
	conn_free(c);
}

/* ---- Carrying ------------------------------------------------------------- */

static int
start_send(struct tunnel *t, struct half *h)
{
	const struct iobuf *b = h->from->in;

	h->sending = iobuf_len(b);
	if (h == &t->down)
		websocket_frames_pass(&t->frames, b->data + b->head,
		    h->sending);
	return stream_send_start(h->to, b->data + b->head, h->sending);
}

/* 1: something moved; 0: nothing can now; -errno: the tunnel is over. */
static int
half_step(struct fiber *f, struct tunnel *t, struct half *h)
{
	int r;

	if (h->sending > 0) {
		if ((r = stream_send_poll(h->to)) == -EAGAIN)
			return 0;
		if (r < 0)
			return r;
		stream_consume(h->from, h->sending);
		h->sending = 0;
		return 1;
	}
	if (h->over)
		return 0;
	r = stream_peek(h->from);
	/* What was received is there: this does not wait. */
	if (r == 1 && iobuf_len(h->from->in) == 0)
		r = stream_fill(f, h->from, IOBUF_SMALL) > 0 ? 1 :
		    stream_peek(h->from);
	if (r == 1)
		return (r = start_send(t, h)) < 0 ? r : 1;
	if (r == -EPIPE) {
		h->over = true;
		fiber_deadline(f, ring_now(t->c->w->ring) +
		    t->c->w->limits.write_gap_ns);
		return (r = stream_shutdown(f, h->to)) < 0 ? r : 1;
	}
	if (r < 0)
		return r;
	stream_watch(h->from);
	return 0;
}

static bool
draining_ends(const struct tunnel *t)
{
	return ring_now(t->c->w->ring) >= t->ends;
}

/* Both ends learn that the server side goes away (1001), between two frames. */
static void
say_goodbye(struct fiber *f, struct tunnel *t)
{
	static const char frame[] = "\x88\x02\x03\xe9";
	struct iovec iov = { (void *)(size_t)frame, 4 };

	if (t->down.sending > 0 || t->down.over ||
	    !websocket_frames_boundary(&t->frames))
		return;
	fiber_deadline(f, ring_now(t->c->w->ring) + NSEC_SEC);
	if (stream_send(f, &t->c->st, &iov, 1) == 0)
		(void)stream_shutdown(f, &t->c->st);
}

/* 1: quiet; 0: both directions are over; -errno. */
static int
carry(struct fiber *f, struct tunnel *t)
{
	struct ring *ring = t->c->w->ring;

	for (;;) {
		int a = half_step(f, t, &t->up), b;

		if (a < 0 || (b = half_step(f, t, &t->down)) < 0)
			return -ECONNRESET;
		if (draining_ends(t))
			return -ETIMEDOUT;
		if (a > 0 || b > 0)
			continue;
		if (t->up.sending == 0 && t->down.sending == 0)
			return !t->up.over || !t->down.over;
		fiber_deadline(f, clock_add(ring_now(ring), t->idle) <
		    t->ends ? clock_add(ring_now(ring), t->idle) : t->ends);
		if ((a = fiber_wait(f)) < 0)
			return a;
	}
}

static void
hold(struct tunnel *t, struct fiber *f)
{
	sock_hold(t->c->st.s, f);
	sock_hold(t->server.s, f);
}

static void
rest(struct tunnel *t)
{
	nsec_t idle = clock_add(ring_now(t->c->w->ring), t->idle);

	t->on_fiber = false;
	timer_set(t->c->w->ring, &t->timer, idle < t->ends ? idle : t->ends);
	hold(t, NULL);
}

static void
work(struct fiber *f, struct tunnel *t)
{
	int r = carry(f, t);

	if (r > 0) {
		rest(t);
		return;
	}
	if (r == -ETIMEDOUT)
		say_goodbye(f, t);
	if (t->c->st.s->tx != SOCK_TX_IDLE)
		sock_quiesce(f, t->c->st.s);
	if (t->server.s->tx != SOCK_TX_IDLE)
		sock_quiesce(f, t->server.s);
	finish(t);
}

/* ---- Waking -------------------------------------------------------------- */

static void
wake(struct tunnel *t)
{
	if (t->on_fiber)
		return;
	timer_stop(t->c->w->ring, &t->timer);
	t->on_fiber = true;
	if (fiber_start(t->c->w->ring, tunnel_main, t, "tunnel") == NULL) {
		/* All fibers work: look again in a moment. */
		t->on_fiber = false;
		timer_set(t->c->w->ring, &t->timer, ring_now(
		    t->c->w->ring) + 10 * NSEC_MSEC);
	}
}

static void
tunnel_main(struct fiber *f, void *arg)
{
	struct tunnel *t = arg;

	fiber_set_object(f, t);
	hold(t, f);
	work(f, t);
}

static void
on_event(struct sock *s)
{
	wake(s->arg);
}

static bool
has_events(const struct tunnel *t)
{
	return t->c->st.s->rx == SOCK_RX_READY ||
	    t->server.s->rx == SOCK_RX_READY;
}

static void
on_timer(struct timer *timer)
{
	struct tunnel *t = (struct tunnel *)((char *)timer -
	    offsetof(struct tunnel, timer));

	if (has_events(t))
		wake(t);	/* it waited for a fiber */
	else {
		/* Idle for too long ends as the drain does: with a word. */
		t->ends = ring_now(t->c->w->ring);
		wake(t);
	}
}

void
tunnel_run(struct fiber *f, struct tunnel *t, struct conn *c)
{
	t->c = c;
	c->tunnel = t;
	c->state = CONN_TUNNEL;
	t->up = (struct half){ .from = &c->st, .to = &t->server };
	t->down = (struct half){ .from = &t->server, .to = &c->st };
	/* From here on both count the tunnel's own bytes. */
	c->st.bytes_out = t->server.bytes_out = 0;
	c->st.send_gap = 0;
	c->st.s->notify = t->server.s->notify = on_event;
	c->st.s->arg = t->server.s->arg = t;
	t->timer.fn = on_timer;
	t->on_fiber = true;
	hold(t, f);
	work(f, t);
}

void
tunnel_drain(struct tunnel *t, nsec_t until)
{
	t->ends = until;
	if (!t->on_fiber)
		timer_set(t->c->w->ring, &t->timer, until);
}

void
tunnel_end(struct tunnel *t)
{
	if (!t->on_fiber)
		finish(t);
}
