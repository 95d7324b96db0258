/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * After an upgrade the process of before is there for as long as its workers
 * have something to end, and as the first process of a container for ever. It
 * is the parent of the master that took over, so it hears first when that one
 * is killed, and starts its own program, the one that is known to work, which
 * takes over from the workers that are without a master now (will.c).
 *
 * Where a service manager is told about processes this is its task, and two who
 * do it would be in each other's way.
 */
#include "master.h"

#include "log.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

bool
rescue_needed(int status)
{
	return getenv("NOTIFY_SOCKET") == NULL &&
	    (WIFSIGNALED(status) || WEXITSTATUS(status) != 0);
}

static void __attribute__((noreturn))
child(const struct master *m)
{
	const char *argv[9] = { "akkod", m->opt.detached ? "start" : "run" };
	sigset_t none;
	unsigned n = 2;

	if (m->opt.config_path != NULL) {
		argv[n++] = "-c";
		argv[n++] = m->opt.config_path;
	}
	argv[n++] = "--runtime-dir";
	argv[n++] = m->runtime.dir;
	argv[n++] = "--state-dir";
	argv[n++] = m->state_dir;
	sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	if (syscall(SYS_close_range, STDERR_FILENO + 1, ~0U,
	    CLOSE_RANGE_CLOEXEC) == 0)
		(void)execve("/proc/self/exe", (char *const *)(size_t)argv,
		    environ);
	log_error("this program cannot be started anew: %s", strerror(errno));
	_exit(127);
}

void
rescue_start(struct master *m)
{
	pid_t pid;

	/* The lock is common to all who were handed it, and they are dead. */
	control_stop(m->control);
	runtime_unlock(&m->runtime);
	pid = fork();
	if (pid == 0)
		child(m);
	if (pid < 0)
		log_error("the program that took over has died, and this one "
		    "cannot be started anew: %s", strerror(errno));
	else
		log_error("the program that took over has died: this one is "
		    "started anew (pid %d)", (int)pid);
}
