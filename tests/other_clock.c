/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Makes of the same objects a program with a wall clock of its own: that of the
 * machine, and as many seconds ahead as stand in the file PROGRAM.clock, a
 * native 64-bit number. It may change at any time, as when somebody sets the
 * clock. Libraries see it as well. Only tests use it.
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static const volatile int64_t *ahead;

static void __attribute__((constructor))
open_clock(void)
{
	static const int64_t none;
	char path[2048];
	ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 8);
	void *p = MAP_FAILED;
	int fd;

	ahead = &none;
	if (n <= 0)
		return;
	(void)snprintf(path + n, 8, ".clock");
	if ((fd = open(path, O_RDONLY | O_CLOEXEC)) < 0)
		return;
	p = mmap(NULL, sizeof(*ahead), PROT_READ, MAP_SHARED, fd, 0);
	(void)close(fd);
	if (p != MAP_FAILED)
		ahead = p;
}

int
clock_gettime(clockid_t id, struct timespec *ts)
{
	int r = (int)syscall(SYS_clock_gettime, id, ts);

	if (r == 0 && ahead != NULL && (id == CLOCK_REALTIME ||
	    id == CLOCK_REALTIME_COARSE))
		ts->tv_sec += *ahead;
	return r;
}

time_t
time(time_t *ret)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_REALTIME, &ts);
	if (ret != NULL)
		*ret = ts.tv_sec;
	return ts.tv_sec;
}

int
gettimeofday(struct timeval *restrict tv, void *restrict zone)
{
	struct timespec ts;

	(void)zone;
	(void)clock_gettime(CLOCK_REALTIME, &ts);
	tv->tv_sec = ts.tv_sec;
	tv->tv_usec = ts.tv_nsec / 1000;
	return 0;
}
