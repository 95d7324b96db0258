/* SPDX-License-Identifier: BSD-2-Clause */
/* What reading a text as a configuration says, for tests. */
#ifndef CONFIG_SAID_H
#define CONFIG_SAID_H

#include "load.h"
#include "unit.h"

/* One line per diagnostic: "f.yml:1:2: error: ...". Valid until the next. */
static const char *
config_said(struct str text)
{
	static struct buf out;
	struct diags d = { 0 };
	struct config *c = NULL;
	int r = config_load_text("f.yml", text, &c, &d);

	ck_assert_int_eq(r, d.count[DIAG_FILE] != 0 ? -22 : 0);
	buf_reset(&out);
	for (unsigned i = 0; i < d.n; i++) {
		diag_format(&d.v[i], &out);
		buf_putc(&out, '\n');
	}
	config_free(c);
	diags_fini(&d);
	return buf_cstr(&out);
}

/* Reads a text that is without fault; the caller frees. */
__attribute__((unused)) static struct config *
config_good(const char *text)
{
	struct diags d = { 0 };
	struct config *c = NULL;

	(void)config_load_text("f.yml", str_c(text), &c, &d);
	ck_assert_msg(d.n == 0 && c != NULL, "%s: %s", text, d.n != 0 ?
	    d.v[0].text : "");
	diags_fini(&d);
	return c;
}

#endif
