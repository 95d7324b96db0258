/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The controller's stream as the master reads it, from a controller that runs
 * wild. The first byte says in which pieces the bytes come. Whatever is taken
 * makes a world that compiles.
 */
#include "compile.h"
#include "load.h"
#include "parts.h"

#include <assert.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
compile(struct parts *p)
{
	static const struct compile_env none;
	struct world_part w[CHANGE_PARTS];
	unsigned n = parts_world(p, w);
	struct config *config = NULL;
	struct diags d = { 0 };
	struct compiled c;
	struct world *world;

	if (config_load_text("f", STR("entryPoints: {web: {address: ':80'}}"),
	    &config, &d) < 0)
		abort();
	world = world_make(config, w, n, &d);
	compile_world(world, 1, &none, &d, &c);
	compiled_fini(&c);
	world_free(world);
	config_free(config);
	diags_fini(&d);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct parts *p = parts_new();
	size_t step = size > 0 ? data[0] + 1u : 1;
	const char *why = NULL;
	bool changed = false;
	int r = 0;

	for (size_t at = 1; at < size && r == 0; at += step)
		r = parts_feed(p, str_n(data + at, size - at < step ?
		    size - at : step), &changed, &why);
	assert(r == 0 || why != NULL);
	if (changed)
		compile(p);
	parts_restart(p);
	parts_free(p);
	return 0;
}
