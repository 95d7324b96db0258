/* SPDX-License-Identifier: BSD-2-Clause */
/* The general log: forms, levels, no forged lines, never blocking. */
#include "log.h"

#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

static int pair[2];

static void
begin(enum log_level level, enum log_format format)
{
	ck_assert_int_eq(pipe2(pair, O_NONBLOCK), 0);
	log_open(pair[1], level, format);
}

/* What was written since, without the time at the front of common lines. */
static const char *
got(void)
{
	static char text[65536];
	ssize_t n = read(pair[0], text, sizeof(text) - 1);

	text[n > 0 ? n : 0] = '\0';
	return text;
}

START_TEST(forms)
{
	const char *s;

	begin(LOG_INFO, LOG_COMMON);
	log_info("hello %d", 7);
	s = got();
	ck_assert_uint_gt(strlen(s), 21);
	ck_assert_str_eq(s + 20, " INF hello 7\n");
	ck_assert_int_eq(s[10], 'T');
	ck_assert_int_eq(s[19], 'Z');
	log_set_role("worker 1");
	log_error("bad");
	ck_assert_str_eq(got() + 20, " ERR worker 1: bad\n");
	log_open(pair[1], LOG_INFO, LOG_JSON);
	log_warn("say \"x\"\n");
	s = got();
	ck_assert(strncmp(s, "{\"level\":\"warn\",\"process\":\"worker 1\","
	    "\"time\":\"", 44) == 0);
	ck_assert_ptr_nonnull(strstr(s, "\"message\":\"say \\\"x\\\"\\n\"}\n"));
}
END_TEST

START_TEST(level)
{
	static const char *const words[] = { "trace", "DEBUG", "Info", "warn",
	    "ERROR", "fatal" };
	enum log_level l;

	for (int i = 0; i < LOG_LEVELS; i++) {
		ck_assert_int_eq(log_level_parse(str_c(words[i]), &l), 0);
		ck_assert_int_eq(l, i);
	}
	ck_assert_int_eq(log_level_parse(STR("panic"), &l), 0);
	ck_assert_int_eq(l, LOG_FATAL);
	ck_assert_int_eq(log_level_parse(STR("loud"), &l), -EINVAL);
	ck_assert_int_eq(log_level_parse(STR(""), &l), -EINVAL);
	begin(LOG_WARN, LOG_COMMON);
	log_debug("no");
	log_info("no");
	ck_assert_str_eq(got(), "");
	log_error("yes");
	ck_assert_ptr_nonnull(strstr(got(), "yes"));
	ck_assert_int_eq(log_level(), LOG_WARN);
}
END_TEST

/* What a peer says cannot begin a line (S-707). */
START_TEST(one_event_one_line)
{
	static char big[20000];

	begin(LOG_INFO, LOG_COMMON);
	log_info("a\nb\r\x1b[31m\x7f\t");
	ck_assert_str_eq(got() + 20,
	    " INF a\\x0ab\\x0d\\x1b[31m\\x7f\\x09\n");
	memset(big, 'x', sizeof(big) - 1);
	log_info("%s", big);
	ck_assert_str_eq(got() + 20, " INF (line too long)\n");
}
END_TEST

/* A reader that does not read costs lines, not time; errno is kept. */
START_TEST(never_blocks)
{
	begin(LOG_INFO, LOG_COMMON);
	errno = ENOENT;
	for (int i = 0; i < 3000; i++)
		log_info("%0100d", i);
	ck_assert_int_eq(errno, ENOENT);
	ck_assert_uint_gt(log_dropped(), 0);
	log_set_fd(-1);
	log_info("nowhere");
	ck_assert_int_eq(errno, ENOENT);
}
END_TEST

START_TEST(limited)
{
	struct log_limit l = { 0, 0 };
	unsigned passed = 0;

	begin(LOG_INFO, LOG_COMMON);
	for (int i = 0; i < 100; i++)
		passed += log_limit_pass(&l);
	ck_assert_uint_eq(passed, 1);
	ck_assert_uint_eq(l.skipped, 99);
	l.next_ns = 0;
	ck_assert(log_limit_pass(&l));
	ck_assert_ptr_nonnull(strstr(got(), "99 similar lines left out"));
	ck_assert_uint_eq(l.skipped, 0);
}
END_TEST

UNIT_MAIN("log", forms, level, one_event_one_line, never_blocks, limited)
