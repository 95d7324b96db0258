/* SPDX-License-Identifier: BSD-2-Clause */
/* What the files behind validate.h share. */
#ifndef VALIDATE_IMPL_H
#define VALIDATE_IMPL_H

#include "validate.h"

/*
 * Gives an object its verdict for a key that is not supported yet; the reader
 * has told of the key, at its place.
 */
void	check_later(struct arena *a, struct object *o, enum verdict verdict,
	    const char *key);
void	check_service(struct service *s, struct arena *a, struct diags *d);

#endif
