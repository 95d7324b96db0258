/* SPDX-License-Identifier: BSD-2-Clause */
/* Diagnostics; see diag.h. */
#include "diag.h"

#include "alloc.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#define TEXT_MOST	1024

void
diags_fini(struct diags *d)
{
	for (unsigned i = 0; i < d->n; i++) {
		free(d->v[i].object);
		free(d->v[i].text);
		/* A copy: the arena that named it may be gone before. */
		free((char *)(uintptr_t)d->v[i].place.file);
	}
	free(d->v);
	*d = (struct diags){ 0 };
}

/* A copy in which nothing can end a line or command a terminal. */
static char *
one_line(struct str s)
{
	struct buf out = BUF_INIT;
	char *copy;

	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];

		if (c < 0x20 || c == 0x7f)
			buf_printf(&out, "\\x%02x", c);
		else
			buf_putc(&out, (char)c);
	}
	copy = xstrdup(buf_cstr(&out));
	buf_fini(&out);
	return copy;
}

static void __attribute__((format(printf, 5, 0)))
diag_vadd(struct diags *d, enum diag_class class, struct place place,
    const char *object, const char *fmt, va_list ap)
{
	struct buf text = BUF_INIT;

	if (d->n == d->cap) {
		d->cap = d->cap == 0 ? 16 : d->cap * 2;
		d->v = xreallocarray(d->v, d->cap, sizeof(*d->v));
	}
	if (place.file != NULL)
		place.file = xstrdup(place.file);
	buf_vprintf(&text, fmt, ap);
	/* What somebody wrote may be of any length; nobody reads it all. */
	if (text.n > TEXT_MOST) {
		text.n = TEXT_MOST;
		buf_puts(&text, STR("..."));
	}
	d->v[d->n++] = (struct diag){ class, place,
	    object != NULL ? one_line(str_c(object)) : NULL,
	    one_line(buf_str(&text)) };
	d->count[class]++;
	buf_fini(&text);
}

void
diag_add(struct diags *d, enum diag_class class, struct place place,
    const char *object, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	diag_vadd(d, class, place, object, fmt, ap);
	va_end(ap);
}

void
diag_object(struct diags *d, struct object *o, const char *kind,
    enum verdict verdict, const char *fmt, ...)
{
	char *name = xasprintf("%s %s", kind, o->name);
	va_list ap;

	va_start(ap, fmt);
	diag_vadd(d, DIAG_OBJECT, o->place, name, fmt, ap);
	va_end(ap);
	free(name);
	if (verdict > o->verdict)
		o->verdict = verdict;
	if (o->why == NULL)	/* the diagnostics outlive the table's build */
		o->why = d->v[d->n - 1].text;
}

void
diag_format(const struct diag *d, struct buf *out)
{
	if (d->place.file != NULL) {
		buf_printf(out, "%s:", d->place.file);
		if (d->place.line != 0)
			buf_printf(out, "%u:%u:", d->place.line,
			    d->place.column);
		buf_putc(out, ' ');
	}
	buf_printf(out, "%s: ", d->class == DIAG_WARNING ? "warning" : "error");
	if (d->object != NULL)
		buf_printf(out, "%s: ", d->object);
	buf_puts(out, str_c(d->text));
}

/* Edit distance with swaps of neighbours, case ignored; bounded words. */
static unsigned
distance(struct str a, struct str b)
{
	unsigned row[3][66];

	if (a.n > 64 || b.n > 64)
		return UINT_MAX;
	for (unsigned k = 0; k <= b.n; k++)
		row[1][k] = k;
	for (unsigned i = 1; i <= a.n; i++) {
		unsigned *now = row[(i + 1) % 3], *last = row[i % 3];
		const unsigned *before = row[(i + 2) % 3];

		now[0] = i;
		for (unsigned k = 1; k <= b.n; k++) {
			char x = str_lower(a.p[i - 1]);
			char y = str_lower(b.p[k - 1]);
			unsigned best = last[k - 1] + (x != y);

			if (last[k] + 1 < best)
				best = last[k] + 1;
			if (now[k - 1] + 1 < best)
				best = now[k - 1] + 1;
			if (i > 1 && k > 1 && x == str_lower(b.p[k - 2]) &&
			    str_lower(a.p[i - 2]) == y &&
			    before[k - 2] + 1 < best)
				best = before[k - 2] + 1;
			now[k] = best;
		}
	}
	return row[(a.n + 1) % 3][b.n];
}

const char *
diag_nearest(struct str word, const char *const *words)
{
	unsigned best = (unsigned)word.n / 3 + 1;
	const char *found = NULL;

	for (; *words != NULL; words++) {
		unsigned n = distance(word, str_c(*words));

		if (n <= best && (found == NULL || n < best)) {
			best = n;
			found = *words;
		}
	}
	return found;
}
