/* SPDX-License-Identifier: BSD-2-Clause */
/* What client connections a worker has; see look.h. */
#include "look.h"

#include "conn.h"
#include "context.h"
#include "msg.h"

#include <stdio.h>

#define LOOK_MAX	100000	/* some 10 ms: clients wait meanwhile */

static void
count(struct msg_connections *m, const struct conn *c)
{
	m->plain += c->st.tls == NULL;
	m->tls += c->st.tls != NULL;
	m->http2 += c->h2 != NULL;
	m->parked += c->state == CONN_PARKED;
	m->serving += c->state == CONN_SERVING;
	m->lingering += c->state == CONN_LINGERING;
	m->tunnels += c->state == CONN_TUNNEL;
}

static void
describe(struct msg_connection *m, const struct conn *c, nsec_t now)
{
	*m = (struct msg_connection){ .age_ns = now - c->accepted,
	    .peer = c->peer, .peer_port = c->peer_port,
	    .tls = c->st.tls != NULL, .http2 = c->h2 != NULL,
	    .state = c->state, .requests = c->requests };
	(void)snprintf(m->entry_point, sizeof(m->entry_point), "%s",
	    c->l->name);
}

void
look_at_connections(const struct worker *w, struct msg_connections *ret)
{
	const struct conn *oldest[MSG_OLDEST] = { NULL };
	nsec_t now = ring_now(w->ring);
	struct tls_stats ts;

	*ret = (struct msg_connections){ .all = w->nconns };
	tls_contexts_stats(w->tls, &ts);
	ret->tls_own = (uint32_t)ts.own;
	ret->tls_openssl = (uint32_t)ts.openssl;
	/* New ones come in front, so the last ones are the oldest. */
	for (const struct conn *c = w->conns; c != NULL &&
	    ret->looked < LOOK_MAX; c = c->next) {
		count(ret, c);
		oldest[ret->looked++ % MSG_OLDEST] = c;
	}
	for (uint32_t i = ret->looked; ret->n < MSG_OLDEST && i > 0; i--)
		describe(&ret->oldest[ret->n++], oldest[(i - 1) % MSG_OLDEST],
		    now);
}
