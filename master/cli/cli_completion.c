/* SPDX-License-Identifier: BSD-2-Clause */
/* akkod completion: what a shell needs to know the words of cli_words.h. */
#include "cli_words.h"

#include "diag.h"

#include <stdio.h>
#include <string.h>

/* ---- bash ------------------------------------------------------------------ */

static void
print_commands(const char *before)
{
	for (const struct cli_command *c = cli_commands; c->name != NULL; c++)
		printf("%s%s", c == cli_commands ? before : " ", c->name);
}

/* The words that may stand where the command takes one. */
static void
print_words(const struct cli_command *c)
{
	if (c->run == cli_completion)
		for (unsigned i = 0; cli_shells[i] != NULL; i++)
			printf(" %s", cli_shells[i]);
	else if (c->word != NULL && strcmp(c->word, "[COMMAND]") == 0)
		print_commands(" ");
}

static void
print_option_names(const struct cli_option *o, const char *separator)
{
	if (o->short_name != NULL)
		printf("%s%s", o->short_name, separator);
	printf("%s", o->name);
}

/* Patterns of the options with this kind of value. */
static void
bash_values(enum option_kind kind, const char *how)
{
	bool any = false;

	printf("\t");
	for (const struct cli_option *o = cli_options; o->name != NULL; o++) {
		if (o->arg == NULL || o->kind != kind)
			continue;
		printf("%s", any ? "|" : "");
		print_option_names(o, "|");
		any = true;
	}
	printf(")\n\t\t%s\n\t\treturn;;\n", how);
}

static void
bash(void)
{
	printf("# akkod(8): akkod completion bash > "
	    "/usr/share/bash-completion/completions/akkod\n"
	    "_akkod()\n{\n"
	    "\tlocal cur=${COMP_WORDS[COMP_CWORD]} words=\n"
	    "\tCOMPREPLY=()\n"
	    "\tif [ \"$COMP_CWORD\" -eq 1 ]; then\n"
	    "\t\tCOMPREPLY=($(compgen -W '");
	print_commands("");
	printf("' -- \"$cur\"))\n\t\treturn\n\tfi\n"
	    "\tcase ${COMP_WORDS[COMP_CWORD-1]} in\n");
	bash_values(OPTION_FILE, "compopt -o filenames 2>/dev/null; "
	    "COMPREPLY=($(compgen -f -- \"$cur\"))");
	bash_values(OPTION_DIR, "compopt -o filenames 2>/dev/null; "
	    "COMPREPLY=($(compgen -d -- \"$cur\"))");
	bash_values(OPTION_TEXT, ":");
	bash_values(OPTION_LIST, ":");
	printf("\tesac\n\tcase ${COMP_WORDS[1]} in\n");
	for (const struct cli_command *c = cli_commands; c->name != NULL;
	    c++) {
		printf("\t%s) words='", c->name);
		for (const struct cli_option *o = cli_options; o->name != NULL;
		    o++)
			if ((c->options & o->bit) != 0) {
				print_option_names(o, " ");
				printf(" ");
			}
		printf("--help");
		print_words(c);
		printf("';;\n");
	}
	printf("\tesac\n\tCOMPREPLY=($(compgen -W \"$words\" -- \"$cur\"))\n"
	    "}\ncomplete -F _akkod akkod\n");
}

/* ---- zsh ------------------------------------------------------------------- */

/* Text inside '...' of a shell; zsh's specs also take ':' and brackets. */
static void
put_quoted(const char *s, const char *escaped)
{
	for (; *s != '\0'; s++) {
		if (*s == '\'')
			printf("'\\''");
		else
			printf("%s%c", strchr(escaped, *s) != NULL ? "\\" : "",
			    *s);
	}
}

static void
zsh_option(const struct cli_option *o)
{
	printf(" \\\n\t\t'%s", o->kind == OPTION_LIST ? "*" : "");
	if (o->short_name != NULL)
		printf("(%s %s)'{%s,%s}'", o->short_name, o->name,
		    o->short_name, o->name);
	else
		printf("%s", o->name);
	printf("[");
	put_quoted(o->help, ":[]\\");
	printf("]");
	if (o->arg != NULL)
		printf(":%s:%s", o->arg, o->kind == OPTION_FILE ? "_files" :
		    o->kind == OPTION_DIR ? "_files -/" : "");
	printf("'");
}

static void
zsh(void)
{
	printf("#compdef akkod\n"
	    "# akkod completion zsh > \"${fpath[1]}/_akkod\"\n"
	    "_akkod()\n{\n\tlocal -a commands\n\tcommands=(");
	for (const struct cli_command *c = cli_commands; c->name != NULL;
	    c++) {
		printf("\n\t\t'%s:", c->name);
		put_quoted(c->help, ":\\");
		printf("'");
	}
	printf("\n\t)\n\tif (( CURRENT == 2 )); then\n"
	    "\t\t_describe command commands\n\t\treturn\n\tfi\n"
	    "\tshift words\n\t(( CURRENT-- ))\n\tcase ${words[1]} in\n");
	for (const struct cli_command *c = cli_commands; c->name != NULL;
	    c++) {
		printf("\t%s)\n\t\t_arguments '--help[explain it]'", c->name);
		for (const struct cli_option *o = cli_options; o->name != NULL;
		    o++)
			if ((c->options & o->bit) != 0)
				zsh_option(o);
		if (c->word != NULL) {
			printf(" \\\n\t\t'1:");
			put_quoted(c->word, ":[]\\");
			printf(":(");
			print_words(c);
			printf(")'");
		}
		printf(";;\n");
	}
	printf("\tesac\n}\n"
	    "if [ \"${funcstack[1]}\" = _akkod ]; then\n"
	    "\t_akkod \"$@\"\nelse\n\tcompdef _akkod akkod\nfi\n");
}

/* ---- fish ------------------------------------------------------------------ */

static void
fish_option(const struct cli_command *c, const struct cli_option *o)
{
	printf("complete -c akkod -n '__fish_seen_subcommand_from %s'",
	    c->name);
	if (o->short_name != NULL)
		printf(" -s %s", o->short_name + 1);
	printf(" -l %s", o->name + 2);
	if (o->arg != NULL)
		printf(o->kind == OPTION_FILE ? " -r -F" : o->kind ==
		    OPTION_DIR ? " -x -a '(__fish_complete_directories)'" :
		    " -x");
	printf(" -d '");
	put_quoted(o->help, "\\");
	printf("'\n");
}

static void
fish(void)
{
	printf("# akkod completion fish > "
	    "~/.config/fish/completions/akkod.fish\ncomplete -c akkod -f\n");
	for (const struct cli_command *c = cli_commands; c->name != NULL;
	    c++) {
		printf("complete -c akkod -n __fish_use_subcommand -a %s -d '",
		    c->name);
		put_quoted(c->help, "\\");
		printf("'\n");
		for (const struct cli_option *o = cli_options; o->name != NULL;
		    o++)
			if ((c->options & o->bit) != 0)
				fish_option(c, o);
		if (c->run != cli_completion && (c->word == NULL ||
		    strcmp(c->word, "[COMMAND]") != 0))
			continue;
		printf("complete -c akkod -n '__fish_seen_subcommand_from %s' "
		    "-a '", c->name);
		print_words(c);
		printf("'\n");
	}
}

/* ---- The command ------------------------------------------------------------ */

int
cli_completion(const struct cli *c)
{
	static void (*const print[])(void) = { bash, zsh, fish };
	const char *near;

	for (unsigned i = 0; cli_shells[i] != NULL; i++)
		if (strcmp(cli_shells[i], c->word) == 0) {
			print[i]();
			return CLI_OK;
		}
	near = diag_nearest(str_c(c->word), cli_shells);
	fprintf(stderr, "akkod: no completion for \"%s\"%s%s%s; there is bash, "
	    "zsh and fish\n", c->word, near != NULL ? "; did you mean \"" : "",
	    near != NULL ? near : "", near != NULL ? "\"?" : "");
	return CLI_USAGE;
}
