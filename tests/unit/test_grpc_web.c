/* SPDX-License-Identifier: BSD-2-Clause */
/* Types, base64 in pieces and trailers of gRPC-Web. */
#include "grpc_web.h"

#include "unit.h"

#include <errno.h>
#include <string.h>

START_TEST(forms)
{
	static const struct {
		const char *type;
		enum grpc_web_form form;
		const char *rest;
	} cases[] = {
		{ "application/grpc-web", GRPC_WEB_BINARY, "" },
		{ "application/grpc-web+proto", GRPC_WEB_BINARY, "+proto" },
		{ "Application/GRPC-Web-Text", GRPC_WEB_TEXT, "" },
		{ "application/grpc-web-text+json; a=b", GRPC_WEB_TEXT,
		    "+json; a=b" },
		{ "application/grpc", GRPC_WEB_NONE, "application/grpc" },
		{ "", GRPC_WEB_NONE, "" },
	};
	struct str rest;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		ck_assert_int_eq(grpc_web_form(str_c(cases[i].type), &rest),
		    cases[i].form);
		ck_assert(str_eq(rest, str_c(cases[i].rest)));
	}
}
END_TEST

/* Decodes in pieces of `step`: the bytes, or -EBADMSG, also for a cut end. */
static ssize_t
decode(struct str in, size_t step, uint8_t *out)
{
	struct grpc_web_decoder d = { 0 };
	size_t n = 0;
	ssize_t r;

	for (size_t i = 0; i < in.n; i += step) {
		struct str piece = str_from(in, i);

		if (piece.n > step)
			piece.n = step;
		if ((r = grpc_web_decode(&d, piece, out + n)) < 0)
			return r;
		ck_assert_uint_le((size_t)r, GRPC_WEB_DECODED(piece.n));
		n += (size_t)r;
	}
	return grpc_web_decoded(&d) ? (ssize_t)n : -EBADMSG;
}

START_TEST(decoding)
{
	static const struct { const char *in, *out; } cases[] = {
		{ "", "" }, { "Zg==", "f" }, { "Zm8=", "fo" },
		{ "Zm9v", "foo" }, { "Zm9vYmFy", "foobar" },
		{ "Zg==Zm8=Zm9v", "ffofoo" },	/* texts in a row */
		{ "Zm\r\n9v\n", "foo" },
		{ "Zg", NULL }, { "Zg=", NULL }, { "Z===", NULL },
		{ "Zg=x", NULL }, { "=", NULL }, { "Zm9-", NULL },
		{ "Zm 9", NULL }, { "Zg===", NULL }, { "\xc3\xa4==", NULL },
	};
	uint8_t out[64];

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		for (size_t step = 1; step < 8; step++) {
			struct str in = str_c(cases[i].in);
			ssize_t n = decode(in, step, out);

			if (cases[i].out == NULL)
				ck_assert_int_eq(n, -EBADMSG);
			else
				ck_assert_msg(n >= 0 && str_eq(str_n(
				    (char *)out, (size_t)n),
				    str_c(cases[i].out)), "%s by %zu",
				    cases[i].in, step);
		}
}
END_TEST

START_TEST(encoding)
{
	static const char *const cases[][2] = { { "", "" }, { "f", "Zg==" },
	    { "fo", "Zm8=" }, { "foo", "Zm9v" }, { "foob", "Zm9vYg==" } };
	char out[64];

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct str in = str_c(cases[i][0]);
		size_t n = grpc_web_encode(in, out);

		ck_assert_uint_eq(n, GRPC_WEB_ENCODED(in.n));
		ck_assert(str_eq(str_n(out, n), str_c(cases[i][1])));
	}
}
END_TEST

START_TEST(trailers)
{
	static const char want[] = "\x80\0\0\0\x25" "grpc-status: 5\r\n"
	    "grpc-message: no\r\nx: \r\n";
	struct field store[4];
	struct fields fs = { store, 0, 4 };
	uint8_t out[128];

	ck_assert_int_eq(fields_add(&fs, STR("Grpc-Status"), STR("5")), 0);
	ck_assert_int_eq(fields_add(&fs, STR("Grpc-Message"), STR("no")), 0);
	ck_assert_int_eq(fields_add(&fs, STR("X"), STR("")), 0);
	ck_assert_uint_eq(grpc_web_trailers_size(&fs), sizeof(want) - 1);
	grpc_web_trailers(&fs, out);
	ck_assert_mem_eq(out + 5, want + 5, sizeof(want) - 6);
	ck_assert_uint_eq(out[0], 0x80);
	ck_assert_uint_eq(out[4], sizeof(want) - 6);
}
END_TEST

UNIT_MAIN("grpc_web", forms, decoding, encoding, trailers)
