/* SPDX-License-Identifier: BSD-2-Clause */
/* Rules to jump programs and to keys of the index; see compile_rule.c. */
#ifndef COMPILE_RULE_H
#define COMPILE_RULE_H

#include "compile_impl.h"
#include "rule.h"

struct str_set { struct str *v; unsigned n, cap; };

/* Appends the program to the rules of the table. */
void	compile_rule(struct compiler *c, const struct rule *r,
	    uint32_t *ret_first, uint32_t *ret_n);
/*
 * Hosts and path prefixes of which a matching request has one each; an empty
 * set means any. The sets are emptied first; their memory is the caller's.
 */
void	compile_rule_index(const struct rule *r, struct str_set *hosts,
	    struct str_set *prefixes);
/* Hosts that the rule names without negation, but "*". */
void	compile_rule_hosts(const struct rule *r, struct str_set *ret);

#endif
