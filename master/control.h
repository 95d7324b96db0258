/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The control socket between command line and master. A client sends one line,
 * a JSON object {"command": NAME, ...}; the master answers with lines
 * {"progress": TEXT}, any number, and at the end {"ok": true|false,
 * "error": TEXT, ...}, and closes. File permissions decide who may ask.
 *
 * Nothing here waits: clients that send too much, too slowly or do not read
 * are dropped. A command that takes time remembers its client's number; a
 * client that left is simply not found any more.
 */
#ifndef CONTROL_H
#define CONTROL_H

#include "loop.h"

#include <jansson.h>

struct control;

/* Handles a request; answers now or later through control_end(). */
typedef void control_fn(void *arg, uint64_t client, const char *command,
	    const json_t *request);

/* Takes the listening socket over as borrowed; never NULL. */
struct control *control_new(struct loop *l, int listen_fd, control_fn *handle,
	    void *arg);
void	control_free(struct control *c);
/* Takes none any more; the socket is the caller's to close. */
void	control_stop(struct control *c);
/* Takes no new clients, while another master does on the same socket. */
void	control_pause(struct control *c, bool pause);
void	control_progress(struct control *c, uint64_t client, const char *text);
/* The last line; the reference to `reply` is taken. */
void	control_end(struct control *c, uint64_t client, json_t *reply);
/* The last line of a command that failed. */
void	control_fail(struct control *c, uint64_t client, const char *text);
/* The socket of a client; -1 when it has left. */
int	control_fd(struct control *c, uint64_t client);
/* Another process answers it. */
void	control_leave(struct control *c, uint64_t client);
/* Writes what is queued, for at most a second: before the master ends. */
void	control_flush(struct control *c);

/*
 * The command line's side: sends a request and reads to the last line, which
 * is returned (the caller owns it). Progress goes to standard error. NULL with
 * a message in err when there is no answer. Waits for as long as it takes.
 */
json_t *control_ask(const char *runtime_dir, json_t *request, char *err,
	    size_t err_size);

#endif
