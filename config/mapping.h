/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A YAML mapping with its merge keys followed: what stands in it, then what
 * "<<" brings and it does not have. A value is taken whole, from one place.
 */
#ifndef MAPPING_H
#define MAPPING_H

#include "str.h"

#include <yaml.h>

struct mapping_pair {
	const yaml_node_t *k, *v;
	struct str key;
};

struct mapping {
	struct mapping_pair *v;
	unsigned n, cap;
	uint32_t *slots;	/* index+1 by the key's hash */
	unsigned nslots;
};

/* Where to look and how to complain. */
struct mapping_reader {
	yaml_document_t *doc;
	bool fold;		/* keys that differ only in case are one */
	unsigned *budget;	/* nodes still to visit; 0 ends the gathering */
	void (*problem)(void *arg, const yaml_node_t *at, const char *text);
	void *arg;
};

/*
 * The pairs of a mapping node, in the order of the text. Keys that are no
 * scalars or stand twice, and merges of what is no mapping, are problems. The
 * caller ends with mapping_fini().
 */
void	mapping_gather(const struct mapping_reader *r, const yaml_node_t *map,
	    struct mapping *ret);
void	mapping_fini(struct mapping *m);

#endif
