/* SPDX-License-Identifier: BSD-2-Clause */
/* Connections by client address. */
#include "unit.h"

#include "clients.h"

#include <stdio.h>

static struct addr
addr_of(const char *text)
{
	struct addr a;

	ck_assert_int_eq(addr_parse(str_c(text), &a), 0);
	return a;
}

static struct client *
enter(struct clients *v, const char *text, unsigned max)
{
	struct addr a = addr_of(text);

	return client_enter(v, &a, max);
}

START_TEST(bound)
{
	struct clients *v = clients_new(1);
	struct client *a = enter(v, "10.0.0.1", 2), *b;

	ck_assert_ptr_nonnull(a);
	ck_assert_ptr_eq(enter(v, "10.0.0.1", 2), a);
	ck_assert_ptr_null(enter(v, "10.0.0.1", 2));
	ck_assert_ptr_nonnull(b = enter(v, "10.0.0.2", 2));
	client_leave(a);
	ck_assert_ptr_eq(enter(v, "::ffff:10.0.0.1", 2), a);
	ck_assert_ptr_null(enter(v, "10.0.0.3", 0));
	client_leave(a);
	client_leave(a);
	client_leave(b);
	client_leave(NULL);
	clients_free(v);
}
END_TEST

START_TEST(subscribers)
{
	struct clients *v = clients_new(1);
	struct client *a = enter(v, "2001:db8:1:2::1", 9);

	ck_assert_ptr_eq(enter(v, "2001:db8:1:2:ffff::9", 9), a);
	ck_assert_ptr_ne(enter(v, "2001:db8:1:3::1", 9), a);
	clients_free(v);
}
END_TEST

/* Many more than there are buckets, left in another order than they came. */
START_TEST(many)
{
	static struct client *c[5000];
	struct clients *v = clients_new(7);
	char text[32];

	for (unsigned i = 0; i < 5000; i++) {
		snprintf(text, sizeof(text), "10.1.%u.%u", i >> 8, i & 255);
		ck_assert_ptr_nonnull(c[i] = enter(v, text, 1));
		ck_assert_ptr_null(enter(v, text, 1));
	}
	for (unsigned i = 0; i < 5000; i++)
		client_leave(c[i * 7 % 5000]);
	for (unsigned i = 0; i < 5000; i++) {
		snprintf(text, sizeof(text), "10.1.%u.%u", i >> 8, i & 255);
		ck_assert_ptr_nonnull(enter(v, text, 1));
	}
	clients_free(v);
}
END_TEST

UNIT_MAIN("clients", bound, subscribers, many)
