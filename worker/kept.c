/* SPDX-License-Identifier: BSD-2-Clause */
/* Requests that are kept; see kept.h. */
#include "kept.h"

#include "worker.h"

#include <errno.h>

/* ---- The body -------------------------------------------------------------- */

static void
drop_body(struct kept *k)
{
	k->x->w->kept -= k->body.n;
	buf_fini(&k->body);
	k->body = (struct buf)BUF_INIT;
	k->given = 0;
}

static void
lose(struct kept *k)
{
	drop_body(k);
	k->lost = true;
}

static void
keep(struct kept *k, struct str piece)
{
	if (k->lost)
		return;
	k->no_room = k->x->w->kept + piece.n > KEPT_MAX;
	if (piece.n > k->max - k->body.n || k->no_room) {
		lose(k);
		return;
	}
	k->x->w->kept += piece.n;
	buf_puts(&k->body, piece);
	/* After a failure it holds less than was counted. */
	if (buf_failed(&k->body)) {
		k->x->w->kept -= piece.n;
		k->no_room = true;
		lose(k);
	}
	k->given = k->body.n;
}

static int
read_kept(struct fiber *f, struct exchange *x, struct source *src,
    struct upstream *watch, struct str *ret)
{
	struct kept *k = (struct kept *)src;
	int r = k->failed;

	*ret = str_from(buf_str(&k->body), k->given);
	if (ret->n != 0) {
		k->given = k->body.n;
		src->done = k->from == NULL || k->from->done;
		return 1;
	}
	if (k->from != NULL && r == 0)
		r = k->from->read(f, x, k->from, watch, ret);
	if (r > 0)
		keep(k, *ret);
	if (r < 0 && r != -EINTR)
		k->failed = r;
	src->done = k->from == NULL || k->from->done;
	return r;
}

/* What is passed over cannot be kept. */
static void
skip_kept(struct exchange *x, struct source *src)
{
	struct kept *k = (struct kept *)src;

	if (!k->from->done)
		k->from->skip(x, k->from);
	src->done = k->from->done;
	lose(k);
}

int
kept_fill(struct fiber *f, struct kept *k)
{
	struct str piece;
	int r = 1;

	while (!k->lost && !k->s.done && r > 0)
		r = read_kept(f, k->x, &k->s, NULL, &piece);
	k->given = 0;
	k->s.done = k->body.n == 0 && k->from->done;
	return k->no_room ? -ENOMEM : k->lost ? -EMSGSIZE : 0;
}

bool
kept_whole(const struct kept *k)
{
	return !k->lost && k->failed == 0;
}

/* ---- The head --------------------------------------------------------------- */

int
kept_begin(struct kept *k, struct exchange *x, int64_t max)
{
	const struct fields *fs = &x->req.fields;
	struct field *v = arena_alloc(&x->arena, (fs->n + 1) * sizeof(*v));

	*k = (struct kept){ .x = x, .from = x->body, .req = x->req,
	    .max = max < 0 ? KEPT_BODY_MAX : (size_t)max, .s = {
	    .read = read_kept, .done = x->body->done,
	    .duplex = x->body->duplex } };
	if (v == NULL)
		return -ENOMEM;
	if (fs->n != 0)
		memcpy(v, fs->v, fs->n * sizeof(*v));
	k->req.fields = (struct fields){ v, fs->n, fs->n };
	if (x->body->skip != NULL)
		k->s.skip = skip_kept;
	k->lost = x->req.framing == FRAMING_LENGTH &&
	    x->req.length > k->max;
	x->body = &k->s;
	return 0;
}

int
kept_again(struct kept *k)
{
	struct request *q = &k->x->req;
	struct fields fs = q->fields;

	*q = k->req;
	q->fields = (struct fields){ fs.v, 0, fs.cap };
	if (k->req.fields.n > fs.cap)
		return -ENOBUFS;
	if (k->req.fields.n != 0)
		memcpy(fs.v, k->req.fields.v, k->req.fields.n * sizeof(*fs.v));
	q->fields.n = k->req.fields.n;
	k->given = 0;
	k->s.done = k->body.n == 0 && (k->from == NULL || k->from->done);
	k->x->body = &k->s;
	return 0;
}

void
kept_end(struct kept *k)
{
	if (k->from != NULL)
		k->x->body = k->from;
	drop_body(k);
}

/* ---- Copies ------------------------------------------------------------------- */

static bool
copy_str(struct arena *a, struct str *s)
{
	bool was = s->p != NULL;

	*s = arena_dup(a, *s);
	return s->p != NULL || !was || s->n == 0;
}

static int
copy_head(struct kept *to, const struct request *from)
{
	struct arena *a = &to->x->arena;
	struct field *v = arena_alloc(a, (from->fields.n + 1) * sizeof(*v));

	to->req = *from;
	to->req.fields = (struct fields){ v, 0, from->fields.n + 1 };
	if (v == NULL || !copy_str(a, &to->req.method) ||
	    !copy_str(a, &to->req.path) || !copy_str(a, &to->req.query) ||
	    !copy_str(a, &to->req.host))
		return -ENOMEM;
	FIELDS_EACH(&from->fields, c) {
		struct str name = field_name(c), value = field_value(c);

		if (!copy_str(a, &name) || !copy_str(a, &value) ||
		    fields_push(&to->req.fields, (enum field_id)c->id, name,
		    value) < 0)
			return -ENOMEM;
	}
	return 0;
}

int
kept_copy(struct kept *to, struct exchange *x, struct kept *from,
    bool with_body)
{
	*to = (struct kept){ .x = x, .s.read = read_kept };
	if (copy_head(to, &from->req) < 0)
		return -ENOMEM;
	if (with_body) {
		to->body = from->body;
		from->body = (struct buf)BUF_INIT;
		from->given = 0;
	}
	to->req.framing = to->body.n != 0 ? FRAMING_LENGTH : FRAMING_NONE;
	to->req.length = to->body.n;
	to->req.expect_continue = false;
	return 0;
}
