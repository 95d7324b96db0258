/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a child inherits and what it can still do after giving up privileges
 * (P-01 to P-06). The test executes itself again as that child.
 */
#include "inherit.h"

#include "privdrop.h"
#include "reason.h"
#include "str.h"
#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

/* ---- The child ------------------------------------------------------------ */

/* Says what is wrong through the control descriptor, and ends. */
static void
must(bool ok, const char *what)
{
	if (ok)
		return;
	dprintf(INHERIT_CONTROL, "%s (errno %d)", what, errno);
	_exit(1);
}

static unsigned long long
status_hex(const char *key)
{
	char line[256];
	unsigned long long v = ~0ULL;
	FILE *fp = fopen("/proc/self/status", "r");

	while (fp != NULL && fgets(line, sizeof(line), fp) != NULL)
		if (strncmp(line, key, strlen(key)) == 0)
			v = strtoull(line + strlen(key), NULL, 16);
	if (fp != NULL)
		fclose(fp);
	return v;
}

static void
check_inherited(void)
{
	char cwd[64];
	mode_t mask;

	for (int fd = INHERIT_END; fd < 200; fd++)
		must(fcntl(fd, F_GETFD) < 0, "a descriptor came along");
	must(inherit_check() == 0, "inherit_check");
	for (int fd = INHERIT_CONTROL; fd < INHERIT_END; fd++)
		must(fcntl(fd, F_GETFD) & FD_CLOEXEC, "kept over exec");
	mask = umask(0);
	must(mask == 077, "umask");
	must(getcwd(cwd, sizeof(cwd)) != NULL && strcmp(cwd, "/") == 0,
	    "working directory");
	for (char **e = environ; *e != NULL; e++)
		must(strncmp(*e, "SECRET", 6) != 0 && strncmp(*e, "LD_",
		    3) != 0, "environment");
	must(getenv("AKKOD_IO") != NULL, "AKKOD_IO is kept");
	must(signal(SIGPIPE, SIG_DFL) == SIG_DFL, "SIGPIPE");
	must(signal(SIGTERM, SIG_DFL) == SIG_DFL, "SIGTERM");
}

static void
check_dropped(void)
{
	struct jail j = { .uid = getuid(), .gid = getgid(), .max_files = 64 };
	const char *what = "";
	/* Root by name only has no other user to become. */
	bool root = geteuid() == 0 && status_hex("CapEff:") >> 7 & 1;
	struct rlimit l;
	char text[128];
	int r;

	must(privdrop_user("no-such-user-here", &j) == 0, "nobody");
	must(j.uid != 0, "nobody is not root");
	r = privdrop(&j, &what);
	snprintf(text, sizeof(text), "privdrop: %s: %d", what, r);
	must(r == 0, text);
	if (root) {
		gid_t groups[8];

		must(getuid() == j.uid && geteuid() == j.uid &&
		    getgid() == j.gid && getegid() == j.gid, "ids");
		must(getgroups(8, groups) == 0, "groups");
		must(status_hex("CapBnd:") == 0, "bounding set");
		must(open("/etc/shadow", O_RDONLY) < 0, "/etc/shadow");
	}
	must(getuid() == 0 || setuid(0) < 0, "root again");
	must(status_hex("CapEff:") == 0 && status_hex("CapPrm:") == 0 &&
	    status_hex("CapInh:") == 0 && status_hex("CapAmb:") == 0,
	    "capabilities");
	must(status_hex("NoNewPrivs:") == 1, "no_new_privs");
	must(prctl(PR_GET_DUMPABLE) == 0, "dumpable");
	must(getrlimit(RLIMIT_CORE, &l) == 0 && l.rlim_max == 0, "core");
	must(getrlimit(RLIMIT_NOFILE, &l) == 0 && l.rlim_max == 64, "files");
}

static int
child(const char *id)
{
	must(strcmp(id, "7") == 0, "id");
	check_inherited();
	check_dropped();
	dprintf(INHERIT_CONTROL, "good");
	return 0;
}

/* ---- The parent ---------------------------------------------------------------- */

START_TEST(executed_again)
{
	int answer[2], spare[20];
	char text[256] = "";
	size_t n = 0;
	ssize_t got;
	pid_t pid;
	int status;

	ck_assert_int_eq(pipe(answer), 0);
	if ((pid = fork()) == 0) {
		for (int i = 0; i < 20; i++)
			spare[i] = dup(answer[0]);
		(void)spare;
		setenv("SECRET", "x", 1);
		setenv("LD_AUDIT_X", "x", 1);
		setenv("AKKOD_IO", "epoll", 1);
		signal(SIGPIPE, SIG_IGN);
		umask(0);
		_exit(-inherit_exec("probe", 7, answer[1], answer[1],
		    answer[1]));
	}
	close(answer[1]);
	while ((got = read(answer[0], text + n, sizeof(text) - 1 - n)) > 0)
		n += (size_t)got;
	close(answer[0]);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_str_eq(text, "good");
	ck_assert_int_eq(status, 0);
}
END_TEST

START_TEST(nothing_inherited)
{
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		close(INHERIT_LIVE);
		_exit(inherit_check() == -EBADF ? 0 : 1);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
	/* A descriptor that is none is told, not passed on. */
	ck_assert_int_eq(inherit_exec("probe", 1, -1, -1, -1), -EBADF);
}
END_TEST

/* Each reason has a word of its own, and what is none has none. */
START_TEST(reasons)
{
	for (int i = 1; i < REASONS; i++) {
		const char *w = reason_word((enum reason)i);
		unsigned status = reason_status((enum reason)i);

		ck_assert_uint_gt(strlen(w), 2);
		ck_assert_uint_gt(strlen(reason_text((enum reason)i)), 5);
		ck_assert_uint_eq(strspn(w, "abcdefghijklmnopqrstuvwxyz0123456"
		    "789-"), strlen(w));
		ck_assert(status == 0 || (status >= 200 && status < 600));
		for (int k = 0; k < i; k++)
			ck_assert_str_ne(w, reason_word((enum reason)k));
	}
	ck_assert_str_eq(reason_word(REASON_NONE), "");
	ck_assert_str_eq(reason_word(REASONS), "");
	ck_assert_str_eq(reason_word((enum reason)-1), "");
	ck_assert_uint_eq(reason_status(REASONS), 0);
	ck_assert_str_eq(reason_text(REASONS), "");
}
END_TEST

#define main unit_main
int	unit_main(void);
UNIT_MAIN("child", executed_again, nothing_inherited, reasons)
#undef main

int
main(int argc, char **argv)
{
	return argc == 3 && strcmp(argv[1], "probe") == 0 ? child(argv[2]) :
	    unit_main();
}
