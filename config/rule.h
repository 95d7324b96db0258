/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Routing rules of Traefik v3:
 *
 *   rule    = and { "||" and }
 *   and     = unary { "&&" unary }
 *   unary   = "!" unary | "(" rule ")" | Matcher "(" literal { "," literal } ")"
 *   literal = `raw` | "escaped"
 *
 * A matcher's name is taken as listed, all lower, all upper, or with only the
 * first letter upper. White space and newlines are free everywhere.
 */
#ifndef RULE_H
#define RULE_H

#include "addr.h"
#include "arena.h"
#include "str.h"

enum rule_kind {
	RULE_AND, RULE_OR, RULE_NOT,
	RULE_HOST, RULE_HOST_REGEXP, RULE_PATH, RULE_PATH_PREFIX,
	RULE_PATH_REGEXP, RULE_METHOD, RULE_HEADER, RULE_HEADER_REGEXP,
	RULE_QUERY, RULE_QUERY_REGEXP, RULE_CLIENT_IP,
	RULE_KINDS
};

struct rule {
	enum rule_kind kind;
	struct rule *a, *b;	/* AND, OR: both; NOT: a */
	/*
	 * Arguments, checked and in the form that the matcher compares: hosts
	 * lower case without trailing dot ("*" any, "*.d" one label), methods
	 * upper case, header names canonical.
	 */
	struct str arg[2];
	unsigned nargs;
	struct cidr cidr;	/* CLIENT_IP */
};

#define RULE_DEPTH_MAX	64
#define RULE_TEXT_MAX	65536

/*
 * Parses and checks, into the arena. NULL with a message that says what is
 * wrong and at which byte (from 1) in why.
 */
struct rule *rule_parse(struct arena *a, struct str text, char *why,
	    size_t why_size);

/*
 * The same rule without RULE_NOT above a leaf: negations pushed down (De
 * Morgan), double ones gone. NULL when the arena is full.
 */
struct rule *rule_push_not(struct arena *a, const struct rule *r);

/*
 * Hosts named by Host matchers that are not negated, in the order of the text;
 * calls fn for each.
 */
void	rule_hosts(const struct rule *r, void (*fn)(void *arg, struct str host),
	    void *arg);

#endif
