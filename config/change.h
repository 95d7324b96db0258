/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The stream of named changes from the controller to the master, and of
 * settings the other way: records of bounded size, each whole or not there.
 *
 *   record = u32 bytes that follow; u8 op, part, kind, verdict;
 *            u16 + name, u16 + origin, u16 + why; body
 *
 * What a part says counts when CHANGE_COMMIT ends it, so no half of a change is
 * ever served. A sender that starts anew says everything again and then
 * CHANGE_SYNCED: what it did not name is gone.
 */
#ifndef CHANGE_H
#define CHANGE_H

#include "buf.h"
#include "clock.h"
#include "diag.h"
#include "schema.h"

#define CHANGE_BYTES_MAX	(3u << 20)	/* a Secret has 1 MiB at most */
#define CHANGE_NAME_MAX		1024
#define CHANGE_ARENA_MAX	(16u << 20)	/* of one decoded object */

enum change_op {
	CHANGE_UPSERT = 1,	/* body: the object, see wire.h */
	CHANGE_DELETE,
	CHANGE_COMMIT,
	CHANGE_SYNCED,		/* followed by a commit */
	CHANGE_SETTINGS,	/* to the controller; body: struct kube_provider */
	CHANGE_STATE,		/* of a watch; name, why, origin: its version;
				   body: struct change_state */
	CHANGE_OPS
};

enum change_part { PART_INGRESS, PART_CRD, CHANGE_PARTS };

enum change_kind {
	CHANGE_ROUTER, CHANGE_SERVICE, CHANGE_MIDDLEWARE, CHANGE_TRANSPORT,
	CHANGE_TLS_OPTIONS, CHANGE_TLS_STORE, CHANGE_CERTIFICATE,
	CHANGE_NOTE,		/* why an object is refused; no body */
	CHANGE_KINDS
};

struct change {
	enum change_op op;
	enum change_part part;
	enum change_kind kind;
	unsigned verdict;	/* enum verdict */
	struct str name, origin, why, body;
};

/* What is counted of a watch. */
struct change_state {
	uint64_t objects;	/* in the cache */
	uint64_t errors;	/* requests that failed, ever */
	nsec_t heard;		/* last word of the server, monotonic; 0: none */
};

/* "kubernetes", "kubernetescrd": what stands after '@'. */
extern const char *const change_providers[CHANGE_PARTS];
/* The schema of a kind's body; NULL for notes. */
const struct schema *change_schema(enum change_kind kind);
/*
 * The checks of files on one decoded object, which gets this name; why it is
 * broken then stands in it, with its memory in the arena. Returns its verdict.
 */
enum verdict change_check(enum change_kind kind, const char *name, void *obj,
	    struct arena *a, struct diags *d);
/*
 * Decodes a body as the master does: bounded, and naming no files. 0, or
 * -EINVAL. *ret is in the arena.
 */
int	change_decode(enum change_kind kind, struct str body, struct arena *a,
	    void **ret);
/* Of all bodies' layouts: who has another one cannot read them. */
uint64_t change_fingerprint(void);
/* "router", ... for messages. */
extern const char *const change_words[CHANGE_KINDS];

/*
 * Appends a record. -E2BIG, with nothing appended, when it is larger than a
 * reader takes; origin and why are cut to fit.
 */
int	change_put(struct buf *out, const struct change *c);
void	change_put_state(struct buf *body, const struct change_state *s);
/* 0, or -EPROTO. */
int	change_get_state(struct str body, struct change_state *ret);
/*
 * Takes the first record off *rest; its slices point into *rest. 1, 0 when it
 * is not complete yet, -EPROTO when no more may be read.
 */
int	change_next(struct str *rest, struct change *ret);

#endif
