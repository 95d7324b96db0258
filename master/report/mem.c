/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * akkod mem: what each process takes, by the kernel's count, and what the
 * shared parts are. A process's own part can only be told from what it shares
 * where the kernel lets one look (as root); else pss is absent.
 */
#include "report.h"

#include "master.h"

#include <stdio.h>
#include <unistd.h>

/* Lines "Name:   123 kB" of a file of /proc as bytes under other names. */
static void
add_figures(json_t *o, int pid, const char *file,
    const char *const (*wanted)[2], unsigned n)
{
	char path[64], line[256], name[64];
	unsigned long long kib;
	FILE *f;

	(void)snprintf(path, sizeof(path), "/proc/%d/%s", pid, file);
	if ((f = fopen(path, "re")) == NULL)
		return;
	while (fgets(line, sizeof(line), f) != NULL) {
		if (sscanf(line, "%63[^:]: %llu kB", name, &kib) != 2)
			continue;
		for (unsigned i = 0; i < n; i++)
			if (strcmp(wanted[i][0], name) == 0)
				json_object_set_new(o, wanted[i][1],
				    json_integer((json_int_t)(kib * 1024)));
	}
	(void)fclose(f);
}

static json_t *
process_json(int pid, const char *role)
{
	static const char *const status[][2] = { { "VmRSS", "rss" },
	    { "RssAnon", "private" }, { "RssFile", "file" },
	    { "RssShmem", "shared" }, { "VmHWM", "most" } };
	static const char *const rollup[][2] = { { "Pss", "pss" },
	    { "Swap", "swap" } };
	json_t *o = json_pack("{s:s, s:i}", "role", role, "pid", pid);

	add_figures(o, pid, "status", status, ARRAY_SIZE(status));
	add_figures(o, pid, "smaps_rollup", rollup, ARRAY_SIZE(rollup));
	return o;
}

static void
add_worker(json_t *list, const struct worker_slot *s)
{
	json_t *o = process_json(s->pid, "worker");

	json_object_set_new(o, "worker", json_integer(s->id));
	json_object_set_new(o, "connections",
	    json_integer((json_int_t)s->status.connections));
	json_object_set_new(o, "fibers",
	    json_integer((json_int_t)s->status.fibers));
	json_object_set_new(o, "buffers",
	    json_integer((json_int_t)s->status.buffers));
	json_object_set_new(o, "tlsOwn",
	    json_integer((json_int_t)s->status.tls_own));
	json_object_set_new(o, "tlsOpenSSL",
	    json_integer((json_int_t)s->status.tls_openssl));
	json_array_append_new(list, o);
}

json_t *
mem_report(struct view *v, const json_t *request, char *err,
    size_t err_size)
{
	const struct master *m = v->m;
	json_t *list = json_array();

	(void)request;
	(void)err;
	(void)err_size;
	/* This is a copy: the master is its parent. */
	json_array_append_new(list, process_json((int)getppid(), "master"));
	for (unsigned i = 0; i < WORKERS_MAX; i++)
		if (m->slots[i].pid > 0)
			add_worker(list, &m->slots[i]);
	if (dns_pid(m) > 0)
		json_array_append_new(list, process_json((int)dns_pid(m),
		    "controller"));
	return json_pack("{s:o, s:{s:I, s:I}, s:{s:I}}", "processes", list,
	    "table", "bytes", (json_int_t)v->t.bytes, "generation",
	    (json_int_t)v->t.hdr->generation, "live", "bytes",
	    (json_int_t)sizeof(struct live));
}
