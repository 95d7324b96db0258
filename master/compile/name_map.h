/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A map from text to a number: names to indexes while a world is compiled, and
 * the registry of live-state slots that outlives generations.
 */
#ifndef NAME_MAP_H
#define NAME_MAP_H

#include "str.h"

#define NAMES_NONE	UINT32_MAX

struct names {
	struct name_slot *v;	/* power of two */
	uint32_t n, cap;
	bool borrows;		/* names are not copied: they live longer */
};

void	names_fini(struct names *m);
/* The number of a name, NAMES_NONE when there is none. */
uint32_t names_get(const struct names *m, struct str name);
/* There will be so many more: room for them at once. */
void	names_expect(struct names *m, uint32_t more);
/*
 * Adds a name, copied unless the map borrows; when it is there already nothing changes. Returns
 * the number that the name has now.
 */
uint32_t names_add(struct names *m, struct str name, uint32_t value);

/*
 * Numbers below a bound that names keep for as long as they are asked for: a
 * live-state slot stays with its server over reloads.
 */
struct registry {
	struct names names;
	struct registry_use *use;	/* by number */
	uint32_t n, cap, max;
	uint32_t *free;			/* numbers to use again */
	uint32_t nfree;
	uint64_t round;
};

void	registry_init(struct registry *r, uint32_t max);
void	registry_fini(struct registry *r);
/* Before a compilation asks. */
void	registry_begin(struct registry *r);
/* The number of this name; NAMES_NONE when all are taken. */
uint32_t registry_get(struct registry *r, struct str name, bool *ret_new);
/* The name that has a number; false when none has. */
bool	registry_name(const struct registry *r, uint32_t i, struct str *ret);
/* Gives a name the number that it had elsewhere, if both are free here. */
void	registry_set(struct registry *r, struct str name, uint32_t i);
/* Frees what was not asked for in the last two rounds. */
void	registry_sweep(struct registry *r);

#endif
