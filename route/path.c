/* SPDX-License-Identifier: BSD-2-Clause */
/* The path of a request; see path.h. */
#include "path.h"

#include "table.h"

#include <errno.h>

static int
hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = str_lower(c);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The byte of an escape at p[i], or -1. */
static int
escape_at(struct str s, size_t i)
{
	int hi, lo;

	if (i + 2 >= s.n || s.p[i] != '%')
		return -1;
	hi = hex(s.p[i + 1]);
	lo = hex(s.p[i + 2]);
	return hi < 0 || lo < 0 ? -1 : hi << 4 | lo;
}

static bool
unreserved(int c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	    (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_' ||
	    c == '~';
}

/* RFC 3986 reserved characters, and '%' itself. */
static bool
reserved(int c)
{
	return c > 0 && c < 0x80 && strchr(":/?#[]@!$&'()*+,;=%", c) != NULL;
}

/* Bytes that Go does not keep raw in a path. */
static bool
needs_escape(unsigned char c)
{
	return c <= 0x20 || c >= 0x7f || strchr("\"<>\\^`{|}#?", c) != NULL;
}

static size_t
put_escape(char *out, unsigned char c)
{
	static const char digits[] = "0123456789ABCDEF";

	out[0] = '%';
	out[1] = digits[c >> 4];
	out[2] = digits[c & 15];
	return 3;
}

int
path_canonical(struct arena *a, struct str raw, bool sanitize, bool allow_nul,
    struct str *ret)
{
	char *out = arena_alloc(a, raw.n * 3 + 1);
	struct str path;
	size_t n = 0;

	if (out == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < raw.n; i++) {
		unsigned char c = (unsigned char)raw.p[i];
		int e;

		if (c != '%') {
			if (c == '\0' && !allow_nul)
				return -EBADMSG;
			if (needs_escape(c))
				n += put_escape(out + n, c);
			else
				out[n++] = (char)c;
			continue;
		}
		if ((e = escape_at(raw, i)) < 0 || (e == 0 && !allow_nul))
			return -EBADMSG;
		if (unreserved(e))
			out[n++] = (char)e;
		else
			n += put_escape(out + n, (unsigned char)e);
		i += 2;
	}
	path = str_n(out, n);
	if (sanitize) {
		path = path_clean(a, path);
		if (path.p == NULL)
			return -ENOMEM;
	}
	*ret = path;
	return 0;
}

struct str
path_clean(struct arena *a, struct str path)
{
	char *out = arena_alloc(a, path.n + 2);
	struct str rest = path, seg;
	size_t n = 0;
	bool slash = false;

	if (out == NULL)
		return STR_NONE;
	while (rest.n > 0) {
		ptrdiff_t end;

		if (rest.p[0] == '/')
			rest = str_from(rest, 1);
		end = str_chr(rest, '/');
		seg = end < 0 ? rest : str_head(rest, (size_t)end);
		rest = str_from(rest, seg.n);
		slash = seg.n == 0 || str_eq(seg, STR(".")) ||
		    str_eq(seg, STR(".."));
		if (str_eq(seg, STR("..")))
			while (n > 0 && out[--n] != '/')
				continue;
		if (slash)
			continue;
		out[n++] = '/';
		memcpy(out + n, seg.p, seg.n);
		n += seg.n;
	}
	/* A slash at the end says "directory"; dots do not make one. */
	if (n == 0 || (slash && path.p[path.n - 1] == '/'))
		out[n++] = '/';
	return str_n(out, n);
}

static struct str
decode(struct arena *a, struct str path, bool keep_reserved)
{
	char *out;
	size_t n = 0;

	if (str_chr(path, '%') < 0)
		return path.n != 0 ? path : (struct str){ "", 0 };
	if ((out = arena_alloc(a, path.n + 1)) == NULL)
		return STR_NONE;
	for (size_t i = 0; i < path.n; i++) {
		int e = escape_at(path, i);

		if (e < 0 && path.p[i] == '%')
			return STR_NONE;
		if (e < 0 || (keep_reserved && reserved(e))) {
			out[n++] = path.p[i];
			continue;
		}
		out[n++] = (char)e;
		i += 2;
	}
	return str_n(out, n);
}

struct str
path_routing(struct arena *a, struct str canonical)
{
	return decode(a, canonical, true);
}

struct str
path_decode(struct arena *a, struct str path)
{
	return decode(a, path, false);
}

struct str
path_encode(struct arena *a, struct str path)
{
	char *out = arena_alloc(a, path.n * 3 + 1);
	size_t n = 0;

	if (out == NULL)
		return STR_NONE;
	for (size_t i = 0; i < path.n; i++) {
		unsigned char c = (unsigned char)path.p[i];

		if (needs_escape(c))
			n += put_escape(out + n, c);
		else
			out[n++] = (char)c;
	}
	return str_n(out, n);
}

bool
path_denied(struct str path, unsigned denied)
{
	static const struct { int byte; unsigned bit; } map[] = {
		{ '/', TENC_SLASH }, { '\\', TENC_BACKSLASH }, { 0, TENC_NUL },
		{ ';', TENC_SEMICOLON }, { '%', TENC_PERCENT },
		{ '?', TENC_QUESTION }, { '#', TENC_HASH },
	};

	if (denied == 0)
		return false;
	for (size_t i = 0; i < path.n; i++) {
		int e = escape_at(path, i);

		if (e < 0 && path.p[i] == '\\')
			e = '\\';	/* raw counts as escaped (errata A20) */
		for (size_t k = 0; e >= 0 && k < ARRAY_SIZE(map); k++)
			if (map[k].byte == e && denied & map[k].bit)
				return true;
	}
	return false;
}

struct str
path_query_semicolons(struct arena *a, struct str q, bool encode)
{
	char *out = arena_alloc(a, q.n * 3 + 1);
	size_t n = 0;

	if (out == NULL)
		return STR_NONE;
	for (size_t i = 0; i < q.n; i++) {
		if (q.p[i] != ';')
			out[n++] = q.p[i];
		else if (encode)
			n += put_escape(out + n, ';');
		else
			out[n++] = '&';
	}
	return str_n(out, n);
}

/* ---- Ambiguity (S-603) --------------------------------------------------- */

/* Whether the segment that begins at i is "." or "..". */
static bool
dots_at(struct str s, size_t i)
{
	size_t n = i;

	while (n < s.n && s.p[n] == '.')
		n++;
	return n > i && n - i <= 2 && (n == s.n || s.p[n] == '/');
}

bool
path_ambiguous(struct str raw)
{
	for (size_t i = 0; i < raw.n; i++) {
		int e = escape_at(raw, i);

		if (raw.p[i] == ';' || e == '/' || e == '\\' || e == ';' ||
		    e == '%')
			return true;
		/* Without sanitizing these are still there (S-602). */
		if (raw.p[i] == '/' && i + 1 < raw.n &&
		    (raw.p[i + 1] == '/' || dots_at(raw, i + 1)))
			return true;
	}
	return false;
}

enum { SLASHES = 1, SEMICOLONS = 2, TWICE = 4 };

/* One reading: what a server behind us might make of the path. */
static struct str
read_as(struct arena *a, struct str path, unsigned how)
{
	char *out = arena_alloc(a, path.n + 1);
	bool cut = false;
	size_t n = 0;

	if (out == NULL)
		return STR_NONE;
	for (size_t i = 0; i < path.n; i++) {
		char c = path.p[i];
		int e = escape_at(path, i);

		if (how & TWICE && e == '%' && i + 4 < path.n &&
		    hex(path.p[i + 3]) >= 0 && hex(path.p[i + 4]) >= 0) {
			e = hex(path.p[i + 3]) << 4 | hex(path.p[i + 4]);
			c = (char)e;
			i += 4;
			if (c == '\\' && how & SLASHES)
				c = '/';
		} else if (how & SLASHES && (e == '/' || e == '\\')) {
			c = '/';
			i += 2;
		} else if (how & SEMICOLONS && e == ';') {
			c = ';';
			i += 2;
		}
		if (c == '/')
			cut = false;
		else if (c == ';' && how & SEMICOLONS)
			cut = true;
		if (!cut)
			out[n++] = c;
	}
	return path_clean(a, str_n(out, n));
}

int
path_readings(struct arena *a, struct str canonical,
    struct str ret[PATH_READINGS])
{
	static const unsigned how[PATH_READINGS] = { SLASHES, SEMICOLONS, TWICE,
	    SLASHES | SEMICOLONS | TWICE };

	for (unsigned i = 0; i < PATH_READINGS; i++) {
		ret[i] = read_as(a, canonical, how[i]);
		if (ret[i].p == NULL)
			return -ENOMEM;
	}
	return PATH_READINGS;
}
