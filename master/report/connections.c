/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * akkod connections: every worker counts what clients' connections it has and
 * tells of the oldest. One that does not answer within a second is left out.
 */
#include "master.h"

#include "writer.h"

#include <string.h>

#define ANSWER_TIME	NSEC_SEC

static const char *
state_name(unsigned state)
{
	/* As enum conn_state; master and worker share no header. */
	static const char *const names[] = { "idle", "active", "lingering",
	    "tunnel" };

	return state < ARRAY_SIZE(names) ? names[state] : "?";
}

static json_t *
connection_json(const struct msg_connection *c)
{
	char peer[ADDR_TEXT], name[sizeof(c->entry_point)];
	json_t *o;

	memcpy(name, c->entry_point, sizeof(name));
	name[sizeof(name) - 1] = '\0';
	o = json_pack("{s:s, s:i, s:o, s:b, s:b, s:s, s:I, s:I}", "client",
	    addr_text(&c->peer, peer), "port", (int)c->peer_port,
	    "entryPoint", write_text(name), "tls", (int)(c->tls != 0),
	    "http2", (int)(c->http2 != 0), "state", state_name(c->state),
	    "requests", (json_int_t)c->requests, "age",
	    (json_int_t)(c->age_ns / NSEC_SEC));
	return o;
}

void
connections_answer(struct worker_slot *s, const struct msg_connections *msg)
{
	json_t *list, *o;

	if (s->m->nconnections_clients == 0)
		return;		/* too late: whoever asks next wants news */
	list = json_array();
	o = json_pack("{s:i, s:i, s:I, s:I, s:I, s:I, s:I, s:I, s:I, "
	    "s:I, s:I, s:I, s:b, s:o}", "worker", (int)s->id, "pid",
	    (int)s->pid, "all", (json_int_t)msg->all, "plain",
	    (json_int_t)msg->plain, "tls", (json_int_t)msg->tls, "tlsOwn",
	    (json_int_t)msg->tls_own, "tlsOpenSSL",
	    (json_int_t)msg->tls_openssl, "http2", (json_int_t)msg->http2,
	    "idle", (json_int_t)msg->parked, "active",
	    (json_int_t)msg->serving, "lingering", (json_int_t)msg->lingering,
	    "tunnels", (json_int_t)msg->tunnels, "partial",
	    (int)(msg->looked < msg->all), "oldest", list);

	for (uint32_t i = 0; i < msg->n && i < MSG_OLDEST; i++)
		json_array_append_new(list, connection_json(&msg->oldest[i]));
	json_decref(s->connections);
	s->connections = o;
	connections_progress(s->m);
}

static void
answer(struct master *m)
{
	json_t *list = json_array();

	loop_at(m->loop, &m->connections_timer, NSEC_NEVER);
	for (unsigned i = 0; i < WORKERS_MAX; i++) {
		if (m->slots[i].connections != NULL)
			json_array_append_new(list, m->slots[i].connections);
		m->slots[i].connections = NULL;
	}
	for (unsigned i = 0; i < m->nconnections_clients; i++)
		control_end(m->control, m->connections_clients[i],
		    json_pack("{s:b, s:O}", "ok", 1, "workers", list));
	m->nconnections_clients = 0;
	json_decref(list);
}

static void
late(struct timer_at *t)
{
	answer(t->arg);
}

void
connections_progress(struct master *m)
{
	if (m->nconnections_clients == 0)
		return;
	for (unsigned i = 0; i < WORKERS_MAX; i++)
		if (m->slots[i].control >= 0 &&
		    m->slots[i].connections == NULL)
			return;
	answer(m);
}

void
connections_ask(struct master *m, uint64_t client)
{
	if (m->nconnections_clients == ARRAY_SIZE(m->connections_clients)) {
		control_fail(m->control, client, "too many are asking");
		return;
	}
	m->connections_clients[m->nconnections_clients++] = client;
	if (m->nconnections_clients > 1)
		return;		/* they have been asked */
	supervise_send_all(m, MSG_CONNECTIONS, NULL, 0, NULL, 0);
	m->connections_timer.fire = late;
	m->connections_timer.arg = m;
	loop_at(m->loop, &m->connections_timer, clock_mono() + ANSWER_TIME);
	connections_progress(m);
}
