/* SPDX-License-Identifier: BSD-2-Clause */
/* Commands and options; see cli.h and cli_words.h. */
#include "cli_words.h"

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
	OPT_DEFAULTS = 256, OPT_METHOD = 512, OPT_HEADER = 1024,
	OPT_CLIENT = 2048,
	OPT_COMMON = OPT_CONFIG | OPT_RUNTIME | OPT_STATE,
	OPT_EXPLAIN = OPT_METHOD | OPT_HEADER | OPT_CLIENT,
};

#define AT(member)	offsetof(struct cli, member)

const struct cli_option cli_options[] = {
	{ OPT_CONFIG, "--config", "-c", "FILE",
	    "configuration (default /etc/akkod/akkod.yaml, else the embedded "
	    "one)", AT(config), OPTION_FILE },
	{ OPT_RUNTIME, "--runtime-dir", NULL, "DIR",
	    "control socket and pid file (default /run/akkod)",
	    AT(runtime_dir), OPTION_DIR },
	{ OPT_STATE, "--state-dir", NULL, "DIR",
	    "local CA and snapshot (default /var/lib/akkod)",
	    AT(state_dir), OPTION_DIR },
	{ OPT_METHOD, "--method", NULL, "METHOD",
	    "of the request (default GET)", AT(method), OPTION_TEXT },
	{ OPT_HEADER, "--header", NULL, "FIELD",
	    "a header field \"Name: value\"; may be repeated", AT(headers),
	    OPTION_LIST },
	{ OPT_CLIENT, "--client", NULL, "ADDRESS",
	    "of the client (default 127.0.0.1)", AT(client), OPTION_TEXT },
	{ OPT_DEFAULTS, "--defaults", NULL, NULL,
	    "also what nobody has set", AT(defaults), OPTION_FLAG },
	{ OPT_JSON, "--json", NULL, NULL, "print JSON", AT(json), OPTION_FLAG },
	{ OPT_NOW, "--now", NULL, NULL,
	    "do not wait for requests in flight", AT(now), OPTION_FLAG },
	{ OPT_PEM, "--pem", NULL, NULL, "print the certificate only",
	    AT(pem), OPTION_FLAG },
	{ OPT_BINARY, "--binary", NULL, "PATH",
	    "the program (default: what is where the running one was)",
	    AT(binary), OPTION_FILE },
	{ OPT_UNDO, "--undo", NULL, NULL, "be ready again", AT(undo),
	    OPTION_FLAG },
	{ .name = NULL },
};

static int	help(const struct cli *c);
static int	version(const struct cli *c);
static int	find_command(const char *word, unsigned *ret, char *err,
		    unsigned long n);

const struct cli_command cli_commands[] = {
	{ "run", cli_run, OPT_COMMON, NULL,
	    "run in the foreground" },
	{ "start", cli_start, OPT_COMMON, NULL,
	    "start in the background; returns when every worker serves" },
	{ "stop", cli_stop, OPT_COMMON | OPT_NOW, NULL,
	    "let requests in flight end, then stop; returns when it has" },
	{ "drain", cli_drain, OPT_COMMON | OPT_UNDO, NULL,
	    "answer pings with 503, so that no more is sent here; serve on" },
	{ "reload", cli_reload, OPT_COMMON, NULL,
	    "read the configuration again; returns when every worker serves "
	    "it" },
	{ "upgrade", cli_upgrade, OPT_COMMON | OPT_BINARY, NULL,
	    "another program takes over, without a lost connection" },
	{ "status", cli_status, OPT_COMMON | OPT_JSON, NULL,
	    "show workers, entry points, configuration" },
	{ "routes", cli_routes, OPT_COMMON | OPT_JSON, NULL,
	    "show every route with the object it came from" },
	{ "explain", cli_explain, OPT_COMMON | OPT_EXPLAIN | OPT_JSON, "URL",
	    "say what becomes of a request, and what is missing" },
	{ "certs", cli_certs, OPT_COMMON | OPT_JSON, NULL,
	    "show certificates, their names and when they expire" },
	{ "connections", cli_connections, OPT_COMMON | OPT_JSON, NULL,
	    "count clients' connections by kind, and show the oldest" },
	{ "mem", cli_mem, OPT_COMMON | OPT_JSON, NULL,
	    "show what memory is used for" },
	{ "dump", cli_dump, OPT_COMMON | OPT_DEFAULTS | OPT_JSON, NULL,
	    "show the configuration that is in use" },
	{ "check", cli_check, OPT_COMMON, NULL,
	    "report everything wrong with a configuration" },
	{ "ca", cli_ca, OPT_COMMON | OPT_PEM, NULL,
	    "show the local CA and how to trust it" },
	{ "completion", cli_completion, 0, "SHELL",
	    "print what makes bash, zsh or fish complete these words" },
	{ "version", version, 0, NULL, "show the version" },
	{ "help", help, 0, "[COMMAND]", "explain a command" },
	{ .name = NULL },
};

const char *const cli_shells[] = { "bash", "zsh", "fish", NULL };

const char *
cli_command_name(unsigned i)
{
	return i < ARRAY_SIZE(cli_commands) ? cli_commands[i].name : NULL;
}

/* ---- Help --------------------------------------------------------------------------- */

static void
print_synopsis(FILE *f, const struct cli_command *c)
{
	fprintf(f, "akkod %s", c->name);
	for (const struct cli_option *o = cli_options; o->name != NULL; o++) {
		if ((c->options & o->bit) == 0)
			continue;
		fprintf(f, " [%s", o->short_name != NULL ? o->short_name :
		    o->name);
		fprintf(f, o->arg != NULL ? " %s]" : "]", o->arg);
	}
	fprintf(f, "%s%s\n", c->word != NULL ? " " : "", c->word != NULL ?
	    c->word : "");
}

static void
print_command(const struct cli_command *c)
{
	printf("usage: ");
	print_synopsis(stdout, c);
	printf("\n%s\n", c->help);
	if (c->options != 0)
		printf("\n");
	for (const struct cli_option *o = cli_options; o->name != NULL; o++) {
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
	for (const struct cli_command *c = cli_commands; c->name != NULL; c++)
		fprintf(f, "  %-11s  %s\n", c->name, c->help);
	fprintf(f, "\nakkod help COMMAND tells its options.\n");
}

static int
help(const struct cli *c)
{
	unsigned i;
	char err[256];

	if (c->word == NULL) {
		print_overview(stdout);
		return CLI_OK;
	}
	if (find_command(c->word, &i, err, sizeof(err)) != 0) {
		fprintf(stderr, "akkod: %s\n", err);
		return CLI_USAGE;
	}
	print_command(&cli_commands[i]);
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
	const char *names[ARRAY_SIZE(cli_commands)] = { NULL };

	for (size_t i = 0; cli_commands[i].name != NULL; i++)
		names[i] = cli_commands[i].name;
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
	for (unsigned i = 0; cli_commands[i].name != NULL; i++)
		if (strcmp(word, cli_commands[i].name) == 0) {
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
static const struct cli_option *
find_option(const char *word, const char **ret_value)
{
	*ret_value = NULL;
	for (const struct cli_option *o = cli_options; o->name != NULL; o++) {
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

static int
not_taken(const struct cli_command *c, const char *word, char *err,
    unsigned long n)
{
	const char *names[ARRAY_SIZE(cli_options)] = { NULL }, *near = NULL;
	size_t count = 0;

	for (const struct cli_option *o = cli_options; o->name != NULL; o++)
		if ((c->options & o->bit) != 0)
			names[count++] = o->name;
	if (word[0] == '-')
		near = diag_nearest(str_head(str_c(word), strcspn(word, "=")),
		    names);
	snprintf(err, n, "akkod %s does not take \"%s\"%s%s%s; see akkod help "
	    "%s", c->name, word, near != NULL ? "; did you mean \"" : "",
	    near != NULL ? near : "", near != NULL ? "\"?" : "", c->name);
	return CLI_USAGE;
}

static void
set_option(struct cli *c, const struct cli_option *o, const char *value)
{
	void *at = (char *)c + o->at;

	switch (o->kind) {
	case OPTION_FLAG:
		*(bool *)at = true;
		return;
	case OPTION_LIST:
		if (*(json_t **)at == NULL)
			*(json_t **)at = json_array();
		json_array_append_new(*(json_t **)at, json_string(value));
		return;
	default:
		free(*(char **)at);
		*(char **)at = o->kind == OPTION_TEXT ? xstrdup(value) :
		    absolute(value);
	}
}

/* One word behind the command and what belongs to it; how many, <0: wrong. */
static int
parse_word(int left, char **argv, const struct cli_command *cmd,
    struct cli *c, char *err, unsigned long n)
{
	const char *value;
	const struct cli_option *o = find_option(argv[0], &value);
	int used = 1;

	if (o == NULL && argv[0][0] != '-' && cmd->word != NULL &&
	    c->word == NULL) {
		c->word = argv[0];
		return 1;
	}
	if (o == NULL || (cmd->options & o->bit) == 0) {
		(void)not_taken(cmd, argv[0], err, n);
		return -1;
	}
	if (o->arg != NULL && value == NULL && left > 1)
		value = argv[used++];
	if (o->arg != NULL && (value == NULL || value[0] == '\0')) {
		snprintf(err, n, "%s needs a %s", o->name, o->arg);
		return -1;
	}
	set_option(c, o, value);
	return used;
}

int
cli_parse(int argc, char **argv, struct cli *ret, unsigned *ret_command,
    char *err, unsigned long err_size)
{
	const struct cli_command *cmd;
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
	cmd = &cli_commands[*ret_command];
	for (int i = 2; i < argc; i += r) {
		if (strcmp(argv[i], "--help") == 0 ||
		    strcmp(argv[i], "-h") == 0) {
			ret->word = cmd->name;
			(void)find_command("help", ret_command, err, err_size);
			return 0;
		}
		r = parse_word(argc - i, argv + i, cmd, ret, err, err_size);
		if (r < 0)
			return CLI_USAGE;
	}
	if (cmd->word != NULL && cmd->word[0] != '[' && ret->word == NULL) {
		snprintf(err, err_size, "akkod %s needs a %s; see akkod help "
		    "%s", cmd->name, cmd->word, cmd->name);
		return CLI_USAGE;
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
	free(c->method);
	free(c->client);
	json_decref(c->headers);
}

int
cli_main(int argc, char **argv)
{
	struct cli c;
	unsigned command;
	char err[256];
	int r = cli_parse(argc, argv, &c, &command, err, sizeof(err));

	if (r == 0) {
		r = cli_commands[command].run(&c);
	} else {
		fprintf(stderr, "akkod: %s\n", err);
		if (argc < 2)
			print_overview(stderr);
	}
	cli_free(&c);
	return r;
}
