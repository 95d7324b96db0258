/* SPDX-License-Identifier: BSD-2-Clause */
/* Text in columns. */
#include "cli_table.h"
#include "unit.h"

#include <stdlib.h>

static const char *const heads[] = { "NAME", "WHAT", "STATUS", NULL };

static char *
printed(unsigned width)
{
	struct text_table *t = text_table_new(heads);
	char *text = NULL;
	size_t n = 0;
	FILE *f = open_memstream(&text, &n);

	text_table_add(t, "a");
	text_table_add(t, "something that is rather long");
	text_table_add(t, "ok");
	text_table_add(t, "caf\xc3\xa9");
	text_table_add(t, "x\x1b[31m\n");
	text_table_add(t, NULL);
	text_table_print(t, f, width);
	(void)fclose(f);
	text_table_free(t);
	return text;
}

START_TEST(it_is_as_wide_as_it_is)
{
	char *text = printed(0);

	ck_assert_str_eq(text,
	    "NAME  WHAT                           STATUS\n"
	    "a     something that is rather long  ok\n"
	    "caf\xc3\xa9  x?[31m?                        \n");
	free(text);
}
END_TEST

START_TEST(it_fits_a_terminal)
{
	char *text = printed(30);

	ck_assert_str_eq(text,
	    "NAME  WHAT              STATUS\n"
	    "a     something that \xe2\x80\xa6  ok\n"
	    "caf\xc3\xa9  x?[31m?           \n");
	free(text);
	/* Not narrower than can be read. */
	text = printed(3);
	ck_assert_ptr_nonnull(strstr(text, "somethi\xe2\x80\xa6"));
	free(text);
}
END_TEST

UNIT_MAIN("cli_table", it_is_as_wide_as_it_is, it_fits_a_terminal)
