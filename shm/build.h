/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Writing a table image: records are appended per section, strings are kept
 * once, and build_finish() lays all out. References are final offsets or
 * indexes from the start, so nothing is patched: vectors and strings go to one
 * growing heap behind the header, sections are appended at the end.
 */
#ifndef BUILD_H
#define BUILD_H

#include "buf.h"
#include "table.h"

enum build_section {
	BUILD_ENTRY_POINTS, BUILD_MUXES, BUILD_ROUTERS, BUILD_RULES,
	BUILD_SERVICES, BUILD_SERVERS, BUILD_MIDDLEWARES, BUILD_TRANSPORTS,
	BUILD_TLS_OPTIONS, BUILD_CERTS, BUILD_CERT_NAMES, BUILD_REGEXPS,
	BUILD_ACCESS_LOG, BUILD_BLOBS, BUILD_CHECKS, BUILD_SECTIONS
};

struct builder;

/* Ends the process when memory is short, as all of the control plane does. */
struct builder *build_new(void);
/* So many strings and bytes are to come, more or less: room for them. */
void	build_expect(struct builder *b, uint32_t strings, size_t bytes);
void	build_free(struct builder *b);

struct tstr build_str(struct builder *b, struct str s);
struct tstr build_cstr(struct builder *b, const char *s);
/* The bytes of a string that was built; valid until the next string or vector. */
struct str build_text(const struct builder *b, struct tstr s);
/* Copies n records of `size` bytes; alignment 8. */
struct tvec build_vec(struct builder *b, const void *records, size_t n,
	    size_t size);
/* One record outside of the sections (a middleware's configuration). */
uint32_t build_rec(struct builder *b, const void *record, size_t size);
/* Appends to a section; returns the index. */
uint32_t build_add(struct builder *b, enum build_section section,
	    const void *record);
/* A record that was added, to fill in later; valid until the next add. */
void   *build_at(struct builder *b, enum build_section section, uint32_t i);
uint32_t build_count(const struct builder *b, enum build_section section);
/* The index of a regular expression, each text once. */
uint32_t build_regexp(struct builder *b, struct str text);

/* One router for the index of a mux. */
struct mux_entry {
	uint32_t router;		/* ascending over the entries */
	const struct str *hosts;	/* exact names, or "*.d"; none: any host */
	unsigned nhosts;
	const struct str *prefixes;	/* of the path; none: any path */
	unsigned nprefixes;
};
/* Adds a mux made of the entries to BUILD_MUXES; returns its index. */
uint32_t build_mux(struct builder *b, uint32_t entry_point,
	    const struct mux_entry *entries, unsigned n);

/* The whole image into out; default_cert is an index or TNONE. */
void	build_finish(struct builder *b, uint64_t generation,
	    uint32_t default_cert, struct buf *out);

#endif
