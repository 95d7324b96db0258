/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Hop-by-hop fields: they speak to the next recipient, and that is us, so they
 * end here (RFC 9110 7.6.1, rows H1-H14 to H16, H21, R15).
 */
#include "h1.h"
#include "token.h"

static bool
is_kept(struct str name, const struct str *kept, unsigned nkept)
{
	for (unsigned i = 0; i < nkept; i++)
		if (str_caseeq(name, kept[i]))
			return true;
	return false;
}

/* Removes what one Connection line lists; true when it lists "upgrade". */
static bool
strip_listed(struct fields *fs, bool request, struct str list,
    const struct str *kept, unsigned nkept)
{
	struct str item;
	bool upgrade = false;

	while (str_next(&list, ',', &item)) {
		unsigned classes = field_name_classes(item);

		if (str_caseeq(item, STR("upgrade")))
			upgrade = true;
		if (item.n == 0 || classes & (CLASS_HOP | CLASS_FRAMING) ||
		    (request && classes & (CLASS_MANAGED | CLASS_CLAIM)) ||
		    is_kept(item, kept, nkept))
			continue;
		fields_remove_name(fs, item);
	}
	return upgrade;
}

void
h1_strip_hop(struct fields *fs, bool request, const struct str *kept,
    unsigned nkept, struct h1_hop *ret)
{
	bool listed = false, line = false;

	*ret = (struct h1_hop){ .upgrade = false };
	FIELDS_EACH(fs, f) {
		if (f->id == FIELD_CONNECTION)
			listed |= strip_listed(fs, request, field_value(f),
			    kept, nkept);
		else if (f->id == FIELD_TE)
			ret->te_trailers |= token_in_list(field_value(f),
			    STR("trailers"));
		else if (f->id == FIELD_UPGRADE) {
			line = true;
			ret->websocket |= token_in_list(field_value(f),
			    STR("websocket"));
		}
	}
	ret->upgrade = listed && line;
	ret->websocket &= ret->upgrade;
	fields_remove_classes(fs, CLASS_HOP);
}
