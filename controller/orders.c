/* SPDX-License-Identifier: BSD-2-Clause */
/* What the master says; see orders.h. */
#include "orders.h"

#include "alloc.h"
#include "change.h"
#include "wire.h"

#include <errno.h>
#include <stdlib.h>

struct orders {
	struct buf in;
	struct arena a;
	struct kube_provider ingress, crd;
	struct kube_settings s;
};

struct orders *
orders_new(void)
{
	struct orders *o = xcalloc(1, sizeof(*o));

	arena_init(&o->a, 16u << 20);
	o->in.max = 16u << 20;
	return o;
}

void
orders_free(struct orders *o)
{
	if (o == NULL)
		return;
	buf_fini(&o->in);
	arena_fini(&o->a);
	free(o);
}

static const char *
keep(struct orders *o, struct str s)
{
	return arena_printf(&o->a, "%.*s", STR_ARG(s)).p;
}

static int
take_value(struct orders *o, const struct change *c)
{
	struct kube_settings *s = &o->s;
	struct kube_value *v;

	if (str_eq(c->name, STR("KUBERNETES_SERVICE_HOST"))) {
		s->service_host = keep(o, c->why);
		return 0;
	}
	if (str_eq(c->name, STR("KUBERNETES_SERVICE_PORT"))) {
		s->service_port = keep(o, c->why);
		return 0;
	}
	v = str_eq(c->name, STR("KUBECONFIG")) ? &s->kubeconfig :
	    str_eq(c->name, STR("token")) ? &s->token :
	    str_eq(c->name, STR("certAuthFilePath")) ? &s->ca : NULL;
	if (v == NULL)
		return -EPROTO;
	v->value = keep(o, c->why);
	v->content = arena_dup(&o->a, c->body);
	return 0;
}

static int
take(struct orders *o, const struct change *c)
{
	bool ingress = c->part == PART_INGRESS;
	struct kube_provider *to = ingress ? &o->ingress : &o->crd;

	if (c->op == CHANGE_COMMIT)
		return 1;
	if (c->op != CHANGE_SETTINGS)
		return -EPROTO;
	if (c->kind == CHANGE_NOTE)
		return take_value(o, c);
	if (wire_decode(ingress ? &schema_kube_ingress : &schema_kube_crd,
	    &o->a, c->body, to) < 0)
		return -EPROTO;
	if (ingress)
		o->s.ingress = to;
	else
		o->s.crd = to;
	return 0;
}

int
orders_feed(struct orders *o, struct str bytes)
{
	struct change c;
	struct str rest;
	int r = 0, n;

	buf_puts(&o->in, bytes);
	if (buf_failed(&o->in))
		return -EPROTO;
	rest = buf_str(&o->in);
	while (r == 0 && (n = change_next(&rest, &c)) == 1)
		r = take(o, &c);
	if (r != 0 || n < 0)
		return r == 1 ? 1 : -EPROTO;
	if (rest.n != 0)
		memmove(o->in.p, rest.p, rest.n);
	o->in.n = rest.n;
	return 0;
}

const struct kube_settings *
orders_settings(const struct orders *o)
{
	return &o->s;
}
