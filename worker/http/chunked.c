/* SPDX-License-Identifier: BSD-2-Clause */
/* The chunked coding; see chunked.h. Rows H1-F12 to F16. */
#include "chunked.h"

#include "buf.h"
#include "token.h"

#include <errno.h>

/*
 * Where the next byte belongs. Between SIZE and SIZE_LF stand the places in
 * *( BWS ";" BWS name [ BWS "=" BWS ( token / quoted-string ) ] ); no blank may
 * follow the size itself, nor end the line.
 */
enum {
	SIZE,
	EXT_BEFORE_NAME, EXT_NAME, EXT_AFTER_NAME,
	EXT_BEFORE_VALUE, EXT_TOKEN, EXT_QUOTED, EXT_ESCAPE, EXT_CLOSED,
	EXT_AFTER_VALUE,
	SIZE_LF,
	DATA, DATA_CR, DATA_LF,
	TRAILER, TRAILER_NAME, TRAILER_VALUE, TRAILER_LF,
	END_LF,
	DONE, BROKEN
};

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
	c->state = ch == '\r' ? SIZE_LF : EXT_BEFORE_NAME;
	c->extension = ch == ';';
	c->extensions += c->extension;
	return c->extensions > CHUNK_EXTENSIONS_MAX ? -EBADMSG : 0;
}

/* The place after `ch`, negative when it may not stand here (F13). */
static int
extension_step(unsigned state, unsigned char ch)
{
	bool blank = ch == ' ' || ch == '\t';
	bool token = token_is(ch, TOKEN_CHAR);

	switch (state) {
	case EXT_BEFORE_NAME:
		return token ? EXT_NAME : blank ? EXT_BEFORE_NAME : -1;
	case EXT_NAME:
		if (token)
			return EXT_NAME;
		if (ch == '\r')
			return SIZE_LF;
		__attribute__((fallthrough));
	case EXT_AFTER_NAME:
		return ch == '=' ? EXT_BEFORE_VALUE :
		    ch == ';' ? EXT_BEFORE_NAME : blank ? EXT_AFTER_NAME : -1;
	case EXT_BEFORE_VALUE:
		return token ? EXT_TOKEN : ch == '"' ? EXT_QUOTED :
		    blank ? EXT_BEFORE_VALUE : -1;
	case EXT_QUOTED:
		return ch == '"' ? EXT_CLOSED : ch == '\\' ? EXT_ESCAPE :
		    token_is(ch, TOKEN_VALUE) ? EXT_QUOTED : -1;
	case EXT_ESCAPE:
		return token_is(ch, TOKEN_VALUE) ? EXT_QUOTED : -1;
	case EXT_TOKEN:
		if (token)
			return EXT_TOKEN;
		__attribute__((fallthrough));
	case EXT_CLOSED:
		if (ch == '\r')
			return SIZE_LF;
		__attribute__((fallthrough));
	default:
		return ch == ';' ? EXT_BEFORE_NAME :
		    blank ? EXT_AFTER_VALUE : -1;
	}
}

/* Extensions are checked, counted and dropped (F14). */
static int
on_extension(struct chunked *c, unsigned char ch)
{
	int next = extension_step(c->state, ch);

	if (next < 0)
		return -EBADMSG;
	c->state = (uint8_t)next;
	if (next == SIZE_LF)
		return 0;
	return ++c->extension > CHUNK_EXTENSION_MAX ||
	    ++c->extensions > CHUNK_EXTENSIONS_MAX ? -EBADMSG : 0;
}

/* Trailers obey the rules of field lines (F16). */
static int
on_trailer(struct chunked *c, unsigned char ch)
{
	if (++c->trailers > CHUNK_TRAILERS_MAX)
		return -EBADMSG;
	switch (c->state) {
	case TRAILER:
		if (ch == '\r') {
			c->state = END_LF;
			return 0;
		}
		if (!token_is(ch, TOKEN_CHAR) ||
		    ++c->fields > CHUNK_TRAILER_FIELDS)
			return -EBADMSG;
		c->name = 1;
		c->state = TRAILER_NAME;
		return 0;
	case TRAILER_NAME:
		if (ch == ':') {
			c->state = TRAILER_VALUE;
			return 0;
		}
		return token_is(ch, TOKEN_CHAR) && ++c->name <= 256 ? 0 :
		    -EBADMSG;
	default:
		if (ch == '\r') {
			c->state = TRAILER_LF;
			return 0;
		}
		return token_is(ch, TOKEN_VALUE) ? 0 : -EBADMSG;
	}
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
		return 0;
	case DATA_LF:
		c->state = SIZE;
		return 0;
	case TRAILER_LF:
		c->state = TRAILER;
		break;
	default:
		c->state = DONE;
		break;
	}
	return ++c->trailers > CHUNK_TRAILERS_MAX ? -EBADMSG : 0;
}

static int
on_byte(struct chunked *c, unsigned char ch)
{
	switch (c->state) {
	case SIZE:
		return on_size(c, ch);
	case SIZE_LF:
	case DATA_LF:
	case TRAILER_LF:
	case END_LF:
		return on_line_end(c, ch);
	case DATA_CR:
		c->state = DATA_LF;
		return ch == '\r' ? 0 : -EBADMSG;
	case TRAILER:
	case TRAILER_NAME:
	case TRAILER_VALUE:
		return on_trailer(c, ch);
	default:
		return on_extension(c, ch);
	}
}

int
chunked_decode(struct chunked *c, struct str *in, struct str *ret_data,
    struct buf *trailers)
{
	while (c->state < DONE && in->n > 0) {
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
		if (on_byte(c, (unsigned char)in->p[0]) < 0) {
			c->state = BROKEN;
			break;
		}
		if (keep && trailers != NULL)
			buf_putc(trailers, in->p[0]);
		*in = str_from(*in, 1);
	}
	return c->state == BROKEN ? -EBADMSG : c->state == DONE ? 2 : 0;
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
