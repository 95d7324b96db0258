/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The access log: one line per exchange, in Traefik's formats and with its field
 * names. Lines are collected and written in pieces at the end of a turn of the
 * loop; a descriptor that would block loses them, counted, and never holds up a
 * request.
 */
#ifndef ACCESS_LOG_H
#define ACCESS_LOG_H

#include "clock.h"
#include "str.h"

struct access_log;
struct exchange;
struct worker;

struct access_deferred;
struct access_late;

struct access_log *access_log_new(struct worker *w);
void	access_log_free(struct access_log *l);
/* Takes over fd; -1: none. Lines so far go to the old one. */
void	access_log_set_fd(struct access_log *l, int fd);
/* The line of an exchange, if the table wants one. */
void	access_log_write(struct exchange *x);
/*
 * For an exchange that became a tunnel (x->upgraded): its line, to be written
 * at the tunnel's end. Heap memory for free(); NULL when none is wanted.
 */
struct access_deferred *access_log_defer(struct exchange *x);
/* Writes and frees it; NULL is allowed. Sets late->took. */
void	access_log_deferred(struct worker *w, struct access_deferred *d,
	    struct access_late *late);
/* The line as it is kept, and when the exchange began; to and from a parcel. */
void	access_deferred_get(const struct access_deferred *d, struct str *ret_line,
	    nsec_t *ret_start);
struct access_deferred *access_deferred_new(struct str line, nsec_t start);
void	access_log_flush(struct access_log *l);
/* Lines lost so far. */
unsigned long access_log_dropped(const struct access_log *l);

#endif
