/* SPDX-License-Identifier: BSD-2-Clause */
/* Log descriptors: opened here, written by master and workers. */
#include "master.h"

#include "log.h"
#include "source.h"

#include <stdio.h>
#include <string.h>

#define MEGABYTE	(UINT64_C(1) << 20)
#define DAY		(24 * 3600 * NSEC_SEC)

static void
send_all(struct master *m)
{
	for (unsigned i = 0; i < WORKERS_MAX && m->slots != NULL; i++)
		logs_send(&m->slots[i]);
}

static enum log_format
format_of(const char *word)
{
	return word != NULL && strcmp(word, "json") == 0 ? LOG_JSON :
	    LOG_COMMON;
}

static enum log_level
level_of(const char *word)
{
	enum log_level level = LOG_ERROR;

	if (word != NULL && word[0] != '\0' &&
	    log_level_parse(str_c(word), &level) < 0)
		/* Traefik starts with it all the same (proxy.md 1.4). */
		log_error("log.level: unknown level \"%s\"; ERROR is used",
		    word);
	return level;
}

int
logs_open(struct master *m, char *err, size_t err_size)
{
	const struct config *c = m->source->config;
	const struct log_config *l = &c->log;
	const struct access_log_config *a = c->access_log;

	if (logfile_open(&m->log, m->loop, l->file_path, err, err_size) < 0)
		return -1;
	m->log.max_bytes = l->max_size > 0 ?
	    (uint64_t)l->max_size * MEGABYTE : 0;
	m->log.max_age_ns = l->max_age > 0 ? l->max_age * DAY : 0;
	m->log.max_backups = l->max_backups > 0 ?
	    (unsigned)l->max_backups : 0;
	m->log.keep_plain = !l->compress;
	m->log_format = format_of(l->format);
	log_open(m->log.fd, level_of(l->level), m->log_format);
	m->has_access_log = a != NULL;
	if (a != NULL && logfile_open(&m->access_log, m->loop, a->file_path,
	    err, err_size) < 0)
		return -1;
	send_all(m);
	return 0;
}

void
logs_send(struct worker_slot *s)
{
	struct master *m = s->m;
	struct msg_log msg = {
		.level = log_level(),
		.format = m->log_format,
		.has_access_log = m->has_access_log,
	};
	int fds[2] = { m->log.fd, m->has_access_log ? m->access_log.fd :
	    m->log.fd };

	supervise_send(s, MSG_LOG, &msg, sizeof(msg), fds, 2);
}

void
logs_reopen(struct master *m)
{
	char err[256];

	if (logfile_reopen(&m->log, err, sizeof(err)) < 0 ||
	    (m->has_access_log &&
	    logfile_reopen(&m->access_log, err, sizeof(err)) < 0))
		log_error("%s; the old one is kept", err);
	log_set_fd(m->log.fd);
	send_all(m);
	log_info("log files are open again");
}

void
logs_tick(struct master *m)
{
	bool changed = logfile_check(&m->log);

	log_set_fd(m->log.fd);
	if (m->has_access_log)
		changed |= logfile_check(&m->access_log);
	if (changed)
		send_all(m);
}

void
logs_fini(struct master *m)
{
	log_set_fd(2);
	logfile_close(&m->log);
	logfile_close(&m->access_log);
}
