/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Content codings as one streaming interface over zlib, libbrotlienc and
 * libzstd. States are kept for reuse: making one costs more than a small body.
 */
#ifndef ENCODER_H
#define ENCODER_H

#include "str.h"
#include "table.h"

struct encoder;
enum encoder_op { ENCODER_FLUSH, ENCODER_FINISH };

/* NULL without memory. */
struct encoder *encoder_new(enum tencoding coding);
/* NULL is allowed. */
void	encoder_free(struct encoder *e);
/*
 * Takes from *in and gives a piece of output, valid until the next call. *ret_more:
 * call again (with what is left of *in) before giving new input. 0 or -EIO.
 */
int	encoder_run(struct encoder *e, struct str *in, enum encoder_op op,
	    struct str *ret, bool *ret_more);

#endif
