/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One line of the access log; see access_line.h. Field names and their meaning
 * are Traefik's; akkod adds Reason.
 */
#include "access_line.h"

#include "buf.h"
#include "conn.h"
#include "exchange.h"
#include "tls.h"

#include <stdio.h>
#include <time.h>

/* Never in a finished line, whose control bytes are escaped. */
enum mark {
	MARK_REQUEST_BYTES = 1, MARK_RESPONSE_BYTES, MARK_TOOK, MARK_TOOK_MS
};

static enum tlog_mode
field_mode(const struct exchange *x, const struct taccess_log *a,
    struct str name)
{
	const struct tlog_name *v = TABLE_VEC(x->t, a->fields, struct tlog_name);

	for (uint32_t i = 0; i < a->fields.n; i++)
		if (str_caseeq(table_str(x->t, v[i].name), name))
			return (enum tlog_mode)v[i].mode;
	return (enum tlog_mode)a->fields_mode;
}

static bool
is_secret(struct str name)
{
	return str_caseeq(name, STR("Authorization")) ||
	    str_caseeq(name, STR("Proxy-Authorization")) ||
	    str_caseeq(name, STR("Cookie")) ||
	    str_caseeq(name, STR("Set-Cookie"));
}

static enum tlog_mode
header_mode(const struct exchange *x, const struct taccess_log *a,
    struct str name)
{
	const struct tlog_name *v = TABLE_VEC(x->t, a->headers,
	    struct tlog_name);

	for (uint32_t i = 0; i < a->headers.n; i++)
		if (str_caseeq(table_str(x->t, v[i].name), name))
			return (enum tlog_mode)v[i].mode;
	/* Credentials are logged only when they are named (S-707). */
	return a->headers_mode == TLOG_KEEP && is_secret(name) ? TLOG_REDACT :
	    (enum tlog_mode)a->headers_mode;
}

static struct str
host_part(struct str host, struct str *ret_port)
{
	ptrdiff_t colon = str_rchr(host, ':');

	*ret_port = STR_NONE;
	if (colon < 0 || str_chr(str_from(host, (size_t)colon), ']') >= 0)
		return host;
	*ret_port = str_from(host, (size_t)colon + 1);
	return str_head(host, (size_t)colon);
}

/* Told from the time it took: a clock is read for lines that are written. */
static nsec_t
start_wall(const struct exchange *x)
{
	return clock_wall() - (clock_mono() - x->facts.start);
}

static struct str
client_host(const struct exchange *x, char text[ADDR_TEXT])
{
	struct str xff = fields_get(&x->req.fields, FIELD_XFF);

	/* Without the address that the proxy appended itself. */
	if (x->facts.xff.n != 0)
		return x->facts.xff;
	return x->facts.server == NULL && xff.n != 0 ? xff :
	    str_c(addr_text(&x->c->peer, text));
}

/* ---- Text ---------------------------------------------------------------- */

static void
put_plain(struct buf *out, struct str s)
{
	if (s.n == 0)
		buf_putc(out, '-');
	for (size_t i = 0; i < s.n; i++)
		if ((unsigned char)s.p[i] < 0x20 || s.p[i] == 0x7f)
			buf_printf(out, "\\x%02x", (unsigned char)s.p[i]);
		else
			buf_putc(out, s.p[i]);
}

static void
put_quoted(struct buf *out, struct str s)
{
	buf_putc(out, '"');
	if (s.n == 0)
		buf_putc(out, '-');
	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];

		if (c == '"')
			buf_puts(out, STR("\\\""));
		else if (c < 0x20 || c == 0x7f)
			buf_printf(out, "\\x%02x", c);
		else
			buf_putc(out, (char)c);
	}
	buf_putc(out, '"');
}

static void
put_header(const struct exchange *x, const struct taccess_log *a,
    struct buf *out, enum field_id id)
{
	enum tlog_mode mode = header_mode(x, a, field_canonical(id));
	struct str v = fields_get(&x->req.fields, id);

	put_quoted(out, mode == TLOG_DROP || v.n == 0 ? STR_NONE :
	    mode == TLOG_REDACT ? STR("REDACTED") : v);
}

/* The client's, whatever a middleware made of it. */
static struct str
method(const struct exchange *x)
{
	return x->facts.method.n != 0 ? x->facts.method : x->req.method;
}

/* Keys whose values are credentials (S-707). */
static bool
is_secret_key(struct str key)
{
	static const char *const names[] = { "token", "access_token",
	    "id_token", "refresh_token", "password", "passwd", "secret",
	    "client_secret", "api_key", "apikey" };

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (str_caseeq(key, str_c(names[i])))
			return true;
	return false;
}

static void
put_query(struct buf *out, struct str query)
{
	char mark = '?';

	do {
		ptrdiff_t end = str_chr(query, '&'), eq;
		struct str one = end < 0 ? query : str_head(query,
		    (size_t)end);

		query = end < 0 ? STR_NONE : str_from(query, (size_t)end + 1);
		eq = str_chr(one, '=');
		buf_putc(out, mark);
		mark = '&';
		if (eq >= 0 && is_secret_key(str_head(one, (size_t)eq))) {
			buf_puts(out, str_head(one, (size_t)eq + 1));
			buf_puts(out, STR("REDACTED"));
		} else
			buf_puts(out, one);
	} while (query.p != NULL);
}

static void
put_path(const struct exchange *x, const struct taccess_log *a, struct buf *out)
{
	bool routed = x->facts.path.n != 0;

	buf_puts(out, routed ? x->facts.path : x->req.path);
	if (a->query_mode == TLOG_KEEP && (routed ? x->facts.has_query :
	    x->req.has_query))
		put_query(out, routed ? x->facts.query : x->req.query);
}

static struct str
when_text(nsec_t wall, char out[48])
{
	time_t sec = (time_t)(wall / NSEC_SEC);
	struct tm tm;

	gmtime_r(&sec, &tm);
	return str_n(out, strftime(out, 48, "%d/%b/%Y:%H:%M:%S +0000", &tm));
}

static void
put_figure(const struct exchange *x, struct buf *out, enum mark mark,
    uint64_t value)
{
	if (x->upgraded)
		buf_putc(out, (char)mark);
	else
		buf_printf(out, "%llu", (unsigned long long)value);
}

void
access_line_common(const struct exchange *x, const struct taccess_log *a,
    struct buf *out)
{
	char text[ADDR_TEXT], when[48];
	nsec_t took = ring_now(x->w->ring) - x->facts.start;

	put_plain(out, client_host(x, text));
	buf_puts(out, STR(" - "));
	put_plain(out, x->facts.client_user);
	buf_printf(out, " [%.*s] \"%.*s ", STR_ARG(when_text(
	    start_wall(x), when)), STR_ARG(method(x)));
	put_path(x, a, out);
	buf_printf(out, " HTTP/%u.%u\" %u ", x->req.major, x->req.minor,
	    x->resp.status);
	put_figure(x, out, MARK_RESPONSE_BYTES, x->facts.response_bytes);
	buf_putc(out, ' ');
	put_header(x, a, out, FIELD_REFERER);
	buf_putc(out, ' ');
	put_header(x, a, out, FIELD_USER_AGENT);
	if (a->format == TLOG_COMMON) {
		buf_printf(out, " %llu ", (unsigned long long)x->facts.number);
		put_quoted(out, x->router != NULL ? table_str(x->t,
		    x->router->name) : STR_NONE);
		buf_putc(out, ' ');
		put_quoted(out, x->facts.server != NULL ? table_str(x->t,
		    x->facts.server->url) : STR_NONE);
		buf_putc(out, ' ');
		put_figure(x, out, MARK_TOOK_MS, (uint64_t)(took / NSEC_MSEC));
		buf_puts(out, STR("ms"));
		if (x->reason != REASON_NONE)
			buf_printf(out, " %s", reason_word(x->reason));
	}
	buf_putc(out, '\n');
}

/* ---- JSON ------------------------------------------------------------------- */

/* Go sorts the keys of a map bytewise, and so do dashboards' fixtures. */
struct json {
	struct { struct str key, text; } v[96];
	unsigned n;
	struct buf store;	/* texts of numbers and headers */
};

static void
json_put(struct json *j, struct str key, struct str text)
{
	if (j->n < ARRAY_SIZE(j->v)) {
		j->v[j->n].key = key;
		j->v[j->n++].text = text;
	}
}

/* What is worth a line of JSON: name and value of one field. */
struct line {
	const struct exchange *x;
	const struct taccess_log *a;
	struct json *j;
	struct arena *arena;
};

static void
put_str(struct line *l, const char *name, struct str value)
{
	struct buf b = BUF_INIT;
	enum tlog_mode mode = field_mode(l->x, l->a, str_c(name));

	if (mode == TLOG_DROP)
		return;
	buf_put_json(&b, mode == TLOG_REDACT ? STR("REDACTED") : value);
	json_put(l->j, str_c(name), arena_dup(l->arena, buf_str(&b)));
	buf_fini(&b);
}

static void
put_num(struct line *l, const char *name, int64_t value)
{
	if (field_mode(l->x, l->a, str_c(name)) != TLOG_DROP)
		json_put(l->j, str_c(name), arena_printf(l->arena, "%lld",
		    (long long)value));
}

/* A figure that a tunnel's end knows better. */
static void
put_late(struct line *l, const char *name, enum mark mark, int64_t value)
{
	const char text[] = { (char)mark };

	if (!l->x->upgraded)
		put_num(l, name, value);
	else if (field_mode(l->x, l->a, str_c(name)) != TLOG_DROP)
		json_put(l->j, str_c(name), arena_dup(l->arena,
		    str_n(text, 1)));
}

static void
put_time(struct line *l, const char *name, nsec_t wall, bool nano)
{
	time_t sec = (time_t)(wall / NSEC_SEC);
	char text[64];
	struct tm tm;
	size_t n;

	gmtime_r(&sec, &tm);
	n = strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &tm);
	n += (size_t)(nano ? snprintf(text + n, sizeof(text) - n, ".%09lldZ",
	    (long long)(wall % NSEC_SEC)) :
	    snprintf(text + n, sizeof(text) - n, "Z"));
	put_str(l, name, str_n(text, n));
}

/* Kept headers of one message, values of equal names joined by ','. */
static void
put_headers(struct line *l, const char *prefix, const struct fields *fs)
{
	FIELDS_EACH(fs, f) {
		struct str name = field_name(f), all = field_value(f);
		enum tlog_mode mode = header_mode(l->x, l->a, name);
		struct field *other = NULL;
		struct buf b = BUF_INIT, key = BUF_INIT;

		if (mode == TLOG_DROP || fields_find_name(fs, name) != f)
			continue;
		other = f;
		while ((other = fields_next(fs, name, other)) != NULL)
			all = arena_printf(l->arena, "%.*s,%.*s", STR_ARG(all),
			    STR_ARG(field_value(other)));
		buf_puts(&key, str_c(prefix));
		buf_puts(&key, name);
		field_canonicalize(key.p + strlen(prefix), name.n);
		buf_put_json(&b, mode == TLOG_REDACT ? STR("REDACTED") : all);
		json_put(l->j, arena_dup(l->arena, buf_str(&key)),
		    arena_dup(l->arena, buf_str(&b)));
		buf_fini(&b);
		buf_fini(&key);
	}
}

static void
put_client(struct line *l)
{
	const struct exchange *x = l->x;
	char text[ADDR_TEXT], port[8], both[ADDR_TEXT + 12];
	struct str peer = str_c(addr_text(&x->c->peer, text));
	char host[ADDR_TEXT];

	snprintf(port, sizeof(port), "%u", x->c->peer_port);
	snprintf(both, sizeof(both), addr_is_v4(&x->c->peer) ? "%s:%s" :
	    "[%s]:%s", text, port);
	(void)peer;
	put_str(l, "ClientAddr", str_c(both));
	put_str(l, "ClientHost", client_host(x, host));
	put_str(l, "ClientPort", str_c(port));
	put_str(l, "ClientUsername", x->facts.client_user.n != 0 ?
	    x->facts.client_user : STR("-"));
}

static void
put_request(struct line *l)
{
	const struct exchange *x = l->x;
	struct str port, host = host_part(x->facts.host.n != 0 ? x->facts.host :
	    x->req.host, &port);
	struct buf path = BUF_INIT;

	put_path(x, l->a, &path);
	put_str(l, "RequestAddr", x->facts.host.n != 0 ? x->facts.host :
	    x->req.host);
	put_late(l, "RequestContentSize", MARK_REQUEST_BYTES,
	    (int64_t)x->facts.request_bytes);
	put_num(l, "RequestCount", (int64_t)x->facts.number);
	put_str(l, "RequestHost", host);
	put_str(l, "RequestMethod", method(x));
	put_str(l, "RequestPath", buf_str(&path));
	put_str(l, "RequestPort", port.n != 0 ? port : STR("-"));
	put_str(l, "RequestProtocol", x->req.major == 2 ?
	    STR("HTTP/2.0") : x->req.minor == 0 ? STR("HTTP/1.0") :
	    STR("HTTP/1.1"));
	put_str(l, "RequestScheme", x->scheme);
	buf_fini(&path);
}

static void
put_outcome(struct line *l)
{
	const struct exchange *x = l->x;
	const struct exchange_facts *e = &x->facts;
	nsec_t now = ring_now(x->w->ring), took = now - e->start;
	nsec_t origin = e->origin_end > e->origin_start ?
	    e->origin_end - e->origin_start : 0;

	put_late(l, "DownstreamContentSize", MARK_RESPONSE_BYTES,
	    (int64_t)e->response_bytes);
	put_num(l, "DownstreamStatus", x->resp.status);
	put_late(l, "Duration", MARK_TOOK, took);
	put_late(l, "OriginContentSize", MARK_RESPONSE_BYTES,
	    (int64_t)e->origin_bytes);
	put_late(l, "OriginDuration", MARK_TOOK, origin);
	put_num(l, "OriginStatus", e->origin_status);
	put_num(l, "Overhead", took - origin);
	put_num(l, "RetryAttempts", e->retries);
	if (e->origin_bytes != 0 && e->response_bytes != 0 &&
	    e->origin_bytes != e->response_bytes &&
	    field_mode(x, l->a, STR("GzipRatio")) != TLOG_DROP)
		json_put(l->j, STR("GzipRatio"), arena_printf(l->arena, "%.17g",
		    (double)e->origin_bytes / (double)e->response_bytes));
	if (x->reason != REASON_NONE)
		put_str(l, "Reason", str_c(reason_word(x->reason)));
}

static void
put_route(struct line *l)
{
	const struct exchange *x = l->x;
	const struct exchange_facts *e = &x->facts;

	if (x->router != NULL)
		put_str(l, "RouterName", table_str(x->t, x->router->name));
	if (e->service != NULL && e->server != NULL) {
		put_str(l, "ServiceName", table_str(x->t, e->service->name));
		put_str(l, "ServiceAddr", table_str(x->t,
		    e->server->authority));
		put_str(l, "ServiceURL", table_str(x->t, e->server->url));
	}
	if (x->ep != NULL)
		put_str(l, "entryPointName", table_str(x->t, x->ep->name));
	if (conn_is_tls(x->c)) {
		const struct tls_facts *t = tls_facts(x->c->st.tls);

		put_str(l, "TLSVersion", str_c(t->version_name));
		put_str(l, "TLSCipher", str_c(t->cipher));
		if (t->has_peer_cert) {
			char subject[512];
			size_t n = tls_peer_subject(x->c->st.tls, subject,
			    sizeof(subject));

			put_str(l, "TLSClientSubject", str_n(subject, n));
		}
	}
}

static void
json_write(struct json *j, struct buf *out)
{
	/* Few entries, nearly sorted: insertion is enough. */
	for (unsigned i = 1; i < j->n; i++)
		for (unsigned k = i; k > 0 && str_cmp(j->v[k].key,
		    j->v[k - 1].key) < 0; k--) {
			__typeof__(j->v[0]) t = j->v[k];

			j->v[k] = j->v[k - 1];
			j->v[k - 1] = t;
		}
	for (unsigned i = 0; i < j->n; i++) {
		buf_putc(out, i == 0 ? '{' : ',');
		buf_put_json(out, j->v[i].key);
		buf_putc(out, ':');
		buf_puts(out, j->v[i].text);
	}
	buf_puts(out, STR("}\n"));
}

void
access_line_json(const struct exchange *x, const struct taccess_log *a,
    struct buf *out)
{
	static struct json j;	/* used and done within this call */
	static struct arena arena;
	struct line l = { x, a, &j, &arena };

	if (arena.max == 0)
		arena_init(&arena, 256 * 1024);
	j.n = 0;
	put_client(&l);
	put_request(&l);
	put_outcome(&l);
	put_route(&l);
	put_time(&l, "StartUTC", start_wall(x), true);
	put_time(&l, "StartLocal", start_wall(x), true);
	put_headers(&l, "request_", &x->req.fields);
	put_headers(&l, "origin_", &x->facts.origin_fields);
	put_headers(&l, "downstream_", &x->facts.sent_fields);
	json_put(&j, STR("level"), STR("\"info\""));
	json_put(&j, STR("msg"), STR("\"\""));
	put_time(&l, "time", clock_wall(), false);
	json_write(&j, out);
	arena_reset(&arena);
}

/* ---- Tunnels ----------------------------------------------------------------- */

void
access_line_late(struct str line, const struct access_late *late,
    struct buf *out)
{
	for (size_t i = 0; i < line.n; i++) {
		unsigned long long v;

		switch (line.p[i]) {
		case MARK_REQUEST_BYTES:
			v = late->request_bytes;
			break;
		case MARK_RESPONSE_BYTES:
			v = late->response_bytes;
			break;
		case MARK_TOOK:
			v = (unsigned long long)late->took;
			break;
		case MARK_TOOK_MS:
			v = (unsigned long long)(late->took / NSEC_MSEC);
			break;
		default:
			buf_putc(out, line.p[i]);
			continue;
		}
		buf_printf(out, "%llu", v);
	}
}
