/* SPDX-License-Identifier: BSD-2-Clause */
/* ipAllowList: only clients from the listed ranges; unknown means no. */
#include "middleware.h"

#include "source_address.h"

int
ip_allow_list_serve(struct fiber *f, struct exchange *x, const struct tmw *mw,
    struct chain next)
{
	const struct tmw_ip_allow_list *c = MW_CONFIG(x, mw,
	    struct tmw_ip_allow_list);
	const struct cidr *v = TABLE_VEC(x->t, c->ranges, struct cidr);
	struct addr a;

	if (source_address(x, &c->source, &a) > 0)
		for (uint32_t i = 0; i < c->ranges.n; i++)
			if (cidr_has(&v[i], &a))
				return chain_next(f, x, next);
	return respond_text(f, x, c->reject_status, REASON_IP_DENIED,
	    status_text(c->reject_status));
}
