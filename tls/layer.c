/* SPDX-License-Identifier: BSD-2-Clause */
/* See layer.h. */
#include "layer.h"

#include "cursor.h"
#include "memory.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <openssl/crypto.h>

/* Handshake messages that may still come (RFC 8446 4.6). */
#define NEW_SESSION_TICKET	4
#define KEY_UPDATE		24
#define UPDATE_REQUESTED	1
/* The shortest and the longest body of a NewSessionTicket. */
#define TICKET_MIN		(4 + 4 + 1 + 2 + 1 + 2)
#define TICKET_MAX		(4 + 4 + 256 + 2 + 65535 + 2 + 65534)

#define PARTS		16	/* of the caller's vector in one record */

_Static_assert(RECORD_ADDED == 22, "as TLS_SEALED_MAX() reckons");

/* ---- Life ------------------------------------------------------------- */

struct layer *
layer_new(struct suites *s, enum suite kind, bool server, const uint8_t *rd,
    uint64_t rd_seq, const uint8_t *wr, uint64_t wr_seq)
{
	/* Where OpenSSL's own secrets are: in no core dump. */
	struct layer *l = tls_memory_alloc(sizeof(*l));

	if (l == NULL)
		return NULL;
	memset(l, 0, sizeof(*l));
	l->suites = s;
	l->server = server;
	l->credit = LAYER_CREDIT;
	l->alert = -1;
	if (traffic_init(&l->rd, s, kind, rd) < 0 ||
	    traffic_init(&l->wr, s, kind, wr) < 0) {
		layer_free(l);
		return NULL;
	}
	l->rd.seq = rd_seq;
	l->wr.seq = wr_seq;
	return l;
}

static void
part_free(struct layer *l)
{
	tls_memory_free(l->part);
	l->part = NULL;
	l->part_n = l->part_len = l->header_n = 0;
}

static void
clear_free(struct layer *l)
{
	if (l->clear != NULL)
		OPENSSL_cleanse(l->clear, l->clear_at + l->clear_n);
	tls_memory_free(l->clear);
	l->clear = NULL;
	l->clear_at = l->clear_n = 0;
}

void
layer_free(struct layer *l)
{
	if (l == NULL)
		return;
	part_free(l);
	clear_free(l);
	OPENSSL_cleanse(l, sizeof(*l));
	tls_memory_free(l);
}

/* ---- Sending ----------------------------------------------------------- */

static bool
out_has(struct tls_io *io, size_t n)
{
	return io->out_cap - io->out_n >= n ||
	    (io->grow != NULL && io->grow(io, n) == 0 &&
	    io->out_cap - io->out_n >= n);
}

size_t
layer_room(struct tls_io *io, size_t n)
{
	size_t room;

	(void)out_has(io, n + TLS_OVERHEAD);
	room = io->out_cap - io->out_n;
	if (room <= TLS_OVERHEAD)
		return 0;
	room -= TLS_OVERHEAD;
	return room < n ? room : n;
}

/* One record of n bytes, for which there is room. 0 or -ENOMEM. */
static int
seal(struct layer *l, struct tls_io *io, enum record_type type,
    const struct iovec *iov, size_t n)
{
	int k = record_seal(l->suites, &l->wr, type, iov, n,
	    io->out + io->out_n);

	if (k < 0) {
		l->broken = true;
		return k;
	}
	io->out_n += (size_t)k;
	return 0;
}

static int
seal_bytes(struct layer *l, struct tls_io *io, enum record_type type,
    const void *p, size_t n)
{
	struct iovec iov = { (void *)(uintptr_t)p, n };

	return out_has(io, n + RECORD_ADDED) ? seal(l, io, type, &iov, n) :
	    -ENOBUFS;
}

/* Under the old key, then takes the next one (RFC 8446 4.6.3). */
static int
update_write_key(struct layer *l, struct tls_io *io)
{
	static const uint8_t m[5] = { KEY_UPDATE, 0, 0, 1, 0 };
	int err = seal_bytes(l, io, RECORD_HANDSHAKE, m, sizeof(m));

	if (err == 0 && (err = traffic_next(&l->wr, l->suites)) < 0)
		l->broken = true;
	if (err == 0)
		l->owes_update = false;
	return err;
}

/* What must go before the next record with data. TLS_OVERHEAD covers it. */
static int
before_data(struct layer *l, struct tls_io *io)
{
	return l->owes_update || l->wr.seq >= LAYER_KEY_RECORDS ?
	    update_write_key(l, io) : 0;
}
_Static_assert(TLS_OVERHEAD >= 2 * RECORD_ADDED + 5,
    "a KeyUpdate has room before a record");

/* The connection ends by a fault; the peer is told which. Returns -EPROTO. */
static int
fail(struct layer *l, struct tls_io *io, int alert)
{
	uint8_t m[2] = { 2, (uint8_t)alert };

	l->broken = true;
	l->alert = (int16_t)alert;
	io->in += io->in_n;
	io->in_n = 0;
	if (!l->close_sent)
		(void)seal_bytes(l, io, RECORD_ALERT, m, sizeof(m));
	l->close_sent = true;
	return -EPROTO;
}

static void
credit(struct layer *l)
{
	if (l->credit < LAYER_CREDIT_MAX)
		l->credit++;
}

static int
write_records(struct layer *l, struct tls_io *io, struct cursor *cur,
    size_t total, size_t *ret_done)
{
	struct iovec part[PARTS];
	int err;

	while (*ret_done < total) {
		size_t left = total - *ret_done, k;
		size_t most = l->small > 0 ? TLS_SMALL_RECORD :
		    RECORD_CLEAR_MAX;
		size_t max = layer_room(io, left < most ? left : most);

		if (max == 0)
			return *ret_done > 0 ? 0 : -ENOBUFS;
		if ((err = before_data(l, io)) < 0)
			return err;
		k = cursor_parts(cur, max, part, PARTS);
		if ((err = seal(l, io, RECORD_DATA, part, k)) < 0)
			return err;
		credit(l);
		cursor_advance(cur, k);
		*ret_done += k;
		l->small -= k < l->small ? (uint32_t)k : l->small;
	}
	return 0;
}

ssize_t
layer_write(struct layer *l, struct tls_io *io, const struct iovec *iov,
    unsigned n)
{
	struct cursor cur = { iov, n, 0 };
	size_t total = 0, done = 0;
	int err;

	if (l->broken || l->alerted)
		return -EPROTO;
	if (l->close_sent)
		return -EPIPE;
	for (unsigned i = 0; i < n; i++)
		total += iov[i].iov_len;
	cursor_skip_empty(&cur);
	if (total == 0)
		return 0;
	/* One growth for all, where the caller's buffer can. */
	if (io->grow != NULL && io->out_cap - io->out_n < TLS_SEALED_MAX(total))
		(void)io->grow(io, TLS_SEALED_MAX(total));
	err = write_records(l, io, &cur, total, &done);
	return err < 0 ? err : (ssize_t)done;
}

int
layer_close(struct layer *l, struct tls_io *io)
{
	static const uint8_t m[2] = { 1, ALERT_CLOSE_NOTIFY };

	if (l->broken || l->alerted)
		return -EPROTO;
	if (l->close_sent)
		return 0;
	l->close_sent = true;
	return seal_bytes(l, io, RECORD_ALERT, m, sizeof(m));
}

/* ---- What is not data ------------------------------------------------------ */

/* The header of a message is there. 0 or an alert. */
static int
message_begins(struct layer *l)
{
	const uint8_t *m = l->message;
	uint32_t n = (uint32_t)m[1] << 16 | (uint32_t)m[2] << 8 | m[3];

	if (m[0] == KEY_UPDATE)
		return n == 1 ? 0 : -ALERT_DECODE_ERROR;
	/* No authentication after the handshake was offered (4.6.2). */
	if (m[0] != NEW_SESSION_TICKET || l->server)
		return -ALERT_UNEXPECTED_MESSAGE;
	if (n < TICKET_MIN || n > TICKET_MAX)
		return -ALERT_DECODE_ERROR;
	l->skip = n;
	l->message_n = 0;
	return 0;
}

/* `last`: nothing follows it in its record. 0 or an alert. */
static int
key_update(struct layer *l, bool last)
{
	uint8_t request = l->message[4];

	l->message_n = 0;
	/* What changes the key ends its record (5.1). */
	if (!last)
		return -ALERT_UNEXPECTED_MESSAGE;
	if (request > UPDATE_REQUESTED)
		return -ALERT_ILLEGAL_PARAMETER;
	/* Several requests get one answer. */
	if (request == UPDATE_REQUESTED)
		l->owes_update = true;
	return traffic_next(&l->rd, l->suites) < 0 ? -ALERT_INTERNAL_ERROR : 0;
}

/*
 * Handshake messages, cut and joined as the peer liked. A ticket that comes
 * this late is passed over: its secret went with the handshake; takeover.c
 * waits for the first one.
 */
static int
take_messages(struct layer *l, const uint8_t *p, size_t n)
{
	int err;

	if (n == 0)
		return -ALERT_UNEXPECTED_MESSAGE;
	while (n > 0) {
		if (l->skip > 0) {
			uint32_t k = n < l->skip ? (uint32_t)n : l->skip;

			l->skip -= k;
			p += k;
			n -= k;
			continue;
		}
		l->message[l->message_n++] = *p++;
		n--;
		if (l->message_n == 4 && (err = message_begins(l)) < 0)
			return err;
		if (l->message_n == 5 && (err = key_update(l, n == 0)) < 0)
			return err;
	}
	return 0;
}

/* 0, an alert to send, or -ECONNRESET when the peer ended it by one. */
static int
take_alert(struct layer *l, const uint8_t *p, size_t n)
{
	/* One whole alert in one record (RFC 8446 5.1). */
	if (n == 0)
		return -ALERT_UNEXPECTED_MESSAGE;
	if (n != 2)
		return -ALERT_DECODE_ERROR;
	/* The level says nothing any more (RFC 8446 6). */
	if (p[1] == ALERT_CLOSE_NOTIFY)
		l->peer_closed = true;
	else if (p[1] != ALERT_USER_CANCELED) {
		l->alerted = true;
		l->alert = p[1];
		return -ECONNRESET;
	}
	return 0;
}

static int
take_other(struct layer *l, uint8_t type, const uint8_t *p, size_t n)
{
	bool within = l->message_n > 0 || l->skip > 0;

	if (l->credit == 0)
		return -ALERT_UNEXPECTED_MESSAGE;
	l->credit--;
	if (type == RECORD_HANDSHAKE)
		return take_messages(l, p, n);
	/* Nothing may stand between the pieces of a message (5.1). */
	if (within)
		return -ALERT_UNEXPECTED_MESSAGE;
	if (type == RECORD_ALERT)
		return take_alert(l, p, n);
	return type == RECORD_DATA ? 0 : -ALERT_UNEXPECTED_MESSAGE;
}

/* ---- Receiving ------------------------------------------------------------- */

static size_t
take(struct tls_io *io, void *dst, size_t n)
{
	if (n > io->in_n)
		n = io->in_n;
	if (n == 0)		/* `in` may be NULL then */
		return 0;
	memcpy(dst, io->in, n);
	io->in += n;
	io->in_n -= n;
	return n;
}

/* A record that is cut: what is there of its body is kept. 1, 0 or -ENOMEM. */
static int
collect(struct layer *l, struct tls_io *io)
{
	if (l->part == NULL &&
	    (l->part = tls_memory_alloc(l->part_len)) == NULL)
		return -ENOMEM;
	l->part_n += (uint16_t)take(io, l->part + l->part_n,
	    (size_t)(l->part_len - l->part_n));
	return l->part_n == l->part_len;
}

/*
 * The next whole record: its header stands in l->header. 1; 0 when all input
 * was taken and more is needed; an alert, or -ENOMEM (which is no alert here).
 */
static int
next_record(struct layer *l, struct tls_io *io, const uint8_t **ret_body,
    size_t *ret_n)
{
	int n, r;

	if (l->part == NULL) {
		l->header_n += (uint8_t)take(io, l->header + l->header_n,
		    (size_t)(RECORD_HEADER - l->header_n));
		if (l->header_n < RECORD_HEADER)
			return 0;
		if ((n = record_body(l->header)) < 0)
			return n;
		if (io->in_n >= (size_t)n) {
			*ret_body = io->in;
			*ret_n = (size_t)n;
			io->in += n;
			io->in_n -= (size_t)n;
			l->header_n = 0;
			return 1;
		}
		if (io->in_n == 0)
			return 0;
		l->part_len = (uint16_t)n;
	}
	if ((r = collect(l, io)) <= 0)
		return r < 0 ? -ALERT_INTERNAL_ERROR : 0;
	*ret_body = l->part;
	*ret_n = l->part_len;
	return 1;
}

/* Keeps what did not fit. 0 or an alert. */
static int
keep(struct layer *l, const uint8_t *p, size_t n)
{
	if ((l->clear = tls_memory_alloc(n)) == NULL)
		return -ALERT_INTERNAL_ERROR;
	memcpy(l->clear, p, n);
	l->clear_at = 0;
	l->clear_n = (uint16_t)n;
	return 0;
}

/*
 * Opens one record. Returns the bytes put to dst, 0 when it held none, an
 * alert, or -ECONNRESET as take_alert().
 */
static int
open_record(struct layer *l, const uint8_t *body, size_t len, uint8_t *dst,
    size_t room)
{
	/* Used up before this returns. */
	static uint8_t scratch[RECORD_BODY_MAX];
	uint8_t *at = room >= len ? dst : scratch, type;
	int n = record_open(l->suites, &l->rd, l->header, body, len, at, &type),
	    err;
	size_t k;

	if (n < 0)
		return n;
	if (type != RECORD_DATA || n == 0)
		return take_other(l, type, at, (size_t)n);
	if (l->message_n > 0 || l->skip > 0)
		return -ALERT_UNEXPECTED_MESSAGE;
	credit(l);
	if (at == dst)
		return n;
	k = (size_t)n < room ? (size_t)n : room;
	memcpy(dst, scratch, k);
	err = k < (size_t)n ? keep(l, scratch + k, (size_t)n - k) : 0;
	OPENSSL_cleanse(scratch, (size_t)n);
	return err < 0 ? err : (int)k;
}

/* What an earlier call left. */
static size_t
read_clear(struct layer *l, void *dst, size_t n)
{
	if (l->clear_n == 0)
		return 0;
	if (n > l->clear_n)
		n = l->clear_n;
	memcpy(dst, l->clear + l->clear_at, n);
	l->clear_at += (uint16_t)n;
	l->clear_n -= (uint16_t)n;
	if (l->clear_n == 0)
		clear_free(l);
	return n;
}

/* The next record. As open_record(); -EAGAIN when there is none. */
static int
read_record(struct layer *l, struct tls_io *io, uint8_t *dst, size_t room)
{
	const uint8_t *body = NULL;
	size_t len = 0;
	int r = next_record(l, io, &body, &len);

	if (r == 0)
		return -EAGAIN;
	if (r > 0)
		r = open_record(l, body, len, dst, room);
	if (body == l->part || r < 0)
		part_free(l);
	return r;
}

int
layer_read(struct layer *l, struct tls_io *io, void *dst, size_t n)
{
	size_t got = read_clear(l, dst, n);
	int r = 0;

	while (got < n && !l->peer_closed && !l->broken && !l->alerted) {
		r = read_record(l, io, (uint8_t *)dst + got, n - got);
		if (r >= 0) {
			got += (size_t)r;
			continue;
		}
		if (r == -EAGAIN || l->alerted)
			break;
		r = fail(l, io, -r);
	}
	if (l->peer_closed || l->alerted) {
		/* To be ignored (RFC 8446 6.1). */
		io->in += io->in_n;
		io->in_n = 0;
	} else if (l->owes_update && !l->close_sent && !l->broken)
		(void)update_write_key(l, io);
	if (got > 0)
		return (int)got;
	if (l->peer_closed)
		return 0;
	return l->alerted ? -ECONNRESET : l->broken ? -EPROTO : r;
}
