/* SPDX-License-Identifier: BSD-2-Clause */
/* Where the next bytes of a vector stand while it is made into records. */
#ifndef CURSOR_H
#define CURSOR_H

#include <stddef.h>
#include <sys/uio.h>

struct cursor {
	const struct iovec *iov;
	unsigned n;
	size_t off;		/* in iov[0] */
};

static inline void
cursor_skip_empty(struct cursor *cur)
{
	while (cur->n > 0 && cur->off == cur->iov->iov_len) {
		cur->iov++;
		cur->n--;
		cur->off = 0;
	}
}

static inline void
cursor_advance(struct cursor *cur, size_t k)
{
	while (k > 0) {
		size_t left = cur->iov->iov_len - cur->off;
		size_t step = k < left ? k : left;

		cur->off += step;
		k -= step;
		cursor_skip_empty(cur);
	}
}

/* The next bytes, at most `max` in at most m parts; returns their number. */
static inline size_t
cursor_parts(const struct cursor *cur, size_t max, struct iovec *ret, unsigned m)
{
	size_t got = 0;

	for (unsigned i = 0; i < m; i++) {
		size_t off = i == 0 ? cur->off : 0, k = 0;

		if (i < cur->n && got < max) {
			k = cur->iov[i].iov_len - off;
			if (k > max - got)
				k = max - got;
			ret[i].iov_base = (char *)cur->iov[i].iov_base + off;
		}
		ret[i].iov_len = k;
		got += k;
	}
	return got;
}

#endif
