/* SPDX-License-Identifier: BSD-2-Clause */
/* Messages between two masters; see handover.h. */
#include "handover.h"

#include "str.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define MAGIC	UINT64_C(0x726f76646e61686b)
#define ANY	UINT16_MAX	/* the payload says how many descriptors */

/* This much stays in every version. */
struct head {
	uint64_t magic;
	uint32_t version;
	uint16_t type, bytes;
};

static const struct { uint16_t bytes, fds; } rules[HO_TYPES] = {
	[HO_HELLO] = { sizeof(struct ho_hello), 0 },
	[HO_REFUSE] = { sizeof(struct ho_refuse), 0 },
	[HO_TABLE] = { sizeof(struct ho_table), 2 },
	[HO_HEALTH] = { sizeof(struct ho_health), 0 },
	[HO_STATE] = { sizeof(struct ho_state), HO_STATE_FDS },
	[HO_LISTENER] = { sizeof(struct ho_listener), ANY },
	[HO_GIVEN] = { sizeof(struct ho_given), 1 },
	[HO_OLD] = { sizeof(struct ho_old), 0 },
	[HO_PASSAGE] = { sizeof(struct ho_passage), 1 },
};

union control {
	struct cmsghdr align;
	char space[CMSG_SPACE(HANDOVER_FDS * sizeof(int))];
};

int
handover_send(int sock, enum handover_type type, const void *payload,
    const int *fds, unsigned nfds)
{
	struct head h = { MAGIC, HANDOVER_VERSION, (uint16_t)type,
	    rules[type].bytes };
	struct iovec iov[2] = { { &h, sizeof(h) },
	    { (void *)(size_t)payload, h.bytes } };
	struct msghdr m = { .msg_iov = iov, .msg_iovlen = h.bytes ? 2 : 1 };
	union control c;

	if (nfds > HANDOVER_FDS)
		return -EMSGSIZE;
	if (nfds != 0) {
		struct cmsghdr *cm;

		memset(&c, 0, sizeof(c));
		m.msg_control = c.space;
		m.msg_controllen = CMSG_SPACE(nfds * sizeof(int));
		cm = CMSG_FIRSTHDR(&m);
		cm->cmsg_level = SOL_SOCKET;
		cm->cmsg_type = SCM_RIGHTS;
		cm->cmsg_len = CMSG_LEN(nfds * sizeof(int));
		memcpy(CMSG_DATA(cm), fds, nfds * sizeof(int));
	}
	while (sendmsg(sock, &m, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
		if (errno != EINTR)
			return -errno;
	return 0;
}

void
handover_close_fds(struct handover *h)
{
	while (h->nfds > 0)
		(void)close(h->fds[--h->nfds]);
}

static void
take_fds(struct msghdr *m, struct handover *ret)
{
	struct cmsghdr *cm = CMSG_FIRSTHDR(m);
	size_t n;

	if (cm == NULL || cm->cmsg_level != SOL_SOCKET ||
	    cm->cmsg_type != SCM_RIGHTS)
		return;
	n = (cm->cmsg_len - CMSG_LEN(0)) / sizeof(int);
	memcpy(ret->fds, CMSG_DATA(cm), n * sizeof(int));
	ret->nfds = (unsigned)n;
}

/* Strings that arrive end where their arrays do. */
static bool
sound(struct handover *h)
{
	switch (h->type) {
	case HO_HELLO:
		h->u.hello.version[sizeof(h->u.hello.version) - 1] = '\0';
		return true;
	case HO_REFUSE:
		h->u.refuse.text[sizeof(h->u.refuse.text) - 1] = '\0';
		return true;
	case HO_LISTENER:
		h->u.listener.name[LISTEN_NAME_MAX] = '\0';
		h->u.listener.address[sizeof(h->u.listener.address) - 1] =
		    '\0';
		return h->u.listener.nfds == h->nfds && h->nfds != 0;
	case HO_GIVEN:
		h->u.given.name[LISTEN_NAME_MAX] = '\0';
		h->u.given.user[LISTEN_NAME_MAX] = '\0';
		return true;
	default:
		return true;
	}
}

static int
judge(const struct head *h, ssize_t n, int flags, struct handover *ret)
{
	if (n < (ssize_t)sizeof(*h) || h->magic != MAGIC)
		return -EPROTO;
	ret->version = h->version;
	if (h->version != HANDOVER_VERSION)
		return -EPROTONOSUPPORT;
	if (h->type == 0 || h->type >= HO_TYPES ||
	    h->bytes != rules[h->type].bytes ||
	    (size_t)n != sizeof(*h) + h->bytes ||
	    (rules[h->type].fds != ANY && ret->nfds != rules[h->type].fds) ||
	    (flags & (MSG_CTRUNC | MSG_TRUNC)) != 0)
		return -EPROTO;
	ret->type = (enum handover_type)h->type;
	return sound(ret) ? 1 : -EPROTO;
}

int
handover_recv(int sock, struct handover *ret)
{
	struct head h;
	struct iovec iov[2] = { { &h, sizeof(h) },
	    { &ret->u, sizeof(ret->u) } };
	union control c;
	struct msghdr m = { .msg_iov = iov, .msg_iovlen = 2,
	    .msg_control = c.space, .msg_controllen = sizeof(c) };
	ssize_t n;
	int r;

	memset(ret, 0, sizeof(*ret));
	do {
		n = recvmsg(sock, &m, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return errno == ECONNRESET ? 0 : -errno;
	if (n == 0)
		return 0;
	take_fds(&m, ret);
	r = judge(&h, n, m.msg_flags, ret);
	if (r < 0)
		handover_close_fds(ret);
	return r;
}
