/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A growing byte buffer for building text and images. Failure sticks: after an
 * allocation failed or the cap was reached every further put is ignored and
 * buf_failed() says so once at the end, so callers need not check each step.
 */
#ifndef BUF_H
#define BUF_H

#include "str.h"

#include <stdarg.h>

struct buf {
	char *p;
	size_t n;	/* bytes in use */
	size_t cap;	/* bytes allocated */
	size_t max;	/* never grow beyond, 0 = no bound */
	bool failed;
};

#define BUF_INIT	{ NULL, 0, 0, 0, false }

void	buf_fini(struct buf *b);
/* Empties, keeps the memory, clears a failure. */
void	buf_reset(struct buf *b);
void	buf_put(struct buf *b, const void *p, size_t n);
void	buf_puts(struct buf *b, struct str s);
void	buf_putc(struct buf *b, char c);
void	buf_printf(struct buf *b, const char *fmt, ...)
	    __attribute__((format(printf, 2, 3)));
void	buf_vprintf(struct buf *b, const char *fmt, va_list ap)
	    __attribute__((format(printf, 2, 0)));
/* Appends n bytes and returns them uninitialised, NULL after a failure. */
void   *buf_space(struct buf *b, size_t n);
/* Ensures a NUL after the bytes (not counted) and returns them; "" if empty. */
const char *buf_cstr(struct buf *b);
/* As a JSON string with its quotes; invalid UTF-8 becomes U+FFFD. */
void	buf_put_json(struct buf *b, struct str s);

static inline bool
buf_failed(const struct buf *b)
{
	return b->failed;
}

static inline struct str
buf_str(const struct buf *b)
{
	return (struct str){ b->p, b->n };
}

#endif
