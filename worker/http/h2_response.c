/* SPDX-License-Identifier: BSD-2-Clause */
/* Response heads of HTTP/2: row H2-H19; see h2_response.h. */
#include "h2_response.h"

#include "h1_head.h"

/* Three digits, and no switching of protocols here (R08, R13). */
static int
take_status(struct h1_response *a, struct str status)
{
	if (status.n != 3)
		return -EBADMSG;
	for (size_t i = 0; i < 3; i++) {
		if (status.p[i] < '0' || status.p[i] > '9')
			return -EBADMSG;
		a->status = a->status * 10 + (unsigned)(status.p[i] - '0');
	}
	return a->status >= 100 && a->status <= 599 && a->status != 101 ?
	    0 : -EBADMSG;
}

/* Fields that speak of a connection have no meaning here (RFC 9113 8.2.2). */
static bool
is_connection_field(enum field_id id)
{
	return id == FIELD_CONNECTION || id == FIELD_PROXY_CONNECTION ||
	    id == FIELD_KEEP_ALIVE || id == FIELD_UPGRADE ||
	    id == FIELD_TRANSFER_ENCODING;
}

static int
take_length(struct h1_response *a, struct str value)
{
	uint64_t n;

	if (h1_parse_length(value, &n) < 0 ||
	    (a->has_length && n != a->length))			/* R02 */
		return -EBADMSG;
	a->equal_lengths |= a->has_length;
	a->has_length = true;
	a->length = n;
	return 0;
}

static bool
is_clean(const struct field *f)
{
	struct str value = field_value(f);

	return field_name_valid(field_name(f)) && field_value_valid(value) &&
	    str_trim(value).n == value.n;			/* R09 */
}

/* Each is read where it stands and written behind those kept so far. */
static int
take_fields(struct h1_response *a)
{
	struct fields *fs = a->fields;
	unsigned n = fs->n;

	fs->n = 0;
	for (unsigned i = 0; i < n; i++) {
		struct field f = fs->v[i];
		enum field_id id = field_lookup(field_name(&f));

		if (!is_clean(&f) || is_connection_field(id))
			return -EBADMSG;
		if (id == FIELD_CONTENT_LENGTH) {
			if (take_length(a, field_value(&f)) < 0)
				return -EBADMSG;
			continue;
		}
		(void)fields_push(fs, id, field_name(&f), field_value(&f));
	}
	return 0;
}

int
h2_parse_response(struct h1_response *a, struct fields *fields,
    struct str status, bool ended, struct str method)
{
	bool never, bodyless;

	*a = (struct h1_response){ .fields = fields, .minor = 1,
	    .keep_alive = true };
	if (take_status(a, status) < 0 || take_fields(a) < 0)
		return -EBADMSG;
	never = a->status < 200 || a->status == 204;
	bodyless = never || a->status == 304 || str_eq(method, STR("HEAD"));
	/* An interim answer ends nothing, and promises are kept (R05). */
	if (ended && (a->status < 200 || (!bodyless && a->has_length &&
	    a->length > 0)))
		return -EBADMSG;
	if (never)						/* R07 */
		a->has_length = false;
	a->framing = bodyless || ended ? H1_NONE :
	    a->has_length ? H1_LENGTH : H1_CHUNKED;
	return 0;
}

int
h2_parse_trailers(struct fields *fs)
{
	FIELDS_EACH(fs, f) {
		if (!is_clean(f))
			return -EBADMSG;
		f->id = (uint16_t)field_lookup(field_name(f));
	}
	fields_remove_classes(fs, CLASS_HOP | CLASS_FRAMING);
	return 0;
}
