/* SPDX-License-Identifier: BSD-2-Clause */
/* akkod dump. */
#include "cli.h"

#include "writer.h"

#include <stdio.h>

int
cli_dump(const struct cli *c)
{
	int r;
	json_t *answer = cli_ask(c, json_pack("{s:s, s:b}", "command", "dump",
	    "defaults", (int)c->defaults), &r);
	json_t *config = json_object_get(answer, "config");
	struct buf text = BUF_INIT;

	if (answer == NULL)
		return r;
	if (c->json) {
		json_incref(config);
		json_decref(answer);
		return cli_print_json(config);
	}
	if (write_yaml(config, &text) == 0)
		(void)fwrite(text.p, 1, text.n, stdout);
	buf_fini(&text);
	json_decref(answer);
	return CLI_OK;
}
