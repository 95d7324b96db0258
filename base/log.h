/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The general log: one line, one event. Levels and formats are Traefik's
 * (`log.level`, `log.format`). Writing never blocks: the descriptor is
 * non-blocking, and a line that does not fit is dropped and counted.
 */
#ifndef LOG_H
#define LOG_H

#include "str.h"

enum log_level {
	LOG_TRACE, LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR, LOG_FATAL,
	LOG_LEVELS
};

enum log_format { LOG_COMMON, LOG_JSON };

/* Until called: level INFO, format common, standard error. The log borrows fd. */
void	log_open(int fd, enum log_level level, enum log_format format);
/* The process's role in every line, for example "worker 1". Copied. */
void	log_set_role(const char *role);
void	log_set_fd(int fd);
enum log_level log_level(void);
/* Lines lost because the descriptor would have blocked or failed. */
uint64_t log_dropped(void);
/* Any case; -EINVAL when unknown. */
int	log_level_parse(struct str s, enum log_level *ret);

void	log_write(enum log_level level, const char *fmt, ...)
	    __attribute__((format(printf, 2, 3)));

#define log_at(level, ...) \
	do { if ((level) >= log_level()) log_write((level), __VA_ARGS__); } while (0)
#define log_debug(...)	log_at(LOG_DEBUG, __VA_ARGS__)
#define log_info(...)	log_at(LOG_INFO, __VA_ARGS__)
#define log_warn(...)	log_at(LOG_WARN, __VA_ARGS__)
#define log_error(...)	log_at(LOG_ERROR, __VA_ARGS__)
/*
 * For lines that a peer can cause: at most one per second per place, the next
 * one says how many were left out.
 */
#define log_limited(level, ...) do {					\
	static struct log_limit log_limit_;				\
	if ((level) >= log_level() && log_limit_pass(&log_limit_))	\
		log_write((level), __VA_ARGS__);			\
} while (0)

struct log_limit {
	int64_t next_ns;
	unsigned skipped;
};
bool	log_limit_pass(struct log_limit *l);

#endif
