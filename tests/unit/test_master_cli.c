/* SPDX-License-Identifier: BSD-2-Clause */
/* The command line and the small parsers of the master. */
#include "cli.h"
#include "entry_address.h"
#include "listen.h"
#include "name_map.h"
#include "runtime.h"
#include "server_url.h"
#include "unit.h"

#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define ARGS_MAX	8

START_TEST(command_lines)
{
	static const struct {
		const char *argv[ARGS_MAX];
		int status;
		const char *command, *config, *error;
	} cases[] = {
		{ { "akkod", "run" }, 0, "run", NULL, NULL },
		{ { "akkod", "run", "-c", "/a" }, 0, "run", "/a", NULL },
		{ { "akkod", "run", "--config=/a" }, 0, "run", "/a", NULL },
		{ { "akkod", "run", "--config", "/a" }, 0, "run", "/a", NULL },
		{ { "akkod", "run", "-c", "/a", "-c", "/b" }, 0, "run", "/b", NULL },
		{ { "akkod", "--help" }, 0, "help", NULL, NULL },
		{ { "akkod", "--version" }, 0, "version", NULL, NULL },
		{ { "akkod", "run", "--help" }, 0, "help", NULL, NULL },
		{ { "akkod", "help", "run" }, 0, "help", NULL, NULL },
		{ { "akkod", "status", "--json" }, 0, "status", NULL, NULL },
		{ { "akkod" }, CLI_USAGE, NULL, NULL, "missing" },
		{ { "akkod", "strat" }, CLI_USAGE, NULL, NULL, "\"start\"" },
		{ { "akkod", "run", "--json" }, CLI_USAGE, NULL, NULL, "does not take" },
		{ { "akkod", "run", "-c" }, CLI_USAGE, NULL, NULL, "needs a FILE" },
		{ { "akkod", "run", "more" }, CLI_USAGE, NULL, NULL, "does not take" },
		{ { "akkod", "run", "--configx", "/a" }, CLI_USAGE, NULL, NULL, "does not take" },
		{ { "akkod", "status", "--json=1" }, CLI_USAGE, NULL, NULL, "does not take" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char *argv[ARGS_MAX + 1] = { NULL }, err[256] = "";
		unsigned command = 0;
		struct cli c;
		int argc = 0;

		while (argc < ARGS_MAX && cases[i].argv[argc] != NULL) {
			argv[argc] = (char *)(size_t)cases[i].argv[argc];
			argc++;
		}
		ck_assert_int_eq(cli_parse(argc, argv, &c, &command, err,
		    sizeof(err)), cases[i].status);
		if (cases[i].command != NULL)
			ck_assert_str_eq(cli_command_name(command),
			    cases[i].command);
		if (cases[i].config != NULL)
			ck_assert_str_eq(c.config, cases[i].config);
		if (cases[i].error != NULL)
			ck_assert_msg(strstr(err, cases[i].error) != NULL,
			    "case %zu: \"%s\"", i, err);
		cli_free(&c);
	}
}
END_TEST

START_TEST(relative_paths_become_absolute)
{
	char *argv[] = { (char[]){ "akkod" }, (char[]){ "run" },
	    (char[]){ "-c" }, (char[]){ "x.yml" }, NULL };
	char err[256];
	unsigned command;
	struct cli c;

	ck_assert_int_eq(cli_parse(4, argv, &c, &command, err, sizeof(err)), 0);
	ck_assert_int_eq(c.config[0], '/');
	ck_assert_str_eq(c.config + strlen(c.config) - 6, "/x.yml");
	cli_free(&c);
}
END_TEST

START_TEST(addresses_to_listen_on)
{
	static const struct { const char *text; int port; } cases[] = {
		{ ":80", 80 }, { "127.0.0.1:8080", 8080 }, { "[::1]:443", 443 },
		{ ":8000/tcp", 8000 }, { ":8000/TCP", 8000 },
		{ "localhost:81", 81 }, { ":8000/udp", -1 }, { ":8000/foo", -1 },
		{ "80", -1 }, { ":", -1 }, { ":0", -1 }, { ":65536", -1 },
		{ "name.test:80", -1 }, { ":80x", -1 }, { "", -1 },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct sockaddr_storage sa;
		const char *why;
		socklen_t n;
		int r = entry_address(str_c(cases[i].text), &sa, &n, &why);

		ck_assert_msg((r == 0) == (cases[i].port > 0), "%s",
		    cases[i].text);
		if (r == 0)
			ck_assert_int_eq(ntohs(((struct sockaddr_in *)
			    (void *)&sa)->sin_port), cases[i].port);
	}
}
END_TEST

/* SO_REUSEPORT must not let two akkods share a port unseen. */
START_TEST(a_port_has_one_owner)
{
	struct listeners a = { .nworkers = 2 }, b = { .nworkers = 2 };
	struct listener *l, *again;
	char err[256], address[32];
	int port = 20000 + (int)(getpid() % 20000);

	do {
		snprintf(address, sizeof(address), "127.0.0.1:%d", ++port);
	} while (listen_open(&a, STR("web"), str_c(address), &l, err,
	    sizeof(err)) != 0 && port < 60000);
	ck_assert_uint_eq(l->nfds, 2);
	ck_assert_int_eq(listen_open(&a, STR("web"), str_c(address), &again,
	    err, sizeof(err)), 0);
	ck_assert_ptr_eq(l, again);
	ck_assert_int_lt(listen_open(&b, STR("other"), str_c(address), &again,
	    err, sizeof(err)), 0);
	ck_assert_msg(strstr(err, "\"other\"") != NULL && strstr(err,
	    "in use") != NULL, "%s", err);
	listen_close_all(&a);
	ck_assert_int_eq(listen_open(&b, STR("other"), str_c(address), &again,
	    err, sizeof(err)), 0);
	listen_close_all(&b);
}
END_TEST

START_TEST(urls_of_servers)
{
	static const struct { const char *url, *host, *target; int port; } cases[] = {
		{ "http://a", "a", "", 80 },
		{ "https://a/", "a", "/", 443 },
		{ "HTTP://a:81/p?q#f", "a", "/p?q", 81 },
		{ "h2c://[::1]:82", "::1", "", 82 },
		{ "http://user:pw@a:83/", "a", "/", 83 },
		{ "http://a?q", "a", "?q", 80 },
		{ "ftp://a", NULL, NULL, 0 }, { "a:80", NULL, NULL, 0 },
		{ "http://", NULL, NULL, 0 }, { "http://:80", NULL, NULL, 0 },
		{ "http://a:99999", NULL, NULL, 0 },
		{ "http://a b", NULL, NULL, 0 }, { "http://[::1", NULL, NULL, 0 },
		{ "http://[::1]x", NULL, NULL, 0 },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct server_url u;
		const char *why = NULL;
		int r = server_url_parse(str_c(cases[i].url), &u, &why);

		ck_assert_msg((r == 0) == (cases[i].host != NULL), "%s",
		    cases[i].url);
		if (r != 0)
			continue;
		ck_str_is(u.host, cases[i].host);
		ck_str_is(u.target, cases[i].target);
		ck_assert_int_eq(u.port, cases[i].port);
	}
}
END_TEST

START_TEST(the_runtime_directory_has_one_akkod)
{
	char dir[] = "/tmp/akkod-test-XXXXXX", err[256], path[128];
	struct runtime a = RUNTIME_INIT, b = RUNTIME_INIT;
	struct stat st;

	ck_assert_ptr_nonnull(mkdtemp(dir));
	ck_assert_int_eq(runtime_pid(dir), 0);
	ck_assert_int_eq(runtime_claim(&a, dir, err, sizeof(err)), 0);
	ck_assert_int_eq(runtime_pid(dir), (int)getpid());
	snprintf(path, sizeof(path), "%s/akkod.sock", dir);
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_uint_eq(st.st_mode & 0777, 0600);
	ck_assert_int_lt(runtime_claim(&b, dir, err, sizeof(err)), 0);
	ck_assert_msg(strstr(err, "already running") != NULL, "%s", err);
	/* Files of one that died are taken over. */
	runtime_forget(&a);
	ck_assert_int_eq(access(path, F_OK), 0);
	ck_assert_int_eq(runtime_claim(&b, dir, err, sizeof(err)), 0);
	runtime_release(&b);
	ck_assert_int_ne(access(path, F_OK), 0);
	ck_assert_int_eq(rmdir(dir), 0);
}
END_TEST

START_TEST(numbers_of_names_are_used_again)
{
	struct registry r;
	bool is_new;
	uint32_t a, b;

	registry_init(&r, 2);
	registry_begin(&r);
	a = registry_get(&r, STR("a"), &is_new);
	ck_assert(is_new);
	b = registry_get(&r, STR("b"), &is_new);
	ck_assert_uint_eq(registry_get(&r, STR("c"), &is_new), NAMES_NONE);
	for (int i = 0; i < 4; i++) {
		registry_begin(&r);
		ck_assert_uint_eq(registry_get(&r, STR("b"), &is_new), b);
		ck_assert(!is_new);
		registry_sweep(&r);
	}
	ck_assert_uint_eq(registry_get(&r, STR("c"), &is_new), a);
	ck_assert(is_new);
	registry_fini(&r);
}
END_TEST

UNIT_MAIN("master", command_lines, relative_paths_become_absolute,
    addresses_to_listen_on, a_port_has_one_owner, urls_of_servers,
    the_runtime_directory_has_one_akkod, numbers_of_names_are_used_again)
