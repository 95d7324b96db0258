/* SPDX-License-Identifier: BSD-2-Clause */
/* Bytes for the master; see outbox.h. */
#include "outbox.h"

#include "msg.h"

#include <errno.h>

void
outbox_put(struct outbox *o, struct str bytes)
{
	if (o->at != 0) {
		memmove(o->b.p, o->b.p + o->at, o->b.n - o->at);
		o->b.n -= o->at;
		o->at = 0;
	}
	o->b.max = OUTBOX_MAX;
	buf_puts(&o->b, bytes);
}

int
outbox_flush(struct outbox *o, int sock)
{
	static struct msg_bytes msg;
	int r = 0;

	if (buf_failed(&o->b))
		return -ENOBUFS;
	while (o->at < o->b.n && r == 0) {
		size_t n = o->b.n - o->at;

		msg.n = (uint32_t)(n < sizeof(msg.data) ? n :
		    sizeof(msg.data));
		memset(msg.data, 0, sizeof(msg.data));
		memcpy(msg.data, o->b.p + o->at, msg.n);
		r = msg_send(sock, MSG_CHANGES, &msg, NULL);
		if (r == 0)
			o->at += msg.n;
	}
	if (r == 0) {
		buf_fini(&o->b);
		o->b = (struct buf)BUF_INIT;
		o->at = 0;
	}
	return r;
}

bool
outbox_empty(const struct outbox *o)
{
	return o->at == o->b.n;
}
