/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What clients and auth servers say: Authorization fields, lists of users,
 * Location references, and answers as fields ("name: value" lines).
 */
#include "basic.h"
#include "forward.h"
#include "uri.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
try_basic(struct str in)
{
	char *buf = malloc(in.n != 0 ? in.n : 1);
	struct str user, password, rest = in;
	struct basic_user u;
	size_t lines = 0;

	if (buf == NULL)
		return;
	if (basic_parse(in, buf, &user, &password) == 0) {
		assert(user.n + password.n + 1 <= in.n);
		assert(str_chr(user, ':') < 0);
	}
	while (basic_next_user(&rest, &u) != 0) {
		assert(u.name.n != 0);
		lines++;
	}
	assert(lines <= in.n && rest.n == 0);
	free(buf);
}

static void
try_uri(struct str in, struct arena *a)
{
	struct uri u;
	struct str out, again;

	if (uri_split(in, &u) < 0) {
		assert(uri_resolve(a, STR("http://a/b"), in).p == NULL);
		return;
	}
	out = uri_resolve(a, STR("http://auth:4181/a/b?c"), in);
	assert(out.p != NULL && uri_split(out, &u) == 0 && u.has_scheme);
	/* What is absolute stays as it is. */
	again = uri_resolve(a, STR("https://other/"), out);
	assert(str_eq(out, again));
}

static unsigned
fields_of(struct str in, struct auth_field *out, unsigned cap)
{
	struct str line;
	unsigned n = 0;

	while (n < cap && str_next(&in, '\n', &line)) {
		ptrdiff_t colon = str_chr(line, ':');

		if (colon <= 0)
			continue;
		out[n++] = (struct auth_field){ str_head(line, (size_t)colon),
		    str_trim(str_from(line, (size_t)colon + 1)),
		    line.n % 7 == 0 ? AUTH_HOP : 0 };
	}
	return n;
}

static bool
matches(void *arg, struct str name)
{
	(void)arg;
	return str_has_prefix(name, STR("X-G"));
}

static void
try_forward(struct str in, struct arena *a)
{
	static const struct str listed[] = { { "x-user", 6 },
	    { "cookie", 6 } };
	struct forward_config c = { .response_headers = listed,
	    .nresponse_headers = 2, .cookies = listed, .ncookies = 2,
	    .matches = matches, .address = { "http://auth/", 12 },
	    .header_field = { "x-user", 6 }, .trust = in.n % 3 };
	struct forward_client k = { .peer_ip = { "::1", 3 },
	    .method = { "GET", 3 }, .host = in, .path = { "/", 1 } };
	static struct auth_field f[64], out[160];
	unsigned n = fields_of(in, f, 64);
	int r;

	r = forward_request(&c, &k, f, n, out, 160, a);
	assert(r >= 0 && (unsigned)r <= n + FORWARD_FIELDS_ADDED);
	r = forward_copy(&c, f, n, f, n, out, 160);
	assert(r >= 0 && (unsigned)r <= n);
	if (forward_judge(&c, 200, f, n) == FORWARD_ALLOW)
		for (int i = 0; i < r; i++)
			if (str_caseeq(out[i].name, STR("x-user")))
				assert(str_eq(out[i].value, forward_user(&c,
				    f, n)));
	r = forward_relay(&c, f, n, out, 160, a);
	assert(r == -EINVAL || (r >= 0 && (unsigned)r <= n));
	r = forward_cookies(&c, f, n, f, n, out, 160);
	assert(r >= 0 && (unsigned)r <= 2 * n);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str in = str_n(data, size);
	struct arena a;

	if (size == 0)
		return 0;
	arena_init(&a, 64 << 20);
	try_basic(in);
	try_uri(in, &a);
	try_forward(in, &a);
	arena_fini(&a);
	return 0;
}
