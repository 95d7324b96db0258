/* SPDX-License-Identifier: BSD-2-Clause */
/* The small grammars of HTTP; see token.h. */
#include "token.h"

#include <stdio.h>
#include <time.h>

#define T TOKEN_CHAR
#define V TOKEN_VALUE
#define R TOKEN_TARGET
#define P TOKEN_PATH
#define H TOKEN_HOST
#define M TOKEN_METHOD
#define N TOKEN_PLAIN

const uint8_t token_class[256] = {
	['\t'] = V, [' '] = V,
	['!'] = T | V | R | P | H, ['"'] = V | R, ['#'] = T | V,
	['$'] = T | V | R | P | H, ['%'] = T | V | R | P,
	['&'] = T | V | R | P | H, ['\''] = T | V | R | P | H,
	['('] = V | R | P | H, [')'] = V | R | P | H,
	['*'] = T | V | R | P | H, ['+'] = T | V | R | P | H,
	[','] = V | R | P, ['-'] = T | V | R | P | H | M | N,
	['.'] = T | V | R | P | H, ['/'] = V | R | P,
	['0' ... '9'] = T | V | R | P | H | M | N,
	[':'] = V | R | P | H, [';'] = V | R | P | H, ['<'] = V | R,
	['='] = V | R | P | H, ['>'] = V | R, ['?'] = V | R,
	['@'] = V | R | P,
	['A' ... 'Z'] = T | V | R | P | H | M | N,
	['['] = V | R | P | H, ['\\'] = V | R, [']'] = V | R | P | H,
	['^'] = T | V | R | P, ['_'] = T | V | R | P | H | M,
	['`'] = T | V | R | P,
	['a' ... 'z'] = T | V | R | P | H | N,
	['{'] = V | R | P, ['|'] = T | V | R | P, ['}'] = V | R | P,
	['~'] = T | V | R | P | H,
	[0x80 ... 0xff] = V,
};

bool
token_valid(struct str s, unsigned class)
{
	for (size_t i = 0; i < s.n; i++)
		if (!token_is((unsigned char)s.p[i], class))
			return false;
	return s.n > 0;
}

bool
token_in_list(struct str list, struct str token)
{
	struct str item;

	while (str_next(&list, ',', &item))
		if (str_caseeq(item, token))
			return true;
	return false;
}

bool
list_next(struct str *rest, struct str *ret_item)
{
	while (rest->n > 0) {
		bool quoted = false;
		size_t i;

		for (i = 0; i < rest->n && (quoted || rest->p[i] != ','); i++)
			if (rest->p[i] == '"')
				quoted = !quoted;
			else if (quoted && rest->p[i] == '\\' &&
			    i + 1 < rest->n)
				i++;
		*ret_item = str_trim(str_head(*rest, i));
		*rest = str_from(*rest, i + 1);
		if (ret_item->n > 0)
			return true;
	}
	return false;
}

bool
media_type(struct str value, struct str *ret)
{
	ptrdiff_t semi = str_chr(value, ';'), slash;
	struct str type = str_trim(semi < 0 ? value :
	    str_head(value, (size_t)semi));

	slash = str_chr(type, '/');
	if (slash <= 0 || !token_valid(str_head(type, (size_t)slash),
	    TOKEN_CHAR) || !token_valid(str_from(type, (size_t)slash + 1),
	    TOKEN_CHAR))
		return false;
	*ret = type;
	return true;
}

/* qvalue of RFC 9110 12.4.2 in thousandths; false when malformed. */
static bool
qvalue(struct str s, unsigned *ret)
{
	unsigned q, scale = 100;

	if (s.n == 0 || (s.p[0] != '0' && s.p[0] != '1'))
		return false;
	q = (unsigned)(s.p[0] - '0') * 1000;
	if (s.n > 1 && s.p[1] != '.')
		return false;
	for (size_t i = 2; i < s.n && i < 5; i++, scale /= 10) {
		if (s.p[i] < '0' || s.p[i] > '9')
			return false;
		q += (unsigned)(s.p[i] - '0') * scale;
	}
	*ret = q > 1000 ? 1000 : q;
	return true;
}

bool
accept_next(struct str *rest, struct str *ret_coding, unsigned *ret_q)
{
	struct str item, param, coding;

	while (str_next(rest, ',', &item)) {
		unsigned q = 1000;
		bool ok = str_next(&item, ';', &coding) && coding.n > 0;

		while (ok && str_next(&item, ';', &param))
			if (str_has_caseprefix(param, STR("q=")))
				ok = qvalue(str_from(param, 2), &q);
		if (ok) {
			*ret_coding = coding;
			*ret_q = q;
			return true;
		}
	}
	return false;
}

void
http_date(int64_t sec, char out[32])
{
	static const char days[] = "SunMonTueWedThuFriSat";
	static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
	time_t t = (time_t)sec;
	struct tm tm;

	/* Not strftime(3): that follows the locale. */
	gmtime_r(&t, &tm);
	snprintf(out, 32, "%.3s, %02d %.3s %04d %02d:%02d:%02d GMT",
	    days + 3 * tm.tm_wday, tm.tm_mday, months + 3 * tm.tm_mon,
	    (tm.tm_year + 1900) % 10000, tm.tm_hour, tm.tm_min, tm.tm_sec);
}
