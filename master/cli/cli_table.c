/* SPDX-License-Identifier: BSD-2-Clause */
/* Text in columns; see cli_table.h. */
#include "cli_table.h"

#include "alloc.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define LEAST		8	/* what is left of a cell */
#define GAP		2

struct text_table {
	unsigned columns;
	char **cells;		/* the heads first */
	size_t n;
};

struct text_table *
text_table_new(const char *const *heads)
{
	struct text_table *t = xcalloc(1, sizeof(*t));

	while (heads[t->columns] != NULL)
		t->columns++;
	assert(t->columns != 0 && t->columns <= TABLE_COLUMNS);
	for (unsigned i = 0; i < t->columns; i++)
		text_table_add(t, heads[i]);
	return t;
}

void
text_table_add(struct text_table *t, const char *text)
{
	char *copy = xstrdup(text != NULL ? text : "");

	/* No bytes of a name may steer a terminal or begin a line. */
	for (char *p = copy; *p != '\0'; p++)
		if ((unsigned char)*p < 0x20 || *p == 0x7f)
			*p = '?';
	if ((t->n & (t->n - 1)) == 0)
		t->cells = xreallocarray(t->cells, t->n == 0 ? 1 : t->n * 2,
		    sizeof(*t->cells));
	t->cells[t->n++] = copy;
}

/* Characters, not bytes; each is taken to be one column wide. */
static unsigned
length(const char *s)
{
	unsigned n = 0;

	for (; *s != '\0'; s++)
		n += ((unsigned char)*s & 0xc0) != 0x80;
	return n;
}

/* At most n characters; the last one tells that more follows. */
static void
put_cell(FILE *f, const char *s, unsigned n)
{
	unsigned all = length(s), keep = all <= n ? n : n - 1, i = 0;

	for (; *s != '\0'; s++) {
		if (((unsigned char)*s & 0xc0) != 0x80 && i++ == keep)
			break;
		(void)putc(*s, f);
	}
	if (all > n)
		(void)fputs("…", f);
}

static void
fit(const struct text_table *t, unsigned width, unsigned *widths)
{
	unsigned total = (t->columns - 1) * GAP, widest;

	memset(widths, 0, t->columns * sizeof(*widths));
	for (size_t i = 0; i < t->n; i++) {
		unsigned n = length(t->cells[i]);

		if (n > widths[i % t->columns])
			widths[i % t->columns] = n;
	}
	for (unsigned i = 0; i < t->columns; i++)
		total += widths[i];
	while (width != 0 && total > width) {
		widest = 0;
		for (unsigned i = 1; i < t->columns; i++)
			if (widths[i] > widths[widest])
				widest = i;
		if (widths[widest] <= LEAST)
			return;
		widths[widest]--;
		total--;
	}
}

void
text_table_print(const struct text_table *t, FILE *f, unsigned width)
{
	unsigned widths[TABLE_COLUMNS];

	fit(t, width, widths);
	for (size_t i = 0; i < t->n; i++) {
		unsigned column = (unsigned)(i % t->columns);
		unsigned n = length(t->cells[i]);

		put_cell(f, t->cells[i], widths[column]);
		if (column + 1 == t->columns || i + 1 == t->n)
			(void)putc('\n', f);
		else
			(void)fprintf(f, "%*s", (int)(widths[column] + GAP -
			    (n < widths[column] ? n : widths[column])), "");
	}
}

void
text_table_free(struct text_table *t)
{
	for (size_t i = 0; i < t->n; i++)
		free(t->cells[i]);
	free(t->cells);
	free(t);
}

unsigned
text_table_width(void)
{
	struct winsize w;

	if (!isatty(STDOUT_FILENO) || ioctl(STDOUT_FILENO, TIOCGWINSZ, &w) < 0)
		return 0;
	return w.ws_col != 0 ? w.ws_col : 80;
}
