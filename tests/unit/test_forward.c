/* SPDX-License-Identifier: BSD-2-Clause */
/* Forward authentication: what is asked, what an answer means, what passes. */
#include "forward.h"

#include "buf.h"
#include "unit.h"

#include <errno.h>

static struct arena a;

/* "Name: value|..." */
static const char *
shown(const struct auth_field *f, int n)
{
	static struct buf out;

	buf_reset(&out);
	ck_assert_int_ge(n, 0);
	for (int i = 0; i < n; i++)
		buf_printf(&out, "%.*s: %.*s|", STR_ARG(f[i].name),
		    STR_ARG(f[i].value));
	return buf_cstr(&out);
}

#define FIELD(n, v, c)	{ STR(n), STR(v), c }

static bool
matches_group(void *arg, struct str name)
{
	(void)arg;
	return str_has_prefix(name, STR("X-Group-"));
}

static const struct forward_client client = { .peer_ip = STR("192.0.2.7"),
    .method = STR("POST"), .host = STR("app.test:8443"),
    .path = STR("/a%20b/c"), .query = STR("q=1"), .has_query = true,
    .tls = true };

/* ---- Before the call ------------------------------------------------------- */

START_TEST(owned)
{
	static const struct str listed[] = { STR("x-user"),
	    STR("authorization"), STR("Cookie") };
	static const struct {
		struct auth_field f;
		bool want;
	} rows[] = {
		{ FIELD("X-User", "", 0), true },
		{ FIELD("x-USER", "", 0), true },
		{ FIELD("X_User", "", 0), true },
		{ FIELD("X.User", "", 0), true },
		{ FIELD("X-User2", "", 0), false },
		{ FIELD("X-Group-Admin", "", 0), true },
		{ FIELD("x-group-admin", "", 0), true },
		{ FIELD("X-Groups", "", 0), false },
		{ FIELD("Remote-User", "", AUTH_IDENTITY), true },
		{ FIELD("Authorization", "", 0), false },	/* the proof */
		{ FIELD("COOKIE", "", 0), false },
		{ FIELD("Accept", "", 0), false },
	};
	struct forward_config c = { .response_headers = listed,
	    .nresponse_headers = 3, .matches = matches_group };
	char longest[400];

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		ck_assert_msg(forward_owned(&c, &rows[i].f) == rows[i].want,
		    "row %zu", i);
	/* Too long to be matched: not the client's to say. */
	memset(longest, 'x', sizeof(longest));
	memcpy(longest, "X-Group-", 8);
	ck_assert(forward_owned(&c, &(struct auth_field){ str_n(longest,
	    sizeof(longest)), STR(""), 0 }));
	c.matches = NULL;
	ck_assert(!forward_owned(&c, &(struct auth_field){ str_n(longest,
	    sizeof(longest)), STR(""), 0 }));
}
END_TEST

START_TEST(questions)
{
	static const struct auth_field in[] = {
		FIELD("Accept", "*/*", 0), FIELD("Cookie", "s=1", 0),
		FIELD("Connection", "close", AUTH_HOP),
		FIELD("Keep-Alive", "5", AUTH_HOP), FIELD("TE", "x", AUTH_HOP),
		FIELD("Trailer", "x", AUTH_HOP),
		FIELD("Upgrade", "websocket", AUTH_HOP),
		FIELD("Content-Length", "5", AUTH_FRAMING),
		FIELD("Host", "x", AUTH_FRAMING),
		FIELD("Expect", "100-continue", 0),
		FIELD("X-Forwarded-For", "10.0.0.1", AUTH_MANAGED),
		FIELD("X-Forwarded-Proto", "http", AUTH_MANAGED),
		FIELD("X-Forwarded-Port", "1", AUTH_MANAGED),
		FIELD("X-Forwarded-Host", "evil", AUTH_MANAGED),
		FIELD("X-Forwarded-Method", "PUT", AUTH_MANAGED),
		FIELD("X-Forwarded-Uri", "/evil", AUTH_MANAGED),
		FIELD("X-Real-Ip", "10.0.0.1", AUTH_MANAGED),
	};
	static const struct str only[] = { STR("cookie") };
	static const struct {
		uint8_t trust;
		unsigned nonly;
		const char *want;
	} rows[] = {
		{ FORWARD_DISTRUST, 0, "Accept: */*|Cookie: s=1|"
		    "X-Forwarded-For: 192.0.2.7|X-Forwarded-Method: POST|"
		    "X-Forwarded-Port: 8443|X-Forwarded-Proto: https|"
		    "X-Forwarded-Host: app.test:8443|"
		    "X-Forwarded-Uri: /a%20b/c?q=1|" },
		{ FORWARD_TRUST, 0, "Accept: */*|Cookie: s=1|"
		    "X-Real-Ip: 10.0.0.1|"
		    "X-Forwarded-For: 10.0.0.1, 192.0.2.7|"
		    "X-Forwarded-Method: PUT|X-Forwarded-Port: 1|"
		    "X-Forwarded-Proto: http|X-Forwarded-Host: evil|"
		    "X-Forwarded-Uri: /evil|" },
		{ FORWARD_UNSET, 0, "Accept: */*|Cookie: s=1|"
		    "X-Forwarded-Port: 1|X-Real-Ip: 10.0.0.1|"
		    "X-Forwarded-For: 192.0.2.7|X-Forwarded-Method: POST|"
		    "X-Forwarded-Proto: https|X-Forwarded-Host: app.test:8443|"
		    "X-Forwarded-Uri: /a%20b/c?q=1|" },
		{ FORWARD_DISTRUST, 1, "Cookie: s=1|"
		    "X-Forwarded-For: 192.0.2.7|X-Forwarded-Method: POST|"
		    "X-Forwarded-Port: 8443|X-Forwarded-Proto: https|"
		    "X-Forwarded-Host: app.test:8443|"
		    "X-Forwarded-Uri: /a%20b/c?q=1|" },
		{ FORWARD_TRUST, 1, "Cookie: s=1|X-Real-Ip: 10.0.0.1|"
		    "X-Forwarded-For: 10.0.0.1, 192.0.2.7|"
		    "X-Forwarded-Method: PUT|X-Forwarded-Port: 1|"
		    "X-Forwarded-Proto: http|X-Forwarded-Host: evil|"
		    "X-Forwarded-Uri: /evil|" },
	};
	struct auth_field out[64];

	arena_init(&a, 1 << 16);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct forward_config c = { .trust = rows[i].trust,
		    .request_headers = only, .nrequest_headers =
		    rows[i].nonly };

		ck_assert_str_eq(shown(out, forward_request(&c, &client, in,
		    ARRAY_SIZE(in), out, 64, &a)), rows[i].want);
		/* Room that is too small is told, not written beyond. */
		for (unsigned cap = 0; cap < 8; cap++) {
			struct auth_field *exact = calloc(cap + 1,
			    sizeof(*exact));
			int r = forward_request(&c, &client, in,
			    ARRAY_SIZE(in), exact, cap, &a);

			ck_assert(r == -ENOBUFS || r == (int)cap ||
			    r < (int)cap);
			free(exact);
		}
	}
	arena_fini(&a);
	arena_init(&a, 0);
	{
		struct forward_config c = { .trust = FORWARD_DISTRUST };

		ck_assert_int_eq(forward_request(&c, &client, in, 1, out, 64,
		    &a), -ENOMEM);
	}
	arena_fini(&a);
}
END_TEST

START_TEST(ports)
{
	static const struct { const char *host; bool tls; const char *port; }
	    rows[] = {
		{ "a", false, "80" }, { "a", true, "443" },
		{ "a:81", false, "81" }, { "[::1]", true, "443" },
		{ "[::1]:8443", true, "8443" }, { "", false, "80" },
	};
	struct forward_config c = { .trust = FORWARD_DISTRUST };
	struct auth_field out[16];

	arena_init(&a, 1 << 16);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct forward_client k = client;
		int n;

		k.host = str_c(rows[i].host);
		k.tls = rows[i].tls;
		k.has_query = false;
		k.query = STR_NONE;
		n = forward_request(&c, &k, NULL, 0, out, 16, &a);
		ck_assert_int_eq(n, 6);
		ck_assert(str_eq(out[2].name, STR("X-Forwarded-Port")));
		ck_str_is(out[2].value, rows[i].port);
		ck_str_is(out[5].value, "/a%20b/c");
	}
	arena_fini(&a);
}
END_TEST

/* ---- The answer --------------------------------------------------------------- */

START_TEST(verdicts)
{
	static const struct { unsigned status; bool signin; int want; } rows[] = {
		{ 200, false, FORWARD_ALLOW }, { 202, false, FORWARD_ALLOW },
		{ 204, false, FORWARD_ALLOW }, { 299, false, FORWARD_ALLOW },
		{ 300, false, FORWARD_DENY }, { 302, false, FORWARD_DENY },
		{ 401, false, FORWARD_DENY }, { 403, false, FORWARD_DENY },
		{ 500, false, FORWARD_DENY }, { 199, false, FORWARD_DENY },
		{ 101, false, FORWARD_DENY }, { 100, false, FORWARD_DENY },
		{ 0, false, FORWARD_DENY }, { 999, false, FORWARD_DENY },
		{ 401, true, FORWARD_SIGNIN }, { 403, true, FORWARD_DENY },
		{ 200, true, FORWARD_ALLOW },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct forward_config c = { .signin_url = rows[i].signin ?
		    STR("/in") : STR_NONE };

		ck_assert_int_eq(forward_judge(&c, rows[i].status, NULL, 0),
		    rows[i].want);
	}
}
END_TEST

/* S-506: an answer that lies lets nobody in. */
START_TEST(lies)
{
	static const struct str listed[] = { STR("X-User"), STR("X-Groups"),
	    STR("Set-Cookie") };
	struct forward_config c = { .response_headers = listed,
	    .nresponse_headers = 3, .header_field = STR("X-Login") };
	static char big[8194];
	static struct auth_field f[130];
	static const struct { struct auth_field f[2]; int want; } rows[] = {
		{ { FIELD("X-User", "ann", 0), FIELD("x-user", "bob", 0) },
		    FORWARD_MALFORMED },
		{ { FIELD("X-User", "ann", 0), FIELD("X-User", "ann", 0) },
		    FORWARD_ALLOW },
		{ { FIELD("X-Groups", "a", 0), FIELD("X-Groups", "b", 0) },
		    FORWARD_ALLOW },
		{ { FIELD("Set-Cookie", "a", 0), FIELD("Set-Cookie", "b", 0) },
		    FORWARD_ALLOW },
		{ { FIELD("X-Login", "a", 0), FIELD("X-Login", "b", 0) },
		    FORWARD_MALFORMED },
		{ { FIELD("Other", "a", 0), FIELD("Other", "b", 0) },
		    FORWARD_ALLOW },
		{ { FIELD("X-User", "a\nb", 0), FIELD("A", "", 0) },
		    FORWARD_MALFORMED },
		{ { FIELD("X-User", "a\x7f", 0), FIELD("A", "", 0) },
		    FORWARD_MALFORMED },
		{ { FIELD("X-User", "a\0", 0), FIELD("A", "", 0) },
		    FORWARD_MALFORMED },
		{ { FIELD("X-User", "a\tb", 0), FIELD("A", "", 0) },
		    FORWARD_ALLOW },
		{ { FIELD("X-User", "\xc3\xa9", 0), FIELD("A", "\x01", 0) },
		    FORWARD_ALLOW },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		ck_assert_msg((int)forward_judge(&c, 200, rows[i].f, 2) ==
		    rows[i].want, "row %zu", i);
	memset(big, 'a', sizeof(big));
	f[0] = (struct auth_field){ STR("X-User"), str_n(big, 8192), 0 };
	ck_assert_int_eq(forward_judge(&c, 200, f, 1), FORWARD_ALLOW);
	f[0].value.n++;
	ck_assert_int_eq(forward_judge(&c, 200, f, 1), FORWARD_MALFORMED);
	for (unsigned i = 0; i < 130; i++)
		f[i] = (struct auth_field){ STR("A"), STR("b"), 0 };
	ck_assert_int_eq(forward_judge(&c, 200, f, 128), FORWARD_ALLOW);
	ck_assert_int_eq(forward_judge(&c, 200, f, 129), FORWARD_MALFORMED);
	/* A denial is relayed whatever it says. */
	ck_assert_int_eq(forward_judge(&c, 403, f, 129), FORWARD_DENY);
}
END_TEST

START_TEST(copies)
{
	static const struct str listed[] = { STR("X-User"), STR("X-Absent"),
	    STR("Authorization") };
	struct forward_config c = { .response_headers = listed,
	    .nresponse_headers = 3, .matches = matches_group,
	    .header_field = STR("X-Login") };
	static const struct auth_field in[] = {
		FIELD("Accept", "1", 0), FIELD("X-User", "spoof", 0),
		FIELD("X_User", "spoof", 0), FIELD("x-absent", "spoof", 0),
		FIELD("X-Group-A", "spoof", 0), FIELD("Authorization",
		    "client", 0), FIELD("Cookie", "c", 0),
	};
	static const struct auth_field auth[] = {
		FIELD("X-User", "ann", 0), FIELD("X-User", "ann", 0),
		FIELD("Authorization", "Bearer t", 0),
		FIELD("X-Group-B", "1", 0), FIELD("X-Group-B", "2", 0),
		FIELD("X-Other", "no", 0), FIELD("X-Login", "ann@x", 0),
		FIELD("Connection", "x", AUTH_HOP),
	};
	struct auth_field out[32];

	ck_assert_str_eq(shown(out, forward_copy(&c, in, ARRAY_SIZE(in), auth,
	    ARRAY_SIZE(auth), out, 32)), "Accept: 1|Cookie: c|X-User: ann|"
	    "Authorization: Bearer t|X-Group-B: 1|X-Group-B: 2|");
	ck_assert_int_eq(forward_copy(&c, in, ARRAY_SIZE(in), auth,
	    ARRAY_SIZE(auth), out, 5), -ENOBUFS);
	ck_str_is(forward_user(&c, auth, ARRAY_SIZE(auth)), "ann@x");
	ck_assert_uint_eq(forward_user(&c, auth, 1).n, 0);
	c.header_field = STR_NONE;
	ck_assert_uint_eq(forward_user(&c, auth, ARRAY_SIZE(auth)).n, 0);
}
END_TEST

START_TEST(relays)
{
	struct forward_config c = { .address = STR("http://auth:4181/v?x=1") };
	static const struct auth_field auth[] = {
		FIELD("Location", "/login?rd=1", 0),
		FIELD("Set-Cookie", "a=1", 0), FIELD("Set-Cookie", "b=2", 0),
		FIELD("Connection", "close", AUTH_HOP),
		FIELD("Transfer-Encoding", "chunked", AUTH_FRAMING),
		FIELD("Content-Type", "text/html", 0),
	};
	struct auth_field bad[] = { FIELD("Location", "http://a b/", 0) };
	struct auth_field out[16];

	arena_init(&a, 1 << 16);
	ck_assert_str_eq(shown(out, forward_relay(&c, auth, ARRAY_SIZE(auth),
	    out, 16, &a)), "Location: http://auth:4181/login?rd=1|"
	    "Set-Cookie: a=1|Set-Cookie: b=2|Content-Type: text/html|");
	ck_assert_int_eq(forward_relay(&c, bad, 1, out, 16, &a), -EINVAL);
	ck_assert_int_eq(forward_relay(&c, auth, ARRAY_SIZE(auth), out, 2,
	    &a), -ENOBUFS);
	c.preserve_location = true;
	ck_assert_str_eq(shown(out, forward_relay(&c, auth, 1, out, 16, &a)),
	    "Location: /login?rd=1|");
	ck_assert_str_eq(shown(out, forward_relay(&c, bad, 1, out, 16, &a)),
	    "Location: http://a b/|");
	arena_fini(&a);
}
END_TEST

START_TEST(signin)
{
	static const struct { const char *url, *want; } rows[] = {
		{ "https://in.test/x?y=1", "https://in.test/x?y=1" },
		{ "//in.test/x", "//in.test/x" }, { "/in", "/in" },
		{ "in", "/a%20b/in" }, { "../in", "/a%20b/../in" },
		{ "a b", NULL },
	};

	arena_init(&a, 1 << 16);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct forward_config c = { .signin_url = str_c(rows[i].url) };
		struct str got = forward_signin(&c, &client, &a);

		if (rows[i].want == NULL)
			ck_assert_ptr_null(got.p);
		else
			ck_str_is(got, rows[i].want);
	}
	arena_fini(&a);
}
END_TEST

START_TEST(cookies)
{
	static const struct str listed[] = { STR("sess"), STR("x") };
	struct forward_config c = { .cookies = listed, .ncookies = 2 };
	static const struct auth_field app[] = {
		FIELD("Set-Cookie", "sess=app; Path=/", 0),
		FIELD("set-cookie", "other=1", 0), FIELD("Server", "s", 0),
		FIELD("Set-Cookie", "Sess=case", 0),
	};
	static const struct auth_field auth[] = {
		FIELD("Set-Cookie", "sess=auth; HttpOnly", 0),
		FIELD("Set-Cookie", "unlisted=1", 0),
		FIELD("Set-Cookie", " x =2", 0), FIELD("Server", "auth", 0),
		FIELD("Set-Cookie", "noequals", 0),
	};
	struct auth_field out[16];

	ck_assert_str_eq(shown(out, forward_cookies(&c, app, 4, auth, 5, out,
	    16)), "set-cookie: other=1|Server: s|Set-Cookie: Sess=case|"
	    "Set-Cookie: sess=auth; HttpOnly|Set-Cookie:  x =2|");
	/* Any Set-Cookie of the auth server replaces the listed ones. */
	ck_assert_str_eq(shown(out, forward_cookies(&c, app, 3, auth + 1, 1,
	    out, 16)), "set-cookie: other=1|Server: s|");
	/* None: all stays. */
	ck_assert_str_eq(shown(out, forward_cookies(&c, app, 2, auth + 3, 1,
	    out, 16)), "Set-Cookie: sess=app; Path=/|set-cookie: other=1|");
	ck_assert_int_eq(forward_cookies(&c, app, 4, auth, 5, out, 4),
	    -ENOBUFS);
}
END_TEST

START_TEST(names)
{
	static const struct { const char *in, *out; } rows[] = {
		{ "x-user", "X-User" }, { "X-USER-2a", "X-User-2a" },
		{ "etag", "Etag" }, { "-a", "-A" }, { "a_b", "A_b" },
	};
	char out[16];

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		header_canonical(str_c(rows[i].in), out);
		ck_str_is(str_n(out, strlen(rows[i].in)), rows[i].out);
	}
	ck_assert(header_is_alias(STR("X_User"), STR("x-user")));
	ck_assert(header_is_alias(STR("x.uSER"), STR("x-user")));
	ck_assert(!header_is_alias(STR("X-User"), STR("x-user")));
	ck_assert(!header_is_alias(STR("X-Users"), STR("x-user")));
	ck_assert(!header_is_alias(STR("Xauser"), STR("x-user")));
}
END_TEST

UNIT_MAIN("forward", owned, questions, ports, verdicts, lies, copies, relays,
    signin, cookies, names)
