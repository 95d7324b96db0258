/* SPDX-License-Identifier: BSD-2-Clause */
/* Listening sockets from a service manager; see given.h. */
#include "given.h"

#include "alloc.h"
#include "log.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FIRST_FD	3	/* SD_LISTEN_FDS_START */
#define MANY		1024

static const char *
unusable(int fd)
{
	int type = 0, domain = 0, listens = 0;
	socklen_t n = sizeof(type);

	if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &n) < 0)
		return strerror(errno);
	(void)getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &n);
	(void)getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &n);
	if (type != SOCK_STREAM || (domain != AF_INET && domain != AF_INET6))
		return "it is not a TCP socket";
	return listens ? NULL : "it does not listen";
}

static ino_t
inode(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 ? st.st_ino : 0;
}

static struct given *
known(struct given *all, int fd)
{
	while (all != NULL && inode(all->fd) != inode(fd))
		all = all->next;
	return all;
}

struct given *
given_add(struct given **all, const char *name, int fd)
{
	const char *why = unusable(fd);
	struct sockaddr_storage sa = { 0 };
	socklen_t len = sizeof(sa);
	struct given *g = known(*all, fd);

	if (why != NULL)
		log_error("socket \"%s\" of the service manager: %s", name,
		    why);
	if (why != NULL || g != NULL) {
		(void)close(fd);
		return g;
	}
	g = xcalloc(1, sizeof(*g));
	g->fd = fd;
	g->name = xstrdup(name);
	(void)getsockname(fd, (struct sockaddr *)&sa, &len);
	(void)addr_from_sockaddr((struct sockaddr *)&sa, &g->addr, &g->port);
	(void)fcntl(fd, F_SETFD, FD_CLOEXEC);
	(void)fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
	while (*all != NULL)
		all = &(*all)->next;
	*all = g;
	return g;
}

static uint64_t
number_of(const char *variable)
{
	const char *text = getenv(variable);
	uint64_t n;

	return text != NULL && str_u64(str_c(text), &n) == 0 ? n : 0;
}

struct given *
given_from_environment(void)
{
	uint64_t n = number_of("LISTEN_FDS");
	const char *names = getenv("LISTEN_FDNAMES");
	char *copy = xstrdup(names != NULL ? names : ""), *rest = copy;
	struct given *all = NULL;

	if (number_of("LISTEN_PID") != (uint64_t)getpid() || n > MANY)
		n = 0;
	for (int i = 0; i < (int)n; i++) {
		const char *name = strsep(&rest, ":");

		(void)given_add(&all, name != NULL ? name : "", FIRST_FD + i);
	}
	free(copy);
	(void)unsetenv("LISTEN_PID");
	(void)unsetenv("LISTEN_FDS");
	(void)unsetenv("LISTEN_FDNAMES");
	return all;
}

static struct given *
find(struct given *all, struct str name, const struct addr *addr,
    uint16_t port)
{
	struct given *g;

	for (g = all; g != NULL; g = g->next)
		if (g->user == NULL && str_eq(str_c(g->name), name))
			return g;
	for (g = all; g != NULL; g = g->next)
		if (g->user == NULL && g->port == port &&
		    addr_eq(&g->addr, addr))
			return g;
	return NULL;
}

int
given_use(struct given *all, const struct listener *user, struct str name,
    const struct addr *addr, uint16_t port)
{
	struct given *g = find(all, name, addr, port);
	int fd, none = 0;

	if (g == NULL || (fd = fcntl(g->fd, F_DUPFD_CLOEXEC, 3)) < 0)
		return -1;
	/* Its last user may have left it deaf (listen.h). */
	(void)setsockopt(fd, SOL_SOCKET, SO_DETACH_FILTER, &none,
	    sizeof(none));
	if (g->port != port || !addr_eq(&g->addr, addr))
		log_warn("entry point \"%.*s\": the service manager's socket "
		    "of that name has another address than the configuration, "
		    "and is used", STR_ARG(name));
	g->user = user;
	return fd;
}

void
given_leave(struct given *all, const struct listener *user)
{
	for (struct given *g = all; g != NULL; g = g->next)
		if (g->user == user)
			g->user = NULL;
}

void
given_complain(const struct given *all)
{
	for (const struct given *g = all; g != NULL; g = g->next) {
		char text[ADDR_TEXT];

		if (g->user == NULL)
			log_warn("socket \"%s\" of the service manager (%s, "
			    "port %u) is not used: no entry point has its name "
			    "or its address", g->name, addr_text(&g->addr,
			    text), g->port);
	}
}

void
given_fini(struct given **all)
{
	while (*all != NULL) {
		struct given *g = *all;

		*all = g->next;
		(void)close(g->fd);
		free(g->name);
		free(g);
	}
}
