/* SPDX-License-Identifier: BSD-2-Clause */
/* Commands and options; see cli.h. */
#include "cli.h"

#include "alloc.h"
#include "diag.h"
#include "str.h"

#include <openssl/crypto.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
	OPT_CONFIG = 1, OPT_RUNTIME = 2, OPT_STATE = 4, OPT_JSON = 8,
	OPT_NOW = 16, OPT_PEM = 32, OPT_UNDO = 64, OPT_BINARY = 128,
	OPT_COMMON = OPT_CONFIG | OPT_RUNTIME | OPT_STATE,
};

static const struct option_row {
	unsigned bit;
	const char *name, *short_name, *arg, *help;
	size_t at;		/* char * with an argument, else bool */
	bool path;		/* made absolute: akkod may change its directory */
} options[] = {
	{ OPT_CONFIG, "--config", "-c", "FILE",
	    "configuration (default /etc/akkod/akkod.yaml, else the embedded "
	    "one)", offsetof(struct cli, config), true },
	{ OPT_RUNTIME, "--runtime-dir", NULL, "DIR",
	    "control socket and pid file (default /run/akkod)",
	    offsetof(struct cli, runtime_dir), true },
	{ OPT_STATE, "--state-dir", NULL, "DIR",
	    "local CA and snapshot (default /var/lib/akkod)",
	    offsetof(struct cli, state_dir), true },
	{ OPT_JSON, "--json", NULL, NULL, "print JSON",
	    offsetof(struct cli, json), false },
	{ OPT_NOW, "--now", NULL, NULL,
	    "do not wait for requests in flight",
	    offsetof(struct cli, now), false },
	{ OPT_PEM, "--pem", NULL, NULL, "print the certificate only",
	    offsetof(struct cli, pem), false },
	{ OPT_BINARY, "--binary", NULL, "PATH",
	    "the program (default: what is where the running one was)",
	    offsetof(struct cli, binary), true },
	{ OPT_UNDO, "--undo", NULL, NULL, "be ready again",
	    offsetof(struct cli, undo), false },
};

static int	help(const struct cli *c);
static int	version(const struct cli *c);

static const struct command {
	const char *name;
	int (*run)(const struct cli *c);
	unsigned options;
	bool topic;		/* takes one word */
	const char *help;
} commands[] = {
	{ "run", cli_run, OPT_COMMON, false,
	    "run in the foreground" },
	{ "start", cli_start, OPT_COMMON, false,
	    "start in the background; returns when every worker serves" },
	{ "stop", cli_stop, OPT_COMMON | OPT_NOW, false,
	    "let requests in flight end, then stop; returns when it has" },
	{ "drain", cli_drain, OPT_COMMON | OPT_UNDO, false,
	    "answer pings with 503, so that no more is sent here; serve on" },
	{ "reload", cli_reload, OPT_COMMON, false,
	    "read the configuration again; returns when every worker serves "
	    "it" },
	{ "upgrade", cli_upgrade, OPT_COMMON | OPT_BINARY, false,
	    "another program takes over, without a lost connection" },
	{ "status", cli_status, OPT_COMMON | OPT_JSON, false,
	    "show workers, entry points, configuration" },
	{ "routes", cli_routes, OPT_COMMON | OPT_JSON, false,
	    "show every route with the object it came from" },
	{ "check", cli_check, OPT_COMMON, false,
	    "report everything wrong with a configuration" },
	{ "ca", cli_ca, OPT_COMMON | OPT_PEM, false,
	    "show the local CA and how to trust it" },
	{ "version", version, 0, false, "show the version" },
	{ "help", help, 0, true, "explain a command" },
};

const char *
cli_command_name(unsigned i)
{
	return i < ARRAY_SIZE(commands) ? commands[i].name : NULL;
}

/* ---- Help --------------------------------------------------------------------------- */

static void
print_synopsis(FILE *f, const struct command *c)
{
	fprintf(f, "akkod %s", c->name);
	for (size_t i = 0; i < ARRAY_SIZE(options); i++) {
		const struct option_row *o = &options[i];

		if ((c->options & o->bit) == 0)
			continue;
		fprintf(f, " [%s", o->short_name != NULL ? o->short_name :
		    o->name);
		fprintf(f, o->arg != NULL ? " %s]" : "]", o->arg);
	}
	fprintf(f, c->topic ? " [COMMAND]\n" : "\n");
}

static void
print_command(const struct command *c)
{
	printf("usage: ");
	print_synopsis(stdout, c);
	printf("\n%s\n", c->help);
	if (c->options != 0)
		printf("\n");
	for (size_t i = 0; i < ARRAY_SIZE(options); i++) {
		const struct option_row *o = &options[i];
		char left[40];

		if ((c->options & o->bit) == 0)
			continue;
		snprintf(left, sizeof(left), "%s%s%s%s%s",
		    o->short_name != NULL ? o->short_name : "",
		    o->short_name != NULL ? ", " : "", o->name,
		    o->arg != NULL ? " " : "", o->arg != NULL ? o->arg : "");
		printf("  %-20s  %s\n", left, o->help);
	}
}

static void
print_overview(FILE *f)
{
	fprintf(f, "usage: akkod COMMAND [OPTION...]\n\n");
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
		fprintf(f, "  %-8s  %s\n", commands[i].name, commands[i].help);
	fprintf(f, "\nakkod help COMMAND tells its options.\n");
}

static int
help(const struct cli *c)
{
	for (size_t i = 0; c->topic != NULL && i < ARRAY_SIZE(commands); i++)
		if (strcmp(c->topic, commands[i].name) == 0) {
			print_command(&commands[i]);
			return CLI_OK;
		}
	if (c->topic != NULL) {
		fprintf(stderr, "akkod: there is no command \"%s\"\n",
		    c->topic);
		return CLI_USAGE;
	}
	print_overview(stdout);
	return CLI_OK;
}

static int
version(const struct cli *c)
{
	(void)c;
	printf("akkod %s (%s)\n", PACKAGE_VERSION,
	    OpenSSL_version(OPENSSL_VERSION));
	return CLI_OK;
}

/* ---- Parsing ------------------------------------------------------------------------- */

static char *
absolute(const char *path)
{
	char *cwd, *out;

	if (path[0] == '/')
		return xstrdup(path);
	cwd = getcwd(NULL, 0);
	out = xasprintf("%s/%s", cwd != NULL ? cwd : ".", path);
	free(cwd);
	return out;
}

static const char *
nearest_command(const char *word)
{
	const char *names[ARRAY_SIZE(commands) + 1] = { NULL };

	for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
		names[i] = commands[i].name;
	return diag_nearest(str_c(word), names);
}

static int
find_command(const char *word, unsigned *ret, char *err, unsigned long n)
{
	const char *near;

	if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0)
		word = "help";
	if (strcmp(word, "--version") == 0)
		word = "version";
	for (unsigned i = 0; i < ARRAY_SIZE(commands); i++)
		if (strcmp(word, commands[i].name) == 0) {
			*ret = i;
			return 0;
		}
	near = nearest_command(word);
	snprintf(err, n, "there is no command \"%s\"%s%s%s", word,
	    near != NULL ? "; did you mean \"" : "", near != NULL ? near : "",
	    near != NULL ? "\"?" : "; akkod help lists them");
	return CLI_USAGE;
}

/* "--name", "--name=value", "-c"; the value when it is in the same word. */
static const struct option_row *
find_option(const char *word, const char **ret_value)
{
	*ret_value = NULL;
	for (size_t i = 0; i < ARRAY_SIZE(options); i++) {
		const struct option_row *o = &options[i];
		size_t n = strlen(o->name);

		if (o->short_name != NULL && strcmp(word, o->short_name) == 0)
			return o;
		if (strncmp(word, o->name, n) != 0)
			continue;
		if (word[n] == '=' && o->arg != NULL)
			*ret_value = word + n + 1;
		if (word[n] == '\0' || *ret_value != NULL)
			return o;
	}
	return NULL;
}

static void
set_option(struct cli *c, const struct option_row *o, const char *value)
{
	char *at = (char *)c + o->at;

	if (o->arg == NULL) {
		*(bool *)at = true;
		return;
	}
	free(*(char **)(void *)at);
	*(char **)(void *)at = o->path ? absolute(value) : xstrdup(value);
}

int
cli_parse(int argc, char **argv, struct cli *ret, unsigned *ret_command,
    char *err, unsigned long err_size)
{
	const struct command *cmd;
	int r;

	*ret = (struct cli){ 0 };
	if (argc < 2) {
		snprintf(err, err_size, "a command is missing; akkod help "
		    "lists them");
		return CLI_USAGE;
	}
	r = find_command(argv[1], ret_command, err, err_size);
	if (r != 0)
		return r;
	cmd = &commands[*ret_command];
	for (int i = 2; i < argc; i++) {
		const char *value;
		const struct option_row *o = find_option(argv[i], &value);

		if (o == NULL && argv[i][0] != '-' && cmd->topic &&
		    ret->topic == NULL) {
			ret->topic = argv[i];
			continue;
		}
		if (strcmp(argv[i], "--help") == 0 ||
		    strcmp(argv[i], "-h") == 0) {
			ret->topic = cmd->name;
			(void)find_command("help", ret_command, err, err_size);
			return 0;
		}
		if (o == NULL || (cmd->options & o->bit) == 0) {
			snprintf(err, err_size, "akkod %s does not take "
			    "\"%s\"; see akkod help %s", cmd->name, argv[i],
			    cmd->name);
			return CLI_USAGE;
		}
		if (o->arg != NULL && value == NULL)
			value = i + 1 < argc ? argv[++i] : NULL;
		if (o->arg != NULL && (value == NULL || value[0] == '\0')) {
			snprintf(err, err_size, "%s needs a %s", o->name,
			    o->arg);
			return CLI_USAGE;
		}
		set_option(ret, o, value);
	}
	return 0;
}

void
cli_free(struct cli *c)
{
	free(c->runtime_dir);
	free(c->state_dir);
	free(c->config);
	free(c->binary);
}

int
cli_main(int argc, char **argv)
{
	struct cli c;
	unsigned command;
	char err[256];
	int r = cli_parse(argc, argv, &c, &command, err, sizeof(err));

	if (r == 0) {
		r = commands[command].run(&c);
	} else {
		fprintf(stderr, "akkod: %s\n", err);
		if (argc < 2)
			print_overview(stderr);
	}
	cli_free(&c);
	return r;
}
