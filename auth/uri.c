/* SPDX-License-Identifier: BSD-2-Clause */
/* URI references; see uri.h. */
#include "uri.h"

#include <errno.h>

static bool
is_hex(char c)
{
	c = str_lower(c);
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
}

static bool
bytes_ok(struct str s)
{
	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];

		if (c <= 0x20 || c == 0x7f)
			return false;
		if (c == '%' && (i + 2 >= s.n || !is_hex(s.p[i + 1]) ||
		    !is_hex(s.p[i + 2])))
			return false;
	}
	return true;
}

/* Length of "scheme" before a ':', 0 when there is none, -1 when malformed. */
static ptrdiff_t
scheme_len(struct str s)
{
	for (size_t i = 0; i < s.n; i++) {
		char c = str_lower(s.p[i]);

		if (c == ':')
			return i == 0 ? -1 : (ptrdiff_t)i;
		if (c == '/' || c == '?' || c == '#')
			return 0;
		if (!((c >= 'a' && c <= 'z') || (i > 0 &&
		    ((c >= '0' && c <= '9') || c == '+' || c == '-' ||
		    c == '.'))))
			return memchr(s.p + i, ':', s.n - i) != NULL &&
			    memchr(s.p, '/', i) == NULL ? -1 : 0;
	}
	return 0;
}

static bool
authority_ok(struct str a)
{
	ptrdiff_t at = str_rchr(a, '@'), colon;
	struct str host = at >= 0 ? str_from(a, (size_t)at + 1) : a;

	colon = str_rchr(host, ':');
	if (colon >= 0 && str_chr(str_from(host, (size_t)colon), ']') < 0) {
		struct str port = str_from(host, (size_t)colon + 1);

		for (size_t i = 0; i < port.n; i++)
			if (port.p[i] < '0' || port.p[i] > '9')
				return false;
	}
	for (size_t i = 0; i < host.n; i++)
		if (strchr("<>\"\\^`{|}", host.p[i]) != NULL)
			return false;
	return true;
}

int
uri_split(struct str s, struct uri *ret)
{
	ptrdiff_t at;

	*ret = (struct uri){ .has_scheme = false };
	if (!bytes_ok(s) || (at = scheme_len(s)) < 0)
		return -EINVAL;
	if (at > 0) {
		ret->has_scheme = true;
		ret->scheme = str_head(s, (size_t)at);
		s = str_from(s, (size_t)at + 1);
	}
	if ((at = str_chr(s, '#')) >= 0) {
		ret->has_fragment = true;
		ret->fragment = str_from(s, (size_t)at + 1);
		s = str_head(s, (size_t)at);
	}
	if ((at = str_chr(s, '?')) >= 0) {
		ret->has_query = true;
		ret->query = str_from(s, (size_t)at + 1);
		s = str_head(s, (size_t)at);
	}
	if (str_has_prefix(s, STR("//"))) {
		ret->has_authority = true;
		s = str_from(s, 2);
		at = str_chr(s, '/');
		ret->authority = at < 0 ? s : str_head(s, (size_t)at);
		if (!authority_ok(ret->authority))
			return -EINVAL;
		s = at < 0 ? STR_NONE : str_from(s, (size_t)at);
	}
	ret->path = s;
	return 0;
}

struct str
uri_remove_dots(struct str path, char *out)
{
	size_t n = 0;
	struct str rest = path;

	while (rest.n > 0) {
		ptrdiff_t slash = str_chr(str_from(rest, 1), '/');
		struct str seg = slash < 0 ? rest : str_head(rest,
		    (size_t)slash + 1);
		bool last = slash < 0, up = str_eq(seg, STR("/..")) ||
		    str_eq(seg, STR(".."));

		rest = str_from(rest, seg.n);
		if (up)
			while (n > 0 && out[--n] != '/')
				continue;
		if (up || str_eq(seg, STR("/.")) || str_eq(seg, STR("."))) {
			if (last)
				out[n++] = '/';
			continue;
		}
		memcpy(out + n, seg.p, seg.n);
		n += seg.n;
	}
	return str_n(out, n);
}

static struct str
compose(struct arena *a, const struct uri *u)
{
	/* Without an authority "//" must not become one. */
	bool slashes = !u->has_authority && str_has_prefix(u->path, STR("//"));

	return arena_printf(a, "%.*s%s%s%.*s%s%.*s%s%.*s%s%.*s",
	    STR_ARG(u->scheme), u->has_scheme ? ":" : "",
	    u->has_authority ? "//" : "", STR_ARG(u->authority),
	    slashes ? "/." : "", STR_ARG(u->path), u->has_query ? "?" : "", STR_ARG(u->query),
	    u->has_fragment ? "#" : "", STR_ARG(u->fragment));
}

/* RFC 3986 5.2.3: the reference's path under the base's directory. */
static struct str
merge(struct arena *a, const struct uri *base, struct str path)
{
	ptrdiff_t slash = str_rchr(base->path, '/');

	if (base->has_authority && base->path.n == 0)
		return arena_printf(a, "/%.*s", STR_ARG(path));
	return arena_printf(a, "%.*s%.*s", STR_ARG(str_head(base->path,
	    (size_t)(slash + 1))), STR_ARG(path));
}

struct str
uri_resolve(struct arena *a, struct str base_text, struct str ref)
{
	struct uri base, r, t;
	char *out;

	if (uri_split(base_text, &base) < 0 || uri_split(ref, &r) < 0)
		return STR_NONE;
	t = r;
	if (!r.has_scheme) {
		t.has_scheme = base.has_scheme;
		t.scheme = base.scheme;
		if (!r.has_authority) {
			t.has_authority = base.has_authority;
			t.authority = base.authority;
			if (r.path.n == 0) {
				t.path = base.path;
				if (!r.has_query) {
					t.has_query = base.has_query;
					t.query = base.query;
				}
			} else if (r.path.p[0] != '/')
				t.path = merge(a, &base, r.path);
		}
	}
	if ((out = arena_alloc(a, t.path.n + 2)) == NULL)
		return STR_NONE;
	t.path = uri_remove_dots(t.path, out);
	return compose(a, &t);
}
