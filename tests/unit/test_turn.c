/* SPDX-License-Identifier: BSD-2-Clause */
/* Sharing out: rounds that are exact and mix, and what a client's address draws. */
#include "random_weight.h"
#include "turn.h"
#include "unit.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

START_TEST(every_place_once)
{
	static uint8_t met[3000];

	for (uint64_t total = 1; total < sizeof(met); total += 1 + total / 50) {
		memset(met, 0, sizeof(met));
		/* A round begins anywhere. */
		for (uint64_t n = 77; n < 77 + total; n++) {
			uint64_t at = turn_place(n, total);

			ck_assert_uint_lt(at, total);
			ck_assert_uint_eq(met[at]++, 0);
		}
	}
	ck_assert_uint_lt(turn_place(UINT64_MAX, 7), 7);
}
END_TEST

/*
 * Of two halves nobody is asked more than twice in a row; six places have no
 * better step than one.
 */
START_TEST(shares_mix)
{
	for (uint64_t total = 2; total < 400; total += 2) {
		unsigned run = 0, longest = 0;
		bool was = false;

		for (uint64_t n = 0; n < 2 * total; n++) {
			bool first = turn_place(n, total) < total / 2;

			run = first == was ? run + 1 : 1;
			was = first;
			longest = run > longest ? run : longest;
		}
		ck_assert_msg(longest <= (total == 6 ? 3 : 2), "%u in a row of %u", longest,
		    (unsigned)total);
	}
}
END_TEST

/* Computed elsewhere by the formula. */
START_TEST(random_weights)
{
	static const struct {
		const char *client, *name;
		uint32_t weight;
		double want;
	} rows[] = {
		{ "10.1.2.3", "a", 1, 1.37785585907929 },
		{ "10.1.2.3", "b", 1, 1.37785515761646 },
		{ "10.1.2.3", "shop-api-80", 20, 27.0934255588999 },
		{ "::1", "http://10.0.0.1:80", 7, 30.5324884239735 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		double got = random_weight(str_c(rows[i].client),
		    str_c(rows[i].name), rows[i].weight);

		ck_assert_msg(fabs(got - rows[i].want) < 1e-9 * rows[i].want,
		    "%s %s: %.15g", rows[i].client, rows[i].name, got);
	}
}
END_TEST

/* Many clients come to each in proportion; without one the others stay. */
START_TEST(clients_spread)
{
	static const char *const names[] = { "one", "two", "three" };
	static const uint32_t weights[] = { 1, 1, 2 };
	unsigned count[3] = { 0 };

	for (unsigned i = 0; i < 4000; i++) {
		char ip[32];
		double best = -1, second = -1;
		unsigned who = 0, other = 0;

		snprintf(ip, sizeof(ip), "10.0.%u.%u", i / 250, i % 250);
		for (unsigned k = 0; k < 3; k++) {
			double w = random_weight(str_c(ip), str_c(names[k]),
			    weights[k]);

			if (w > best) {
				best = w;
				who = k;
			}
			if (k != 2 && w > second) {
				second = w;
				other = k;
			}
		}
		count[who]++;
		ck_assert(who == 2 || other == who);
	}
	ck_assert_msg(count[0] > 850 && count[0] < 1150 && count[1] > 850 &&
	    count[1] < 1150, "%u %u %u", count[0], count[1], count[2]);
}
END_TEST

UNIT_MAIN("turn", every_place_once, shares_mix, random_weights,
    clients_spread)
