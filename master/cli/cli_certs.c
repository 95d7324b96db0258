/* SPDX-License-Identifier: BSD-2-Clause */
/* akkod certs. */
#include "cli.h"

#include "buf.h"
#include "cli_table.h"

#include <stdio.h>
#include <string.h>

static void
join(struct buf *b, const json_t *list)
{
	json_t *v;
	size_t i;

	json_array_foreach(list, i, v) {
		if (b->n != 0)
			buf_putc(b, ',');
		buf_puts(b, str_c(json_string_value(v)));
	}
}

static void
add_row(struct text_table *t, const json_t *c)
{
	struct buf names = BUF_INIT, hosts = BUF_INIT;
	const char *ep;
	json_t *list;

	join(&names, json_object_get(c, "names"));
	json_object_foreach(json_object_get(c, "hosts"), ep, list) {
		buf_printf(&hosts, "%s%s:", hosts.n != 0 ? " " : "", ep);
		for (size_t i = 0; i < json_array_size(list); i++)
			buf_printf(&hosts, "%s%s", i != 0 ? "," : "",
			    json_string_value(json_array_get(list, i)));
	}
	text_table_add(t, buf_cstr(&names));
	text_table_add(t, cli_text(c, "status"));
	text_table_add(t, cli_text(c, "notAfter"));
	text_table_add(t, cli_text(c, "keyType"));
	text_table_add(t, buf_cstr(&hosts));
	text_table_add(t, json_is_true(json_object_get(c, "default")) ?
	    "default" : "");
	text_table_add(t, cli_text(c, "object"));
	buf_fini(&names);
	buf_fini(&hosts);
}

static void
print_certs(const json_t *answer)
{
	static const char *const heads[] = { "NAMES", "STATUS", "EXPIRES",
	    "KEY", "HOSTS", "", "OBJECT", NULL };
	json_t *list = json_object_get(answer, "certificates"), *o, *why;
	struct text_table *t;
	size_t i, k;

	t = text_table_new(heads);
	json_array_foreach(list, i, o)
		add_row(t, o);
	text_table_print(t, stdout, text_table_width());
	text_table_free(t);
	json_array_foreach(list, i, o)
		json_array_foreach(json_object_get(o, "error"), k, why)
			printf("%s: %s\n", cli_text(o, "object"),
			    json_string_value(why));
}

int
cli_certs(const struct cli *c)
{
	return cli_show(c, "certs", print_certs);
}
