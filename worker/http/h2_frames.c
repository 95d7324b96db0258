/* SPDX-License-Identifier: BSD-2-Clause */
/* Frame heads of HTTP/2; see h2_frames.h. */
#include "h2_frames.h"

static uint32_t
big_endian(const uint8_t *p, unsigned n)
{
	uint32_t v = 0;

	while (n-- > 0)
		v = v << 8 | *p++;
	return v;
}

int
h2_frames_next(struct h2_frames *w, const uint8_t **p, size_t *n,
    struct h2_frame *ret)
{
	while (*n > 0) {
		if (w->left > 0) {
			size_t take = w->left < *n ? w->left : *n;

			w->left -= (uint32_t)take;
			*p += take;
			*n -= take;
			continue;
		}
		w->head[w->have++] = *(*p)++;
		--*n;
		if (w->have < sizeof(w->head))
			continue;
		w->have = 0;
		w->left = big_endian(w->head, 3);
		*ret = (struct h2_frame){ .length = w->left,
		    .type = w->head[3], .flags = w->head[4],
		    .stream = (int32_t)(big_endian(w->head + 5, 4) &
		    0x7fffffff) };
		return 1;
	}
	return 0;
}
