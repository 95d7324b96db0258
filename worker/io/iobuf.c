/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Buffers for connection bytes; see iobuf.h. Each size has a slab of reserved
 * memory with a page below and above that cannot be touched (P-15). Free ones
 * are taken last in, first out, so that the working set stays in cache; when
 * many are free, those given back last lose their pages.
 */
#include "ring_impl.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#ifdef WITH_ASAN
#include <sanitizer/asan_interface.h>
#endif

enum { KIND_SMALL, KIND_LARGE, KIND_HEAP };

#define PAGE		((size_t)4096)
/* Heads stand at the start: neighbours start in different cache sets. */
#define COLOURS		8
#define COLOUR_BYTES	512

static const struct {
	size_t bytes;
	unsigned keep;		/* free ones that keep their pages */
} kinds[] = {
	[KIND_SMALL] = { IOBUF_SMALL, 512 },
	[KIND_LARGE] = { IOBUF_LARGE + IOBUF_EXTRA, 16 },
};

static int
slab_init(struct iobuf_slab *p, size_t bytes, unsigned max)
{
	p->stride = bytes + PAGE;
	p->bytes = p->stride * max + 2 * PAGE;
	p->all = calloc(max, sizeof(*p->all));
	p->mem = mmap(NULL, p->bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE |
	    MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (p->mem == MAP_FAILED)
		p->mem = NULL;
	if (p->all == NULL || p->mem == NULL ||
	    mprotect(p->mem, PAGE, PROT_NONE) < 0 ||
	    mprotect(p->mem + p->bytes - PAGE, PAGE, PROT_NONE) < 0)
		return -ENOMEM;
	p->max = max;
	return 0;
}

int
iobuf_pool_init(struct ring *r, const struct ring_options *o)
{
	if (slab_init(&r->bufs[KIND_SMALL], kinds[KIND_SMALL].bytes,
	    o->small_buffers) < 0 ||
	    slab_init(&r->bufs[KIND_LARGE], kinds[KIND_LARGE].bytes,
	    o->large_buffers) < 0)
		return -ENOMEM;
	return 0;
}

void
iobuf_pool_fini(struct ring *r)
{
	for (unsigned k = 0; k < 2; k++) {
		struct iobuf_slab *p = &r->bufs[k];

		if (p->mem != NULL) {
#ifdef WITH_ASAN
			__asan_unpoison_memory_region(p->mem, p->bytes);
#endif
			munmap(p->mem, p->bytes);
		}
		free(p->all);
	}
}

unsigned
iobuf_small_left(const struct ring *r)
{
	return r->bufs[KIND_SMALL].max - r->bufs[KIND_SMALL].used;
}

static struct iobuf *
heap_make(size_t n)
{
	struct iobuf *b = malloc(sizeof(*b) + n);

	if (b != NULL)
		*b = (struct iobuf){ .data = (uint8_t *)(b + 1),
		    .cap = (uint32_t)n, .kind = KIND_HEAP };
	return b;
}

/* One that was never used. NULL at the bound. */
static struct iobuf *
slab_make(struct iobuf_slab *p, unsigned kind)
{
	unsigned i = p->made;
	struct iobuf *b;

	if (i == p->max)
		return NULL;
	b = &p->all[p->made++];
	b->data = (uint8_t *)p->mem + PAGE + i * p->stride +
	    (i % COLOURS) * COLOUR_BYTES;
	b->cap = (uint32_t)kinds[kind].bytes;
	b->kind = (uint16_t)kind;
	b->id = (uint16_t)i;
	return b;
}

struct iobuf *
iobuf_get(struct ring *r, size_t n)
{
	unsigned kind = n <= IOBUF_SMALL ? KIND_SMALL :
	    n <= IOBUF_LARGE + IOBUF_EXTRA ? KIND_LARGE : KIND_HEAP;
	struct iobuf_slab *p = &r->bufs[kind % KIND_HEAP];
	struct iobuf *b;

	if (n > UINT32_MAX / 2)
		return NULL;
	if (kind == KIND_HEAP)
		return heap_make(n);
	if ((b = p->free) != NULL) {
		p->free = b->next;
		p->nfree--;
	} else if ((b = p->cold) != NULL)
		p->cold = b->next;
	else if ((b = slab_make(p, kind)) == NULL)
		return NULL;
	p->used++;
	b->head = b->tail = 0;
	b->next = NULL;
#ifdef WITH_ASAN
	__asan_unpoison_memory_region(b->data, b->cap);
#endif
	return b;
}

/* Gives the whole pages of a buffer back to the system. */
static void
pages_drop(const struct iobuf *b)
{
	uintptr_t from = ((uintptr_t)b->data + PAGE - 1) & ~(PAGE - 1);
	uintptr_t to = ((uintptr_t)b->data + b->cap) & ~(PAGE - 1);

	(void)madvise((void *)from, to - from, MADV_DONTNEED);
}

void
iobuf_put(struct ring *r, struct iobuf *b)
{
	struct iobuf_slab *p;

	if (b == NULL)
		return;
	if (b->kind == KIND_HEAP) {
		free(b);
		return;
	}
	p = &r->bufs[b->kind];
	assert(p->used > 0);
	p->used--;
	if (p->nfree >= kinds[b->kind].keep) {
		pages_drop(b);
		b->next = p->cold;
		p->cold = b;
	} else {
		b->next = p->free;
		p->free = b;
		p->nfree++;
	}
#ifdef WITH_ASAN
	__asan_poison_memory_region(b->data, b->cap);
#endif
}
