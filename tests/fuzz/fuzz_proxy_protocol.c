/* SPDX-License-Identifier: BSD-2-Clause */
/* PROXY headers: a verdict on a piece holds for all that begins with it. */
#include "h1_check.h"
#include "proxy_protocol.h"

#include <errno.h>

/* What was read says the same when it is written and read again. */
static void
check_written(const struct proxy_header *h)
{
	uint8_t out[PROXY_HEADER_WRITTEN];
	struct proxy_header again;

	for (unsigned version = 1; version <= 2; version++) {
		size_t n = proxy_header_write(h, version, out);

		CLAIM(n <= sizeof(out));
		CLAIM(proxy_header_parse(out, n, &again) == (int)n);
		CLAIM(proxy_header_eq(h, &again));
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *copy = check_copy(data, size);
	struct proxy_header h, part;
	int r = proxy_header_parse((const uint8_t *)copy, size, &h);

	CLAIM(r <= (int)size);
	CLAIM(r >= 0 || r == -ENOENT || r == -EBADMSG);
	if (r > 0)
		check_written(&h);
	for (size_t n = 0; n < size && n < 300; n++) {
		char *piece = check_copy(data, n);
		int early = proxy_header_parse((const uint8_t *)piece, n,
		    &part);

		CLAIM(early == 0 || early == r);
		free(piece);
	}
	free(copy);
	return 0;
}
