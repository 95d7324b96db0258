/* SPDX-License-Identifier: BSD-2-Clause */
/* Header fields as decisions see them; see headers.h. */
#include "headers.h"

static char
fold(char c)
{
	c = str_lower(c);
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ? c : '-';
}

bool
header_is_alias(struct str name, struct str owned)
{
	if (name.n != owned.n || str_caseeq(name, owned))
		return false;
	for (size_t i = 0; i < name.n; i++)
		if (fold(name.p[i]) != fold(owned.p[i]))
			return false;
	return true;
}

bool
header_in_list(struct str name, const struct str *list, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		if (name.n == list[i].n && str_caseeq(name, list[i]))
			return true;
	return false;
}

void
header_canonical(struct str name, char *out)
{
	bool upper = true;

	for (size_t i = 0; i < name.n; i++) {
		char c = str_lower(name.p[i]);

		out[i] = upper && c >= 'a' && c <= 'z' ? (char)(c - 32) : c;
		upper = c == '-';
	}
}
