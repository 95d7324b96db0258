/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What both ends of HTTP/2 have in common: the way of frames between a session
 * of libnghttp2 and its connection. Nothing here waits; who runs the session
 * does, on its fiber.
 *
 *   stream --http2_link_receive--> session --> callbacks of the end
 *   stream <--http2_link_send----- session <-- http2_outgoing: a body on its way
 */
#ifndef HTTP2_LINK_H
#define HTTP2_LINK_H

#include "field.h"
#include "h2_frames.h"
#include "http2_budget.h"
#include "stream.h"

#include <nghttp2/nghttp2.h>

/* The first member of what the session has as its user data. */
struct http2_link {
	struct ring *ring;
	struct stream *st;
	nghttp2_session *session;
	struct iobuf *out;		/* frames made, not yet sent */
	struct iobuf *sending;		/* frames on their way */
	uint64_t framed;		/* bytes of all frames made */
	struct http2_budget budget;
	struct h2_frames frames;	/* received */
	const char *error;		/* what the codec did not stand, or NULL */
};

/* A body that goes out on one stream; the source.ptr of its data provider. */
struct http2_outgoing {
	struct str pending;		/* bytes that wait to be framed */
	const struct fields *trailers;	/* behind the last byte; NULL: none */
	struct fiber *waiter;		/* woken once pending is framed, or NULL */
	bool last;			/* pending is the body's end */
	bool dead;			/* nobody stands behind it any more */
};

/* The options of every session (security 2.3). NULL: no memory. */
const nghttp2_option *http2_link_options(void);
/* Registers the callbacks that write frames. */
void	http2_link_callbacks(nghttp2_session_callbacks *cb);
/* The read callback of data providers. */
ssize_t	http2_link_read(nghttp2_session *session, int32_t id, uint8_t *buf,
	    size_t max, uint32_t *flags, nghttp2_data_source *source, void *arg);
/* Frees the session and the buffers; no send is in flight. */
void	http2_link_fini(struct http2_link *l);

/*
 * Lets the session write frames as long as there is room; what streams wait
 * with is taken by that. Not from within a callback of the session. 0 or -errno.
 */
int	http2_link_fill(struct http2_link *l);
/* Fills and sends without waiting. 0 or -errno. */
int	http2_link_send(struct http2_link *l);
/* Nothing is to be sent, nothing is being sent. */
bool	http2_link_quiet(const struct http2_link *l);
/*
 * All that was received goes to the codec, without waiting; `look` sees each
 * frame's head before the codec does. More is then watched for. 0, or -errno
 * when that is the end.
 */
int	http2_link_receive(struct fiber *f, struct http2_link *l,
	    void (*look)(struct http2_link *l, const struct h2_frame *frame));

static inline nghttp2_nv
http2_nv(struct str name, struct str value)
{
	return (nghttp2_nv){ (uint8_t *)(size_t)name.p,
	    (uint8_t *)(size_t)value.p, name.n, value.n,
	    NGHTTP2_NV_FLAG_NONE };
}

/* Fields as the codec takes them, which folds the names. Their number. */
size_t	http2_put_fields(nghttp2_nv *v, const struct fields *fs);

#endif
