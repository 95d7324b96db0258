/* SPDX-License-Identifier: BSD-2-Clause */
/* Apache's MD5 password hash; see apr1.h. */
#include "apr1.h"

#include "buf.h"

#include <errno.h>
#include <openssl/evp.h>
#include <stdio.h>

#define MD5_BYTES	16
#define ROUNDS		1000

static bool
md5(struct buf *b, unsigned char out[MD5_BYTES])
{
	bool ok = !buf_failed(b) && EVP_Digest(b->p, b->n, out, NULL,
	    EVP_md5(), NULL) == 1;

	buf_reset(b);
	return ok;
}

/* Six bits at a time, lowest first, in the alphabet of crypt(3). */
static char *
put64(char *p, unsigned long v, int n)
{
	static const char abc[] = "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	    "abcdefghijklmnopqrstuvwxyz";

	for (; n > 0; n--, v >>= 6)
		*p++ = abc[v & 63];
	return p;
}

static bool
first_digest(struct buf *b, struct str pw, struct str salt,
    unsigned char out[MD5_BYTES])
{
	unsigned char inner[MD5_BYTES];

	buf_puts(b, pw);
	buf_puts(b, salt);
	buf_puts(b, pw);
	if (!md5(b, inner))
		return false;
	buf_puts(b, pw);
	buf_puts(b, STR("$apr1$"));
	buf_puts(b, salt);
	for (size_t left = pw.n; left > 0;
	    left -= left < MD5_BYTES ? left : MD5_BYTES)
		buf_put(b, inner, left < MD5_BYTES ? left : MD5_BYTES);
	for (size_t i = pw.n; i > 0; i >>= 1)
		buf_putc(b, i & 1 ? '\0' : pw.p[0]);
	return md5(b, out);
}

int
apr1(struct str setting, struct str pw, char out[APR1_TEXT])
{
	struct str rest = str_from(setting, 6), salt;
	ptrdiff_t end = str_chr(rest, '$');
	unsigned char d[MD5_BYTES];
	struct buf b = BUF_INIT;
	bool ok;
	char *p;

	salt = str_head(rest, end < 0 || end > 8 ? 8 : (size_t)end);
	ok = first_digest(&b, pw, salt, d);
	for (unsigned i = 0; ok && i < ROUNDS; i++) {
		if (i & 1)
			buf_puts(&b, pw);
		else
			buf_put(&b, d, sizeof(d));
		if (i % 3 != 0)
			buf_puts(&b, salt);
		if (i % 7 != 0)
			buf_puts(&b, pw);
		if (i & 1)
			buf_put(&b, d, sizeof(d));
		else
			buf_puts(&b, pw);
		ok = md5(&b, d);
	}
	buf_fini(&b);
	if (!ok)
		return -EINVAL;
	p = out + snprintf(out, APR1_TEXT, "$apr1$%.*s$", STR_ARG(salt));
	for (unsigned i = 0; i < 5; i++)
		p = put64(p, (unsigned long)d[i] << 16 |
		    (unsigned long)d[i + 6] << 8 | d[i < 4 ? i + 12 : 5], 4);
	p = put64(p, d[11], 2);
	*p = '\0';
	return 0;
}
