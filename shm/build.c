/* SPDX-License-Identifier: BSD-2-Clause */
/* Writing a table image; see build.h. */
#include "build.h"

#include "alloc.h"
#include "hash.h"

#include <assert.h>
#include <stdlib.h>

struct slot { uint32_t off, n, hash; };	/* of the string table; off 0 empty */

struct builder {
	struct buf heap;		/* from the header on: offsets are final */
	struct buf section[BUILD_SECTIONS];
	uint32_t count[BUILD_SECTIONS];
	struct slot *strings;
	uint32_t nstrings, cap;		/* cap is a power of two */
	uint32_t *regexps;		/* string offset per index */
};

static const size_t record_bytes[BUILD_SECTIONS] = {
	[BUILD_ENTRY_POINTS] = sizeof(struct tentry_point),
	[BUILD_MUXES] = sizeof(struct tmux),
	[BUILD_ROUTERS] = sizeof(struct trouter),
	[BUILD_RULES] = sizeof(struct trule),
	[BUILD_SERVICES] = sizeof(struct tservice),
	[BUILD_SERVERS] = sizeof(struct tserver),
	[BUILD_MIDDLEWARES] = sizeof(struct tmw),
	[BUILD_TRANSPORTS] = sizeof(struct ttransport),
	[BUILD_TLS_OPTIONS] = sizeof(struct ttls_options),
	[BUILD_CERTS] = sizeof(struct tcert),
	[BUILD_CERT_NAMES] = sizeof(struct tcert_name),
	[BUILD_REGEXPS] = sizeof(struct tregexp),
	[BUILD_ACCESS_LOG] = sizeof(struct taccess_log),
	[BUILD_BLOBS] = sizeof(struct tblob),
	[BUILD_CHECKS] = sizeof(struct tcheck),
};

struct builder *
build_new(void)
{
	struct builder *b = xcalloc(1, sizeof(*b));

	b->cap = 1024;
	b->strings = xcalloc(b->cap, sizeof(*b->strings));
	memset(buf_space(&b->heap, sizeof(struct table_hdr)), 0,
	    sizeof(struct table_hdr));
	return b;
}

void
build_free(struct builder *b)
{
	if (b == NULL)
		return;
	buf_fini(&b->heap);
	for (int i = 0; i < BUILD_SECTIONS; i++)
		buf_fini(&b->section[i]);
	free(b->strings);
	free(b->regexps);
	free(b);
}

void
build_expect(struct builder *b, uint32_t strings, size_t bytes)
{
	size_t n = b->heap.n;

	assert(b->nstrings == 0);
	while (b->cap / 2 <= strings && b->cap < 1u << 28)
		b->cap *= 2;
	free(b->strings);
	b->strings = xcalloc(b->cap, sizeof(*b->strings));
	if (buf_space(&b->heap, bytes) != NULL)
		b->heap.n = n;
}

static struct slot *
string_slot(const struct builder *b, struct str s, uint32_t hash)
{
	uint32_t i = hash & (b->cap - 1);

	for (;; i = (i + 1) & (b->cap - 1)) {
		struct slot *at = &b->strings[i];

		if (at->off == 0 || (at->hash == hash && str_eq(s,
		    str_n(b->heap.p + at->off, at->n))))
			return at;
	}
}

static void
strings_grow(struct builder *b)
{
	struct slot *old = b->strings;
	uint32_t n = b->cap;

	b->cap *= 2;
	b->strings = xcalloc(b->cap, sizeof(*b->strings));
	for (uint32_t i = 0; i < n; i++) {
		uint32_t to = old[i].hash & (b->cap - 1);

		/* All are different. */
		while (old[i].off != 0 && b->strings[to].off != 0)
			to = (to + 1) & (b->cap - 1);
		if (old[i].off != 0)
			b->strings[to] = old[i];
	}
	free(old);
}

struct tstr
build_str(struct builder *b, struct str s)
{
	uint32_t hash;
	struct slot *at;

	if (s.n == 0)
		return (struct tstr){ sizeof(struct table_hdr), 0 };
	hash = (uint32_t)hash_str(s, 0);
	at = string_slot(b, s, hash);
	if (at->off == 0) {
		*at = (struct slot){ (uint32_t)b->heap.n, (uint32_t)s.n,
		    hash };
		buf_puts(&b->heap, s);
		if (++b->nstrings > b->cap / 2) {
			struct slot made = *at;

			strings_grow(b);
			return (struct tstr){ made.off, made.n };
		}
	}
	return (struct tstr){ at->off, at->n };
}

struct tstr
build_cstr(struct builder *b, const char *s)
{
	return build_str(b, str_c(s));
}

struct str
build_text(const struct builder *b, struct tstr s)
{
	return str_n(b->heap.p + s.off, s.n);
}

static void
align(struct buf *b)
{
	static const char zero[8];

	buf_put(b, zero, (8 - b->n % 8) % 8);
}

struct tvec
build_vec(struct builder *b, const void *records, size_t n, size_t size)
{
	struct tvec v = { sizeof(struct table_hdr), (uint32_t)n };

	if (n == 0)
		return v;
	align(&b->heap);
	v.off = (uint32_t)b->heap.n;
	buf_put(&b->heap, records, n * size);
	return v;
}

uint32_t
build_rec(struct builder *b, const void *record, size_t size)
{
	return build_vec(b, record, 1, size).off;
}

uint32_t
build_add(struct builder *b, enum build_section section, const void *record)
{
	buf_put(&b->section[section], record, record_bytes[section]);
	return b->count[section]++;
}

void *
build_at(struct builder *b, enum build_section section, uint32_t i)
{
	assert(i < b->count[section]);
	return b->section[section].p + i * record_bytes[section];
}

uint32_t
build_count(const struct builder *b, enum build_section section)
{
	return b->count[section];
}

uint32_t
build_regexp(struct builder *b, struct str text)
{
	struct tregexp r = { build_str(b, text) };
	const struct tregexp *have = (const void *)b->section[BUILD_REGEXPS].p;

	for (uint32_t i = 0; i < b->count[BUILD_REGEXPS]; i++)
		if (have[i].text.off == r.text.off && have[i].text.n ==
		    r.text.n)
			return i;
	return build_add(b, BUILD_REGEXPS, &r);
}

void
build_finish(struct builder *b, uint64_t generation, uint32_t default_cert,
    struct buf *out)
{
	struct table_hdr *h;
	struct tvec *vecs[BUILD_SECTIONS];
	uint32_t off[BUILD_SECTIONS];

	for (int i = 0; i < BUILD_SECTIONS; i++)
		off[i] = build_vec(b, b->section[i].p, b->count[i],
		    record_bytes[i]).off;
	align(&b->heap);
	assert(!buf_failed(&b->heap) && b->heap.n <= UINT32_MAX);
	h = (void *)b->heap.p;
	vecs[BUILD_ENTRY_POINTS] = &h->entry_points;
	vecs[BUILD_MUXES] = &h->muxes;
	vecs[BUILD_ROUTERS] = &h->routers;
	vecs[BUILD_RULES] = &h->rules;
	vecs[BUILD_SERVICES] = &h->services;
	vecs[BUILD_SERVERS] = &h->servers;
	vecs[BUILD_MIDDLEWARES] = &h->middlewares;
	vecs[BUILD_TRANSPORTS] = &h->transports;
	vecs[BUILD_TLS_OPTIONS] = &h->tls_options;
	vecs[BUILD_CERTS] = &h->certs;
	vecs[BUILD_CERT_NAMES] = &h->cert_names;
	vecs[BUILD_REGEXPS] = &h->regexps;
	vecs[BUILD_ACCESS_LOG] = &h->access_log;
	vecs[BUILD_BLOBS] = &h->blobs;
	vecs[BUILD_CHECKS] = &h->checks;
	for (int i = 0; i < BUILD_SECTIONS; i++)
		*vecs[i] = (struct tvec){ off[i], b->count[i] };
	h->magic = TABLE_MAGIC;
	h->abi = table_abi;
	h->hdr_bytes = sizeof(*h);
	h->bytes = b->heap.n;
	h->generation = generation;
	h->default_cert = default_cert;
	h->built_wall_ns = clock_wall();
	h->checksum = h->content_hash = hash_bytes(b->heap.p + sizeof(*h),
	    b->heap.n - sizeof(*h), TABLE_MAGIC);
	if (out->p == NULL) {
		*out = b->heap;
		b->heap = (struct buf)BUF_INIT;
	} else {
		buf_put(out, b->heap.p, b->heap.n);
	}
}
