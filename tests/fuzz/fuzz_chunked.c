/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The chunked coding: the same data, end and verdict however the bytes are cut,
 * and what is decoded can be encoded and decoded again.
 */
#include "buf.h"
#include "chunked.h"
#include "h1_check.h"

struct outcome {
	struct buf data, trailers;
	size_t used;		/* bytes of the body when it ended */
	int r;			/* 0 more, 2 ended, -1 refused */
};

static struct outcome
feed(const void *p, size_t size, size_t step)
{
	struct outcome o = { .data = BUF_INIT, .trailers = BUF_INIT };
	struct chunked c;

	chunked_init(&c);
	for (size_t at = 0; o.r == 0 && at < size;) {
		size_t n = size - at < step ? size - at : step;
		char *copy = check_copy((const char *)p + at, n);
		struct str in = { copy, n }, span;

		while ((o.r = chunked_decode(&c, &in, &span,
		    &o.trailers)) == 1) {
			CLAIM(span.n > 0 && span.p >= copy &&
			    span.p + span.n <= copy + n);
			buf_puts(&o.data, span);
		}
		CLAIM(o.r != 0 || in.n == 0);
		at += n;
		o.used = at - in.n;
		free(copy);
	}
	CLAIM(chunked_done(&c) == (o.r == 2));
	return o;
}

static void
fini(struct outcome *o)
{
	buf_fini(&o->data);
	buf_fini(&o->trailers);
}

static void
check_trailers(const struct outcome *o)
{
	const struct h1_limits wide = { 65536, 65536, 65536, 32 };
	static struct field store[FIELDS_MAX];
	struct fields fs = { store, 0, FIELDS_MAX };

	CLAIM(o->trailers.n <= CHUNK_TRAILERS_MAX);
	CLAIM(h1_parse_trailers(&fs, o->trailers.p, o->trailers.n,
	    &wide) == 0);
	check_fields(&fs);
}

/* Encodes in chunks of up to 5 bytes. */
static void
check_round_trip(const struct outcome *o)
{
	struct buf b = BUF_INIT;
	struct outcome back;
	char head[20];

	for (size_t at = 0; at < o->data.n; at += 5) {
		size_t n = o->data.n - at < 5 ? o->data.n - at : 5;

		buf_put(&b, head, chunk_head(head, n));
		buf_put(&b, o->data.p + at, n);
		buf_puts(&b, STR("\r\n"));
	}
	buf_put(&b, head, chunk_head(head, 0));
	buf_puts(&b, STR("\r\n"));
	back = feed(b.p, b.n, 3);
	CLAIM(back.r == 2 && back.used == b.n);
	CLAIM(str_eq(buf_str(&back.data), buf_str(&o->data)));
	fini(&back);
	buf_fini(&b);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const size_t steps[] = { 1, 2, 7, 64 };
	struct outcome whole;

	if (size > 16384)
		size = 16384;
	whole = feed(data, size, size + 1);
	for (size_t i = 0; i < ARRAY_SIZE(steps); i++) {
		struct outcome part = feed(data, size, steps[i]);

		CLAIM(part.r == whole.r);
		CLAIM(part.r != 2 || part.used == whole.used);
		CLAIM(str_eq(buf_str(&part.data), buf_str(&whole.data)));
		CLAIM(str_eq(buf_str(&part.trailers),
		    buf_str(&whole.trailers)));
		fini(&part);
	}
	if (whole.r == 2) {
		check_trailers(&whole);
		check_round_trip(&whole);
	}
	fini(&whole);
	return 0;
}
