/* SPDX-License-Identifier: BSD-2-Clause */
/* Checks of services; see validate.h. */
#include "validate_impl.h"

#include <stdarg.h>

void
check_later(struct arena *a, struct object *o, enum verdict verdict,
    const char *key)
{
	if (verdict > o->verdict)
		o->verdict = verdict;
	if (o->why == NULL)
		o->why = (char *)(size_t)arena_printf(a,
		    "%s is not supported yet", key).p;
}

static void __attribute__((format(printf, 3, 4)))
broken(struct service *s, struct diags *d, const char *fmt, ...)
{
	struct buf b = BUF_INIT;
	va_list ap;

	va_start(ap, fmt);
	buf_vprintf(&b, fmt, ap);
	va_end(ap);
	diag_object(d, &s->o, "service", VERDICT_BROKEN, "%s", buf_cstr(&b));
	buf_fini(&b);
}

static void
check_weighted(struct service *s, const char *key, const struct weighted *w,
    struct diags *d)
{
	check_sticky(&s->o, w->sticky, d);
	for (unsigned i = 0; i < w->services.n; i++)
		if (w->services.v[i].name == NULL)
			broken(s, d, "%s: the name of service %u is missing",
			    key, i + 1);
}

static void
check_mirroring(struct service *s, struct diags *d)
{
	const struct mirroring *m = s->mirroring;

	if (m->service == NULL)
		broken(s, d, "mirroring: service is missing");
	for (unsigned i = 0; i < m->mirrors.n; i++) {
		const struct mirror *v = &m->mirrors.v[i];

		if (v->name == NULL)
			broken(s, d, "mirroring: the name of mirror %u is "
			    "missing", i + 1);
		else if (v->percent < 0 || v->percent > 100)
			broken(s, d, "mirroring: percent of \"%s\" must be "
			    "from 0 to 100, not %lld", v->name,
			    (long long)v->percent);
	}
}

static void
check_failover(struct service *s, struct diags *d)
{
	const struct failover *f = s->failover;

	if (f->service == NULL)
		broken(s, d, "failover: service is missing");
	if (f->fallback == NULL)
		broken(s, d, "failover: fallback is missing");
}

void
check_service(struct service *s, struct diags *d)
{
	unsigned n = (s->load_balancer != NULL) + (s->weighted != NULL) +
	    (s->random_weight != NULL) + (s->mirroring != NULL) +
	    (s->failover != NULL);

	if (n == 0)
		broken(s, d, "no kind is given (such as loadBalancer or "
		    "weighted)");
	else if (n > 1)
		broken(s, d, "more than one kind is given");
	else if (s->load_balancer != NULL)
		check_balancer(s, d);
	else if (s->weighted != NULL)
		check_weighted(s, "weighted", s->weighted, d);
	else if (s->random_weight != NULL)
		check_weighted(s, "highestRandomWeight", s->random_weight,
		    d);
	else if (s->mirroring != NULL)
		check_mirroring(s, d);
	else
		check_failover(s, d);
}
