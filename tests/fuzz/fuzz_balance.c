/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What foreign bytes say to a balancer, by the first byte: a Cookie field, or the
 * answer of grpc.health.v1.
 */
#include "grpc_health.h"
#include "sticky.h"
#include "table_make.h"

#include <assert.h>
#include <errno.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct table *
made(void)
{
	static struct buf image;
	static struct table t;
	const char *why;

	if (image.p == NULL) {
		table_make(&image);
		assert(table_check(image.p, image.n, &t, &why) == 0);
	}
	return &t;
}

static void
cookies(struct str field)
{
	const struct table *t = made();

	for (uint32_t i = 0; i < t->hdr->services.n; i++) {
		const struct tservice *sv = table_service(t, i);
		const struct tsticky *s = TABLE_VEC(t, sv->sticky,
		    struct tsticky);
		bool old;
		uint32_t at;

		if (sv->sticky.n == 0)
			continue;
		at = sticky_find_in(t, s, field, &old);
		assert(at == TNONE || at < s->keys.n);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str rest = str_n(data + 1, size - 1);
	int r;

	if (size == 0)
		return 0;
	if (data[0] % 2 == 0) {
		cookies(rest);
		return 0;
	}
	r = grpc_health_parse(rest);
	assert(r == -EBADMSG || (r >= 0 && r <= 99));
	/* What is cut is no answer. */
	if (r >= 0)
		assert(grpc_health_parse(str_head(rest, rest.n - 1)) ==
		    -EBADMSG);
	return 0;
}
