/* SPDX-License-Identifier: BSD-2-Clause */
/* What two masters say to each other, and registries that go over. */
#include "handover.h"
#include "name_map.h"
#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct head { uint64_t magic; uint32_t version; uint16_t type, bytes; };

static int pair[2];
static struct handover h;

static void
setup(void)
{
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0,
	    pair), 0);
}

static void
teardown(void)
{
	(void)close(pair[0]);
	(void)close(pair[1]);
}

START_TEST(arrives)
{
	struct ho_listener l = { .nfds = 2, .name = "web",
	    .address = "127.0.0.1:80" };
	int fds[2] = { 0, 1 };

	setup();
	ck_assert_int_eq(handover_recv(pair[1], &h), -EAGAIN);
	ck_assert_int_eq(handover_send(pair[0], HO_LISTENER, &l, fds, 2), 0);
	ck_assert_int_eq(handover_send(pair[0], HO_LAST, NULL, NULL, 0), 0);
	ck_assert_int_eq(handover_recv(pair[1], &h), 1);
	ck_assert_int_eq(h.type, HO_LISTENER);
	ck_assert_uint_eq(h.nfds, 2);
	ck_assert_str_eq(h.u.listener.name, "web");
	ck_assert_int_eq(fcntl(h.fds[0], F_GETFD), FD_CLOEXEC);
	handover_close_fds(&h);
	ck_assert_int_eq(handover_recv(pair[1], &h), 1);
	ck_assert_int_eq(h.type, HO_LAST);
	(void)close(pair[0]);
	ck_assert_int_eq(handover_recv(pair[1], &h), 0);
	(void)close(pair[1]);
}
END_TEST

/* As many descriptors as the limit says, and none more. */
START_TEST(many_descriptors)
{
	struct ho_listener l = { .nfds = HANDOVER_FDS };
	int fds[HANDOVER_FDS + 1] = { 0 };

	setup();
	ck_assert_int_eq(handover_send(pair[0], HO_LISTENER, &l, fds,
	    HANDOVER_FDS), 0);
	ck_assert_int_eq(handover_recv(pair[1], &h), 1);
	ck_assert_uint_eq(h.nfds, HANDOVER_FDS);
	handover_close_fds(&h);
	ck_assert_int_lt(handover_send(pair[0], HO_LISTENER, &l, fds,
	    HANDOVER_FDS + 1), 0);
	teardown();
}
END_TEST

static const struct {
	const char *what;
	struct head head;
	size_t payload;		/* bytes that follow */
	int want;
} wrong[] = {
	{ "magic", { 1, HANDOVER_VERSION, HO_READY, 0 }, 0, -EPROTO },
	{ "newer", { 0, HANDOVER_VERSION + 1, HO_READY, 0 }, 0,
	    -EPROTONOSUPPORT },
	{ "older", { 0, 0, HO_READY, 0 }, 0, -EPROTONOSUPPORT },
	{ "no type", { 0, HANDOVER_VERSION, 0, 0 }, 0, -EPROTO },
	{ "high type", { 0, HANDOVER_VERSION, HO_TYPES, 0 }, 0, -EPROTO },
	{ "too long", { 0, HANDOVER_VERSION, HO_READY, 0 }, 8, -EPROTO },
	{ "too short", { 0, HANDOVER_VERSION, HO_HELLO,
	    sizeof(struct ho_hello) }, 8, -EPROTO },
	{ "other length", { 0, HANDOVER_VERSION, HO_HELLO, 8 }, 8, -EPROTO },
	{ "no descriptors", { 0, HANDOVER_VERSION, HO_TABLE,
	    sizeof(struct ho_table) }, sizeof(struct ho_table), -EPROTO },
	{ "a listener of none", { 0, HANDOVER_VERSION, HO_LISTENER,
	    sizeof(struct ho_listener) }, sizeof(struct ho_listener),
	    -EPROTO },
};

START_TEST(refused)
{
	static char bytes[4096];

	setup();
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		struct head head = wrong[i].head;

		if (head.magic == 0)
			head.magic = UINT64_C(0x726f76646e61686b);
		memset(bytes, 0, sizeof(bytes));
		memcpy(bytes, &head, sizeof(head));
		ck_assert_int_gt(send(pair[0], bytes, sizeof(head) +
		    wrong[i].payload, 0), 0);
		ck_assert_msg(handover_recv(pair[1], &h) == wrong[i].want,
		    "%s", wrong[i].what);
		if (wrong[i].want == -EPROTONOSUPPORT)
			ck_assert_uint_eq(h.version, head.version);
	}
	teardown();
}
END_TEST

/* Descriptors of a message that is refused are closed. */
START_TEST(refused_descriptors)
{
	struct ho_listener l = { .nfds = 3 };
	int fds[2] = { 0, 1 }, next;

	setup();
	ck_assert_int_eq(handover_send(pair[0], HO_LISTENER, &l, fds, 2), 0);
	next = dup(0);
	(void)close(next);
	ck_assert_int_eq(handover_recv(pair[1], &h), -EPROTO);
	ck_assert_uint_eq(h.nfds, 0);
	ck_assert_int_eq(dup(0), next);
	(void)close(next);
	teardown();
}
END_TEST

START_TEST(short_message)
{
	setup();
	ck_assert_int_eq(send(pair[0], "x", 1, 0), 1);
	ck_assert_int_eq(handover_recv(pair[1], &h), -EPROTO);
	teardown();
}
END_TEST

/* Numbers stay with their names; what lies between is given to others. */
START_TEST(registry)
{
	struct registry r;
	struct str name;
	bool new;

	registry_init(&r, 8);
	registry_set(&r, STR("five"), 5);
	registry_set(&r, STR("two"), 2);
	registry_set(&r, STR("other"), 5);	/* taken */
	registry_set(&r, STR("two"), 3);	/* has one */
	registry_set(&r, STR("high"), 8);	/* out of bounds */
	ck_assert_uint_eq(registry_get(&r, STR("five"), &new), 5);
	ck_assert(!new);
	ck_assert_uint_eq(registry_get(&r, STR("two"), &new), 2);
	ck_assert(registry_name(&r, 5, &name) && str_eq(name, STR("five")));
	ck_assert(!registry_name(&r, 3, &name));
	ck_assert(!registry_name(&r, 8, &name));
	/* The other six numbers, each once. */
	for (unsigned seen = 1 << 5 | 1 << 2, i = 0; i < 6; i++) {
		char text[2] = { (char)('a' + i), '\0' };
		uint32_t n = registry_get(&r, str_c(text), &new);

		ck_assert(new && n < 8 && (seen & 1u << n) == 0);
		seen |= 1u << n;
	}
	ck_assert_uint_eq(registry_get(&r, STR("z"), &new), NAMES_NONE);
	registry_fini(&r);
}
END_TEST

UNIT_MAIN("handover", arrives, many_descriptors, refused, refused_descriptors,
    short_message, registry)
