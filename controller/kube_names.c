/* SPDX-License-Identifier: BSD-2-Clause */
/* Names as Traefik makes them; see kube_names.h. */
#include "kube_names.h"

#include "alloc.h"

#include <openssl/sha.h>
#include <stdlib.h>

static bool
is_word(char c)
{
	/* Bytes of letters beyond ASCII are kept as they are. */
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
	    (c >= 'A' && c <= 'Z') || (unsigned char)c >= 0x80;
}

#define NAME_MOST	400	/* longer ones end in a digest of all */

static char *
fit(char *name, const char *s)
{
	char digest[21], *out;

	if (strlen(name) <= NAME_MOST)
		return name;
	kube_digest(s, digest);
	out = xasprintf("%.*s-%s", NAME_MOST - 21, name, digest);
	free(name);
	return out;
}

char *
kube_normal(const char *s)
{
	const char *from = s;
	char *out = xmalloc(strlen(s) + 1), *to = out;
	bool gap = false;

	for (; *s != '\0'; s++) {
		if (!is_word(*s)) {
			gap = true;
			continue;
		}
		if (gap && to != out)
			*to++ = '-';
		gap = false;
		*to++ = *s;
	}
	*to = '\0';
	return fit(out, from);
}

char *
kube_normalf(const char *fmt, ...)
{
	struct buf b = BUF_INIT;
	va_list ap;
	char *s;

	va_start(ap, fmt);
	buf_vprintf(&b, fmt, ap);
	va_end(ap);
	s = kube_normal(buf_cstr(&b));
	buf_fini(&b);
	return s;
}

void
kube_digest(const char *s, char out[21])
{
	static const char hex[] = "0123456789abcdef";
	unsigned char sum[SHA256_DIGEST_LENGTH];

	SHA256((const unsigned char *)s, strlen(s), sum);
	for (unsigned i = 0; i < 10; i++) {
		out[2 * i] = hex[sum[i] >> 4];
		out[2 * i + 1] = hex[sum[i] & 15];
	}
	out[20] = '\0';
}

void
kube_quote(struct buf *b, const char *s)
{
	static const char escaped[] = "\a\b\f\n\r\t\v";
	static const char letters[] = "abfnrtv";

	buf_putc(b, '"');
	for (; *s != '\0'; s++) {
		const char *e = strchr(escaped, *s);

		if (e != NULL)
			buf_printf(b, "\\%c", letters[e - escaped]);
		else if (*s == '"' || *s == '\\')
			buf_printf(b, "\\%c", *s);
		else if ((unsigned char)*s < 0x20 || *s == 0x7f)
			buf_printf(b, "\\x%02x", (unsigned char)*s);
		else
			buf_putc(b, *s);
	}
	buf_putc(b, '"');
}
