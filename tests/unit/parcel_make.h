/* SPDX-License-Identifier: BSD-2-Clause */
/* Parcels with something in every field, for the unit test and the fuzz target. */
#ifndef PARCEL_MAKE_H
#define PARCEL_MAKE_H

#include "parcel.h"

enum { MADE_PLAIN, MADE_TLS, MADE_TUNNEL, MADE_TUNNEL_TLS, MADE };

/* Strings are static. */
void	parcel_make(unsigned kind, struct parcel *ret);

#endif
