/* SPDX-License-Identifier: BSD-2-Clause */
/* Diagnostics: their one-line form and the nearest known word. */
#include "diag.h"

#include "unit.h"

START_TEST(lines)
{
	struct diags d = { 0 };
	struct buf out = BUF_INIT;
	char name[] = "f.yml";
	struct object o = { .name = (char *)(size_t)"bi@file",
	    .place = { name, 3, 7 } };
	static const char *const want[] = {
		"f.yml:3:7: error: one 1",
		"f.yml: warning: two",
		"error: router x: three",
		"f.yml:3:7: error: router bi@file: four",
		"f.yml:3:7: error: router bi@file: five",
	};

	diag_add(&d, DIAG_FILE, (struct place){ name, 3, 7 }, NULL, "one %d",
	    1);
	diag_add(&d, DIAG_WARNING, (struct place){ name, 0, 0 }, NULL, "two");
	diag_add(&d, DIAG_OBJECT, (struct place){ NULL, 0, 0 }, "router x",
	    "three");
	diag_object(&d, &o, "router", VERDICT_UNUSABLE, "four");
	/* The first reason stays, and so does the worse verdict. */
	diag_object(&d, &o, "router", VERDICT_BROKEN, "five");
	ck_assert_str_eq(o.why, "four");
	ck_assert_int_eq(o.verdict, VERDICT_UNUSABLE);
	name[0] = 'g';	/* the file's name was copied */
	ck_assert_uint_eq(d.n, ARRAY_SIZE(want));
	for (unsigned i = 0; i < d.n; i++) {
		buf_reset(&out);
		diag_format(&d.v[i], &out);
		ck_assert_str_eq(buf_cstr(&out), want[i]);
	}
	ck_assert_uint_eq(d.count[DIAG_FILE], 1);
	ck_assert_uint_eq(d.count[DIAG_WARNING], 1);
	ck_assert_uint_eq(d.count[DIAG_OBJECT], 3);
	buf_fini(&out);
	diags_fini(&d);
	ck_assert_uint_eq(d.n, 0);
}
END_TEST

/* What a file says cannot begin a line or command a terminal. */
START_TEST(control_bytes)
{
	struct diags d = { 0 };
	struct buf out = BUF_INIT;

	diag_add(&d, DIAG_FILE, (struct place){ NULL, 0, 0 }, "router a\nb",
	    "unknown key \"%s\"", "\x1b[31m\r\x7f \xc3\xa9");
	diag_format(&d.v[0], &out);
	ck_assert_str_eq(buf_cstr(&out), "error: router a\\x0ab: unknown key "
	    "\"\\x1b[31m\\x0d\\x7f \xc3\xa9\"");
	buf_fini(&out);
	diags_fini(&d);
}
END_TEST

START_TEST(many)
{
	struct diags d = { 0 };

	for (unsigned i = 0; i < 1000; i++)
		diag_add(&d, DIAG_OBJECT, (struct place){ 0 }, NULL, "%u", i);
	ck_assert_uint_eq(d.count[DIAG_OBJECT], 1000);
	ck_assert_str_eq(d.v[999].text, "999");
	diags_fini(&d);
}
END_TEST

START_TEST(nearest)
{
	static const char *const words[] = { "address", "asDefault",
	    "middlewares", "rateLimit", "tls", "to", NULL };
	static const struct { const char *in, *out; } rows[] = {
		{ "address", "address" }, { "adress", "address" },
		{ "addres", "address" }, { "adderss", "address" },
		{ "ADDRESS", "address" }, { "asdefault", "asDefault" },
		{ "middleware", "middlewares" }, { "ratelimits", "rateLimit" },
		{ "tsl", "tls" }, { "tl", "tls" }, { "ot", "to" },
		{ "nothing-like-it", NULL }, { "xyzzy", NULL },
	};
	char longest[300];

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const char *got = diag_nearest(str_c(rows[i].in), words);

		ck_assert_msg(got == rows[i].out || (got != NULL &&
		    rows[i].out != NULL && strcmp(got, rows[i].out) == 0),
		    "%s: %s", rows[i].in, got != NULL ? got : "none");
	}
	memset(longest, 'a', sizeof(longest));
	ck_assert_ptr_null(diag_nearest(str_n(longest, 65), words));
	ck_assert_ptr_null(diag_nearest(str_n(longest, sizeof(longest)),
	    words));
}
END_TEST

UNIT_MAIN("diag", lines, control_bytes, many, nearest)
