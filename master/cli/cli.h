/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The command line. One table (cli.c) lists the commands with their options; it
 * parses, and it makes `akkod help`.
 */
#ifndef CLI_H
#define CLI_H

#include <jansson.h>
#include <stdbool.h>

enum cli_status {
	CLI_OK = 0,
	CLI_FAILED = 1,		/* the reason is on standard error */
	CLI_USAGE = 2,		/* the command line is wrong */
	CLI_NOT_RUNNING = 3	/* status: there is no akkod */
};

/* Option values; NULL or false when not given. */
struct cli {
	char *runtime_dir;	/* absolute */
	char *state_dir;	/* absolute */
	char *config;		/* absolute */
	bool json;
	bool now;
	bool pem;
	bool undo;
	char *binary;		/* absolute */
	char *method, *client;
	json_t *headers;	/* array of texts */
	bool defaults;
	const char *word;	/* what stands behind the command */
};

/*
 * Parses everything behind the program's name. 0 with the index of the command
 * in *ret_command, or CLI_USAGE with a message in err; "help" and "version"
 * may also be spelled as options.
 */
int	cli_parse(int argc, char **argv, struct cli *ret,
	    unsigned *ret_command, char *err, unsigned long err_size);
void	cli_free(struct cli *c);
/* The name of a command by index; NULL behind the last. */
const char *cli_command_name(unsigned i);

/* Entry of the program for all but children. */
int	cli_main(int argc, char **argv);

/* Entry of a master that another one started to take its place. */
int	cli_successor(void);

/* The commands, in cli_run.c, cli_ask.c and files of their names. */
int	cli_run(const struct cli *c);
int	cli_start(const struct cli *c);
int	cli_check(const struct cli *c);
int	cli_ca(const struct cli *c);
int	cli_stop(const struct cli *c);
int	cli_reload(const struct cli *c);
int	cli_drain(const struct cli *c);
int	cli_upgrade(const struct cli *c);
int	cli_status(const struct cli *c);
int	cli_routes(const struct cli *c);
int	cli_explain(const struct cli *c);
int	cli_certs(const struct cli *c);
int	cli_dump(const struct cli *c);
int	cli_connections(const struct cli *c);
int	cli_mem(const struct cli *c);
int	cli_completion(const struct cli *c);

/* ---- What commands that ask share, in cli_ask.c ---------------------------- */

/*
 * Asks the running akkod; the reference to the request is taken. NULL with
 * *ret_status set and the reason on standard error when it has nothing to say.
 */
json_t *cli_ask(const struct cli *c, json_t *request, int *ret_status);
/*
 * Makes control characters in its texts question marks: tenants wrote some, and
 * none is to steer a terminal.
 */
void	cli_plain(json_t *answer);
/* Prints an answer as it is. */
int	cli_print_json(json_t *answer);
/* A command that only looks: asks, and prints the answer as JSON or by print(). */
int	cli_show(const struct cli *c, const char *command,
	    void (*print)(const json_t *answer));
/* Members of an answer: "" and 0 where there is none of that type. */
const char *cli_text(const json_t *o, const char *key);
long long cli_number(const json_t *o, const char *key);
/* The directory in which to look for a running akkod; the caller frees it. */
char   *cli_runtime_dir(const struct cli *c);

#endif
