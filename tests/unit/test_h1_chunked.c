/* SPDX-License-Identifier: BSD-2-Clause */
/* The chunked coding, rows H1-F12 to F16, R05 and R19, at every cut. */
#include "buf.h"
#include "chunked.h"
#include "h1.h"
#include "unit.h"

#include <errno.h>
#include <stdio.h>

#define T(lit)	{ lit, sizeof(lit) - 1 }
#define END	"0\r\n\r\n"
#define BAD	"!"

static const struct {
	const char *id;
	struct str raw;
	const char *want;	/* the data, then . at the end, ! when refused */
} rows[] = {
	{ "H1-F12", T("3\r\nabc\r\n" END), "abc." },
	{ "H1-F12", T("A\r\n0123456789\r\n" END), "0123456789." },
	{ "H1-F12", T("a\r\n0123456789\r\n" END), "0123456789." },
	{ "H1-F12", T("0000000000000003\r\nabc\r\n" END), "abc." },
	{ "H1-F12", T("00000000000000003\r\nabc\r\n" END), BAD },
	{ "H1-F12", T("7fffffffffffffff\r\nabc"), "abc" },
	{ "H1-F12", T("8000000000000000\r\nabc"), BAD },
	{ "H1-F12", T("ffffffffffffffff\r\nabc"), BAD },
	{ "H1-F12", T("10000000000000000\r\nabc"), BAD },
	{ "H1-F12", T("0x3\r\nabc\r\n" END), BAD },
	{ "H1-F12", T("+3\r\nabc\r\n" END), BAD },
	{ "H1-F12", T("-3\r\nabc\r\n" END), BAD },
	{ "H1-F12", T("_3\r\nabc\r\n" END), BAD },
	{ "H1-F12", T("1_0\r\nabc\r\n" END), BAD },
	{ "H1-F12", T(" 3\r\nabc\r\n" END), BAD },
	{ "H1-F12", T("3 \r\nabc\r\n" END), BAD },
	{ "H1-F12", T("3\t\r\nabc\r\n" END), BAD },
	{ "H1-F12", T("\r\nabc\r\n" END), BAD },
	{ "H1-F12", T(";a\r\nabc\r\n" END), BAD },
	{ "H1-F12", T("3g\r\nabc\r\n" END), BAD },
	{ "H1-F13", T("3;\r\nabc\r\n" END), BAD },
	{ "H1-F13", T("3;;a\r\nabc\r\n" END), BAD },
	{ "H1-F13", T("3;=a\r\nabc\r\n" END), BAD },
	{ "H1-F13", T("3;a=\r\nabc\r\n" END), BAD },
	{ "H1-F13", T("3;a==b\r\nabc\r\n" END), BAD },
	{ "H1-F13", T("3;a=b=c\r\nabc\r\n" END), BAD },
	{ "H1-F13", T("3;a b\r\nabc\r\n" END), BAD },
	{ "H1-F13", T("3;a=b c\r\nabc\r\n" END), BAD },
	{ "H1-F13", T("3;a=\"b\r\nabc\r\n" END), BAD },
	{ "H1-F13", T("3;a=\"b\"c\r\nabc\r\n" END), BAD },
	{ "H1-F13", T("3;a=\"b\\\r\nabc\r\n" END), BAD },
	{ "H1-F13", T("3;a\"b\"\r\nabc\r\n" END), BAD },
	{ "H1-F13", T("3;a=b \r\nabc\r\n" END), BAD },
	{ "H1-F13", T("3;a \r\nabc\r\n" END), BAD },
	{ "H1-F13", T("3;a=\"\001\"\r\nabc\r\n" END), BAD },
	{ "H1-F13", T("3;a\rb\r\nabc\r\n" END), BAD },
	{ "H1-F13", T("3;a\nabc\r\n" END), BAD },
	{ "H1-F13", T("3;a\0\r\nabc\r\n" END), BAD },
	{ "H1-F13", T("3;\x80\r\nabc\r\n" END), BAD },
	{ "H1-F13", T("3 ;a\r\nabc\r\n" END), BAD },
	{ "H1-F14", T("3;a\r\nabc\r\n" END), "abc." },
	{ "H1-F14", T("3;a=b\r\nabc\r\n" END), "abc." },
	{ "H1-F14", T("3;a=b;c;d=\"e;\\\"\\\\ \t\xff\"\r\nabc\r\n" END),
	  "abc." },
	{ "H1-F14", T("3; a = b ; c\r\nabc\r\n0;x=\"y\"\r\n\r\n"), "abc." },
	{ "H1-F15", T("3\nabc\r\n" END), BAD },
	{ "H1-F15", T("3\rabc\r\n" END), BAD },
	{ "H1-F15", T("3\r\r\nabc\r\n" END), BAD },
	{ "H1-F15", T("3\r\nabcd\r\n" END), "abc!" },
	{ "H1-F15", T("3\r\nabc\n" END), "abc!" },
	{ "H1-F15", T("3\r\nabc" END), "abc!" },
	{ "H1-F15", T("3\r\nabcXY" END), "abc!" },
	{ "H1-F15", T("3\r\nabc\r\r" END), "abc!" },
	{ "H1-F15", T("0\n\r\n"), BAD },
	{ "H1-F15", T("0\r\n\n"), BAD },
	{ "H1-F15", T("0\r\n\rX"), BAD },
	{ "H1-F15", T("0\r\nA: b\n\r\n"), BAD },
	{ "H1-F16", T("0\r\nA: b\r\nC:\r\n\r\n"), "." },
	{ "H1-F16", T("0\r\n A: b\r\n\r\n"), BAD },
	{ "H1-F16", T("0\r\nA: b\r\n c\r\n\r\n"), BAD },
	{ "H1-F16", T("0\r\nA : b\r\n\r\n"), BAD },
	{ "H1-F16", T("0\r\nA\r\n\r\n"), BAD },
	{ "H1-F16", T("0\r\n: b\r\n\r\n"), BAD },
	{ "H1-F16", T("0\r\nA: \001\r\n\r\n"), BAD },
	{ "H1-F16", T("0\r\nA: b\rc\r\n\r\n"), BAD },
	{ "H1-F16", T("0\r\n\x80: b\r\n\r\n"), BAD },
	{ "H1-F19", T("1\r\na\r\n" END "GET / HTTP/1.1\r\n"),
	  "a.GET / HTTP/1.1\r\n" },
	{ "H1-R05", T("5\r\nabc"), "abc" },
	{ "H1-R05", T("3\r\nabc\r\n0\r\n"), "abc" },
	{ "H1-R05", T("3\r\nabc\r\n0\r\n\r"), "abc" },
};

struct outcome {
	char text[256];
	size_t n;
};

static void
emit(struct outcome *o, struct str s)
{
	ck_assert(o->n + s.n < sizeof(o->text));
	memcpy(o->text + o->n, s.p, s.n);
	o->n += s.n;
	o->text[o->n] = '\0';
}

/* Pieces end at `cut`, then every `step` bytes. */
static struct outcome
feed(struct str raw, size_t cut, size_t step, struct buf *trailers)
{
	struct outcome o = { .n = 0 };
	struct chunked c;

	chunked_init(&c);
	for (size_t at = 0, end = cut; at < raw.n; at = end, end += step) {
		struct str in = str_head(str_from(raw, at), end - at), data;
		char *copy = malloc(in.n + 1);
		int r;

		memcpy(copy, in.p, in.n);
		in.p = copy;
		while ((r = chunked_decode(&c, &in, &data, trailers)) == 1) {
			ck_assert_uint_gt(data.n, 0);
			emit(&o, data);
		}
		if (r == 2) {
			emit(&o, STR("."));
			emit(&o, in);
			emit(&o, str_from(raw, end));
		} else if (r < 0) {
			ck_assert_int_eq(r, -EBADMSG);
			emit(&o, STR("!"));
		} else
			ck_assert_uint_eq(in.n, 0);
		ck_assert(chunked_done(&c) == (r == 2));
		free(copy);
		if (r != 0)
			break;
	}
	return o;
}

START_TEST(test_rows)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct str raw = rows[i].raw;
		struct outcome o;

		for (size_t cut = 1; cut <= raw.n; cut++) {
			o = feed(raw, cut, raw.n, NULL);
			ck_assert_msg(strcmp(o.text, rows[i].want) == 0,
			    "%s (row %zu) cut at %zu: got \"%s\", want \"%s\"",
			    rows[i].id, i, cut, o.text, rows[i].want);
		}
		o = feed(raw, 1, 1, NULL);
		ck_assert_str_eq(o.text, rows[i].want);
	}
}
END_TEST

/* "SIZE;" + n extension bytes in all, then the chunk; repeated. */
static struct outcome
with_extension(size_t n, unsigned chunks)
{
	static char raw[8192];
	size_t at = 0;

	for (unsigned i = 0; i < chunks; i++) {
		at += (size_t)sprintf(raw + at, "1;");
		memset(raw + at, 'x', n - 1);
		at += n - 1;
		at += (size_t)sprintf(raw + at, "\r\na\r\n");
	}
	at += (size_t)sprintf(raw + at, END);
	return feed(str_n(raw, at), at, 1, NULL);
}

START_TEST(test_extension_limits)	/* H1-F13 */
{
	ck_assert_str_eq(with_extension(255, 1).text, "a.");
	ck_assert_str_eq(with_extension(256, 1).text, "a.");
	ck_assert_str_eq(with_extension(257, 1).text, "!");
	ck_assert_str_eq(with_extension(256, 16).text, "aaaaaaaaaaaaaaaa.");
	ck_assert_str_eq(with_extension(256, 17).text, "aaaaaaaaaaaaaaaa!");
}
END_TEST

static struct outcome
with_trailers(unsigned lines, size_t bytes, size_t name)
{
	static char raw[16384];
	size_t at = (size_t)sprintf(raw, "0\r\n"), begin = at;

	for (unsigned i = 1; i < lines; i++)
		at += (size_t)sprintf(raw + at, "A: b\r\n");
	memset(raw + at, 'n', name);
	at += name;
	raw[at++] = ':';
	/* The value fills up; two line ends follow. */
	while (at - begin + 4 < bytes)
		raw[at++] = 'x';
	at += (size_t)sprintf(raw + at, "\r\n\r\n");
	return feed(str_n(raw, at), at, 1, NULL);
}

START_TEST(test_trailer_limits)	/* H1-F16, 0.4 */
{
	ck_assert_str_eq(with_trailers(31, 0, 1).text, ".");
	ck_assert_str_eq(with_trailers(32, 0, 1).text, ".");
	ck_assert_str_eq(with_trailers(33, 0, 1).text, "!");
	ck_assert_str_eq(with_trailers(1, 8191, 1).text, ".");
	ck_assert_str_eq(with_trailers(1, 8192, 1).text, ".");
	ck_assert_str_eq(with_trailers(1, 8193, 1).text, "!");
	ck_assert_str_eq(with_trailers(1, 0, 256).text, ".");
	ck_assert_str_eq(with_trailers(1, 0, 257).text, "!");
}
END_TEST

START_TEST(test_trailers_kept)
{
	static const struct str raw = T("1\r\nx\r\n0\r\nGrpc-Status: 0\r\n"
	    "Content-Length: 5\r\nConnection: x\r\nX-T:\t y \r\n\r\nrest");
	static const struct h1_limits lim = { 100, 100, 1000, 32 };

	for (size_t step = 1; step < raw.n; step++) {
		struct buf b = BUF_INIT;
		struct field store[8];
		struct fields fs = { store, 0, 8 };

		ck_assert_str_eq(feed(raw, step, step, &b).text, "x.rest");
		ck_assert_int_eq(h1_parse_trailers(&fs, b.p, b.n, &lim), 0);
		/* Framing and hop-by-hop names have no place here. */
		ck_assert_uint_eq(fs.n, 2);
		ck_str_is(field_value(fields_find_name(&fs,
		    STR("grpc-status"))), "0");
		ck_str_is(field_value(fields_find_name(&fs, STR("x-t"))), "y");
		buf_fini(&b);
	}
}
END_TEST

START_TEST(test_head)
{
	static const uint64_t sizes[] = { 0, 1, 9, 10, 15, 16, 255, 4096,
	    0xabcdef, UINT32_MAX, 1ull << 32, INT64_MAX, UINT64_MAX };

	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		char out[20], want[32];
		unsigned n = chunk_head(out, sizes[i]);

		sprintf(want, "%llx\r\n", (unsigned long long)sizes[i]);
		ck_str_is(str_n(out, n), want);
	}
}
END_TEST

UNIT_MAIN("h1_chunked", test_rows, test_extension_limits, test_trailer_limits,
    test_trailers_kept, test_head)
