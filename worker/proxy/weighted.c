/* SPDX-License-Identifier: BSD-2-Clause */
/* Groups of services; see weighted.h. */
#include "weighted.h"

#include "conn.h"
#include "random_weight.h"
#include "service.h"
#include "sticky.h"
#include "turn.h"

static bool
usable(const struct exchange *x, const struct tservice *sv,
    const struct tchild *c)
{
	return !sv->health ||
	    service_up(x, table_service(x->t, c->service));
}

static const struct tchild *
pick_turn(const struct exchange *x, const struct tservice *sv)
{
	const struct tchild *v = TABLE_VEC(x->t, sv->children, struct tchild);
	const struct tchild *last = NULL;
	uint64_t total = 0, at;

	for (uint32_t i = 0; i < sv->children.n; i++)
		if (usable(x, sv, &v[i])) {
			total += v[i].weight;
			last = &v[i];
		}
	if (last == NULL)
		return NULL;
	at = turn_place(service_turn(x, sv), total);
	for (uint32_t i = 0; i < sv->children.n; i++) {
		if (!usable(x, sv, &v[i]))
			continue;
		if (at < v[i].weight)
			return &v[i];
		at -= v[i].weight;
	}
	return last;	/* one went down just now */
}

/* As for servers; see balance.c. */
static int
pick_sticky(struct exchange *x, const struct tservice *sv,
    const struct tchild **ret)
{
	const struct tsticky *t = TABLE_VEC(x->t, sv->sticky, struct tsticky);
	const struct tchild *v = TABLE_VEC(x->t, sv->children, struct tchild);
	bool old = true;
	uint32_t i = sticky_find(x, t, &old);

	*ret = i != TNONE && usable(x, sv, &v[i]) ? &v[i] : NULL;
	if (*ret != NULL && !old)
		return 0;
	if (*ret == NULL)
		*ret = pick_turn(x, sv);
	return *ret == NULL ? 0 : sticky_set(x, t, (uint32_t)(*ret - v));
}

int
weighted_pick(struct exchange *x, const struct tservice *sv,
    const struct tchild **ret)
{
	if (sv->sticky.n != 0)
		return pick_sticky(x, sv, ret);
	*ret = pick_turn(x, sv);
	return 0;
}

const struct tchild *
random_weight_pick(const struct exchange *x, const struct tservice *sv)
{
	const struct tchild *v = TABLE_VEC(x->t, sv->children, struct tchild);
	const struct tchild *best = NULL;
	char text[ADDR_TEXT];
	struct str client = str_c(addr_text(&x->c->peer, text));
	double highest = -1;

	for (uint32_t i = 0; i < sv->children.n; i++) {
		double w;

		if (!usable(x, sv, &v[i]))
			continue;
		w = random_weight(client, table_str(x->t, v[i].name),
		    v[i].weight);
		if (w > highest) {
			highest = w;
			best = &v[i];
		}
	}
	return best;
}
