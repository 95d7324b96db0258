/* SPDX-License-Identifier: BSD-2-Clause */
/* akkod mem. */
#include "cli.h"

#include "cli_table.h"

#include <stdio.h>

static void
add_size(struct text_table *t, const json_t *o, const char *key)
{
	char text[32];

	if (json_object_get(o, key) == NULL)
		(void)snprintf(text, sizeof(text), "?");
	else
		(void)snprintf(text, sizeof(text), "%.1f MiB",
		    (double)cli_number(o, key) / (1 << 20));
	text_table_add(t, text);
}

static void
print_mem(const json_t *answer)
{
	static const char *const heads[] = { "PROCESS", "PID", "RSS", "PSS",
	    "PRIVATE", "SHARED", "CONNECTIONS", "FIBERS", "BUFFERS", NULL };
	struct text_table *t = text_table_new(heads);
	json_t *o;
	size_t i;

	json_array_foreach(json_object_get(answer, "processes"), i, o) {
		bool worker = json_object_get(o, "worker") != NULL;
		static const char *const counts[] = { "connections", "fibers",
		    "buffers" };
		char text[32];

		(void)snprintf(text, sizeof(text), worker ? "%s %lld" : "%s",
		    cli_text(o, "role"), cli_number(o, "worker"));
		text_table_add(t, text);
		(void)snprintf(text, sizeof(text), "%lld", cli_number(o,
		    "pid"));
		text_table_add(t, text);
		add_size(t, o, "rss");
		add_size(t, o, "pss");
		add_size(t, o, "private");
		add_size(t, o, "shared");
		for (unsigned k = 0; k < 3; k++) {
			(void)snprintf(text, sizeof(text), "%lld",
			    cli_number(o, counts[k]));
			text_table_add(t, worker ? text : "");
		}
	}
	text_table_print(t, stdout, text_table_width());
	text_table_free(t);
	printf("table: %lld bytes, generation %lld; live state: %lld bytes, "
	    "of which is used what is touched\n",
	    cli_number(json_object_get(answer, "table"), "bytes"),
	    cli_number(json_object_get(answer, "table"), "generation"),
	    cli_number(json_object_get(answer, "live"), "bytes"));
}

int
cli_mem(const struct cli *c)
{
	int r;
	/* Workers tell what they have when they are asked for their status. */
	json_t *answer = cli_ask(c, json_pack("{s:s}", "command", "status"),
	    &r);

	if (answer == NULL)
		return r;
	json_decref(answer);
	return cli_show(c, "mem", print_mem);
}
