/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The access log: one line per exchange, in Traefik's formats and with its field
 * names. Lines are collected and written in pieces at the end of a turn of the
 * loop; a descriptor that would block loses them, counted, and never holds up a
 * request.
 */
#ifndef ACCESS_LOG_H
#define ACCESS_LOG_H

struct access_log;
struct exchange;
struct worker;

struct access_log *access_log_new(struct worker *w);
void	access_log_free(struct access_log *l);
/* Takes over fd; -1: none. Lines so far go to the old one. */
void	access_log_set_fd(struct access_log *l, int fd);
/* The line of an exchange, if the table wants one. */
void	access_log_write(struct exchange *x);
void	access_log_flush(struct access_log *l);
/* Whether the log keeps any header of the service's own answer. */
unsigned long access_log_dropped(const struct access_log *l);

#endif
