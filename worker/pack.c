/* SPDX-License-Identifier: BSD-2-Clause */
/* See pack.h. */
#include "pack.h"

#include "conn.h"
#include "tunnel.h"

#include <errno.h>
#include <unistd.h>

/* ---- One side ------------------------------------------------------------- */

/* Up to three pieces as one; 0 or -EMSGSIZE. */
static int
join(unsigned which, const struct str v[3], struct str *ret)
{
	static uint8_t joined[4][PARCEL_BYTES_MAX];
	size_t n = 0;

	if (v[0].n + v[1].n + v[2].n > PARCEL_BYTES_MAX)
		return -EMSGSIZE;
	for (unsigned i = 0; i < 3; i++) {
		if (v[i].n > 0)
			memcpy(joined[which] + n, v[i].p, v[i].n);
		n += v[i].n;
	}
	*ret = str_n(joined[which], n);
	return 0;
}

static struct str
unread(const struct iobuf *b)
{
	return b == NULL ? STR_NONE : str_n(b->data + b->head, iobuf_len(b));
}

int
pack_side(struct stream *st, unsigned which, struct parcel_side *ret)
{
	struct tls_held held = { STR_NONE, STR_NONE, STR_NONE };
	int r;

	if (st->truncated || st->sealed != NULL)
		return -ENOTSUP;
	ret->has_tls = st->tls != NULL;
	ret->eof = st->eof;
	ret->far = st->far;
	ret->bytes_in = st->bytes_in;
	ret->bytes_out = st->bytes_out;
	if (st->tls != NULL && (r = tls_state_get(st->tls, &ret->tls,
	    &held)) < 0)
		return r;
	ret->out = unread(st->out);
	if (ret->out.n > PARCEL_BYTES_MAX)
		return -EMSGSIZE;
	if ((r = join(2 * which, (struct str[3]){ unread(st->in), held.clear,
	    STR_NONE }, &ret->in)) < 0)
		return r;
	return join(2 * which + 1, (struct str[3]){ held.header, held.body,
	    unread(st->raw) }, &ret->raw);
}

static int
fill(struct ring *r, struct str bytes, struct iobuf **ret)
{
	if (bytes.n == 0)
		return 0;
	if ((*ret = iobuf_get(r, bytes.n)) == NULL)
		return -ENOMEM;
	memcpy((*ret)->data, bytes.p, bytes.n);
	(*ret)->tail = (uint32_t)bytes.n;
	return 0;
}

int
unpack_side(struct worker *w, struct stream *st, const struct parcel_side *side)
{
	int r;

	st->eof = side->eof;
	if (side->far)
		stream_far(st);
	st->bytes_in = side->bytes_in;
	st->bytes_out = side->bytes_out;
	if (side->has_tls &&
	    (st->tls = tls_state_resume(w->tls, &side->tls)) == NULL)
		return -ENOMEM;
	if ((r = fill(w->ring, side->in, &st->in)) < 0 ||
	    (r = fill(w->ring, side->raw, &st->raw)) < 0)
		return r;
	return fill(w->ring, side->out, &st->out);
}

/* ---- A connection --------------------------------------------------------- */

int
pack_conn(struct conn *c, nsec_t until, struct parcel *ret)
{
	nsec_t now = ring_now(c->w->ring);
	int r;

	memset(ret, 0, sizeof(*ret));
	ret->is_tunnel = c->tunnel != NULL;
	ret->counted = c->client != NULL;
	ret->tls_tried = c->tls_tried;
	ret->had_request = c->had_request;
	ret->entry_point = str_c(c->l->name);
	ret->peer = c->peer;
	ret->local = c->local;
	ret->peer_port = c->peer_port;
	ret->local_port = c->local_port;
	ret->requests = c->requests;
	ret->age = now - c->accepted;
	ret->left = until == NSEC_NEVER ? until : until > now ? until - now : 0;
	ret->tls_options = c->tls_options;
	if ((r = pack_side(&c->st, 0, &ret->client)) < 0)
		return r;
	return c->tunnel != NULL ? tunnel_pack(c->tunnel, &ret->tunnel) : 0;
}

struct conn *
unpack_conn(struct worker *w, const struct parcel *p, int fd, int server,
    const char **ret_why)
{
	struct conn *c = conn_take(w, p, fd, ret_why);

	if (c == NULL) {
		if (p->is_tunnel)
			(void)close(server);
		return NULL;
	}
	c->peer = p->peer;
	c->local = p->local;
	c->peer_port = p->peer_port;
	c->local_port = p->local_port;
	c->tls_tried = p->tls_tried;
	c->had_request = p->had_request;
	c->requests = p->requests;
	c->accepted = ring_now(w->ring) - p->age;
	c->tls_options = p->tls_options;
	*ret_why = "no memory";
	if (p->is_tunnel && tunnel_take(c, &p->tunnel, server) < 0) {
		conn_free(c);
		return NULL;
	}
	if (unpack_side(w, &c->st, &p->client) < 0) {
		conn_gone(c);
		return NULL;
	}
	return c;
}

void
unpack_begin(struct conn *c, nsec_t left)
{
	nsec_t until = clock_add(ring_now(c->w->ring), left);

	if (c->tunnel != NULL)
		tunnel_begin(c->tunnel, until);
	else
		conn_rest(c, until);
}
