/* SPDX-License-Identifier: BSD-2-Clause */
/* Who a request comes from; see source_address.h. */
#include "source_address.h"

#include "conn.h"

#include <errno.h>

/* "10.0.0.1:80" and "[::1]:80" count as their address (errata B). */
static bool
parse(struct str s, struct addr *ret)
{
	ptrdiff_t at;

	if (addr_parse(s, ret) == 0)
		return true;
	if (s.n > 2 && s.p[0] == '[' && (at = str_chr(s, ']')) > 0)
		return addr_parse(str_n(s.p + 1, (size_t)at - 1), ret) == 0;
	at = str_rchr(s, ':');
	return at > 0 && addr_parse(str_head(s, (size_t)at), ret) == 0;
}

static bool
excluded(const struct exchange *x, const struct tsource *s,
    const struct addr *a)
{
	const struct cidr *v = TABLE_VEC(x->t, s->excluded, struct cidr);

	for (uint32_t i = 0; i < s->excluded.n; i++)
		if (cidr_has(&v[i], a))
			return true;
	return false;
}

/* The entry `depth` from the right, 1 being the last. As source_address(). */
static int
by_depth(struct str xff, uint32_t depth, struct addr *ret)
{
	while (xff.n > 0) {
		ptrdiff_t comma = str_rchr(xff, ',');

		if (--depth == 0)
			return parse(str_trim(str_from(xff, (size_t)(comma +
			    1))), ret) ? 1 : -EINVAL;
		if (comma < 0)
			break;
		xff = str_head(xff, (size_t)comma);
	}
	return 0;
}

static int
by_exclusion(const struct exchange *x, const struct tsource *s, struct str xff,
    struct addr *ret)
{
	while (xff.n > 0) {
		ptrdiff_t comma = str_rchr(xff, ',');

		if (!parse(str_trim(str_from(xff, (size_t)(comma + 1))), ret))
			return -EINVAL;
		if (!excluded(x, s, ret))
			return 1;
		if (comma < 0)
			break;
		xff = str_head(xff, (size_t)comma);
	}
	return 0;
}

int
source_address(const struct exchange *x, const struct tsource *s,
    struct addr *ret)
{
	struct str xff = fields_get(&x->req.fields, FIELD_XFF);
	int known = 1;

	if (s->depth > 0)
		known = by_depth(xff, s->depth, ret);
	else if (s->excluded.n > 0)
		known = by_exclusion(x, s, xff, ret);
	else
		*ret = x->c->peer;
	if (known > 0 && s->ipv6_subnet != 0)
		addr_mask_v6(ret, s->ipv6_subnet);
	return known;
}

struct str
source_key(struct exchange *x, const struct tsource *s)
{
	const struct field *c;
	char text[ADDR_TEXT];
	struct addr a;

	switch ((enum tsource_kind)s->kind) {
	case TSOURCE_HEADER:
		c = fields_find_name(&x->req.fields, table_str(x->t,
		    s->header));
		return c != NULL ? field_value(c) : STR_NONE;
	case TSOURCE_HOST:
		return x->req.host;
	case TSOURCE_IP:
		break;
	}
	switch (source_address(x, s, &a)) {
	case 1:
		break;
	case 0:
		return STR_NONE;	/* one key for all of them, as Traefik */
	default:
		a = x->c->peer;		/* S-518 */
	}
	return arena_dup(&x->arena, str_c(addr_text(&a, text)));
}
