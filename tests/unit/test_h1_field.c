/* SPDX-License-Identifier: BSD-2-Clause */
/* Fields, hop-by-hop removal, cookies and the small grammars. */
#include "cookie.h"
#include "h1.h"
#include "token.h"
#include "unit.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>

static struct field store[32];

static struct fields
of(const char *const *pairs)
{
	struct fields fs = { store, 0, ARRAY_SIZE(store) };

	for (; *pairs != NULL; pairs += 2)
		ck_assert_int_eq(fields_add(&fs, str_c(pairs[0]),
		    str_c(pairs[1])), 0);
	return fs;
}

static const char *
show(const struct fields *fs)
{
	static char out[1024];
	size_t n = 0;

	out[0] = '\0';
	FIELDS_EACH(fs, f)
		n += (size_t)snprintf(out + n, sizeof(out) - n, "%.*s=%.*s|",
		    STR_ARG(field_name(f)), STR_ARG(field_value(f)));
	return out;
}

START_TEST(test_lookup)
{
	for (unsigned id = 1; id < FIELD_IDS; id++) {
		struct str name = field_canonical((enum field_id)id);
		char text[64];

		/* Any case finds it, exact memory is not overread. */
		for (int form = 0; form < 3; form++) {
			char *exact = malloc(name.n);

			for (size_t i = 0; i < name.n; i++)
				exact[i] = (char)(form == 0 ? name.p[i] :
				    form == 1 ? toupper(name.p[i]) :
				    tolower(name.p[i]));
			ck_assert_uint_eq(field_lookup(str_n(exact, name.n)),
			    id);
			free(exact);
		}
		/* A change of any byte in any bit is another name. */
		for (size_t i = 0; i < name.n * 8; i++) {
			memcpy(text, name.p, name.n);
			text[i / 8] ^= (char)(1 << (i % 8));
			if (tolower((unsigned char)text[i / 8]) ==
			    tolower((unsigned char)name.p[i / 8]))
				continue;
			ck_assert_uint_ne(field_lookup(str_n(text, name.n)),
			    id);
		}
		memcpy(text, name.p, name.n);
		text[name.n] = 'x';
		ck_assert_uint_ne(field_lookup(str_n(text, name.n + 1)), id);
		ck_assert_uint_ne(field_lookup(str_head(name, name.n - 1)), id);
	}
	ck_assert_uint_eq(field_lookup(STR("")), FIELD_OTHER);
	ck_assert_uint_eq(field_lookup(STR("X-Unknown")), FIELD_OTHER);
}
END_TEST

START_TEST(test_classes)
{
	char out[256];

	ck_assert_uint_eq(field_name_classes(STR("x-auth-request-user")),
	    CLASS_IDENTITY);
	ck_assert_uint_eq(field_name_classes(STR("X-Forwarded-For")),
	    CLASS_MANAGED);
	ck_assert_uint_eq(field_name_classes(STR("forwarded")), CLASS_CLAIM);
	ck_assert_uint_eq(field_name_classes(STR("X-Other")), 0);
	/* The dash form itself is no alias. */
	ck_assert_uint_eq(field_alias_classes(STR("X-Forwarded-For"), out), 0);
	ck_assert_uint_eq(field_alias_classes(STR("X_Forwarded.For"), out),
	    CLASS_MANAGED);
	ck_str_is(str_n(out, 15), "x-forwarded-for");
	ck_assert_uint_eq(field_alias_classes(STR("X_Auth_Request_Email"), out),
	    CLASS_IDENTITY);
	ck_assert_uint_eq(field_alias_classes(STR("Content_Length"), out),
	    CLASS_FRAMING);
	ck_assert(field_same_spelling(STR("X_a.B"), STR("x-A-b")));
	ck_assert(!field_same_spelling(STR("X_a.B"), STR("x-A-c")));
	ck_assert(!field_same_spelling(STR("X_a"), STR("x-A-c")));
	ck_assert(field_has_odd_bytes(STR("A_b")));
	ck_assert(!field_has_odd_bytes(STR("A-b9")));
}
END_TEST

START_TEST(test_edit)
{
	static const char *const some[] = { "Accept", "1", "X-A", "2",
	    "accept", "3", "X-B", "4", "x-a", "5", NULL };
	struct fields fs = of(some), copy;
	struct field copies[32], *f;

	f = fields_find(&fs, FIELD_ACCEPT);
	ck_str_is(field_value(f), "1");
	f = fields_next(&fs, STR("ACCEPT"), f);
	ck_str_is(field_value(f), "3");
	ck_assert_ptr_null(fields_next(&fs, STR("ACCEPT"), f));
	ck_str_is(fields_get(&fs, FIELD_ACCEPT), "1");
	ck_assert_ptr_null(fields_get(&fs, FIELD_HOST).p);
	ck_assert_int_eq(fields_set(&fs, STR("X-a"), STR("6")), 0);
	ck_assert_str_eq(show(&fs), "Accept=1|accept=3|X-B=4|X-a=6|");
	ck_assert_int_eq(fields_set_id(&fs, FIELD_ACCEPT, STR("7")), 0);
	ck_assert_str_eq(show(&fs), "X-B=4|X-a=6|Accept=7|");
	copy = (struct fields){ copies, 0, 32 };
	ck_assert_int_eq(fields_copy(&copy, &fs), 0);
	ck_assert_uint_eq(copy.n, 3);
	copy.cap = 2;
	ck_assert_int_eq(fields_copy(&copy, &fs), -ENOBUFS);
	fields_remove(&fs, FIELD_ACCEPT);
	ck_assert_str_eq(show(&fs), "X-B=4|X-a=6|");
	fs.cap = fs.n;
	ck_assert_int_eq(fields_add(&fs, STR("A"), STR("b")), -ENOBUFS);
}
END_TEST

START_TEST(test_spellings)	/* H1-H13 for names of a router */
{
	static const char *const some[] = { "X-User", "1", "x_user", "2",
	    "X.USER", "3", "X-Users", "4", "X_User_", "5", NULL };
	struct fields fs = of(some);

	fields_remove_spellings(&fs, STR("x-user"));
	ck_assert_str_eq(show(&fs), "X-Users=4|X_User_=5|");
}
END_TEST

START_TEST(test_classes_removed)
{
	static const char *const some[] = { "X-Forwarded-For", "1",
	    "Forwarded", "2", "X-Auth-Request-User", "3", "Remote-User", "4",
	    "X-A", "5", NULL };
	struct fields fs = of(some);

	fields_remove_classes(&fs, CLASS_MANAGED | CLASS_CLAIM);
	ck_assert_str_eq(show(&fs), "X-Auth-Request-User=3|Remote-User=4|"
	    "X-A=5|");
	fields_remove_classes(&fs, CLASS_IDENTITY);
	ck_assert_str_eq(show(&fs), "X-A=5|");
}
END_TEST

/* ---- Hop-by-hop ------------------------------------------------------------ */

START_TEST(test_hop_always)	/* H1-H16 */
{
	static const char *const some[] = { "Connection", "x", "Keep-Alive",
	    "1", "Proxy-Connection", "1", "Proxy-Authenticate", "1",
	    "Proxy-Authorization", "1", "TE", "gzip", "Trailer", "1",
	    "Upgrade", "h2c", "HTTP2-Settings", "1", "Proxy", "1",
	    "Transfer-Encoding", "x", "X-A", "1", NULL };
	static const char *const te[] = { "te", "gzip, Trailers", NULL };
	struct fields fs = of(some);
	struct h1_hop hop;

	h1_strip_hop(&fs, true, NULL, 0, &hop);
	ck_assert_str_eq(show(&fs), "X-A=1|");
	ck_assert(!hop.te_trailers && !hop.upgrade && !hop.websocket);
	fs = of(te);
	h1_strip_hop(&fs, true, NULL, 0, &hop);
	ck_assert(hop.te_trailers);
	ck_assert_str_eq(show(&fs), "");
}
END_TEST

START_TEST(test_hop_listed)	/* H1-H15, H1-H21, N-04 */
{
	static const char *const some[] = { "X-A", "1", "Cookie", "2",
	    "Connection", "x-a, COOKIE ,, close", "Authorization", "3",
	    "connection", "authorization, X-Forwarded-For, X-Real-IP,"
	    "Forwarded, x-keep", "X-Forwarded-For", "4", "X-Real-Ip", "5",
	    "Forwarded", "6", "x-a", "7", "X-Keep", "8", "X-Last", "9", NULL };
	struct str kept[] = { STR("X-Keep") };
	struct fields fs = of(some);
	struct h1_hop hop;

	h1_strip_hop(&fs, true, kept, 1, &hop);
	ck_assert_str_eq(show(&fs), "X-Forwarded-For=4|X-Real-Ip=5|"
	    "Forwarded=6|X-Keep=8|X-Last=9|");
	/* An answer owns nothing (R15). */
	fs = of(some);
	h1_strip_hop(&fs, false, NULL, 0, &hop);
	ck_assert_str_eq(show(&fs), "X-Last=9|");
}
END_TEST

START_TEST(test_hop_upgrade)	/* H1-C08, H1-C09 */
{
	static const struct {
		const char *pairs[5];
		bool upgrade, websocket;
	} cases[] = {
		{ { "Connection", "Upgrade", "Upgrade", "websocket" }, true,
		  true },
		{ { "Connection", "keep-alive, uPgrade", "Upgrade",
		  "h2c, WebSocket" }, true, true },
		{ { "Connection", "Upgrade", "Upgrade", "h2c" }, true, false },
		{ { "Connection", "close", "Upgrade", "websocket" }, false,
		  false },
		{ { "Connection", "Upgrade" }, false, false },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct fields fs = of(cases[i].pairs);
		struct h1_hop hop;

		h1_strip_hop(&fs, true, NULL, 0, &hop);
		ck_assert(hop.upgrade == cases[i].upgrade);
		ck_assert(hop.websocket == cases[i].websocket);
		ck_assert_str_eq(show(&fs), "");
	}
}
END_TEST

/* ---- Cookies ------------------------------------------------------------------ */

START_TEST(test_cookies)	/* H1-H20 */
{
	static const char *const some[] = { "Cookie", "a=1; b=\"2\"", "X", "y",
	    "cookie", "c = 3;;=x;d", "COOKIE", "a=4", NULL };
	static const char *const one[] = { "Cookie", "a=1", NULL };
	struct fields fs = of(one);
	char out[64];
	struct str v;
	size_t n;

	ck_assert_uint_eq(cookie_join_size(&fs), 0);
	cookie_join(&fs, out);
	ck_assert_str_eq(show(&fs), "Cookie=a=1|");
	fs = of(some);
	n = cookie_join_size(&fs);
	ck_assert_uint_eq(n, 10 + 2 + 11 + 2 + 3);
	cookie_join(&fs, out);
	ck_assert_str_eq(show(&fs), "Cookie=a=1; b=\"2\"; c = 3;;=x;d; a=4|"
	    "X=y|");
	ck_assert(cookie_get(&fs, STR("a"), &v));
	ck_str_is(v, "1");
	ck_assert(cookie_get(&fs, STR("b"), &v));
	ck_str_is(v, "2");
	ck_assert(cookie_get(&fs, STR("c"), &v));
	ck_str_is(v, "3");
	ck_assert(!cookie_get(&fs, STR("d"), &v));
	ck_assert(!cookie_get(&fs, STR("A"), &v));
	ck_assert(set_cookie_name(STR("sid=1; Path=/"), &v));
	ck_str_is(v, "sid");
	ck_assert(set_cookie_name(STR(" s =1"), &v));
	ck_str_is(v, "s");
	ck_assert(!set_cookie_name(STR("=1"), &v));
	ck_assert(!set_cookie_name(STR("x; a=1"), &v));
	ck_assert(!set_cookie_name(STR(""), &v));
}
END_TEST

/* ---- Small grammars ------------------------------------------------------------- */

START_TEST(test_lists)
{
	struct str rest = STR(" a ,, \"b,c\\\",d\" ;x=1,\t, e"), item;
	unsigned q;

	ck_assert(list_next(&rest, &item));
	ck_str_is(item, "a");
	ck_assert(list_next(&rest, &item));
	ck_str_is(item, "\"b,c\\\",d\" ;x=1");
	ck_assert(list_next(&rest, &item));
	ck_str_is(item, "e");
	ck_assert(!list_next(&rest, &item));
	ck_assert(token_in_list(STR("a, B ,c"), STR("b")));
	ck_assert(!token_in_list(STR("a, bb"), STR("b")));
	ck_assert(!token_in_list(STR(""), STR("b")));

	rest = STR("gzip;q=0.5, br , zstd;q=0, *;q=x, deflate;q=1.000");
	ck_assert(accept_next(&rest, &item, &q));
	ck_str_is(item, "gzip");
	ck_assert_uint_eq(q, 500);
	ck_assert(accept_next(&rest, &item, &q));
	ck_str_is(item, "br");
	ck_assert_uint_eq(q, 1000);
	ck_assert(accept_next(&rest, &item, &q));
	ck_str_is(item, "zstd");
	ck_assert_uint_eq(q, 0);
	ck_assert(accept_next(&rest, &item, &q));
	ck_str_is(item, "deflate");
	ck_assert_uint_eq(q, 1000);
	ck_assert(!accept_next(&rest, &item, &q));
	ck_assert(media_type(STR(" text/HTML ; charset=x"), &item));
	ck_str_is(item, "text/HTML");
	ck_assert(!media_type(STR("text"), &item));
	ck_assert(!media_type(STR("/x"), &item));
	ck_assert(!media_type(STR("a b/x"), &item));
	ck_assert(!media_type(STR(""), &item));
}
END_TEST

START_TEST(test_canonical)
{
	char name[] = "x-reAL-ip-9a--b";

	field_canonicalize(name, sizeof(name) - 1);
	ck_assert_str_eq(name, "X-Real-Ip-9a--B");
}
END_TEST

UNIT_MAIN("h1_field", test_lookup, test_classes, test_edit, test_spellings,
    test_classes_removed, test_hop_always, test_hop_listed, test_hop_upgrade,
    test_cookies, test_lists, test_canonical)
