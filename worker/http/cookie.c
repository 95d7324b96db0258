/* SPDX-License-Identifier: BSD-2-Clause */
/* Cookie and Set-Cookie lines; see cookie.h. */
#include "cookie.h"

#include "token.h"

size_t
cookie_join_size(const struct fields *fs)
{
	size_t n = 0;
	unsigned lines = 0;

	FIELDS_EACH(fs, f) {
		if (f->id != FIELD_COOKIE)
			continue;
		n += f->value_n + 2u;
		lines++;
	}
	return lines > 1 ? n - 2 : 0;
}

void
cookie_join(struct fields *fs, char *out)
{
	struct field *first = NULL;
	size_t n = 0;

	if (cookie_join_size(fs) == 0)
		return;
	FIELDS_EACH(fs, f) {
		if (f->id != FIELD_COOKIE)
			continue;
		if (first != NULL) {
			memcpy(out + n, "; ", 2);
			n += 2;
		}
		memcpy(out + n, f->value, f->value_n);
		n += f->value_n;
		if (first == NULL)
			first = f;
		else
			f->name_n = 0;
	}
	first->value = out;
	first->value_n = (uint32_t)n;
}

bool
cookie_next(struct str *rest, struct str *ret_name, struct str *ret_value)
{
	struct str pair;

	while (str_next(rest, ';', &pair)) {
		ptrdiff_t eq = str_chr(pair, '=');
		struct str v;

		if (eq <= 0)
			continue;
		v = str_trim(str_from(pair, (size_t)eq + 1));
		if (v.n > 1 && v.p[0] == '"' && v.p[v.n - 1] == '"')
			v = str_n(v.p + 1, v.n - 2);
		*ret_name = str_trim(str_head(pair, (size_t)eq));
		*ret_value = v;
		return true;
	}
	return false;
}

bool
cookie_get(const struct fields *fs, struct str name, struct str *ret_value)
{
	FIELDS_EACH(fs, f) {
		struct str rest = field_value(f), n;

		if (f->id != FIELD_COOKIE)
			continue;
		while (cookie_next(&rest, &n, ret_value))
			if (str_eq(n, name))
				return true;
	}
	return false;
}

bool
set_cookie_name(struct str value, struct str *ret_name)
{
	struct str pair = str_head(value, (size_t)str_chr(value, ';'));
	ptrdiff_t eq = str_chr(pair, '=');

	if (eq <= 0)
		return false;
	*ret_name = str_trim(str_head(pair, (size_t)eq));
	return token_valid(*ret_name, TOKEN_CHAR);
}
