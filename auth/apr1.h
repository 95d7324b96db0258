/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Apache's MD5 password hash ($apr1$SALT$HASH), which libcrypt lacks: a thousand
 * rounds of MD5 over password and salt in changing order.
 */
#ifndef APR1_H
#define APR1_H

#include "str.h"

#define APR1_TEXT	64

/* The hash of password with the salt of `setting`; 0 or -EINVAL. */
int	apr1(struct str setting, struct str password, char out[APR1_TEXT]);

#endif
