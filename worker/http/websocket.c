/* SPDX-License-Identifier: BSD-2-Clause */
/* The WebSocket handshake and frame boundaries; see websocket.h. */
#include "websocket.h"

#include "token.h"

#include <errno.h>
#include <string.h>
#include <openssl/evp.h>
#include <openssl/sha.h>

#define KEY_CHARS	24	/* base64 of 16 bytes */

/* Lines of one name; *ret is the last of them. */
static unsigned
count(const struct fields *fs, enum field_id id, struct str *ret)
{
	unsigned n = 0;

	FIELDS_EACH(fs, f)
		if (f->id == id) {
			*ret = field_value(f);
			n++;
		}
	return n;
}

static bool
lists(const struct fields *fs, enum field_id id, struct str token)
{
	FIELDS_EACH(fs, f)
		if (f->id == id && token_in_list(field_value(f), token))
			return true;
	return false;
}

bool
websocket_asked(const struct fields *fs)
{
	struct str v = STR_NONE;

	return count(fs, FIELD_UPGRADE, &v) == 1 &&
	    str_caseeq(v, STR("websocket")) &&
	    lists(fs, FIELD_CONNECTION, STR("upgrade"));
}

static bool
key_valid(struct str key)
{
	if (key.n != KEY_CHARS || key.p[22] != '=' || key.p[23] != '=')
		return false;
	for (size_t i = 0; i < 22; i++) {
		char c = str_lower(key.p[i]);

		if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
		    c == '+' || c == '/'))
			return false;
	}
	return true;
}

int
websocket_check_request(const struct fields *fs)
{
	struct str key = STR_NONE, version = STR_NONE;

	if (count(fs, FIELD_SEC_WEBSOCKET_KEY, &key) != 1 || !key_valid(key) ||
	    count(fs, FIELD_SEC_WEBSOCKET_VERSION, &version) != 1)
		return -EBADMSG;
	return str_eq(version, STR("13")) ? 0 : -EPROTONOSUPPORT;
}

void
websocket_accept(struct str key, char out[WEBSOCKET_ACCEPT])
{
	static const char guid[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
	unsigned char all[KEY_CHARS + sizeof(guid) - 1];
	unsigned char digest[SHA_DIGEST_LENGTH], text[WEBSOCKET_ACCEPT + 1];

	memcpy(all, key.p, KEY_CHARS);
	memcpy(all + KEY_CHARS, guid, sizeof(guid) - 1);
	SHA1(all, sizeof(all), digest);
	EVP_EncodeBlock(text, digest, sizeof(digest));
	memcpy(out, text, WEBSOCKET_ACCEPT);
}

/* Each extension named in a list was offered; its parameters are the ends'. */
static bool
extensions_offered(const struct fields *request, struct str list)
{
	struct str item;

	while (list_next(&list, &item)) {
		ptrdiff_t semi = str_chr(item, ';');
		struct str name = str_trim(semi < 0 ? item :
		    str_head(item, (size_t)semi));
		bool found = false;

		FIELDS_EACH(request, f) {
			struct str rest = field_value(f), offer;

			if (f->id != FIELD_SEC_WEBSOCKET_EXTENSIONS)
				continue;
			while (!found && list_next(&rest, &offer)) {
				semi = str_chr(offer, ';');
				found = str_eq(name, str_trim(semi < 0 ? offer :
				    str_head(offer, (size_t)semi)));
			}
		}
		if (!found)
			return false;
	}
	return true;
}

bool
websocket_check_answer(const struct fields *request, const struct fields *answer)
{
	struct str accept = STR_NONE, protocol = STR_NONE;
	char want[WEBSOCKET_ACCEPT];
	unsigned n;

	websocket_accept(fields_get(request, FIELD_SEC_WEBSOCKET_KEY), want);
	if (!websocket_asked(answer) ||
	    count(answer, FIELD_SEC_WEBSOCKET_ACCEPT, &accept) != 1 ||
	    !str_eq(accept, str_n(want, sizeof(want))))
		return false;
	n = count(answer, FIELD_SEC_WEBSOCKET_PROTOCOL, &protocol);
	if (n > 1 || (n == 1 && !lists(request, FIELD_SEC_WEBSOCKET_PROTOCOL,
	    protocol)))
		return false;
	FIELDS_EACH(answer, f)
		if (f->id == FIELD_SEC_WEBSOCKET_EXTENSIONS &&
		    !extensions_offered(request, field_value(f)))
			return false;
	return true;
}

/* ---- Frames (RFC 6455 5.2) ---------------------------------------------- */

/* Bytes of a head whose first two are known. */
static unsigned
head_size(const uint8_t *head)
{
	unsigned len = head[1] & 0x7f;

	return 2 + (len == 126 ? 2u : len == 127 ? 8u : 0u) +
	    (head[1] & 0x80 ? 4u : 0u);
}

static uint64_t
payload_size(const uint8_t *head)
{
	unsigned len = head[1] & 0x7f, n = len == 126 ? 2 : 8;
	uint64_t v = 0;

	if (len < 126)
		return len;
	for (unsigned i = 0; i < n; i++)
		v = v << 8 | head[2 + i];
	return v;
}

void
websocket_frames_pass(struct websocket_frames *w, const uint8_t *p, size_t n)
{
	while (n > 0) {
		if (w->left > 0) {
			size_t take = w->left < n ? (size_t)w->left : n;

			w->left -= take;
			p += take;
			n -= take;
			continue;
		}
		w->head[w->have++] = *p++;
		n--;
		if (w->have >= 2 && w->have == head_size(w->head)) {
			w->left = payload_size(w->head);
			w->have = 0;
		}
	}
}

bool
websocket_frames_boundary(const struct websocket_frames *w)
{
	return w->left == 0 && w->have == 0;
}
