/* SPDX-License-Identifier: BSD-2-Clause */
/* YAML to structs: places, words, merges, limits. */
#include "reader.h"

#include "config_said.h"

#include <errno.h>
#include <stdio.h>

/* Each text says exactly one thing, and this is how it begins. */
START_TEST(one_mistake)
{
	static const struct { const char *in, *want; } rows[] = {
		/* Unknown keys: nested ones are errors, top-level warnings. */
		{ "entryPoint: {}",
		    "f.yml:1:1: warning: unknown key \"entryPoint\" in the "
		    "configuration; did you mean \"entryPoints\"?" },
		{ "zzz: 1",
		    "f.yml:1:1: warning: unknown key \"zzz\" in the "
		    "configuration\n" },
		{ "http:\n  router: {}",
		    "f.yml:2:3: error: unknown key \"router\" in http; did you "
		    "mean \"routers\"?" },
		{ "entryPoints:\n  web:\n    adress: ':80'\n    address: ':1'",
		    "f.yml:3:5: error: entry point web: unknown key \"adress\" "
		    "in an entry point; did you mean \"address\"?" },
		{ "http: {middlewares: {m: {rateLimit: {averag: 1}}}}",
		    "f.yml:1:38: error: middleware m: unknown key \"averag\" in "
		    "rateLimit; did you mean \"average\"?" },
		{ "log: {x-note: 1}", "f.yml:1:7: error: unknown key" },
		/* Types. */
		{ "log: []", "f.yml:1:6: error: log: expected a mapping" },
		{ "- a", "f.yml:1:1: error: the configuration: expected a "
		    "mapping" },
		{ "a text", "f.yml:1:1: error: the configuration: expected a "
		    "mapping" },
		{ "log: {noColor: maybe}",
		    "f.yml:1:16: error: noColor: \"maybe\" is neither true nor "
		    "false" },
		{ "log: {maxSize: many}",
		    "f.yml:1:16: error: maxSize: \"many\" is not a whole "
		    "number" },
		{ "log: {maxSize: 1.5}", "f.yml:1:16: error: maxSize: \"1.5\"" },
		{ "log: {maxSize: 99999999999999999999}",
		    "f.yml:1:16: error: maxSize:" },
		{ "providers: {providersThrottleDuration: soon}",
		    "f.yml:1:40: error: providersThrottleDuration: \"soon\" is "
		    "not a duration" },
		{ "log: {level: [INFO]}",
		    "f.yml:1:14: error: level: expected a text, found a list" },
		{ "log: {level: {a: b}}",
		    "f.yml:1:14: error: level: expected a text, found a "
		    "mapping" },
		{ "http: {routers: [a]}",
		    "f.yml:1:17: error: routers: expected a mapping of names" },
		{ "http: {routers: {r: {rule: 'Path(`/`)', service: s, "
		    "middlewares: {a: b}}}}",
		    "f.yml:1:66: error: router r: middlewares: expected a "
		    "list" },
		{ "http: {middlewares: {m: {headers: {customRequestHeaders: "
		    "[a]}}}}",
		    "f.yml:1:58: error: middleware m: customRequestHeaders: "
		    "expected a mapping" },
		{ "tls: {certificates: {a: b}}",
		    "f.yml:1:21: error: certificates: expected a list" },
		{ "[a]: b", "f.yml:1:1: error: this list is no key" },
		/* What may not stand alone. */
		{ "http: {middlewares: {m: {headers: {}}}}",
		    "f.yml:1:35: error: middleware m: headers cannot be a "
		    "standalone element" },
		{ "http: {middlewares: {m: {headers: }}}",
		    "f.yml:1:35: error: middleware m: headers cannot be empty"
		},
		/* Twice, also in another case. */
		{ "log: {level: INFO, level: WARN}",
		    "f.yml:1:20: error: \"level\" stands here twice" },
		{ "log: {level: INFO, Level: WARN}",
		    "f.yml:1:20: error: \"Level\" stands here twice" },
		{ "log: {}\nlog: {}", "f.yml:2:1: error: \"log\" stands" },
		{ "http: {}\nHttp: {}", "f.yml:2:1: error: \"Http\" stands" },
		{ "http: {services: {a: {loadBalancer: {}}, a: {loadBalancer: "
		    "{}}}}", "f.yml:1:42: error: \"a\" stands here twice" },
		{ "http: {middlewares: {m: {headers: {customRequestHeaders: "
		    "{a: b, a: c}}}}}",
		    "f.yml:1:65: error: middleware m: \"a\" stands here twice"
		},
		/* Not YAML. */
		{ "a: [", "f.yml:2:1: error: not YAML:" },
		{ "a:\n\tb: 1", "f.yml:2:1: error: not YAML:" },
		{ "log:\n  level: *nothing", "f.yml:2:10: error: not YAML: "
		    "found undefined alias" },
		{ "log: {level: \"\xff\"}",
		    "f.yml:1:15: error: not YAML: invalid leading UTF-8" },
		{ "log: {}\nx-a: \"\xc3(\"",
		    "f.yml:2:8: error: not YAML: invalid trailing UTF-8" },
		{ "log: {level: \"IN\\0FO\"}",
		    "f.yml:1:14: error: a text cannot hold a NUL byte" },
		{ "log: {}\n---\nlog: {}",
		    "f.yml:3:1: error: a second document in one file" },
		{ "log: {}\n---\na: [",
		    "f.yml:4:1: error: not YAML:" },
		/* Merges. */
		{ "log: {<<: 1}", "f.yml:1:7: error: \"<<\" needs a mapping or "
		    "a list of them" },
		{ "log: {<<: [1]}", "f.yml:1:7: error: \"<<\" needs a mapping" },
		{ "x-a: &a {maxSize: 1, maxsize: 2}\nlog: {<<: *a}",
		    "f.yml:1:22: error: \"maxsize\" stands here twice" },
		{ "x-a: &a {lvl: INFO}\nlog: {<<: *a}",
		    "f.yml:1:10: error: unknown key \"lvl\" in log" },
		{ "log: &a {<<: *a}", "f.yml:1:10: error: \"<<\" merges too "
		    "deeply" },
		/* Known to Traefik, not to us yet. */
		{ "certificatesResolvers: {}",
		    "f.yml:1:1: error: \"certificatesResolvers\" is not "
		    "supported yet" },
		{ "http: {middlewares: {m: {retry: {attempts: 1}}}}",
		    "f.yml:1:26: error: middleware m: \"retry\" is not "
		    "supported yet" },
		{ "http: {serversTransports: {t: {spiffe: {}}}}",
		    "f.yml:1:32: error: serversTransport t: \"spiffe\" is not "
		    "supported yet" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const char *got = config_said(str_c(rows[i].in));
		const char *line = strchr(got, '\n');

		ck_assert_msg(strncmp(got, rows[i].want,
		    strlen(rows[i].want)) == 0, "%s\ngot  %swant %s",
		    rows[i].in, got, rows[i].want);
		ck_assert_msg(line != NULL && line[1] == '\0',
		    "%s\nsays more: %s", rows[i].in, got);
	}
}
END_TEST

START_TEST(without_fault)
{
	static const char *const rows[] = { "", "\n", "# only this\n", "~",
	    "---\n", "---\n...\n", "{}", "x-a: {b: [1, {c: d}]}",
	    "log:", "log: ~\nhttp: null",
	    "\xef\xbb\xbflog: {}", "log: {}\n---\n", "log: {level: info}\n...\n",
	    "LOG: {LEVEL: INFO}", "http: {routers: }" };

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		ck_assert_str_eq(config_said(str_c(rows[i])), "");
}
END_TEST

/* One run tells all, in the order of the text. */
START_TEST(all_mistakes)
{
	const char *got = config_said(STR(
	    "entryPoints:\n"
	    "  web: {adress: ':80'}\n"
	    "log: {level: [a], maxSize: b}\n"
	    "http:\n"
	    "  routers:\n"
	    "    r: {rule: 'Nope(`a`)', service: s, priority: high}\n"
	    "zzz: 1\n"));
	static const char *const want[] = { "f.yml:2:9: error: entry point web:"
	    " unknown key", "f.yml:3:14: error: level:",
	    "f.yml:3:28: error: maxSize:", "f.yml:6:50: error: router r: "
	    "priority:", "f.yml:7:1: warning: unknown key \"zzz\"",
	    "address is missing", "f.yml:6:5: error: router r: unknown matcher"
	};
	unsigned lines = 0;

	for (size_t i = 0; i < ARRAY_SIZE(want); i++)
		ck_assert_msg(strstr(got, want[i]) != NULL, "no %s in %s",
		    want[i], got);
	for (const char *p = got; *p != '\0'; p++)
		lines += *p == '\n';
	ck_assert_uint_eq(lines, ARRAY_SIZE(want));
}
END_TEST

START_TEST(values)
{
	struct config *c = config_good(
	    "entryPoints:\n"
	    "  web:\n"
	    "    address: :80\n"
	    "    asDefault: TRUE\n"
	    "    forwardedHeaders: {trustedIPs: '10.0.0.0/8, ::1'}\n"
	    "    transport: {respondingTimeouts: {readTimeout: 1h2m3.5s, "
	    "idleTimeout: 7}}\n"
	    "http:\n"
	    "  routers:\n"
	    "    r: {rule: Path(`/`), service: s, priority: -5, "
	    "middlewares: [a, 'b, c']}\n"
	    "  services:\n"
	    "    s: {loadBalancer: {servers: [{url: http://a}, "
	    "{url: http://b, weight: 3}]}}\n"
	    "  middlewares:\n"
	    "    a: {headers: {customRequestHeaders: {X-A: 1, X-B: ~, "
	    "X-C: ''}}}\n");
	const struct entry_point *e = &c->entry_points.v[0];
	const struct router *r = &c->dynamic.routers.v[0];
	const struct load_balancer *lb =
	    c->dynamic.services.v[0].load_balancer;
	const struct mw_headers *h = c->dynamic.middlewares.v[0].headers;

	ck_assert_uint_eq(c->entry_points.n, 1);
	ck_assert_str_eq(e->o.name, "web");
	ck_assert_uint_eq(e->o.place.line, 2);
	ck_assert_uint_eq(e->o.place.column, 3);
	ck_assert_str_eq(e->o.place.file, "f.yml");
	ck_assert_str_eq(e->address, ":80");
	ck_assert(e->as_default);
	ck_assert_uint_eq(e->forwarded.trusted_ips.n, 2);
	ck_assert_str_eq(e->forwarded.trusted_ips.v[1], "::1");
	ck_assert_int_eq(e->timeouts.read, 3723500 * NSEC_MSEC);
	ck_assert_int_eq(e->timeouts.idle, 7 * NSEC_SEC);
	ck_assert_int_eq(e->grace, 10 * NSEC_SEC);	/* the default */
	ck_assert_int_eq(r->priority, -5);
	ck_assert_uint_eq(r->middlewares.n, 2);
	ck_assert_str_eq(r->middlewares.v[1], "b, c");
	ck_assert_uint_eq(lb->servers.n, 2);
	ck_assert_int_eq(lb->servers.v[0].weight, 1);
	ck_assert_int_eq(lb->servers.v[1].weight, 3);
	ck_assert_uint_eq(h->custom_request_headers.n, 3);
	ck_assert_str_eq(h->custom_request_headers.v[0].value, "1");
	ck_assert_str_eq(h->custom_request_headers.v[1].value, "");
	ck_assert_str_eq(h->custom_request_headers.v[2].value, "");
	ck_assert(c->dynamic.http_present);
	config_free(c);
}
END_TEST

START_TEST(merges)
{
	struct config *c = config_good(
	    "x-base: &base\n"
	    "  address: ':1'\n"
	    "  asDefault: true\n"
	    "  forwardedHeaders: {insecure: true, trustedIPs: [10.0.0.1]}\n"
	    "x-more: &more {address: ':2', reusePort: true}\n"
	    "entryPoints:\n"
	    "  one: *base\n"
	    "  two: {<<: *base, address: ':3'}\n"
	    "  three: {address: ':4', <<: *base}\n"
	    "  four: {<<: [*more, *base]}\n"
	    "  five:\n"
	    "    <<: *base\n"
	    "    forwardedHeaders: {trustedIPs: [10.0.0.2]}\n"
	    "x-routers: &routers\n"
	    "  a: {rule: Path(`/a`), service: s}\n"
	    "  b: {rule: Path(`/b`), service: s}\n"
	    "http:\n"
	    "  routers:\n"
	    "    <<: *routers\n"
	    "    b: {rule: Path(`/own`), service: s}\n"
	    "    c: {rule: Path(`/c`), service: s}\n"
	    "  middlewares:\n"
	    "    m: {headers: {customRequestHeaders: {<<: {X-A: 1, X-B: 2}, "
	    "X-A: 3}}}\n");
	const struct entry_point *e = c->entry_points.v;
	const struct router *r = c->dynamic.routers.v;
	const struct pairlist *h = &c->dynamic.middlewares.v[0].headers->
	    custom_request_headers;

	ck_assert_uint_eq(c->entry_points.n, 5);
	ck_assert_str_eq(e[0].address, ":1");
	ck_assert_str_eq(e[1].address, ":3");
	ck_assert(e[1].as_default);
	ck_assert_str_eq(e[2].address, ":4");
	ck_assert_str_eq(e[3].address, ":2");
	ck_assert(e[3].reuse_port && e[3].as_default);
	/* A value is taken whole: the inner mapping is not merged. */
	ck_assert(e[3].forwarded.insecure);
	ck_assert(!e[4].forwarded.insecure);
	ck_assert_uint_eq(e[4].forwarded.trusted_ips.n, 1);
	ck_assert_str_eq(e[4].forwarded.trusted_ips.v[0], "10.0.0.2");
	/* Names too: own ones first, then what is merged. */
	ck_assert_uint_eq(c->dynamic.routers.n, 3);
	ck_assert_str_eq(r[0].o.name, "b");
	ck_assert_str_eq(r[0].rule_text, "Path(`/own`)");
	ck_assert_str_eq(r[1].o.name, "c");
	ck_assert_str_eq(r[2].o.name, "a");
	ck_assert_uint_eq(h->n, 2);
	ck_assert_str_eq(h->v[0].value, "3");
	ck_assert_str_eq(h->v[1].name, "X-B");
	config_free(c);
	/* A quoted "<<" is a name like any other. */
	ck_assert_ptr_nonnull(strstr(config_said(STR("log: {'<<': {}}")),
	    "unknown key \"<<\""));
}
END_TEST

static struct buf text;

static void
times(unsigned n, const char *part)
{
	for (unsigned i = 0; i < n; i++)
		buf_puts(&text, str_c(part));
}

/* Few bytes that mean many: refused in bounded time and memory. */
START_TEST(aliases_explode)
{
	for (int how = 0; how < 3; how++) {
		const char *got;

		buf_reset(&text);
		times(1, how == 1 ? "x-0: &l0 {level: INFO}\n" :
		    how == 0 ? "x-0: &l0 [a, b]\n" :
		    "x-0: &l0 {levl: INFO}\n");
		for (unsigned i = 1; i <= 12; i++) {
			buf_printf(&text, how == 1 ? "x-%u: &l%u {<<: [" :
			    "x-%u: &l%u [", i, i);
			for (unsigned k = 0; k < 10; k++)
				buf_printf(&text, "*l%u, ", i - 1);
			times(1, how == 1 ? "]}\n" : "]\n");
		}
		if (how == 1)
			times(1, "log: *l12\n");
		else
			times(1, "tls: {certificates: *l12}\n"
			    "http: {routers: {r: {middlewares: *l12}}}\n");
		got = config_said(buf_str(&text));
		ck_assert_msg(strstr(got, "error") != NULL, "%.200s", got);
		ck_assert_uint_lt(strlen(got), 1 << 20);
	}
	buf_fini(&text);
}
END_TEST

/* The same mistake a million times is told a bounded number of times. */
START_TEST(problems_explode)
{
	const char *got;

	times(1, "x-0: &l0 {certFil: INFO}\nx-1: &l1 [");
	times(1000, "*l0, ");
	times(1, "]\ntls: {certificates: *l1}\nhttp: {routers: {");
	for (unsigned i = 0; i < 3000; i++)
		buf_printf(&text, "r%u: {rul: x}, ", i);
	times(1, "}}\n");
	got = config_said(buf_str(&text));
	ck_assert_ptr_nonnull(strstr(got, "too many problems"));
	ck_assert_ptr_nonnull(strstr(got, "did you mean \"certFile\""));
	ck_assert_uint_lt(strlen(got), 1 << 20);
	buf_fini(&text);
}
END_TEST

/* Brackets of some kilobytes would keep libyaml's loader busy for minutes. */
START_TEST(nesting)
{
	nsec_t start = clock_mono();

	for (int how = 0; how < 3; how++) {
		static const char *const open[] = { "[", "{a: ", "- " };
		const char *got;

		for (unsigned n = 90; n < 300000; n = n == 90 ? 200 :
		    n * 1000) {
			buf_reset(&text);
			times(1, "x-a:\n  ");
			times(n, open[how]);
			times(1, "b");
			if (n == 90)
				times(n, how == 0 ? "]" : how == 1 ? "}" : "");
			times(1, "\n");
			got = config_said(buf_str(&text));
			ck_assert_msg(n == 90 ? got[0] == '\0' : strstr(got,
			    "not YAML: nested too deeply") != NULL, "%u: %.300s",
			    n, got);
		}
	}
	ck_assert_int_lt(clock_mono() - start, 5 * NSEC_SEC);
	buf_fini(&text);
}
END_TEST

/* Many anchors, also anew and to themselves. */
START_TEST(anchors)
{
	struct config *c;

	times(1, "x-a:\n");
	for (unsigned i = 0; i < 20000; i++)
		buf_printf(&text, "  - &a%u v%u\n", i, i);
	times(1, "x-b: [&a7 again, &self [*self]]\nentryPoints: {web: {address: "
	    "':1', middlewares: ~, http: {middlewares: [*a0, *a7, *a19999]}}}"
	    "\n");
	/* No such key here: only to see the place behind so many nodes. */
	ck_assert_ptr_nonnull(strstr(config_said(buf_str(&text)),
	    "f.yml:20003:36: error: entry point web: unknown key "
	    "\"middlewares\""));
	text.n = (size_t)(strstr(buf_cstr(&text), "middlewares: ~, ") -
	    buf_cstr(&text));
	times(1, "http: {middlewares: [*a0, *a7, *a19999]}}}\n");
	c = config_good(buf_cstr(&text));
	ck_assert_str_eq(c->entry_points.v[0].middlewares.v[0], "v0");
	ck_assert_str_eq(c->entry_points.v[0].middlewares.v[1], "again");
	ck_assert_str_eq(c->entry_points.v[0].middlewares.v[2], "v19999");
	config_free(c);
	buf_fini(&text);
}
END_TEST

/* A large file is no mistake, and is read in no time. */
START_TEST(large)
{
	struct config *c;

	times(1, "http:\n  routers:\n");
	for (unsigned i = 0; i < 20000; i++)
		buf_printf(&text, "    r%u: {rule: 'Host(`h%u.test`)', service: "
		    "s}\n", i, i);
	times(1, "  services: {s: {loadBalancer: {servers: [{url: "
	    "'http://a'}]}}}\n  middlewares: {m: {ipAllowList: {sourceRange: '");
	times(50000, "10.0.0.1,");
	times(1, "'}}}\n");
	c = config_good(buf_cstr(&text));
	ck_assert_uint_eq(c->dynamic.routers.n, 20000);
	ck_assert_uint_eq(c->dynamic.middlewares.v[0].ip_allow_list->
	    source_range.n, 50001);
	config_free(c);
	buf_fini(&text);
}
END_TEST

/* An arena that is full is an error of the file, not the end of the process. */
START_TEST(full_arena)
{
	static const struct str in = STR(
	    "http: {routers: {a: {rule: Path(`/`), service: s, middlewares: "
	    "'a,b,c'}}, middlewares: {m: {headers: {customRequestHeaders: "
	    "{X: y}}}}}\ntls: {certificates: [{certFile: a, keyFile: b}]}");

	for (size_t max = 0; max < 4000; max += 16) {
		struct diags d = { 0 };
		struct dynamic dyn;
		struct arena a;
		int r;

		arena_init(&a, max);
		r = reader_read(&schema_dynamic_file, &a, "f", in, &dyn, &d);
		ck_assert(r == 0 || r == -EINVAL);
		ck_assert_int_eq(r == 0, d.n == 0);
		if (max < 100)
			ck_assert_int_eq(r, -EINVAL);
		if (max > 3900)
			ck_assert_int_eq(r, 0);
		arena_fini(&a);
		diags_fini(&d);
	}
}
END_TEST

START_TEST(durations)
{
	static const struct { const char *in; nsec_t want; } rows[] = {
		{ "0", 0 }, { "10", 10 * NSEC_SEC }, { "-1", -NSEC_SEC },
		{ "10s", 10 * NSEC_SEC }, { "100ms", 100 * NSEC_MSEC },
		{ "1h2m3.5s", 3723500 * NSEC_MSEC }, { "1.5h", 5400 * NSEC_SEC },
		{ "5us", 5000 }, { "5\xc2\xb5s", 5000 }, { "7ns", 7 },
		{ "-1m", -60 * NSEC_SEC }, { ".5s", NSEC_SEC / 2 },
		{ "1m1m", 120 * NSEC_SEC },
	};
	static const char *const bad[] = { "", "-", "s", "1x", "1.2.3s",
	    "1 s", "1s ", "10sec", ".s", "1e3s", "1000000000h", "+",
	    "99999999999999999999", "9223372036854775807", "1s2",
	    "0x10s", "--1s", "infs", "nans" };
	nsec_t got;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		ck_assert_msg(reader_duration(str_c(rows[i].in), &got) == 0,
		    "%s", rows[i].in);
		ck_assert_msg(got == rows[i].want, "%s: %lld", rows[i].in,
		    (long long)got);
	}
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		ck_assert_msg(reader_duration(str_c(bad[i]), &got) == -EINVAL,
		    "%s", bad[i]);
}
END_TEST

UNIT_MAIN("reader", one_mistake, without_fault, all_mistakes, values, merges,
    aliases_explode, problems_explode, nesting, anchors, large, full_arena, durations)
