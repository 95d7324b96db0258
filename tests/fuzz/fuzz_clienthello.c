/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The first bytes of a connection: any bytes are told apart, and what was told
 * of a beginning is not taken back when more arrives.
 */
#include "clienthello.h"

#include <assert.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static enum hello_kind
sni_of(const uint8_t *data, size_t n, char name[256], size_t *ret_n)
{
	uint8_t *exact = malloc(n != 0 ? n : 1);
	enum hello_kind kind;
	struct str sni;

	if (exact == NULL)
		abort();
	if (n != 0)
		memcpy(exact, data, n);
	kind = hello_sni(exact, n, name, &sni);
	free(exact);	/* the name is a copy */
	*ret_n = sni.n;
	assert(sni.n <= 255 && (kind == HELLO_TLS || sni.n == 0));
	assert(sni.n == 0 || sni.p == name);
	return kind;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char name[256], part_name[256];
	size_t n, part_n;
	enum hello_kind whole = sni_of(data, size, name, &n), part;
	size_t step = size < 64 ? 1 : size / 64;

	for (size_t cut = 0; cut < size; cut += step) {
		part = sni_of(data, cut, part_name, &part_n);
		if (part == HELLO_MORE)
			continue;
		assert(part == whole && part_n == n &&
		    memcmp(part_name, name, n) == 0);
	}
	if (size > 0)
		assert((hello_peek(data, size) == HELLO_TLS) == (data[0] ==
		    0x16));
	if (n > 0 && hello_name_valid(name, n)) {
		assert(n <= 253 && name[0] != '.' && name[n - 1] != '.');
		for (size_t i = 0; i < n; i++)
			assert(name[i] == str_lower(name[i]) && name[i] > ' ');
	}
	return 0;
}
