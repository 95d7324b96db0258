/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * TLS 1.3 records and what may come in them after the handshake (RFC 8446 4.6,
 * 5, 6), with the vectors of RFC 8448.
 */
#include "layer.h"

#include "str.h"
#include "tls_craft.h"
#include "unit.h"

#include <errno.h>
#include <string.h>

#define WIRE	(1u << 18)

static uint8_t wire[WIRE], clear[WIRE], got[WIRE], sent[WIRE];

/* ---- RFC 8448, 3 ------------------------------------------------------- */

static size_t
hex(const char *p, uint8_t *ret)
{
	size_t n = 0;

	for (; p[0] != '\0'; p += 2) {
		char two[3] = { p[0], p[1], '\0' };

		ret[n++] = (uint8_t)strtoul(two, NULL, 16);
	}
	return n;
}

static const struct {
	const char *secret, *key, *iv;
	uint64_t seq;		/* of the data */
	const char *data, *alert;
} rfc8448[] = {
	{ "9e40646ce79a7f9dc05af8889bce6552875afa0b06df0087f792ebb7c17504a5",
	  "17422dda596ed5d9acd890e3c63f5051", "5b78923dee08579033e523d9", 0,
	  "1703030043a23f7054b62c94d0affafe8228ba55cbefacea42f914aa66bcab3f2b"
	  "9819a8a5b46b395bd54a9a20441e2b62974e1f5a6292a2977014bd1e3deae63aee"
	  "bb21694915e4", "1703030013c9872760655666b74d7ff1153efd6db6d0b0e3" },
	/* The server's ticket was its first record. */
	{ "a11af9f05531f856ad47116b45a950328204b4f44bfb6b3a4b4f1f3fcb631643",
	  "9f02283b6c9c07efc26bb9f2ac92e356", "cf782b88dd83549aadf1e984", 1,
	  "17030300432e937e11ef4ac740e538ad36005fc4a46932fc3225d05f82aa1b36e3"
	  "0efaf97d90e6dffc602dcb501a59a8fcc49c4bf2e5f0a21c0047c2abf332540dd0"
	  "32e167c2955d", "1703030013b58fd67166ebf599d24720cfbe7efa7a8864a9" },
};

START_TEST(vectors)
{
	struct suites *s = suites_new();
	uint8_t b[256], out[256], text[50], type;
	struct iovec v = { text, sizeof(text) };
	struct traffic t, u;
	size_t n;

	for (size_t i = 0; i < sizeof(text); i++)
		text[i] = (uint8_t)i;
	for (size_t i = 0; i < ARRAY_SIZE(rfc8448); i++) {
		ck_assert_uint_eq(hex(rfc8448[i].secret, b), 32);
		ck_assert_int_eq(traffic_init(&t, s, SUITE_AES_128_GCM, b), 0);
		ck_assert_mem_eq(t.key.bytes, b, hex(rfc8448[i].key, b));
		ck_assert_mem_eq(t.iv, b, hex(rfc8448[i].iv, b));
		t.seq = rfc8448[i].seq;
		u = t;
		n = hex(rfc8448[i].data, b);
		ck_assert_int_eq(record_seal(s, &t, RECORD_DATA, &v,
		    sizeof(text), out), (int)n);
		ck_assert_mem_eq(out, b, n);
		ck_assert_int_eq(record_body(b), (int)n - RECORD_HEADER);
		ck_assert_int_eq(record_open(s, &u, b, b + RECORD_HEADER,
		    n - RECORD_HEADER, out, &type), sizeof(text));
		ck_assert_uint_eq(type, RECORD_DATA);
		ck_assert_mem_eq(out, text, sizeof(text));
		n = hex(rfc8448[i].alert, b);
		ck_assert_int_eq(record_open(s, &u, b, b + RECORD_HEADER,
		    n - RECORD_HEADER, out, &type), 2);
		ck_assert_uint_eq(type, RECORD_ALERT);
		ck_assert_mem_eq(out, "\1\0", 2);
	}
	suites_free(s);
}
END_TEST

/* ---- A layer and its peer ------------------------------------------------------ */

struct rig {
	struct suites *s;
	struct layer *l;
	struct traffic tx, rx;	/* the peer's */
};

static void
rig_open(struct rig *r, enum suite kind, bool server)
{
	uint8_t a[SUITE_HASH_MAX], b[SUITE_HASH_MAX];

	memset(a, 'a', sizeof(a));
	memset(b, 'b', sizeof(b));
	r->s = suites_new();
	ck_assert_ptr_nonnull(r->s);
	r->l = layer_new(r->s, kind, server, a, 5, b, 7);
	ck_assert_ptr_nonnull(r->l);
	ck_assert_int_eq(traffic_init(&r->tx, r->s, kind, a), 0);
	ck_assert_int_eq(traffic_init(&r->rx, r->s, kind, b), 0);
	r->tx.seq = 5;
	r->rx.seq = 7;
}

static void
rig_close(struct rig *r)
{
	layer_free(r->l);
	suites_free(r->s);
}

/* What the layer gave out, and how that ended. */
struct outcome {
	size_t n;
	int end;
	size_t nsent;
};

static struct outcome
feed(struct rig *r, size_t n, size_t step, size_t dst)
{
	struct outcome o = { 0, -EAGAIN, 0 };
	size_t at = 0;

	for (;;) {
		size_t k = n - at < step ? n - at : step;
		uint8_t *copy = malloc(k + 1), *to = malloc(dst);
		struct tls_io io = { .in = copy, .in_n = k, .out = sent,
		    .out_n = o.nsent, .out_cap = sizeof(sent) };

		memcpy(copy, wire + at, k);
		o.end = layer_read(r->l, &io, to, dst);
		at += k - io.in_n;
		o.nsent = io.out_n;
		if (o.end > 0) {
			memcpy(got + o.n, to, (size_t)o.end);
			o.n += (size_t)o.end;
		} else if (o.end == -EAGAIN)
			ck_assert_uint_eq(io.in_n, 0);
		free(copy);
		free(to);
		if ((o.end <= 0 && o.end != -EAGAIN) ||
		    (o.end == -EAGAIN && at == n))
			return o;
	}
}

/* Reads what the layer sent: its KeyUpdates, and the alert, or -1. */
static int
answers(struct rig *r, size_t n, unsigned *ret_updates)
{
	int alert = -1;

	*ret_updates = 0;
	for (size_t at = 0; at < n;) {
		static uint8_t out[RECORD_BODY_MAX];
		uint8_t type;
		int len = record_body(sent + at), k;

		ck_assert_int_gt(len, 0);
		k = record_open(r->s, &r->rx, sent + at,
		    sent + at + RECORD_HEADER, (size_t)len, out, &type);
		ck_assert_int_gt(k, 0);
		at += RECORD_HEADER + (size_t)len;
		ck_assert_int_eq(alert, -1);	/* the last */
		if (type == RECORD_ALERT) {
			ck_assert_int_eq(k, 2);
			ck_assert_uint_eq(out[0], out[1] == 0 ? 1 : 2);
			alert = out[1];
			continue;
		}
		ck_assert_uint_eq(type, RECORD_HANDSHAKE);
		ck_assert_int_eq(k, 5);
		ck_assert_mem_eq(out, "\30\0\0\1\0", 5);
		ck_assert_int_eq(traffic_next(&r->rx, r->s), 0);
		++*ret_updates;
	}
	return alert;
}

static const size_t steps[] = { 1, 3, 50, WIRE },
    rooms[] = { 1, 100, RECORD_CLEAR_MAX, WIRE };

/* What each step alone does: the alert that answers it. */
static const struct {
	uint8_t op, how;
	int end, alert, updates;
} cases[] = {
	{ CRAFT_DATA, 200, -EAGAIN, -1, 0 },
	{ CRAFT_DATA_LONG, 0, -EAGAIN, -1, 0 },
	{ CRAFT_PADDED, 255, -EAGAIN, -1, 0 },
	{ CRAFT_EMPTY, 0, -EAGAIN, -1, 0 },
	{ CRAFT_EMPTY, 99, -EAGAIN, -1, 0 },
	{ CRAFT_UPDATE, 0, -EAGAIN, -1, 0 },
	{ CRAFT_UPDATE, 1, -EAGAIN, -1, 1 },
	{ CRAFT_UPDATE_CUT, 0, -EAGAIN, -1, 0 },
	{ CRAFT_UPDATE_CUT, 1, -EAGAIN, -1, 1 },
	{ CRAFT_UPDATE_CUT, 2, -EAGAIN, -1, 0 },
	{ CRAFT_UPDATE_CUT, 3, -EAGAIN, -1, 1 },
	{ CRAFT_CANCELED, 0, -EAGAIN, -1, 0 },
	{ CRAFT_CLOSE, 0, 0, -1, 0 },
	{ CRAFT_ALERT, 40, -ECONNRESET, -1, 0 },
	{ CRAFT_ALERT, 255, -ECONNRESET, -1, 0 },
	{ CRAFT_ALERT, 100, -ECONNRESET, -1, 0 },
	{ CRAFT_ALERT_SHORT, 0, -EPROTO, ALERT_DECODE_ERROR, 0 },
	{ CRAFT_ALERT_SHORT, 1, -EPROTO, ALERT_DECODE_ERROR, 0 },
	{ CRAFT_ALERT_EMPTY, 0, -EPROTO, ALERT_UNEXPECTED_MESSAGE, 0 },
	{ CRAFT_FLIP, 0, -EPROTO, ALERT_BAD_RECORD_MAC, 0 },
	{ CRAFT_FLIP, 9, -EPROTO, ALERT_BAD_RECORD_MAC, 0 },
	{ CRAFT_FLIP, 23, -EPROTO, ALERT_BAD_RECORD_MAC, 0 },
	{ CRAFT_DROP, 0, -EPROTO, ALERT_BAD_RECORD_MAC, 0 },
	{ CRAFT_INNER_TYPE, 20, -EPROTO, ALERT_UNEXPECTED_MESSAGE, 0 },
	{ CRAFT_INNER_TYPE, 24, -EPROTO, ALERT_UNEXPECTED_MESSAGE, 0 },
	{ CRAFT_INNER_TYPE, 255, -EPROTO, ALERT_UNEXPECTED_MESSAGE, 0 },
	{ CRAFT_NO_TYPE, 0, -EPROTO, ALERT_UNEXPECTED_MESSAGE, 0 },
	{ CRAFT_NO_TYPE, 200, -EPROTO, ALERT_UNEXPECTED_MESSAGE, 0 },
	{ CRAFT_OUTER_TYPE, 20, -EPROTO, ALERT_UNEXPECTED_MESSAGE, 0 },
	{ CRAFT_OUTER_TYPE, 22, -EPROTO, ALERT_UNEXPECTED_MESSAGE, 0 },
	{ CRAFT_OUTER_TYPE, 'G', -EPROTO, ALERT_UNEXPECTED_MESSAGE, 0 },
	{ CRAFT_OLD_ALERT, 0, -EPROTO, ALERT_UNEXPECTED_MESSAGE, 0 },
	{ CRAFT_TOO_LONG, 0, -EPROTO, ALERT_RECORD_OVERFLOW, 0 },
	{ CRAFT_TOO_LONG, 99, -EPROTO, ALERT_RECORD_OVERFLOW, 0 },
	{ CRAFT_LENGTH, 0, -EPROTO, ALERT_RECORD_OVERFLOW, 0 },
	{ CRAFT_LENGTH, 255, -EPROTO, ALERT_RECORD_OVERFLOW, 0 },
	{ CRAFT_SHORT, 0, -EPROTO, ALERT_BAD_RECORD_MAC, 0 },
	{ CRAFT_SHORT, 15, -EPROTO, ALERT_BAD_RECORD_MAC, 0 },
	{ CRAFT_UPDATE_VALUE, 2, -EPROTO, ALERT_ILLEGAL_PARAMETER, 0 },
	{ CRAFT_UPDATE_VALUE, 255, -EPROTO, ALERT_ILLEGAL_PARAMETER, 0 },
	{ CRAFT_UPDATE_LENGTH, 0, -EPROTO, ALERT_DECODE_ERROR, 0 },
	{ CRAFT_UPDATE_LENGTH, 2, -EPROTO, ALERT_DECODE_ERROR, 0 },
	{ CRAFT_UPDATE_TWO, 0, -EPROTO, ALERT_UNEXPECTED_MESSAGE, 0 },
	{ CRAFT_UPDATE_AND_DATA, 0, -EPROTO, ALERT_UNEXPECTED_MESSAGE, 0 },
	{ CRAFT_UPDATE_AND_DATA, 3, -EPROTO, ALERT_UNEXPECTED_MESSAGE, 0 },
	{ CRAFT_MESSAGE, 0, -EPROTO, ALERT_UNEXPECTED_MESSAGE, 0 },
	{ CRAFT_MESSAGE, 1, -EPROTO, ALERT_UNEXPECTED_MESSAGE, 0 },
	{ CRAFT_MESSAGE, 13, -EPROTO, ALERT_UNEXPECTED_MESSAGE, 0 },
	{ CRAFT_MESSAGE, 20, -EPROTO, ALERT_UNEXPECTED_MESSAGE, 0 },
	{ CRAFT_MESSAGE_EMPTY, 0, -EPROTO, ALERT_UNEXPECTED_MESSAGE, 0 },
};

static void
one_case(size_t i, enum suite kind, bool server, size_t step, size_t room)
{
	struct crafted c = { .wire = wire, .clear = clear };
	struct outcome o;
	unsigned updates;
	struct rig r;
	int alert;

	rig_open(&r, kind, server);
	craft_step(r.s, &r.tx, CRAFT_DATA, 9, &c);
	craft_step(r.s, &r.tx, cases[i].op, cases[i].how, &c);
	craft_step(r.s, &r.tx, CRAFT_DATA, 30, &c);
	o = feed(&r, c.n, step, room);
	alert = answers(&r, o.nsent, &updates);
	ck_assert_msg(o.end == cases[i].end && alert == cases[i].alert &&
	    updates == (unsigned)cases[i].updates,
	    "case %zu (%u, %u): end %d, alert %d, %u updates", i, cases[i].op,
	    cases[i].how, o.end, alert, updates);
	ck_assert_uint_eq(o.n, c.nclear);
	ck_assert_mem_eq(got, clear, o.n);
	/* It is over for good. */
	if (o.end != -EAGAIN) {
		struct iovec v = { clear, 1 };
		struct tls_io io = { .in = wire, .in_n = c.n, .out = sent,
		    .out_cap = sizeof(sent) };

		ck_assert_int_eq(layer_read(r.l, &io, got, 10), o.end);
		ck_assert_int_eq((int)layer_write(r.l, &io, &v, 1), o.end == 0 ?
		    1 : -EPROTO);
	}
	rig_close(&r);
}

START_TEST(each_kind_of_record)
{
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		for (int kind = 0; kind < SUITES; kind++)
			for (int k = 0; k < 8; k++)
				one_case(i, (enum suite)kind, k % 2, steps[k /
				    2], rooms[(k + kind) % 4]);
}
END_TEST

/* ---- Limits -------------------------------------------------------------------- */

START_TEST(floods_end)
{
	static const struct { uint8_t op, how; } floods[] = {
		{ CRAFT_EMPTY, 0 }, { CRAFT_UPDATE, 0 }, { CRAFT_UPDATE, 1 },
		{ CRAFT_CANCELED, 0 }, { CRAFT_EMPTY, 255 }
	};

	for (size_t i = 0; i < ARRAY_SIZE(floods); i++)
		for (unsigned more = 0; more < 3; more++) {
			struct crafted c = { .wire = wire, .clear = clear };
			struct outcome o;
			unsigned updates;
			struct rig r;

			rig_open(&r, SUITE_AES_128_GCM, true);
			for (unsigned k = 0; k < LAYER_CREDIT; k++)
				craft_step(r.s, &r.tx, floods[i].op,
				    floods[i].how, &c);
			/* Data on either side pays for one more. */
			if (more == 1)
				craft_step(r.s, &r.tx, CRAFT_DATA, 1, &c);
			o = feed(&r, c.n, WIRE, WIRE);
			ck_assert_int_eq(o.end, -EAGAIN);
			if (more == 2) {
				struct iovec v = { clear, 1 };
				struct tls_io io = { .out = sent, .out_n =
				    o.nsent, .out_cap = sizeof(sent) };

				ck_assert_int_eq(layer_write(r.l, &io, &v, 1),
				    1);
				o.nsent = 0;
			}
			/* One answer for all of them. */
			ck_assert_int_eq(answers(&r, o.nsent, &updates), -1);
			if (more != 2)
				ck_assert_uint_eq(updates, floods[i].op ==
				    CRAFT_UPDATE && floods[i].how);
			c.n = 0;
			craft_step(r.s, &r.tx, floods[i].op, floods[i].how, &c);
			o = feed(&r, c.n, WIRE, WIRE);
			ck_assert_int_eq(o.end, more ? -EAGAIN : -EPROTO);
			if (more == 0)
				ck_assert_int_eq(answers(&r, o.nsent,
				    &updates), ALERT_UNEXPECTED_MESSAGE);
			rig_close(&r);
		}
}
END_TEST

START_TEST(own_key_update)
{
	static uint8_t body[RECORD_CLEAR_MAX + 100];

	for (int kind = 0; kind < SUITES; kind++) {
		struct iovec v = { body, sizeof(body) };
		struct tls_io io = { .out = wire, .out_cap = sizeof(wire) };
		struct rig r, peer;

		rig_open(&r, (enum suite)kind, true);
		rig_open(&peer, (enum suite)kind, false);
		/* The peer reads what r writes. */
		peer.l->rd = r.l->wr;
		r.l->wr.seq = peer.l->rd.seq = LAYER_KEY_RECORDS - 1;
		ck_assert_int_eq(layer_write(r.l, &io, &v, 1), sizeof(body));
		ck_assert_uint_eq(r.l->wr.seq, 1);
		ck_assert_uint_eq(feed(&peer, io.out_n, WIRE, WIRE).n,
		    sizeof(body));
		ck_assert_uint_eq(peer.l->rd.seq, 1);
		ck_assert_mem_eq(r.l->wr.key.bytes, peer.l->rd.key.bytes,
		    suite_key_len((enum suite)kind));
		rig_close(&r);
		rig_close(&peer);
	}
}
END_TEST

START_TEST(small_records_first)
{
	static uint8_t body[TLS_SMALL_MAX + RECORD_CLEAR_MAX];
	static uint8_t out[TLS_SEALED_MAX(sizeof(body))];
	struct iovec v = { body, sizeof(body) };
	struct tls_io io = { .out = out, .out_cap = sizeof(out) };
	size_t at = 0, done = 0;
	struct rig r;

	rig_open(&r, SUITE_AES_128_GCM, true);
	r.l->small = TLS_SMALL_MAX;
	/* All of it fits where it was said to. */
	ck_assert_int_eq(layer_write(r.l, &io, &v, 1), sizeof(body));
	ck_assert_uint_eq(r.l->small, 0);
	while (at < io.out_n) {
		size_t n = (size_t)record_body(out + at);
		size_t k = n - (RECORD_ADDED - RECORD_HEADER);

		if (done < TLS_SMALL_MAX)
			ck_assert_uint_eq(k, TLS_SMALL_RECORD);
		else
			ck_assert_uint_eq(k, sizeof(body) - done <
			    RECORD_CLEAR_MAX ? sizeof(body) - done :
			    RECORD_CLEAR_MAX);
		done += k;
		at += RECORD_HEADER + n;
	}
	ck_assert_uint_eq(done, sizeof(body));
	rig_close(&r);
}
END_TEST

START_TEST(numbers_never_wrap)
{
	uint8_t out[100], type;
	struct iovec v = { clear, 1 };
	struct rig r;

	rig_open(&r, SUITE_CHACHA20_POLY1305, true);
	r.tx.seq = UINT64_MAX - 1;
	ck_assert_int_gt(record_seal(r.s, &r.tx, RECORD_DATA, &v, 1, out), 0);
	ck_assert_int_lt(record_seal(r.s, &r.tx, RECORD_DATA, &v, 1, out), 0);
	r.rx = r.tx;
	r.rx.seq = UINT64_MAX;
	ck_assert_int_eq(record_open(r.s, &r.rx, out, out + RECORD_HEADER, 18,
	    clear, &type), -ALERT_INTERNAL_ERROR);
	rig_close(&r);
}
END_TEST

START_TEST(tickets_are_for_clients)
{
	static const struct { size_t body; int server, client; } sizes[] = {
		{ 13, ALERT_UNEXPECTED_MESSAGE, ALERT_DECODE_ERROR },
		{ 14, ALERT_UNEXPECTED_MESSAGE, -1 },
		{ 200, ALERT_UNEXPECTED_MESSAGE, -1 },
		{ 30000, ALERT_UNEXPECTED_MESSAGE, -1 },
	};
	static uint8_t m[30000 + 4] = { 4 };

	for (size_t i = 0; i < ARRAY_SIZE(sizes) * 2; i++) {
		size_t n = sizes[i / 2].body + 4, at = 0, len = 0;
		int want = i % 2 ? sizes[i / 2].server : sizes[i / 2].client;
		struct outcome o;
		unsigned updates;
		struct rig r;

		rig_open(&r, SUITE_AES_256_GCM, i % 2);
		m[2] = (uint8_t)((n - 4) >> 8);
		m[3] = (uint8_t)(n - 4);
		/* Two of them and a KeyUpdate behind, cut anywhere. */
		while (at < n) {
			size_t k = n - at < 10000 ? n - at : 10000;

			len += craft_record(r.s, &r.tx, RECORD_HANDSHAKE,
			    m + at, k, 0, wire + len);
			at += k;
		}
		if (n < 1000) {
			uint8_t two[2100];

			memcpy(two, m, n);
			memcpy(two + n, "\30\0\0\1\1", 5);
			len += craft_record(r.s, &r.tx, RECORD_HANDSHAKE, two,
			    n + 5, 0, wire + len);
			ck_assert_int_eq(traffic_next(&r.tx, r.s), 0);
		}
		len += craft_record(r.s, &r.tx, RECORD_DATA, "ok", 2, 0,
		    wire + len);
		o = feed(&r, len, 1000, 100);
		ck_assert_int_eq(answers(&r, o.nsent, &updates), want);
		ck_assert_uint_eq(o.n, want < 0 ? 2 : 0);
		ck_assert_uint_eq(updates, want < 0 && n < 1000);
		rig_close(&r);
	}
}
END_TEST

START_TEST(closing)
{
	struct iovec v = { clear, 1 };
	struct tls_io io = { .out = sent, .out_cap = sizeof(sent) };
	struct crafted c = { .wire = wire, .clear = clear };
	struct outcome o;
	unsigned updates;
	struct rig r;

	rig_open(&r, SUITE_AES_128_GCM, true);
	ck_assert_int_eq(layer_close(r.l, &io), 0);
	ck_assert_int_eq(layer_close(r.l, &io), 0);
	ck_assert_int_eq(answers(&r, io.out_n, &updates), ALERT_CLOSE_NOTIFY);
	ck_assert_int_eq((int)layer_write(r.l, &io, &v, 1), -EPIPE);
	/* Half-closed: data still comes; an asked-for update cannot be given. */
	craft_step(r.s, &r.tx, CRAFT_UPDATE, 1, &c);
	craft_step(r.s, &r.tx, CRAFT_DATA, 20, &c);
	o = feed(&r, c.n, WIRE, WIRE);
	ck_assert_uint_eq(o.n, 20);
	ck_assert_uint_eq(o.nsent, 0);
	/* Nor is an alert sent behind close_notify. */
	c = (struct crafted){ .wire = wire, .clear = clear };
	craft_step(r.s, &r.tx, CRAFT_FLIP, 1, &c);
	o = feed(&r, c.n, WIRE, WIRE);
	ck_assert_int_eq(o.end, -EPROTO);
	ck_assert_uint_eq(o.nsent, 0);
	rig_close(&r);
	/* The other way round: what was asked for comes before the data. */
	rig_open(&r, SUITE_AES_128_GCM, true);
	c = (struct crafted){ .wire = wire, .clear = clear };
	craft_step(r.s, &r.tx, CRAFT_CLOSE, 0, &c);
	ck_assert_int_eq(feed(&r, c.n, WIRE, WIRE).end, 0);
	io = (struct tls_io){ .out = sent, .out_cap = sizeof(sent) };
	ck_assert_int_eq((int)layer_write(r.l, &io, &v, 1), 1);
	rig_close(&r);
}
END_TEST

UNIT_MAIN("tls_record", vectors, each_kind_of_record, floods_end,
    own_key_update, small_records_first, numbers_never_wrap,
    tickets_are_for_clients, closing)
