/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A slab allocator for OpenSSL. The address space is reserved once and cut
 * into slabs of 128 KB; each slab serves one size class, so the class of a
 * pointer follows from its address and objects need no header. A slab that is
 * wholly free gives its memory back to the kernel.
 *
 *   region: | slab 0 | slab 1 | ... |      slab: | object | object | ... |
 *           class of a slab: slabs[i].class      free objects: linked list
 *
 * What is too large, or comes when the region is full, is libc's.
 */
#include "memory.h"

#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <openssl/crypto.h>

#define SLAB_SHIFT	17
#define SLAB		((size_t)1 << SLAB_SHIFT)
#define SLABS		65536u		/* 8 GB of address space */
#define NONE		UINT32_MAX
/* Below 256 bytes every 16; above four classes per doubling. */
#define LARGEST		20480u
#define CLASSES		48

struct object { struct object *next; };

struct slab {
	struct object *free;	/* freed objects */
	uint32_t fresh;		/* offset of the part never handed out */
	uint32_t live;		/* objects handed out */
	uint32_t prev, next;	/* among those of the class with room */
	uint16_t class;
	bool listed;
};

static struct {
	uint8_t *base;
	struct slab *slabs;
	uint32_t used;			/* slabs ever used */
	uint32_t empty;			/* list of slabs without a class */
	uint32_t room[CLASSES];		/* list per class */
	uint32_t size[CLASSES];
	uint8_t class_of[LARGEST / 16 + 1];	/* by (n + 15) / 16 */
	unsigned nclasses;
	struct tls_memory_stats stats;
} mem;

static void
make_classes(void)
{
	uint32_t size = 16;
	unsigned k = 0;

	while (size <= LARGEST) {
		assert(k < CLASSES);
		mem.size[k] = size;
		mem.room[k] = NONE;
		for (uint32_t i = k == 0 ? 0 : mem.size[k - 1] / 16 + 1;
		    i <= size / 16; i++)
			mem.class_of[i] = (uint8_t)k;
		k++;
		if (size < 256)
			size += 16;
		else {
			uint32_t base = 256;

			while (base * 2 <= size)
				base *= 2;
			size += base / 4;
		}
	}
	mem.nclasses = k;
}

static int
region_open(void)
{
	void *p = mmap(NULL, SLAB * SLABS, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	void *s;

	if (p == MAP_FAILED)
		return -ENOMEM;
	s = mmap(NULL, sizeof(struct slab) * SLABS, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (s == MAP_FAILED) {
		(void)munmap(p, SLAB * SLABS);
		return -ENOMEM;
	}
	/* Secrets live here. */
	(void)madvise(p, SLAB * SLABS, MADV_DONTDUMP);
	mem.base = p;
	mem.slabs = s;
	mem.empty = NONE;
	make_classes();
	return 0;
}

static void
list_push(uint32_t i)
{
	struct slab *s = &mem.slabs[i];
	uint32_t *head = &mem.room[s->class];

	s->prev = NONE;
	s->next = *head;
	if (*head != NONE)
		mem.slabs[*head].prev = i;
	*head = i;
	s->listed = true;
}

static void
list_remove(uint32_t i)
{
	struct slab *s = &mem.slabs[i];

	if (s->prev != NONE)
		mem.slabs[s->prev].next = s->next;
	else
		mem.room[s->class] = s->next;
	if (s->next != NONE)
		mem.slabs[s->next].prev = s->prev;
	s->listed = false;
}

/* A slab for the class, at the head of its list. */
static bool
slab_add(unsigned class)
{
	uint32_t i = mem.empty;

	if (i != NONE)
		mem.empty = mem.slabs[i].next;
	else if (mem.used < SLABS)
		i = mem.used++;
	else
		return false;
	mem.slabs[i] = (struct slab){ .class = (uint16_t)class };
	list_push(i);
	mem.stats.slabs++;
	return true;
}

static void
slab_release(uint32_t i)
{
	list_remove(i);
	(void)madvise(mem.base + i * SLAB, SLAB, MADV_DONTNEED);
	mem.slabs[i].next = mem.empty;
	mem.empty = i;
	mem.stats.slabs--;
}

void *
tls_memory_alloc(size_t n)
{
	unsigned class;
	struct object *o;
	struct slab *s;
	uint32_t i;

	if (n > LARGEST || mem.base == NULL)
		return malloc(n);
	class = mem.class_of[(n + 15) / 16];
	if ((i = mem.room[class]) == NONE) {
		if (!slab_add(class))
			return malloc(n);
		i = mem.room[class];
	}
	s = &mem.slabs[i];
	if ((o = s->free) != NULL)
		s->free = o->next;
	else {
		o = (struct object *)(void *)(mem.base + i * SLAB + s->fresh);
		s->fresh += mem.size[class];
	}
	s->live++;
	mem.stats.live++;
	mem.stats.live_bytes += mem.size[class];
	if (s->free == NULL && s->fresh + mem.size[class] > SLAB)
		list_remove(i);
	return o;
}

static bool
in_region(const void *p)
{
	return (size_t)((const uint8_t *)p - mem.base) < SLAB * SLABS &&
	    mem.base != NULL;
}

void
tls_memory_free(void *p)
{
	struct object *o = p;
	struct slab *s;
	uint32_t i;

	if (p == NULL)
		return;
	if (!in_region(p)) {
		free(p);
		return;
	}
	i = (uint32_t)((size_t)((uint8_t *)p - mem.base) >> SLAB_SHIFT);
	s = &mem.slabs[i];
	assert(s->live > 0);
	o->next = s->free;
	s->free = o;
	s->live--;
	mem.stats.live--;
	mem.stats.live_bytes -= mem.size[s->class];
	if (!s->listed)
		list_push(i);
	/* The last one of a class stays, so that one object cannot thrash. */
	if (s->live == 0 && (s->next != NONE || s->prev != NONE))
		slab_release(i);
}

void *
tls_memory_realloc(void *p, size_t n)
{
	size_t old;
	void *q;

	if (p == NULL)
		return tls_memory_alloc(n);
	if (!in_region(p))
		return realloc(p, n);
	old = mem.size[mem.slabs[(size_t)((uint8_t *)p - mem.base) >>
	    SLAB_SHIFT].class];
	if (n <= old && n > old / 2)
		return p;
	if ((q = tls_memory_alloc(n)) == NULL)
		return NULL;
	memcpy(q, p, n < old ? n : old);
	OPENSSL_cleanse(p, old);
	tls_memory_free(p);
	return q;
}

static void *
hook_alloc(size_t n, const char *file, int line)
{
	(void)file;
	(void)line;
	return tls_memory_alloc(n);
}

static void *
hook_realloc(void *p, size_t n, const char *file, int line)
{
	(void)file;
	(void)line;
	return tls_memory_realloc(p, n);
}

static void
hook_free(void *p, const char *file, int line)
{
	(void)file;
	(void)line;
	tls_memory_free(p);
}

int
tls_memory_install(void)
{
#if defined(WITH_ASAN) || defined(__SANITIZE_ADDRESS__)
	(void)hook_alloc;
	(void)hook_realloc;
	(void)hook_free;
	(void)region_open;
	return 0;
#else
	int err;

	if (mem.base != NULL)
		return 0;
	if ((err = region_open()) < 0)
		return err;
	return CRYPTO_set_mem_functions(hook_alloc, hook_realloc,
	    hook_free) == 1 ? 0 : -EBUSY;
#endif
}

void
tls_memory_stats(struct tls_memory_stats *ret)
{
	*ret = mem.stats;
	ret->slab_bytes = ret->slabs * SLAB;
}
