/* SPDX-License-Identifier: BSD-2-Clause */
/* The controller's stream: what counts when, and what ends the conversation. */
#include "parts.h"

#include "unit.h"
#include "wire.h"

#include <stdio.h>

static struct parts *parts;
static bool changed;

static void
setup_parts(void)
{
	parts_free(parts);
	parts = parts_new();
	changed = false;
}

static int
feed(struct str bytes)
{
	const char *why = NULL;
	int r = parts_feed(parts, bytes, &changed, &why);

	ck_assert(r == 0 || why != NULL);
	return r;
}

static int
say(struct change c)
{
	struct buf b = BUF_INIT;
	int r;

	ck_assert_int_eq(change_put(&b, &c), 0);
	r = feed(buf_str(&b));
	buf_fini(&b);
	return r;
}

static char text_s[] = "s", text_rule[64];

static int
say_router(const char *name, const char *rule)
{
	struct router r = { .service = text_s, .rule_text = text_rule };
	struct buf body = BUF_INIT;
	int ret;

	snprintf(text_rule, sizeof(text_rule), "%s", rule);
	wire_encode(schema_router, &r, &body);
	ret = say((struct change){ .op = CHANGE_UPSERT,
	    .kind = CHANGE_ROUTER, .name = str_c(name),
	    .origin = STR("Ingress a/b"), .body = buf_str(&body) });
	buf_fini(&body);
	return ret;
}

static int
end_batch(bool synced)
{
	if (synced && say((struct change){ .op = CHANGE_SYNCED }) < 0)
		return -1;
	changed = false;
	return say((struct change){ .op = CHANGE_COMMIT });
}

static unsigned
routers(void)
{
	struct world_part w[CHANGE_PARTS];

	return parts_world(parts, w) == 0 ? 99 : w[0].dynamic->routers.n;
}

START_TEST(counts_when_committed)
{
	setup_parts();
	ck_assert_int_eq(say_router("r1", "Path(`/`)"), 0);
	ck_assert_uint_eq(routers(), 99);
	/* Without the mark nothing is served yet. */
	ck_assert_int_eq(end_batch(false), 0);
	ck_assert(!changed);
	ck_assert_uint_eq(routers(), 99);
	ck_assert_int_eq(end_batch(true), 0);
	ck_assert(changed);
	ck_assert_uint_eq(routers(), 1);
	ck_assert_int_eq(say_router("r2", "Path(`/x`)"), 0);
	ck_assert_uint_eq(routers(), 1);
	ck_assert_int_eq(end_batch(false), 0);
	ck_assert(changed);
	ck_assert_uint_eq(routers(), 2);
}
END_TEST

START_TEST(same_again_is_no_change)
{
	setup_parts();
	ck_assert_int_eq(say_router("r1", "Path(`/`)"), 0);
	ck_assert_int_eq(end_batch(true), 0);
	ck_assert_int_eq(say_router("r1", "Path(`/`)"), 0);
	ck_assert_int_eq(end_batch(false), 0);
	ck_assert(!changed);
	ck_assert_int_eq(say_router("r1", "Path(`/y`)"), 0);
	ck_assert_int_eq(end_batch(false), 0);
	ck_assert(changed);
	ck_assert_uint_eq(routers(), 1);
	ck_assert_int_eq(say((struct change){ .op = CHANGE_DELETE,
	    .name = STR("r1") }), 0);
	ck_assert_int_eq(end_batch(false), 0);
	ck_assert(changed);
	ck_assert_uint_eq(routers(), 0);
	/* Of what is not there. */
	ck_assert_int_eq(say((struct change){ .op = CHANGE_DELETE,
	    .name = STR("r1") }), 0);
	ck_assert_int_eq(end_batch(false), 0);
	ck_assert(!changed);
}
END_TEST

/* A controller that starts anew: nothing is lost before it has said all. */
START_TEST(restart)
{
	setup_parts();
	ck_assert_int_eq(say_router("r1", "Path(`/1`)"), 0);
	ck_assert_int_eq(say_router("r2", "Path(`/2`)"), 0);
	ck_assert_int_eq(end_batch(true), 0);
	ck_assert_int_eq(say_router("lost", "Path(`/3`)"), 0);
	ck_assert_int_eq(feed(STR("\x40")), 0);		/* half a record */
	parts_restart(parts);
	ck_assert_uint_eq(routers(), 2);
	ck_assert_int_eq(say_router("r2", "Path(`/2`)"), 0);
	ck_assert_int_eq(end_batch(false), 0);
	ck_assert_uint_eq(routers(), 2);
	ck_assert_int_eq(end_batch(true), 0);
	ck_assert(changed);
	ck_assert_uint_eq(routers(), 1);
}
END_TEST

/* What was saved counts until a controller has said all. */
START_TEST(saved_and_restored)
{
	struct buf saved = BUF_INIT;
	const char *why = "";

	setup_parts();
	parts_save(parts, &saved);
	ck_assert_uint_eq(saved.n, 0);
	ck_assert_int_eq(say_router("r1", "Path(`/1`)"), 0);
	ck_assert_int_eq(say_router("r2", "Path(`/2`)"), 0);
	ck_assert_int_eq(end_batch(true), 0);
	parts_save(parts, &saved);

	setup_parts();
	/* The controller is in the midst of its first words. */
	ck_assert_int_eq(say_router("r2", "Path(`/2`)"), 0);
	ck_assert_int_eq(parts_restore(parts, buf_str(&saved), &why), 0);
	ck_assert(parts_restored(parts, PART_INGRESS));
	ck_assert(!parts_synced(parts, PART_INGRESS));
	ck_assert(!parts_restored(parts, PART_CRD));
	ck_assert_uint_eq(routers(), 2);
	ck_assert_int_eq(end_batch(true), 0);
	ck_assert(changed);
	ck_assert(!parts_restored(parts, PART_INGRESS));
	ck_assert(parts_synced(parts, PART_INGRESS));
	ck_assert_uint_eq(routers(), 1);
	/* Too late. */
	ck_assert_int_eq(parts_restore(parts, buf_str(&saved), &why), 0);
	ck_assert_uint_eq(routers(), 1);
	buf_fini(&saved);
}
END_TEST

/* Half of it is nothing, wherever it is cut. */
START_TEST(restored_whole_or_not)
{
	struct buf saved = BUF_INIT;
	const char *why = NULL;

	setup_parts();
	ck_assert_int_eq(say_router("r1", "Path(`/1`)"), 0);
	ck_assert_int_eq(end_batch(true), 0);
	parts_save(parts, &saved);
	for (size_t n = 1; n < saved.n; n++) {
		setup_parts();
		/* The mark and the commit are the last records. */
		ck_assert(parts_restore(parts, str_head(buf_str(&saved), n),
		    &why) < 0 || routers() == 99);
	}
	for (size_t n = 0; n < saved.n; n++) {
		setup_parts();
		saved.p[n] ^= 0x40;
		(void)parts_restore(parts, buf_str(&saved), &why);
		saved.p[n] ^= 0x40;
	}
	buf_fini(&saved);
}
END_TEST

/* A file that takes objects back is no snapshot that was ever written. */
START_TEST(restored_with_holes)
{
	struct buf saved = BUF_INIT;
	const char *why = NULL;
	struct change gone = { .op = CHANGE_DELETE, .name = STR("r1") };
	struct change end = { .op = CHANGE_SYNCED };

	setup_parts();
	ck_assert_int_eq(say_router("r1", "Path(`/1`)"), 0);
	ck_assert_int_eq(say_router("r2", "Path(`/2`)"), 0);
	ck_assert_int_eq(end_batch(true), 0);
	parts_save(parts, &saved);
	(void)change_put(&saved, &gone);
	(void)change_put(&saved, &end);
	end.op = CHANGE_COMMIT;
	(void)change_put(&saved, &end);
	setup_parts();
	ck_assert_int_lt(parts_restore(parts, buf_str(&saved), &why), 0);
	ck_assert_str_eq(why, "it takes back what it says");
	ck_assert(!parts_restored(parts, PART_INGRESS));
	buf_fini(&saved);
}
END_TEST

START_TEST(states_of_watches)
{
	struct change_state s = { 12, 3, 5 * NSEC_SEC }, got;
	struct buf b = BUF_INIT;

	setup_parts();
	change_put_state(&b, &s);
	ck_assert_int_eq(change_get_state(buf_str(&b), &got), 0);
	ck_assert_uint_eq(got.objects, 12);
	ck_assert_uint_eq(got.errors, 3);
	ck_assert_int_eq(got.heard, 5 * NSEC_SEC);
	ck_assert_int_eq(say((struct change){ .op = CHANGE_STATE,
	    .name = STR("Ingress"), .body = buf_str(&b) }), 0);
	ck_assert_int_lt(say((struct change){ .op = CHANGE_STATE,
	    .name = STR("Ingress"), .body = str_head(buf_str(&b), 8) }), 0);
	b.p[7] = '\x80';		/* more than JSON can show */
	ck_assert_int_lt(change_get_state(buf_str(&b), &got), 0);
	buf_fini(&b);
}
END_TEST

START_TEST(in_pieces_of_any_size)
{
	struct buf all = BUF_INIT;
	struct router r = { .service = text_s, .rule_text = text_s };
	struct buf body = BUF_INIT;

	wire_encode(schema_router, &r, &body);
	for (unsigned i = 0; i < 20; i++) {
		char name[8];

		snprintf(name, sizeof(name), "r%u", i);
		ck_assert_int_eq(change_put(&all, &(struct change){
		    .op = CHANGE_UPSERT, .name = str_c(name),
		    .body = buf_str(&body) }), 0);
	}
	change_put(&all, &(struct change){ .op = CHANGE_SYNCED });
	change_put(&all, &(struct change){ .op = CHANGE_COMMIT });
	for (size_t step = 1; step < 70; step += 3) {
		setup_parts();
		for (size_t at = 0; at < all.n; at += step)
			ck_assert_int_eq(feed(str_head(str_from(buf_str(&all),
			    at), step)), 0);
		ck_assert_uint_eq(routers(), 20);
	}
	buf_fini(&all);
	buf_fini(&body);
}
END_TEST

static void
check_cert(const char *cert, const char *key, int want)
{
	struct cert_files c = { .cert_file = (char *)(size_t)cert,
	    .key_file = (char *)(size_t)key };
	struct buf body = BUF_INIT;

	setup_parts();
	wire_encode(schema_certificate, &c, &body);
	ck_assert_int_eq(say((struct change){ .op = CHANGE_UPSERT,
	    .kind = CHANGE_CERTIFICATE, .name = STR("c"),
	    .body = buf_str(&body) }) == 0, want);
	buf_fini(&body);
}

/* What a controller that was taken over might try. */
START_TEST(hostile)
{
	struct mw_basic_auth auth = { .users_file = text_rule };
	struct middleware m = { .basic_auth = &auth };
	struct buf body = BUF_INIT;

	/* Files of the master. */
	check_cert("-----BEGIN CERTIFICATE-----", "/etc/shadow", 0);
	check_cert("/etc/shadow", "-----BEGIN PRIVATE KEY-----", 0);
	check_cert("-----BEGIN CERTIFICATE-----",
	    "-----BEGIN PRIVATE KEY-----", 1);
	setup_parts();
	snprintf(text_rule, sizeof(text_rule), "/etc/shadow");
	wire_encode(schema_middleware, &m, &body);
	ck_assert_int_lt(say((struct change){ .op = CHANGE_UPSERT,
	    .kind = CHANGE_MIDDLEWARE, .name = STR("m"),
	    .body = buf_str(&body) }), 0);
	buf_fini(&body);
	/* Names of others. */
	setup_parts();
	ck_assert_int_lt(say_router("ping@internal", "Path(`/`)"), 0);
	setup_parts();
	ck_assert_int_lt(say_router("", "Path(`/`)"), 0);
	/* Bytes. */
	setup_parts();
	ck_assert_int_lt(feed(STR("\xff\xff\xff\x7f")), 0);
	setup_parts();
	ck_assert_int_lt(feed(STR("\x04\0\0\0\x01\0\0\0")), 0);
	setup_parts();
	ck_assert_int_lt(feed(STR("\x0a\0\0\0\x63\0\0\0\0\0\0\0\0\0")), 0);
	setup_parts();
	ck_assert_int_lt(say((struct change){ .op = CHANGE_SETTINGS }), 0);
	/* A rule that does not parse is an object's fault, not the stream's. */
	setup_parts();
	ck_assert_int_eq(say_router("r", "Path("), 0);
	ck_assert_int_eq(end_batch(true), 0);
	ck_assert_uint_eq(routers(), 1);
}
END_TEST

UNIT_MAIN("parts", counts_when_committed, same_again_is_no_change, restart,
    saved_and_restored, restored_whole_or_not, restored_with_holes,
    states_of_watches, in_pieces_of_any_size, hostile)
