/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * table_check() against damaged images: whatever it accepts must be safe to
 * read and to route with. The input is a list of changes to a valid image, each
 * of 8 bytes: section (0-13 as in the header, 14 the header, above: all of the
 * image), record, offset in it (2), value (4, in host order). An input that
 * begins with "raw:" is an image by itself.
 */
#include "table_make.h"

#include <assert.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const uint16_t record_bytes[] = { sizeof(struct tentry_point),
    sizeof(struct tmux), sizeof(struct trouter), sizeof(struct trule),
    sizeof(struct tservice), sizeof(struct tserver), sizeof(struct tmw),
    sizeof(struct ttransport), sizeof(struct ttls_options),
    sizeof(struct tcert), sizeof(struct tcert_name), sizeof(struct tregexp),
    sizeof(struct taccess_log), sizeof(struct tblob),
    sizeof(struct tcheck) };

static void
change(struct buf *image, const struct table_hdr *was, const uint8_t *c)
{
	const struct tvec *sections = &was->entry_points;
	uint16_t in;
	size_t at;

	memcpy(&in, c + 2, sizeof(in));
	if (c[0] < ARRAY_SIZE(record_bytes))
		at = sections[c[0]].off + (size_t)record_bytes[c[0]] * c[1] +
		    in;
	else
		at = c[0] == ARRAY_SIZE(record_bytes) ? in : (size_t)c[1] << 16 | in;
	if (at + 4 <= image->n)
		memcpy(image->p + at, c + 4, 4);
}

/* The exact size in memory of its own lets the sanitizers see overreads. */
static void
judge(const void *p, size_t n)
{
	void *exact = malloc(n != 0 ? n : 1);
	const char *why = NULL;
	struct table t;

	if (exact == NULL)
		return;
	memcpy(exact, p, n);
	if (table_check(exact, n, &t, &why) == 0)
		(void)table_use(&t);
	else
		assert(why != NULL);
	free(exact);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct buf made;
	struct buf image = BUF_INIT;
	struct table_hdr was;

	if (size >= 4 && memcmp(data, "raw:", 4) == 0) {
		judge(data + 4, size - 4);
		return 0;
	}
	if (made.n == 0)
		table_make(&made);
	buf_puts(&image, buf_str(&made));
	memcpy(&was, made.p, sizeof(was));
	for (; size >= 8; data += 8, size -= 8)
		change(&image, &was, data);
	table_resum(&image);
	judge(image.p, image.n);
	buf_fini(&image);
	return 0;
}
