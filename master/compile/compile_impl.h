/* SPDX-License-Identifier: BSD-2-Clause */
/* What the files of the compiler share; see compile.h. */
#ifndef COMPILE_IMPL_H
#define COMPILE_IMPL_H

#include "build.h"
#include "compile.h"
#include "table.h"

/* What became of one object of the world. */
struct result {
	uint32_t index;		/* in its section; TNONE when broken */
	uint8_t state;		/* enum result_state */
	char *why;		/* in the world's arena */
};

enum result_state { RESULT_NONE, RESULT_BUSY, RESULT_GOOD, RESULT_BROKEN };

struct compiler {
	struct world *w;
	struct builder *b;
	struct diags *diags;
	const struct compile_env *env;
	struct compiled *out;
	struct result *services, *mws, *transports, *options;
	struct names regexps;
	struct names blobs;	/* CA bundles by content */
	struct names internal_names;	/* built-in services that are used */
	unsigned nesting;	/* services that are being built */
	uint32_t *walked, walk;	/* services: in which walk one was met */
};

/* ---- Helpers ---------------------------------------------------------------- */

/* Marks the object broken with a diagnostic; returns -EINVAL. */
int	compile_broken(struct compiler *c, struct object *o, const char *kind,
	    struct result *res, const char *fmt, ...)
	    __attribute__((format(printf, 5, 6)));
struct tvec compile_strings(struct compiler *c, const struct strlist *l);
/* Lower-cased. */
struct tvec compile_lower_strings(struct compiler *c, const struct strlist *l);
struct tvec compile_pairs(struct compiler *c, const struct pairlist *l);
uint32_t compile_regexp(struct compiler *c, struct str text);
/* -EINVAL when an element is no range; *ret_bad is that element. */
int	compile_cidrs(struct compiler *c, const struct strlist *l,
	    struct tvec *ret, const char **ret_bad);
/* "404" or "500-599"; -EINVAL. */
int	compile_range(struct str s, struct trange *ret);
uint32_t compile_slot(struct compiler *c, struct registry *r, struct str name,
	    bool *ret_new);
char   *compile_lower(struct compiler *c, const char *s);

/* ---- Services, in compile_service.c ------------------------------------------ */

/*
 * Builds what is not built yet. Never NULL; NULL name or unknown: broken; busy,
 * with why, while it is being built itself.
 */
const struct result *compile_service(struct compiler *c, const char *name);
const struct result *compile_transport(struct compiler *c, const char *name);
/*
 * A server record from a URL. TNONE with static text in *ret_why when it is
 * none.
 */
/* Why a server does not go with a transport; NULL: it does. */
const char *compile_mismatch(const struct compiler *c, bool http2,
	    uint32_t transport);
uint32_t compile_server(struct compiler *c, struct str url, uint32_t transport,
	    int64_t weight, bool preserve_path, const char *slot_name,
	    const char **ret_why);
/*
 * The same for probes, at a place that was taken apart: without a slot in the
 * live state, and with connections of its own.
 */
struct server_url;
uint32_t compile_server_at(struct compiler *c, const struct server_url *u,
	    struct str url, uint32_t transport);
/* A transport of an authentication service's own TLS settings. */
int	compile_client_tls(struct compiler *c, const struct client_tls *tls,
	    const char *name, uint32_t *ret, char **ret_why);

/* A record without anything. */
struct tservice compile_service_init(struct compiler *c,
	    const struct service *s, enum tservice_kind kind);

/* ---- Services in services, in compile_tree.c ------------------------------ */

/* One that has no servers of its own. */
void	compile_tree(struct compiler *c, struct service *s,
	    struct result *res);
/* Puts the service's middlewares before the record that was made of it. */
void	compile_tree_middlewares(struct compiler *c, struct service *s,
	    struct result *res);

/* ---- Balancing, in compile_balance.c ------------------------------------------ */

/* None or one struct tsticky; names are the servers' URLs or the children's. */
struct tvec compile_sticky(struct compiler *c, const struct sticky *s,
	    const char *service, const char *const *names, unsigned n);
/*
 * What a load balancer has beyond its servers, whose records these are, into
 * *t, which is the next one to be added. 0 or -EINVAL: broken.
 */
int	compile_balance(struct compiler *c, struct service *s,
	    struct tservice *t, const uint32_t *servers, struct result *res);

/* ---- Middlewares, in compile_mw.c --------------------------------------------- */

const struct result *compile_mw(struct compiler *c, const char *name);
/*
 * Appends the middlewares of a router, chains flattened, to *ret. -EINVAL with
 * text in *ret_why when one cannot be used.
 */
struct mw_use { uint32_t index; const struct middleware *m; };
struct mw_list { struct mw_use *v; unsigned n, cap; };
int	compile_mw_list(struct compiler *c, const struct strlist *names,
	    struct mw_list *ret, char **ret_why);
/*
 * Appends those of a good service and of all that may answer for it: what the
 * answer to a request may depend on. In compile_tree.c.
 */
void	compile_tree_uses(struct compiler *c, const char *name,
	    struct mw_list *ret);
/* A tmw record of this router alone, for kinds with state per router. */
uint32_t compile_mw_instance(struct compiler *c, const struct mw_use *use,
	    const char *router);

/* ---- Routers, in compile_router.c ---------------------------------------------- */

/* Also certificates: the local one is for the hosts of TLS routers. */
void	compile_routers(struct compiler *c, uint32_t *ret_default_cert);

/* ---- TLS, in compile_tls.c ------------------------------------------------------ */

void	compile_all_options(struct compiler *c);
const struct result *compile_options(struct compiler *c, const char *name);
void	compile_certificates(struct compiler *c, const struct str *hosts,
	    unsigned nhosts, uint32_t *ret_default);
/* Which of two options demands more of a client; <0, 0 (cannot be said), >0. */
int	compile_stricter(struct compiler *c, uint32_t a, uint32_t b);
/* A CA bundle from files or inline PEM; TNONE with text in *ret_why. */
uint32_t compile_ca_bundle(struct compiler *c, const struct strlist *files,
	    char **ret_why);
/* A certificate with its key for use towards servers; TNONE with *ret_why. */
uint32_t compile_client_cert(struct compiler *c, const char *cert_file,
	    const char *key_file, char **ret_why);
#endif
