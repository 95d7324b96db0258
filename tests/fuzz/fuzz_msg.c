/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * msg_recv() on what a peer that runs wild may send: accepted whole or refused,
 * never with a descriptor left open. The first byte says how many descriptors
 * go along (modulo 8).
 */
#include "msg.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define FDS	8

static void
send_bytes(int sock, const uint8_t *data, size_t size, unsigned nfds)
{
	struct iovec iov = { (void *)(uintptr_t)data, size };
	union { struct cmsghdr align; char space[CMSG_SPACE(FDS *
	    sizeof(int))]; } c = { .space = { 0 } };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 };

	if (nfds > 0) {
		struct cmsghdr *cm;

		m.msg_control = c.space;
		m.msg_controllen = CMSG_SPACE(nfds * sizeof(int));
		cm = CMSG_FIRSTHDR(&m);
		cm->cmsg_level = SOL_SOCKET;
		cm->cmsg_type = SCM_RIGHTS;
		cm->cmsg_len = CMSG_LEN(nfds * sizeof(int));
		for (unsigned i = 0; i < nfds; i++)
			memcpy(CMSG_DATA(cm) + i * sizeof(int), &sock,
			    sizeof(int));
	}
	assert(sendmsg(sock, &m, 0) == (ssize_t)size);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct msg m;
	int pair[2], r, next, after;

	if (size < 2 || size > 16384)
		return 0;
	assert(msg_pair(pair) == 0);
	next = fcntl(0, F_DUPFD, 0);
	close(next);
	send_bytes(pair[0], data + 1, size - 1, data[0] % FDS);
	r = msg_recv(pair[1], &m);
	assert(r == 1 || r == -EPROTO);
	if (r == 1) {
		assert(m.type < MSG_TYPES && m.nfds == data[0] % FDS);
		while (m.nfds > 0)
			close(m.fds[--m.nfds]);
	}
	after = fcntl(0, F_DUPFD, 0);
	assert(after == next);
	close(after);
	assert(msg_recv(pair[1], &m) == -EAGAIN);
	close(pair[0]);
	assert(msg_recv(pair[1], &m) == 0);
	close(pair[1]);
	return 0;
}
