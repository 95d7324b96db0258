/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * JSON of the API server: what jansson reads by itself is read the same, and of
 * the rest what comes out can be written and read again.
 */
#include "kube_json.h"

#include "str.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	/* Its end stands behind it: nothing beyond may be looked at. */
	char *text = malloc(size != 0 ? size : 1), *again;
	json_t *plain, *v, *w;
	json_error_t err;

	assert(text != NULL);
	if (size != 0)
		memcpy(text, data, size);
	plain = json_loadb(text, size, 0, &err);
	v = kube_json_load(text, size, &err);
	if (plain != NULL)
		assert(v != NULL && json_equal(plain, v));
	if (v != NULL && (again = json_dumps(v, JSON_COMPACT)) != NULL) {
		w = kube_json_load(again, strlen(again), &err);
		assert(w != NULL && json_equal(v, w));
		json_decref(w);
		free(again);
	}
	json_decref(plain);
	json_decref(v);
	free(text);
	return 0;
}
