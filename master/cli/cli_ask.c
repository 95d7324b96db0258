/* SPDX-License-Identifier: BSD-2-Clause */
/* Commands that ask a running akkod: stop, reload, status. */
#include "cli.h"

#include "alloc.h"
#include "control.h"
#include "runtime.h"
#include "settings.h"
#include "source.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

char *
cli_runtime_dir(const struct cli *c)
{
	const char *path = c->config;
	struct diags d = { 0 };
	struct config *config;
	char *dir = NULL;

	if (c->runtime_dir != NULL)
		return xstrdup(c->runtime_dir);
	if (path == NULL && access(SOURCE_DEFAULT_PATH, R_OK) == 0)
		path = SOURCE_DEFAULT_PATH;
	/* A file that is broken now must not hide the akkod that runs. */
	if (path != NULL && config_load(path, &config, &d) == 0) {
		if (config->akkod.runtime_directory != NULL)
			dir = xstrdup(config->akkod.runtime_directory);
		config_free(config);
	}
	diags_fini(&d);
	return dir != NULL ? dir : xstrdup(RUNTIME_DIR_DEFAULT);
}

static json_t *
ask(const struct cli *c, json_t *request)
{
	char *dir = cli_runtime_dir(c), err[512];
	json_t *answer = control_ask(dir, request, err, sizeof(err));

	if (answer == NULL)
		fprintf(stderr, "akkod: %s\n", err);
	free(dir);
	return answer;
}

const char *
cli_text(const json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));

	return s != NULL ? s : "";
}

long long
cli_number(const json_t *o, const char *key)
{
	return (long long)json_integer_value(json_object_get(o, key));
}

/* Of C1, which is two bytes of UTF-8, terminals take some as ESC. */
static void
make_plain(json_t *text)
{
	char *copy = xstrdup(json_string_value(text));
	bool changed = false;

	for (unsigned char *p = (unsigned char *)copy; *p != '\0'; p++) {
		bool c1 = p[0] == 0xc2 && p[1] >= 0x80 && p[1] < 0xa0;

		if (*p >= 0x20 && *p != 0x7f && !c1)
			continue;
		*p = '?';
		if (c1)
			*++p = '?';
		changed = true;
	}
	if (changed)
		(void)json_string_set(text, copy);
	free(copy);
}

void
cli_plain(json_t *answer)
{
	const char *key;
	json_t *v;
	size_t i;

	if (json_is_string(answer))
		make_plain(answer);
	json_array_foreach(answer, i, v)
		cli_plain(v);
	json_object_foreach(answer, key, v)
		cli_plain(v);
}

/* Prints the error of an answer; the exit status. */
static int
verdict(const json_t *answer)
{
	if (json_is_true(json_object_get(answer, "ok")))
		return CLI_OK;
	fprintf(stderr, "akkod: %s\n", cli_text(answer, "error"));
	return CLI_FAILED;
}

json_t *
cli_ask(const struct cli *c, json_t *request, int *ret_status)
{
	json_t *answer = ask(c, request);

	if (!json_is_true(json_object_get(answer, "ok")))
		cli_plain(answer);
	*ret_status = answer == NULL ? CLI_NOT_RUNNING : verdict(answer);
	if (*ret_status == CLI_OK) {
		json_object_del(answer, "ok");
		return answer;
	}
	json_decref(answer);
	return NULL;
}

int
cli_print_json(json_t *answer)
{
	(void)json_dumpf(answer, stdout, JSON_INDENT(2));
	printf("\n");
	json_decref(answer);
	return CLI_OK;
}

/* Not for what has ended and waits for its parent. */
static bool
has_program(int pid)
{
	char path[32], text[8];

	(void)snprintf(path, sizeof(path), "/proc/%d/exe", pid);
	return readlink(path, text, sizeof(text)) >= 0;
}

int
cli_stop(const struct cli *c)
{
	char *dir = cli_runtime_dir(c);
	int pid = runtime_pid(dir), r = CLI_FAILED;
	json_t *answer = ask(c, json_pack("{s:s, s:b}", "command", "stop",
	    "now", (int)c->now));

	if (answer != NULL)
		r = verdict(answer);
	json_decref(answer);
	/* The answer comes before the lock goes, and that before the process. */
	for (int i = 0; r == CLI_OK && i < 2500 && (runtime_pid(dir) != 0 ||
	    (pid > 0 && has_program(pid))); i++)
		(void)usleep(2000);
	free(dir);
	return r;
}

int
cli_drain(const struct cli *c)
{
	json_t *answer = ask(c, json_pack("{s:s, s:b}", "command", "drain",
	    "undo", (int)c->undo));
	int r;

	if (answer == NULL)
		return CLI_FAILED;
	r = verdict(answer);
	json_decref(answer);
	return r;
}

int
cli_upgrade(const struct cli *c)
{
	json_t *answer = ask(c, c->binary != NULL ?
	    json_pack("{s:s, s:s}", "command", "upgrade", "binary", c->binary) :
	    json_pack("{s:s}", "command", "upgrade"));
	int r;

	if (answer == NULL)
		return CLI_FAILED;
	r = verdict(answer);
	if (r == CLI_OK)
		printf("akkod runs (pid %lld); the workers of before drain\n",
		    cli_number(answer, "pid"));
	json_decref(answer);
	return r;
}

int
cli_reload(const struct cli *c)
{
	json_t *answer = ask(c, json_pack("{s:s}", "command", "reload"));
	json_t *note;
	size_t i;
	int r;

	if (answer == NULL)
		return CLI_FAILED;
	cli_plain(answer);
	json_array_foreach(json_object_get(answer, "notes"), i, note)
		fprintf(stderr, "%s\n", json_string_value(note));
	r = verdict(answer);
	if (r == CLI_OK && json_object_get(answer, "kept") != NULL) {
		fprintf(stderr, "akkod: the provider's last good content "
		    "stays: %s\n", cli_text(answer, "kept"));
		r = CLI_FAILED;
	}
	if (r == CLI_OK)
		printf("generation %lld is served by every worker\n",
		    cli_number(answer, "generation"));
	json_decref(answer);
	return r;
}

/* ---- status ------------------------------------------------------------------------------ */

static void
print_workers(const json_t *o)
{
	json_t *w;
	size_t i;

	json_array_foreach(json_object_get(o, "workers"), i, w) {
		printf("worker %lld: %s, pid %lld, generation %lld, %s (%s), "
		    "%lld connections, %lld requests, %lld restarts\n",
		    cli_number(w, "id"), cli_text(w, "state"),
		    cli_number(w, "pid"), cli_number(w, "generation"),
		    cli_text(w, "backend"), cli_text(w, "why"),
		    cli_number(w, "connections"), cli_number(w, "requests"),
		    cli_number(w, "restarts"));
		if (json_object_get(w, "refused") != NULL)
			printf("  did not take the newest generation: %s\n",
			    cli_text(w, "refused"));
	}
}

/* Those of a program that was replaced, or of a master that was killed. */
static void
print_old_workers(const json_t *o)
{
	const json_t *old = json_object_get(o, "old_workers");

	if (!json_is_object(old))
		return;
	printf("workers of before: %lld, which end what they have",
	    cli_number(old, "workers"));
	if (strcmp(cli_text(old, "table"), "kept") == 0)
		printf(" and keep the configuration of before");
	printf("\n");
}

static void
print_status(const json_t *o)
{
	const json_t *config = json_object_get(o, "config");
	const json_t *routers = json_object_get(o, "routers");
	json_t *e;
	size_t i;

	printf("akkod %s, pid %lld, %s for %lld s, generation %lld%s\n",
	    cli_text(o, "version"), cli_number(o, "pid"), cli_text(o, "state"),
	    cli_number(o, "uptime"), cli_number(o, "generation"),
	    json_is_true(json_object_get(o, "draining")) ?
	    ", not ready: it drains, ping says no" : "");
	if (json_is_string(json_object_get(o, "waiting")))
		printf("not ready: waiting for %s\n", cli_text(o, "waiting"));
	printf("configuration: %s\n", cli_text(config, "source"));
	if (json_is_string(json_object_get(config, "error")))
		printf("  the newest was not taken: %s\n",
		    cli_text(config, "error"));
	print_workers(o);
	print_old_workers(o);
	json_array_foreach(json_object_get(o, "listeners"), i, e)
		printf("entry point %s: %s\n", cli_text(e, "entry_point"),
		    cli_text(e, "address"));
	printf("routers: %lld good, %lld broken\n", cli_number(routers, "ok"),
	    (long long)json_array_size(json_object_get(routers, "broken")) +
	    cli_number(routers, "more"));
	json_array_foreach(json_object_get(routers, "broken"), i, e)
		printf("  %s: %s (%s)\n", cli_text(e, "name"),
		    cli_text(e, "error"),
		    json_is_true(json_object_get(e, "matches")) ?
		    "answers 503" : "matches nothing");
	if (cli_number(routers, "more") != 0)
		printf("  and %lld more; see akkod routes\n",
		    cli_number(routers, "more"));
	json_array_foreach(json_object_get(o, "servers"), i, e)
		if (!json_is_true(json_object_get(e, "up")))
			printf("server %s of %s: down%s%s\n",
			    cli_text(e, "url"), cli_text(e, "service"),
			    cli_text(e, "probe")[0] != '\0' ? ", " : "",
			    cli_text(e, "probe"));
	if (cli_number(o, "log_dropped") != 0)
		printf("log: %lld lines lost\n", cli_number(o, "log_dropped"));
}

int
cli_show(const struct cli *c, const char *command,
    void (*print)(const json_t *answer))
{
	int r;
	json_t *answer = cli_ask(c, json_pack("{s:s}", "command", command), &r);

	if (answer == NULL)
		return r;
	if (c->json)
		return cli_print_json(answer);
	cli_plain(answer);
	print(answer);
	json_decref(answer);
	return CLI_OK;
}

int
cli_status(const struct cli *c)
{
	return cli_show(c, "status", print_status);
}
