/* SPDX-License-Identifier: BSD-2-Clause */
/* Commands that do their work in this process: run, start, check, ca. */
#include "cli.h"

#include "alloc.h"
#include "compile.h"
#include "local_ca.h"
#include "log.h"
#include "master.h"
#include "settings.h"
#include "source.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static struct run_options
run_options(const struct cli *c)
{
	return (struct run_options){ .config_path = c->config,
	    .runtime_dir = c->runtime_dir, .state_dir = c->state_dir,
	    .ready_fd = -1 };
}

int
cli_run(const struct cli *c)
{
	struct run_options opt = run_options(c);

	return master_run(&opt) == 0 ? CLI_OK : CLI_FAILED;
}

int
cli_successor(void)
{
	struct run_options opt = { .ready_fd = -1, .successor = true };

	return master_run(&opt) == 0 ? CLI_OK : CLI_FAILED;
}

/* ---- start --------------------------------------------------------------------------- */

/* In the child: a session of its own, no terminal to read from. */
static int
detached(const struct cli *c, int ready_fd)
{
	struct run_options opt = run_options(c);
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	(void)setsid();
	if (null >= 0) {
		(void)dup2(null, STDIN_FILENO);
		(void)close(null);
	}
	opt.ready_fd = ready_fd;
	opt.detached = true;
	return master_run(&opt);
}

/* What the master says when it serves, or why it does not. */
static int
wait_ready(int fd, pid_t pid)
{
	struct buf all = { .max = 1u << 20 };
	struct str text = STR_NONE;
	bool ok = false;
	char piece[1024];
	ssize_t got = 1;
	int status;

	while (!ok && got != 0) {
		got = read(fd, piece, sizeof(piece));
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			break;
		buf_put(&all, piece, (size_t)got);
		text = buf_str(&all);
		ok = str_eq(text, STR("ok\n")) ||
		    str_has_suffix(text, STR("\nok\n"));
	}
	if (ok)
		text.n -= 3;
	if (text.n != 0)
		fprintf(stderr, ok ? "%.*s" : "akkod: %.*s\n", STR_ARG(text));
	buf_fini(&all);
	if (ok)
		return CLI_OK;
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		continue;
	fprintf(stderr, "akkod: it was not started\n");
	return CLI_FAILED;
}

int
cli_start(const struct cli *c)
{
	int pair[2], r;
	pid_t pid;

	if (pipe2(pair, O_CLOEXEC) < 0 || (pid = fork()) < 0) {
		fprintf(stderr, "akkod: %s\n", strerror(errno));
		return CLI_FAILED;
	}
	if (pid == 0) {
		(void)close(pair[0]);
		r = detached(c, pair[1]);
		/* Nothing of the parent's is to be flushed twice. */
		_exit(r);
	}
	(void)close(pair[1]);
	r = wait_ready(pair[0], pid);
	(void)close(pair[0]);
	if (r == CLI_OK)
		printf("akkod runs (pid %d)\n", (int)pid);
	return r;
}

/* ---- check ----------------------------------------------------------------------------- */

/* By file, line and column; as found where these do not tell. */
static int
diag_cmp(const void *a, const void *b)
{
	const struct diag *x = a, *y = b;
	int r = str_cmp(str_c(x->place.file), str_c(y->place.file));

	if (r == 0)
		r = (x->place.line > y->place.line) -
		    (x->place.line < y->place.line);
	return r != 0 ? r : (x->place.column > y->place.column) -
	    (x->place.column < y->place.column);
}

static void
print_diags(struct diags *d)
{
	if (d->n != 0)
		qsort(d->v, d->n, sizeof(*d->v), diag_cmp);
	for (unsigned i = 0; i < d->n; i++) {
		struct buf b = BUF_INIT;

		diag_format(&d->v[i], &b);
		while (b.n != 0 && b.p[b.n - 1] == '\n')
			b.n--;
		printf("%.*s\n", STR_ARG(buf_str(&b)));
		buf_fini(&b);
	}
}

static bool
same_object(const struct diag *file, const struct diag *v)
{
	struct str a = str_c(file->object), b = str_c(v->object);

	if (str_eq(str_c(file->place.file), str_c(v->place.file)) &&
	    file->place.line == v->place.line &&
	    file->place.column == v->place.column)
		return true;
	/* "middleware m" where it was read, "middleware m@file" later. */
	return a.n != 0 && str_has_prefix(b, a) &&
	    (b.n == a.n || b.p[a.n] == '@');
}

/*
 * Takes what compiling found. Of an object that could not be read as it stands
 * the rest says nothing.
 */
static void
add_found(struct diags *d, const struct diags *found)
{
	unsigned n = d->n;

	for (unsigned i = 0; i < found->n; i++) {
		const struct diag *v = &found->v[i];
		bool known = false;

		for (unsigned k = 0; k < n && !known; k++)
			known = d->v[k].class == DIAG_FILE &&
			    same_object(&d->v[k], v);
		if (!known)
			diag_add(d, v->class, v->place, v->object, "%s",
			    v->text);
	}
}

int
cli_check(const struct cli *c)
{
	struct compile_env env = { 0 };
	struct compiled made = { 0 };
	struct diags d = { 0 }, found = { 0 };
	struct source *s = source_inspect(c->config, &d);
	struct world *w = s != NULL ? source_world(s, NULL, 0, &d) : NULL;
	unsigned wrong;

	if (w != NULL)
		compile_world(w, 1, &env, &found, &made);
	add_found(&d, &found);
	print_diags(&d);
	wrong = d.count[DIAG_OBJECT] + d.count[DIAG_FILE];
	if (wrong != 0)
		printf("%u error%s, %u warning%s\n", wrong,
		    wrong == 1 ? "" : "s", d.count[DIAG_WARNING],
		    d.count[DIAG_WARNING] == 1 ? "" : "s");
	else
		printf("%s: good; %u routers, %u warning%s\n",
		    s->path != NULL ? s->path : "embedded default",
		    made.nrouters, d.count[DIAG_WARNING],
		    d.count[DIAG_WARNING] == 1 ? "" : "s");
	compiled_fini(&made);
	world_free(w);
	source_free(s);
	diags_fini(&found);
	diags_fini(&d);
	return wrong == 0 ? CLI_OK : CLI_FAILED;
}

/* ---- ca ---------------------------------------------------------------------------------- */

/* The state directory as the running akkod has it. */
static char *
state_dir(const struct cli *c)
{
	struct diags d = { 0 };
	struct config *config;
	char *dir = NULL;
	const char *path = c->config;

	if (c->state_dir != NULL)
		return xstrdup(c->state_dir);
	if (path == NULL && access(SOURCE_DEFAULT_PATH, R_OK) == 0)
		path = SOURCE_DEFAULT_PATH;
	if (path != NULL && config_load(path, &config, &d) == 0) {
		if (config->akkod.state_directory != NULL)
			dir = xstrdup(config->akkod.state_directory);
		config_free(config);
	}
	diags_fini(&d);
	return dir != NULL ? dir : xstrdup(STATE_DIR_DEFAULT);
}

int
cli_ca(const struct cli *c)
{
	char *dir = state_dir(c);
	char *command = xasprintf("akkod ca --pem --state-dir %s", dir);
	struct buf text = BUF_INIT;
	struct local_ca *ca;
	char why[CERT_WHY];
	int r = CLI_OK;

	if (local_ca_open(dir, clock_wall() / NSEC_SEC, &ca, why) < 0) {
		fprintf(stderr, "akkod: local CA: %s\n", why);
		r = CLI_FAILED;
	} else if (local_ca_in_memory(ca)) {
		/* One made here would not be that of the running akkod. */
		fprintf(stderr, "akkod: local CA in \"%s\": %s\n", dir, why);
		local_ca_close(ca);
		r = CLI_FAILED;
	} else {
		printf("%s", local_ca_pem(ca));
		if (!c->pem) {
			local_ca_trust_text(ca, command, &text);
			printf("%.*s", STR_ARG(buf_str(&text)));
		}
		local_ca_close(ca);
	}
	buf_fini(&text);
	free(command);
	free(dir);
	return r;
}
