/* SPDX-License-Identifier: BSD-2-Clause */
/* Commands that only look; see report.h. */
#include "report.h"

#include "log.h"
#include "master.h"
#include "writer.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#define REPORT_TIME	30	/* seconds, all in all */
#define SEND_TIME	10	/* without a byte taken */

static const struct { const char *command; report_fn *make; } reports[] = {
	{ "routes", routes_report }, { "explain", explain_report },
	{ "certs", certs_report }, { "dump", dump_report },
	{ "mem", mem_report },
};

/* ---- The copy ------------------------------------------------------------- */

/*
 * Listening sockets, locks, the children's and other clients' sockets: none may
 * live on because somebody reads slowly. The loop's descriptors are shared with
 * the master, so nothing is taken out of it here.
 */
static void
leave_the_rest(int fd, int table_fd)
{
	int low = fd < table_fd ? fd : table_fd;
	int high = fd < table_fd ? table_fd : fd;
	sigset_t none;

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (low > 3)
		(void)close_range(3, (unsigned)low - 1, 0);
	if (high > low + 1)
		(void)close_range((unsigned)low + 1, (unsigned)high - 1, 0);
	(void)close_range((unsigned)high + 1, ~0u, 0);
	sigemptyset(&none);
	(void)signal(SIGALRM, SIG_DFL);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	(void)alarm(REPORT_TIME);
	(void)!nice(5);
}

static json_t *
make(struct master *m, report_fn *fn, const json_t *request)
{
	char err[1024] = "akkod is still starting";
	struct view v;
	json_t *answer = NULL;
	int r = view_open(m, &v);

	if (r == 0)
		answer = fn(&v, request, err, sizeof(err));
	else if (r != -EAGAIN)
		snprintf(err, sizeof(err), "%s", strerror(-r));
	if (answer == NULL)
		return json_pack("{s:b, s:o}", "ok", 0, "error",
		    write_text(err));	/* it may be cut within a character */
	json_object_set_new(answer, "ok", json_true());
	return answer;
}

/* Never returns. */
static void
be_the_copy(struct master *m, int fd, report_fn *fn, const json_t *request)
{
	struct timeval patience = { .tv_sec = SEND_TIME };
	json_t *answer;
	FILE *f;

	leave_the_rest(fd, m->now.table_fd);
	answer = make(m, fn, request);
	(void)fcntl(fd, F_SETFL, 0);
	(void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience,
	    sizeof(patience));
	f = fdopen(fd, "w");
	if (f != NULL && json_dumpf(answer, f, JSON_COMPACT) == 0 &&
	    putc('\n', f) == '\n' && fflush(f) == 0)
		_exit(0);
	_exit(1);
}

/* ---- The master ------------------------------------------------------------ */

static pid_t *
free_place(struct master *m)
{
	for (unsigned i = 0; i < REPORTS_MAX; i++)
		if (m->reports[i] == 0)
			return &m->reports[i];
	return NULL;
}

bool
report_start(struct master *m, uint64_t client, const char *command,
    const json_t *request)
{
	report_fn *fn = NULL;
	pid_t *place, pid;
	int fd;

	for (size_t i = 0; i < ARRAY_SIZE(reports); i++)
		if (strcmp(reports[i].command, command) == 0)
			fn = reports[i].make;
	if (fn == NULL)
		return false;
	if ((place = free_place(m)) == NULL) {
		control_fail(m->control, client, "too many are asking");
		return true;
	}
	if ((fd = control_fd(m->control, client)) < 0)
		return true;
	if ((pid = fork()) == 0)
		be_the_copy(m, fd, fn, request);
	if (pid < 0) {
		control_fail(m->control, client, strerror(errno));
		return true;
	}
	*place = pid;
	control_leave(m->control, client);
	return true;
}

bool
report_reaped(struct master *m, pid_t pid)
{
	for (unsigned i = 0; i < REPORTS_MAX; i++)
		if (m->reports[i] == pid) {
			m->reports[i] = 0;
			return true;
		}
	return false;
}
