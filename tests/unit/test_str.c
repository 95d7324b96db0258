/* SPDX-License-Identifier: BSD-2-Clause */
/* Byte slices, and arenas, which hand them out. */
#include "str.h"

#include "arena.h"
#include "hash.h"
#include "unit.h"

#include <errno.h>

START_TEST(compare)
{
	ck_assert(str_eq(STR("a"), STR("a")));
	ck_assert(!str_eq(STR("a"), STR("A")));
	ck_assert(str_eq(STR_NONE, STR("")));
	ck_assert(str_caseeq(STR("aB-1"), STR("Ab-1")));
	ck_assert(!str_caseeq(STR("a\xc4"), STR("a\xe4")));
	ck_assert(!str_caseeq(STR("@"), STR("`")));
	ck_assert(!str_caseeq(STR("["), STR("{")));
	ck_assert_int_lt(str_cmp(STR("a"), STR("ab")), 0);
	ck_assert_int_gt(str_cmp(STR("b"), STR("ab")), 0);
	ck_assert_int_eq(str_cmp(STR_NONE, STR("")), 0);
	ck_assert_int_lt(str_cmp(STR("a"), STR("\x80")), 0);
	ck_assert(str_has_prefix(STR("abc"), STR("ab")));
	ck_assert(str_has_prefix(STR("abc"), STR("")));
	ck_assert(!str_has_prefix(STR("ab"), STR("abc")));
	ck_assert(str_has_suffix(STR("abc"), STR("bc")));
	ck_assert(!str_has_suffix(STR("bc"), STR("abc")));
	ck_assert(str_has_caseprefix(STR("BaSic x"), STR("basic ")));
}
END_TEST

START_TEST(find)
{
	struct str s = STR("abcabc");

	ck_assert_int_eq(str_chr(s, 'c'), 2);
	ck_assert_int_eq(str_rchr(s, 'c'), 5);
	ck_assert_int_eq(str_chr(s, 'x'), -1);
	ck_assert_int_eq(str_chr(STR_NONE, 'x'), -1);
	ck_assert_int_eq(str_rchr(STR_NONE, 'x'), -1);
	ck_assert_int_eq(str_find(s, STR("ca")), 2);
	ck_assert_int_eq(str_find(s, STR("cb")), -1);
	ck_assert_int_eq(str_find(s, STR("")), 0);
	ck_assert_int_eq(str_find(STR_NONE, STR("a")), -1);
	ck_assert_int_eq(str_find(STR("a\0b"), STR("\0b")), 1);
	ck_str_is(str_from(s, 4), "bc");
	ck_str_is(str_from(s, 99), "");
	ck_str_is(str_head(s, 2), "ab");
	ck_str_is(str_head(s, 99), "abcabc");
	ck_str_is(str_trim(STR(" \t a b \t")), "a b");
	ck_str_is(str_trim(STR(" \t ")), "");
	ck_str_is(str_trim(STR("\na\r")), "\na\r");
}
END_TEST

START_TEST(lists)
{
	static const struct { const char *in; const char *out[5]; } rows[] = {
		{ "a", { "a" } }, { "a,b", { "a", "b" } },
		{ " a , b ", { "a", "b" } }, { "a,", { "a", "" } },
		{ ",", { "", "" } }, { "a,,b", { "a", "", "b" } },
		{ "", { "" } },
	};
	struct str rest, item;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		unsigned n = 0;

		rest = str_c(rows[i].in);
		while (str_next(&rest, ',', &item)) {
			ck_assert_ptr_nonnull(rows[i].out[n]);
			ck_str_is(item, rows[i].out[n++]);
		}
		ck_assert_ptr_null(rows[i].out[n]);
	}
	rest = STR_NONE;
	ck_assert(!str_next(&rest, ',', &item));
}
END_TEST

START_TEST(numbers)
{
	static const struct { const char *in; int r; uint64_t v; } rows[] = {
		{ "0", 0, 0 }, { "007", 0, 7 }, { "65535", 0, 65535 },
		{ "18446744073709551615", 0, UINT64_MAX },
		{ "18446744073709551616", -ERANGE, 0 },
		{ "99999999999999999999999", -ERANGE, 0 },
		{ "", -EINVAL, 0 }, { "-1", -EINVAL, 0 }, { "+1", -EINVAL, 0 },
		{ " 1", -EINVAL, 0 }, { "1 ", -EINVAL, 0 }, { "0x1", -EINVAL,
		    0 }, { "1.0", -EINVAL, 0 }, { "1e3", -EINVAL, 0 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		uint64_t v = 12;

		ck_assert_int_eq(str_u64(str_c(rows[i].in), &v), rows[i].r);
		if (rows[i].r == 0)
			ck_assert_uint_eq(v, rows[i].v);
	}
	ck_assert_int_eq(str_u64(STR("1\0"), &(uint64_t){ 0 }), -EINVAL);
}
END_TEST

START_TEST(copies)
{
	char *c = str_dup(STR("abc"));

	ck_assert_str_eq(c, "abc");
	free(c);
	c = str_dup(STR_NONE);
	ck_assert_str_eq(c, "");
	free(c);
	ck_assert_uint_eq(str_c(NULL).n, 0);
}
END_TEST

START_TEST(arenas)
{
	struct arena a;
	char *p[100];

	arena_init(&a, 1 << 20);
	for (int round = 0; round < 3; round++) {
		for (size_t i = 0; i < 100; i++) {
			p[i] = arena_alloc(&a, i * 50 + 1);
			ck_assert_ptr_nonnull(p[i]);
			ck_assert_uint_eq((uintptr_t)p[i] % 16, 0);
			memset(p[i], (int)i, i * 50 + 1);
		}
		for (size_t i = 0; i < 100; i++)
			for (size_t k = 0; k <= i * 50; k += 25)
				ck_assert_int_eq(p[i][k], (char)i);
		arena_reset(&a);
	}
	for (size_t i = 0; i < 100; i++)
		ck_assert_int_eq(((char *)arena_zalloc(&a, 100))[i], 0);
	ck_str_is(arena_dup(&a, STR("x")), "x");
	ck_str_is(arena_printf(&a, "%d-%s", 7, "x"), "7-x");
	ck_assert_ptr_null(arena_alloc(&a, 1 << 21));
	ck_assert_ptr_null(arena_alloc(&a, SIZE_MAX));
	ck_assert_ptr_null(arena_alloc(&a, SIZE_MAX - 8));
	arena_fini(&a);
	arena_init(&a, 64);
	ck_assert_ptr_nonnull(arena_alloc(&a, 64));
	ck_assert_ptr_null(arena_alloc(&a, 1));
	ck_assert_ptr_null(arena_dup(&a, STR("x")).p);
	ck_assert_ptr_null(arena_printf(&a, "x").p);
	arena_fini(&a);
}
END_TEST

START_TEST(hashes)
{
	char text[64];
	uint64_t seen[64];

	memset(text, 0, sizeof(text));
	for (size_t n = 0; n < 64; n++) {
		seen[n] = hash_bytes(text, n, 1);
		for (size_t k = 0; k < n; k++)
			ck_assert_uint_ne(seen[k], seen[n]);
		ck_assert_uint_ne(seen[n], hash_bytes(text, n, 2));
	}
	ck_assert_uint_eq(hash_casestr(STR("Ab-C"), 3), hash_casestr(
	    STR("aB-c"), 3));
	ck_assert_uint_ne(hash_casestr(STR("ab"), 3), hash_casestr(STR("ac"),
	    3));
}
END_TEST

UNIT_MAIN("str", compare, find, lists, numbers, copies, arenas, hashes)
