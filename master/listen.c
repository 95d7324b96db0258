/* SPDX-License-Identifier: BSD-2-Clause */
/* Listening sockets; see listen.h. */
#include "listen.h"

#include "addr.h"
#include "alloc.h"
#include "entry_address.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define BACKLOG		4096	/* the kernel cuts it to net.core.somaxconn */
#define KEEPALIVE_S	180	/* proxy.md 0.1: idle time before probes */

/*
 * Others of ours may have the address too. Accepted sockets inherit TCP_NODELAY
 * and keep-alive from the listener, which saves two calls per connection.
 */
static int
start_listening(int fd)
{
	int one = 1, idle = KEEPALIVE_S;

	return setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one,
	    sizeof(one)) < 0 ||
	    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)) < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof(one)) < 0 ||
	    setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle,
	    sizeof(idle)) < 0 || listen(fd, BACKLOG) < 0 ? -errno : 0;
}

static int
open_socket(const struct sockaddr_storage *sa, socklen_t len, bool share)
{
	int one = 1, zero = 0, err;
	int fd = socket(sa->ss_family,
	    SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) < 0 ||
	    (share && setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one,
	    sizeof(one)) < 0) ||
	    (sa->ss_family == AF_INET6 && setsockopt(fd, IPPROTO_IPV6,
	    IPV6_V6ONLY, &zero, sizeof(zero)) < 0) ||
	    bind(fd, (const struct sockaddr *)sa, len) < 0)
		err = -errno;
	else
		err = start_listening(fd);
	if (err < 0)
		(void)close(fd);
	return err < 0 ? err : fd;
}

static const char *
hint(int err)
{
	switch (err) {
	case -EACCES:
		return " (ports below 1024 need root or CAP_NET_BIND_SERVICE)";
	case -EADDRINUSE:
		return " (another program, or another entry point, listens there)";
	case -EADDRNOTAVAIL:
		return " (this machine does not have the address)";
	default:
		return "";
	}
}

static uint16_t
port_of(const struct sockaddr_storage *sa)
{
	return ntohs(sa->ss_family == AF_INET6 ?
	    ((const struct sockaddr_in6 *)(const void *)sa)->sin6_port :
	    ((const struct sockaddr_in *)(const void *)sa)->sin_port);
}

static void
listener_free(struct listeners *all, struct listener *l)
{
	given_leave(all->given, l);
	for (unsigned i = 0; i < l->nfds; i++)
		(void)close(l->fds[i]);
	free(l->fds);
	free(l->name);
	free(l->new_name);
	free(l->address);
	free(l);
}

struct listener *
listen_find(const struct listeners *all, struct str name, struct str address)
{
	struct listener *l = all->first;

	while (l != NULL && (!str_eq(str_c(l->name), name) ||
	    !str_eq(str_c(l->address), address)))
		l = l->next;
	return l;
}

struct listener *
listen_find_unwanted(const struct listeners *all, struct str address)
{
	struct listener *l = all->first;

	while (l != NULL && (l->wanted || l->new_name != NULL ||
	    !str_eq(str_c(l->address), address)))
		l = l->next;
	return l;
}

/*
 * A port that one of our own gives up may be shared with it until it closes:
 * "127.0.0.1:80" becomes ":80" without an instant in which nobody listens.
 */
static bool
may_share(const struct listeners *all, uint16_t port)
{
	for (const struct listener *l = all->first; l != NULL; l = l->next)
		if (!l->wanted && l->port == port)
			return true;
	return false;
}

/*
 * The next one of an address: given, bound, or shared with what is there. The
 * first decides where the others listen: it may be given, and elsewhere.
 */
static int
next_socket(struct listeners *all, struct listener *l,
    const struct sockaddr_storage *configured, socklen_t len)
{
	struct sockaddr_storage at = *configured, *sa = &at;
	struct addr addr = { { 0 } };
	uint16_t port = 0;
	int fd;

	(void)addr_from_sockaddr((const struct sockaddr *)sa, &addr, &port);
	fd = given_use(all->given, l, str_c(l->name), &addr, port);
	if (fd >= 0) {
		l->given = true;
		(void)start_listening(fd);	/* it does already */
		len = sizeof(at);
		if (getsockname(fd, (struct sockaddr *)sa, &len) == 0)
			l->port = port_of(sa);
		return fd;
	}
	if (l->given && l->nfds != 0) {
		len = sizeof(at);
		(void)getsockname(l->fds[0], (struct sockaddr *)sa, &len);
	}
	fd = open_socket(sa, len, l->nfds != 0);
	if (fd == -EADDRINUSE && l->nfds == 0 && may_share(all, l->port))
		fd = open_socket(sa, len, true);
	if (fd < 0 && l->given && l->nfds != 0) {
		fd = fcntl(l->fds[0], F_DUPFD_CLOEXEC, 3);
		return fd < 0 ? -errno : fd;
	}
	return fd;
}

int
listen_open(struct listeners *all, struct str name, struct str address,
    struct listener **ret, char *err, size_t err_size)
{
	struct listener *l = listen_find(all, name, address), **tail;
	struct sockaddr_storage sa;
	const char *why;
	socklen_t len;

	*ret = l;
	if (l != NULL) {
		if (l->closing)
			listen_deafen(l, false);
		return 0;
	}
	if (entry_address(address, &sa, &len, &why) < 0 ||
	    (why = "the name is too long", name.n > LISTEN_NAME_MAX)) {
		snprintf(err, err_size, "entry point \"%.*s\": address "
		    "\"%.*s\": %s", STR_ARG(name), STR_ARG(address), why);
		return -EINVAL;
	}
	l = xcalloc(1, sizeof(*l));
	l->fds = xcalloc(all->nworkers, sizeof(*l->fds));
	l->name = xasprintf("%.*s", STR_ARG(name));
	l->address = xasprintf("%.*s", STR_ARG(address));
	l->port = port_of(&sa);
	while (l->nfds < all->nworkers) {
		int fd = next_socket(all, l, &sa, len);

		if (fd < 0) {
			snprintf(err, err_size, "entry point \"%s\": cannot "
			    "listen on \"%s\": %s%s", l->name, l->address,
			    strerror(-fd), hint(fd));
			listener_free(all, l);
			return fd;
		}
		l->fds[l->nfds++] = fd;
	}
	l->id = all->next_id++;
	for (tail = &all->first; *tail != NULL;)
		tail = &(*tail)->next;
	*tail = l;
	*ret = l;
	return 0;
}

void
listen_take(struct listeners *all, const char *name, const char *address,
    const int *fds, unsigned nfds)
{
	struct listener *l = xcalloc(1, sizeof(*l)), **tail = &all->first;
	struct sockaddr_storage sa;
	const char *why;
	socklen_t len;

	l->name = xstrdup(name);
	l->address = xstrdup(address);
	l->fds = xcalloc(nfds, sizeof(*l->fds));
	memcpy(l->fds, fds, nfds * sizeof(*fds));
	l->nfds = nfds;
	if (entry_address(str_c(address), &sa, &len, &why) == 0)
		l->port = port_of(&sa);
	l->id = all->next_id++;
	while (*tail != NULL)
		tail = &(*tail)->next;
	*tail = l;
}

void
listen_give(struct listeners *all, const char *name, const char *user, int fd)
{
	struct given *g = given_add(&all->given, name, fd);

	for (struct listener *l = all->first; l != NULL; l = l->next)
		if (g != NULL && user[0] != '\0' && strcmp(l->name, user) == 0) {
			g->user = l;
			l->given = true;
		}
}

/*
 * The kernel's choice among the sockets of an address; numbers are theirs in
 * the order in which they began to listen, which is that of the slots.
 */
static int
steer(int fd, unsigned among)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
		    (uint32_t)(SKF_AD_OFF + SKF_AD_RANDOM)),
		BPF_STMT(BPF_ALU | BPF_MOD | BPF_K, among),
		BPF_STMT(BPF_RET | BPF_A, 0),
	};
	struct sock_fprog prog = { .len = ARRAY_SIZE(code), .filter = code };

	return setsockopt(fd, SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, &prog,
	    sizeof(prog)) < 0 ? -errno : 0;
}

void
listen_deafen(struct listener *l, bool deaf)
{
	/* At the start of a TCP header; drops what has SYN. */
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 13),
		BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, 0x02, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, 0),
		BPF_STMT(BPF_RET | BPF_K, UINT32_MAX),
	};
	struct sock_fprog prog = { .len = ARRAY_SIZE(code), .filter = code };
	int none = 0;

	l->closing = deaf;
	for (unsigned i = 0; i < l->nfds; i++)
		if (deaf)
			(void)setsockopt(l->fds[i], SOL_SOCKET,
			    SO_ATTACH_FILTER, &prog, sizeof(prog));
		else
			(void)setsockopt(l->fds[i], SOL_SOCKET,
			    SO_DETACH_FILTER, &none, sizeof(none));
}

void
listen_steer(struct listeners *all)
{
	int none = 0;

	for (struct listener *l = all->first; l != NULL; l = l->next)
		if (l->nfds > all->nworkers)
			(void)steer(l->fds[0], all->nworkers);
		else
			(void)setsockopt(l->fds[0], SOL_SOCKET,
			    SO_DETACH_REUSEPORT_BPF, &none, sizeof(none));
}

int
listen_grow(struct listeners *all, char *err, size_t err_size)
{
	for (struct listener *l = all->first; l != NULL; l = l->next) {
		struct sockaddr_storage sa;
		const char *why;
		socklen_t len;

		l->fds = xreallocarray(l->fds, all->nworkers > l->nfds ?
		    all->nworkers : l->nfds, sizeof(*l->fds));
		if (entry_address(str_c(l->address), &sa, &len, &why) < 0)
			continue;	/* it was parsed once */
		while (l->nfds < all->nworkers) {
			int fd = next_socket(all, l, &sa, len);

			if (fd < 0) {
				snprintf(err, err_size, "cannot listen once "
				    "more on \"%s\": %s", l->address,
				    strerror(-fd));
				return fd;
			}
			l->fds[l->nfds++] = fd;
		}
	}
	return 0;
}

void
listen_shrink(struct listeners *all)
{
	/* The last first, so that the kernel keeps the order of the others. */
	for (struct listener *l = all->first; l != NULL; l = l->next)
		while (l->nfds > all->nworkers)
			(void)close(l->fds[--l->nfds]);
}

void
listen_close(struct listeners *all, struct listener *l)
{
	struct listener **p = &all->first;

	while (*p != NULL && *p != l)
		p = &(*p)->next;
	if (*p != NULL)
		*p = l->next;
	listener_free(all, l);
}

void
listen_close_all(struct listeners *all)
{
	while (all->first != NULL)
		listen_close(all, all->first);
	given_fini(&all->given);
}
