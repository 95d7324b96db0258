/* SPDX-License-Identifier: BSD-2-Clause */
/* The control socket: answers, and clients that do not behave. */
#include "control.h"
#include "unit.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static struct loop *loop;
static struct control *control;
static struct sockaddr_un name;
static unsigned handled;

static void
handle(void *arg, uint64_t client, const char *command, const json_t *request)
{
	(void)arg;
	(void)request;
	handled++;
	if (strcmp(command, "large") == 0) {
		json_t *list = json_array();

		for (int i = 0; i < 20000; i++)
			json_array_append_new(list, json_string(
			    "0123456789012345678901234567890123456789"));
		control_end(control, client, json_pack("{s:b, s:o}", "ok", 1,
		    "list", list));
	} else if (strcmp(command, "slow") == 0) {
		control_progress(control, client, "working");
	} else {
		control_end(control, client, json_pack("{s:b}", "ok", 1));
	}
}

static void
setup(int *ret_listen)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);

	memset(&name, 0, sizeof(name));
	name.sun_family = AF_UNIX;
	/* An abstract name: no file to clean up. */
	snprintf(name.sun_path + 1, sizeof(name.sun_path) - 1, "akkod-%d",
	    (int)getpid());
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&name, sizeof(name)), 0);
	ck_assert_int_eq(listen(fd, 64), 0);
	loop = loop_new();
	control = control_new(loop, fd, handle, NULL);
	handled = 0;
	*ret_listen = fd;
}

static int
client(const char *text)
{
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	ck_assert_int_eq(connect(fd, (struct sockaddr *)&name, sizeof(name)),
	    0);
	if (text[0] != '\0')
		ck_assert_int_gt(send(fd, text, strlen(text), MSG_NOSIGNAL), 0);
	return fd;
}

static void
turns(unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		loop_turn(loop, clock_mono() + NSEC_MSEC);
}

/* What the master sent so far; "" for nothing, "closed" at the end. */
static const char *
answer(int fd)
{
	static char text[4096];
	ssize_t n = recv(fd, text, sizeof(text) - 1, MSG_DONTWAIT);

	if (n == 0)
		return "closed";
	text[n > 0 ? n : 0] = '\0';
	return text;
}

START_TEST(requests_are_answered)
{
	static const struct { const char *send, *want; } cases[] = {
		{ "{\"command\":\"x\"}\n", "{\"ok\":true}\n" },
		{ "garbage\n", "\"ok\":false" },
		{ "{}\n", "\"ok\":false" },
		{ "[1]\n", "\"ok\":false" },
		{ "{\"command\":1}\n", "\"ok\":false" },
		{ "\n", "\"ok\":false" },
	};
	int listening;

	setup(&listening);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		int fd = client(cases[i].send);
		const char *got;

		turns(3);
		got = answer(fd);
		ck_assert_msg(strstr(got, cases[i].want) != NULL,
		    "case %zu: %s", i, got);
		ck_assert_str_eq(answer(fd), "closed");
		close(fd);
	}
	ck_assert_uint_eq(handled, 1);
	control_free(control);
	loop_free(loop);
	close(listening);
}
END_TEST

START_TEST(bad_clients_block_nobody)
{
	int listening, silent[40], large, good, slow;
	char *long_line = malloc(20001);

	setup(&listening);
	memset(long_line, 'x', 20000);
	long_line[20000] = '\0';
	/* One that asks for much and does not read. */
	large = client("{\"command\":\"large\"}\n");
	turns(3);
	/* One that leaves while its command runs. */
	slow = client("{\"command\":\"slow\"}\n");
	turns(3);
	ck_assert_str_eq(answer(slow), "{\"progress\":\"working\"}\n");
	close(slow);
	turns(2);
	control_end(control, 2, json_pack("{s:b}", "ok", 1));
	/* One whose line does not end. */
	slow = client(long_line);
	turns(20);
	ck_assert_msg(strstr(answer(slow), "too long") != NULL, "no refusal");
	close(slow);
	good = client("{\"command\":\"x\"}\n");
	turns(5);
	ck_assert_str_eq(answer(good), "{\"ok\":true}\n");
	close(good);
	/* More silent ones than there is room for. */
	for (int i = 0; i < 40; i++)
		silent[i] = client("");
	turns(50);
	for (int i = 0; i < 40; i++)
		close(silent[i]);
	turns(50);
	good = client("{\"command\":\"x\"}\n");
	turns(5);
	ck_assert_str_eq(answer(good), "{\"ok\":true}\n");
	close(good);
	close(large);
	control_free(control);
	loop_free(loop);
	close(listening);
	free(long_line);
}
END_TEST

UNIT_MAIN("control", requests_are_answered, bad_clients_block_nobody)
