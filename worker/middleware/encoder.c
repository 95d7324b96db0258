/* SPDX-License-Identifier: BSD-2-Clause */
/* Content codings; see encoder.h. */
#include "encoder.h"

#include <brotli/encode.h>
#include <errno.h>
#include <stdlib.h>
#include <zlib.h>
#include <zstd.h>

#define OUT_BYTES	16384
#define KEPT		4	/* idle encoders of each coding */

struct encoder {
	enum tencoding coding;
	struct encoder *next;
	z_stream z;
	BrotliEncoderState *br;
	ZSTD_CCtx *zstd;
	char out[OUT_BYTES];
};

static struct encoder *kept[TENCODINGS];
static unsigned nkept[TENCODINGS];

static bool
open_state(struct encoder *e)
{
	switch (e->coding) {
	case TENCODING_GZIP:
		/* Level 1: a proxy's time costs more than the last percent. */
		return deflateInit2(&e->z, 1, Z_DEFLATED, 15 + 16, 8,
		    Z_DEFAULT_STRATEGY) == Z_OK;
	case TENCODING_BR:
		e->br = BrotliEncoderCreateInstance(NULL, NULL, NULL);
		return e->br != NULL && BrotliEncoderSetParameter(e->br,
		    BROTLI_PARAM_QUALITY, 3);
	default:
		e->zstd = ZSTD_createCCtx();
		return e->zstd != NULL && !ZSTD_isError(
		    ZSTD_CCtx_setParameter(e->zstd, ZSTD_c_compressionLevel,
		    1));
	}
}

static void
close_state(struct encoder *e)
{
	if (e->coding == TENCODING_GZIP)
		(void)deflateEnd(&e->z);
	else if (e->coding == TENCODING_BR)
		BrotliEncoderDestroyInstance(e->br);
	else
		ZSTD_freeCCtx(e->zstd);
}

struct encoder *
encoder_new(enum tencoding coding)
{
	struct encoder *e = kept[coding];

	if (e != NULL) {
		kept[coding] = e->next;
		nkept[coding]--;
		return e;
	}
	if ((e = calloc(1, sizeof(*e))) == NULL)
		return NULL;
	e->coding = coding;
	if (!open_state(e)) {
		close_state(e);
		free(e);
		return NULL;
	}
	return e;
}

/* Brotli cannot start over; the others can. */
static bool
reset_state(struct encoder *e)
{
	if (e->coding == TENCODING_GZIP)
		return deflateReset(&e->z) == Z_OK;
	if (e->coding == TENCODING_ZSTD)
		return !ZSTD_isError(ZSTD_CCtx_reset(e->zstd,
		    ZSTD_reset_session_only));
	return false;
}

void
encoder_free(struct encoder *e)
{
	if (e == NULL)
		return;
	if (nkept[e->coding] < KEPT && reset_state(e)) {
		e->next = kept[e->coding];
		kept[e->coding] = e;
		nkept[e->coding]++;
		return;
	}
	close_state(e);
	free(e);
}

static int
run_gzip(struct encoder *e, struct str *in, enum encoder_op op, struct str *ret,
    bool *ret_more)
{
	int r;

	e->z.next_in = (Bytef *)(size_t)in->p;
	e->z.avail_in = (uInt)in->n;
	e->z.next_out = (Bytef *)e->out;
	e->z.avail_out = OUT_BYTES;
	r = deflate(&e->z, op == ENCODER_FINISH ? Z_FINISH : Z_SYNC_FLUSH);
	if (r != Z_OK && r != Z_STREAM_END && r != Z_BUF_ERROR)
		return -EIO;
	*in = str_from(*in, in->n - e->z.avail_in);
	*ret = str_n(e->out, OUT_BYTES - e->z.avail_out);
	*ret_more = op == ENCODER_FINISH ? r != Z_STREAM_END :
	    e->z.avail_out == 0;
	return 0;
}

static int
run_brotli(struct encoder *e, struct str *in, enum encoder_op op,
    struct str *ret, bool *ret_more)
{
	size_t in_n = in->n, out_n = OUT_BYTES;
	const uint8_t *p = (const uint8_t *)in->p;
	uint8_t *out = (uint8_t *)e->out;

	if (!BrotliEncoderCompressStream(e->br, op == ENCODER_FINISH ?
	    BROTLI_OPERATION_FINISH : BROTLI_OPERATION_FLUSH, &in_n, &p,
	    &out_n, &out, NULL))
		return -EIO;
	*in = str_from(*in, in->n - in_n);
	*ret = str_n(e->out, OUT_BYTES - out_n);
	*ret_more = in_n > 0 || BrotliEncoderHasMoreOutput(e->br) ||
	    (op == ENCODER_FINISH && !BrotliEncoderIsFinished(e->br));
	return 0;
}

static int
run_zstd(struct encoder *e, struct str *in, enum encoder_op op, struct str *ret,
    bool *ret_more)
{
	ZSTD_inBuffer src = { in->p, in->n, 0 };
	ZSTD_outBuffer dst = { e->out, OUT_BYTES, 0 };
	size_t left = ZSTD_compressStream2(e->zstd, &dst, &src,
	    op == ENCODER_FINISH ? ZSTD_e_end : ZSTD_e_flush);

	if (ZSTD_isError(left))
		return -EIO;
	*in = str_from(*in, src.pos);
	*ret = str_n(e->out, dst.pos);
	*ret_more = left != 0 || src.pos < src.size;
	return 0;
}

int
encoder_run(struct encoder *e, struct str *in, enum encoder_op op,
    struct str *ret, bool *ret_more)
{
	switch (e->coding) {
	case TENCODING_GZIP:
		return run_gzip(e, in, op, ret, ret_more);
	case TENCODING_BR:
		return run_brotli(e, in, op, ret, ret_more);
	default:
		return run_zstd(e, in, op, ret, ret_more);
	}
}
