/* SPDX-License-Identifier: BSD-2-Clause */
/* Failover; see failover.h. */
#include "failover.h"

#include "kept.h"
#include "service.h"

#include <errno.h>

#define DROP_MAX	(64 * 1024)	/* of an answer that does not count */

struct failover_sink {
	struct sink s;
	const struct tservice *sv;
	struct kept kept;
	bool failed;		/* the answer does not count */
	size_t dropped;
};

static const struct tservice *
child(const struct exchange *x, const struct tservice *sv, uint32_t i)
{
	return table_service(x->t, TABLE_VEC(x->t, sv->children,
	    struct tchild)[i].service);
}

static bool
listed(const struct exchange *x, const struct tservice *sv)
{
	const struct trange *v = TABLE_VEC(x->t, sv->statuses, struct trange);

	for (uint32_t i = 0; i < sv->statuses.n; i++)
		if (x->resp.status >= v[i].from && x->resp.status <= v[i].to)
			return true;
	return false;
}

static int
on_head(struct fiber *f, struct exchange *x, struct sink *sink)
{
	struct failover_sink *s = (struct failover_sink *)sink;

	/* Without all of the request there is no second try. */
	if (x->resp.status >= 200 && listed(x, s->sv) && kept_whole(&s->kept)) {
		s->failed = true;
		return 0;
	}
	return sink_head(f, x, sink->out);
}

static int
on_body(struct fiber *f, struct exchange *x, struct sink *sink,
    struct str data, bool last)
{
	struct failover_sink *s = (struct failover_sink *)sink;

	if (!s->failed)
		return sink_body(f, x, sink->out, data, last);
	/* A short one is read to its end, so that the connection stays. */
	s->dropped += data.n;
	x->enough |= s->dropped > DROP_MAX;
	return 0;
}

static ssize_t
on_splice(struct fiber *f, struct exchange *x, struct sink *sink,
    struct stream *from, size_t n)
{
	struct failover_sink *s = (struct failover_sink *)sink;

	return s->failed ? 0 : sink_splice(f, x, sink->out, from, n);
}

static int
fall_back(struct fiber *f, struct exchange *x, const struct tservice *sv)
{
	const struct tservice *other = child(x, sv, 1);

	if (sv->health && !service_up(x, other))
		return respond_error(f, x, 503, REASON_SERVICE_EMPTY,
		    STR("Service Unavailable"));
	return service_serve(f, x, other);
}

/* The exchange is again as before the first answer; other fields stay. */
static int
start_over(struct exchange *x, struct failover_sink *s, unsigned nfields)
{
	x->resp.fields.n = nfields;
	x->resp.trailers.n = 0;
	x->resp.no_body = false;
	x->reason = REASON_NONE;
	x->enough = false;
	x->facts.server = NULL;
	x->facts.origin_status = 0;
	return kept_again(&s->kept);
}

static int
no_memory(struct fiber *f, struct exchange *x)
{
	return respond_text(f, x, reason_status(REASON_NO_MEMORY),
	    REASON_NO_MEMORY, status_text(reason_status(REASON_NO_MEMORY)));
}

/* What was kept of the request is not all of it. */
static int
not_kept(struct fiber *f, struct exchange *x, bool no_room)
{
	return no_room ? no_memory(f, x) : respond_error(f, x, 413,
	    REASON_BODY_TOO_LARGE, STR("Request body too large"));
}

/* Serves by the first service unless its answer does not count. */
static int
try_first(struct fiber *f, struct exchange *x, struct failover_sink *s)
{
	unsigned nfields = x->resp.fields.n;
	int r;

	/* A bound holds before anybody is asked (proxy.md 3.4). */
	if (s->sv->max_body >= 0 && (r = kept_fill(f, &s->kept)) < 0)
		return not_kept(f, x, r != -EMSGSIZE);
	sink_push(x, &s->s);
	r = service_serve(f, x, child(x, s->sv, 0));
	x->sink = s->s.out;
	if (r < 0 || !s->failed)
		return r;
	if ((r = start_over(x, s, nfields)) < 0)
		return r;
	x->facts.service = s->sv;
	/* The body may have gone on behind the answer's head, for too long. */
	if (s->kept.lost)
		return not_kept(f, x, s->kept.no_room);
	return fall_back(f, x, s->sv);
}

int
failover_serve(struct fiber *f, struct exchange *x, const struct tservice *sv)
{
	struct failover_sink s = { .s = { .head = on_head, .body = on_body,
	    .splice = on_splice }, .sv = sv };
	int r;

	if (!service_up(x, child(x, sv, 0)))
		return fall_back(f, x, sv);
	if (sv->statuses.n == 0)
		return service_serve(f, x, child(x, sv, 0));
	r = kept_begin(&s.kept, x, sv->max_body);
	r = r < 0 ? no_memory(f, x) : try_first(f, x, &s);
	kept_end(&s.kept);
	return r;
}
