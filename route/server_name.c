/* SPDX-License-Identifier: BSD-2-Clause */
/* Options and certificates of a name; see server_name.h. */
#include "server_name.h"

/* ---- Options -------------------------------------------------------------- */

/* First in the sorted hosts of an entry point that has this name. */
static const struct ttls_host *
find_host(const struct table *t, struct tvec hosts, struct str name)
{
	const struct ttls_host *v = TABLE_VEC(t, hosts, struct ttls_host);
	uint32_t lo = 0, hi = hosts.n;

	while (lo < hi) {
		uint32_t mid = lo + (hi - lo) / 2;
		int r = str_cmp(table_str(t, v[mid].name), name);

		if (r == 0)
			return &v[mid];
		if (r < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return NULL;
}

const struct ttls_host *
server_name_options(const struct table *t, const struct tentry_point *ep,
    struct str name)
{
	const struct ttls_host *h = find_host(t, ep->tls_hosts, name);
	ptrdiff_t dot = str_chr(name, '.');
	char wild[260];

	if (h == NULL && dot > 0 && name.n - (size_t)dot < sizeof(wild) - 1) {
		wild[0] = '*';
		memcpy(wild + 1, name.p + dot, name.n - (size_t)dot);
		h = find_host(t, ep->tls_hosts, str_n(wild, 1 + name.n -
		    (size_t)dot));
	}
	return h;
}

/* ---- Certificates --------------------------------------------------------- */

/* First entry with this name or the end. */
static uint32_t
names_from(const struct table *t, struct str name)
{
	const struct tcert_name *v = TABLE_VEC(t, t->hdr->cert_names,
	    struct tcert_name);
	uint32_t lo = 0, hi = t->hdr->cert_names.n;

	while (lo < hi) {
		uint32_t mid = lo + (hi - lo) / 2;

		if (str_cmp(table_str(t, v[mid].name), name) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

static bool
name_at(const struct table *t, uint32_t i, struct str name)
{
	return i < t->hdr->cert_names.n && str_eq(table_str(t,
	    TABLE_REC(t, cert_names, struct tcert_name, i)->name), name);
}

unsigned
server_name_certs(const struct table *t, struct str name, uint32_t *ret,
    unsigned max, bool *ret_default)
{
	ptrdiff_t dot = str_chr(name, '.');
	char wild[260] = "*";
	struct str parent = STR("\xff");
	uint32_t a, b;
	unsigned n = 0;

	*ret_default = false;
	if (dot > 0 && name.n - (size_t)dot < sizeof(wild) - 1) {
		parent = str_n(wild, 1 + name.n - (size_t)dot);
		memcpy(wild + 1, name.p + dot, name.n - (size_t)dot);
	}
	a = names_from(t, name);
	b = names_from(t, parent);
	/* Two lists in the order of certificates, merged. */
	while (n < max) {
		uint32_t ca = name_at(t, a, name) ? TABLE_REC(t, cert_names,
		    struct tcert_name, a)->cert : TNONE;
		uint32_t cb = name_at(t, b, parent) ? TABLE_REC(t, cert_names,
		    struct tcert_name, b)->cert : TNONE;

		if (ca == TNONE && cb == TNONE)
			break;
		ret[n++] = ca <= cb ? ca : cb;
		a += ca <= cb;
		b += cb <= ca;
	}
	if (n != 0)
		return n;
	*ret_default = true;
	if (t->hdr->default_cert == TNONE)
		return 0;
	ret[n++] = t->hdr->default_cert;
	/* Under the empty name: the same with another kind of key. */
	if (n < max && name_at(t, 0, STR("")))
		ret[n++] = TABLE_REC(t, cert_names, struct tcert_name,
		    0)->cert;
	return n;
}
