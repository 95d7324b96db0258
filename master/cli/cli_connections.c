/* SPDX-License-Identifier: BSD-2-Clause */
/* akkod connections. */
#include "cli.h"

#include "cli_table.h"

#include <stdio.h>

static void
add_numbers(struct text_table *t, const json_t *w)
{
	static const char *const keys[] = { "worker", "all", "plain", "tlsOwn",
	    "tlsOpenSSL", "http2", "idle", "active", "tunnels" };
	char text[32];

	for (unsigned i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		(void)snprintf(text, sizeof(text), "%lld", cli_number(w,
		    keys[i]));
		text_table_add(t, text);
	}
}

static void
add_oldest(struct text_table *t, const json_t *w, const json_t *c)
{
	char text[64];

	(void)snprintf(text, sizeof(text), "%lld", cli_number(w, "worker"));
	text_table_add(t, text);
	(void)snprintf(text, sizeof(text), "%s %lld", cli_text(c, "client"),
	    cli_number(c, "port"));
	text_table_add(t, text);
	text_table_add(t, cli_text(c, "entryPoint"));
	(void)snprintf(text, sizeof(text), "%s%s", json_is_true(
	    json_object_get(c, "http2")) ? "HTTP/2" : "HTTP/1", json_is_true(
	    json_object_get(c, "tls")) ? ", TLS" : "");
	text_table_add(t, text);
	text_table_add(t, cli_text(c, "state"));
	(void)snprintf(text, sizeof(text), "%lld", cli_number(c, "requests"));
	text_table_add(t, text);
	(void)snprintf(text, sizeof(text), "%lld s", cli_number(c, "age"));
	text_table_add(t, text);
}

static void
print_connections(const json_t *answer)
{
	static const char *const kinds[] = { "WORKER", "ALL", "PLAIN",
	    "TLS OWN", "TLS OPENSSL", "HTTP/2", "IDLE", "ACTIVE", "TUNNELS",
	    NULL };
	static const char *const oldest[] = { "WORKER", "OLDEST CLIENTS",
	    "ENTRY POINT", "PROTOCOL", "STATE", "REQUESTS", "AGE", NULL };
	struct text_table *t, *o;
	json_t *w, *one;
	size_t i, k;

	t = text_table_new(kinds);
	o = text_table_new(oldest);
	json_array_foreach(json_object_get(answer, "workers"), i, w) {
		add_numbers(t, w);
		json_array_foreach(json_object_get(w, "oldest"), k, one)
			add_oldest(o, w, one);
	}
	text_table_print(t, stdout, text_table_width());
	printf("\n");
	text_table_print(o, stdout, text_table_width());
	text_table_free(t);
	text_table_free(o);
}

int
cli_connections(const struct cli *c)
{
	return cli_show(c, "connections", print_connections);
}
