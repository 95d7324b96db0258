/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The pipeline between the codecs: what happens to an exchange once its head is
 * read, whatever protocol brought it.
 */
#ifndef SERVE_H
#define SERVE_H

struct conn;
struct exchange;
struct fiber;
struct h1_request;

/* From a codec's view to the exchange's; the version is left to the codec. */
void	serve_take(struct exchange *x, const struct h1_request *q);
/* Notes when and where it began, pins the generation, counts it. */
void	serve_begin(struct exchange *x, struct conn *c);
/*
 * Entry point, router, middlewares, service. 0: an answer went to x->sink;
 * -errno: it could not be finished.
 */
int	serve_exchange(struct fiber *f, struct exchange *x);

#endif
