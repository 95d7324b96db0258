/* SPDX-License-Identifier: BSD-2-Clause */
/* Buffers for connection bytes; see iobuf.h. */
#include "ring_impl.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum { KIND_SMALL, KIND_LARGE, KIND_HEAP };

static const size_t kind_bytes[] = { IOBUF_SMALL, IOBUF_LARGE };

void
iobuf_pool_init(struct ring *r, const struct ring_options *o)
{
	r->bufs.max[KIND_SMALL] = o->small_buffers;
	r->bufs.max[KIND_LARGE] = o->large_buffers;
}

void
iobuf_pool_fini(struct ring *r)
{
	for (unsigned k = 0; k < 2; k++) {
		struct iobuf *b;

		while ((b = r->bufs.free[k]) != NULL) {
			r->bufs.free[k] = b->next;
			free(b->data);
			free(b);
		}
	}
}

static struct iobuf *
iobuf_make(size_t cap, unsigned kind)
{
	struct iobuf *b = malloc(sizeof(*b));

	if (b == NULL)
		return NULL;
	memset(b, 0, sizeof(*b));
	b->data = kind == KIND_HEAP ? malloc(cap) :
	    aligned_alloc(4096, cap);
	if (b->data == NULL) {
		free(b);
		return NULL;
	}
	b->cap = (uint32_t)cap;
	b->kind = (uint16_t)kind;
	return b;
}

struct iobuf *
iobuf_get(struct ring *r, size_t n)
{
	struct iobuf_pool *p = &r->bufs;
	unsigned kind = n <= IOBUF_SMALL ? KIND_SMALL :
	    n <= IOBUF_LARGE ? KIND_LARGE : KIND_HEAP;
	struct iobuf *b;

	if (n > UINT32_MAX / 2)
		return NULL;
	if (kind == KIND_HEAP)
		return iobuf_make(n, KIND_HEAP);
	if ((b = p->free[kind]) != NULL)
		p->free[kind] = b->next;
	else if (p->made[kind] >= p->max[kind] ||
	    (b = iobuf_make(kind_bytes[kind], kind)) == NULL)
		return NULL;
	else
		p->made[kind]++;
	p->used[kind]++;
	b->head = b->tail = 0;
	b->next = NULL;
	return b;
}

/* Free buffers kept per kind; what exceeds them goes back to the system. */
static unsigned
iobuf_keep(unsigned kind)
{
	return kind == KIND_SMALL ? 256 : 8;
}

void
iobuf_put(struct ring *r, struct iobuf *b)
{
	struct iobuf_pool *p = &r->bufs;
	unsigned k;

	if (b == NULL)
		return;
	k = b->kind;
	if (k == KIND_HEAP) {
		free(b->data);
		free(b);
		return;
	}
	assert(p->used[k] > 0);
	p->used[k]--;
	if (p->made[k] - p->used[k] > iobuf_keep(k)) {
		p->made[k]--;
		free(b->data);
		free(b);
	} else {
		b->next = p->free[k];
		p->free[k] = b;
	}
}
