/* SPDX-License-Identifier: BSD-2-Clause */
/* akkod routes. */
#include "cli.h"

#include "buf.h"
#include "cli_table.h"

#include <stdlib.h>
#include <string.h>

static void
join(struct buf *b, const json_t *list)
{
	json_t *v;
	size_t i;

	buf_reset(b);
	json_array_foreach(list, i, v) {
		if (i != 0)
			buf_putc(b, ',');
		buf_puts(b, str_c(json_string_value(v)));
	}
}

static void
add_row(struct text_table *t, const char *name, const json_t *r,
    struct buf *b)
{
	text_table_add(t, name);
	join(b, json_object_get(r, "using"));
	text_table_add(t, buf_cstr(b));
	text_table_add(t, cli_text(r, "rule"));
	join(b, json_object_get(r, "middlewares"));
	text_table_add(t, buf_cstr(b));
	text_table_add(t, cli_text(r, "service"));
	text_table_add(t, cli_text(r, "status"));
	text_table_add(t, cli_text(r, "object"));
}

/* What is wrong, in whole lines: a table would cut it. */
static void
print_errors(const char *kind, const json_t *all)
{
	const char *name;
	json_t *o, *why;
	size_t i;

	json_object_foreach((json_t *)(size_t)all, name, o)
		json_array_foreach(json_object_get(o, "error"), i, why)
			printf("%s %s (%s): %s\n", kind, name,
			    cli_text(o, "object"), json_string_value(why));
}

static void
print_routes(const json_t *answer)
{
	static const char *const heads[] = { "ROUTER", "ENTRY POINTS", "RULE",
	    "MIDDLEWARES", "SERVICE", "STATUS", "OBJECT", NULL };
	json_t *routers = json_object_get(answer, "routers"), *r;
	struct text_table *t = text_table_new(heads);
	struct buf b = BUF_INIT;
	const char *name;

	json_object_foreach(routers, name, r)
		add_row(t, name, r, &b);
	text_table_print(t, stdout, text_table_width());
	text_table_free(t);
	buf_fini(&b);
	print_errors("router", routers);
	print_errors("middleware", json_object_get(answer, "middlewares"));
	print_errors("service", json_object_get(answer, "services"));
}

int
cli_routes(const struct cli *c)
{
	return cli_show(c, "routes", print_routes);
}
