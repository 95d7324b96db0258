/* SPDX-License-Identifier: BSD-2-Clause */
/* A map from bytes to a pointer, for the control plane: no allocation fails. */
#ifndef MAP_H
#define MAP_H

#include "str.h"

struct map {
	struct map_entry **v;	/* chains; a power of two */
	unsigned n, cap;
};

/* The value of a key, NULL when there is none. */
void   *map_get(const struct map *m, struct str key);
/* Where the value of a key stands; a new one is NULL. */
void  **map_at(struct map *m, struct str key);
/* Takes a key out and returns its value. */
void   *map_take(struct map *m, struct str key);
/* Calls fn for each value, in no order; fn must not change the map. */
void	map_each(const struct map *m, void (*fn)(void *arg, void *value),
	    void *arg);
/* Frees the map, not what its values point to. */
void	map_fini(struct map *m);

#endif
