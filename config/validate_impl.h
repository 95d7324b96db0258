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
/* Of a load balancer or a weighted service; NULL: there is none. */
void	check_sticky(struct object *o, const struct sticky *s,
	    struct diags *d);
void	check_balancer(struct service *s, struct diags *d);
void	check_service(struct service *s, struct diags *d);

#endif
