/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Connections as bytes: what goes in comes out, and whatever is out of its range
 * is refused, each field by its name.
 */
#include "parcel_make.h"
#include "unit.h"

#include <errno.h>
#include <string.h>

static uint8_t bytes[PARCEL_MAX], again[PARCEL_MAX];
static struct parcel p, q;
static const char *why;

static size_t
made(unsigned kind)
{
	ssize_t n;

	parcel_make(kind, &p);
	n = parcel_write(&p, bytes, sizeof(bytes));
	ck_assert_int_gt(n, 0);
	return (size_t)n;
}

START_TEST(comes_out_as_it_went_in)
{
	for (unsigned kind = 0; kind < MADE; kind++) {
		size_t n = made(kind);

		ck_assert_int_eq(parcel_read(&q, bytes, n, &why), 0);
		ck_assert(q.is_tunnel == p.is_tunnel && q.counted &&
		    q.had_request && q.tls_tried);
		ck_str_is(q.entry_point, "websecure");
		ck_assert(addr_eq(&q.peer, &p.peer));
		ck_assert(q.left == p.left && q.age == p.age);
		ck_assert_uint_eq(q.requests, 12);
		ck_str_is(q.client.in, "GET / HT");
		if (p.client.has_tls) {
			ck_assert_mem_eq(q.client.tls.rd, p.client.tls.rd, 48);
			ck_assert(q.client.tls.wr_seq == TLS_STATE_WR_MAX);
			ck_str_is(q.client.tls.peer[1], "nor this");
			ck_assert(str_eq(q.client.raw, p.client.raw));
		}
		if (p.is_tunnel) {
			ck_str_is(q.tunnel.line, p.tunnel.line.p);
			ck_assert(q.tunnel.idle == p.tunnel.idle);
			ck_assert_uint_eq(q.tunnel.frame_head[1], 0xfe);
		}
		/* Every field, also those not named here. */
		ck_assert_int_eq(parcel_write(&q, again, sizeof(again)),
		    (ssize_t)n);
		ck_assert_mem_eq(again, bytes, n);
	}
}
END_TEST

/* Each number, one above its largest; each is refused under its own name. */
START_TEST(every_number_out_of_range)
{
	for (unsigned kind = 0; kind < MADE; kind++) {
		static struct parcel_field f[128];
		size_t n = made(kind);
		unsigned k = parcel_fields(bytes, n, f, 128), tried = 0;

		ck_assert_uint_gt(k, kind == MADE_PLAIN ? 15 : 30);
		ck_assert_uint_lt(k, 128);
		for (unsigned i = 0; i < k; i++) {
			uint64_t bad = f[i].max + 1;
			uint8_t was[8];

			if (f[i].bytes < 8 ? f[i].max >> (8 * f[i].bytes) !=
			    0 || bad >> (8 * f[i].bytes) != 0 : bad == 0)
				continue;	/* any value is good */
			memcpy(was, bytes + f[i].at, f[i].bytes);
			for (size_t b = 0; b < f[i].bytes; b++)
				bytes[f[i].at + b] = (uint8_t)(bad >> (8 * b));
			ck_assert_int_eq(parcel_read(&q, bytes, n, &why),
			    -EPROTO);
			ck_assert_str_eq(why, f[i].name);
			/* Far above as well. */
			memset(bytes + f[i].at, 0xff, f[i].bytes);
			ck_assert_int_eq(parcel_read(&q, bytes, n, &why),
			    -EPROTO);
			memcpy(bytes + f[i].at, was, f[i].bytes);
			tried++;
		}
		ck_assert_uint_gt(tried, k / 2);
		ck_assert_int_eq(parcel_read(&q, bytes, n, &why), 0);
	}
}
END_TEST

START_TEST(cut_anywhere_or_too_long)
{
	for (unsigned kind = 0; kind < MADE; kind++) {
		size_t n = made(kind);

		for (size_t k = 0; k < n; k++) {
			/* The exact size lets sanitizers see overreads. */
			uint8_t *cut = malloc(k + 1);

			memcpy(cut, bytes, k);
			ck_assert_int_eq(parcel_read(&q, cut, k, &why),
			    -EPROTO);
			ck_assert_int_eq(parcel_write(&p, again, k),
			    -EMSGSIZE);
			free(cut);
		}
		bytes[n] = 0;
		ck_assert_int_eq(parcel_read(&q, bytes, n + 1, &why), -EPROTO);
		ck_assert_str_eq(why, "end");
	}
}
END_TEST

/* What each number allows and all of them together do not. */
#define UNFIT(name)	static void unfit_##name(struct parcel *x)
UNFIT(suite) { x->client.tls.suite = 0x1304; }
UNFIT(other_end) { x->client.tls.server = false; }
UNFIT(server_end) { x->tunnel.server.tls.server = true; }
UNFIT(ticket) { x->tunnel.server.tls.message_n = 2; }
UNFIT(server_ticket) { x->client.tls.skip = 1; x->client.tls.message_n = 0; }
UNFIT(no_name) { x->entry_point = STR_NONE; }
UNFIT(control) { x->entry_point = STR("web\nsecure"); }
UNFIT(sni) { x->client.tls.sni = STR("a\xff.test"); }
UNFIT(alpn) { x->client.tls.alpn = STR("h\x7f"); }
UNFIT(certificate) { x->client.tls.peer[1] = STR_NONE; }
UNFIT(requests) { x->requests = 0; }
UNFIT(not_had) { x->had_request = false; }
UNFIT(age) { x->age = NSEC_NEVER; }
UNFIT(negative) { x->age = -1; }
UNFIT(left) { x->left = -NSEC_SEC; }
UNFIT(tried) { x->tls_tried = false; }
UNFIT(eof) { x->client.eof = true; }
UNFIT(closed) { x->client.tls.peer_closed = true; }
UNFIT(far) { x->client.far = true; }
UNFIT(raw) { x->client.raw = STR("x"); }
UNFIT(out) { x->client.out = STR("x"); }
UNFIT(over) { x->tunnel.up_over = true; }
UNFIT(frame) { x->tunnel.frame_left = 1; }
UNFIT(idle) { x->tunnel.idle = 0; }
UNFIT(line_age) { x->tunnel.line_age = NSEC_NEVER; }

static const struct {
	const char *name;
	unsigned kind;
	void (*spoil)(struct parcel *x);
} spoils[] = {
	{ "suite", MADE_TLS, unfit_suite },
	{ "server", MADE_TLS, unfit_other_end },
	{ "server", MADE_TUNNEL_TLS, unfit_server_end },
	{ "ticket", MADE_TUNNEL_TLS, unfit_ticket },
	{ "ticket", MADE_TLS, unfit_server_ticket },
	{ "entry point", MADE_PLAIN, unfit_no_name },
	{ "entry point", MADE_PLAIN, unfit_control },
	{ "server name", MADE_TLS, unfit_sni },
	{ "protocol", MADE_TLS, unfit_alpn },
	{ "peer certificate", MADE_TLS, unfit_certificate },
	{ "requests", MADE_PLAIN, unfit_requests },
	{ "requests", MADE_PLAIN, unfit_not_had },
	{ "age", MADE_PLAIN, unfit_age },
	{ "age", MADE_PLAIN, unfit_negative },
	{ "time left", MADE_PLAIN, unfit_left },
	{ "tls tried", MADE_TLS, unfit_tried },
	{ "eof", MADE_PLAIN, unfit_eof },
	{ "eof", MADE_TLS, unfit_closed },
	{ "far", MADE_PLAIN, unfit_far },
	{ "received bytes", MADE_PLAIN, unfit_raw },
	{ "owed bytes", MADE_PLAIN, unfit_out },
	{ "down over", MADE_TUNNEL, unfit_over },
	{ "frame head", MADE_TUNNEL, unfit_frame },
	{ "idle time", MADE_TUNNEL, unfit_idle },
	{ "line age", MADE_TUNNEL, unfit_line_age },
};

/* They are not even sent. */
START_TEST(unfit_for_each_other)
{
	for (size_t i = 0; i < ARRAY_SIZE(spoils); i++) {
		parcel_make(spoils[i].kind, &p);
		spoils[i].spoil(&p);
		ck_assert_msg(parcel_write(&p, bytes, sizeof(bytes)) ==
		    -ERANGE, "%s", spoils[i].name);
	}
}
END_TEST

/* The same in bytes: written by somebody who does not look. */
START_TEST(unfit_from_elsewhere)
{
	static struct parcel_field f[128];
	size_t n = made(MADE_TUNNEL);
	unsigned k = parcel_fields(bytes, n, f, 128);

	for (unsigned i = 0; i < k; i++) {
		uint8_t was = bytes[f[i].at];

		if (strcmp(f[i].name, "had request") != 0 &&
		    strcmp(f[i].name, "up over") != 0)
			continue;
		bytes[f[i].at] ^= 1;
		ck_assert_int_eq(parcel_read(&q, bytes, n, &why), -EPROTO);
		bytes[f[i].at] = was;
	}
	ck_assert_int_eq(parcel_read(&q, bytes, n, &why), 0);
}
END_TEST

START_TEST(limits)
{
	static char much[PARCEL_BYTES_MAX + 1];

	parcel_make(MADE_PLAIN, &p);
	p.client.in = str_n(much, PARCEL_BYTES_MAX);
	ck_assert_int_gt(parcel_write(&p, bytes, sizeof(bytes)), 0);
	p.client.in.n++;
	ck_assert_int_eq(parcel_write(&p, bytes, sizeof(bytes)), -ERANGE);
	parcel_make(MADE_TUNNEL, &p);
	p.tunnel.line = str_n(much, PARCEL_LINE_MAX + 1);
	ck_assert_int_eq(parcel_write(&p, bytes, sizeof(bytes)), -ERANGE);
	p.tunnel.line.n = PARCEL_LINE_MAX;
	ck_assert_int_gt(parcel_write(&p, bytes, sizeof(bytes)), 0);
	/* The largest one fits. */
	parcel_make(MADE_TUNNEL, &p);
	for (int i = 0; i < 2; i++) {
		struct parcel_side *s = i == 0 ? &p.client : &p.tunnel.server;

		s->in = str_n(much, PARCEL_BYTES_MAX);
		s->bytes_in = s->bytes_out = UINT64_MAX / 2;
	}
	p.tunnel.line = str_n(much, PARCEL_LINE_MAX);
	ck_assert_int_gt(parcel_write(&p, bytes, sizeof(bytes)), 0);
}
END_TEST

UNIT_MAIN("parcel", comes_out_as_it_went_in, every_number_out_of_range,
    cut_anywhere_or_too_long, unfit_for_each_other, unfit_from_elsewhere,
    limits)
