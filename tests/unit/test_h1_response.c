/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Response heads: every row H1-R that the codec decides, each with its exact
 * result, fed whole and cut at every place.
 */
#include "h1.h"
#include "unit.h"

#include <errno.h>
#include <stdio.h>

static const struct h1_limits limits = { 16384, 32768, 65536, 128 };

struct row {
	const char *id;
	const char *raw;
	size_t n;
	const char *want;
	const char *method;
};

#define ROW(id, raw, want)	{ id, raw, sizeof(raw) - 1, want, "GET" }
#define HEAD_ROW(id, raw, want)	{ id, raw, sizeof(raw) - 1, want, "HEAD" }
#define OK(lines)	"HTTP/1.1 200 OK\r\n" lines "\r\n"
#define BAD		"502 upstream-malformed"

static const struct row rows[] = {
	ROW("H1-R01", OK("Content-Length: 1\r\nTransfer-Encoding: chunked\r\n"),
	    BAD),
	ROW("H1-R01", OK("Transfer-Encoding: chunked\r\nContent-Length: 0\r\n"),
	    BAD),
	ROW("H1-R02", OK("Content-Length: 1\r\nContent-Length: 2\r\n"), BAD),
	ROW("H1-R02", OK("Content-Length: 1, 1\r\n"), BAD),
	ROW("H1-R02", OK("Content-Length: -1\r\n"), BAD),
	ROW("H1-R02", OK("Content-Length:\r\n"), BAD),
	ROW("H1-R02", OK("Content-Length: 01\r\n"), BAD),
	ROW("H1-R02", OK("Content-Length: 1000000000000000000\r\n"), BAD),
	ROW("H1-R02", OK("Content-Length: 7\r\nContent-Length: 7\r\n"),
	    "200 length 7 equal keep"),
	ROW("H1-R03", OK("Transfer-Encoding: gzip\r\n"), BAD),
	ROW("H1-R03", OK("Transfer-Encoding: gzip, chunked\r\n"), BAD),
	ROW("H1-R03", OK("Transfer-Encoding: chunked\r\n"
	    "Transfer-Encoding: chunked\r\n"), BAD),
	ROW("H1-R03", OK("Transfer-Encoding: chunked;a=b\r\n"), BAD),
	ROW("H1-R03", "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
	    BAD),
	ROW("H1-R03", OK("Transfer-Encoding: CHUNKED\r\n"), "200 chunked keep"),
	ROW("H1-R04", OK(""), "200 until-close close"),
	ROW("H1-R04", "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n\r\n",
	    "200 until-close close|Connection: keep-alive"),
	/* R06: what comes after the head is not taken. */
	ROW("H1-R06", OK("Content-Length: 0\r\n") "HTTP/1.1 408 x\r\n",
	    "200 none 0 keep"),
	HEAD_ROW("H1-R07", OK("Content-Length: 5\r\n"), "200 none 5 keep"),
	HEAD_ROW("H1-R07", OK("Transfer-Encoding: chunked\r\n"),
	    "200 none keep"),
	ROW("H1-R07", "HTTP/1.1 304 x\r\nContent-Length: 5\r\n\r\n",
	    "304 none 5 keep"),
	ROW("H1-R07", "HTTP/1.1 204 x\r\nContent-Length: 5\r\n\r\n",
	    "204 none close"),
	ROW("H1-R07", "HTTP/1.1 204 x\r\nContent-Length: 0\r\n\r\n",
	    "204 none keep"),
	ROW("H1-R07", "HTTP/1.1 204 x\r\nTransfer-Encoding: chunked\r\n\r\n",
	    "204 none close"),
	ROW("H1-R07", "HTTP/1.1 103 x\r\nContent-Length: 5\r\n\r\n",
	    "103 none close"),
	ROW("H1-R08", "HTTP/1.1 20 OK\r\n\r\n", BAD),
	ROW("H1-R08", "HTTP/1.1 2000 OK\r\n\r\n", BAD),
	ROW("H1-R08", "HTTP/1.1 2x0 OK\r\n\r\n", BAD),
	ROW("H1-R08", "HTTP/1.1 099 OK\r\n\r\n", BAD),
	ROW("H1-R08", "HTTP/1.1 600 OK\r\n\r\n", BAD),
	ROW("H1-R08", "HTTP/1.1 999 OK\r\n\r\n", BAD),
	ROW("H1-R08", "HTTP/1.1 599 OK\r\nContent-Length: 0\r\n\r\n",
	    "599 none 0 keep"),
	ROW("H1-R08", "HTTP/2.0 200 OK\r\n\r\n", BAD),
	ROW("H1-R08", "http/1.1 200 OK\r\n\r\n", BAD),
	ROW("H1-R08", "HTTP/1.1200 OK\r\n\r\n", BAD),
	ROW("H1-R08", "HTTP/1.1  200 OK\r\n\r\n", BAD),
	ROW("H1-R08", "HTTP/1.1 200OK\r\n\r\n", BAD),
	ROW("H1-R08", "\r\nHTTP/1.1 200 OK\r\n\r\n", BAD),
	ROW("H1-R08", "SSH-2.0-OpenSSH\r\n", BAD),
	ROW("H1-R08", "HTTP/1.1 abc\r\nContent", BAD),
	ROW("H1-R08", "HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n",
	    "200 none 0 keep"),
	ROW("H1-R08", "HTTP/1.1 200 \r\nContent-Length: 0\r\n\r\n",
	    "200 none 0 keep"),
	ROW("H1-R08", "HTTP/1.1 200 a\001b\r\n\r\n", BAD),
	ROW("H1-R08", "HTTP/1.1 200 a\0b\r\n\r\n", BAD),
	ROW("H1-R08", "HTTP/1.1 200 a\rb\r\n\r\n", BAD),
	ROW("H1-R08", "HTTP/1.2 200 x\r\nContent-Length: 0\r\n\r\n",
	    "200 none 0 keep"),
	ROW("H1-R09", OK("X: a\0b\r\n"), BAD),
	ROW("H1-R09", OK("X: a\rb\r\n"), BAD),
	ROW("H1-R09", OK("X: a\001b\r\n"), BAD),
	ROW("H1-R09", OK("X y: a\r\n"), BAD),
	ROW("H1-R09", OK("X : a\r\n"), BAD),
	ROW("H1-R09", OK(": a\r\n"), BAD),
	ROW("H1-R09", OK("nonsense\r\n"), BAD),
	ROW("H1-R10", "HTTP/1.1 200 OK\nContent-Length: 3\nX: y\r\n\n",
	    "200 length 3 lf keep|X: y"),
	ROW("H1-R19", OK("X: a\r\n b\r\n"), BAD),
	ROW("H1-R11", "HTTP/1.1 100 Continue\r\n\r\n", "100 none keep"),
	ROW("H1-R12", "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n",
	    "103 none keep|Link: </a>"),
	ROW("H1-R13", "HTTP/1.1 101 x\r\nUpgrade: websocket\r\n\r\n",
	    "101 none keep|Upgrade: websocket"),
	ROW("H1-R15", OK("Content-Length: 0\r\nConnection: close\r\n"),
	    "200 none 0 close|Connection: close"),
	ROW("H1-R17", OK("Content-Length: 0\r\nSet-Cookie: a=\"\xff\"; b\r\n"
	    "Set-Cookie: c\r\nLocation: ..//x?\"\r\n"), "200 none 0 keep|"
	    "Set-Cookie: a=\"\xff\"; b|Set-Cookie: c|Location: ..//x?\""),
	ROW("N-08", "HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\n",
	    "200 length 1 close"),
	ROW("N-08", "HTTP/1.0 200 OK\r\nContent-Length: 1\r\n"
	    "Connection: Keep-Alive\r\n\r\n",
	    "200 length 1 keep|Connection: Keep-Alive"),
};

struct outcome {
	char text[320];
	size_t used;
};

static void
describe(struct outcome *o, const struct h1_response *a)
{
	static const char *const framings[] = { "none", "length", "chunked",
	    "until-close" };
	size_t n = (size_t)snprintf(o->text, sizeof(o->text), "%u %s",
	    a->status, framings[a->framing]);

	if (a->has_length)
		n += (size_t)snprintf(o->text + n, sizeof(o->text) - n, " %llu",
		    (unsigned long long)a->length);
	n += (size_t)snprintf(o->text + n, sizeof(o->text) - n, "%s%s%s",
	    a->equal_lengths ? " equal" : "", a->bare_lf ? " lf" : "",
	    a->keep_alive ? " keep" : " close");
	FIELDS_EACH(a->fields, f)
		n += (size_t)snprintf(o->text + n, sizeof(o->text) - n,
		    "|%.*s: %.*s", STR_ARG(field_name(f)),
		    STR_ARG(field_value(f)));
}

static struct outcome
feed(const struct row *row, size_t cut, size_t step,
    const struct h1_limits *lim)
{
	static struct field store[FIELDS_MAX];
	struct fields fs = { store, 0, FIELDS_MAX };
	struct h1_scan scan = { .response = true };
	struct h1_error err = { 0 };
	struct h1_response a;
	struct outcome o = { .text = "more" };
	int r = 0;

	for (size_t have = cut; r == 0; have = have + step < row->n ?
	    have + step : row->n) {
		char *copy = malloc(have + 1);

		memcpy(copy, row->raw, have);
		r = h1_scan(&scan, copy, have, lim, &err);
		if (r > 0) {
			o.used = (size_t)r;
			r = h1_parse_response(&a, &fs, copy, o.used, lim,
			    str_c(row->method));
			err = (struct h1_error){ 502,
			    REASON_UPSTREAM_MALFORMED, NULL };
			if (r == 0) {
				describe(&o, &a);
				r = 1;
			}
		}
		free(copy);
		if (have == row->n)
			break;
	}
	if (r < 0) {
		ck_assert_int_eq(r, -EBADMSG);
		snprintf(o.text, sizeof(o.text), "%u %s", err.status,
		    reason_word(err.reason));
		o.used = 0;
	}
	return o;
}

START_TEST(test_rows)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct row *row = &rows[i];
		struct outcome whole = feed(row, row->n, 1, &limits), part;

		ck_assert_msg(strcmp(whole.text, row->want) == 0,
		    "%s (row %zu): got \"%s\", want \"%s\"", row->id, i,
		    whole.text, row->want);
		for (size_t cut = 1; cut < row->n; cut++) {
			part = feed(row, cut, row->n, &limits);
			ck_assert_msg(strcmp(part.text, whole.text) == 0 &&
			    part.used == whole.used,
			    "%s (row %zu) cut at %zu: got \"%s\", want \"%s\"",
			    row->id, i, cut, part.text, whole.text);
		}
		part = feed(row, 1, 1, &limits);
		ck_assert_str_eq(part.text, whole.text);
	}
}
END_TEST

START_TEST(test_limits)	/* H1-R14: lines of 40 and more bytes */
{
	static const struct h1_limits lim = { 40, 40, 100, 2 };
	static const struct row cases[] = {
		ROW("line", "HTTP/1.1 200 xxxxxxxxxxxxxxxxxxxxxxxxx\r\n"
		    "A: b\r\n\r\n", "200 until-close close|A: b"),
		ROW("line", "HTTP/1.1 200 xxxxxxxxxxxxxxxxxxxxxxxxxx\r\n\r\n",
		    "502 upstream-head-too-large"),
		ROW("field", OK("A: 23456789012345678901234567890123456\r\n"),
		    "200 until-close close|"
		    "A: 23456789012345678901234567890123456"),
		ROW("field", OK("A: 234567890123456789012345678901234567890"),
		    "502 upstream-head-too-large"),
		ROW("count", OK("A: 1\r\nB: 2\r\n"),
		    "200 until-close close|A: 1|B: 2"),
		ROW("count", OK("A: 1\r\nB: 2\r\nC: 3\r\n"),
		    "502 upstream-head-too-large"),
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		for (size_t step = 1; step < 60; step++) {
			const struct row *row = &cases[i];

			ck_assert_str_eq(feed(row, step < row->n ? step :
			    row->n, step, &lim).text, row->want);
		}
}
END_TEST

UNIT_MAIN("h1_response", test_rows, test_limits)
