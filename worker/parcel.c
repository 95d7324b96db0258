/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * See parcel.h. There is one list of fields, which writes, reads or only tells
 * what stands where: a walk. Numbers are little-endian; each is checked in all
 * of these, so that nothing is sent that the other side would refuse.
 */
#include "parcel.h"

#include <errno.h>
#include <string.h>

struct walk {
	uint8_t *p;			/* writing: to here */
	const uint8_t *in;		/* reading: from here */
	size_t n, at;
	int err;
	const char *why;
	struct parcel_field *fields;	/* to be told; NULL */
	unsigned nfields, most;
};

static bool
reading(const struct walk *w)
{
	return w->in != NULL;
}

static void
refuse(struct walk *w, int err, const char *name)
{
	if (w->err == 0) {
		w->err = err;
		w->why = name;
	}
}

static void
wrong(struct walk *w, bool is, const char *name)
{
	if (is)
		refuse(w, reading(w) ? -EPROTO : -ERANGE, name);
}

/* Room for, or presence of, the next bytes. */
static bool
has(struct walk *w, size_t n, const char *name)
{
	if (w->err == 0 && n > w->n - w->at)
		refuse(w, reading(w) ? -EPROTO : -EMSGSIZE, name);
	return w->err == 0;
}

static void
bytes(struct walk *w, uint8_t *v, size_t n, const char *name)
{
	if (!has(w, n, name))
		return;
	if (reading(w))
		memcpy(v, w->in + w->at, n);
	else
		memcpy(w->p + w->at, v, n);
	w->at += n;
}

static uint64_t
number(struct walk *w, uint64_t v, unsigned n, uint64_t max, const char *name)
{
	uint8_t b[8];

	if (w->fields != NULL && w->nfields < w->most)
		w->fields[w->nfields++] = (struct parcel_field){ name, w->at,
		    n, max };
	for (unsigned i = 0; i < n; i++)
		b[i] = (uint8_t)(v >> (8 * i));
	bytes(w, b, n, name);
	if (reading(w)) {
		v = 0;
		for (unsigned i = 0; i < n; i++)
			v |= w->err == 0 ? (uint64_t)b[i] << (8 * i) : 0;
	}
	wrong(w, v > max, name);
	/* Writing changes nothing, whatever happens. */
	return w->err == 0 || !reading(w) ? v : 0;
}

static void
flag(struct walk *w, bool *v, const char *name)
{
	*v = number(w, *v, 1, 1, name) != 0;
}

/* NSEC_NEVER has a number of its own. */
static void
duration(struct walk *w, nsec_t *v, const char *name)
{
	uint64_t x = *v == NSEC_NEVER ? (uint64_t)PARCEL_TIME_MAX + 1 :
	    (uint64_t)*v;

	x = number(w, x, 8, (uint64_t)PARCEL_TIME_MAX + 1, name);
	if (reading(w))
		*v = x > (uint64_t)PARCEL_TIME_MAX ? NSEC_NEVER : (nsec_t)x;
}

static void
string(struct walk *w, struct str *v, size_t max, const char *name)
{
	size_t n = (size_t)number(w, v->n, 4, max, name);

	if (!has(w, n, name))
		return;
	if (reading(w))
		*v = n > 0 ? str_n(w->in + w->at, n) : STR_NONE;
	else if (n > 0)
		memcpy(w->p + w->at, v->p, n);
	w->at += n;
}

/* Names have no controls; protocols and hosts are ASCII besides. */
static void
word(struct walk *w, struct str *v, size_t min, size_t max, bool ascii,
    const char *name)
{
	string(w, v, max, name);
	wrong(w, w->err == 0 && v->n < min, name);
	for (size_t i = 0; w->err == 0 && i < v->n; i++) {
		uint8_t c = (uint8_t)v->p[i];

		wrong(w, c < ' ' || c == 0x7f || (ascii && c > 0x7f), name);
	}
}

/* ---- The fields ----------------------------------------------------------- */

static void
certificates(struct walk *w, struct tls_state *s)
{
	s->npeer = (unsigned)number(w, s->npeer, 1, TLS_CHAIN_MAX, "peer");
	for (unsigned i = 0; i < s->npeer && w->err == 0; i++) {
		string(w, &s->peer[i], PARCEL_BYTES_MAX, "peer certificate");
		wrong(w, s->peer[i].n == 0, "peer certificate");
	}
}

static void
message(struct walk *w, struct tls_state *s)
{
	s->message_n = (uint8_t)number(w, s->message_n, 1,
	    sizeof(s->message) - 1, "message");
	bytes(w, s->message, s->message_n, "message");
	s->skip = (uint32_t)number(w, s->skip, 4, s->server ? 0 :
	    TLS_STATE_SKIP_MAX, "ticket");
	wrong(w, s->message_n > 0 && s->skip > 0, "ticket");
}

static void
tls(struct walk *w, struct tls_state *s, bool server)
{
	s->suite = (uint16_t)number(w, s->suite, 2, UINT16_MAX, "suite");
	wrong(w, tls_state_secret(s->suite) == 0, "suite");
	flag(w, &s->server, "server");
	wrong(w, s->server != server, "server");
	flag(w, &s->resumed, "resumed");
	flag(w, &s->owes_update, "owes update");
	flag(w, &s->close_sent, "close sent");
	flag(w, &s->peer_closed, "peer closed");
	bytes(w, s->rd, tls_state_secret(s->suite), "secret");
	bytes(w, s->wr, tls_state_secret(s->suite), "secret");
	s->rd_seq = number(w, s->rd_seq, 8, TLS_STATE_RD_MAX, "read sequence");
	s->wr_seq = number(w, s->wr_seq, 8, TLS_STATE_WR_MAX,
	    "write sequence");
	s->credit = (uint16_t)number(w, s->credit, 2, LAYER_CREDIT_MAX,
	    "credit");
	message(w, s);
	word(w, &s->sni, 0, 255, true, "server name");
	word(w, &s->alpn, 0, 255, false, "protocol");
	certificates(w, s);
}

static void
side(struct walk *w, struct parcel_side *s, bool server)
{
	flag(w, &s->has_tls, "has tls");
	flag(w, &s->eof, "eof");
	flag(w, &s->far, "far");
	wrong(w, s->far && !s->has_tls, "far");
	if (s->has_tls)
		tls(w, &s->tls, server);
	string(w, &s->in, PARCEL_BYTES_MAX, "clear bytes");
	/* Sealed bytes are of TLS only. */
	string(w, &s->raw, s->has_tls ? PARCEL_BYTES_MAX : 0,
	    "received bytes");
	string(w, &s->out, s->has_tls ? PARCEL_BYTES_MAX : 0, "owed bytes");
	s->bytes_in = number(w, s->bytes_in, 8, UINT64_MAX / 2, "bytes in");
	s->bytes_out = number(w, s->bytes_out, 8, UINT64_MAX / 2, "bytes out");
}

static void
tunnel(struct walk *w, struct parcel_tunnel *t)
{
	side(w, &t->server, false);
	flag(w, &t->up_over, "up over");
	flag(w, &t->down_over, "down over");
	wrong(w, t->up_over && t->down_over, "down over");
	t->up_passed = number(w, t->up_passed, 8, UINT64_MAX / 2, "up passed");
	t->down_passed = number(w, t->down_passed, 8, UINT64_MAX / 2,
	    "down passed");
	t->frame_left = number(w, t->frame_left, 8, UINT64_MAX, "frame");
	t->frame_have = (uint8_t)number(w, t->frame_have, 1,
	    sizeof(t->frame_head) - 1, "frame head");
	wrong(w, t->frame_left > 0 && t->frame_have > 0, "frame head");
	bytes(w, t->frame_head, t->frame_have, "frame head");
	duration(w, &t->idle, "idle time");
	wrong(w, t->idle == 0, "idle time");
	t->load = (uint32_t)number(w, t->load, 4, LIVE_SERVERS, "load");
	t->live = number(w, t->live, 8, UINT64_MAX, "live state");
	flag(w, &t->has_line, "has line");
	if (t->has_line) {
		duration(w, &t->line_age, "line age");
		wrong(w, t->line_age == NSEC_NEVER, "line age");
		string(w, &t->line, PARCEL_LINE_MAX, "line");
	}
}

static void
fields(struct walk *w, struct parcel *p)
{
	flag(w, &p->is_tunnel, "kind");
	word(w, &p->entry_point, 1, PARCEL_NAME_MAX, false, "entry point");
	flag(w, &p->counted, "counted");
	flag(w, &p->tls_tried, "tls tried");
	flag(w, &p->had_request, "had request");
	bytes(w, p->peer.ip, sizeof(p->peer.ip), "peer");
	bytes(w, p->local.ip, sizeof(p->local.ip), "local");
	p->peer_port = (uint16_t)number(w, p->peer_port, 2, UINT16_MAX,
	    "peer port");
	p->local_port = (uint16_t)number(w, p->local_port, 2, UINT16_MAX,
	    "local port");
	p->requests = (uint32_t)number(w, p->requests, 4, UINT32_MAX,
	    "requests");
	wrong(w, (p->requests > 0) != p->had_request, "requests");
	duration(w, &p->age, "age");
	wrong(w, p->age == NSEC_NEVER, "age");
	duration(w, &p->left, "time left");
	p->tls_options = number(w, p->tls_options, 8, UINT64_MAX,
	    "tls options");
	side(w, &p->client, true);
	wrong(w, p->client.has_tls && !p->tls_tried, "tls tried");
	/* What is over on one side only is a tunnel. */
	wrong(w, !p->is_tunnel && (p->client.eof || (p->client.has_tls &&
	    (p->client.tls.close_sent || p->client.tls.peer_closed))), "eof");
	if (p->is_tunnel)
		tunnel(w, &p->tunnel);
}

/* ---- Walks ---------------------------------------------------------------- */

ssize_t
parcel_write(const struct parcel *p, uint8_t *out, size_t max)
{
	struct walk w = { .p = out, .n = max };

	/* Nothing is changed when writing. */
	fields(&w, (struct parcel *)(uintptr_t)p);
	return w.err < 0 ? w.err : (ssize_t)w.at;
}

static int
read_fields(struct walk *w, struct parcel *p)
{
	memset(p, 0, sizeof(*p));
	fields(w, p);
	wrong(w, w->at != w->n, "end");
	return w->err;
}

int
parcel_read(struct parcel *p, const uint8_t *in, size_t n,
    const char **ret_why)
{
	struct walk w = { .in = in, .n = n };
	int r = read_fields(&w, p);

	*ret_why = w.why;
	return r;
}

unsigned
parcel_fields(const uint8_t *in, size_t n, struct parcel_field *ret, unsigned m)
{
	struct walk w = { .in = in, .n = n, .fields = ret, .most = m };
	static struct parcel p;

	return read_fields(&w, &p) == 0 ? w.nfields : 0;
}
