/* SPDX-License-Identifier: BSD-2-Clause */
/* Messages between processes, and the sealed segments that go with them. */
#include "keys.h"
#include "memfd.h"
#include "msg.h"
#include "tickets.h"
#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

static unsigned
open_fds(void)
{
	unsigned n = 0;

	for (int fd = 0; fd < 256; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

/* Every type goes through with its size and its descriptors. */
START_TEST(every_type)
{
	static const uint8_t fds_of[MSG_TYPES] = { [MSG_LISTENER] = 1,
	    [MSG_TABLE] = 2, [MSG_TICKETS] = 1, [MSG_LOG] = 2,
	    [MSG_WILL] = 2, [MSG_ORPHAN] = 1, [MSG_PASSAGE] = 1 };
	static char payload[MSG_BYTES_MAX];
	int pair[2], fds[MSG_FDS_MAX] = { 0, 1, 2, 0 };
	unsigned before;
	static struct msg m;

	ck_assert_int_eq(msg_pair(pair), 0);
	before = open_fds();
	memset(payload, 'x', sizeof(payload));
	ck_assert_int_eq(msg_recv(pair[1], &m), -EAGAIN);
	for (unsigned t = 0; t < MSG_TYPES; t++) {
		ck_assert_int_eq(msg_send(pair[0], (enum msg_type)t, payload,
		    fds), 0);
		ck_assert_int_eq(msg_recv(pair[1], &m), 1);
		ck_assert_uint_eq(m.type, t);
		ck_assert_uint_eq(m.nfds, fds_of[t]);
		for (unsigned i = 0; i < m.nfds; i++) {
			ck_assert_int_ne(fcntl(m.fds[i], F_GETFD) &
			    FD_CLOEXEC, 0);
			close(m.fds[i]);
		}
		ck_assert_uint_eq(open_fds(), before);
	}
	close(pair[0]);
	ck_assert_int_eq(msg_recv(pair[1], &m), 0);
	ck_assert_int_lt(msg_send(pair[1], MSG_STATUS, NULL, NULL), 0);
	close(pair[1]);
}
END_TEST

/* A peer that does not read never blocks the sender. */
START_TEST(full)
{
	struct msg_hello h = { 0 };
	int pair[2], r, n = 0;

	ck_assert_int_eq(msg_pair(pair), 0);
	while ((r = msg_send(pair[0], MSG_HELLO, &h, NULL)) == 0)
		ck_assert_int_lt(n++, 1000000);
	ck_assert_int_eq(r, -EAGAIN);
	close(pair[0]);
	close(pair[1]);
}
END_TEST

struct raw_head { uint8_t version, type; uint16_t bytes; uint32_t reserved; };

static int
send_raw(int sock, struct raw_head h, size_t payload, unsigned nfds)
{
	static char body[2 * MSG_BYTES_MAX];
	struct iovec iov[2] = { { &h, sizeof(h) }, { body, payload } };
	union { struct cmsghdr align; char space[CMSG_SPACE(8 * sizeof(int))]; }
	    c = { .space = { 0 } };
	struct msghdr m = { .msg_iov = iov, .msg_iovlen = 2 };

	if (nfds > 0) {
		struct cmsghdr *cm;

		m.msg_control = c.space;
		m.msg_controllen = CMSG_SPACE(nfds * sizeof(int));
		cm = CMSG_FIRSTHDR(&m);
		cm->cmsg_level = SOL_SOCKET;
		cm->cmsg_type = SCM_RIGHTS;
		cm->cmsg_len = CMSG_LEN(nfds * sizeof(int));
		memset(CMSG_DATA(cm), 0, nfds * sizeof(int));
	}
	return sendmsg(sock, &m, 0) < 0 ? -errno : 0;
}

/* What does not fit its row is refused, and no descriptor is left open. */
START_TEST(foreign)
{
	static const struct {
		struct raw_head h;
		size_t payload;
		unsigned fds;
		int want;
	} rows[] = {
		{ { 1, MSG_STATUS, 0, 0 }, 0, 0, 1 },
		{ { 2, MSG_STATUS, 0, 0 }, 0, 0, -EPROTO },
		{ { 0, MSG_STATUS, 0, 0 }, 0, 0, -EPROTO },
		{ { 1, MSG_TYPES, 0, 0 }, 0, 0, -EPROTO },
		{ { 1, 255, 0, 0 }, 0, 0, -EPROTO },
		{ { 1, MSG_STATUS, 0, 0 }, 1, 0, -EPROTO },
		{ { 1, MSG_STATUS, 1, 0 }, 1, 0, -EPROTO },
		{ { 1, MSG_STATUS, 0, 0 }, 0, 1, -EPROTO },
		{ { 1, MSG_STATUS, 0, 0 }, 0, 8, -EPROTO },
		{ { 1, MSG_TABLE, 8, 0 }, 8, 2, 1 },
		{ { 1, MSG_TABLE, 8, 0 }, 8, 1, -EPROTO },
		{ { 1, MSG_TABLE, 8, 0 }, 8, 3, -EPROTO },
		{ { 1, MSG_TABLE, 8, 0 }, 8, 4, -EPROTO },
		{ { 1, MSG_TABLE, 8, 0 }, 8, 5, -EPROTO },
		{ { 1, MSG_TABLE, 8, 0 }, 7, 2, -EPROTO },
		{ { 1, MSG_TABLE, 8, 0 }, 9, 2, -EPROTO },
		{ { 1, MSG_TABLE, 16, 0 }, 8, 2, -EPROTO },
		{ { 1, MSG_TABLE, 8, 0 }, 2 * MSG_BYTES_MAX, 2, -EPROTO },
		{ { 1, MSG_TICKETS, 0, 0 }, 0, 0, -EPROTO },
	};
	int pair[2];
	unsigned before;
	static struct msg m;

	ck_assert_int_eq(msg_pair(pair), 0);
	before = open_fds();
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		int r;

		ck_assert_int_eq(send_raw(pair[0], rows[i].h, rows[i].payload,
		    rows[i].fds), 0);
		r = msg_recv(pair[1], &m);
		ck_assert_msg(r == rows[i].want, "row %zu: %d", i, r);
		for (unsigned k = 0; r == 1 && k < m.nfds; k++)
			close(m.fds[k]);
		ck_assert_msg(open_fds() == before, "row %zu leaks", i);
	}
	/* A piece of a head. */
	ck_assert_int_eq(send(pair[0], "\1\0\0", 3, 0), 3);
	ck_assert_int_eq(msg_recv(pair[1], &m), -EPROTO);
	close(pair[0]);
	close(pair[1]);
}
END_TEST

/* ---- Sealed memory ------------------------------------------------------- */

START_TEST(sealed)
{
	const void *p;
	size_t n;
	int fd = memfd_seal("test", "hello", 5), open_one;

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(memfd_map(fd, &p, &n), 0);
	ck_assert_uint_eq(n, 5);
	ck_assert_mem_eq(p, "hello", 5);
	memfd_unmap(p, n);
	ck_assert_int_lt(write(fd, "x", 1), 0);
	ck_assert_int_lt(ftruncate(fd, 1), 0);
	ck_assert_int_lt(ftruncate(fd, 100), 0);
	ck_assert_ptr_eq(mmap(NULL, 5, PROT_WRITE, MAP_SHARED, fd, 0),
	    MAP_FAILED);
	close(fd);
	/* Not sealed, or not wholly: the other side could still change it. */
	open_one = memfd_create("open", MFD_ALLOW_SEALING);
	ck_assert_int_eq(write(open_one, "hello", 5), 5);
	ck_assert_int_eq(memfd_map(open_one, &p, &n), -EPERM);
	ck_assert_int_eq(fcntl(open_one, F_ADD_SEALS, F_SEAL_WRITE), 0);
	ck_assert_int_eq(memfd_map(open_one, &p, &n), -EPERM);
	close(open_one);
	open_one = open("/dev/null", O_RDONLY);
	ck_assert_int_eq(memfd_map(open_one, &p, &n), -EPERM);
	close(open_one);
	fd = memfd_seal("empty", "", 0);
	ck_assert_int_eq(memfd_map(fd, &p, &n), -EINVAL);
	close(fd);
}
END_TEST

START_TEST(keys_by_id)
{
	struct keys_builder b = { BUF_INIT, BUF_INIT, 0 };
	struct keys *k;
	int fd;

	ck_assert_uint_eq(keys_add(&b, STR("first")), 0);
	ck_assert_uint_eq(keys_add(&b, STR("")), 1);
	ck_assert_uint_eq(keys_add(&b, STR("third key")), 2);
	fd = keys_seal(&b);
	ck_assert_int_ge(fd, 0);
	ck_assert_uint_eq(b.n, 0);
	ck_assert_ptr_null(b.data.p);
	ck_assert_int_eq(keys_open(fd, &k), 0);
	ck_str_is(keys_get(k, 0), "first");
	ck_assert_uint_eq(keys_get(k, 1).n, 0);
	ck_str_is(keys_get(k, 2), "third key");
	ck_assert_uint_eq(keys_get(k, 3).n, 0);
	ck_assert_uint_eq(keys_get(k, UINT32_MAX).n, 0);
	ck_assert_uint_eq(keys_get(NULL, 0).n, 0);
	keys_close(k);
	close(fd);
	/* None at all is fine. */
	fd = keys_seal(&b);
	ck_assert_int_eq(keys_open(fd, &k), 0);
	ck_assert_uint_eq(keys_get(k, 0).n, 0);
	keys_close(k);
	keys_close(NULL);
	close(fd);
}
END_TEST

struct keys_head { uint64_t magic; uint32_t count, bytes; uint32_t off, n; };

START_TEST(keys_malformed)
{
	static const uint64_t magic = UINT64_C(0x0a7379656b6b6b61);
	const uint32_t all = sizeof(struct keys_head) + 4;
	const struct { struct keys_head h; int want; } rows[] = {
		{ { magic, 1, all, 24, 4 }, 0 },
		{ { magic ^ 1, 1, all, 24, 4 }, -EPROTO },
		{ { magic, 1, all + 1, 24, 4 }, -EPROTO },
		{ { magic, 1, all - 1, 24, 4 }, -EPROTO },
		{ { magic, 1, all, 24, 5 }, -EPROTO },
		{ { magic, 1, all, 29, 0 }, -EPROTO },
		{ { magic, 1, all, UINT32_MAX, 8 }, -EPROTO },
		{ { magic, 1, all, 24, UINT32_MAX }, -EPROTO },
		{ { magic, 2, all, 24, 4 }, -EPROTO },
		{ { magic, UINT32_MAX, all, 24, 4 }, -EPROTO },
	};
	struct keys *k;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		char image[sizeof(struct keys_head) + 4] = "";
		int fd, r;

		memcpy(image, &rows[i].h, sizeof(rows[i].h));
		fd = memfd_seal("keys", image, sizeof(image));
		r = keys_open(fd, &k);
		ck_assert_msg(r == rows[i].want, "row %zu: %d", i, r);
		if (r == 0)
			keys_close(k);
		close(fd);
		/* No byte less will do either. */
		for (size_t n = 1; n < sizeof(image); n++) {
			fd = memfd_seal("keys", image, n);
			ck_assert_int_eq(keys_open(fd, &k), -EPROTO);
			close(fd);
		}
	}
}
END_TEST

START_TEST(ticket_keys)
{
	struct tickets t = { .epoch = 7 }, back;
	int fd;

	memset(&t.key, 0x5a, sizeof(t.key));
	fd = tickets_seal(&t);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(tickets_read(fd, &back), 0);
	ck_assert_mem_eq(&t, &back, sizeof(t));
	close(fd);
	fd = memfd_seal("short", &t, sizeof(t) - 1);
	ck_assert_int_eq(tickets_read(fd, &back), -EPROTO);
	close(fd);
	fd = memfd_create("open", 0);
	ck_assert_int_eq(tickets_read(fd, &back), -EPERM);
	close(fd);
}
END_TEST

UNIT_MAIN("msg", every_type, full, foreign, sealed, keys_by_id, keys_malformed,
    ticket_keys)
