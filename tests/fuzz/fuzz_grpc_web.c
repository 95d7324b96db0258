/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Base64 of gRPC-Web: the same bytes and verdict however the text is cut, and
 * what is decoded can be encoded and decoded again.
 */
#include "buf.h"
#include "grpc_web.h"
#include "h1_check.h"

static int
feed(const void *p, size_t size, size_t step, struct buf *out)
{
	struct grpc_web_decoder d = { 0 };

	for (size_t at = 0; at < size; at += step) {
		size_t n = size - at < step ? size - at : step;
		char *in = check_copy((const char *)p + at, n);
		char *bytes = malloc(GRPC_WEB_DECODED(n));
		ssize_t r = grpc_web_decode(&d, str_n(in, n),
		    (uint8_t *)bytes);

		CLAIM(r <= (ssize_t)GRPC_WEB_DECODED(n));
		if (r > 0)
			buf_puts(out, str_n(bytes, (size_t)r));
		free(bytes);
		free(in);
		if (r < 0)
			return -1;
	}
	return grpc_web_decoded(&d) ? 0 : -1;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf whole = BUF_INIT, split = BUF_INIT, again = BUF_INIT;
	int r = feed(data, size, size != 0 ? size : 1, &whole);
	char *text;
	size_t n;

	CLAIM(feed(data, size, 1, &split) == r);
	CLAIM(r < 0 || str_eq(buf_str(&whole), buf_str(&split)));
	text = malloc(GRPC_WEB_ENCODED(whole.n) + 1);
	n = grpc_web_encode(buf_str(&whole), text);
	CLAIM(n == GRPC_WEB_ENCODED(whole.n));
	CLAIM(feed(text, n, 5, &again) == 0);
	CLAIM(str_eq(buf_str(&whole), buf_str(&again)));
	free(text);
	buf_fini(&whole);
	buf_fini(&split);
	buf_fini(&again);
	return 0;
}
