/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Part of akkod status: the servers whose health is looked after, as the live
 * state has them. Which they are stands in the table that the workers serve.
 */
#include "master.h"

#include "live.h"
#include "memfd.h"
#include "table.h"

bool
server_up(const struct master *m, const struct tservice *sv, uint32_t slot)
{
	const struct live_server *l;

	if (slot >= LIVE_SERVERS || m->live == NULL)
		return true;
	l = &m->live->servers[slot];
	return sv->check != TNONE ? atomic_load(&l->down) == 0 :
	    !live_server_is_out(l, sv->failure_window_ns, clock_mono());
}

static json_t *
server_json(const struct master *m, const struct table *t,
    const struct tservice *sv, const struct tserver *s, uint32_t slot)
{
	const struct live_server *l = &m->live->servers[slot];
	struct str name = table_str(t, sv->name), url = table_str(t, s->url);
	bool active = sv->check != TNONE;	/* passive: no probes */
	int64_t changed = atomic_load(&l->changed);
	uint32_t result = atomic_load(&l->result);
	char text[LIVE_RESULT_TEXT];
	json_t *o = json_pack("{s:s%, s:s%, s:b}", "service", name.p, name.n,
	    "url", url.p, url.n, "up", (int)server_up(m, sv, slot));

	json_object_set_new(o, "probe", active && result != 0 ? json_string(
	    live_result_text(result, text)) : json_null());
	json_object_set_new(o, "since", changed != 0 ? json_integer(
	    changed / NSEC_SEC) : json_null());
	return o;
}

static void
add_probed(const struct master *m, const struct table *t,
    const struct tcheck *k, json_t *list)
{
	const struct tservice *sv = table_service(t, k->service);
	const struct tprobe *v = TABLE_VEC(t, k->probes, struct tprobe);

	for (uint32_t i = 0; i < k->probes.n; i++)
		if (v[i].live_slot < LIVE_SERVERS)
			json_array_append_new(list, server_json(m, t, sv,
			    table_server(t, v[i].server), v[i].live_slot));
}

static void
add_passive(const struct master *m, const struct table *t,
    const struct tservice *sv, json_t *list)
{
	const uint32_t *v = TABLE_VEC(t, sv->servers, uint32_t);

	for (uint32_t i = 0; i < sv->servers.n; i++) {
		const struct tserver *s = table_server(t, v[i]);

		if (s->live_slot < LIVE_SERVERS)
			json_array_append_new(list, server_json(m, t, sv, s,
			    s->live_slot));
	}
}

json_t *
servers_status(const struct master *m)
{
	json_t *list = json_array();
	const void *image;
	const char *why;
	struct table t;
	size_t bytes;

	if (m->now.number == 0 || memfd_map(m->now.table_fd, &image,
	    &bytes) < 0)
		return list;
	if (table_check(image, bytes, &t, &why) == 0) {
		for (uint32_t i = 0; i < t.hdr->checks.n; i++)
			add_probed(m, &t, table_tcheck(&t, i), list);
		for (uint32_t i = 0; i < t.hdr->services.n; i++) {
			const struct tservice *sv = table_service(&t, i);

			if (sv->failure_window_ns != 0 && sv->check == TNONE)
				add_passive(m, &t, sv, list);
		}
	}
	memfd_unmap(image, bytes);
	return list;
}
