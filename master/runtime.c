/* SPDX-License-Identifier: BSD-2-Clause */
/* The runtime directory; see runtime.h. */
#include "runtime.h"

#include "alloc.h"
#include "dir.h"
#include "str.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static int
make_dir(const char *dir, char *err, size_t err_size)
{
	int r = dir_make(dir);

	if (r == 0 && access(dir, W_OK | X_OK) < 0)
		r = -errno;
	if (r < 0)
		snprintf(err, err_size, "runtime directory \"%s\": %s (choose "
		    "another with --runtime-dir)", dir, strerror(-r));
	return r;
}

static int
read_pid(int fd)
{
	char text[24];
	ssize_t n = pread(fd, text, sizeof(text) - 1, 0);
	uint64_t pid;

	while (n > 0 && text[n - 1] == '\n')
		n--;
	if (n <= 0 || str_u64(str_n(text, (size_t)n), &pid) < 0 ||
	    pid > INT32_MAX)
		return 0;
	return (int)pid;
}

/*
 * Whoever asks "is one running?" holds a shared lock for an instant, so one
 * refusal proves nothing.
 */
static int
lock_file(int fd)
{
	for (int i = 0; i < 5; i++) {
		if (flock(fd, LOCK_EX | LOCK_NB) == 0)
			return 0;
		(void)usleep(10000);
	}
	return -EBUSY;
}

static int
lock_pid(struct runtime *r, char *err, size_t err_size)
{
	char text[24];
	int n;

	r->pid_fd = open(r->pid_path,
	    O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
	if (r->pid_fd < 0) {
		n = -errno;
		snprintf(err, err_size, "pid file \"%s\": %s", r->pid_path,
		    strerror(-n));
		return n;
	}
	if (lock_file(r->pid_fd) < 0) {
		snprintf(err, err_size, "akkod is already running in \"%s\" "
		    "(pid %d)", r->dir, read_pid(r->pid_fd));
		(void)close(r->pid_fd);
		r->pid_fd = -1;
		return -EBUSY;
	}
	n = snprintf(text, sizeof(text), "%d\n", (int)getpid());
	/* In this order a reader sees a number at any time. */
	if (pwrite(r->pid_fd, text, (size_t)n, 0) != n ||
	    ftruncate(r->pid_fd, n) < 0) {
		n = errno != 0 ? -errno : -EIO;
		snprintf(err, err_size, "pid file \"%s\": %s", r->pid_path,
		    strerror(-n));
		return n;
	}
	return 0;
}

static int
socket_name(struct sockaddr_un *sun, const char *path)
{
	memset(sun, 0, sizeof(*sun));
	sun->sun_family = AF_UNIX;
	if (strlen(path) >= sizeof(sun->sun_path))
		return -ENAMETOOLONG;
	strcpy(sun->sun_path, path);
	return 0;
}

static int
open_socket(struct runtime *r, char *err, size_t err_size)
{
	struct sockaddr_un sun;
	mode_t old;
	int n = socket_name(&sun, r->socket_path);

	if (n == 0) {
		r->socket_fd = socket(AF_UNIX,
		    SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
		/* We hold the lock, so nobody listens behind this name. */
		(void)unlink(r->socket_path);
		old = umask(0177);
		if (r->socket_fd < 0 || bind(r->socket_fd,
		    (struct sockaddr *)&sun, sizeof(sun)) < 0 ||
		    listen(r->socket_fd, 16) < 0)
			n = -errno;
		(void)umask(old);
	}
	if (n < 0)
		snprintf(err, err_size, "control socket \"%s\": %s",
		    r->socket_path, strerror(-n));
	return n;
}

int
runtime_open_heir(struct runtime *r)
{
	struct sockaddr_un sun;
	mode_t old;
	int n = socket_name(&sun, r->heir_path);

	if (n < 0)
		return n;
	if (r->heir_fd >= 0)
		(void)close(r->heir_fd);
	r->heir_fd = socket(AF_UNIX,
	    SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	(void)unlink(r->heir_path);
	old = umask(0177);
	if (r->heir_fd < 0 || bind(r->heir_fd, (struct sockaddr *)&sun,
	    sizeof(sun)) < 0 || listen(r->heir_fd, 128) < 0) {
		n = -errno;
		if (r->heir_fd >= 0)
			(void)close(r->heir_fd);
		r->heir_fd = -1;
	}
	(void)umask(old);
	return n;
}

int
runtime_find_orphan(const struct runtime *r)
{
	struct sockaddr_un sun;
	int n = socket_name(&sun, r->heir_path), fd;

	if (n < 0)
		return n;
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (connect(fd, (struct sockaddr *)&sun, sizeof(sun)) < 0) {
		n = -errno;
		(void)close(fd);
		return n;
	}
	return fd;
}

int
runtime_claim(struct runtime *r, const char *dir, char *err, size_t err_size)
{
	int n;

	if ((n = make_dir(dir, err, err_size)) < 0)
		return n;
	r->dir = xstrdup(dir);
	r->pid_path = xasprintf("%s/akkod.pid", dir);
	r->socket_path = xasprintf("%s/akkod.sock", dir);
	r->heir_path = xasprintf("%s/akkod.heir", dir);
	if ((n = lock_pid(r, err, err_size)) < 0) {
		if (r->pid_fd >= 0)
			runtime_release(r);
		else
			runtime_forget(r);
		return n;
	}
	if ((n = open_socket(r, err, err_size)) < 0)
		runtime_release(r);
	return n;
}

void
runtime_adopt(struct runtime *r, const char *dir, int pid_fd, int socket_fd)
{
	r->dir = xstrdup(dir);
	r->pid_path = xasprintf("%s/akkod.pid", dir);
	r->socket_path = xasprintf("%s/akkod.sock", dir);
	r->heir_path = xasprintf("%s/akkod.heir", dir);
	r->pid_fd = pid_fd;
	r->socket_fd = socket_fd;
	r->lent = true;
}

void
runtime_take(struct runtime *r)
{
	char text[24];
	int n = snprintf(text, sizeof(text), "%d\n", (int)getpid());

	r->lent = false;
	if (pwrite(r->pid_fd, text, (size_t)n, 0) == n)
		(void)!ftruncate(r->pid_fd, n);
}

void
runtime_lend(struct runtime *r)
{
	r->lent = true;
}

void
runtime_unlock(struct runtime *r)
{
	if (r->socket_fd >= 0)
		(void)close(r->socket_fd);
	if (r->pid_fd >= 0)
		(void)close(r->pid_fd);
	r->socket_fd = r->pid_fd = -1;
}

void
runtime_forget(struct runtime *r)
{
	if (r->socket_fd >= 0)
		(void)close(r->socket_fd);
	if (r->pid_fd >= 0)
		(void)close(r->pid_fd);
	if (r->heir_fd >= 0)
		(void)close(r->heir_fd);
	r->socket_fd = r->pid_fd = r->heir_fd = -1;
	free(r->dir);
	free(r->pid_path);
	free(r->socket_path);
	free(r->heir_path);
	r->dir = r->pid_path = r->socket_path = r->heir_path = NULL;
}

void
runtime_release(struct runtime *r)
{
	if (r->pid_fd >= 0 && !r->lent) {
		(void)unlink(r->socket_path);
		(void)unlink(r->heir_path);
		(void)unlink(r->pid_path);
	}
	runtime_forget(r);
}

int
runtime_pid(const char *dir)
{
	char *path = xasprintf("%s/akkod.pid", dir);
	int fd = open(path, O_RDONLY | O_CLOEXEC), pid = 0;

	free(path);
	if (fd < 0)
		return 0;
	/* A shared lock can be had only when nobody runs. */
	if (flock(fd, LOCK_SH | LOCK_NB) < 0)
		pid = read_pid(fd);
	(void)close(fd);
	return pid;
}

int
runtime_connect(const char *dir)
{
	char *path = xasprintf("%s/akkod.sock", dir);
	struct sockaddr_un sun;
	int n = socket_name(&sun, path), fd;

	free(path);
	if (n < 0)
		return n;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (connect(fd, (struct sockaddr *)&sun, sizeof(sun)) < 0) {
		n = -errno;
		(void)close(fd);
		return n;
	}
	return fd;
}
