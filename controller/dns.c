/* SPDX-License-Identifier: BSD-2-Clause */
/* Following names; see dns.h. */
#include "dns.h"

#include "alloc.h"
#include "log.h"

#include <ares.h>
#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#define KEEP_LAST	(3600 * NSEC_SEC)
#define TTL_LEAST	(5 * NSEC_SEC)
#define TTL_MOST	(3600 * NSEC_SEC)
#define TTL_HOSTS	(30 * NSEC_SEC)	/* the hosts file has none */
#define RETRY_LEAST	NSEC_SEC
#define RETRY_MOST	(30 * NSEC_SEC)

struct name {
	struct resolver *r;
	struct name *next;
	char *text;
	struct addr addrs[DNS_ADDRS];
	unsigned n;
	nsec_t good_at;		/* last answer; 0: never */
	nsec_t next_at;		/* next question */
	nsec_t retry;
	bool asking;
	bool untold;
};

struct resolver {
	ares_channel channel;
	struct name *names;
	unsigned count;
	dns_fn *tell;
	void *arg;
};

struct resolver *
dns_new(dns_fn *tell, void *arg)
{
	struct resolver *r = xcalloc(1, sizeof(*r));
	struct ares_options o = { .timeout = 2000, .tries = 2 };
	int e = ares_library_init(ARES_LIB_INIT_ALL);

	if (e == ARES_SUCCESS)
		e = ares_init_options(&r->channel, &o,
		    ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES);
	if (e != ARES_SUCCESS) {
		log_error("name resolution: %s", ares_strerror(e));
		free(r);
		return NULL;
	}
	r->tell = tell;
	r->arg = arg;
	return r;
}

void
dns_free(struct resolver *r)
{
	if (r == NULL)
		return;
	ares_destroy(r->channel);
	while (r->names != NULL) {
		struct name *n = r->names;

		r->names = n->next;
		free(n->text);
		free(n);
	}
	free(r);
	ares_library_cleanup();
}

static void
tell(struct name *n)
{
	n->untold = n->r->tell(n->r->arg, n->text, n->addrs, n->n) == -EAGAIN;
}

void
dns_retell(struct resolver *r)
{
	for (struct name *n = r->names; n != NULL; n = n->next)
		if (n->untold)
			tell(n);
}

static int
addr_order(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct addr));
}

/*
 * DNS rotates its answers; sorted they are the same answer. The least TTL of
 * all says when to ask again.
 */
static unsigned
take(const struct ares_addrinfo *ai, struct addr out[DNS_ADDRS], nsec_t *ret_ttl)
{
	unsigned n = 0;

	*ret_ttl = TTL_MOST;
	for (const struct ares_addrinfo_node *i = ai->nodes; i != NULL &&
	    n < DNS_ADDRS; i = i->ai_next) {
		nsec_t ttl = i->ai_ttl > 0 ? i->ai_ttl * NSEC_SEC : TTL_HOSTS;
		uint16_t port;

		if (addr_from_sockaddr(i->ai_addr, &out[n], &port) < 0)
			continue;
		n++;
		if (ttl < *ret_ttl)
			*ret_ttl = ttl;
	}
	if (*ret_ttl < TTL_LEAST)
		*ret_ttl = TTL_LEAST;
	if (n > 1)
		qsort(out, n, sizeof(out[0]), addr_order);
	return n;
}

static void
failed(struct name *n, const char *why, nsec_t now)
{
	/* Told once per loss, not once per try. */
	if (n->retry == 0)
		log_warn("name \"%s\": %s%s", n->text, why, n->n != 0 ?
		    "; its last addresses are kept" : "");
	n->retry = n->retry == 0 ? RETRY_LEAST : n->retry * 2;
	if (n->retry > RETRY_MOST)
		n->retry = RETRY_MOST;
	n->next_at = now + n->retry;
	if (n->n != 0 && now - n->good_at > KEEP_LAST) {
		n->n = 0;
		tell(n);
	}
}

static void
answered(void *arg, int status, int timeouts, struct ares_addrinfo *ai)
{
	struct name *n = arg;
	struct addr addrs[DNS_ADDRS];
	nsec_t now = clock_mono(), ttl = TTL_LEAST;
	unsigned count = 0;

	(void)timeouts;
	n->asking = false;
	if (status == ARES_EDESTRUCTION || status == ARES_ECANCELLED)
		return;
	memset(addrs, 0, sizeof(addrs));
	if (status == ARES_SUCCESS)
		count = take(ai, addrs, &ttl);
	if (ai != NULL)
		ares_freeaddrinfo(ai);
	if (count == 0) {
		failed(n, status == ARES_SUCCESS ? "no address" :
		    ares_strerror(status), now);
		return;
	}
	n->good_at = now;
	n->next_at = now + ttl;
	n->retry = 0;
	if (n->n == count && memcmp(n->addrs, addrs,
	    count * sizeof(addrs[0])) == 0)
		return;
	memcpy(n->addrs, addrs, sizeof(n->addrs));
	n->n = count;
	tell(n);
}

void
dns_follow(struct resolver *r, const char *name)
{
	struct name *n;

	for (n = r->names; n != NULL; n = n->next)
		if (strcmp(n->text, name) == 0)
			return;
	if (r->count == DNS_NAMES_MAX) {
		log_limited(LOG_ERROR, "more than %d names; \"%s\" is not "
		    "resolved", DNS_NAMES_MAX, name);
		return;
	}
	r->count++;
	n = xcalloc(1, sizeof(*n));
	n->r = r;
	n->text = xstrdup(name);
	n->next_at = clock_mono();
	n->next = r->names;
	r->names = n;
}

/* Asks what is due; returns when the next is. */
static nsec_t
ask_due(struct resolver *r)
{
	static const struct ares_addrinfo_hints hints = {
		.ai_family = AF_UNSPEC,
		.ai_socktype = SOCK_STREAM,
		.ai_flags = ARES_AI_NOSORT,
	};
	nsec_t now = clock_mono(), next = NSEC_NEVER;

	for (struct name *n = r->names; n != NULL; n = n->next) {
		if (!n->asking && n->next_at <= now) {
			n->asking = true;
			/* May call back before it returns. */
			ares_getaddrinfo(r->channel, n->text, NULL, &hints,
			    answered, n);
		}
		if (!n->asking && n->next_at < next)
			next = n->next_at;
	}
	return next;
}

static int
timeout_ms(struct resolver *r, nsec_t next)
{
	nsec_t now = clock_mono();
	struct timeval tv, *t = ares_timeout(r->channel, NULL, &tv);
	int64_t ms = next == NSEC_NEVER ? INT32_MAX :
	    next <= now ? 0 : (next - now) / NSEC_MSEC + 1;

	if (t != NULL && t->tv_sec * 1000 + t->tv_usec / 1000 + 1 < ms)
		ms = t->tv_sec * 1000 + t->tv_usec / 1000 + 1;
	return ms > 60000 ? 60000 : (int)ms;
}

_Static_assert(ARES_GETSOCK_MAXNUM <= DNS_FDS, "room for all");

unsigned
dns_prepare(struct resolver *r, struct pollfd *p, int *ret_timeout)
{
	ares_socket_t socks[ARES_GETSOCK_MAXNUM];
	nsec_t next = ask_due(r);
	int bits = ares_getsock(r->channel, socks, ARES_GETSOCK_MAXNUM);
	unsigned n = 0;

	for (int i = 0; i < ARES_GETSOCK_MAXNUM; i++) {
		short events = (short)(
		    (ARES_GETSOCK_READABLE(bits, i) ? POLLIN : 0) |
		    (ARES_GETSOCK_WRITABLE(bits, i) ? POLLOUT : 0));

		if (events != 0)
			p[n++] = (struct pollfd){ socks[i], events, 0 };
	}
	*ret_timeout = timeout_ms(r, next);
	return n;
}

void
dns_work(struct resolver *r, const struct pollfd *p, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		if (p[i].revents != 0)
			ares_process_fd(r->channel,
			    (p[i].revents & ~POLLOUT) != 0 ? p[i].fd :
			    ARES_SOCKET_BAD, (p[i].revents & POLLOUT) != 0 ?
			    p[i].fd : ARES_SOCKET_BAD);
	/* Timeouts are handled by a call without sockets. */
	ares_process_fd(r->channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
}
