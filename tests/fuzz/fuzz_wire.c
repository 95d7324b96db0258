/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Objects in binary: the first byte chooses the kind, the rest is refused or
 * becomes an object that, written again, reads as itself.
 */
#include "model.h"
#include "wire.h"

#include <assert.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct schema *const kinds[] = { schema_router, schema_service,
	    schema_middleware, schema_transport, schema_tls_options,
	    schema_tls_store, schema_certificate, &schema_kube_ingress };
	const struct schema *s;
	struct buf one = BUF_INIT, two = BUF_INIT;
	struct arena a;
	void *obj;

	if (size == 0)
		return 0;
	s = kinds[data[0] % ARRAY_SIZE(kinds)];
	obj = calloc(1, s->bytes);
	assert(obj != NULL);
	arena_init(&a, 64u << 20);
	if (wire_decode(s, &a, str_n(data + 1, size - 1), obj) == 0) {
		wire_encode(s, obj, &one);
		assert(one.n <= size);
		assert(wire_decode(s, &a, buf_str(&one), obj) == 0);
		wire_encode(s, obj, &two);
		assert(str_eq(buf_str(&one), buf_str(&two)));
	}
	buf_fini(&one);
	buf_fini(&two);
	arena_fini(&a);
	free(obj);
	return 0;
}
