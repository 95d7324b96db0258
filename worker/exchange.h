/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * An exchange: one request and its answer, whatever protocol carries them.
 *
 *        request: pulled                      response: pushed
 *   client --> source --> service        service --> sink --> sink --> client
 *              (codec)    (proxy)        (proxy)   compress   http1
 *
 * A middleware acts on the request before it calls the rest of its chain, and
 * on the response by pushing a sink. Everything here lives from the request's
 * first byte to the log line; its small memory is the arena.
 */
#ifndef EXCHANGE_H
#define EXCHANGE_H

#include "arena.h"
#include "field.h"
#include "fiber.h"
#include "reason.h"
#include "table.h"

struct conn;
struct exchange;
struct generation;
struct iobuf;
struct sink;
struct tunnel;
struct worker;

/* ---- Request ------------------------------------------------------------ */

enum framing { FRAMING_NONE, FRAMING_LENGTH, FRAMING_CHUNKED, FRAMING_CLOSE };

struct request {
	struct str method;
	struct str path;	/* canonical, escaped: what rules, auth and upstream see */
	struct str query;	/* without '?' */
	struct str host;	/* as received, with its port */
	struct fields fields;	/* end-to-end fields; Host is not among them */
	uint64_t length;	/* FRAMING_LENGTH */
	int32_t max_forwards;	/* of OPTIONS, else -1 */
	uint8_t framing;	/* enum framing */
	uint8_t major;		/* of the HTTP version */
	uint8_t minor;
	bool has_query;
	bool expect_continue;	/* the codec answers 100 at the first read of the body */
	bool te_trailers;
	bool grpc;		/* a gRPC call: may be quiet for long, knows no HTTP errors */
	bool websocket;		/* asks to become a WebSocket */
	bool drop_xff;		/* a headers middleware asked for no X-Forwarded-For */
};

/*
 * Where the body comes from. read() waits for the next piece of clear body:
 * positive with *ret (valid until the next call), 0 at the end, -errno; it
 * also returns -EINTR when `watch` has begun to answer, so that an early answer
 * is seen while the client is still sending.
 */
struct stream;
struct upstream;
struct source {
	int (*read)(struct fiber *f, struct exchange *x, struct source *src,
	    struct upstream *watch, struct str *ret);
	/* Passes over the rest if all of it is there already; NULL: cannot. */
	void (*skip)(struct exchange *x, struct source *src);
	bool done;		/* the end was seen */
	bool duplex;		/* may go on being read, on another fiber, while the answer is sent */
};

/* ---- Response -------------------------------------------------------------- */

struct response {
	unsigned status;
	struct fields fields;	/* end-to-end only */
	struct fields trailers;	/* FRAMING_CHUNKED: known at the last body piece */
	int64_t length;		/* -1: not known */
	bool no_body;		/* HEAD, 204, 304: length is metadata */
};

/*
 * A stage of the response's way to the client. Each function passes on to
 * s->out by sink_head(f, x, s->out) and so on; 0 or -errno, after which the
 * connection is closed. `last` marks the end of the body (data may be empty).
 * interim() carries x->resp with a 1xx status.
 */
struct sink {
	int (*interim)(struct fiber *f, struct exchange *x, struct sink *s);
	int (*head)(struct fiber *f, struct exchange *x, struct sink *s);
	int (*body)(struct fiber *f, struct exchange *x, struct sink *s,
	    struct str data, bool last);
	/*
	 * Passes on up to n bytes of the body that are there in a stream, copying
	 * none. Bytes, or 0 when they have to be read and passed to body(); the
	 * last piece always is, though it may be empty. Only with body().
	 */
	ssize_t (*splice)(struct fiber *f, struct exchange *x, struct sink *s,
	    struct stream *from, size_t n);
	struct sink *out;	/* towards the client; NULL at the codec */
};

int	sink_interim(struct fiber *f, struct exchange *x, struct sink *s);
int	sink_head(struct fiber *f, struct exchange *x, struct sink *s);
int	sink_body(struct fiber *f, struct exchange *x, struct sink *s,
	    struct str data, bool last);
ssize_t	sink_splice(struct fiber *f, struct exchange *x, struct sink *s,
	    struct stream *from, size_t n);
/* Puts s in front of x->sink; functions left NULL pass through. */
void	sink_push(struct exchange *x, struct sink *s);

/* ---- The exchange ------------------------------------------------------------ */

/* What the access log and metrics want to know. */
struct exchange_facts {
	nsec_t start, origin_start, origin_end;
	struct str client_user;		/* basicAuth, headerField */
	struct str xff;			/* X-Forwarded-For before the proxy's own */
	struct str host, path, method;	/* as routed; middlewares change req's */
	struct str query;		/* the same; without '?' */
	bool has_query;
	uint64_t request_bytes;		/* body received */
	uint64_t response_bytes;	/* body sent to the client */
	uint64_t origin_bytes;		/* body received from the service */
	unsigned origin_status;		/* 0: no service answered */
	unsigned retries;
	uint64_t number;		/* RequestCount */
	const struct tserver *server;	/* the one that answered */
	const struct tservice *service;
	/* Kept only when the log wants them. */
	struct fields origin_fields, sent_fields;
};

struct exchange {
	struct worker *w;
	struct conn *c;
	struct stream *client;		/* to be watched for its leaving; NULL: the codec does that */
	struct arena arena;
	struct generation *gen;		/* pinned */
	const struct table *t;		/* &gen->table */
	const struct tentry_point *ep;
	const struct trouter *router;	/* NULL: none matched */
	struct request req;
	struct source *body;		/* of the request, never NULL */
	struct response resp;
	struct sink *sink;		/* innermost */
	struct iobuf *head;		/* holds what req.fields point to */
	enum reason reason;
	uint32_t head_bytes;		/* of the request, on HTTP/1 */
	uint32_t reset_code;		/* with which HTTP/2 gives it up; 0: its own */
	bool head_sent;			/* the final head went to the codec */
	bool complete;			/* the last body piece went to the codec */
	bool close;			/* the client connection ends after this */
	bool client_gone;
	bool enough;			/* the rest of this answer's body is of no use */
	bool upgraded;			/* the answer is a 101 */
	struct tunnel *tunnel;		/* what the connection becomes after this */
	_Atomic uint16_t *load;		/* counts it as its server's, in the live state; NULL */
	struct str scheme;		/* "http" or "https": how the client came */
	struct exchange_facts facts;
	struct field req_store[FIELDS_MAX];
	struct field resp_store[FIELDS_MAX];
};

/*
 * Copies fields for an access log that wants some: what they point to is gone
 * when the line is written. 0 or -ENOMEM.
 */
int	exchange_keep_fields(struct exchange *x, const struct fields *fs,
	    struct fields *ret);

/* A copy of a request is told by this, too: it has no connection. */
static inline bool
exchange_is_tls(const struct exchange *x)
{
	return str_eq(x->scheme, STR("https"));
}

/* One per exchange in work, pooled by the worker. NULL: memory is short. */
struct exchange *exchange_get(struct worker *w);
void	exchange_put(struct exchange *x);

/* ---- Chains -------------------------------------------------------------------- */

/* What is left to do for a request: middlewares from `at`, then the service. */
struct chain {
	const uint32_t *mw;	/* indexes in the table's middlewares */
	uint32_t n;
	uint32_t service;	/* index in the table's services */
};

/*
 * Runs the rest of a chain. 0: an answer went to x->sink (any status);
 * -errno: the answer could not be finished, the connection must close.
 */
int	chain_next(struct fiber *f, struct exchange *x, struct chain next);

/* One function per middleware kind, in worker/middleware/KIND.c. */
typedef int (*middleware_fn)(struct fiber *f, struct exchange *x,
	    const struct tmw *mw, struct chain next);
extern const middleware_fn middlewares[TMW_KINDS];

/* The kind's configuration in the table. */
#define MW_CONFIG(x, mw, type) \
	((const type *)table_at((x)->t, (mw)->config))

/* ---- Answers of akkod itself ------------------------------------------------------ */

/*
 * Sends an answer with body `text` through x->sink and notes the reason.
 * respond_error() gives it Go's plain form: text/plain, nosniff, and a newline
 * after the text; respond_text() sends the text alone without a Content-Type.
 * Fields already in x->resp.fields stay; call respond_begin() to clear them.
 */
void	respond_begin(struct exchange *x);
/*
 * For the codec, once the head is final: settles whether a body follows and
 * counts the answer. Whether a length is told.
 */
bool	respond_settle(struct exchange *x);
int	respond_text(struct fiber *f, struct exchange *x, unsigned status,
	    enum reason why, struct str text);
int	respond_error(struct fiber *f, struct exchange *x, unsigned status,
	    enum reason why, struct str text);
/* Location and the status text as body. */
int	respond_redirect(struct fiber *f, struct exchange *x, unsigned status,
	    struct str location);
/* Go's reason phrase of a status: "Not Found"; "" when it has none. */
struct str status_text(unsigned status);

#endif
