/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A connection from another worker: accepted only if it could have been written
 * here, to the byte, and never read beyond its end.
 */
#include "parcel.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct parcel p;
	static uint8_t again[PARCEL_MAX];
	const char *why = NULL;
	int r = parcel_read(&p, data, size, &why);

	if (r < 0) {
		assert(why != NULL);
		return 0;
	}
	assert(p.entry_point.n > 0 && p.client.in.n <= PARCEL_BYTES_MAX);
	if (size <= sizeof(again)) {
		assert(parcel_write(&p, again, sizeof(again)) ==
		    (ssize_t)size);
		assert(size == 0 || memcmp(again, data, size) == 0);
	}
	return 0;
}
