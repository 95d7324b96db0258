/* SPDX-License-Identifier: BSD-2-Clause */
/* Growing buffers: contents, sticky failure, JSON text. */
#include "buf.h"

#include "unit.h"

START_TEST(grows)
{
	struct buf b = BUF_INIT;

	ck_assert_str_eq(buf_cstr(&b), "");
	for (int i = 0; i < 10000; i++)
		buf_printf(&b, "%d,", i % 10);
	buf_puts(&b, STR("end"));
	buf_putc(&b, '.');
	ck_assert_uint_eq(b.n, 20004);
	ck_assert(!buf_failed(&b));
	ck_assert_uint_eq(strlen(buf_cstr(&b)), 20004);
	ck_assert(str_has_suffix(buf_str(&b), STR("9,end.")));
	memcpy(buf_space(&b, 3), "xyz", 3);
	ck_assert(str_has_suffix(buf_str(&b), STR(".xyz")));
	buf_reset(&b);
	ck_assert_uint_eq(b.n, 0);
	ck_assert_str_eq(buf_cstr(&b), "");
	buf_put(&b, NULL, 0);
	buf_puts(&b, STR_NONE);
	ck_assert_uint_eq(b.n, 0);
	buf_fini(&b);
	ck_assert_ptr_null(b.p);
}
END_TEST

START_TEST(failure_sticks)
{
	struct buf b = { .max = 8 };

	buf_puts(&b, STR("12345678"));
	ck_assert(!buf_failed(&b));
	buf_putc(&b, '9');
	ck_assert(buf_failed(&b));
	ck_assert_uint_eq(b.n, 8);
	ck_assert_ptr_null(buf_space(&b, 1));
	buf_printf(&b, "x");
	ck_assert_uint_eq(b.n, 8);
	ck_assert_str_eq(buf_cstr(&b), "");
	buf_reset(&b);
	buf_puts(&b, STR("ok"));
	ck_assert(!buf_failed(&b));
	ck_assert_str_eq(buf_cstr(&b), "ok");
	ck_assert_ptr_null(buf_space(&b, SIZE_MAX));
	ck_assert(buf_failed(&b));
	buf_fini(&b);
}
END_TEST

START_TEST(json)
{
	static const struct { const char *in, *out; } rows[] = {
		{ "", "\"\"" }, { "abc", "\"abc\"" },
		{ "a\"b\\c/", "\"a\\\"b\\\\c/\"" },
		{ "\n\t\r\b\x01\x1f\x7f",
		    "\"\\n\\t\\r\\u0008\\u0001\\u001f\\u007f\"" },
		{ "\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80",
		    "\"\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80\"" },
		/* What is no UTF-8: each byte by itself. */
		{ "a\xff", "\"a\xef\xbf\xbd\"" },
		{ "\xc3", "\"\xef\xbf\xbd\"" },
		{ "\xc0\xaf", "\"\xef\xbf\xbd\xef\xbf\xbd\"" },
		{ "\xed\xa0\x80",
		    "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"" },
		{ "\xf4\x90\x80\x80", "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"
		    "\xef\xbf\xbd\"" },
		{ "\xe2\x82", "\"\xef\xbf\xbd\xef\xbf\xbd\"" },
		{ "\xe2\x82x", "\"\xef\xbf\xbd\xef\xbf\xbdx\"" },
	};
	struct buf b = BUF_INIT;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		buf_reset(&b);
		buf_put_json(&b, str_c(rows[i].in));
		ck_assert_str_eq(buf_cstr(&b), rows[i].out);
	}
	buf_reset(&b);
	buf_put_json(&b, STR("a\0b"));
	ck_assert_str_eq(buf_cstr(&b), "\"a\\u0000b\"");
	buf_fini(&b);
}
END_TEST

UNIT_MAIN("buf", grows, failure_sticks, json)
