/* SPDX-License-Identifier: BSD-2-Clause */
/* TLS options per host; see compile_hosts.h. */
#include "compile_hosts.h"

#include "alloc.h"

#include <stdlib.h>

/* Claims that share a host, directly or through others: union and find. */
struct groups { uint32_t *parent; };

static uint32_t
find(struct groups *g, uint32_t i)
{
	while (g->parent[i] != i) {
		g->parent[i] = g->parent[g->parent[i]];
		i = g->parent[i];
	}
	return i;
}

/* What a group agrees on, kept at its root. */
struct verdict_of { bool set, broken, conflict; uint32_t options; };

static void
join(struct compiler *c, struct verdict_of *root, const struct host_claim *claim)
{
	int d;

	if (!root->set) {
		*root = (struct verdict_of){ true, claim->broken, false,
		    claim->options };
		return;
	}
	if (root->options == claim->options && root->broken == claim->broken)
		return;
	root->conflict = true;
	root->broken = root->broken || claim->broken;
	if (root->options == claim->options)
		return;
	d = compile_stricter(c, root->options, claim->options);
	if (d == 0)
		root->broken = true;
	else if (d < 0)
		root->options = claim->options;
}

static const char *
options_name(struct compiler *c, uint32_t i)
{
	return i < c->w->ntls_options ? c->w->tls_options[i].o.name : "";
}

/* Every claim gets what its group agreed on, and is told when that differs. */
static void
settle(struct compiler *c, struct host_claim *claim,
    const struct verdict_of *root)
{
	const struct object *o = &claim->router->r.o;

	if (root->broken && !claim->broken) {
		claim->why = world_printf(c->w, "its hosts have routers whose "
		    "TLS options contradict each other or cannot be used");
		diag_add(c->diags, DIAG_OBJECT, o->place,
		    world_printf(c->w, "router %s", o->name), "%s",
		    claim->why);
	} else if (claim->options != root->options && !claim->broken) {
		diag_add(c->diags, DIAG_WARNING, o->place,
		    world_printf(c->w, "router %s", o->name),
		    "another router of the same host has other TLS options; "
		    "the strictest, \"%s\", are used",
		    options_name(c, root->options));
	}
	claim->broken = root->broken;
	claim->options = root->options;
}

struct host_line { struct str host; uint32_t claim; };

static int
line_cmp(const void *a, const void *b)
{
	const struct host_line *x = a, *y = b;
	int r = str_cmp(x->host, y->host);

	return r != 0 ? r : x->claim < y->claim ? -1 : x->claim > y->claim;
}

static struct tvec
write_hosts(struct compiler *c, const struct host_line *lines, unsigned n,
    const struct host_claim *v)
{
	struct ttls_host *out = xcalloc(n, sizeof(*out));
	struct tvec vec;
	unsigned k = 0;

	for (unsigned i = 0; i < n; i++) {
		const struct host_claim *claim = &v[lines[i].claim];

		if (i != 0 && str_eq(lines[i].host, lines[i - 1].host))
			continue;
		out[k++] = (struct ttls_host){
			.name = build_str(c->b, lines[i].host),
			.options = claim->options,
			.broken = claim->broken,
		};
	}
	vec = build_vec(c->b, out, k, sizeof(*out));
	free(out);
	return vec;
}

struct tvec
compile_hosts(struct compiler *c, struct host_claim *v, unsigned n)
{
	struct groups g = { xcalloc(n, sizeof(uint32_t)) };
	struct verdict_of *roots = xcalloc(n, sizeof(*roots));
	struct host_line *lines;
	unsigned total = 0, at = 0;
	struct tvec vec;

	for (unsigned i = 0; i < n; i++) {
		g.parent[i] = i;
		total += v[i].nhosts;
	}
	lines = xcalloc(total, sizeof(*lines));
	for (unsigned i = 0; i < n; i++)
		for (unsigned k = 0; k < v[i].nhosts; k++)
			lines[at++] = (struct host_line){ v[i].hosts[k], i };
	if (total != 0)
		qsort(lines, total, sizeof(*lines), line_cmp);
	for (unsigned i = 1; i < total; i++)
		if (str_eq(lines[i].host, lines[i - 1].host))
			g.parent[find(&g, lines[i].claim)] =
			    find(&g, lines[i - 1].claim);
	for (unsigned i = 0; i < n; i++)
		if (v[i].nhosts != 0)
			join(c, &roots[find(&g, i)], &v[i]);
	for (unsigned i = 0; i < n; i++)
		if (v[i].nhosts != 0 && roots[find(&g, i)].conflict)
			settle(c, &v[i], &roots[find(&g, i)]);
	vec = write_hosts(c, lines, total, v);
	free(lines);
	free(roots);
	free(g.parent);
	return vec;
}
