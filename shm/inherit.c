/* SPDX-License-Identifier: BSD-2-Clause */
/* What a child inherits; see inherit.h. */
#include "inherit.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Kept from the environment: what tests and sanitizers set. */
static const char *const env_keep[] = { "AKKOD_IO", "ASAN_OPTIONS",
    "UBSAN_OPTIONS", "LSAN_OPTIONS", "TZ", "SSL_CERT_FILE", "SSL_CERT_DIR" };

static void
signals_reset(void)
{
	sigset_t none;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	for (int s = 1; s < 32; s++)
		if (s != SIGKILL && s != SIGSTOP)
			signal(s, SIG_DFL);
}

int
inherit_exec(const char *role, unsigned id, int control, int live, int log)
{
	int from[] = { control, live, log }, high[3];
	char id_text[16], *env[8], *argv[4];
	unsigned n = 0;

	/* First out of the way of the targets, then to their places. */
	for (int i = 0; i < 3; i++)
		if ((high[i] = fcntl(from[i], F_DUPFD, INHERIT_END + 3)) < 0)
			return -errno;
	for (int i = 0; i < 3; i++)
		if (dup2(high[i], INHERIT_CONTROL + i) < 0)
			return -errno;
	if (syscall(SYS_close_range, INHERIT_END, ~0U, 0) < 0)
		return -errno;
	for (size_t i = 0; i < sizeof(env_keep) / sizeof(env_keep[0]); i++) {
		const char *v = getenv(env_keep[i]);

		if (v != NULL && asprintf(&env[n], "%s=%s", env_keep[i],
		    v) >= 0)
			n++;
	}
	env[n] = NULL;
	umask(077);
	if (chdir("/") < 0)
		return -errno;
	signals_reset();
	snprintf(id_text, sizeof(id_text), "%u", id);
	argv[0] = (char *)(size_t)"akkod";
	argv[1] = (char *)(size_t)role;
	argv[2] = id_text;
	argv[3] = NULL;
	execve("/proc/self/exe", argv, env);
	return -errno;
}

int
inherit_check(void)
{
	for (int fd = INHERIT_CONTROL; fd < INHERIT_END; fd++) {
		int flags = fcntl(fd, F_GETFD);

		if (flags < 0)
			return -EBADF;
		(void)fcntl(fd, F_SETFD, flags | FD_CLOEXEC);
	}
	return 0;
}
