/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * TLS 1.3 records with the right keys: any program of tls_craft.h, in any cuts.
 * What comes out is what was sealed before the first fault, and nothing comes
 * behind it. Bytes that are no records at all are read as well.
 *
 *   input: suite and side, size of a receive, size of a read, program...
 */
#include "layer.h"

#include "tls_craft.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define ROOM	(1u << 18)

static uint8_t wire[ROOM], clear[ROOM], got[ROOM], out[ROOM];

/* Reads all of it; returns the clear bytes and how it ended. */
static size_t
read_all(struct layer *l, const uint8_t *p, size_t n, size_t step, size_t room,
    int *ret_end)
{
	size_t done = 0, total = 0;
	int r;

	for (;;) {
		size_t k = n - done < step ? n - done : step;
		struct tls_io io = { .in = p + done, .in_n = k, .out = out,
		    .out_cap = sizeof(out) };
		uint8_t *to = malloc(room);

		if (to == NULL)
			abort();
		r = layer_read(l, &io, to, room);
		assert(io.in_n <= k && io.out_n <= 200);
		done += k - io.in_n;
		if (r > 0) {
			assert((size_t)r <= room && total + (size_t)r <= ROOM);
			memcpy(got + total, to, (size_t)r);
			total += (size_t)r;
		}
		free(to);
		if ((r <= 0 && r != -EAGAIN) || (r == -EAGAIN && done == n))
			break;
		assert(r != -EAGAIN || io.in_n == 0);
	}
	*ret_end = r;
	return total;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct suites *s;
	struct crafted c = { .wire = wire, .clear = clear, .first = -1 };
	uint8_t a[SUITE_HASH_MAX] = { 1 }, b[SUITE_HASH_MAX] = { 2 };
	enum suite kind;
	struct traffic tx;
	struct layer *l;
	size_t n, step, room;
	int end;

	if (size < 3)
		return 0;
	if (s == NULL && (s = suites_new()) == NULL)
		abort();
	kind = (enum suite)(data[0] % SUITES);
	step = data[1] == 255 ? ROOM : (size_t)data[1] * data[1] + 1;
	room = data[2] == 255 ? ROOM : (size_t)data[2] * data[2] + 1;
	l = layer_new(s, kind, data[0] & 128, a, 0, b, 0);
	if (l == NULL || traffic_init(&tx, s, kind, a) < 0)
		abort();
	for (size_t i = 3; i + 1 < size && i < 67; i += 2)
		craft_step(s, &tx, data[i], data[i + 1], &c);
	n = read_all(l, wire, c.n, step, room, &end);
	assert(n <= c.nclear && memcmp(got, clear, n) == 0);
	/* A flood may end it sooner, with what came before it. */
	assert(n == c.nclear || end == -EPROTO);
	if (c.faulty) {
		assert(end != -EAGAIN || c.first == CRAFT_UPDATE_LENGTH);
		n = read_all(l, data, size, step, room, &end);
		assert(n == 0);
	}
	layer_free(l);
	/* No records at all. */
	if ((l = layer_new(s, kind, data[0] & 128, a, 0, b, 0)) == NULL)
		abort();
	n = read_all(l, data + 3, size - 3, step, room, &end);
	assert(n == 0);
	layer_free(l);
	return 0;
}
