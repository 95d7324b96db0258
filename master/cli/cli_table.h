/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Text in columns that fits a terminal: what is too long is cut in the widest
 * column. Without a terminal nothing is cut, for grep and awk.
 */
#ifndef CLI_TABLE_H
#define CLI_TABLE_H

#include <stdio.h>

#define TABLE_COLUMNS	10

struct text_table;

/* Heads end with NULL, at most TABLE_COLUMNS; they are borrowed. */
struct text_table *text_table_new(const char *const *heads);
/* The next cell, row after row; the text is copied. */
void	text_table_add(struct text_table *t, const char *text);
/* At most `width` columns wide, 0: as wide as it is. */
void	text_table_print(const struct text_table *t, FILE *f, unsigned width);
void	text_table_free(struct text_table *t);
/* The width of what standard output is; 0 when it is no terminal. */
unsigned text_table_width(void);

#endif
