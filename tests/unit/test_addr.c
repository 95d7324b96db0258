/* SPDX-License-Identifier: BSD-2-Clause */
/* IP addresses and ranges. */
#include "addr.h"

#include "unit.h"

#include <errno.h>

START_TEST(parse)
{
	static const struct { const char *in, *out; } rows[] = {
		{ "127.0.0.1", "127.0.0.1" }, { "0.0.0.0", "0.0.0.0" },
		{ "255.255.255.255", "255.255.255.255" },
		{ "109.10.9.100", "109.10.9.100" },
		{ "::1", "::1" }, { "::", "::" },
		{ "2001:DB8::1", "2001:db8::1" },
		{ "::ffff:10.0.0.1", "10.0.0.1" },
		{ "::ffff:a00:1", "10.0.0.1" },
		{ "1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7:8" },
		{ "0000:0000:0000:0000:0000:ffff:255.255.255.255",
		    "255.255.255.255" },
	};
	static const char *const bad[] = { "", " ", "1.2.3", "1.2.3.4.5",
	    "256.1.1.1", "1.2.3.04", "01.2.3.4", "1.2.3.4 ", " 1.2.3.4",
	    "1.2.3.4:80", "[::1]", "::1%eth0", "::1%1", "1::2::3", ":::",
	    "g::1", "12345::", "1.2.3.4/8", "0x7f.0.0.1", "127.1", "2130706433",
	    "1:2:3:4:5:6:7:8:9", "localhost", "::ffff:256.0.0.1",
	    "0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0001" };
	char text[ADDR_TEXT];
	struct addr a, b;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		ck_assert_msg(addr_parse(str_c(rows[i].in), &a) == 0, "%s",
		    rows[i].in);
		ck_assert_str_eq(addr_text(&a, text), rows[i].out);
		/* Text and back is the same address. */
		ck_assert_int_eq(addr_parse(str_c(text), &b), 0);
		ck_assert(addr_eq(&a, &b));
		ck_assert_int_eq(addr_is_v4(&a), strchr(rows[i].out, '.') !=
		    NULL);
	}
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		ck_assert_msg(addr_parse(str_c(bad[i]), &a) == -EINVAL, "%s",
		    bad[i]);
	ck_assert_int_eq(addr_parse(STR("1.2.3.4\0"), &a), -EINVAL);
}
END_TEST

START_TEST(ranges)
{
	static const struct { const char *range, *in, *out; } rows[] = {
		{ "10.0.0.0/8", "10.255.0.1", "11.0.0.1" },
		{ "10.1.2.3/8", "10.255.0.1", "9.255.255.255" },
		{ "10.0.0.1", "10.0.0.1", "10.0.0.2" },
		{ "10.0.0.1/32", "::ffff:10.0.0.1", "10.0.0.0" },
		{ "0.0.0.0/0", "255.1.2.3", "::1" },
		{ "::/0", "10.0.0.1", NULL },
		{ "::1", "::1", "::2" },
		{ "2001:db8::/33", "2001:db8:7fff::1", "2001:db8:8000::1" },
		{ "2001:db8::/127", "2001:db8::1", "2001:db8::2" },
		{ "192.168.1.128/25", "192.168.1.255", "192.168.1.127" },
		{ "::ffff:10.0.0.0/104", "10.9.9.9", "11.0.0.0" },
	};
	static const char *const bad[] = { "", "/8", "10.0.0.0/", "10.0.0.0/33",
	    "10.0.0.0/-1", "10.0.0.0/8/8", "10.0.0.0/ 8", "::1/129", "::1/x",
	    "10.0.0/8", "10.0.0.0/255.0.0.0", "10.0.0.0/4294967328",
	    "10.0.0.0/18446744073709551616", "a/8" };
	struct cidr c;
	struct addr a;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		ck_assert_int_eq(cidr_parse(str_c(rows[i].range), &c), 0);
		ck_assert_uint_le(c.bits, 128);
		ck_assert_int_eq(addr_parse(str_c(rows[i].in), &a), 0);
		ck_assert_msg(cidr_has(&c, &a), "row %zu", i);
		if (rows[i].out == NULL)
			continue;
		ck_assert_int_eq(addr_parse(str_c(rows[i].out), &a), 0);
		ck_assert_msg(!cidr_has(&c, &a), "row %zu", i);
	}
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		ck_assert_msg(cidr_parse(str_c(bad[i]), &c) < 0, "%s", bad[i]);
}
END_TEST

START_TEST(masks)
{
	static const struct { unsigned bits; const char *out; } rows[] = {
		{ 128, "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff" },
		{ 64, "2001:db8:ffff:ffff::" }, { 36, "2001:db8:f000::" },
		{ 1, "::" }, { 0, "::" },
	};
	char text[ADDR_TEXT];
	struct addr a;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		(void)addr_parse(STR("2001:db8:ffff:ffff:ffff:ffff:ffff:ffff"),
		    &a);
		addr_mask_v6(&a, rows[i].bits);
		ck_assert_str_eq(addr_text(&a, text), rows[i].out);
	}
	(void)addr_parse(STR("10.1.2.3"), &a);
	addr_mask_v6(&a, 64);
	ck_assert_str_eq(addr_text(&a, text), "10.1.2.3");
}
END_TEST

START_TEST(sockaddrs)
{
	static const char *const texts[] = { "127.0.0.1", "::1", "10.2.3.4",
	    "2001:db8::7" };
	struct sockaddr_storage ss;
	struct addr a, b;
	uint16_t port;

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		socklen_t n;

		(void)addr_parse(str_c(texts[i]), &a);
		n = addr_to_sockaddr(&a, 8443, &ss);
		ck_assert_uint_eq(n, i % 2 == 0 ? sizeof(struct sockaddr_in) :
		    sizeof(struct sockaddr_in6));
		ck_assert_int_eq(addr_from_sockaddr((void *)&ss, &b, &port),
		    0);
		ck_assert(addr_eq(&a, &b));
		ck_assert_uint_eq(port, 8443);
	}
	ss.ss_family = AF_UNIX;
	ck_assert_int_eq(addr_from_sockaddr((void *)&ss, &b, &port),
	    -EAFNOSUPPORT);
}
END_TEST

UNIT_MAIN("addr", parse, ranges, masks, sockaddrs)
