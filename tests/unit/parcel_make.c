/* SPDX-License-Identifier: BSD-2-Clause */
#include "parcel_make.h"

#include <string.h>

static void
make_tls(struct tls_state *s, bool server)
{
	*s = (struct tls_state){ .suite = server ? 0x1302 : 0x1303,
	    .server = server, .resumed = server, .owes_update = true,
	    .rd_seq = 7, .wr_seq = TLS_STATE_WR_MAX, .credit = 31,
	    .message = { 24, 0, 0, 1 }, .message_n = server ? 4 : 0,
	    .skip = server ? 0 : 99, .sni = STR("a.test"),
	    .alpn = STR("http/1.1"), .npeer = server ? 2 : 0 };
	memset(s->rd, 0xaa, tls_state_secret(s->suite));
	memset(s->wr, 0xbb, tls_state_secret(s->suite));
	s->peer[0] = STR("not a certificate");
	s->peer[1] = STR("nor this");
}

static void
make_side(struct parcel_side *s, bool tls, bool server)
{
	s->has_tls = tls;
	s->in = STR("GET / HT");
	s->bytes_in = 1000;
	s->bytes_out = 2000;
	if (!tls)
		return;
	make_tls(&s->tls, server);
	s->far = server;
	s->raw = STR("\x17\x03\x03\x01");
	s->out = STR("\x17\x03\x03\x00\x01x");
}

static void
make_tunnel(struct parcel_tunnel *t, bool tls)
{
	make_side(&t->server, tls, false);
	t->server.eof = t->down_over = true;
	t->up_passed = 100;
	t->down_passed = UINT64_MAX / 2;
	t->frame_have = 2;
	t->frame_head[0] = 0x81;
	t->frame_head[1] = 0xfe;
	t->idle = 3600 * NSEC_SEC;
	t->load = LIVE_SERVERS;
	t->live = 1234;
	t->has_line = true;
	t->line_age = 5 * NSEC_SEC;
	t->line = STR("{\"DownstreamStatus\":101}\n");
}

void
parcel_make(unsigned kind, struct parcel *ret)
{
	bool tls = kind == MADE_TLS || kind == MADE_TUNNEL_TLS;

	*ret = (struct parcel){ .is_tunnel = kind >= MADE_TUNNEL,
	    .counted = true, .tls_tried = true, .had_request = true,
	    .entry_point = STR("websecure"), .peer_port = 1234,
	    .local_port = 443, .requests = 12, .age = 60 * NSEC_SEC,
	    .left = tls ? NSEC_NEVER : 30 * NSEC_SEC,
	    .tls_options = tls ? UINT64_MAX : 0 };
	memset(ret->peer.ip, 1, sizeof(ret->peer.ip));
	memset(ret->local.ip, 2, sizeof(ret->local.ip));
	make_side(&ret->client, tls, true);
	if (ret->is_tunnel)
		make_tunnel(&ret->tunnel, tls);
}
