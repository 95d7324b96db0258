/* SPDX-License-Identifier: BSD-2-Clause */
/* Messages between processes; see msg.h. */
#include "msg.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

struct head { uint8_t version, type; uint16_t bytes; uint32_t reserved; };

static const struct { uint16_t bytes; uint8_t fds; } rules[] = {
	[MSG_HELLO] = { sizeof(struct msg_hello), 0 },
	[MSG_LISTENER] = { sizeof(struct msg_listener), 1 },
	[MSG_LISTENER_GONE] = { sizeof(struct msg_listener), 0 },
	[MSG_TABLE] = { sizeof(struct msg_table), 2 },
	[MSG_TICKETS] = { 0, 1 },
	[MSG_LOG] = { sizeof(struct msg_log), 2 },
	[MSG_DRAIN] = { sizeof(struct msg_drain), 0 },
	[MSG_STATUS] = { 0, 0 },
	[MSG_CONNECTIONS] = { 0, 0 },
	[MSG_CONNECTIONS_REPLY] = { sizeof(struct msg_connections), 0 },
	[MSG_WILL] = { sizeof(struct msg_will), 2 },
	[MSG_READY] = { sizeof(struct msg_ready), 0 },
	[MSG_TABLE_ACK] = { sizeof(struct msg_table_ack), 0 },
	[MSG_STATUS_REPLY] = { sizeof(struct msg_status), 0 },
	[MSG_ORPHAN] = { sizeof(struct msg_orphan), 1 },
	[MSG_WANT_RSA] = { 0, 0 },
	[MSG_RESOLVE] = { sizeof(struct msg_name), 0 },
	[MSG_RESOLVED] = { sizeof(struct msg_resolved), 0 },
	[MSG_SETTINGS] = { sizeof(struct msg_bytes), 0 },
	[MSG_CHANGES] = { sizeof(struct msg_bytes), 0 },
	[MSG_PASSAGE] = { sizeof(struct msg_passage), 1 },
};
_Static_assert(ARRAY_SIZE(rules) == MSG_TYPES, "a rule for each message");

union control {
	struct cmsghdr align;
	char space[CMSG_SPACE(MSG_FDS_MAX * sizeof(int))];
};

int
msg_pair(int ret[2])
{
	return socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC |
	    SOCK_NONBLOCK, 0, ret) == 0 ? 0 : -errno;
}

int
msg_send(int sock, enum msg_type type, const void *payload, const int *fds)
{
	struct head h = { .version = MSG_VERSION, .type = (uint8_t)type,
	    .bytes = rules[type].bytes };
	struct iovec iov[2] = { { &h, sizeof(h) },
	    { (void *)(size_t)payload, h.bytes } };
	struct msghdr m = { .msg_iov = iov, .msg_iovlen = h.bytes ? 2 : 1 };
	union control c;
	unsigned n = rules[type].fds;

	if (n > 0) {
		memset(&c, 0, sizeof(c));
		m.msg_control = c.space;
		m.msg_controllen = CMSG_SPACE(n * sizeof(int));
		struct cmsghdr *cm = CMSG_FIRSTHDR(&m);
		cm->cmsg_level = SOL_SOCKET;
		cm->cmsg_type = SCM_RIGHTS;
		cm->cmsg_len = CMSG_LEN(n * sizeof(int));
		memcpy(CMSG_DATA(cm), fds, n * sizeof(int));
	}
	while (sendmsg(sock, &m, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
		if (errno != EINTR)
			return -errno;
	return 0;
}

static void
take_fds(struct msghdr *m, struct msg *ret)
{
	struct cmsghdr *cm;

	for (cm = CMSG_FIRSTHDR(m); cm != NULL; cm = CMSG_NXTHDR(m, cm)) {
		size_t n;

		if (cm->cmsg_level != SOL_SOCKET ||
		    cm->cmsg_type != SCM_RIGHTS)
			continue;
		n = (cm->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (size_t i = 0; i < n && ret->nfds < MSG_FDS_MAX; i++)
			memcpy(&ret->fds[ret->nfds++],
			    CMSG_DATA(cm) + i * sizeof(int), sizeof(int));
	}
}

int
msg_recv(int sock, struct msg *ret)
{
	struct head h;
	struct iovec iov[2] = { { &h, sizeof(h) },
	    { ret->payload, sizeof(ret->payload) } };
	union control c;
	struct msghdr m = { .msg_iov = iov, .msg_iovlen = 2,
	    .msg_control = c.space, .msg_controllen = sizeof(c) };
	ssize_t n;

	ret->nfds = 0;
	do {
		n = recvmsg(sock, &m, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return errno == ECONNRESET ? 0 : -errno;
	if (n == 0)
		return 0;
	take_fds(&m, ret);
	if (n < (ssize_t)sizeof(h) || h.version != MSG_VERSION ||
	    h.type >= MSG_TYPES || h.bytes != rules[h.type].bytes ||
	    (size_t)n != sizeof(h) + h.bytes ||
	    ret->nfds != rules[h.type].fds ||
	    (m.msg_flags & (MSG_CTRUNC | MSG_TRUNC)) != 0) {
		while (ret->nfds > 0)
			close(ret->fds[--ret->nfds]);
		return -EPROTO;
	}
	ret->type = (enum msg_type)h.type;
	return 1;
}
