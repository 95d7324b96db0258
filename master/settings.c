/* SPDX-License-Identifier: BSD-2-Clause */
/* Processes: how many, as whom; see settings.h. */
#include "settings.h"

#include "cpus.h"
#include "log.h"
#include "privdrop.h"
#include "source.h"

#include <cap-ng.h>
#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#define CONNECTIONS	65536	/* of one worker */
#define PER_ADDRESS	1024	/* security 0.4 */
#define FIBERS		4096	/* requests that one worker serves at once */

unsigned
settings_workers(const struct akkod_config *a)
{
	unsigned n = a->workers > 0 ? (unsigned)a->workers : cpus_usable();

	return n > WORKERS_MAX ? WORKERS_MAX : n;
}

static int
io_word(const char *word, uint32_t *ret)
{
	static const char *const words[] = { "auto", "uring", "epoll" };

	*ret = 0;
	if (word == NULL || word[0] == '\0')
		return 0;
	for (uint32_t i = 0; i < ARRAY_SIZE(words); i++)
		if (strcmp(word, words[i]) == 0) {
			*ret = i;
			return 0;
		}
	return -EINVAL;
}

static int
settings_user(struct master *m, const char *name, char *err, size_t err_size)
{
	struct jail jail;

	m->drop_user = geteuid() == 0;
	if (!m->drop_user)
		return 0;
	if (name != NULL && getpwnam(name) == NULL) {
		snprintf(err, err_size, "akkod.user: there is no user \"%s\"",
		    name);
		return -EINVAL;
	}
	if (privdrop_user(name != NULL ? name : "akkod", &jail) < 0) {
		snprintf(err, err_size, "there is neither a user \"akkod\" "
		    "nor \"nobody\" for the workers");
		return -EINVAL;
	}
	m->worker_uid = jail.uid;
	m->worker_gid = jail.gid;
	return 0;
}

static unsigned
bounded(int64_t value, unsigned unset, unsigned most)
{
	if (value <= 0)
		return unset;
	return value > most ? most : (unsigned)value;
}

int
settings_apply(struct master *m, char *err, size_t err_size)
{
	const struct akkod_config *a = &m->source->config->akkod;
	const char *io = getenv("AKKOD_IO");

	if (a->workers > WORKERS_MAX || a->workers < 0) {
		snprintf(err, err_size, "akkod.workers must be from 1 to %d, "
		    "or 0 for one per CPU", WORKERS_MAX);
		return -EINVAL;
	}
	m->nworkers = settings_workers(a);
	m->listeners.nworkers = m->nworkers;
	if (io_word(io, &m->io) < 0) {
		snprintf(err, err_size, "AKKOD_IO is \"%s\"; it must be auto, "
		    "uring or epoll", io);
		return -EINVAL;
	}
	if ((io == NULL || io[0] == '\0') && io_word(a->io, &m->io) < 0) {
		snprintf(err, err_size, "akkod.io is \"%s\"; it must be auto, "
		    "uring or epoll", a->io);
		return -EINVAL;
	}
	m->max_conns = bounded(a->limits.connections, CONNECTIONS, 1u << 20);
	m->max_per_address = bounded(a->limits.per_address, PER_ADDRESS,
	    1u << 20);
	m->max_fibers = bounded(a->limits.fibers, FIBERS, 1u << 16);
	m->limits = a->limits;
	return settings_user(m, a->user, err, err_size);
}

static void
keep_root_caps(void)
{
	static const int kept[] = { CAP_NET_BIND_SERVICE, CAP_SETUID,
	    CAP_SETGID, CAP_SETPCAP, CAP_KILL, CAP_DAC_READ_SEARCH };
	bool have[ARRAY_SIZE(kept)];

	if (capng_get_caps_process() != 0)
		return;
	for (size_t i = 0; i < ARRAY_SIZE(kept); i++)
		have[i] = capng_have_capability(CAPNG_PERMITTED,
		    (unsigned)kept[i]);
	capng_clear(CAPNG_SELECT_BOTH);
	for (size_t i = 0; i < ARRAY_SIZE(kept); i++)
		if (have[i])
			(void)capng_update(CAPNG_ADD, (capng_type_t)
			    (CAPNG_EFFECTIVE | CAPNG_PERMITTED |
			    CAPNG_BOUNDING_SET), (unsigned)kept[i]);
	/* In a container the bounding set may be out of reach. */
	(void)capng_apply(CAPNG_SELECT_BOUNDS);
	if (capng_apply(CAPNG_SELECT_CAPS) != 0)
		log_warn("capabilities could not be dropped");
}

void
settings_drop(const struct master *m)
{
	struct rlimit none = { 0, 0 };

	(void)setrlimit(RLIMIT_CORE, &none);
#ifndef WITH_ASAN
	(void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
#endif
	if (m->drop_user)
		keep_root_caps();
	else
		(void)prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
}
