/* SPDX-License-Identifier: BSD-2-Clause */
/* The key segment; see keys.h. */
#include "keys.h"

#include "alloc.h"
#include "memfd.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>

#define KEYS_MAGIC UINT64_C(0x0a7379656b6b6b61)

struct head { uint64_t magic; uint32_t count, bytes; };
struct entry { uint32_t off, n; };

struct keys {
	const void *map;
	size_t bytes;
	const struct entry *entries;
	uint32_t count;
};

unsigned
keys_add(struct keys_builder *b, struct str der)
{
	struct entry e = { (uint32_t)b->data.n, (uint32_t)der.n };

	buf_put(&b->index, &e, sizeof(e));
	buf_puts(&b->data, der);
	return b->n++;
}

int
keys_seal(struct keys_builder *b)
{
	size_t off = sizeof(struct head) + b->n * sizeof(struct entry);
	size_t bytes = off + b->data.n;
	char *p = xmalloc(bytes);
	struct head h = { KEYS_MAGIC, b->n, (uint32_t)bytes };
	struct entry *e = (struct entry *)(void *)(p + sizeof(h));
	int fd;

	memcpy(p, &h, sizeof(h));
	if (b->n != 0)
		memcpy(e, b->index.p, b->n * sizeof(*e));
	for (unsigned i = 0; i < b->n; i++)
		e[i].off += (uint32_t)off;
	if (b->data.n != 0) {
		memcpy(p + off, b->data.p, b->data.n);
		explicit_bzero(b->data.p, b->data.n);
	}
	fd = memfd_seal("akkod-keys", p, bytes);
	explicit_bzero(p, bytes);
	free(p);
	buf_fini(&b->index);
	buf_fini(&b->data);
	b->n = 0;
	return fd;
}

static bool
keys_valid(const struct keys *k)
{
	const struct head *h = k->map;

	if (k->bytes < sizeof(*h) || h->magic != KEYS_MAGIC ||
	    h->bytes != k->bytes ||
	    h->count > (k->bytes - sizeof(*h)) / sizeof(struct entry))
		return false;
	for (uint32_t i = 0; i < h->count; i++)
		if (k->entries[i].off > k->bytes ||
		    k->entries[i].n > k->bytes - k->entries[i].off)
			return false;
	return true;
}

int
keys_open(int fd, struct keys **ret)
{
	struct keys *k = calloc(1, sizeof(*k));
	int err;

	if (k == NULL)
		return -ENOMEM;
	if ((err = memfd_map(fd, &k->map, &k->bytes)) < 0) {
		free(k);
		return err;
	}
	k->entries = (const void *)((const char *)k->map +
	    sizeof(struct head));
	if (!keys_valid(k)) {
		keys_close(k);
		return -EPROTO;
	}
	k->count = ((const struct head *)k->map)->count;
	(void)madvise((void *)(size_t)k->map, k->bytes, MADV_DONTDUMP);
	*ret = k;
	return 0;
}

void
keys_close(struct keys *k)
{
	if (k == NULL)
		return;
	memfd_unmap(k->map, k->bytes);
	free(k);
}

struct str
keys_get(const struct keys *k, unsigned id)
{
	if (k == NULL || id >= k->count)
		return STR_NONE;
	return str_n((const char *)k->map + k->entries[id].off,
	    k->entries[id].n);
}
