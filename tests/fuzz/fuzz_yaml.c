/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Configuration text: any bytes are read or refused with diagnostics that name
 * a place. The first byte 'd' reads the rest as a file of the file provider.
 */
#include "load.h"
#include "reader.h"
#include "validate.h"

#include <assert.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
assert_diags(const struct diags *d)
{
	struct buf text = BUF_INIT;

	for (unsigned i = 0; i < d->n; i++) {
		assert(d->v[i].text != NULL && d->v[i].text[0] != '\0');
		buf_reset(&text);
		diag_format(&d->v[i], &text);
		assert(text.n != 0 && !buf_failed(&text));
	}
	assert(d->n == d->count[0] + d->count[1] + d->count[2]);
	buf_fini(&text);
}

static void
read_main(struct str text, struct diags *d)
{
	struct config *c = NULL;
	int r = config_load_text("f.yml", text, &c, d);

	assert((r == 0) == (d->count[DIAG_FILE] == 0));
	assert((r == 0) == (c != NULL));
	config_free(c);
}

static void
read_provided(struct str text, struct diags *d)
{
	struct dynamic dyn;
	struct arena a;
	int r;

	arena_init(&a, 1u << 30);
	r = reader_read(&schema_dynamic_file, &a, "d.yml", text, &dyn, d);
	assert((r == 0) == (d->count[DIAG_FILE] == 0));
	if (r == 0)
		check_dynamic(&dyn, &a, d);
	arena_fini(&a);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct diags d = { 0 };
	struct str text = str_n(data, size);

	if (size > 0 && data[0] == 'd')
		read_provided(str_from(text, 1), &d);
	else
		read_main(text, &d);
	assert_diags(&d);
	diags_fini(&d);
	return 0;
}
