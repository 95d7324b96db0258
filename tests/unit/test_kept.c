/* SPDX-License-Identifier: BSD-2-Clause */
/* Requests that are kept: what is read twice is the same, within bounds. */
#include "kept.h"
#include "unit.h"
#include "worker.h"

#include <errno.h>
#include <string.h>

/* A client that sends its pieces one by one. */
struct sender {
	struct source s;
	const char *const *pieces;
	unsigned at, n;
	int end;		/* 0, or how it fails */
};

static struct worker w;
static struct exchange x;
static struct sender from;

static int
send_piece(struct fiber *f, struct exchange *ex, struct source *src,
    struct upstream *watch, struct str *ret)
{
	struct sender *s = (struct sender *)src;

	(void)f;
	(void)ex;
	(void)watch;
	if (s->at == s->n)
		return s->end;
	*ret = str_c(s->pieces[s->at++]);
	s->s.done = s->at == s->n && s->end == 0;
	return 1;
}

static void
pass_over(struct exchange *ex, struct source *src)
{
	(void)ex;
	((struct sender *)src)->at = ((struct sender *)src)->n;
	src->done = true;
}

static const char *const three[] = { "one", "two", "three" };

static void
begin(unsigned n, int end)
{
	w.kept = 0;
	from = (struct sender){ .s = { .read = send_piece, .skip = pass_over,
	    .done = n == 0 }, .pieces = three, .n = n, .end = end };
	arena_init(&x.arena, 1 << 20);
	x.w = &w;
	x.body = &from.s;
	x.req = (struct request){ .method = STR("PUT"), .path = STR("/p"),
	    .framing = n == 0 ? FRAMING_NONE : FRAMING_CHUNKED,
	    .fields = { x.req_store, 0, FIELDS_MAX } };
	ck_assert_int_eq(fields_add(&x.req.fields, STR("X-A"), STR("1")), 0);
	ck_assert_int_eq(fields_add(&x.req.fields, STR("X-B"), STR("2")), 0);
}

static void
end(struct kept *k)
{
	kept_end(k);
	ck_assert_ptr_eq(x.body, &from.s);
	ck_assert_uint_eq(w.kept, 0);
	arena_fini(&x.arena);
}

/* Reads the body to its end, or to a failure. */
static int
read_all(struct buf *out)
{
	struct str piece;
	int r = 1;

	buf_reset(out);
	while (!x.body->done && (r = x.body->read(NULL, &x, x.body, NULL,
	    &piece)) > 0)
		buf_puts(out, piece);
	return r;
}

START_TEST(read_twice)
{
	struct buf got = BUF_INIT;
	struct kept k;

	for (int filled = 0; filled < 2; filled++) {
		begin(3, 0);
		ck_assert_int_eq(kept_begin(&k, &x, -1), 0);
		if (filled)
			ck_assert_int_eq(kept_fill(NULL, &k), 0);
		for (int i = 0; i < 3; i++) {
			ck_assert_int_gt(read_all(&got), 0);
			ck_assert_str_eq(buf_cstr(&got), "onetwothree");
			ck_assert(kept_whole(&k));
			/* What a service did to it is undone. */
			fields_remove_name(&x.req.fields, STR("X-A"));
			x.req.path = STR("/other");
			ck_assert_int_eq(kept_again(&k), 0);
			ck_str_is(x.req.path, "/p");
			ck_assert_uint_eq(x.req.fields.n, 2);
			ck_str_is(field_value(fields_find_name(&x.req.fields,
			    STR("X-A"))), "1");
		}
		end(&k);
	}
	buf_fini(&got);
}
END_TEST

/* Half was read when the second try begins: the rest comes from the client. */
START_TEST(goes_on)
{
	struct buf got = BUF_INIT;
	struct str piece;
	struct kept k;

	begin(3, 0);
	ck_assert_int_eq(kept_begin(&k, &x, -1), 0);
	ck_assert_int_eq(x.body->read(NULL, &x, x.body, NULL, &piece), 1);
	ck_assert_int_eq(kept_again(&k), 0);
	ck_assert_int_gt(read_all(&got), 0);
	ck_assert_str_eq(buf_cstr(&got), "onetwothree");
	end(&k);
	buf_fini(&got);
}
END_TEST

START_TEST(bounds)
{
	static const struct { int64_t max; size_t others; int fill; } rows[] = {
		{ 11, 0, 0 }, { 10, 0, -EMSGSIZE }, { 0, 0, -EMSGSIZE },
		{ -1, KEPT_MAX - 11, 0 }, { -1, KEPT_MAX - 10, -ENOMEM },
	};
	struct buf got = BUF_INIT;
	struct kept k;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		begin(3, 0);
		w.kept = rows[i].others;
		ck_assert_int_eq(kept_begin(&k, &x, rows[i].max), 0);
		ck_assert_int_eq(kept_fill(NULL, &k), rows[i].fill);
		ck_assert(kept_whole(&k) == (rows[i].fill == 0));
		kept_end(&k);
		ck_assert_uint_eq(w.kept, rows[i].others);
		w.kept = 0;
		end(&k);
		/* Without a fill the first reader is not disturbed. */
		begin(3, 0);
		w.kept = rows[i].others;
		ck_assert_int_eq(kept_begin(&k, &x, rows[i].max), 0);
		ck_assert_int_gt(read_all(&got), 0);
		ck_assert_str_eq(buf_cstr(&got), "onetwothree");
		ck_assert(kept_whole(&k) == (rows[i].fill == 0));
		w.kept -= rows[i].others;
		end(&k);
	}
	begin(3, 0);
	x.req.framing = FRAMING_LENGTH;
	x.req.length = 11;
	ck_assert_int_eq(kept_begin(&k, &x, 10), 0);
	ck_assert_int_eq(kept_fill(NULL, &k), -EMSGSIZE);
	ck_assert_uint_eq(from.at, 0);
	end(&k);
	buf_fini(&got);
}
END_TEST

/* Who serves it hears how the client failed, each time. */
START_TEST(failures)
{
	struct buf got = BUF_INIT;
	struct kept k;

	begin(2, -ETIMEDOUT);
	ck_assert_int_eq(kept_begin(&k, &x, 100), 0);
	ck_assert_int_eq(kept_fill(NULL, &k), 0);
	ck_assert(!kept_whole(&k));
	ck_assert_int_eq(read_all(&got), -ETIMEDOUT);
	ck_assert_str_eq(buf_cstr(&got), "onetwo");
	end(&k);
	/* What the codec passes over is not there a second time. */
	begin(3, 0);
	ck_assert_int_eq(kept_begin(&k, &x, -1), 0);
	x.body->skip(&x, x.body);
	ck_assert(x.body->done && from.s.done && !kept_whole(&k));
	end(&k);
	begin(0, 0);
	ck_assert_int_eq(kept_begin(&k, &x, 0), 0);
	ck_assert_int_eq(kept_fill(NULL, &k), 0);
	ck_assert(x.body->done && kept_whole(&k));
	end(&k);
	buf_fini(&got);
}
END_TEST

START_TEST(copies)
{
	static struct exchange other;
	char path[] = "/path", value[] = "value";
	struct buf got = BUF_INIT;
	struct kept k, c;

	for (int with_body = 0; with_body < 2; with_body++) {
		begin(3, 0);
		strcpy(path, "/path");
		strcpy(value, "value");
		x.req.path = str_c(path);
		ck_assert_int_eq(fields_add(&x.req.fields, STR("X-C"),
		    str_c(value)), 0);
		ck_assert_int_eq(kept_begin(&k, &x, -1), 0);
		ck_assert_int_gt(read_all(&got), 0);
		arena_init(&other.arena, 1 << 20);
		other.w = &w;
		other.req.fields = (struct fields){ other.req_store, 0,
		    FIELDS_MAX };
		ck_assert_int_eq(kept_copy(&c, &other, &k, with_body), 0);
		kept_end(&k);
		memset(path, 'x', 5);
		memset(value, 'x', 5);
		ck_assert_uint_eq(w.kept, with_body ? 11 : 0);
		for (int i = 0; i < 2; i++) {
			struct str piece = STR_NONE;

			ck_assert_int_eq(kept_again(&c), 0);
			ck_str_is(other.req.path, "/path");
			ck_str_is(field_value(fields_find_name(
			    &other.req.fields, STR("X-C"))), "value");
			ck_assert_uint_eq(other.req.framing, with_body ?
			    FRAMING_LENGTH : FRAMING_NONE);
			ck_assert_uint_eq(other.req.length, with_body ? 11 : 0);
			ck_assert(other.body->done == !with_body);
			if (with_body)
				ck_assert_int_eq(other.body->read(NULL, &other,
				    other.body, NULL, &piece), 1);
			ck_str_is(piece, with_body ? "onetwothree" : "");
			ck_assert(other.body->done);
		}
		kept_end(&c);
		arena_fini(&other.arena);
		end(&k);
	}
	buf_fini(&got);
}
END_TEST

UNIT_MAIN("kept", read_twice, goes_on, bounds, failures, copies)
