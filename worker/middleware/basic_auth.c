/* SPDX-License-Identifier: BSD-2-Clause */
/* basicAuth: user and password against a list of hashes (auth/basic.h). */
#include "middleware.h"

#include "basic.h"
#include "conn.h"
#include "hasher.h"

#include <errno.h>

static int
challenge(struct fiber *f, struct exchange *x, const struct tmw_basic_auth *c)
{
	struct str value = arena_printf(&x->arena, "Basic realm=\"%.*s\"",
	    STR_ARG(table_str(x->t, c->realm)));

	if (value.p == NULL || fields_set(&x->resp.fields,
	    STR("Www-Authenticate"), value) < 0 || fields_set_id(
	    &x->resp.fields, FIELD_CONTENT_TYPE, STR("text/plain")) < 0)
		return -ENOMEM;
	return respond_text(f, x, 401, REASON_BASIC_AUTH,
	    STR("401 Unauthorized\n"));
}

/* The list in the form that auth/ takes; in the arena. */
static struct basic_user *
user_list(struct exchange *x, const struct tmw_basic_auth *c)
{
	const struct tpair *v = TABLE_VEC(x->t, c->users, struct tpair);
	struct basic_user *u = arena_alloc(&x->arena, c->users.n * sizeof(*u));

	for (uint32_t i = 0; u != NULL && i < c->users.n; i++) {
		u[i].name = table_str(x->t, v[i].name);
		u[i].hash = table_str(x->t, v[i].value);
	}
	return u;
}

/* As basic_check(), the slow part aside; -errno. */
static int
check(struct fiber *f, struct exchange *x, const struct tmw_basic_auth *c,
    struct str user, struct str password)
{
	struct basic_user *users = user_list(x, c);
	struct basic_asked a;
	int r;

	if (users == NULL)
		return -ENOMEM;
	r = basic_recall(users, c->users.n, user, password, &a);
	if (r != -EAGAIN)
		return r;
	r = basic_hash_slow(a.hash) ? hasher_matches(f, x->w->hasher,
	    &x->c->peer, a.hash, password) : basic_hash_matches(a.hash,
	    password);
	return r < 0 ? r : basic_settle(&a, r);
}

static int
busy(struct fiber *f, struct exchange *x)
{
	if (fields_add_id(&x->resp.fields, FIELD_RETRY_AFTER, STR("1")) < 0)
		return -ENOBUFS;
	return respond_text(f, x, 503, REASON_OVERLOAD, status_text(503));
}

int
basic_auth_serve(struct fiber *f, struct exchange *x, const struct tmw *mw,
    struct chain next)
{
	const struct tmw_basic_auth *c = MW_CONFIG(x, mw,
	    struct tmw_basic_auth);
	struct str value = fields_get(&x->req.fields, FIELD_AUTHORIZATION);
	struct str user, password, header = table_str(x->t, c->header_field);
	char *buf = arena_alloc(&x->arena, value.n + 4);
	int r;

	if (buf == NULL)
		return -ENOMEM;
	if (value.n == 0 || basic_parse(value, buf, &user, &password) < 0)
		return challenge(f, x, c);
	x->facts.client_user = user;
	if ((r = check(f, x, c, user, password)) <= 0)
		return r == 0 ? challenge(f, x, c) : r == -EBUSY ?
		    busy(f, x) : r;
	if (header.n != 0) {
		fields_remove_spellings(&x->req.fields, header);
		if (fields_set(&x->req.fields, header, user) < 0)
			return -ENOBUFS;
	}
	if (c->remove_header)
		fields_remove(&x->req.fields, FIELD_AUTHORIZATION);
	return chain_next(f, x, next);
}
