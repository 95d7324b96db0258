/* SPDX-License-Identifier: BSD-2-Clause */
/* Query strings; see query.h. */
#include "query.h"

static int
hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = str_lower(c);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool
unescape(struct str s, char *out, size_t cap, struct str *ret)
{
	size_t n = 0;

	for (size_t i = 0; i < s.n; i++) {
		char c = s.p[i];

		if (c == '+')
			c = ' ';
		else if (c == '%') {
			int hi = i + 2 < s.n ? hex(s.p[i + 1]) : -1;
			int lo = i + 2 < s.n ? hex(s.p[i + 2]) : -1;

			if (hi < 0 || lo < 0)
				return false;
			c = (char)(hi << 4 | lo);
			i += 2;
		}
		if (n == cap)
			return false;
		out[n++] = c;
	}
	*ret = str_n(out, n);
	return true;
}

bool
query_next(struct str *rest, char *key_buf, char *value_buf, size_t cap,
    struct str *ret_key, struct str *ret_value)
{
	while (rest->n > 0) {
		ptrdiff_t amp = str_chr(*rest, '&'), eq;
		struct str pair = amp < 0 ? *rest : str_head(*rest, (size_t)amp);

		*rest = amp < 0 ? STR_NONE : str_from(*rest, (size_t)amp + 1);
		if (pair.n == 0 || str_chr(pair, ';') >= 0)
			continue;
		eq = str_chr(pair, '=');
		if (unescape(eq < 0 ? pair : str_head(pair, (size_t)eq),
		    key_buf, cap, ret_key) &&
		    unescape(eq < 0 ? STR_NONE : str_from(pair, (size_t)eq +
		    1), value_buf, cap, ret_value))
			return true;
	}
	return false;
}
