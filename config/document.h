/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One YAML document from libyaml's events, with a bound on how deep it nests:
 * the library's own loader has none and takes minutes for some kilobytes of
 * brackets. Anchors are looked up by hash and may be defined anew.
 */
#ifndef DOCUMENT_H
#define DOCUMENT_H

#include "str.h"

#include <yaml.h>

#define DOCUMENT_DEPTH	100

enum document_result {
	DOCUMENT_OK,
	DOCUMENT_END,		/* no more documents; *ret is not set */
	DOCUMENT_NOT_YAML,	/* the parser says why and where */
	DOCUMENT_BAD		/* what and where are set */
};

struct document_problem { const char *what; yaml_mark_t at; };

/*
 * The next document of the parser into *ret, which the caller deletes after
 * DOCUMENT_OK.
 */
enum document_result document_read(yaml_parser_t *p, yaml_document_t *ret,
	    struct document_problem *problem);

#endif
