/* SPDX-License-Identifier: BSD-2-Clause */
/* gRPC-Web; see grpc_web.h. */
#include "grpc_web.h"

#include <errno.h>
#include <string.h>

#define FRAME_HEAD	5
#define FRAME_TRAILERS	0x80

static const struct str types[] = {
	[GRPC_WEB_BINARY] = { "application/grpc-web", 20 },
	[GRPC_WEB_TEXT] = { "application/grpc-web-text", 25 },
};

struct str
grpc_web_type(enum grpc_web_form form)
{
	return types[form];
}

enum grpc_web_form
grpc_web_form(struct str type, struct str *ret_rest)
{
	/* The longer one first: the other is its beginning. */
	for (unsigned i = GRPC_WEB_TEXT; i > GRPC_WEB_NONE; i--)
		if (type.n >= types[i].n && str_caseeq(str_head(type,
		    types[i].n), types[i])) {
			*ret_rest = str_from(type, types[i].n);
			return (enum grpc_web_form)i;
		}
	*ret_rest = type;
	return GRPC_WEB_NONE;
}

/* ---- Base64 (RFC 4648 4) ---------------------------------------------------- */

static const char alphabet[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static int
value(char c)
{
	const char *p = c != '\0' ? strchr(alphabet, c) : NULL;

	return p != NULL ? (int)(p - alphabet) : -1;
}

/* A group of four is there: its bytes. */
static size_t
put_group(struct grpc_web_decoder *d, uint8_t *out)
{
	size_t n = 3u - d->pads;

	for (size_t i = 0; i < n; i++)
		out[i] = (uint8_t)(d->bits >> (16 - 8 * i));
	*d = (struct grpc_web_decoder){ .bits = 0 };
	return n;
}

ssize_t
grpc_web_decode(struct grpc_web_decoder *d, struct str in, uint8_t *out)
{
	size_t n = 0;
	int v;

	for (size_t i = 0; i < in.n; i++) {
		char c = in.p[i];

		if (c == '\r' || c == '\n')
			continue;
		v = value(c);
		if (c == '=' && d->letters >= 2)
			d->pads++;
		else if (v < 0 || d->pads > 0)
			return -EBADMSG;
		d->bits = d->bits << 6 | (v > 0 ? (uint32_t)v : 0);
		if (++d->letters == 4)
			n += put_group(d, out + n);
	}
	return (ssize_t)n;
}

bool
grpc_web_decoded(const struct grpc_web_decoder *d)
{
	return d->letters == 0;
}

size_t
grpc_web_encode(struct str in, char *out)
{
	const uint8_t *p = (const uint8_t *)in.p;
	char *o = out;

	for (size_t i = 0; i < in.n; i += 3) {
		size_t left = in.n - i;
		uint32_t v = (uint32_t)p[i] << 16 |
		    (left > 1 ? (uint32_t)p[i + 1] << 8 : 0) |
		    (left > 2 ? p[i + 2] : 0);

		*o++ = alphabet[v >> 18];
		*o++ = alphabet[v >> 12 & 63];
		*o++ = left > 1 ? alphabet[v >> 6 & 63] : '=';
		*o++ = left > 2 ? alphabet[v & 63] : '=';
	}
	return (size_t)(o - out);
}

/* ---- Trailers ---------------------------------------------------------------------- */

size_t
grpc_web_trailers_size(const struct fields *fs)
{
	size_t n = FRAME_HEAD;

	FIELDS_EACH(fs, f)
		n += field_name(f).n + field_value(f).n + 4;
	return n;
}

static uint8_t *
put(uint8_t *p, struct str s)
{
	memcpy(p, s.p, s.n);
	return p + s.n;
}

void
grpc_web_trailers(const struct fields *fs, uint8_t *out)
{
	size_t n = grpc_web_trailers_size(fs) - FRAME_HEAD;
	uint8_t *p = out;

	*p++ = FRAME_TRAILERS;
	for (int shift = 24; shift >= 0; shift -= 8)
		*p++ = (uint8_t)(n >> shift);
	FIELDS_EACH(fs, f) {
		struct str name = field_name(f);

		for (size_t i = 0; i < name.n; i++)
			*p++ = (uint8_t)str_lower(name.p[i]);
		p = put(p, STR(": "));
		if (f->value_n > 0)
			p = put(p, field_value(f));
		p = put(p, STR("\r\n"));
	}
}
