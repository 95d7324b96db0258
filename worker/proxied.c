/* SPDX-License-Identifier: BSD-2-Clause */
/* The PROXY header of a connection; see proxied.h. */
#include "proxied.h"

#include "conn.h"
#include "generation.h"
#include "log.h"
#include "proxy_protocol.h"

#include <errno.h>

static const struct tentry_point *
entry_point(const struct conn *c)
{
	return c->w->gen != NULL && c->l->ep != TNONE ?
	    table_entry_point(&c->w->gen->table, c->l->ep) : NULL;
}

static bool
listed(const struct conn *c, struct tvec ranges)
{
	const struct cidr *v = TABLE_VEC(&c->w->gen->table, ranges,
	    struct cidr);

	for (uint32_t i = 0; i < ranges.n; i++)
		if (cidr_has(&v[i], &c->peer))
			return true;
	return false;
}

bool
proxied_peer_trusted(const struct conn *c)
{
	const struct tentry_point *ep = entry_point(c);

	return ep != NULL && (listed(c, ep->trusted) ||
	    (ep->proxy_protocol && listed(c, ep->proxy_trusted)));
}

static void
take_addresses(struct conn *c, const struct proxy_header *h)
{
	c->peer = h->from;
	c->peer_port = h->from_port;
	c->local = h->to;
	c->local_port = h->to_port;
}

int
proxied_accept(struct fiber *f, struct conn *c)
{
	const struct tentry_point *ep = entry_point(c);
	struct proxy_header h;
	char peer[ADDR_TEXT];
	bool trusted;
	int r;

	if (ep == NULL || !ep->proxy_protocol)
		return 0;
	trusted = ep->proxy_insecure || listed(c, ep->proxy_trusted);
	fiber_deadline(f, c->accepted +
	    conn_read_limit(c, c->w->limits.first_byte_ns));
	for (;;) {
		const struct iobuf *b = c->st.in;

		r = b == NULL ? 0 : proxy_header_parse(b->data + b->head,
		    iobuf_len(b), &h);
		if (r != 0)
			break;
		if ((r = stream_fill(f, &c->st, PROXY_HEADER_MAX + 1)) <= 0)
			return r < 0 ? r : -ECONNRESET;
	}
	if (r == -ENOENT)	/* optional, as Traefik has it */
		return 0;
	if (r < 0) {
		log_limited(LOG_INFO, "entry point %s: malformed PROXY header "
		    "from %s", c->l->name, addr_text(&c->peer, peer));
		return r;
	}
	stream_consume(&c->st, (size_t)r);
	/* Of others it is passed over: the address may be a lie. */
	if (trusted && h.known)
		take_addresses(c, &h);
	return 0;
}
