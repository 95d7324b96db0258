/* SPDX-License-Identifier: BSD-2-Clause */
/* What is read can be written; what is secret is not. */
#include "writer.h"

#include "load.h"
#include "model.h"
#include "reader.h"
#include "unit.h"

#include <stdlib.h>

static struct config *
load(const char *text)
{
	struct diags d = { 0 };
	struct config *c = NULL;
	int r = config_load_text("t.yaml", str_c(text), &c, &d);

	ck_assert_msg(r == 0 && d.n == 0, "%s", d.n != 0 ? d.v[0].text : "?");
	diags_fini(&d);
	return c;
}

static void
dump(const struct config *c, unsigned flags, struct buf *out)
{
	json_t *o = write_json(&schema_root, c, flags);

	ck_assert_int_eq(write_yaml(o, out), 0);
	json_decref(o);
}

static const char everything[] =
    "entryPoints:\n"
    "  web: {address: ':80', transport: {lifeCycle: {graceTimeOut: 1m30s}},\n"
    "        forwardedHeaders: {trustedIPs: [10.0.0.0/8, 'fe80::/10']}}\n"
    "  websecure: {address: ':443', http: {tls: {}, sanitizePath: false}}\n"
    "accessLog: {fields: {headers: {names: {User-Agent: keep}}}}\n"
    "http:\n"
    "  routers:\n"
    "    a: {rule: \"Host(`a`) && Header(`x`, `\\\"`)\", service: s,\n"
    "        priority: -3, tls: {domains: [{main: a, sans: [b, c]}]}}\n"
    "  services:\n"
    "    s: {loadBalancer: {servers: [{url: 'http://h'}], \n"
    "        passHostHeader: false, \n"
    "        responseForwarding: {flushInterval: -1ns}}}\n"
    "  middlewares:\n"
    "    e: {errors: {status: ['500-599'], service: s, query: '/{status}',\n"
    "        errorRequestHeaders: []}}\n"
    "    h: {headers: {customRequestHeaders: {A: 'true', B: '', C: '007'},\n"
    "        accessControlMaxAge: 0, contentSecurityPolicy: \"a\\nb\"}}\n"
    "    n: {compress: {}}\n"
    "tls: {options: {o: {alpnProtocols: [], minVersion: VersionTLS13}}}\n";

START_TEST(what_is_written_is_read_back)
{
	static const unsigned ways[] = { 0, WRITE_DEFAULTS };

	for (size_t i = 0; i < ARRAY_SIZE(ways); i++) {
		struct config *c = load(everything), *again;
		struct buf once = BUF_INIT, twice = BUF_INIT;

		dump(c, ways[i], &once);
		again = load(buf_cstr(&once));
		dump(again, ways[i], &twice);
		ck_assert_str_eq(buf_cstr(&once), buf_cstr(&twice));
		ck_assert_ptr_nonnull(strstr(once.p, "graceTimeOut: 1m30s"));
		ck_assert_ptr_nonnull(strstr(once.p, "flushInterval: \"-1ns\""));
		ck_assert_ptr_nonnull(strstr(once.p, "errorRequestHeaders: []"));
		ck_assert_ptr_nonnull(strstr(once.p, "C: \"007\""));
		ck_assert_int_eq(strstr(once.p, "burst") != NULL, 0);
		ck_assert_int_eq(strstr(once.p, "minResponseBodyBytes: 1024") !=
		    NULL, ways[i] == WRITE_DEFAULTS);
		config_free(c);
		config_free(again);
		buf_fini(&once);
		buf_fini(&twice);
	}
}
END_TEST

START_TEST(secrets_are_masked)
{
	struct config *c = load(
	    "providers: {kubernetesIngress: {token: t0psecret},\n"
	    "  kubernetesCRD: {token: /run/token}}\n"
	    "http:\n"
	    "  middlewares:\n"
	    "    b: {basicAuth: {users: ['u:t0psecret', t0psecret]}}\n"
	    "    f: {forwardAuth: {address: 'http://a', tls: {cert: c.pem,\n"
	    "        key: \"-----BEGIN t0psecret\"}}}\n"
	    "    h: {headers: {customRequestHeaders: {\n"
	    "        authorization: t0psecret, X-Api-Key: t0psecret,\n"
	    "        X-My-Token: t0psecret, Cookie: '', Plain: shown}}}\n"
	    "  services:\n"
	    "    s: {loadBalancer: {healthCheck: {path: /, headers: {\n"
	    "        Authorization: t0psecret, X-Probe: yes}}}}\n"
	    "tls: {certificates: [{certFile: c.pem, keyFile: k.pem}]}\n");
	struct buf b = BUF_INIT;

	dump(c, WRITE_DEFAULTS, &b);
	ck_assert_ptr_null(strstr(buf_cstr(&b), "t0psecret"));
	ck_assert_ptr_nonnull(strstr(b.p, "token: /run/token"));
	ck_assert_ptr_nonnull(strstr(b.p, "u:***"));
	ck_assert_ptr_nonnull(strstr(b.p, "keyFile: k.pem"));
	ck_assert_ptr_nonnull(strstr(b.p, "Plain: shown"));
	ck_assert_ptr_nonnull(strstr(b.p, "Cookie: \"\""));
	ck_assert_ptr_nonnull(strstr(b.p, "X-Probe: "));
	buf_fini(&b);
	config_free(c);
}
END_TEST

START_TEST(durations)
{
	static const struct { nsec_t t; const char *want; } cases[] = {
		{ 0, "0s" }, { 90 * NSEC_SEC, "1m30s" }, { -1, "-1ns" },
		{ 3600 * NSEC_SEC, "1h" }, { 1500 * NSEC_MSEC, "1s500ms" },
		{ INT64_MAX, "2562047h47m16s854ms775us807ns" },
		{ INT64_MIN, "-2562047h47m16s854ms775us808ns" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct buf b = BUF_INIT;
		nsec_t back;

		write_duration(cases[i].t, &b);
		ck_assert_str_eq(buf_cstr(&b), cases[i].want);
		if (cases[i].t > -NSEC_SEC && cases[i].t < INT64_MAX) {
			ck_assert_int_eq(reader_duration(buf_str(&b), &back),
			    0);
			ck_assert_int_eq(back, cases[i].t);
		}
		buf_fini(&b);
	}
}
END_TEST

/* A controller may send any bytes; an answer is JSON all the same. */
START_TEST(bytes_that_are_no_text)
{
	char bad[] = "caf\xe9", good[] = "caf\xc3\xa9";
	struct strpair pair = { bad, bad, { 0 } };
	struct mw_headers h = { .custom_request_headers = { &pair, 1 },
	    .referrer_policy = good };
	struct middleware m = { .headers = &h };
	json_t *o = write_json(schema_middleware, &m, 0);
	char *text = json_dumps(o, JSON_COMPACT);

	ck_assert_str_eq(text, "{\"headers\":{\"customRequestHeaders\":"
	    "{\"caf?\":\"caf?\"},\"referrerPolicy\":\"caf\xc3\xa9\"}}");
	free(text);
	json_decref(o);
}
END_TEST

UNIT_MAIN("writer", what_is_written_is_read_back, secrets_are_masked,
    durations, bytes_that_are_no_text)
