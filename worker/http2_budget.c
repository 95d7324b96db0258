/* SPDX-License-Identifier: BSD-2-Clause */
/* Budgets of an HTTP/2 connection; see http2_budget.h. */
#include "http2_budget.h"

#include "str.h"

#include <nghttp2/nghttp2.h>

/* How many at once, and how many per second come back. */
static const struct {
	uint32_t burst, refill;
} limits[HTTP2_COSTS] = {
	[HTTP2_RESET] = { 200, 20 },
	[HTTP2_MALFORMED] = { 100, 1 },
	[HTTP2_SETTINGS] = { 50, 5 },
	[HTTP2_PING] = { 100, 10 },
	[HTTP2_EMPTY] = { 100, 10 },
	[HTTP2_PRIORITY] = { 200, 20 },
	[HTTP2_WINDOW] = { 1000, 100 },
	[HTTP2_UNKNOWN] = { 200, 10 },
};

bool
http2_spend(struct http2_budget *b, enum http2_cost cost, unsigned n, nsec_t now)
{
	uint32_t *spent = &b->spent[cost];
	nsec_t went = now - b->since[cost];
	uint64_t back = went >= 3600 * NSEC_SEC ? UINT32_MAX :
	    (uint64_t)went / NSEC_MSEC * limits[cost].refill;

	/* Thousandths, so that what a short while gives back is not lost. */
	*spent = back >= *spent ? 0 : *spent - (uint32_t)back;
	b->since[cost] = now - (back < UINT32_MAX ? went % NSEC_MSEC : 0);
	*spent += n * 1000;
	return *spent <= limits[cost].burst * 1000;
}

void
http2_refund(struct http2_budget *b, enum http2_cost cost, unsigned n)
{
	b->spent[cost] = b->spent[cost] < n * 1000 ? 0 :
	    b->spent[cost] - n * 1000;
}

bool
http2_spend_frame(struct http2_budget *b, const struct h2_frame *frame,
    nsec_t now)
{
	static const enum http2_cost costs[] = {
		[NGHTTP2_DATA] = HTTP2_EMPTY,
		[NGHTTP2_HEADERS] = HTTP2_COSTS,
		[NGHTTP2_PRIORITY] = HTTP2_PRIORITY,
		[NGHTTP2_RST_STREAM] = HTTP2_RESET,
		[NGHTTP2_SETTINGS] = HTTP2_SETTINGS,
		[NGHTTP2_PUSH_PROMISE] = HTTP2_COSTS,
		[NGHTTP2_PING] = HTTP2_PING,
		[NGHTTP2_GOAWAY] = HTTP2_COSTS,
		[NGHTTP2_WINDOW_UPDATE] = HTTP2_WINDOW,
		[NGHTTP2_CONTINUATION] = HTTP2_COSTS,
	};
	enum http2_cost cost = frame->type < ARRAY_SIZE(costs) ?
	    costs[frame->type] : HTTP2_UNKNOWN;

	if (cost == HTTP2_COSTS || (cost == HTTP2_EMPTY &&
	    (frame->length > 0 || (frame->flags & NGHTTP2_FLAG_END_STREAM))) ||
	    (cost == HTTP2_SETTINGS && (frame->flags & NGHTTP2_FLAG_ACK)))
		return true;
	return http2_spend(b, cost, 1, now);
}
