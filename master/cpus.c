/* SPDX-License-Identifier: BSD-2-Clause */
/* How many CPUs this process may use; see cpus.h. */
#include "cpus.h"

#include "str.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PATH_BYTES	1024

/* Two numbers, from one file ("max 100000") or from two. */
static unsigned
quota_cpus(const char *quota_path, const char *period_path)
{
	long long quota = 0, period = 0;
	FILE *f = fopen(quota_path, "re");
	int n;

	if (f == NULL)
		return 0;
	n = fscanf(f, "%lld %lld", &quota, &period);
	(void)fclose(f);
	if (n == 1 && period_path != NULL &&
	    (f = fopen(period_path, "re")) != NULL) {
		n += fscanf(f, "%lld", &period) == 1;
		(void)fclose(f);
	}
	if (n != 2 || quota <= 0 || period <= 0)
		return 0;	/* no quota */
	return (unsigned)((quota + period - 1) / period);
}

static unsigned
group_cpus(const char *root, const char *group, bool v1)
{
	char quota[PATH_BYTES], period[PATH_BYTES];

	snprintf(quota, sizeof(quota), "%s%s/%s", root, group,
	    v1 ? "cpu.cfs_quota_us" : "cpu.max");
	snprintf(period, sizeof(period), "%s%s/cpu.cfs_period_us", root, group);
	return quota_cpus(quota, v1 ? period : NULL);
}

/* The least of a group and of those around it; in a container it is the root. */
static void
least(const char *root, const char *group, bool v1, unsigned *n)
{
	char path[PATH_BYTES / 2];
	char *slash;
	unsigned most;

	snprintf(path, sizeof(path), "%s", group);
	do {
		most = group_cpus(root, path, v1);
		if (most != 0 && most < *n)
			*n = most;
		if ((slash = strrchr(path, '/')) != NULL)
			*slash = '\0';
	} while (slash != NULL);
}

unsigned
cpus_usable(void)
{
	unsigned n = 1;
	char line[PATH_BYTES / 2];
	cpu_set_t set;
	FILE *f;

	CPU_ZERO(&set);
	if (sched_getaffinity(0, sizeof(set), &set) == 0)
		n = (unsigned)CPU_COUNT(&set);
	if ((f = fopen("/proc/self/cgroup", "re")) == NULL)
		return n == 0 ? 1 : n;
	while (fgets(line, sizeof(line), f) != NULL) {
		char *name = strchr(line, ':');
		char *path = name != NULL ? strchr(name + 1, ':') : NULL;

		if (path == NULL)
			continue;
		*path++ = '\0';
		path[strcspn(path, "\n")] = '\0';
		name++;
		if (name[0] == '\0')
			least("/sys/fs/cgroup", path, false, &n);
		else if (strcmp(name, "cpu") == 0 ||
		    strncmp(name, "cpu,", 4) == 0)
			least("/sys/fs/cgroup/cpu", path, true, &n);
	}
	(void)fclose(f);
	return n == 0 ? 1 : n;
}
