/* SPDX-License-Identifier: BSD-2-Clause */
/* PROXY protocol headers, whole and cut. */
#include "proxy_protocol.h"

#include "unit.h"

#include <errno.h>
#include <string.h>

#define SIG "\r\n\r\n\0\r\nQUIT\n"
#define LIT(s) s, sizeof(s) - 1

START_TEST(rows)
{
	static const struct {
		const char *p;
		size_t n;
		int want;	/* bytes, or -errno */
		const char *from;	/* NULL: not known */
		uint16_t port;
	} cases[] = {
		{ LIT("PROXY TCP4 1.2.3.4 5.6.7.8 1000 443\r\nGET"), 37,
		    "1.2.3.4", 1000 },
		{ LIT("PROXY TCP6 2001:db8::1 ::1 65535 1\r\n"), 36,
		    "2001:db8::1", 65535 },
		{ LIT("PROXY UNKNOWN\r\n"), 15, NULL, 0 },
		{ LIT("PROXY UNKNOWN ff::1 what ever\r\n"), 31, NULL, 0 },
		{ LIT("PROXY TCP4 1.2.3.4 5.6.7.8 1000 443\n"), 0, NULL, 0 },
		{ LIT("PROXY TCP4  1.2.3.4 5.6.7.8 1 2\r\n"), -EBADMSG, NULL,
		    0 },
		{ LIT("PROXY TCP4 1.2.3.4 5.6.7.8 1 2 \r\n"), 33, "1.2.3.4",
		    1 },
		{ LIT("PROXY TCP4 1.2.3.4 5.6.7.8 1 2 3\r\n"), -EBADMSG, NULL,
		    0 },
		{ LIT("PROXY TCP4 1.2.3.4 5.6.7.8 01 2\r\n"), -EBADMSG, NULL,
		    0 },
		{ LIT("PROXY TCP4 1.2.3.4 5.6.7.8 65536 2\r\n"), -EBADMSG,
		    NULL, 0 },
		{ LIT("PROXY TCP4 1.2.3.400 5.6.7.8 1 2\r\n"), -EBADMSG, NULL,
		    0 },
		{ LIT("PROXY TCP4 ::1 ::1 1 2\r\n"), -EBADMSG, NULL, 0 },
		{ LIT("PROXY TCP6 1.2.3.4 1.2.3.4 1 2\r\n"), -EBADMSG, NULL,
		    0 },
		{ LIT("PROXY TCP4 1.2.3.4 5.6.7.8 1 2\rX"), -EBADMSG, NULL, 0 },
		{ LIT("PROXY tcp4 1.2.3.4 5.6.7.8 1 2\r\n"), -EBADMSG, NULL,
		    0 },
		{ LIT("GET / HTTP/1.1\r\n"), -ENOENT, NULL, 0 },
		{ LIT("PROXYTCP4"), -ENOENT, NULL, 0 },
		{ LIT("\x16\x03\x01"), -ENOENT, NULL, 0 },
		{ LIT("\r\nGET"), -ENOENT, NULL, 0 },
		{ LIT(SIG "\x21\x11\0\x0c\1\2\3\4\5\6\7\x08\x03\xe8\1\xbbGET"),
		    28, "1.2.3.4", 1000 },
		{ LIT(SIG "\x21\x11\0\x10\1\2\3\4\5\6\7\x08\x03\xe8\1\xbb\4\0\1x"),
		    32, "1.2.3.4", 1000 },
		{ LIT(SIG "\x21\x21\0\x24\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1"
		    "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\2\0\7\0\x09"), 52, "::1",
		    7 },
		{ LIT(SIG "\x20\0\0\0"), 16, NULL, 0 },
		{ LIT(SIG "\x20\x11\0\x0c\1\2\3\4\5\6\7\x08\0\1\0\2"), 28,
		    NULL, 0 },
		{ LIT(SIG "\x21\0\0\x02xy"), 18, NULL, 0 },
		{ LIT(SIG "\x21\x31\0\x02xy"), 18, NULL, 0 },
		{ LIT(SIG "\x21\x11\0\x0b\1\2\3\4\5\6\7\x08\0\1\0"), -EBADMSG,
		    NULL, 0 },
		{ LIT(SIG "\x11\x11\0\x0c\1\2\3\4\5\6\7\x08\0\1\0\2"), -EBADMSG,
		    NULL, 0 },
		{ LIT(SIG "\x22\x11\0\0"), -EBADMSG, NULL, 0 },
		{ LIT(SIG "\x21\x11\x10\x01"), -EBADMSG, NULL, 0 },
	};
	struct proxy_header h;
	char text[ADDR_TEXT];

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		int r = proxy_header_parse((const uint8_t *)cases[i].p,
		    cases[i].n, &h);

		ck_assert_msg(r == cases[i].want, "%zu: got %d, want %d", i, r,
		    cases[i].want);
		if (r <= 0)
			continue;
		ck_assert_msg(h.known == (cases[i].from != NULL), "%zu", i);
		if (h.known) {
			ck_assert_str_eq(addr_text(&h.from, text),
			    cases[i].from);
			ck_assert_uint_eq(h.from_port, cases[i].port);
		}
		/* Of every shorter piece more is wanted. */
		for (size_t n = 0; n < (size_t)r; n++)
			ck_assert_int_eq(proxy_header_parse((const uint8_t *)
			    cases[i].p, n, &h), 0);
	}
}
END_TEST

START_TEST(line_has_an_end)
{
	uint8_t line[200] = "PROXY UNKNOWN ";
	struct proxy_header h;

	memset(line + 14, 'x', sizeof(line) - 14);
	ck_assert_int_eq(proxy_header_parse(line, 106, &h), 0);
	ck_assert_int_eq(proxy_header_parse(line, 200, &h), -EBADMSG);
	memcpy(line + 105, "\r\n", 2);
	ck_assert_int_eq(proxy_header_parse(line, 200, &h), 107);
}
END_TEST

/* What is written is read as what was meant, and by others as they expect it. */
START_TEST(written)
{
	static const struct {
		const char *from, *to;	/* NULL: not known */
		uint16_t from_port, to_port;
		const char *line;
		size_t v2;		/* bytes of version 2 */
		uint8_t command, family;
	} cases[] = {
		{ "1.2.3.4", "5.6.7.8", 1000, 443,
		    "PROXY TCP4 1.2.3.4 5.6.7.8 1000 443\r\n", 28, 0x21, 0x11 },
		{ "255.255.255.255", "0.0.0.0", 65535, 0,
		    "PROXY TCP4 255.255.255.255 0.0.0.0 65535 0\r\n", 28, 0x21,
		    0x11 },
		{ "2001:db8::1", "::1", 65535, 1,
		    "PROXY TCP6 2001:db8::1 ::1 65535 1\r\n", 52, 0x21, 0x21 },
		{ "1.2.3.4", "2001:db8::1", 7, 9,
		    "PROXY TCP6 ::ffff:1.2.3.4 2001:db8::1 7 9\r\n", 52, 0x21,
		    0x21 },
		{ "2001:db8::1", "1.2.3.4", 7, 9,
		    "PROXY TCP6 2001:db8::1 ::ffff:1.2.3.4 7 9\r\n", 52, 0x21,
		    0x21 },
		{ "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
		    "ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe", 65535, 65534,
		    "PROXY TCP6 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff "
		    "ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe 65535 65534\r\n",
		    52, 0x21, 0x21 },
		{ NULL, NULL, 0, 0, "PROXY UNKNOWN\r\n", 16, 0x20, 0 },
	};
	uint8_t out[PROXY_HEADER_WRITTEN];

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct proxy_header h = { .known = cases[i].from != NULL,
		    .from_port = cases[i].from_port,
		    .to_port = cases[i].to_port }, read;
		size_t n;

		if (h.known) {
			ck_assert_int_eq(addr_parse(str_c(cases[i].from),
			    &h.from), 0);
			ck_assert_int_eq(addr_parse(str_c(cases[i].to),
			    &h.to), 0);
		}
		for (unsigned version = 1; version <= 2; version++) {
			n = proxy_header_write(&h, version, out);
			ck_assert_int_eq(proxy_header_parse(out, n, &read),
			    (int)n);
			ck_assert_msg(proxy_header_eq(&h, &read), "%zu", i);
			if (version == 1)
				ck_str_is(str_n((char *)out, n), cases[i].line);
		}
		ck_assert_uint_eq(n, cases[i].v2);
		ck_assert_uint_eq(out[12], cases[i].command);
		ck_assert_uint_eq(out[13], cases[i].family);
	}
}
END_TEST

START_TEST(equal)
{
	struct proxy_header a = { .known = true, .from_port = 1, .to_port = 2 },
	    none = { .known = false }, b[4] = { a, a, a, a };

	b[0].from.ip[15] = b[1].to.ip[0] = 1;
	b[2].from_port = b[3].to_port = 3;
	ck_assert(proxy_header_eq(&a, &a) && proxy_header_eq(&none, &none));
	ck_assert(!proxy_header_eq(&a, &none) && !proxy_header_eq(&none, &a));
	for (size_t i = 0; i < ARRAY_SIZE(b); i++)
		ck_assert_msg(!proxy_header_eq(&a, &b[i]), "%zu", i);
}
END_TEST

UNIT_MAIN("proxy_protocol", rows, line_has_an_end, written, equal)
