/* SPDX-License-Identifier: BSD-2-Clause */
/* The WebSocket handshake and where frames end. */
#include "websocket.h"

#include "unit.h"

#include <errno.h>
#include <string.h>

#define KEY "dGhlIHNhbXBsZSBub25jZQ=="

struct pair { const char *name, *value; };

static void
fill(struct fields *fs, const struct pair *v)
{
	fs->n = 0;
	for (; v->name != NULL; v++)
		ck_assert_int_eq(fields_add(fs, str_c(v->name),
		    str_c(v->value)), 0);
}

START_TEST(accept_key)
{
	char out[WEBSOCKET_ACCEPT];

	/* The example of RFC 6455 1.3. */
	websocket_accept(str_c(KEY), out);
	ck_str_is(str_n(out, sizeof(out)), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
}
END_TEST

START_TEST(asked)
{
	static const struct { struct pair v[4]; bool want; } cases[] = {
		{ { { "Upgrade", "websocket" }, { "Connection", "Upgrade" } },
		    true },
		{ { { "upgrade", "WebSocket" }, { "connection",
		    "keep-alive, UPGRADE" } }, true },
		{ { { "Upgrade", "websocket" } }, false },
		{ { { "Connection", "Upgrade" } }, false },
		{ { { "Upgrade", "h2c" }, { "Connection", "Upgrade" } },
		    false },
		{ { { "Upgrade", "websocket, h2c" }, { "Connection",
		    "Upgrade" } }, false },
		{ { { "Upgrade", "websocket" }, { "Upgrade", "websocket" },
		    { "Connection", "Upgrade" } }, false },
	};
	struct field store[8];
	struct fields fs = { store, 0, 8 };

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		fill(&fs, cases[i].v);
		ck_assert_msg(websocket_asked(&fs) == cases[i].want, "%zu", i);
	}
}
END_TEST

START_TEST(request)
{
	static const struct { struct pair v[4]; int want; } cases[] = {
		{ { { "Sec-WebSocket-Key", KEY }, { "Sec-WebSocket-Version",
		    "13" } }, 0 },
		{ { { "Sec-WebSocket-Key", KEY }, { "Sec-WebSocket-Version",
		    "8" } }, -EPROTONOSUPPORT },
		{ { { "Sec-WebSocket-Key", KEY } }, -EBADMSG },
		{ { { "Sec-WebSocket-Version", "13" } }, -EBADMSG },
		{ { { "Sec-WebSocket-Key", "abc" }, { "Sec-WebSocket-Version",
		    "13" } }, -EBADMSG },
		{ { { "Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=A" },
		    { "Sec-WebSocket-Version", "13" } }, -EBADMSG },
		{ { { "Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub2 jZQ==" },
		    { "Sec-WebSocket-Version", "13" } }, -EBADMSG },
		{ { { "Sec-WebSocket-Key", KEY }, { "Sec-WebSocket-Key", KEY },
		    { "Sec-WebSocket-Version", "13" } }, -EBADMSG },
	};
	struct field store[8];
	struct fields fs = { store, 0, 8 };

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		fill(&fs, cases[i].v);
		ck_assert_msg(websocket_check_request(&fs) == cases[i].want,
		    "%zu", i);
	}
}
END_TEST

START_TEST(answer)
{
#define GOOD	{ "Upgrade", "websocket" }, { "Connection", "Upgrade" },	\
		{ "Sec-WebSocket-Accept", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" }
	static const struct pair ask[] = {
		{ "Sec-WebSocket-Key", KEY },
		{ "Sec-WebSocket-Protocol", "chat, superchat" },
		{ "Sec-WebSocket-Extensions",
		    "permessage-deflate; client_max_window_bits, x-y" },
		{ NULL, NULL },
	};
	static const struct { struct pair v[7]; bool want; } cases[] = {
		{ { GOOD }, true },
		{ { GOOD, { "Sec-WebSocket-Protocol", "superchat" } }, true },
		{ { GOOD, { "Sec-WebSocket-Protocol", "other" } }, false },
		{ { GOOD, { "Sec-WebSocket-Protocol", "chat" },
		    { "Sec-WebSocket-Protocol", "chat" } }, false },
		{ { GOOD, { "Sec-WebSocket-Extensions",
		    "permessage-deflate; server_no_context_takeover" } }, true },
		{ { GOOD, { "Sec-WebSocket-Extensions", "x-y, x-z" } }, false },
		{ { { "Upgrade", "websocket" }, { "Connection", "Upgrade" } },
		    false },
		{ { { "Upgrade", "websocket" }, { "Connection", "Upgrade" },
		    { "Sec-WebSocket-Accept", "s3pPLMBiTxaQ9kYGzzhZRbK+xOp=" } },
		    false },
		{ { GOOD, { "Sec-WebSocket-Accept",
		    "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" } }, false },
		{ { { "Connection", "Upgrade" }, { "Sec-WebSocket-Accept",
		    "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" } }, false },
	};
	struct field store[8], store2[8];
	struct fields fs = { store, 0, 8 }, req = { store2, 0, 8 };

	fill(&req, ask);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		fill(&fs, cases[i].v);
		ck_assert_msg(websocket_check_answer(&req, &fs) ==
		    cases[i].want, "%zu", i);
	}
}
END_TEST

START_TEST(frames)
{
	/* Every length form, masked and not; the boundary after each only. */
	static const struct { uint8_t head[14]; unsigned head_n; size_t body; }
	    cases[] = {
		{ { 0x81, 0x00 }, 2, 0 },
		{ { 0x81, 0x05 }, 2, 5 },
		{ { 0x89, 0x85, 1, 2, 3, 4 }, 6, 5 },
		{ { 0x82, 126, 0x01, 0x00 }, 4, 256 },
		{ { 0x82, 254, 0x01, 0x00, 1, 2, 3, 4 }, 8, 256 },
		{ { 0x82, 127, 0, 0, 0, 0, 0, 1, 0, 1 }, 10, 65537 },
		{ { 0x02, 255, 0, 0, 0, 0, 0, 0, 0, 9, 1, 2, 3, 4 }, 14, 9 },
	};
	static const size_t steps[] = { 1, 2, 3, 7, 100000 };
	static uint8_t bytes[70000];

	for (size_t k = 0; k < ARRAY_SIZE(steps); k++) {
		struct websocket_frames w = { .left = 0 };

		for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
			size_t n = cases[i].head_n + cases[i].body;

			memset(bytes, 0xff, n);
			memcpy(bytes, cases[i].head, cases[i].head_n);
			ck_assert(websocket_frames_boundary(&w));
			for (size_t at = 0; at < n; at += steps[k]) {
				ck_assert(at == 0 ||
				    !websocket_frames_boundary(&w));
				websocket_frames_pass(&w, bytes + at,
				    n - at < steps[k] ? n - at : steps[k]);
			}
		}
		ck_assert(websocket_frames_boundary(&w));
	}
}
END_TEST

UNIT_MAIN("websocket", accept_key, asked, request, answer, frames)
