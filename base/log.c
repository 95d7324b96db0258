/* SPDX-License-Identifier: BSD-2-Clause */
/* The general log; see log.h. */
#include "log.h"

#include "buf.h"
#include "clock.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define LINE_MAX_BYTES	8192	/* S-707 */

static struct {
	int fd;
	enum log_level level;
	enum log_format format;
	char role[32];
	uint64_t dropped;
} log_state = { .fd = STDERR_FILENO, .level = LOG_INFO };

static const struct { const char *name, *mark, *json; } levels[] = {
	[LOG_TRACE] = { "TRACE", "TRC", "trace" },
	[LOG_DEBUG] = { "DEBUG", "DBG", "debug" },
	[LOG_INFO] = { "INFO", "INF", "info" },
	[LOG_WARN] = { "WARN", "WRN", "warn" },
	[LOG_ERROR] = { "ERROR", "ERR", "error" },
	[LOG_FATAL] = { "FATAL", "FTL", "fatal" },
};
_Static_assert(ARRAY_SIZE(levels) == LOG_LEVELS, "name the new level");

void
log_open(int fd, enum log_level level, enum log_format format)
{
	log_state.fd = fd;
	log_state.level = level;
	log_state.format = format;
}

void
log_set_role(const char *role)
{
	snprintf(log_state.role, sizeof(log_state.role), "%s", role);
}

void
log_set_fd(int fd)
{
	log_state.fd = fd;
}

enum log_level
log_level(void)
{
	return log_state.level;
}

uint64_t
log_dropped(void)
{
	return log_state.dropped;
}

int
log_level_parse(struct str s, enum log_level *ret)
{
	if (str_caseeq(s, STR("PANIC"))) {
		*ret = LOG_FATAL;
		return 0;
	}
	for (int i = 0; i < LOG_LEVELS; i++)
		if (str_caseeq(s, str_c(levels[i].name))) {
			*ret = (enum log_level)i;
			return 0;
		}
	return -EINVAL;
}

/* Control bytes would let a peer forge lines (S-707). */
static void
put_escaped(struct buf *b, struct str s)
{
	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];

		if (c < 0x20 || c == 0x7f)
			buf_printf(b, "\\x%02x", c);
		else
			buf_putc(b, (char)c);
	}
}

static void
put_line(struct buf *b, enum log_level level, struct str msg)
{
	char when[32];
	time_t now = time(NULL);
	struct tm tm;

	gmtime_r(&now, &tm);
	strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%SZ", &tm);
	if (log_state.format == LOG_JSON) {
		buf_printf(b, "{\"level\":\"%s\",", levels[level].json);
		if (log_state.role[0] != '\0')
			buf_printf(b, "\"process\":\"%s\",", log_state.role);
		buf_printf(b, "\"time\":\"%s\",\"message\":", when);
		buf_put_json(b, msg);
		buf_puts(b, STR("}\n"));
		return;
	}
	buf_printf(b, "%s %s ", when, levels[level].mark);
	if (log_state.role[0] != '\0')
		buf_printf(b, "%s: ", log_state.role);
	put_escaped(b, msg);
	buf_putc(b, '\n');
}

void
log_write(enum log_level level, const char *fmt, ...)
{
	struct buf msg = BUF_INIT, line = BUF_INIT;
	int saved = errno;
	va_list ap;

	msg.max = LINE_MAX_BYTES;
	va_start(ap, fmt);
	buf_vprintf(&msg, fmt, ap);
	va_end(ap);
	if (buf_failed(&msg))
		buf_reset(&msg), buf_puts(&msg, STR("(line too long)"));
	put_line(&line, level, buf_str(&msg));
	if (buf_failed(&line) || log_state.fd < 0 ||
	    write(log_state.fd, line.p, line.n) != (ssize_t)line.n)
		log_state.dropped++;
	buf_fini(&msg);
	buf_fini(&line);
	errno = saved;
}

bool
log_limit_pass(struct log_limit *l)
{
	nsec_t now = clock_mono();

	if (now < l->next_ns) {
		l->skipped++;
		return false;
	}
	l->next_ns = now + NSEC_SEC;
	if (l->skipped != 0)
		log_write(LOG_WARN, "%u similar lines left out", l->skipped);
	l->skipped = 0;
	return true;
}
