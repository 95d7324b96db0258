/* SPDX-License-Identifier: BSD-2-Clause */
/* Allocation that cannot fail, for the control plane; see alloc.h. */
#include "alloc.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void *
check(void *p)
{
	static const char msg[] = "akkod: out of memory\n";

	if (p == NULL) {
		/* Not the log: it may allocate. */
		(void)!write(STDERR_FILENO, msg, sizeof(msg) - 1);
		abort();
	}
	return p;
}

void *
xmalloc(size_t n)
{
	return check(malloc(n != 0 ? n : 1));
}

void *
xcalloc(size_t count, size_t n)
{
	return check(calloc(count != 0 ? count : 1, n != 0 ? n : 1));
}

void *
xrealloc(void *p, size_t n)
{
	return check(realloc(p, n != 0 ? n : 1));
}

void *
xreallocarray(void *p, size_t count, size_t n)
{
	if (count == 0 || n == 0)
		count = n = 1;
	return check(reallocarray(p, count, n));
}

char *
xstrdup(const char *s)
{
	return check(strdup(s));
}

char *
xstrndup(const char *s, size_t n)
{
	char *p = xmalloc(n + 1);

	memcpy(p, s, n);
	p[n] = '\0';
	return p;
}

char *
xasprintf(const char *fmt, ...)
{
	char *s = NULL;
	va_list ap;

	va_start(ap, fmt);
	if (vasprintf(&s, fmt, ap) < 0)
		s = NULL;
	va_end(ap);
	return check(s);
}
