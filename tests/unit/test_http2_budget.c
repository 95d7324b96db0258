/* SPDX-License-Identifier: BSD-2-Clause */
/* Budgets of cheap frames: a burst, then a trickle. */
#include "http2_budget.h"

#include "unit.h"

START_TEST(burst_then_trickle)
{
	struct http2_budget b = { .since = { 0 } };
	nsec_t now = 1000 * NSEC_SEC;

	for (int i = 0; i < 100; i++)
		ck_assert(http2_spend(&b, HTTP2_PING, 1, now));
	ck_assert(!http2_spend(&b, HTTP2_PING, 1, now));
	/* Ten come back in a second, even when asked for every millisecond. */
	b = (struct http2_budget){ .since = { 0 } };
	for (int i = 0; i < 100; i++)
		ck_assert(http2_spend(&b, HTTP2_PING, 1, now));
	for (int i = 1; i <= 10; i++) {
		for (int ms = 0; ms < 100; ms++)
			(void)http2_spend(&b, HTTP2_PING, 0,
			    now += NSEC_MSEC);
		ck_assert(http2_spend(&b, HTTP2_PING, 1, now));
	}
	ck_assert(!http2_spend(&b, HTTP2_PING, 1, now));
}
END_TEST

START_TEST(kinds_are_apart)
{
	struct http2_budget b = { .since = { 0 } };
	nsec_t now = NSEC_SEC;

	while (http2_spend(&b, HTTP2_SETTINGS, 1, now))
		continue;
	ck_assert(http2_spend(&b, HTTP2_PING, 1, now));
	ck_assert(http2_spend(&b, HTTP2_SETTINGS, 1, now + 3600 * NSEC_SEC));
}
END_TEST

START_TEST(refund)
{
	struct http2_budget b = { .since = { 0 } };
	nsec_t now = NSEC_SEC;

	for (int i = 0; i < 5000; i++) {
		http2_refund(&b, HTTP2_WINDOW, 10);
		ck_assert(http2_spend(&b, HTTP2_WINDOW, 10, now));
	}
}
END_TEST

UNIT_MAIN("http2_budget", burst_then_trickle, kinds_are_apart, refund)
