/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Building the index of a mux (see struct tmux): routers are filed under each
 * host their rule demands and, inside a host, under each path prefix.
 */
#include "build.h"

#include "alloc.h"
#include "hash.h"

#include <stdlib.h>

/* One line of the index before sorting. */
struct line {
	struct str host;	/* "" any, "*.d" wild */
	struct str prefix;
	uint32_t router;
};

struct lines { struct line *v; size_t n, cap; };

static void
lines_add(struct lines *l, struct str host, struct str prefix, uint32_t router)
{
	if (l->n == l->cap) {
		l->cap = l->cap == 0 ? 64 : l->cap * 2;
		l->v = xreallocarray(l->v, l->cap, sizeof(*l->v));
	}
	l->v[l->n++] = (struct line){ host, prefix, router };
}

static void
file_router(struct lines *l, const struct mux_entry *e)
{
	static const struct str none = { "", 0 };
	unsigned nh = e->nhosts != 0 ? e->nhosts : 1;
	unsigned np = e->nprefixes != 0 ? e->nprefixes : 1;

	for (unsigned i = 0; i < nh; i++)
		for (unsigned k = 0; k < np; k++)
			lines_add(l, e->nhosts != 0 ? e->hosts[i] : none,
			    e->nprefixes != 0 ? e->prefixes[k] : none,
			    e->router);
}

static int
line_cmp(const void *pa, const void *pb)
{
	const struct line *a = pa, *b = pb;
	int r = str_cmp(a->host, b->host);

	if (r == 0)
		r = str_cmp(a->prefix, b->prefix);
	return r != 0 ? r : a->router < b->router ? -1 : a->router > b->router;
}

/*
 * Prefixes that nest deeper than a search goes are replaced by the deepest one
 * above that it reaches: the routers are found there too, their rules decide.
 * Lines of one host, sorted before and after.
 */
static void
cap_depth(struct line *v, size_t n)
{
	struct str way[TPREFIX_DEPTH - 1];	/* [0] is below the root "" */
	unsigned depth = 0;
	bool moved = false;

	for (size_t i = 0; i < n; i++) {
		struct str text = v[i].prefix;

		while (depth > 0 && !str_has_prefix(text, way[depth - 1]))
			depth--;
		if (text.n == 0 || (depth > 0 && str_eq(text, way[depth - 1])))
			continue;
		if (depth < ARRAY_SIZE(way)) {
			way[depth++] = text;
			continue;
		}
		v[i].prefix = way[depth - 1];
		moved = true;
	}
	if (moved)
		qsort(v, n, sizeof(*v), line_cmp);
}

/* The longest proper prefix among those before i; sorted, so scan upwards. */
static uint32_t
parent_of(const struct tprefix *v, const struct str *texts, uint32_t i)
{
	uint32_t p = i;

	/* The one before is it, or shares the parent chain. */
	for (p = i - 1; p != 0; p = v[p].parent)
		if (str_has_prefix(texts[i], texts[p]))
			return p;
	return 0;
}

/* Room for the lines of one host, the same for all of them. */
struct room {
	struct tprefix *prefixes;
	struct str *texts;
	uint32_t *routers;
};

/* n lines of one host into a thost. */
static struct thost
make_host(struct builder *b, const struct room *room, struct str name,
    struct line *v, size_t n)
{
	struct tprefix *prefixes = room->prefixes;
	struct str *texts = room->texts;
	uint32_t *routers = room->routers;
	uint32_t np = 0;

	cap_depth(v, n);
	texts[0] = (struct str){ "", 0 };
	prefixes[0] = (struct tprefix){ .text = build_str(b, texts[0]),
	    .parent = TNONE, .routers = build_vec(b, NULL, 0, 4) };
	np = 1;
	for (size_t i = 0; i < n;) {
		struct str text = v[i].prefix;
		uint32_t at = text.n == 0 ? 0 : np++, nr = 0;

		for (; i < n && str_eq(v[i].prefix, text); i++)
			if (nr == 0 || routers[nr - 1] != v[i].router)
				routers[nr++] = v[i].router;
		texts[at] = text;
		prefixes[at] = (struct tprefix){ .text = build_str(b, text),
		    .parent = at == 0 ? TNONE : parent_of(prefixes, texts, at),
		    .routers = build_vec(b, routers, nr, sizeof(uint32_t)) };
	}
	return (struct thost){ .name = build_str(b, name),
	    .prefixes = build_vec(b, prefixes, np, sizeof(*prefixes)) };
}

static struct tvec
make_slots(struct builder *b, const struct str *names, uint32_t n)
{
	uint32_t cap = 4, *slots;
	struct tvec v;

	if (n == 0)
		return build_vec(b, NULL, 0, sizeof(uint32_t));
	while (cap < n * 2)
		cap *= 2;
	slots = xcalloc(cap, sizeof(*slots));
	for (uint32_t i = 0; i < n; i++) {
		uint32_t at = (uint32_t)hash_str(names[i], 0) & (cap - 1);

		while (slots[at] != 0)
			at = (at + 1) & (cap - 1);
		slots[at] = i + 1;
	}
	v = build_vec(b, slots, cap, sizeof(*slots));
	free(slots);
	return v;
}

uint32_t
build_mux(struct builder *b, uint32_t entry_point,
    const struct mux_entry *entries, unsigned n)
{
	struct lines l = { NULL, 0, 0 };
	struct thost *exact, *wild, any;
	struct str *exact_names, *wild_names;
	uint32_t nexact = 0, nwild = 0, nany = 0;
	struct tmux mux = { .entry_point = entry_point };
	struct room room;

	for (unsigned i = 0; i < n; i++)
		file_router(&l, &entries[i]);
	if (l.n != 0)
		qsort(l.v, l.n, sizeof(*l.v), line_cmp);
	room.prefixes = xcalloc(l.n + 1, sizeof(*room.prefixes));
	room.texts = xcalloc(l.n + 1, sizeof(*room.texts));
	room.routers = xcalloc(l.n + 1, sizeof(*room.routers));
	exact = xcalloc(l.n + 1, sizeof(*exact));
	wild = xcalloc(l.n + 1, sizeof(*wild));
	exact_names = xcalloc(l.n + 1, sizeof(*exact_names));
	wild_names = xcalloc(l.n + 1, sizeof(*wild_names));
	for (size_t i = 0, end; i < l.n; i = end) {
		struct str host = l.v[i].host;

		for (end = i; end < l.n && str_eq(l.v[end].host, host);)
			end++;
		if (host.n == 0) {
			any = make_host(b, &room, host, l.v + i, end - i);
			nany = 1;
		} else if (str_has_prefix(host, STR("*."))) {
			wild_names[nwild] = str_from(host, 2);
			wild[nwild] = make_host(b, &room, wild_names[nwild],
			    l.v + i, end - i);
			nwild++;
		} else {
			exact_names[nexact] = host;
			exact[nexact++] = make_host(b, &room, host, l.v + i, end - i);
		}
	}
	mux.nhosts = nexact + nwild;
	mux.hosts = build_vec(b, exact, nexact, sizeof(*exact));
	mux.host_slots = make_slots(b, exact_names, nexact);
	mux.wild_hosts = build_vec(b, wild, nwild, sizeof(*wild));
	mux.wild_slots = make_slots(b, wild_names, nwild);
	mux.any = build_vec(b, &any, nany, sizeof(any));
	free(room.prefixes);
	free(room.texts);
	free(room.routers);
	free(exact);
	free(wild);
	free(exact_names);
	free(wild_names);
	free(l.v);
	return build_add(b, BUILD_MUXES, &mux);
}
