/* SPDX-License-Identifier: BSD-2-Clause */
/* Handshakes between a client and a server engine, in memory. */
#include "tls_pair.h"

#include "tls.h"
#include "unit.h"

#include <errno.h>
#include <stdio.h>

/* What most tests start from. */
struct rig {
	struct pki *pki, *other;
	struct leaf *ec, *rsa;
	struct tls_contexts *server, *client;
	struct tls_policy policy;
	struct tls_client_policy cp;
	struct answers a;
};

static void
rig_open(struct rig *r)
{
	memset(r, 0, sizeof(*r));
	r->pki = pki_new("Root");
	r->other = pki_new("Other");
	r->ec = pki_leaf(r->pki, "a.test", "DNS:a.test,DNS:*.w.test", TLS_KEY_EC,
	    10);
	r->rsa = pki_leaf(r->pki, "a.test", "DNS:a.test", TLS_KEY_RSA, 10);
	r->server = tls_contexts_new();
	r->client = tls_contexts_new();
	tls_policy_digest(&r->policy);
	r->cp.roots = pki_root(r->pki);
	tls_client_policy_digest(&r->cp);
	r->a.policy = &r->policy;
	r->a.options = 7;
	r->a.certs.n = 1;
	r->a.certs.v[0] = r->ec->view;
}

static void
rig_close(struct rig *r)
{
	tls_contexts_free(r->server);
	tls_contexts_free(r->client);
	leaf_free(r->ec);
	leaf_free(r->rsa);
	pki_free(r->pki);
	pki_free(r->other);
}

static struct pair *
rig_pair(struct rig *r, const char *name, uint64_t session)
{
	struct pair *p = calloc(1, sizeof(*p));
	enum tls_failure why;

	tls_policy_digest(&r->policy);
	tls_client_policy_digest(&r->cp);
	p->client.c = tls_connect_new(r->client, &r->cp, str_c(name), session,
	    &why);
	p->server.c = answers_accept(r->server, &r->a);
	ck_assert_ptr_nonnull(p->client.c);
	ck_assert_ptr_nonnull(p->server.c);
	return p;
}

static void
tickets_of(struct tls_ticket_key k[TLS_TICKET_KEYS], int newest)
{
	for (int i = 0; i < TLS_TICKET_KEYS; i++)
		memset(&k[i], newest - i, sizeof(k[i]));
}

/* ---- Plain handshakes -------------------------------------------------- */

START_TEST(every_split)
{
	static const size_t steps[] = { 0, 1, 2, 3, 5, 7, 100, 1000 };
	static const uint16_t versions[] = { 0x0303, 0x0304 };
	static char big[70000];
	struct rig r;

	rig_open(&r);
	memset(big, 'x', sizeof(big));
	for (size_t v = 0; v < ARRAY_SIZE(versions); v++)
		for (size_t i = 0; i < ARRAY_SIZE(steps); i++) {
			struct pair *p;
			const struct tls_facts *f;

			r.cp.min_version = r.cp.max_version = versions[v];
			p = rig_pair(&r, "a.test", 0);
			ck_assert_int_eq(pair_handshake(p, steps[i]), 0);
			f = tls_facts(p->server.c);
			ck_assert_uint_eq(f->version, versions[v]);
			ck_str_is(f->sni, "a.test");
			ck_assert_uint_eq(f->options, 7);
			ck_assert(!f->resumed);
			pair_send(&p->client, &p->server, "hello", 5, steps[i]);
			pair_send(&p->server, &p->client, big, sizeof(big),
			    steps[i]);
			pair_free(p);
		}
	rig_close(&r);
}
END_TEST

START_TEST(names)
{
	static const struct {
		const char *sni, *seen;
		enum tls_failure fail;
	} cases[] = {
		{ "A.Test", "a.test", TLS_FAIL_NONE },
		{ "x.w.test", "x.w.test", TLS_FAIL_NONE },
		{ "under_score.w.test", "under_score.w.test", TLS_FAIL_NONE },
		{ "a.test.", NULL, TLS_FAIL_CLOSED },
		{ "a..test", NULL, TLS_FAIL_CLOSED },
		{ ".a.test", NULL, TLS_FAIL_CLOSED },
		{ "a b.test", NULL, TLS_FAIL_CLOSED },
		{ "a\nb.test", NULL, TLS_FAIL_CLOSED },
		{ "", "", TLS_FAIL_NONE },
	};
	struct rig r;

	rig_open(&r);
	r.cp.insecure = true;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct pair *p = rig_pair(&r, cases[i].sni, 0);

		r.a.seen[0] = '?';
		if (cases[i].fail == TLS_FAIL_NONE) {
			ck_assert_int_eq(pair_handshake(p, 0), 0);
			ck_assert_str_eq(r.a.seen, cases[i].seen);
		} else {
			ck_assert_int_lt(pair_handshake(p, 0), 0);
			ck_assert_int_eq(tls_failure(p->server.c),
			    cases[i].fail);
			/* Not even an alert. */
			ck_assert_uint_eq(p->server.wire_n, 0);
			ck_assert_int_eq(r.a.seen[0], '?');
		}
		pair_free(p);
	}
	rig_close(&r);
}
END_TEST

START_TEST(broken_options_close)
{
	struct rig r;
	struct pair *p;

	rig_open(&r);
	r.a.select_err = -EACCES;
	p = rig_pair(&r, "a.test", 0);
	ck_assert_int_lt(pair_handshake(p, 0), 0);
	ck_assert_int_eq(tls_failure(p->server.c), TLS_FAIL_CLOSED);
	ck_assert_uint_eq(p->server.wire_n, 0);
	pair_free(p);
	/* Options that OpenSSL cannot make sense of: closed as well. */
	r.a.select_err = 0;
	r.policy.ciphers = STR("NO-SUCH");
	p = rig_pair(&r, "a.test", 0);
	ck_assert_int_lt(pair_handshake(p, 0), 0);
	ck_assert_int_eq(tls_failure(p->server.c), TLS_FAIL_POLICY);
	ck_assert_uint_eq(p->server.wire_n, 0);
	pair_free(p);
	rig_close(&r);
}
END_TEST

START_TEST(sni_strict)
{
	static const struct {
		bool strict; const char *name; bool fallback;
		enum tls_failure server;
	} cases[] = {
		{ false, "a.test", true, TLS_FAIL_NONE },
		{ false, "x.test", true, TLS_FAIL_NONE },
		{ false, "x.test", false, TLS_FAIL_NO_CERT },
		{ true, "a.test", true, TLS_FAIL_NONE },
		{ true, "x.test", true, TLS_FAIL_SNI },
		{ true, "", true, TLS_FAIL_SNI },
	};
	struct rig r;

	rig_open(&r);
	r.cp.insecure = true;
	r.a.name = "a.test";
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct pair *p;

		r.policy.sni_strict = cases[i].strict;
		r.a.fallback = cases[i].fallback ? r.rsa : NULL;
		p = rig_pair(&r, cases[i].name, 0);
		(void)pair_handshake(p, 0);
		ck_assert_int_eq(tls_failure(p->server.c), cases[i].server);
		if (cases[i].server == TLS_FAIL_SNI) {
			ck_assert_int_eq(tls_failure(p->client.c),
			    TLS_FAIL_ALERT);
			ck_assert_int_eq(tls_failure_alert(p->client.c), 112);
		}
		pair_free(p);
	}
	rig_close(&r);
}
END_TEST

START_TEST(certificate_by_ability)
{
	static const struct {
		const char *ciphers; uint16_t max; const char *want;
	} cases[] = {
		{ "", 0, "EC" },
		{ "ECDHE-RSA-AES128-GCM-SHA256", 0x0303, "RSA" },
		{ "ECDHE-ECDSA-AES128-GCM-SHA256", 0x0303, "EC" },
	};
	struct rig r;

	rig_open(&r);
	r.a.certs.n = 2;
	r.a.certs.v[0] = r.rsa->view;
	r.a.certs.v[1] = r.ec->view;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct pair *p;
		struct str chain[2];

		r.cp.ciphers = str_c(cases[i].ciphers);
		r.cp.max_version = cases[i].max;
		p = rig_pair(&r, "a.test", 0);
		ck_assert_int_eq(pair_handshake(p, 0), 0);
		ck_assert_uint_eq(tls_peer_chain(p->client.c, chain, 2), 1);
		ck_assert(str_eq(chain[0], cases[i].want[0] == 'R' ?
		    r.rsa->c->chain[0] : r.ec->c->chain[0]));
		pair_free(p);
	}
	rig_close(&r);
}
END_TEST

START_TEST(choice_of_certificates)
{
	struct tls_candidates c = { .n = 3 };

	c.v[0] = (struct tls_cert){ .key_type = TLS_KEY_RSA, .not_after = 100 };
	c.v[1] = (struct tls_cert){ .key_type = TLS_KEY_EC, .not_after = 50 };
	c.v[2] = (struct tls_cert){ .key_type = TLS_KEY_EC, .not_after = 100 };
	ck_assert_int_eq(tls_cert_choose(&c, true, true, false, 10), 1);
	ck_assert_int_eq(tls_cert_choose(&c, true, true, false, 60), 2);
	ck_assert_int_eq(tls_cert_choose(&c, false, true, false, 60), 0);
	/* All expired: still one. */
	ck_assert_int_eq(tls_cert_choose(&c, true, true, false, 200), 1);
	/* The client can verify none: still one. */
	ck_assert_int_eq(tls_cert_choose(&c, false, false, false, 60), 2);
	c.n = 0;
	ck_assert_int_eq(tls_cert_choose(&c, true, true, true, 60), -1);
}
END_TEST

/* ---- ALPN ------------------------------------------------------------------ */

START_TEST(alpn_choice)
{
	static const struct str h1 = { "http/1.1", 8 }, h2 = { "h2", 2 },
	    h10 = { "http/1.0", 8 };
	static const struct {
		struct str server[2]; struct str client[2];
		const char *want;	/* NULL: no_application_protocol */
	} cases[] = {
		{ { { 0 } }, { { 0 } }, "" },
		{ { { 0 } }, { h1 }, "http/1.1" },
		{ { { 0 } }, { h2, h1 }, "h2" },
		{ { { 0 } }, { h1 }, "http/1.1" },
		{ { { 0 } }, { h2 }, "h2" },
		{ { { 0 } }, { h10 }, NULL },
		{ { h2 }, { h1 }, "" },
		{ { h2 }, { h10 }, NULL },
		{ { h1 }, { h1 }, "http/1.1" },
		{ { h10, h1 }, { h1, h10 }, "http/1.0" },
	};
	struct rig r;

	rig_open(&r);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct pair *p;

		r.policy.alpn = cases[i].server;
		r.cp.alpn = cases[i].client;
		r.policy.nalpn = r.cp.nalpn = 0;
		for (int k = 0; k < 2; k++) {
			r.policy.nalpn += cases[i].server[k].n > 0;
			r.cp.nalpn += cases[i].client[k].n > 0;
		}
		p = rig_pair(&r, "a.test", 0);
		if (cases[i].want != NULL) {
			ck_assert_int_eq(pair_handshake(p, 0), 0);
			ck_str_is(tls_facts(p->server.c)->alpn, cases[i].want);
			ck_str_is(tls_facts(p->client.c)->alpn, cases[i].want);
		} else {
			ck_assert_int_lt(pair_handshake(p, 0), 0);
			ck_assert_int_eq(tls_failure(p->server.c),
			    TLS_FAIL_ALPN);
			ck_assert_int_eq(tls_failure_alert(p->client.c), 120);
		}
		pair_free(p);
	}
	rig_close(&r);
}
END_TEST

/* ---- Versions and ciphers ------------------------------------------------------ */

START_TEST(version_ranges)
{
	static const struct {
		uint16_t smin, smax, cmin, cmax, want;	/* 0: fails */
	} cases[] = {
		{ 0, 0, 0, 0, 0x0304 },
		{ 0, 0, 0, 0x0303, 0x0303 },
		{ 0, 0, 0x0302, 0x0302, 0 },
		{ 0x0304, 0, 0, 0x0303, 0 },
		{ 0, 0x0303, 0, 0, 0x0303 },
		{ 0x0301, 0, 0x0302, 0x0302, 0x0302 },
		{ 0x0301, 0, 0x0301, 0x0301, 0x0301 },
		{ 0x0301, 0, 0, 0, 0x0304 },
	};
	struct rig r;

	rig_open(&r);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct pair *p;

		r.policy.min_version = cases[i].smin;
		r.policy.max_version = cases[i].smax;
		r.cp.min_version = cases[i].cmin;
		r.cp.max_version = cases[i].cmax;
		p = rig_pair(&r, "a.test", 0);
		if (cases[i].want != 0) {
			ck_assert_int_eq(pair_handshake(p, 0), 0);
			ck_assert_uint_eq(tls_facts(p->server.c)->version,
			    cases[i].want);
		} else {
			ck_assert_int_lt(pair_handshake(p, 0), 0);
			ck_assert_int_eq(tls_failure(p->server.c),
			    TLS_FAIL_NO_SHARED);
			ck_assert_int_eq(tls_failure(p->client.c),
			    TLS_FAIL_ALERT);
			ck_assert_int_eq(tls_failure_alert(p->client.c), 70);
		}
		pair_free(p);
	}
	rig_close(&r);
}
END_TEST

START_TEST(groups_and_retry)
{
	struct rig r;
	struct pair *p;

	/* The client guesses X25519, so the server asks it to try again. */
	rig_open(&r);
	r.policy.groups = STR("P-384");
	p = rig_pair(&r, "a.test", 0);
	ck_assert_int_eq(pair_handshake(p, 1), 0);
	ck_assert_uint_eq(r.a.selects, 1);
	pair_free(p);
	rig_close(&r);
}
END_TEST

/* ---- Client certificates -------------------------------------------------------- */

START_TEST(client_auth)
{
	enum { NO, GOOD, WRONG };
	static const struct { int mode, given; bool pass; } cases[] = {
		{ TLS_CLIENT_NONE, NO, true },
		{ TLS_CLIENT_NONE, WRONG, true },
		{ TLS_CLIENT_REQUEST, NO, true },
		{ TLS_CLIENT_REQUEST, GOOD, true },
		{ TLS_CLIENT_REQUEST, WRONG, true },
		{ TLS_CLIENT_REQUIRE_ANY, NO, false },
		{ TLS_CLIENT_REQUIRE_ANY, GOOD, true },
		{ TLS_CLIENT_REQUIRE_ANY, WRONG, true },
		{ TLS_CLIENT_VERIFY_IF_GIVEN, NO, true },
		{ TLS_CLIENT_VERIFY_IF_GIVEN, GOOD, true },
		{ TLS_CLIENT_VERIFY_IF_GIVEN, WRONG, false },
		{ TLS_CLIENT_REQUIRE_AND_VERIFY, NO, false },
		{ TLS_CLIENT_REQUIRE_AND_VERIFY, GOOD, true },
		{ TLS_CLIENT_REQUIRE_AND_VERIFY, WRONG, false },
	};
	static const uint16_t versions[] = { 0x0303, 0x0304 };
	struct leaf *good, *wrong;
	struct rig r;

	rig_open(&r);
	good = pki_leaf(r.pki, "alice", NULL, TLS_KEY_EC, 10);
	wrong = pki_leaf(r.other, "mallory", NULL, TLS_KEY_EC, 10);
	for (size_t i = 0; i < 2 * ARRAY_SIZE(cases); i++) {
		int mode = cases[i / 2].mode, given = cases[i / 2].given;
		struct str chain[2];
		struct pair *p;
		char got[8];

		r.policy.client_auth = (uint8_t)mode;
		r.policy.client_cas = mode >= TLS_CLIENT_VERIFY_IF_GIVEN ?
		    pki_root(r.pki) : STR_NONE;
		r.cp.client_cert = given == NO ? NULL : given == GOOD ?
		    &good->view : &wrong->view;
		r.cp.max_version = versions[i % 2];
		p = rig_pair(&r, "a.test", 0);
		(void)pair_handshake(p, 0);
		if (!cases[i / 2].pass) {
			ck_assert_int_eq(tls_failure(p->server.c), given == NO ?
			    TLS_FAIL_NO_CLIENT_CERT : TLS_FAIL_VERIFY);
			/* In TLS 1.3 the client hears of it later. */
			if (tls_handshake_done(p->client.c))
				ck_assert_int_lt(end_read(&p->server,
				    &p->client, got, 8, 0), 0);
			ck_assert_int_eq(tls_failure_alert(p->client.c),
			    given == WRONG ? 48 : i % 2 ? 116 : 40);
			pair_free(p);
			continue;
		}
		ck_assert_int_eq(p->server.err, 0);
		pair_send(&p->client, &p->server, "x", 1, 0);
		if (mode == TLS_CLIENT_NONE || given == NO) {
			ck_assert(!tls_facts(p->server.c)->has_peer_cert);
			ck_assert_uint_eq(tls_peer_chain(p->server.c, chain, 2),
			    0);
		} else {
			ck_assert_uint_eq(tls_peer_chain(p->server.c, chain, 2),
			    1);
			ck_assert(str_eq(chain[0], r.cp.client_cert->chain[0]));
		}
		pair_free(p);
	}
	/* Verifying without CAs is a broken policy, never an open door. */
	r.policy.client_auth = TLS_CLIENT_REQUIRE_AND_VERIFY;
	r.policy.client_cas = STR_NONE;
	tls_policy_digest(&r.policy);
	ck_assert_int_lt(tls_contexts_check(r.server, &r.policy, NULL, 0), 0);
	leaf_free(good);
	leaf_free(wrong);
	rig_close(&r);
}
END_TEST

/* ---- Sessions --------------------------------------------------------------------- */

/* Connects with a cached session if there is one; says whether it resumed. */
static bool
connect_once(struct rig *r, struct tls_contexts *server)
{
	struct tls_contexts *own = r->server;
	struct pair *p;
	bool resumed;

	r->server = server;
	p = rig_pair(r, "a.test", 99);
	r->server = own;
	ck_assert_int_eq(pair_handshake(p, 0), 0);
	/* TLS 1.3 tickets come with the first read. */
	pair_send(&p->server, &p->client, "ok", 2, 0);
	resumed = tls_facts(p->server.c)->resumed;
	ck_assert(resumed == tls_facts(p->client.c)->resumed);
	pair_free(p);
	return resumed;
}

START_TEST(tickets)
{
	static const uint16_t versions[] = { 0x0303, 0x0304 };
	struct tls_ticket_key keys[TLS_TICKET_KEYS];
	struct tls_contexts *second;
	struct rig r;

	for (size_t i = 0; i < ARRAY_SIZE(versions); i++) {
		rig_open(&r);
		r.cp.max_version = versions[i];
		second = tls_contexts_new();
		/* No keys yet: no tickets, but it works. */
		ck_assert(!connect_once(&r, r.server));
		ck_assert(!connect_once(&r, r.server));
		tickets_of(keys, 10);
		tls_contexts_set_tickets(r.server, keys);
		tls_contexts_set_tickets(second, keys);
		ck_assert(!connect_once(&r, r.server));
		ck_assert(connect_once(&r, r.server));
		/* Another worker with the same keys. */
		ck_assert(connect_once(&r, second));
		/* One and two rotations later, the session still lives. */
		tickets_of(keys, 12);
		tls_contexts_set_tickets(second, keys);
		ck_assert(connect_once(&r, second));
		/* It was renewed under the newest key by that. */
		tickets_of(keys, 14);
		tls_contexts_set_tickets(second, keys);
		ck_assert(connect_once(&r, second));
		/* Too old now. */
		tickets_of(keys, 20);
		tls_contexts_set_tickets(second, keys);
		ck_assert(!connect_once(&r, second));
		ck_assert(connect_once(&r, second));
		tls_contexts_free(second);
		rig_close(&r);
	}
}
END_TEST

START_TEST(sessions_stay_in_their_policy)
{
	static const uint16_t versions[] = { 0x0303, 0x0304 };
	struct tls_ticket_key keys[TLS_TICKET_KEYS];
	struct rig r;

	tickets_of(keys, 10);
	for (size_t i = 0; i < ARRAY_SIZE(versions); i++) {
		rig_open(&r);
		r.cp.max_version = versions[i];
		tls_contexts_set_tickets(r.server, keys);
		ck_assert(!connect_once(&r, r.server));
		ck_assert(connect_once(&r, r.server));
		/* Other options, even if they differ in one flag only. */
		r.policy.sni_strict = true;
		ck_assert(!connect_once(&r, r.server));
		r.policy.sni_strict = false;
		/* Another entry point. */
		ck_assert(!connect_once(&r, r.server));
		r.a.scope = 5;
		ck_assert(!connect_once(&r, r.server));
		ck_assert(connect_once(&r, r.server));
		/* Client certificates asked for: no tickets at all. */
		r.policy.client_auth = TLS_CLIENT_REQUEST;
		ck_assert(!connect_once(&r, r.server));
		ck_assert(!connect_once(&r, r.server));
		r.policy.client_auth_tickets = true;
		ck_assert(!connect_once(&r, r.server));
		ck_assert(connect_once(&r, r.server));
		r.policy.client_auth = TLS_CLIENT_NONE;
		r.policy.client_auth_tickets = false;
		r.policy.no_tickets = true;
		ck_assert(!connect_once(&r, r.server));
		ck_assert(!connect_once(&r, r.server));
		rig_close(&r);
	}
}
END_TEST

/* ---- Ends and errors ------------------------------------------------------------------ */

START_TEST(close_and_truncation)
{
	static const uint16_t versions[] = { 0x0303, 0x0304 };
	struct rig r;

	rig_open(&r);
	for (size_t i = 0; i < ARRAY_SIZE(versions); i++) {
		struct pair *p;
		struct tls_io io;
		char late[] = "late";
		struct iovec v = { late, 4 };
		char got[8];

		r.cp.max_version = versions[i];
		p = rig_pair(&r, "a.test", 0);
		ck_assert_int_eq(pair_handshake(p, 0), 0);
		/* Nothing yet is neither an end nor an error. */
		ck_assert_int_eq(end_read(&p->client, &p->server, got, 8, 0),
		    -EAGAIN);
		ck_assert(!tls_peer_closed(p->server.c));
		io = (struct tls_io){ .out = p->client.wire,
		    .out_cap = sizeof(p->client.wire) };
		ck_assert_int_eq(tls_close_notify(p->client.c, &io), 0);
		ck_assert_uint_gt(io.out_n, 0);
		p->client.wire_n = io.out_n;
		ck_assert_int_eq(tls_close_notify(p->client.c, &io), 0);
		ck_assert_uint_eq(io.out_n, p->client.wire_n);
		ck_assert_int_eq(tls_write(p->client.c, &io, &v, 1), -EPIPE);
		ck_assert_int_eq(end_read(&p->client, &p->server, got, 8, 1), 0);
		ck_assert(tls_peer_closed(p->server.c));
		ck_assert_int_eq(end_read(&p->client, &p->server, got, 8, 1), 0);
		/* The other direction is still open. */
		pair_send(&p->server, &p->client, "bye", 3, 1);
		pair_free(p);
	}
	rig_close(&r);
}
END_TEST

START_TEST(damaged_record)
{
	struct rig r;
	struct pair *p;
	char secret[] = "secret";
	struct iovec v = { secret, 6 };
	struct tls_io io;
	char got[8];

	rig_open(&r);
	p = rig_pair(&r, "a.test", 0);
	ck_assert_int_eq(pair_handshake(p, 0), 0);
	io = (struct tls_io){ .out = p->client.wire,
	    .out_cap = sizeof(p->client.wire) };
	ck_assert_int_eq(tls_write(p->client.c, &io, &v, 1), 6);
	p->client.wire_n = io.out_n;
	p->client.wire[io.out_n - 1] ^= 1;
	ck_assert_int_eq(end_read(&p->client, &p->server, got, 8, 0), -EPROTO);
	ck_assert_int_eq(tls_failure(p->server.c), TLS_FAIL_PROTOCOL);
	ck_assert_uint_gt(p->server.wire_n, 0);
	ck_assert_int_eq(end_read(&p->server, &p->client, got, 8, 0),
	    -ECONNRESET);
	ck_assert_int_eq(tls_failure_alert(p->client.c), 20);
	pair_free(p);
	rig_close(&r);
}
END_TEST

START_TEST(not_tls)
{
	static const char *const texts[] = {
		"GET / HTTP/1.1\r\n\r\n", "\x80\x2e\x01\x03\x01",
		"\x15\x03\x01\x00\x02\x02\x28", "HTTP/1.1 400 Bad Request\r\n"
	};
	struct rig r;

	rig_open(&r);
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		struct pair *p = rig_pair(&r, "a.test", 0);
		struct tls_io io = { .in = (const uint8_t *)texts[i],
		    .in_n = strlen(texts[i]) };

		io.out = p->server.wire;
		io.out_cap = sizeof(p->server.wire);
		ck_assert_int_eq(tls_handshake(p->server.c, &io), -EPROTO);
		ck_assert_int_eq(tls_failure(p->server.c), TLS_FAIL_NOT_TLS);
		ck_assert_uint_eq(io.out_n, 0);
		pair_free(p);
	}
	rig_close(&r);
}
END_TEST

START_TEST(bounded_output)
{
	struct rig r;
	struct pair *p;
	static char text[40000], got[40000];
	struct iovec v[3] = {
		{ text, 100 }, { text + 100, 20000 }, { text + 20100, 19900 }
	};
	struct tls_io io;
	ssize_t n;

	rig_open(&r);
	for (size_t i = 0; i < sizeof(text); i++)
		text[i] = (char)(i * 7);
	p = rig_pair(&r, "a.test", 0);
	ck_assert_int_eq(pair_handshake(p, 0), 0);
	io = (struct tls_io){ .out = p->server.wire, .out_cap = TLS_OVERHEAD };
	ck_assert_int_eq(tls_write(p->server.c, &io, v, 3), -ENOBUFS);
	ck_assert_uint_eq(io.out_n, 0);
	io.out_cap = 1000;
	n = tls_write(p->server.c, &io, v, 3);
	ck_assert_int_eq(n, 1000 - TLS_OVERHEAD);
	p->server.wire_n = io.out_n;
	ck_assert_int_eq(end_read(&p->server, &p->client, got, sizeof(got), 0),
	    n);
	ck_assert_mem_eq(got, text, (size_t)n);
	/* All: three records, gathered over the seams. */
	io = (struct tls_io){ .out = p->server.wire,
	    .out_cap = sizeof(p->server.wire) };
	ck_assert_int_eq(tls_write(p->server.c, &io, v, 3), 40000);
	ck_assert_uint_lt(io.out_n, 40000 + 3 * 40);
	p->server.wire_n = io.out_n;
	ck_assert_int_eq(end_read(&p->server, &p->client, got, sizeof(got), 9),
	    40000);
	ck_assert_mem_eq(got, text, sizeof(text));
	pair_free(p);
	rig_close(&r);
}
END_TEST

/* ---- As a client ------------------------------------------------------------------ */

START_TEST(upstream_verification)
{
	static const struct str uri = { "uri:spiffe://a/b", 16 },
	    dns = { "dns:a.test", 10 }, bad = { "uri:spiffe://a/c", 16 };
	enum { ROOT, OTHER };
	static const struct {
		const char *name; int root; bool insecure;
		const struct str *san; bool pass;
	} cases[] = {
		{ "a.test", ROOT, false, NULL, true },
		{ "127.0.0.1", ROOT, false, NULL, true },
		{ "::1", ROOT, false, NULL, false },
		{ "cn.test", ROOT, false, NULL, false },
		{ "b.test", ROOT, false, NULL, false },
		{ "a.test", OTHER, false, NULL, false },
		{ "b.test", OTHER, true, NULL, true },
		{ "b.test", ROOT, false, &uri, true },
		{ "b.test", ROOT, false, &dns, true },
		{ "a.test", ROOT, false, &bad, false },
		{ "a.test", OTHER, false, &uri, false },
	};
	struct leaf *l;
	struct rig r;

	rig_open(&r);
	l = pki_leaf(r.pki, "cn.test",
	    "DNS:a.test,IP:127.0.0.1,URI:spiffe://a/b", TLS_KEY_EC, 10);
	r.a.certs.v[0] = l->view;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct pair *p;

		r.cp.roots = pki_root(cases[i].root == ROOT ? r.pki : r.other);
		r.cp.insecure = cases[i].insecure;
		r.cp.peer_sans = cases[i].san;
		r.cp.npeer_sans = cases[i].san != NULL;
		p = rig_pair(&r, cases[i].name, 0);
		(void)pair_handshake(p, 0);
		ck_assert_msg(tls_failure(p->client.c) == (cases[i].pass ?
		    TLS_FAIL_NONE : TLS_FAIL_VERIFY), "case %zu: %s", i,
		    tls_failure_text(p->client.c));
		pair_free(p);
	}
	leaf_free(l);
	rig_close(&r);
}
END_TEST

START_TEST(contexts_are_kept)
{
	struct tls_stats s;
	struct rig r;

	rig_open(&r);
	for (int i = 0; i < 3; i++) {
		struct pair *p = rig_pair(&r, "a.test", 0);

		ck_assert_int_eq(pair_handshake(p, 0), 0);
		pair_free(p);
	}
	tls_contexts_stats(r.server, &s);
	/* The one that connections begin with, and the policy's. */
	ck_assert_uint_le(s.contexts, 2);
	ck_assert_uint_eq(s.certs, 1);
	ck_assert_uint_eq(s.full, 3);
	/* Many policies: the cache is bounded. */
	for (unsigned i = 0; i < 300; i++) {
		char name[16];
		struct str alpn = str_n(name, (size_t)snprintf(name,
		    sizeof(name), "p%u", i));

		r.policy.alpn = &alpn;
		r.policy.nalpn = 1;
		tls_policy_digest(&r.policy);
		ck_assert_int_eq(tls_contexts_check(r.server, &r.policy, NULL,
		    0), 0);
	}
	tls_contexts_stats(r.server, &s);
	ck_assert_uint_le(s.contexts, 128);
	tls_contexts_trim(r.server);
	tls_contexts_stats(r.server, &s);
	ck_assert_uint_eq(s.contexts, 0);
	rig_close(&r);
}
END_TEST

UNIT_MAIN("tls_handshake", every_split, names, broken_options_close, sni_strict,
    certificate_by_ability, choice_of_certificates, alpn_choice, version_ranges,
    groups_and_retry, client_auth, tickets, sessions_stay_in_their_policy,
    close_and_truncation, damaged_record, not_tls, bounded_output,
    upstream_verification, contexts_are_kept)
