/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The schema: for each struct of model.h which YAML keys fill which member, and
 * how. One table reads, checks types, names unknown keys and knows what Traefik
 * has and akkod does not support yet.
 */
#ifndef SCHEMA_H
#define SCHEMA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum stype {
	S_STR,		/* char * */
	S_BOOL,		/* bool */
	S_PRIVATE,	/* bool that akkod's own parts say, no file */
	S_TRI,		/* enum tri */
	S_INT,		/* int64_t; arg: bool member that notes presence */
	S_DURATION,	/* nsec_t: bare numbers are seconds */
	S_STRLIST,	/* struct strlist; arg: bool that notes presence */
	S_PAIRS,	/* struct pairlist: free keys, scalar values */
	S_STRUCT,	/* inline struct described by sub, or (off 0) more keys of the same one; arg: bool that notes presence */
	S_OBJECT,	/* pointer to a struct, allocated when present */
	S_LIST,		/* array of structs from a sequence */
	S_MAP,		/* array of structs from a mapping with free keys: struct object first */
	S_IGNORED,	/* accepted, means nothing here */
	S_IDLE,		/* accepted with a warning: Traefik would do something */
	S_LATER,	/* Traefik knows it; not supported yet: char * gets its name when in an object */
	S_STATIC_LATER	/* the same in the static part: a file error */
};

#define S_NO_ARG	0xffff

/* What of a value is not for everybody to see. */
enum secrecy {
	SECRET_NOT,
	SECRET_VALUE,	/* all of it, unless it is the path of a file */
	SECRET_PEM,	/* a key that stands there itself */
	SECRET_USERS,	/* what follows the name: "user:hash" */
	SECRET_FIELDS	/* values of header fields whose name says so */
};

struct schema;
struct sfield {
	const char *key;
	uint8_t type;
	uint16_t off;
	uint16_t arg;			/* offset of a bool, or S_NO_ARG */
	const struct schema *sub;
	uint8_t secret;			/* enum secrecy */
};

struct schema {
	const char *what;		/* for messages: "an entry point" */
	const struct sfield *fields;
	unsigned nfields;
	size_t bytes;			/* of the struct */
	void (*defaults)(void *obj);	/* before reading; may be NULL */
	size_t place;			/* offset of a struct place, or 0 */
	bool may_stand_alone;		/* an empty mapping is fine */
	size_t later;			/* offset of a char *later, or 0 */
};

extern const struct schema schema_root;		/* struct config */
extern const struct schema schema_dynamic_file;	/* struct dynamic: a provider's file */
/* Objects of the dynamic part: struct router, service, ... */
extern const struct schema *const schema_router, *const schema_service,
    *const schema_middleware, *const schema_transport,
    *const schema_tls_options, *const schema_tls_store,
    *const schema_certificate;
extern const struct schema schema_kube_ingress;	/* struct kube_provider */
extern const struct schema schema_kube_crd;	/* the same */

#endif
