/* SPDX-License-Identifier: BSD-2-Clause */
/* Tunnels; see tunnel.h. */
#include "tunnel.h"

#include "access_line.h"
#include "access_log.h"
#include "conn.h"
#include "exchange.h"
#include "live.h"
#include "pack.h"
#include "passage.h"
#include "websocket.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

/* One direction. */
struct half {
	const struct tunnel_end *from, *to;
	size_t sending;		/* bytes of from on their way */
	uint64_t passed;
	bool over;		/* the end was passed on */
};

struct tunnel {
	struct worker *w;
	struct stream stream;	/* of the server */
	struct tunnel_end client, server;
	struct half up, down;
	struct websocket_frames frames;	/* from the server */
	struct timer timer;	/* quiet: idle bound; draining: the end */
	struct fiber *f;	/* NULL: quiet, or not started yet */
	nsec_t idle;		/* quiet for so long: the end */
	nsec_t quiet_until;	/* when that would be */
	nsec_t ends;		/* of the drain, else NSEC_NEVER */
	bool on_fiber;
	bool again;		/* the timer is to find it a fiber */
	struct access_deferred *line;
	_Atomic uint16_t *load;	/* counts it as its server's; NULL */
};

static void	tunnel_main(struct fiber *f, void *arg);

/* ---- An end that is a stream ------------------------------------------------ */

static int
stream_receive(struct fiber *f, void *end, struct str *ret)
{
	struct stream *st = end;
	int r = stream_peek(st);

	if (r == 1 && iobuf_len(st->in) == 0)
		r = stream_fill(f, st, IOBUF_SMALL) > 0 ? 1 : stream_peek(st);
	if (r == 1)
		*ret = str_n((const char *)st->in->data + st->in->head,
		    iobuf_len(st->in));
	else if (r == 0)
		stream_watch(st);
	return r;
}

static void
stream_consumed(void *end, size_t n)
{
	stream_consume(end, n);
}

static int
stream_start(void *end, struct str data)
{
	return stream_send_start(end, data.p, data.n);
}

static int
stream_sent(void *end)
{
	return stream_send_poll(end);
}

static int
stream_over(struct fiber *f, void *end)
{
	return stream_shutdown(f, end);
}

static void
stream_hold(void *end, struct fiber *f)
{
	sock_hold(((struct stream *)end)->s, f);
}

static void
stream_stop(struct fiber *f, void *end)
{
	struct stream *st = end;

	if (f != NULL && st->s->tx != SOCK_TX_IDLE)
		sock_quiesce(f, st->s);
}

static void
server_close(void *end)
{
	stream_close(end);
}

static void
conn_close(void *end)
{
	struct conn *c = end;	/* its stream is its first member */

	c->tunnel = NULL;
	conn_free(c);
}

static const struct tunnel_end_ops server_ops = { stream_receive,
    stream_consumed, stream_start, stream_sent, stream_over, stream_hold,
    stream_stop, server_close };
static const struct tunnel_end_ops conn_ops = { stream_receive,
    stream_consumed, stream_start, stream_sent, stream_over, stream_hold,
    stream_stop, conn_close };

/* ---- Life --------------------------------------------------------------------- */

struct tunnel *
tunnel_new(struct exchange *x, struct stream *server)
{
	struct tunnel *t = calloc(1, sizeof(*t));

	if (t == NULL)
		return NULL;
	t->w = x->w;
	t->stream = *server;
	server->s = NULL;
	t->server = (struct tunnel_end){ &server_ops, &t->stream };
	t->idle = x->w->limits.tunnel_idle_ns;
	t->ends = NSEC_NEVER;
	t->line = access_log_defer(x);
	t->load = x->load;
	x->load = NULL;
	return t;
}

void
tunnel_free(struct tunnel *t)
{
	if (t == NULL)
		return;
	free(t->line);
	if (t->load != NULL)
		live_bump(*t->load, -1);
	t->server.ops->close(t->server.p);
	free(t);
}

/* The end of both sides; f is NULL when nothing but receives is in flight. */
static void
finish(struct fiber *f, struct tunnel *t)
{
	struct access_late late = { .response_bytes = t->down.passed,
	    .request_bytes = t->up.passed };
	struct tunnel_end client = t->client;

	timer_stop(t->w->ring, &t->timer);
	client.ops->stop(f, client.p);
	t->server.ops->stop(f, t->server.p);
	access_log_deferred(t->w, t->line, &late);
	t->line = NULL;
	tunnel_free(t);
	client.ops->close(client.p);
}

/* ---- Carrying ------------------------------------------------------------- */

/* 1: something moved; 0: nothing can now; -errno: the tunnel is over. */
static int
half_step(struct fiber *f, struct tunnel *t, struct half *h)
{
	const struct tunnel_end *from = h->from, *to = h->to;
	struct str data;
	int r;

	if (h->sending > 0) {
		if ((r = to->ops->sent(to->p)) < 0)
			return r == -EAGAIN ? 0 : r;
		from->ops->consume(from->p, h->sending);
		h->passed += h->sending;
		h->sending = 0;
		return 1;
	}
	if (h->over)
		return 0;
	r = from->ops->receive(f, from->p, &data);
	if (r == 1) {
		h->sending = data.n;
		if (h == &t->down)
			websocket_frames_pass(&t->frames,
			    (const uint8_t *)data.p, data.n);
		return (r = to->ops->send(to->p, data)) < 0 ? r : 1;
	}
	if (r == -EPIPE) {
		h->over = true;
		fiber_deadline(f, ring_now(t->w->ring) +
		    t->w->limits.write_gap_ns);
		return (r = to->ops->shutdown(f, to->p)) < 0 ? r : 1;
	}
	return r;
}

static bool
draining_ends(const struct tunnel *t)
{
	return ring_now(t->w->ring) >= t->ends;
}

/* Until the client has ended its side, too, or a second has passed. */
static void
await_end(struct fiber *f, struct tunnel *t)
{
	const struct tunnel_end *c = &t->client;
	struct str data;
	int r;

	if (t->up.sending > 0)
		return;
	while ((r = c->ops->receive(f, c->p, &data)) >= 0)
		if (r > 0)
			c->ops->consume(c->p, data.n);
		else if (fiber_wait(f) < 0)
			return;
}

/* The client learns that the server's side goes away (1001), between frames. */
static void
say_goodbye(struct fiber *f, struct tunnel *t)
{
	const struct tunnel_end *c = &t->client;
	int r;

	if (t->down.sending > 0 || t->down.over ||
	    !websocket_frames_boundary(&t->frames))
		return;
	fiber_deadline(f, ring_now(t->w->ring) + NSEC_SEC);
	r = c->ops->send(c->p, STR("\x88\x02\x03\xe9"));
	while (r == 0 && (r = c->ops->sent(c->p)) == -EAGAIN)
		r = fiber_wait(f);
	if (r < 0)
		return;
	t->down.passed += 4;
	if (c->ops->shutdown(f, c->p) == 0)
		await_end(f, t);
}

/* 1: quiet; 0: both directions are over; -errno. */
static int
carry(struct fiber *f, struct tunnel *t)
{
	struct ring *ring = t->w->ring;

	for (;;) {
		int a = half_step(f, t, &t->up), b;

		if (a < 0 || (b = half_step(f, t, &t->down)) < 0)
			return -ECONNRESET;
		/* Of a side that is over nobody hears otherwise. */
		if (fiber_canceled(f))
			return -ECANCELED;
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

/* Again and again while it is to be read on, never once it stays. */
static bool
may_move(const struct tunnel *t)
{
	return t->client.ops == &conn_ops && passage_open(t->w) &&
	    !((const struct conn *)t->client.p)->stays;
}

static void
hold(struct tunnel *t, struct fiber *f)
{
	t->f = f;
	t->client.ops->hold(t->client.p, f);
	t->server.ops->hold(t->server.p, f);
}

static void
rest(struct tunnel *t)
{
	t->quiet_until = clock_add(ring_now(t->w->ring), t->idle);
	t->on_fiber = false;
	timer_set(t->w->ring, &t->timer, t->quiet_until < t->ends ?
	    t->quiet_until : t->ends);
	hold(t, NULL);
}

/* Quiet, while the worker leaves: is it another one's now? */
static bool
given_away(struct fiber *f, struct tunnel *t)
{
	nsec_t until = clock_add(ring_now(t->w->ring), t->idle);

	if (passage_give(f, t->client.p, until) != PASSAGE_GIVEN)
		return false;
	tunnel_gone(t);
	return true;
}

/* Grows with all that both directions do. */
static uint64_t
progress(const struct tunnel *t)
{
	return t->up.passed + t->down.passed + t->up.over + t->down.over;
}

static void
work(struct fiber *f, struct tunnel *t)
{
	uint64_t before = UINT64_MAX;
	int r;

	/* What is neither read here nor can go along holds it here. */
	while ((r = carry(f, t)) > 0 && may_move(t) && progress(t) != before) {
		before = progress(t);
		if (given_away(f, t))
			return;
	}
	if (r > 0) {
		rest(t);
		return;
	}
	if (r == -ETIMEDOUT)
		say_goodbye(f, t);
	finish(f, t);
}

/* ---- Waking -------------------------------------------------------------- */

void
tunnel_wake(struct tunnel *t)
{
	struct fiber *f;

	if (t->on_fiber) {
		if (t->f != NULL)
			fiber_wake(t->f);
		return;
	}
	timer_stop(t->w->ring, &t->timer);
	t->again = (f = fiber_start(t->w->ring, tunnel_main, t, "tunnel")) ==
	    NULL;
	if (t->again) {
		/* All fibers work: look again in a moment. */
		timer_set(t->w->ring, &t->timer, ring_now(
		    t->w->ring) + 10 * NSEC_MSEC);
		return;
	}
	/* From now on, not from its first turn: nobody may end it meanwhile. */
	t->on_fiber = true;
	hold(t, f);
}

static void
tunnel_main(struct fiber *f, void *arg)
{
	struct tunnel *t = arg;

	fiber_set_object(f, t);
	work(f, t);
}

static void
on_event(struct sock *s)
{
	tunnel_wake(s->arg);
}

static void
on_timer(struct timer *timer)
{
	struct tunnel *t = (struct tunnel *)((char *)timer -
	    offsetof(struct tunnel, timer));

	/* Idle for too long ends as the drain does: with a word. */
	if (!t->again)
		t->ends = ring_now(t->w->ring);
	tunnel_wake(t);
}

/*
 * Shortly before the drain's end, spread over a fifth of it so that clients do
 * not all come back at once (L-12).
 */
static nsec_t
end_of_drain(const struct worker *w)
{
	nsec_t now = ring_now(w->ring), left = w->drain_until - now;

	return left <= 0 ? now : now + left / 10 * 7 +
	    (nsec_t)((uint64_t)random() % (uint64_t)(left / 5 + 1));
}

static void
join(struct tunnel *t, struct tunnel_end client)
{
	t->client = client;
	t->up = (struct half){ .from = &t->client, .to = &t->server };
	t->down = (struct half){ .from = &t->server, .to = &t->client };
	t->stream.s->notify = on_event;
	t->stream.s->arg = t;
	t->timer.fn = on_timer;
}

void
tunnel_run(struct fiber *f, struct tunnel *t, struct tunnel_end client)
{
	join(t, client);
	t->on_fiber = true;
	if (t->w->draining)
		t->ends = end_of_drain(t->w);
	hold(t, f);
	work(f, t);
}

/* The connection is the client's end. */
static struct tunnel_end
conn_end(struct tunnel *t, struct conn *c)
{
	c->tunnel = t;
	c->st.send_gap = 0;
	c->st.s->notify = on_event;
	c->st.s->arg = t;
	return (struct tunnel_end){ &conn_ops, c };
}

void
tunnel_run_conn(struct fiber *f, struct tunnel *t, struct conn *c)
{
	c->state = CONN_TUNNEL;
	tunnel_run(f, t, conn_end(t, c));
}

void
tunnel_drain(struct tunnel *t)
{
	t->ends = end_of_drain(t->w);
	if (!t->on_fiber)
		timer_set(t->w->ring, &t->timer, t->ends);
	else if (t->f != NULL)
		fiber_wake(t->f);
}

void
tunnel_end(struct tunnel *t)
{
	if (!t->on_fiber)
		finish(NULL, t);
}

/* ---- Moving to another worker ---------------------------------------------- */

bool
tunnel_quiet(const struct tunnel *t)
{
	return !t->on_fiber;
}

struct stream *
tunnel_server(struct tunnel *t)
{
	return &t->stream;
}

void
tunnel_move(struct fiber *f, struct tunnel *t)
{
	timer_stop(t->w->ring, &t->timer);
	t->on_fiber = true;
	hold(t, f);
	if (passage_give(f, t->client.p, t->quiet_until) == PASSAGE_GIVEN) {
		tunnel_gone(t);
		return;
	}
	/* A fiber of its own arms the receives again. */
	hold(t, NULL);
	t->on_fiber = false;
	tunnel_wake(t);
}

void
tunnel_gone(struct tunnel *t)
{
	struct tunnel_end client = t->client;

	timer_stop(t->w->ring, &t->timer);
	tunnel_free(t);
	client.ops->close(client.p);
}

int
tunnel_pack(struct tunnel *t, struct parcel_tunnel *ret)
{
	nsec_t start;

	if (t->up.sending > 0 || t->down.sending > 0 ||
	    (t->up.over && t->down.over))
		return -ENOTSUP;
	ret->up_over = t->up.over;
	ret->down_over = t->down.over;
	ret->up_passed = t->up.passed;
	ret->down_passed = t->down.passed;
	ret->frame_left = t->frames.left;
	memcpy(ret->frame_head, t->frames.head, sizeof(ret->frame_head));
	ret->frame_have = t->frames.have;
	ret->idle = t->idle;
	ret->live = t->w->live->seed;
	if (t->load != NULL)
		ret->load = 1 + (uint32_t)(((char *)t->load -
		    (char *)t->w->live->loads) / sizeof(*t->w->live->loads));
	ret->has_line = t->line != NULL;
	if (t->line != NULL) {
		access_deferred_get(t->line, &ret->line, &start);
		ret->line_age = ring_now(t->w->ring) - start;
		if (ret->line.n > PARCEL_LINE_MAX)
			return -ENOTSUP;
	}
	return pack_side(&t->stream, 1, &ret->server);
}

static void
take_state(struct tunnel *t, const struct parcel_tunnel *p)
{
	t->up.over = p->up_over;
	t->down.over = p->down_over;
	t->up.passed = p->up_passed;
	t->down.passed = p->down_passed;
	t->frames.left = p->frame_left;
	memcpy(t->frames.head, p->frame_head, sizeof(t->frames.head));
	t->frames.have = p->frame_have;
	t->idle = p->idle;
	t->ends = NSEC_NEVER;
	/* Another live state has other servers under these numbers. */
	if (p->load != 0 && p->live == t->w->live->seed)
		t->load = &t->w->live->loads[p->load - 1].in_flight[t->w->id];
	if (t->load != NULL && atomic_load_explicit(t->load,
	    memory_order_relaxed) == UINT16_MAX)
		t->load = NULL;
	if (t->load != NULL)
		live_bump(*t->load, 1);
}

int
tunnel_take(struct conn *c, const struct parcel_tunnel *p, int fd)
{
	struct worker *w = c->w;
	struct tunnel *t = calloc(1, sizeof(*t));
	struct sock *s = t != NULL ? sock_new(w->ring, fd) : NULL;

	if (s == NULL) {
		close(fd);
		free(t);
		return -ENOMEM;
	}
	t->w = w;
	stream_init(&t->stream, s, NULL);
	t->server = (struct tunnel_end){ &server_ops, &t->stream };
	join(t, conn_end(t, c));
	take_state(t, p);
	if (unpack_side(w, &t->stream, &p->server) < 0 || (p->has_line &&
	    (t->line = access_deferred_new(p->line, ring_now(w->ring) -
	    p->line_age)) == NULL)) {
		tunnel_free(t);
		c->tunnel = NULL;
		return -ENOMEM;
	}
	return 0;
}

void
tunnel_begin(struct tunnel *t, nsec_t until)
{
	struct conn *c = t->client.p;

	c->state = CONN_TUNNEL;
	if (stream_has_unread(&c->st) || stream_has_unread(&t->stream)) {
		tunnel_wake(t);
		return;
	}
	t->quiet_until = until;
	timer_set(t->w->ring, &t->timer, until);
	stream_park(&c->st);
	stream_park(&t->stream);
}
