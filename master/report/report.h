/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Commands that only look. Each is answered by a copy of the master, which has
 * all it needs as it was at one moment, may take its time over an answer of any
 * size, and waits for its client alone. The master goes on at once.
 */
#ifndef REPORT_H
#define REPORT_H

#include "view.h"

/*
 * Makes the answer, without "ok"; NULL with a message in err when there is
 * none.
 */
typedef json_t *report_fn(struct view *v, const json_t *request, char *err,
	    size_t err_size);

/*
 * True when the command is one of them: it is then answered, and the client no
 * longer the caller's.
 */
bool	report_start(struct master *m, uint64_t client, const char *command,
	    const json_t *request);
/* True when the pid was that of a copy. */
bool	report_reaped(struct master *m, pid_t pid);

/* In the files of their names. */
report_fn routes_report, explain_report, certs_report, dump_report,
	    mem_report;

/* certs.c: all of them, and one of the table by number. */
json_t *certs_all(const struct view *v);
json_t *certs_json(const struct view *v, uint32_t i);
/* The number of the one that a client gets for a name; TNONE: none. */
uint32_t certs_choose(const struct view *v, struct str name);
bool	certs_covers(const struct view *v, uint32_t i, struct str name);

#endif
