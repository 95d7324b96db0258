/* SPDX-License-Identifier: BSD-2-Clause */
/* HTTP Basic authentication; see basic.h. */
#include "basic.h"

#include "apr1.h"
#include "clock.h"

#include <crypt.h>
#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <openssl/sha.h>
#include <stdlib.h>

#define CACHE_SLOTS	1024	/* power of two */
#define CACHE_TTL	(60 * NSEC_SEC)
#define SECRET_MAX	512	/* longer passwords are wrong */

/* RFC 4648 4: groups of four, '=' only as the last one or two characters. */
static bool
is_base64(struct str s)
{
	size_t pad = 0;

	if (s.n == 0 || s.n % 4 != 0)
		return false;
	while (pad < 2 && s.p[s.n - 1 - pad] == '=')
		pad++;
	for (size_t i = 0; i < s.n - pad; i++) {
		char c = str_lower(s.p[i]);

		if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
		    c == '+' || c == '/'))
			return false;
	}
	return true;
}

int
basic_parse(struct str value, char *buf, struct str *ret_user,
    struct str *ret_password)
{
	struct str b64 = str_from(value, 6), all;
	ptrdiff_t colon;
	int n;

	if (!str_has_caseprefix(value, STR("Basic ")) || b64.n > 8192 ||
	    !is_base64(b64))
		return -EINVAL;
	n = EVP_DecodeBlock((unsigned char *)buf, (const unsigned char *)b64.p,
	    (int)b64.n);
	if (n < 0)
		return -EINVAL;
	n -= b64.p[b64.n - 1] == '=';
	n -= b64.p[b64.n - 2] == '=';
	all = str_n(buf, (size_t)n);
	if ((colon = str_chr(all, ':')) < 0)
		return -EINVAL;
	*ret_user = str_head(all, (size_t)colon);
	*ret_password = str_from(all, (size_t)colon + 1);
	return 0;
}

/* ---- Hashes ------------------------------------------------------------------ */

static bool
equal(struct str a, struct str b)
{
	return a.n == b.n && CRYPTO_memcmp(a.p, b.p, a.n) == 0;
}

static bool
sha_matches(struct str hash, struct str password)
{
	unsigned char digest[SHA_DIGEST_LENGTH], text[64];

	SHA1((const unsigned char *)password.p, password.n, digest);
	EVP_EncodeBlock(text, digest, sizeof(digest));
	return equal(hash, str_c((char *)text));
}

static bool
crypt_matches(struct str hash, struct str password)
{
	static _Thread_local struct crypt_data data;
	char pw[SECRET_MAX + 1], setting[256];
	const char *got;
	bool same;

	if (password.n > SECRET_MAX || hash.n >= sizeof(setting) ||
	    memchr(password.p, 0, password.n) != NULL)
		return false;
	memcpy(pw, password.p, password.n);
	pw[password.n] = '\0';
	memcpy(setting, hash.p, hash.n);
	setting[hash.n] = '\0';
	/* $2x$ and $2y$ are names of the same algorithm as $2b$. */
	got = crypt_r(pw, setting, &data);
	same = got != NULL && got[0] != '*' && equal(str_c(got), hash);
	explicit_bzero(pw, sizeof(pw));
	explicit_bzero(&data, sizeof(data));
	return same;
}

static bool
known_hash(struct str h)
{
	return str_has_prefix(h, STR("{SHA}")) ||
	    str_has_prefix(h, STR("$apr1$")) || str_has_prefix(h, STR("$1$")) ||
	    (h.n > 4 && str_has_prefix(h, STR("$2")) &&
	    strchr("abxy", h.p[2]) != NULL && h.p[3] == '$');
}

bool
basic_hash_matches(struct str hash, struct str password)
{
	char text[APR1_TEXT];

	if (str_has_prefix(hash, STR("{SHA}")))
		return sha_matches(str_from(hash, 5), password);
	if (str_has_prefix(hash, STR("$apr1$")))
		return password.n <= SECRET_MAX && apr1(hash, password, text) ==
		    0 && equal(str_c(text), hash);
	return known_hash(hash) && crypt_matches(hash, password);
}

/* ---- Remembered successes ------------------------------------------------------- */

struct remembered { unsigned char mac[32]; nsec_t until; };

static struct remembered cache[CACHE_SLOTS];
static unsigned char cache_key[32];
static bool cache_keyed;

/* Lengths go in front, so no two triples share their bytes. */
static bool
triple_mac(struct str user, struct str password, struct str hash,
    unsigned char out[32])
{
	struct str parts[3] = { user, password, hash };
	struct buf b = BUF_INIT;
	unsigned n = 32;
	bool ok;

	if (!cache_keyed) {
		if (RAND_bytes(cache_key, sizeof(cache_key)) != 1)
			return false;
		cache_keyed = true;
	}
	for (int i = 0; i < 3; i++) {
		uint64_t len = parts[i].n;

		buf_put(&b, &len, sizeof(len));
		buf_puts(&b, parts[i]);
	}
	ok = !buf_failed(&b) && HMAC(EVP_sha256(), cache_key,
	    sizeof(cache_key), (unsigned char *)b.p, b.n, out, &n) != NULL;
	if (b.p != NULL)
		explicit_bzero(b.p, b.n);
	buf_fini(&b);
	return ok;
}

static struct remembered *
slot_of(const unsigned char mac[32])
{
	uint32_t i;

	memcpy(&i, mac, sizeof(i));
	return &cache[i & (CACHE_SLOTS - 1)];
}

static const struct basic_user *
find_user(const struct basic_user *users, unsigned n, struct str name)
{
	unsigned lo = 0, hi = n;

	while (lo < hi) {
		unsigned mid = lo + (hi - lo) / 2;
		int r = str_cmp(users[mid].name, name);

		if (r == 0)
			return &users[mid];
		if (r < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return NULL;
}

int
basic_recall(const struct basic_user *users, unsigned n, struct str user,
    struct str password, struct basic_asked *ret)
{
	const struct basic_user *u = find_user(users, n, user);
	const struct remembered *r;

	if (n == 0)
		return 0;
	/* Nobody of that name is as much work as somebody. */
	*ret = (struct basic_asked){ .known = u != NULL,
	    .hash = u != NULL ? u->hash : users[0].hash };
	ret->keyed = u != NULL && triple_mac(user, password, u->hash,
	    ret->mac);
	if (!ret->keyed)
		return -EAGAIN;
	r = slot_of(ret->mac);
	return r->until > clock_mono() && CRYPTO_memcmp(r->mac, ret->mac,
	    sizeof(ret->mac)) == 0 ? 1 : -EAGAIN;
}

bool
basic_settle(const struct basic_asked *a, bool matches)
{
	struct remembered *r;

	if (!a->known || !matches)
		return false;
	if (a->keyed) {
		r = slot_of(a->mac);
		memcpy(r->mac, a->mac, sizeof(r->mac));
		r->until = clock_mono() + CACHE_TTL;
	}
	return true;
}

bool
basic_hash_slow(struct str hash)
{
	return !str_has_prefix(hash, STR("{SHA}"));
}

int
basic_check(const struct basic_user *users, unsigned n, struct str user,
    struct str password)
{
	struct basic_asked a;
	int r = basic_recall(users, n, user, password, &a);

	return r != -EAGAIN ? r : basic_settle(&a, basic_hash_matches(a.hash,
	    password));
}

/* ---- Lists of users ------------------------------------------------------------------ */

int
basic_parse_user(struct str line, struct basic_user *ret)
{
	ptrdiff_t colon = str_chr(line, ':');

	if (colon <= 0)
		return -EINVAL;
	ret->name = str_head(line, (size_t)colon);
	ret->hash = str_from(line, (size_t)colon + 1);
	return str_chr(ret->hash, ':') < 0 && known_hash(ret->hash) ? 0 :
	    -EINVAL;
}

int
basic_next_user(struct str *rest, struct basic_user *ret)
{
	while (rest->n > 0) {
		ptrdiff_t lf = str_chr(*rest, '\n');
		struct str line = lf < 0 ? *rest : str_head(*rest, (size_t)lf);

		*rest = lf < 0 ? STR_NONE : str_from(*rest, (size_t)lf + 1);
		if (line.n > 0 && line.p[line.n - 1] == '\r')
			line.n--;
		line = str_trim(line);
		if (line.n == 0 || line.p[0] == '#')
			continue;
		if (basic_parse_user(line, ret) < 0) {
			ret->name = line;
			return -EINVAL;
		}
		return 1;
	}
	return 0;
}
