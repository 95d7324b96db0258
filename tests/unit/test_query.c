/* SPDX-License-Identifier: BSD-2-Clause */
/* Query strings, read as Go's url.ParseQuery does. */
#include "query.h"

#include "unit.h"

#include <stdio.h>

/* "key=value|..." of all pairs, into a static buffer. */
static const char *
all(struct str rest, size_t cap)
{
	static char out[1024];
	char key[64], value[64];
	struct str k, v;
	size_t n = 0;

	out[0] = '\0';
	while (query_next(&rest, key, value, cap, &k, &v))
		n += (size_t)snprintf(out + n, sizeof(out) - n, "%.*s=%.*s|",
		    STR_ARG(k), STR_ARG(v));
	ck_assert_uint_eq(rest.n, 0);
	return out;
}

START_TEST(pairs)
{
	static const struct { const char *in, *out; } rows[] = {
		{ "", "" },
		{ "a=1", "a=1|" },
		{ "a=1&b=2", "a=1|b=2|" },
		{ "a", "a=|" },
		{ "a=", "a=|" },
		{ "=1", "=1|" },
		{ "=", "=|" },
		{ "a=b=c", "a=b=c|" },
		{ "&&a=1&&", "a=1|" },
		{ "a+b=c+d", "a b=c d|" },
		{ "a%20b=%41", "a b=A|" },
		{ "%61=%3d%26", "a==&|" },
		{ "a=1&a=2", "a=1|a=2|" },
		/* What does not decode is left out, the rest counts. */
		{ "a=%zz&b=2", "b=2|" },
		{ "%=1&b=2", "b=2|" },
		{ "a=%4&b=%", "" },
		{ "a=1;b=2&c=3", "c=3|" },
		{ "a;&b", "b=|" },
		{ "\xc3\xa9=\xff", "\xc3\xa9=\xff|" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		ck_assert_str_eq(all(str_c(rows[i].in), 64), rows[i].out);
}
END_TEST

/* Pairs that are too long are left out, the ones that just fit are not. */
START_TEST(bounds)
{
	ck_assert_str_eq(all(STR("abcd=1&abcde=2&k=1234&k=12345"), 4),
	    "abcd=1|k=1234|");
	ck_assert_str_eq(all(STR("%61%62%63%64=1"), 4), "abcd=1|");
}
END_TEST

UNIT_MAIN("query", pairs, bounds)
