/* SPDX-License-Identifier: BSD-2-Clause */
/* The controller process; see controller.h. It resolves names, no more yet. */
#include "controller.h"

#include "dns.h"
#include "inherit.h"
#include "log.h"
#include "msg.h"
#include "privdrop.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#define FILES	256

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
read_orders(struct resolver *r)
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
		dns_follow(r, order->name);
	}
	return n == -EAGAIN;
}

int
controller_main(int argc, char **argv)
{
	struct jail jail = { .uid = getuid(), .gid = getgid(),
	    .max_files = FILES };
	struct resolver *r;
	const char *what;
	int err;

	(void)argc;
	(void)argv;
	if (inherit_check() < 0)
		return 2;
	log_open(INHERIT_LOG, LOG_INFO, LOG_COMMON);
	log_set_role("controller");
	/* The terminal's signals are the master's business. */
	(void)signal(SIGINT, SIG_IGN);
	(void)signal(SIGPIPE, SIG_IGN);
	(void)signal(SIGHUP, SIG_IGN);
	(void)signal(SIGUSR1, SIG_IGN);
	(void)close(INHERIT_LIVE);
	/* Executing made it dumpable again; the rest holds already. */
	if ((err = privdrop(&jail, &what)) < 0 ||
	    (what = "forbidding processes", err = privdrop_processes()) < 0) {
		log_error("%s: %s", what, strerror(-err));
		return 1;
	}
	if ((r = dns_new(send_resolved, NULL)) == NULL)
		return 1;
	while (read_orders(r)) {
		dns_turn(r, INHERIT_CONTROL);
		dns_retell(r);
	}
	dns_free(r);
	return 0;
}
