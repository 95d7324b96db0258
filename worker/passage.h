/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Passages: how quiet connections get from a worker that leaves to one that
 * stays, be it of the same program or of the one that takes over. A passage is a
 * SOCK_SEQPACKET of which each of the two holds one end, given by their masters.
 *
 *   leaving worker                              staying worker
 *     receive taken back, all bytes in hand
 *     |--- number, sealed parcel, descriptors ------>|  checks all of it
 *     |<-- number, TAKEN or REFUSED -----------------|  and only now touches it
 *     TAKEN: closes its descriptor
 *     REFUSED, or the passage ends: has it as before
 *
 * The verdict is sent before the connection is used, and the socket is asked for
 * verdicts before it is closed, so that a connection has one owner at any time,
 * whoever dies. A parcel is sealed with a key of the passage under its number;
 * what is not as it should be is refused, and another version is as well.
 *
 * What moves: idle HTTP/1 connections and quiet tunnels, plain or on our own
 * record layer. What is busy moves when it is quiet again.
 */
#ifndef PASSAGE_H
#define PASSAGE_H

#include "clock.h"

#include <stdbool.h>
#include <stdint.h>

struct conn;
struct fiber;
struct msg_passage;
struct passages;
struct worker;

/* NULL: no memory. */
struct passages *passages_new(void);
/* One end, from the master; fd is the callee's. */
void	passage_add(struct worker *w, const struct msg_passage *m, int fd);
/* Connections may be given away. */
bool	passage_open(const struct worker *w);
/* Gives all that is quiet; what becomes so later gives itself. */
void	passage_begin(struct worker *w);

enum passage_result {
	PASSAGE_GIVEN,		/* another worker has it: conn_gone() is left to do */
	PASSAGE_KEPT,		/* it stays (c->stays): nobody can take it, or would */
	PASSAGE_BUSY		/* it is not quiet: there is something to read */
};
/*
 * Offers a connection that nothing is under way on, held by this fiber and idle
 * until then; waits for the verdict. Its receives are not armed afterwards.
 */
enum passage_result passage_give(struct fiber *f, struct conn *c, nsec_t until);
/* The connection ends: nobody looks at it from here on. */
void	passage_forget(struct worker *w, const struct conn *c);

struct passage_stats { uint64_t in, out, kept; };
void	passage_stats(const struct worker *w, struct passage_stats *ret);

#endif
