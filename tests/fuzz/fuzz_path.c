/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Canonical paths and query strings: the canonical form is a fixed point, keeps
 * nothing that could be read in two ways, and can be decoded.
 */
#include "path.h"
#include "query.h"
#include "table.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool
upper_hex(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'F');
}

/* No raw byte that must be escaped, no escape that need not be. */
static void
assert_escapes(struct str s)
{
	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];
		unsigned v;

		assert(c > 0x20 && c < 0x7f && c != '?' && c != '#' &&
		    c != '\\' && c != '"');
		if (c != '%')
			continue;
		assert(i + 2 < s.n && upper_hex(s.p[i + 1]) &&
		    upper_hex(s.p[i + 2]));
		v = (unsigned)strtoul((char[]){ s.p[i + 1], s.p[i + 2], 0 },
		    NULL, 16);
		assert(!(v >= 'a' && v <= 'z') && !(v >= '0' && v <= '9') &&
		    v != '.' && v != '-' && v != '_' && v != '~');
		i += 2;
	}
}

static void
assert_clean(struct str s)
{
	struct str rest = s, seg;

	assert(s.n > 0 && s.p[0] == '/');
	rest = str_from(rest, 1);
	while (rest.n > 0) {
		ptrdiff_t end = str_chr(rest, '/');

		seg = end < 0 ? rest : str_head(rest, (size_t)end);
		assert(seg.n != 0 && !str_eq(seg, STR(".")) &&
		    !str_eq(seg, STR("..")));
		rest = end < 0 ? STR_NONE : str_from(rest, (size_t)end + 1);
	}
}

static void
try_path(struct arena *a, struct str raw, bool sanitize, bool nul)
{
	struct str once, twice, ways[PATH_READINGS], decoded;
	int r = path_canonical(a, raw, sanitize, nul, &once);

	assert(r == 0 || r == -EBADMSG);
	if (r < 0)
		return;
	assert_escapes(once);
	if (sanitize)
		assert_clean(once);
	assert(path_canonical(a, once, sanitize, nul, &twice) == 0);
	assert(str_eq(once, twice));
	decoded = path_decode(a, once);
	assert(decoded.p != NULL && decoded.n <= once.n);
	assert(path_routing(a, once).p != NULL);
	assert(path_readings(a, once, ways) == PATH_READINGS);
	for (unsigned i = 0; i < PATH_READINGS; i++)
		assert_clean(ways[i]);
	/* Nothing odd in it: no two readings. */
	if (once.n > 0 && once.p[0] == '/' && !path_ambiguous(once))
		for (unsigned i = 0; i < PATH_READINGS; i++)
			assert(str_eq(ways[i], once));
	if (path_denied(once, TENC_SLASH))
		assert(path_ambiguous(once));
}

static void
try_query(struct arena *a, struct str q)
{
	char key[64], value[64];
	struct str rest = q, k, v, s;
	size_t n = 0;

	while (query_next(&rest, key, value, sizeof(key), &k, &v)) {
		assert(k.n <= sizeof(key) && v.n <= sizeof(value));
		n++;
	}
	assert(rest.n == 0 && n <= q.n);
	s = path_query_semicolons(a, q, true);
	assert(s.p != NULL && str_chr(s, ';') < 0);
	s = path_query_semicolons(a, q, false);
	assert(s.n == q.n && str_chr(s, ';') < 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str raw = str_n(data, size);
	struct arena a;

	arena_init(&a, 64 << 20);
	if (size == 0)
		raw = STR("");
	for (int i = 0; i < 4; i++)
		try_path(&a, raw, i & 1, i & 2);
	assert(path_encode(&a, raw).p != NULL);
	try_query(&a, raw);
	arena_fini(&a);
	return 0;
}
