/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Checks of a load balancer: strategy, sticky cookie, health checks. What would
 * split a head, lead a probe to another host or say nothing to a browser is
 * refused here, so that nobody behind has to look again.
 */
#include "validate_impl.h"

#include <stdarg.h>

#define FAILED_MAX	1000000		/* attempts; more is a mistake */

static void __attribute__((format(printf, 3, 4)))
broken(struct object *o, struct diags *d, const char *fmt, ...)
{
	struct buf b = BUF_INIT;
	va_list ap;

	va_start(ap, fmt);
	buf_vprintf(&b, fmt, ap);
	va_end(ap);
	diag_object(d, o, "service", VERDICT_BROKEN, "%s", buf_cstr(&b));
	buf_fini(&b);
}

static void __attribute__((format(printf, 3, 4)))
warn(const struct object *o, struct diags *d, const char *fmt, ...)
{
	struct buf b = BUF_INIT;
	va_list ap;

	va_start(ap, fmt);
	buf_vprintf(&b, fmt, ap);
	va_end(ap);
	diag_add(d, DIAG_WARNING, o->place, NULL, "service %s: %s", o->name,
	    buf_cstr(&b));
	buf_fini(&b);
}

static bool
is_one_of(const char *value, const char *const *words)
{
	for (; *words != NULL; words++)
		if (strcmp(value, *words) == 0)
			return true;
	return false;
}

/* An object error unless the value is empty or one of the words. */
static void
check_word(struct object *o, struct diags *d, const char *key,
    const char *value, const char *const *words)
{
	struct buf all = BUF_INIT;
	const char *near;

	if (str_c(value).n == 0 || is_one_of(value, words))
		return;
	for (unsigned i = 0; words[i] != NULL; i++)
		buf_printf(&all, "%s%s", i == 0 ? "" : ", ", words[i]);
	near = diag_nearest(str_c(value), words);
	broken(o, d, "%s: \"%.60s\" is not one of %s%s%s%s", key, value,
	    buf_cstr(&all), near != NULL ? "; did you mean \"" : "",
	    near != NULL ? near : "", near != NULL ? "\"?" : "");
	buf_fini(&all);
}

static bool
is_alnum(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') ||
	    (c >= 'a' && c <= 'z');
}

/* Letters and digits, and what `more` has. */
static bool
all_of(const char *text, const char *more)
{
	for (; *text != '\0'; text++)
		if (!is_alnum(*text) && strchr(more, *text) == NULL)
			return false;
	return true;
}

/* Printable ASCII without spaces. */
static bool
is_visible(const char *text)
{
	for (; *text != '\0'; text++)
		if (*text <= ' ' || *text > '~')
			return false;
	return true;
}

/* ---- Sticky ------------------------------------------------------------------ */

void
check_sticky(struct object *o, const struct sticky *s, struct diags *d)
{
	static const char *const sites[] = { "none", "lax", "strict", NULL };
	const struct sticky_cookie *c = s != NULL ? s->cookie : NULL;
	const char *domain;
	bool known = false;

	if (s != NULL && c == NULL)
		warn(o, d, "sticky without a cookie does nothing");
	if (c == NULL)
		return;
	for (unsigned i = 0; sites[i] != NULL; i++)
		known |= str_caseeq(str_c(c->same_site), str_c(sites[i]));
	if (str_c(c->same_site).n != 0 && !known)
		warn(o, d, "sticky.cookie.sameSite: \"%.60s\" is not one of "
		    "none, lax, strict; it is left out", c->same_site);
	if (str_caseeq(str_c(c->same_site), STR("none")) && !c->secure)
		warn(o, d, "sticky.cookie: browsers drop a cookie of sameSite "
		    "none that is not secure");
	if (c->path != NULL && (strchr(c->path, ';') != NULL ||
	    !is_visible(c->path)))
		broken(o, d, "sticky.cookie.path: \"%.60s\" cannot stand in a "
		    "cookie", c->path);
	domain = c->domain != NULL ? c->domain : "";
	if (strlen(domain) > 255 || !all_of(domain, "-.") ||
	    strstr(domain, "..") != NULL || strcmp(domain, ".") == 0)
		broken(o, d, "sticky.cookie.domain: \"%.60s\" is no domain",
		    domain);
}

/* ---- Health checks --------------------------------------------------------------- */

/* Relative to the server: no probe goes to another host. */
static void
check_path(struct object *o, const char *path, struct diags *d)
{
	struct str s = str_c(path);
	ptrdiff_t colon = str_chr(s, ':'), end = str_chr(s, '/');

	if (end < 0 || (str_chr(s, '?') >= 0 && str_chr(s, '?') < end))
		end = str_chr(s, '?');
	if (str_has_prefix(s, STR("//")) ||
	    (colon >= 0 && (end < 0 || colon < end)))
		broken(o, d, "healthCheck.path: \"%.60s\" names another "
		    "server; a path such as /health is meant", path);
	else if (s.n != 0 && (!is_visible(path) || str_chr(s, '#') >= 0))
		broken(o, d, "healthCheck.path: \"%.60s\" cannot stand in a "
		    "request", path);
}

static void
check_headers(struct object *o, const struct pairlist *l, struct diags *d)
{
	static const char *const kept[] = { "host", "connection",
	    "content-length", "transfer-encoding", "te", "trailer", "upgrade",
	    "expect", "keep-alive", "proxy-connection", NULL };

	for (unsigned i = 0; i < l->n; i++) {
		const char *name = l->v[i].name;
		struct str value = str_c(l->v[i].value);
		bool good = str_c(name).n != 0 && strlen(name) <= 256 &&
		    all_of(name, "!#$%&'*+-.^_`|~");

		for (unsigned k = 0; kept[k] != NULL; k++)
			good &= !str_caseeq(str_c(name), str_c(kept[k]));
		for (size_t k = 0; k < value.n; k++)
			good &= (uint8_t)value.p[k] >= ' ' &&
			    value.p[k] != 0x7f;
		if (!good)
			broken(o, d, "healthCheck.headers: \"%.60s\" cannot be "
			    "sent%s", name, str_caseeq(str_c(name),
			    STR("host")) ? "; hostname sets it" : "");
	}
}

static void
check_range(struct object *o, struct diags *d, const char *key, int64_t v,
    int64_t from, int64_t to)
{
	if (v != 0 && (v < from || v > to))
		broken(o, d, "healthCheck.%s: %lld is not from %lld to %lld",
		    key, (long long)v, (long long)from, (long long)to);
}

/* As Traefik: a time that cannot be is replaced, with a word. */
static void
mend_time(const struct object *o, struct diags *d, const char *key,
    nsec_t *time, nsec_t instead)
{
	if (*time > 0)
		return;
	warn(o, d, "healthCheck.%s must be positive; %lld s is used", key,
	    (long long)(instead / NSEC_SEC));
	*time = instead;
}

static void
check_health(struct object *o, struct health_check *h, struct diags *d)
{
	static const char *const modes[] = { "http", "grpc", NULL };
	static const char *const schemes[] = { "http", "https", "h2c", NULL };

	check_word(o, d, "healthCheck.mode", h->mode, modes);
	check_word(o, d, "healthCheck.scheme", h->scheme, schemes);
	if (h->path != NULL)
		check_path(o, h->path, d);
	if (h->method != NULL && !all_of(h->method, "-_"))
		broken(o, d, "healthCheck.method: \"%.60s\" is no method",
		    h->method);
	if (h->hostname != NULL && (strlen(h->hostname) > 255 ||
	    !all_of(h->hostname, "-._:[]")))
		broken(o, d, "healthCheck.hostname: \"%.60s\" is no host",
		    h->hostname);
	check_range(o, d, "status", h->status, 100, 599);
	check_range(o, d, "port", h->port, 1, 65535);
	check_headers(o, &h->headers, d);
	mend_time(o, d, "interval", &h->interval, 30 * NSEC_SEC);
	mend_time(o, d, "timeout", &h->timeout, 5 * NSEC_SEC);
	if (h->unhealthy_interval == 0)
		h->unhealthy_interval = h->interval;
	mend_time(o, d, "unhealthyInterval", &h->unhealthy_interval,
	    h->interval);
}

static void
check_passive(struct object *o, const struct passive_health_check *p,
    struct diags *d)
{
	if (p->failure_window <= 0)
		broken(o, d, "passiveHealthCheck.failureWindow must be "
		    "positive");
	if (p->max_failed_attempts < 1 || p->max_failed_attempts > FAILED_MAX)
		broken(o, d, "passiveHealthCheck.maxFailedAttempts must be "
		    "from 1 to %d", FAILED_MAX);
}

void
check_balancer(struct service *s, struct diags *d)
{
	static const char *const strategies[] = { "wrr", "p2c", "hrw",
	    "leasttime", NULL };
	struct load_balancer *lb = s->load_balancer;

	check_word(&s->o, d, "strategy", lb->strategy, strategies);
	check_sticky(&s->o, lb->sticky, d);
	if (lb->sticky != NULL && lb->strategy != NULL &&
	    strcmp(lb->strategy, "hrw") == 0)
		warn(&s->o, d, "sticky does nothing with the strategy hrw");
	if (lb->health_check != NULL)
		check_health(&s->o, lb->health_check, d);
	if (lb->passive_health_check != NULL)
		check_passive(&s->o, lb->passive_health_check, d);
}
