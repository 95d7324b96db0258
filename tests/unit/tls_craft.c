/* SPDX-License-Identifier: BSD-2-Clause */
/* See tls_craft.h. */
#include "tls_craft.h"

#include <assert.h>
#include <string.h>

#define ROOM	(1u << 18)

size_t
craft_record(struct suites *s, struct traffic *t, int type,
    const void *content, size_t n, size_t pad, uint8_t *out)
{
	static uint8_t inner[40000];
	size_t len = n, body;
	uint8_t nonce[SUITE_NONCE], last;
	struct iovec v;
	int err;

	assert(n + pad + 2 <= sizeof(inner));
	if (n > 0)
		memcpy(inner, content, n);
	if (type >= 0)
		inner[len++] = (uint8_t)type;
	memset(inner + len, 0, pad);
	len += pad;
	assert(len > 0);
	last = inner[--len];
	body = len + 1 + SUITE_TAG;
	out[0] = RECORD_DATA;
	out[1] = out[2] = 3;
	out[3] = (uint8_t)(body >> 8);
	out[4] = (uint8_t)body;
	traffic_nonce(t, nonce);
	v = (struct iovec){ inner, len };
	err = suite_seal(s, (enum suite)t->suite, &t->key, nonce, out, &v, len,
	    last, out + RECORD_HEADER);
	assert(err == 0);
	t->seq++;
	return RECORD_HEADER + body;
}

struct maker {
	struct suites *s;
	struct traffic *t;
	struct crafted *c;
};

static void
add(struct maker *m, int type, const void *p, size_t n, size_t pad)
{
	m->c->last = m->c->n;
	m->c->n += craft_record(m->s, m->t, type, p, n, pad,
	    m->c->wire + m->c->n);
}

static void
add_raw(struct maker *m, const void *p, size_t n)
{
	m->c->last = m->c->n;
	memcpy(m->c->wire + m->c->n, p, n);
	m->c->n += n;
}

static void
add_data(struct maker *m, size_t n, size_t pad)
{
	static uint8_t text[RECORD_CLEAR_MAX];

	for (size_t i = 0; i < n; i++)
		text[i] = (uint8_t)(m->c->nclear + i * 7);
	add(m, RECORD_DATA, text, n, pad);
	if (!m->c->faulty) {
		memcpy(m->c->clear + m->c->nclear, text, n);
		m->c->nclear += n;
	}
}

static void
harmless(struct maker *m, enum craft_op op, uint8_t how)
{
	uint8_t update[5] = { 24, 0, 0, 1, how & 1 };
	size_t cut = 1 + how % 4;

	switch (op) {
	case CRAFT_DATA:
		add_data(m, how, 0);
		break;
	case CRAFT_DATA_LONG:
		add_data(m, RECORD_CLEAR_MAX - how, 0);
		break;
	case CRAFT_PADDED:
		add_data(m, how, how * 60u);
		break;
	case CRAFT_EMPTY:
		add_data(m, 0, how);
		break;
	case CRAFT_UPDATE_CUT:
		add(m, RECORD_HANDSHAKE, update, cut, 0);
		add(m, RECORD_HANDSHAKE, update + cut, 5 - cut, 0);
		assert(traffic_next(m->t, m->s) == 0);
		break;
	case CRAFT_UPDATE:
		add(m, RECORD_HANDSHAKE, update, sizeof(update), 0);
		assert(traffic_next(m->t, m->s) == 0);
		break;
	case CRAFT_CANCELED:
		m->c->canceled = true;
		add(m, RECORD_ALERT, "\1\132", 2, 0);
		break;
	default:
		add(m, RECORD_ALERT, "\1\0", 2, 0);
		m->c->first = m->c->faulty ? m->c->first : (int)op;
		m->c->faulty = true;	/* what follows is not read */
		break;
	}
}

static void
faulty_update(struct maker *m, enum craft_op op, uint8_t how)
{
	uint8_t update[10] = { 24, 0, 0, 1, 0, 24, 0, 0, 1, 0 };

	switch (op) {
	case CRAFT_UPDATE_VALUE:
		update[4] = how < 2 ? 2 : how;
		add(m, RECORD_HANDSHAKE, update, 5, 0);
		break;
	case CRAFT_UPDATE_LENGTH:
		update[3] = how == 1 ? 0 : how;
		add(m, RECORD_HANDSHAKE, update, 4u + (how % 3), 0);
		break;
	case CRAFT_UPDATE_TWO:
		add(m, RECORD_HANDSHAKE, update, 10, 0);
		break;
	default:
		add(m, RECORD_HANDSHAKE, update, 1 + how % 4, 0);
		add(m, RECORD_DATA, "within", 6, 0);
		break;
	}
}

static void
faulty(struct maker *m, enum craft_op op, uint8_t how)
{
	static const uint8_t zeros[RECORD_CLEAR_MAX + 200], old[] = { 21, 3, 3,
	    0, 2, 2, 40 };
	uint8_t b[RECORD_HEADER + SUITE_TAG] = { 23, 3, 3, 0x41, 1 };
	uint8_t alert[2] = { 2, how == 0 || how == 90 ? 40 : how };
	size_t at;

	switch (op) {
	case CRAFT_ALERT:
		add(m, RECORD_ALERT, alert, 2, 0);
		break;
	case CRAFT_ALERT_SHORT:
		add(m, RECORD_ALERT, "\2\50\50", how % 2 ? 1 : 3, 0);
		break;
	case CRAFT_ALERT_EMPTY:
		add(m, RECORD_ALERT, "", 0, how);
		break;
	case CRAFT_FLIP:
		at = m->c->n;
		add(m, RECORD_DATA, "flipped", 7, 0);
		/* Not in the length, which would be a cut. */
		m->c->wire[at + RECORD_HEADER + how % (7 + 1 + SUITE_TAG)] ^=
		    (uint8_t)(1 << how % 8);
		break;
	case CRAFT_DROP:
		m->t->seq++;
		add(m, RECORD_DATA, "dropped", 7, 0);
		break;
	case CRAFT_REPEAT:
		at = m->c->last;
		if (m->c->n == 0)
			add(m, RECORD_ALERT, "\2\50", 2, 0);
		else
			add_raw(m, m->c->wire + at, m->c->n - at);
		break;
	case CRAFT_INNER_TYPE:
		add(m, how >= 21 && how <= 23 ? 24 : how == 0 ? 20 : how,
		    "typed", 5, 0);
		break;
	case CRAFT_NO_TYPE:
		add(m, -1, zeros, 1 + how, 0);
		break;
	case CRAFT_OUTER_TYPE:
		at = m->c->n;
		add(m, RECORD_DATA, "typed", 5, 0);
		m->c->wire[at] = how == 23 || how == 21 ? 20 : how;
		break;
	case CRAFT_TOO_LONG:
		add(m, RECORD_DATA, zeros, RECORD_CLEAR_MAX + 1 + how % 100, 0);
		break;
	case CRAFT_LENGTH:
		b[3] = (uint8_t)(0x41 + how / 2 % 0x80);
		add_raw(m, b, sizeof(b));
		break;
	case CRAFT_SHORT:
		b[3] = 0;
		b[4] = how % SUITE_TAG;
		add_raw(m, b, (size_t)RECORD_HEADER + b[4]);
		break;
	case CRAFT_MESSAGE:
		b[0] = how == 24 || how == 4 ? 1 : how;
		b[1] = b[2] = 0;
		b[3] = 1;
		add(m, RECORD_HANDSHAKE, b, 5, 0);
		break;
	case CRAFT_MESSAGE_EMPTY:
		add(m, RECORD_HANDSHAKE, "", 0, how);
		break;
	case CRAFT_OLD_ALERT:
		add_raw(m, old, sizeof(old));
		break;
	default:
		faulty_update(m, op, how);
		break;
	}
	m->c->first = m->c->faulty ? m->c->first : (int)op;
	m->c->faulty = true;
}

void
craft_step(struct suites *s, struct traffic *t, uint8_t what, uint8_t how,
    struct crafted *c)
{
	struct maker m = { s, t, c };
	enum craft_op op = (enum craft_op)(what % CRAFT_OPS);

	if (c->n + 3 * RECORD_BODY_MAX > ROOM)
		return;
	if (c->n == 0 && !c->faulty)
		c->first = -1;
	if (op < CRAFT_HARMLESS)
		harmless(&m, op, how);
	else
		faulty(&m, op, how);
}
