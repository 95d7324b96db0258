/* SPDX-License-Identifier: BSD-2-Clause */
/* Building a table image, and refusing every damaged one. */
#include "table_make.h"
#include "unit.h"

#include <errno.h>
#include <stdio.h>

static struct buf image;

static void
fresh(void)
{
	buf_reset(&image);
	table_make(&image);
}

static struct table_hdr *
header(void)
{
	return (void *)image.p;
}

/* The i-th record of a section, to be damaged. */
#define REC(field, type, i)						\
	(&((struct type *)(void *)(image.p + header()->field.off))[i])
#define AT(off)	((void *)(image.p + (off)))

/* The exact size on the heap lets the sanitizers see overreads. */
static int
check(const char **ret_why)
{
	void *exact = malloc(image.n);
	struct table t;
	int r;

	memcpy(exact, image.p, image.n);
	*ret_why = NULL;
	r = table_check(exact, image.n, &t, ret_why);
	if (r == 0)
		(void)table_use(&t);
	free(exact);
	return r;
}

static void
refused(const char *want)
{
	const char *why;

	table_resum(&image);
	ck_assert_int_eq(check(&why), -EPROTO);
	ck_assert_msg(strstr(why, want) != NULL, "got \"%s\", want \"%s\"", why,
	    want);
	fresh();
}

START_TEST(whole_image)
{
	const char *why;

	fresh();
	ck_assert_msg(check(&why) == 0, "refused: %s", why);
	ck_assert_uint_eq(header()->generation, 1);
	ck_assert_uint_eq(image.n % 8, 0);
}
END_TEST

/* Equal content, equal bytes: that is how a reload sees that nothing changed. */
START_TEST(same_content_same_hash)
{
	struct buf other = BUF_INIT;

	fresh();
	table_make(&other);
	ck_assert_uint_eq(image.n, other.n);
	ck_assert_mem_eq(image.p, other.p, image.n);
	buf_fini(&other);
}
END_TEST

START_TEST(every_length)
{
	struct table t;
	const char *why;

	fresh();
	for (size_t n = 0; n < image.n; n += n < 400 ? 1 : 8) {
		void *exact = malloc(n + 1);

		memcpy(exact, image.p, n);
		ck_assert_int_eq(table_check(exact, n, &t, &why), -EPROTO);
		free(exact);
	}
}
END_TEST

START_TEST(every_byte)
{
	const char *why;
	size_t from = offsetof(struct table_hdr, generation);

	fresh();
	for (size_t i = 0; i < image.n; i++) {
		/* What the checksum does not cover is said elsewhere. */
		if (i >= from && i < sizeof(struct table_hdr))
			continue;
		image.p[i] ^= (char)(1 << i % 8);
		ck_assert_msg(check(&why) == -EPROTO, "byte %zu", i);
		image.p[i] ^= (char)(1 << i % 8);
	}
	ck_assert_int_eq(check(&why), 0);
}
END_TEST

/* No word can be set so that an accepted image reads out of bounds. */
START_TEST(every_word)
{
	const char *why;
	uint32_t evil[] = { 0, 1, 7, 0x7fffffff, 0x80000000, 0xfffffff8,
	    0xfffffffe, 0xffffffff, 0, 0 };
	unsigned refusals = 0;

	fresh();
	evil[8] = (uint32_t)image.n;
	evil[9] = (uint32_t)image.n - 8;
	for (size_t i = offsetof(struct table_hdr, entry_points);
	    i + 4 <= image.n; i += 4)
		for (size_t k = 0; k < ARRAY_SIZE(evil); k++) {
			uint32_t was;

			memcpy(&was, image.p + i, 4);
			memcpy(image.p + i, &evil[k], 4);
			table_resum(&image);
			refusals += check(&why) != 0;
			memcpy(image.p + i, &was, 4);
		}
	ck_assert_uint_gt(refusals, 1000);
}
END_TEST

START_TEST(headers)
{
	fresh();
	header()->magic ^= 1;
	refused("not a table");
	header()->abi++;
	refused("another version");
	header()->hdr_bytes += 8;
	refused("another version");
	header()->bytes -= 8;
	refused("another size");
	buf_put(&image, "12345678", 8);
	refused("another size");
	header()->default_cert = header()->certs.n;
	refused("impossible size");
	header()->tls_options.n = 0;
	refused("out of range");
	header()->routers.off = (uint32_t)image.n - 8;
	refused("reaches out");
	header()->routers.off += 4;
	refused("reaches out");
	header()->routers.n = UINT32_MAX;
	refused("reaches out");
	header()->access_log.n = 2;
	refused("");
	REC(cert_names, tcert_name, 0)->name =
	    REC(cert_names, tcert_name, 1)->name;
	REC(cert_names, tcert_name, 1)->name =
	    REC(certs, tcert, 0)->key_text;
	refused("names are out of order");
}
END_TEST

START_TEST(references)
{
	fresh();
	REC(routers, trouter, 0)->name.off = 8;	/* into the header */
	refused("a string reaches out");
	REC(routers, trouter, 0)->name.n = (uint32_t)image.n;
	refused("a string reaches out");
	REC(routers, trouter, 0)->name = (struct tstr){ UINT32_MAX, 8 };
	refused("a string reaches out");
	REC(routers, trouter, 0)->service = header()->services.n;
	refused("an index is out of range");
	REC(routers, trouter, 0)->middlewares.n = 0x40000001;
	refused("a vector reaches out");
	REC(routers, trouter, 0)->middlewares.off++;
	refused("a vector reaches out");
	*(uint32_t *)AT(REC(routers, trouter, 0)->middlewares.off) =
	    header()->middlewares.n;
	refused("an index is out of range");
	*(uint32_t *)AT(REC(routers, trouter, 0)->owned_regexps.off) = TNONE;
	refused("an index is out of range");
	REC(entry_points, tentry_point, 0)->plain_mux = 2;
	refused("an index is out of range");
	REC(entry_points, tentry_point, 0)->default_tls_options = TNONE;
	refused("an index is out of range");
	REC(services, tservice, 0)->transport = TNONE;
	refused("a service of unknown kind");
	REC(transports, ttransport, 0)->root_cas = 1;
	refused("an index is out of range");
	REC(transports, ttransport, 0)->proxy_protocol = 3;
	refused("a PROXY header of unknown version");
}
END_TEST

START_TEST(rules)
{
	fresh();
	REC(rules, trule, 3)->yes = 3;	/* to itself: would never end */
	refused("jumps astray");
	REC(rules, trule, 3)->no = 2;
	refused("jumps astray");
	REC(rules, trule, 3)->yes = TRULE_OPS;
	refused("jumps astray");
	REC(rules, trule, 3)->op = TRULE_OPS;
	refused("jumps astray");
	REC(rules, trule, TRULE_PATH_REGEXP)->regexp = TNONE;
	refused("lacks its regexp");
	REC(rules, trule, 0)->regexp = header()->regexps.n;
	refused("an index is out of range");
	REC(rules, trule, TRULE_CLIENT_IP)->cidr.bits = 129;
	refused("lacks its regexp or range");
	REC(routers, trouter, 0)->rule_n++;
	refused("a rule is out of range");
	REC(routers, trouter, 0)->rule_first = UINT32_MAX;
	refused("a rule is out of range");
	REC(routers, trouter, 0)->service = TNONE;
	refused("no service");
	REC(routers, trouter, 3)->status = TSTATUS_BROKEN + 1;
	refused("no service");
	REC(routers, trouter, 3)->reason = UINT16_MAX;
	refused("no service");
}
END_TEST

static struct tprefix *
prefix(uint32_t i)
{
	const struct tmux *m = REC(muxes, tmux, 0);
	const struct thost *h = AT(m->hosts.off);

	return &((struct tprefix *)AT(h->prefixes.off))[i];
}

START_TEST(index_of_hosts)
{
	struct tstr text;

	fresh();
	REC(muxes, tmux, 0)->host_slots.n--;
	refused("odd size");
	*(uint32_t *)AT(REC(muxes, tmux, 0)->host_slots.off) = 3;
	refused("a hash slot is out of range");
	for (unsigned i = 0; i < REC(muxes, tmux, 0)->host_slots.n; i++)
		((uint32_t *)AT(REC(muxes, tmux, 0)->host_slots.off))[i] = 1;
	refused("a hash table is full");
	REC(muxes, tmux, 0)->host_slots.n = 0;
	refused("odd size");
	prefix(0)->text.n = 1;
	refused("no root prefix");
	prefix(0)->parent = 0;
	refused("no root prefix");
	prefix(1)->parent = 1;
	refused("prefixes are out of order");
	text = prefix(1)->text;
	prefix(1)->text = prefix(2)->text;
	prefix(2)->text = text;
	refused("prefixes are out of order");
	prefix(4)->parent = 2;	/* "/b" below "/a" */
	refused("prefixes are out of order");
	{
		const struct tmux *m = REC(muxes, tmux, 0);
		const struct thost *any = AT(m->any.off);
		struct tprefix *p = AT(any->prefixes.off);

		ck_assert_uint_eq(p[0].routers.n, 1);
		/* Three indexes that happen to stand there: 0, 1, 2. */
		p[1].routers = REC(services, tservice, 0)->servers;
		((uint32_t *)AT(p[1].routers.off))[1] = 2;
	}
	refused("routers are out of order");
	{
		struct ttls_host *h = AT(REC(entry_points, tentry_point,
		    0)->tls_hosts.off);

		text = h[0].name;
		h[0].name = h[1].name;
		h[1].name = text;
	}
	refused("names are out of order");
}
END_TEST

START_TEST(middlewares)
{
	struct tmw_rate_limit *l;
	struct tmw_compress *c;
	struct tmw_forward_auth *f;

#define CONFIG(kind)	AT(REC(middlewares, tmw, kind)->config)
	fresh();
	REC(middlewares, tmw, 0)->kind = TMW_KINDS;
	refused("unknown kind");
	REC(middlewares, tmw, 0)->config = (uint32_t)image.n;
	refused("a vector reaches out");
	/* A small configuration read as a large one. */
	REC(middlewares, tmw, TMW_COMPRESS)->config = (uint32_t)image.n - 8;
	refused("a vector reaches out");
	l = CONFIG(TMW_RATE_LIMIT);
	l->period_ns = 0;
	refused("out of range");
	l = CONFIG(TMW_RATE_LIMIT);
	l->average = -1;
	refused("out of range");
	l = CONFIG(TMW_RATE_LIMIT);
	l->burst = 0;
	refused("out of range");
	l = CONFIG(TMW_RATE_LIMIT);
	l->source.kind = TSOURCE_HOST + 1;
	refused("out of range");
	c = CONFIG(TMW_COMPRESS);
	c->nencodings = TENCODINGS + 1;
	refused("out of range");
	c = CONFIG(TMW_COMPRESS);
	c->encodings[1] = TENCODINGS;
	refused("out of range");
	c = CONFIG(TMW_COMPRESS);
	c->default_encoding = TENCODINGS;
	refused("out of range");
	f = CONFIG(TMW_FORWARD_AUTH);
	f->server = TNONE;
	refused("an index is out of range");
	f = CONFIG(TMW_FORWARD_AUTH);
	f->trust_forward_header = TTRI_TRUE + 1;
	refused("out of range");
}
END_TEST

START_TEST(words)
{
	fresh();
	REC(servers, tserver, 0)->weight = 0;
	refused("without weight");
	REC(servers, tserver, 0)->scheme = TSCHEME_H2C + 1;
	refused("without weight or scheme");
	REC(services, tservice, 1)->kind = TSERVICE_KINDS;
	refused("a service of unknown kind");
	REC(tls_options, ttls_options, 0)->client_auth = 5;
	refused("client certificates");
	REC(access_log, taccess_log, 0)->format = TLOG_JSON + 1;
	refused("an access log of unknown form");
	REC(access_log, taccess_log, 0)->headers_mode = TLOG_REDACT + 1;
	refused("an access log of unknown form");
	REC(entry_points, tentry_point, 0)->underscore = 3;
	refused("unknown strategy");
	((struct cidr *)AT(REC(entry_points, tentry_point,
	    0)->trusted.off))->bits = 129;
	refused("an address range");
}
END_TEST

START_TEST(services_in_services)
{
#define SERVICE(kind)	REC(services, tservice, TSERVICE_##kind)
#define CHILD(kind, i)							\
	(&((struct tchild *)AT(SERVICE(kind)->children.off))[i])
	fresh();
	CHILD(WEIGHTED, 0)->service = TSERVICE_KINDS;
	refused("an index is out of range");
	CHILD(WEIGHTED, 1)->service = TSERVICE_WEIGHTED;
	refused("services stand in each other");
	CHILD(WEIGHTED, 1)->service = TSERVICE_FAILOVER;
	refused("services stand in each other");
	CHILD(WEIGHTED, 1)->weight = 0;
	refused("a weight is out of range");
	CHILD(MIRRORING, 1)->weight = 101;
	refused("a weight is out of range");
	SERVICE(MIRRORING)->children.n = 0;
	refused("too many or too few");
	SERVICE(FAILOVER)->children.n = 1;
	refused("too many or too few");
	SERVICE(MIDDLEWARES)->children.n = 0;
	refused("too many or too few");
	SERVICE(MIDDLEWARES)->depth = TSERVICE_DEPTH + 1;
	refused("too many or too few");
	SERVICE(FAILOVER)->below = 7;
	refused("too many services in each other");
	SERVICE(LOAD_BALANCER)->below = TSERVICE_BELOW;
	refused("too many services in each other");
	/* The page of an errors middleware leads back to its service. */
	((struct tmw_errors *)AT(REC(middlewares, tmw, TMW_ERRORS)->config))->
	    service = TSERVICE_MIDDLEWARES;
	refused("services stand in each other");
}
END_TEST

START_TEST(balancing)
{
#define STICKY(kind)	((struct tsticky *)AT(SERVICE(kind)->sticky.off))
#define CHECKED		REC(checks, tcheck, 0)
#define PROBE		((struct tprobe *)AT(CHECKED->probes.off))
	fresh();
	STICKY(LOAD_BALANCER)->keys.n--;
	refused("with keys of others");
	STICKY(WEIGHTED)->keys.n--;
	refused("with keys of others");
	SERVICE(LOAD_BALANCER)->strategy = TSTRATEGIES;
	refused("of unknown kind");
	SERVICE(LOAD_BALANCER)->check = 1;
	refused("an index is out of range");
	SERVICE(LOAD_BALANCER)->failures = 0;
	refused("an odd health check");
	SERVICE(LOAD_BALANCER)->failure_window_ns = -1;
	refused("an odd health check");
	CHECKED->service = TSERVICE_KINDS;
	refused("an index is out of range");
	CHECKED->interval_ns = 0;
	refused("an odd health check");
	CHECKED->unhealthy_interval_ns = -1;
	refused("an odd health check");
	CHECKED->timeout_ns = 0;
	refused("an odd health check");
	CHECKED->status = 1000;
	refused("an odd health check");
	PROBE->server = 3;
	refused("an index is out of range");
	PROBE->target.off = (uint32_t)image.n;
	refused("a string reaches out");
}
END_TEST

/* Strings and regular expressions are kept once, over growths of the table. */
START_TEST(strings_once)
{
	struct builder *b = build_new();
	struct buf out = BUF_INIT;
	static struct tstr first[3000];
	struct ttls_options o = { .alpn = build_vec(b, NULL, 0, 1) };
	char text[32];

	o.name = o.ciphers = o.groups = build_cstr(b, "default");
	o.client_cas = TNONE;
	ck_assert_uint_eq(build_add(b, BUILD_TLS_OPTIONS, &o), 0);
	for (int round = 0; round < 2; round++)
		for (unsigned i = 0; i < ARRAY_SIZE(first); i++) {
			struct tstr s;

			snprintf(text, sizeof(text), "string %u", i);
			s = build_cstr(b, text);
			if (round == 0)
				first[i] = s;
			ck_assert_uint_eq(s.off, first[i].off);
			ck_assert_uint_eq(s.n, strlen(text));
			ck_str_is(build_text(b, s), text);
		}
	ck_assert_uint_eq(build_str(b, STR("")).n, 0);
	ck_assert_uint_eq(build_regexp(b, STR("^a")), 0);
	ck_assert_uint_eq(build_regexp(b, STR("^b")), 1);
	ck_assert_uint_eq(build_regexp(b, STR("^a")), 0);
	ck_assert_uint_eq(build_count(b, BUILD_REGEXPS), 2);
	build_finish(b, 3, TNONE, &out);
	image = out;
	table_resum(&image);
	{
		const char *why;

		ck_assert_msg(check(&why) == 0, "refused: %s", why);
	}
	buf_fini(&image);
	build_free(b);
}
END_TEST

UNIT_MAIN("table", whole_image, same_content_same_hash, every_length,
    every_byte, every_word, headers, references, rules, index_of_hosts,
    middlewares, words, balancing, services_in_services, strings_once)
