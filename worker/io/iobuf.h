/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Buffers that bytes of connections live in. They exist only while data does:
 * a connection that waits owns none. Two sizes come from the ring's pools
 * (last in, first out, so the hot ones stay in cache), odd ones from the heap.
 */
#ifndef IOBUF_H
#define IOBUF_H

#include <stddef.h>
#include <stdint.h>

struct ring;

#define IOBUF_SMALL	(16 * 1024)	/* heads and small bodies; also what the kernel picks for a parked receive */
#define IOBUF_LARGE	(256 * 1024)	/* bodies in flow */
/* A large buffer holds so much more: what TLS adds when IOBUF_LARGE is sealed. */
#define IOBUF_EXTRA	4096

struct iobuf {
	uint8_t *data;
	uint32_t cap;
	uint32_t head;		/* first unread byte */
	uint32_t tail;		/* end of the bytes */
	uint16_t kind;		/* private to the pool */
	uint16_t id;		/* private to the pool */
	struct iobuf *next;	/* free list; free for the owner's use otherwise */
};

/*
 * A buffer of at least n bytes: small, large, or from the heap above that.
 * NULL when the pool's bound or memory is reached. The caller owns it.
 */
struct iobuf *iobuf_get(struct ring *r, size_t n);
/* NULL is allowed. */
void	iobuf_put(struct ring *r, struct iobuf *b);

static inline size_t
iobuf_len(const struct iobuf *b)
{
	return b != NULL ? b->tail - b->head : 0;
}

static inline size_t
iobuf_room(const struct iobuf *b)
{
	return b->cap - b->tail;
}

#endif
