/* SPDX-License-Identifier: BSD-2-Clause */
/* The controller process; see controller.h. */
#include "controller.h"

#include "dns.h"
#include "inherit.h"
#include "kube_client.h"
#include "log.h"
#include "msg.h"
#include "orders.h"
#include "outbox.h"
#include "privdrop.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FILES		256
#define CONNECT_AGAIN	(5 * NSEC_SEC)	/* what is missing may come yet */
#define ORDERS_TIME	10000	/* ms: the master speaks at once */

struct controller {
	struct resolver *resolver;
	struct orders *orders;
	struct kube *kube;		/* NULL: no Kubernetes provider */
	struct kube_server server;
	struct kube_client *client;	/* NULL: no API server found yet */
	nsec_t connect_at;		/* when it is looked for again */
	struct outbox out;
};

static int
send_resolved(void *arg, const char *name, const struct addr *addrs,
    unsigned n)
{
	struct msg_resolved msg;

	(void)arg;
	memset(&msg, 0, sizeof(msg));
	strncpy(msg.name, name, sizeof(msg.name) - 1);
	msg.n = n;
	if (n != 0)
		memcpy(msg.addrs, addrs, n * sizeof(*addrs));
	return msg_send(INHERIT_CONTROL, MSG_RESOLVED, &msg, NULL);
}

/* Reads all that is there. False: the master is gone or talks nonsense. */
static bool
read_messages(struct controller *c)
{
	static struct msg msg;
	int n;

	while ((n = msg_recv(INHERIT_CONTROL, &msg)) == 1) {
		struct msg_name *order = (void *)msg.payload;

		if (msg.type != MSG_RESOLVE) {
			log_error("an order that is not for the controller");
			return false;
		}
		order->name[sizeof(order->name) - 1] = '\0';
		dns_follow(c->resolver, order->name);
	}
	return n == -EAGAIN;
}

/* ---- Kubernetes ----------------------------------------------------------- */

/* The settings come first and at once. */
static int
await_orders(struct controller *c)
{
	static struct msg msg;
	struct pollfd p = { INHERIT_CONTROL, POLLIN, 0 };
	const struct msg_bytes *b = (const void *)msg.payload;
	int r = 0;

	c->orders = orders_new();
	while (r == 0) {
		if (poll(&p, 1, ORDERS_TIME) <= 0)
			return -ETIMEDOUT;
		r = msg_recv(INHERIT_CONTROL, &msg);
		if (r == -EAGAIN)
			r = 0;
		else if (r != 1 || msg.type != MSG_SETTINGS ||
		    b->n > sizeof(b->data))
			return -EPROTO;
		else
			r = orders_feed(c->orders, str_n(b->data, b->n));
	}
	return r < 0 ? r : 0;
}

static void
send_changes(void *arg, struct str bytes)
{
	struct controller *c = arg;

	outbox_put(&c->out, bytes);
}

static void
set_env(const char *name, const char *value)
{
	if (value != NULL)
		(void)setenv(name, value, 1);
}

/*
 * Finds the API server. What is missing, a token or a CA, may come yet, and
 * names are to be resolved in any case, so it is tried again.
 */
static void
connect_kube(struct controller *c)
{
	const struct kube_settings *s = orders_settings(c->orders);
	char why[KUBE_WHY];

	c->connect_at = clock_mono() + CONNECT_AGAIN;
	if (kube_server_find(&c->server, s->ingress != NULL ? s->ingress :
	    s->crd, why) < 0) {
		log_error("Kubernetes: %s", why);
		return;
	}
	c->client = kube_client_new(c->kube, &c->server, why);
	if (c->client == NULL) {
		log_error("Kubernetes: %s", why);
		kube_server_fini(&c->server);
	}
}

static int
start_kube(struct controller *c)
{
	const struct kube_settings *s;
	int r = await_orders(c);

	if (r < 0) {
		log_error("the master does not say what to watch: %s",
		    strerror(-r));
		return r;
	}
	s = orders_settings(c->orders);
	/* The environment was emptied; these are the master's. */
	set_env("KUBERNETES_SERVICE_HOST", s->service_host);
	set_env("KUBERNETES_SERVICE_PORT", s->service_port);
	set_env("KUBECONFIG", s->kubeconfig.value);
	c->kube = kube_new(s, send_changes, c);
	connect_kube(c);
	return 0;
}

/* ---- The process ------------------------------------------------------------ */

static int
until_kube(const struct kube *k, int timeout)
{
	nsec_t next = kube_next(k), now = clock_mono();

	if (next == NSEC_NEVER || (next - now) / NSEC_MSEC >= timeout)
		return timeout;
	return next <= now ? 0 : (int)((next - now) / NSEC_MSEC) + 1;
}

/* One round: what is due, one wait for everything, what came of it. */
static int
turn(struct controller *c)
{
	struct pollfd p[DNS_FDS + 1];
	int timeout, r;
	unsigned n = dns_prepare(c->resolver, p, &timeout);

	p[n] = (struct pollfd){ INHERIT_CONTROL, POLLIN, 0 };
	if (!outbox_empty(&c->out))
		p[n].events |= POLLOUT;
	if (c->kube != NULL)
		timeout = until_kube(c->kube, timeout);
	if (c->client != NULL)
		kube_client_turn(c->client, p, n + 1, timeout);
	else
		(void)poll(p, n + 1, c->kube == NULL ||
		    timeout < CONNECT_AGAIN / NSEC_MSEC ? timeout :
		    (int)(CONNECT_AGAIN / NSEC_MSEC));
	if (c->kube != NULL && c->client == NULL &&
	    clock_mono() >= c->connect_at)
		connect_kube(c);
	dns_work(c->resolver, p, n);
	dns_retell(c->resolver);
	if (c->kube != NULL)
		kube_flush(c->kube);
	r = outbox_flush(&c->out, INHERIT_CONTROL);
	return r == -EAGAIN ? 0 : r;
}

/*
 * Descriptors, rights, then what may need a thread of a library, then none of
 * those any more.
 */
static int
start(struct controller *c, bool kube)
{
	struct jail jail = { .uid = getuid(), .gid = getgid(),
	    .max_files = FILES };
	const char *what;
	int err;

	log_open(INHERIT_LOG, LOG_INFO, LOG_COMMON);
	log_set_role("controller");
	/* The terminal's signals are the master's business. */
	(void)signal(SIGINT, SIG_IGN);
	(void)signal(SIGPIPE, SIG_IGN);
	(void)signal(SIGHUP, SIG_IGN);
	(void)signal(SIGUSR1, SIG_IGN);
	(void)close(INHERIT_LIVE);
	/* Executing made it dumpable again; the rest holds already. */
	if ((err = privdrop(&jail, &what)) == 0) {
		if (kube && start_kube(c) < 0)
			return 1;
		what = "forbidding processes";
		err = privdrop_processes();
	}
	if (err < 0) {
		log_error("%s: %s", what, strerror(-err));
		return 1;
	}
	c->resolver = dns_new(send_resolved, NULL);
	return c->resolver != NULL ? 0 : 1;
}

int
controller_main(int argc, char **argv)
{
	struct controller c = { .out = OUTBOX_INIT };
	int r;

	if (inherit_check() < 0)
		return 2;
	r = start(&c, argc > 2 && strcmp(argv[2], "1") == 0);
	while (r == 0 && read_messages(&c))
		r = turn(&c) < 0;
	kube_client_free(c.client);
	kube_server_fini(&c.server);
	kube_free(c.kube);
	orders_free(c.orders);
	dns_free(c.resolver);
	return r;
}
