/* SPDX-License-Identifier: BSD-2-Clause */
/* The chunked coding; see chunked.h. Rows H1-F12 to F16. */
#include "chunked.h"

#include "buf.h"
#include "token.h"

#include <errno.h>

enum { SIZE, EXTENSION, SIZE_LF, DATA, DATA_CR, DATA_LF, TRAILER, TRAILER_LF,
    END_LF, DONE };

void
chunked_init(struct chunked *c)
{
	*c = (struct chunked){ .state = SIZE };
}

bool
chunked_done(const struct chunked *c)
{
	return c->state == DONE;
}

static int
hex(unsigned char ch)
{
	if (ch >= '0' && ch <= '9')
		return ch - '0';
	ch |= 0x20;
	return ch >= 'a' && ch <= 'f' ? ch - 'a' + 10 : -1;
}

/* One byte of the size: up to 16 digits and 63 bits (F12). */
static int
on_size(struct chunked *c, unsigned char ch)
{
	int d = hex(ch);

	if (d >= 0) {
		if (c->digits == 16 || c->left >> 59 != 0)
			return -EBADMSG;
		c->left = c->left << 4 | (unsigned)d;
		c->digits++;
		return 0;
	}
	if (c->digits == 0 || (ch != ';' && ch != '\r'))
		return -EBADMSG;
	c->state = ch == '\r' ? SIZE_LF : EXTENSION;
	return 0;
}

/* Extensions are checked, counted and dropped (F13, F14). */
static int
on_extension(struct chunked *c, unsigned char ch)
{
	if (++c->line > CHUNK_EXTENSION_MAX ||
	    ++c->extensions > CHUNK_EXTENSIONS_MAX)
		return -EBADMSG;
	if (c->quote == 2)
		c->quote = 1;
	else if (c->quote == 1 && ch == '\\')
		c->quote = 2;
	else if (ch == '"')
		c->quote = c->quote == 0;
	else if (ch == '\r' && c->quote == 0) {
		c->state = SIZE_LF;
		return 0;
	}
	if (c->quote != 0 || ch == '"')
		return token_is(ch, TOKEN_VALUE) ? 0 : -EBADMSG;
	return token_is(ch, TOKEN_CHAR) || ch == ';' || ch == '=' ? 0 :
	    -EBADMSG;
}

static int
on_trailer(struct chunked *c, unsigned char ch)
{
	if (++c->trailers > CHUNK_TRAILERS_MAX)
		return -EBADMSG;
	if (ch == '\r') {
		c->state = c->column == 0 ? END_LF : TRAILER_LF;
		return 0;
	}
	if (!token_is(ch, TOKEN_VALUE) ||
	    (c->column == 0 && !token_is(ch, TOKEN_CHAR)))
		return -EBADMSG;
	c->column = 1;
	return 0;
}

static int
on_line_end(struct chunked *c, unsigned char ch)
{
	if (ch != '\n')
		return -EBADMSG;
	switch (c->state) {
	case SIZE_LF:
		c->state = c->left == 0 ? TRAILER : DATA;
		c->digits = 0;
		c->line = 0;
		break;
	case DATA_LF:
		c->state = SIZE;
		break;
	case TRAILER_LF:
		c->state = TRAILER;
		break;
	default:
		c->state = DONE;
		break;
	}
	c->column = 0;
	return 0;
}

static int
on_byte(struct chunked *c, unsigned char ch)
{
	switch (c->state) {
	case SIZE:
		return on_size(c, ch);
	case EXTENSION:
		return on_extension(c, ch);
	case DATA_CR:
		c->state = DATA_LF;
		return ch == '\r' ? 0 : -EBADMSG;
	case TRAILER:
		return on_trailer(c, ch);
	default:
		return on_line_end(c, ch);
	}
}

int
chunked_decode(struct chunked *c, struct str *in, struct str *ret_data,
    struct buf *trailers)
{
	while (c->state != DONE && in->n > 0) {
		bool keep = c->state >= TRAILER;

		if (c->state == DATA) {
			*ret_data = str_head(*in, c->left < in->n ?
			    (size_t)c->left : in->n);
			*in = str_from(*in, ret_data->n);
			c->left -= ret_data->n;
			if (c->left == 0)
				c->state = DATA_CR;
			return 1;
		}
		if (on_byte(c, (unsigned char)in->p[0]) < 0)
			return -EBADMSG;
		if (keep && trailers != NULL)
			buf_putc(trailers, in->p[0]);
		*in = str_from(*in, 1);
	}
	return c->state == DONE ? 2 : 0;
}

unsigned
chunk_head(char out[20], uint64_t size)
{
	static const char digits[] = "0123456789abcdef";
	unsigned shift = 60, n = 0;

	while (shift > 0 && (size >> shift & 15) == 0)
		shift -= 4;
	for (;; shift -= 4) {
		out[n++] = digits[size >> shift & 15];
		if (shift == 0)
			break;
	}
	out[n++] = '\r';
	out[n++] = '\n';
	return n;
}
