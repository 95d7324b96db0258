/* SPDX-License-Identifier: BSD-2-Clause */
/* Uploads; see upload.h. */
#include "upload.h"

#include "h2_call.h"
#include "upstream.h"
#include "worker.h"

#include <errno.h>

#define REPEAT_MAX	(16 * 1024)	/* bytes kept to be sent once more */

static int
client_failed(struct upload *p, int r)
{
	p->why = r == -ETIMEDOUT ? REASON_BODY_TIMEOUT :
	    r == -EBADMSG ? REASON_BAD_CHUNK : REASON_CLIENT_GONE;
	return -EREMOTEIO;
}

/*
 * All is sent: the buffer goes back, so that the client is watched again. On
 * HTTP/2 a server may still say that it did not look at it.
 */
static int
let_go(struct fiber *f, struct upload *p)
{
	struct exchange *x = p->x;
	struct str rest;

	if (p->u->h2 != NULL && p->pieces == 1) {
		p->piece = p->piece.n <= REPEAT_MAX ? arena_dup(&x->arena,
		    p->piece) : STR_NONE;
		if (p->piece.p == NULL)
			p->pieces++;
	}
	(void)x->body->read(f, x, x->body, NULL, &rest);
	return 0;
}

/* As upload_send(); -EINTR when the answer has begun. */
static int
send_rest(struct fiber *f, struct upload *p, struct upstream *watch)
{
	struct exchange *x = p->x;
	struct str data;
	int r;

	while ((r = x->body->read(f, x, x->body, watch, &data)) > 0) {
		p->piece = data;
		p->pieces++;
		r = upstream_send_body(f, p->u, x->req.framing, data,
		    x->body->done);
		if (r < 0)
			return r;
		if (x->body->done)
			return let_go(f, p);
	}
	if (r == 0)			/* the end came alone */
		return upstream_send_body(f, p->u, x->req.framing, STR_NONE,
		    true);
	return r == -EINTR ? r : client_failed(p, r);
}

/* The upload's own fiber. Who relays the answer hears of a failure by it. */
static void
go_on(struct fiber *f, void *arg)
{
	struct upload *p = arg;
	int r = h2_call_wait_sent(f, p->u);

	fiber_set_object(f, p);
	if (r == 0 && !p->x->body->done)
		r = send_rest(f, p, NULL);
	if (r == -EREMOTEIO)
		h2_call_cancel(p->u->h2);
	p->f = NULL;
	if (p->owner != NULL)
		fiber_wake(p->owner);
}

/* An answer began while there was more to send. */
static void
answered(struct upload *p)
{
	struct h2_call *c = p->u->h2;

	if (c != NULL && c->final && !c->closed && p->x->body->duplex) {
		c->duplex = true;
		p->f = fiber_start(p->x->w->ring, go_on, p, "upload");
	}
	p->u->broken |= p->f == NULL;
}

int
upload_send(struct fiber *f, struct upload *p, struct upstream *u)
{
	int r;

	p->u = u;
	if (p->pieces > 0)
		r = upstream_send_body(f, u, p->x->req.framing, p->piece,
		    true);
	else
		r = send_rest(f, p, u);
	if (r != -EINTR)
		return r;
	answered(p);
	return 0;
}

bool
upload_repeatable(const struct upload *p)
{
	return p->x->req.framing == FRAMING_NONE || p->pieces == 0 ||
	    (p->pieces == 1 && p->x->body->done);
}

void
upload_stop(struct fiber *f, struct upload *p)
{
	if (p->f == NULL)
		return;
	p->owner = f;
	fiber_cancel(p->f);
	while (p->f != NULL)
		fiber_wait_quiet(f);
}
