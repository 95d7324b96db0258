/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The words of the command line: one table of commands and one of options. They
 * parse, and they make help, completion and (checked by tests/man.sh) the
 * synopsis in the manual.
 */
#ifndef CLI_WORDS_H
#define CLI_WORDS_H

#include "cli.h"

#include <stddef.h>

enum option_kind {
	OPTION_FLAG,		/* bool */
	OPTION_TEXT,		/* char * */
	OPTION_FILE,		/* the same, made absolute: akkod may change its */
	OPTION_DIR,		/*   directory */
	OPTION_LIST		/* json_t *: may stand several times */
};

struct cli_option {
	unsigned bit;
	const char *name, *short_name, *arg, *help;
	size_t at;		/* in struct cli */
	enum option_kind kind;
};

struct cli_command {
	const char *name;
	int (*run)(const struct cli *c);
	unsigned options;	/* bits */
	const char *word;	/* what it takes, "[COMMAND]" if it may; NULL */
	const char *help;
};

extern const struct cli_command cli_commands[];	/* ends without a name */
extern const struct cli_option cli_options[];
extern const char *const cli_shells[];		/* ends with NULL */

#endif
