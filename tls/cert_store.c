/* SPDX-License-Identifier: BSD-2-Clause */
/* Parsed certificates by their content; see cert_store.h. */
#include "cert_store.h"

#include "alloc.h"
#include "map.h"

#include <openssl/crypto.h>
#include <openssl/sha.h>
#include <stdlib.h>
#include <string.h>

struct entry {
	unsigned char key[SHA256_DIGEST_LENGTH];
	struct certificate *cert;	/* NULL: a bundle */
	struct buf der;
	int count;			/* certificates in der */
	bool used;
	struct entry *next;
};

/* What a pair of files held when it was good. */
struct pair {
	unsigned char sum[SHA256_DIGEST_LENGTH];
	bool used;
	struct pair *next;
	char names[];		/* both, with a newline between them */
};

struct cert_store {
	struct map map;		/* by digest of the texts */
	struct entry *all;
	struct map names;
	struct pair *pairs;
};

struct cert_store *
cert_store_new(void)
{
	return xcalloc(1, sizeof(struct cert_store));
}

static void
entry_free(struct entry *e)
{
	certificate_free(e->cert);
	buf_fini(&e->der);
	free(e);
}

void
cert_store_free(struct cert_store *s)
{
	if (s == NULL)
		return;
	while (s->all != NULL) {
		struct entry *e = s->all;

		s->all = e->next;
		entry_free(e);
	}
	while (s->pairs != NULL) {
		struct pair *p = s->pairs;

		s->pairs = p->next;
		free(p);
	}
	map_fini(&s->names);
	map_fini(&s->map);
	free(s);
}

/* A pair and a bundle of the same texts are two things. */
static void
digest(struct str a, struct str b, unsigned char out[SHA256_DIGEST_LENGTH])
{
	struct buf all = BUF_INIT;

	buf_printf(&all, "%zu %zu\n", a.n, b.n);
	buf_puts(&all, a);
	buf_puts(&all, b);
	SHA256((const unsigned char *)all.p, all.n, out);
	OPENSSL_cleanse(all.p, all.cap);
	buf_fini(&all);
}

static struct entry *
find(struct cert_store *s, const unsigned char *key)
{
	struct entry *e = map_get(&s->map, str_n(key,
	    SHA256_DIGEST_LENGTH));

	if (e != NULL)
		e->used = true;
	return e;
}

static struct entry *
add(struct cert_store *s, const unsigned char *key)
{
	struct entry *e = xcalloc(1, sizeof(*e));

	memcpy(e->key, key, sizeof(e->key));
	e->used = true;
	e->next = s->all;
	s->all = e;
	*map_at(&s->map, str_n(key, SHA256_DIGEST_LENGTH)) = e;
	return e;
}

static struct pair *
pair_of(struct cert_store *s, const char *cert, const char *key, bool make)
{
	char *names = xasprintf("%s\n%s", cert, key);
	struct pair *p = map_get(&s->names, str_c(names));

	if (p == NULL && make) {
		p = xcalloc(1, sizeof(*p) + strlen(names) + 1);
		strcpy(p->names, names);
		p->next = s->pairs;
		s->pairs = p;
		*map_at(&s->names, str_c(names)) = p;
	}
	if (p != NULL)
		p->used = true;
	free(names);
	return p;
}

static bool
is_inline(const char *text)
{
	return strncmp(text, "-----", 5) == 0;
}

/* The last good one of these files; an inline text is what it is. */
static struct entry *
last_good(struct cert_store *s, const char *cert, const char *key)
{
	struct pair *p = s == NULL || is_inline(cert) || is_inline(key) ?
	    NULL : pair_of(s, cert, key, false);

	return p != NULL ? find(s, p->sum) : NULL;
}

static void
note_good(struct cert_store *s, const char *cert, const char *key,
    const unsigned char *sum)
{
	if (!is_inline(cert) && !is_inline(key))
		memcpy(pair_of(s, cert, key, true)->sum, sum,
		    SHA256_DIGEST_LENGTH);
}

int
cert_store_load(struct cert_store *s, const char *cert, const char *key,
    int64_t now, struct certificate **ret, char why[CERT_WHY])
{
	unsigned char sum[SHA256_DIGEST_LENGTH];
	struct buf c = BUF_INIT, k = BUF_INIT;
	struct entry *e = NULL;
	bool read;
	int r = 0;

	*ret = NULL;
	/* What cannot be read is told by the loading. */
	read = s != NULL && certificate_read(cert, &c, why) == 0 &&
	    certificate_read(key, &k, why) == 0;
	if (read) {
		digest(buf_str(&c), buf_str(&k), sum);
		e = find(s, sum);
	}
	if (e != NULL) {
		*ret = certificate_copy(e->cert, now);
	} else {
		r = certificate_load(cert, key, now, ret, why);
		if (r == 0 && read)
			add(s, sum)->cert = certificate_copy(*ret, now);
	}
	if (r == 0 && read)
		note_good(s, cert, key, sum);
	else if (r < 0 && (e = last_good(s, cert, key)) != NULL) {
		*ret = certificate_copy(e->cert, now);
		r = 1;
	}
	if (k.p != NULL)
		OPENSSL_cleanse(k.p, k.cap);
	buf_fini(&k);
	buf_fini(&c);
	return r;
}

int
cert_store_bundle(struct cert_store *s, const char *file_or_pem,
    struct buf *der, char why[CERT_WHY])
{
	unsigned char sum[SHA256_DIGEST_LENGTH];
	struct buf text = BUF_INIT;
	struct entry *e = NULL;
	size_t from = der->n;
	bool read;
	int r = 0;

	read = s != NULL && certificate_read(file_or_pem, &text, why) == 0;
	if (read) {
		digest(buf_str(&text), STR_NONE, sum);
		e = find(s, sum);
	}
	if (e != NULL) {
		buf_puts(der, buf_str(&e->der));
		r = e->count;
	} else {
		r = ca_bundle_load(file_or_pem, der, why);
		if (r >= 0 && read && !buf_failed(der)) {
			e = add(s, sum);
			e->count = r;
			buf_puts(&e->der, str_from(buf_str(der), from));
		}
	}
	buf_fini(&text);
	return r;
}

void
cert_store_sweep(struct cert_store *s)
{
	struct pair **pair = &s->pairs, *p;
	struct entry **at = &s->all, *e;

	while ((p = *pair) != NULL) {
		if (p->used) {
			p->used = false;
			pair = &p->next;
			continue;
		}
		*pair = p->next;
		(void)map_take(&s->names, str_c(p->names));
		free(p);
	}
	while ((e = *at) != NULL) {
		if (e->used) {
			e->used = false;
			at = &e->next;
			continue;
		}
		*at = e->next;
		(void)map_take(&s->map, str_n(e->key, sizeof(e->key)));
		entry_free(e);
	}
}

unsigned
cert_store_count(const struct cert_store *s)
{
	return s->map.n;
}
