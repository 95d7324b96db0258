/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a peer of an HTTP/2 connection may do in excess of its requests: each
 * kind of cheap frame has a budget that refills slowly (security H2-A01..A21).
 * An honest client never gets near; one that does loses its connection.
 */
#ifndef HTTP2_BUDGET_H
#define HTTP2_BUDGET_H

#include "clock.h"
#include "h2_frames.h"

#include <stdbool.h>
#include <stdint.h>

enum http2_cost {
	HTTP2_RESET,		/* RST_STREAM of the client (A01) */
	HTTP2_MALFORMED,	/* streams that we had to reset (A02) */
	HTTP2_SETTINGS,		/* (A06) */
	HTTP2_PING,		/* (A07) */
	HTTP2_EMPTY,		/* DATA without bytes or end (A09) */
	HTTP2_PRIORITY,		/* (A10) */
	HTTP2_WINDOW,		/* WINDOW_UPDATE (A11) */
	HTTP2_UNKNOWN,		/* frames of unknown types (A17) */
	HTTP2_COSTS
};

struct http2_budget {
	uint32_t spent[HTTP2_COSTS];	/* thousandths, since `since` refilled */
	nsec_t since[HTTP2_COSTS];
};

/* Spends n; false when the budget is empty: the connection must end. */
bool	http2_spend(struct http2_budget *b, enum http2_cost cost, unsigned n,
	    nsec_t now);
/* The same for a frame as it comes in; most kinds cost nothing. */
bool	http2_spend_frame(struct http2_budget *b, const struct h2_frame *frame,
	    nsec_t now);
/* Gives back: WINDOW_UPDATE may follow each DATA frame that we send. */
void	http2_refund(struct http2_budget *b, enum http2_cost cost, unsigned n);

#endif
