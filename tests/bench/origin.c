/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The server behind the proxies that are measured: answers from memory and
 * does little else. "GET /N" is answered with N bytes of JSON that compress
 * like real ones, "GET /auth" with 200, a user's name and no body.
 */
#include "bench.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define ANSWERS		16
#define HEAD_MAX	16384

struct answer {
	unsigned long size;
	bool auth;
	char *p;
	size_t n;
};

struct conn {
	struct handler h;
	int fd;
	const struct answer *a;		/* being sent, or NULL */
	size_t sent, have;
	char in[HEAD_MAX];
};

static struct answer answers[ANSWERS];
static unsigned nanswers;
static int ep, listener;

/* Lines of JSON with numbers that differ: about 1:4 with gzip. */
static void
fill(char *p, size_t n)
{
	unsigned long x = 42;
	size_t at = 0;
	char line[128];

	while (at < n) {
		x = x * 6364136223846793005UL + 1442695040888963407UL;
		int len = snprintf(line, sizeof(line), "{\"id\": %lu, "
		    "\"state\": \"%s\", \"rows\": %lu, \"owner\": \"data\"},\n",
		    x >> 40, x & (1UL << 33) ? "running" : "finished",
		    (x >> 20) & 0xfff);
		size_t part = (size_t)len < n - at ? (size_t)len : n - at;

		memcpy(p + at, line, part);
		at += part;
	}
}

static const struct answer *
answer_for(const char *path)
{
	bool auth = strncmp(path, "/auth", 5) == 0;
	unsigned long size = auth ? 0 : strtoul(path + 1, NULL, 10);
	struct answer *a;
	int head;

	for (unsigned i = 0; i < nanswers; i++)
		if (answers[i].size == size && answers[i].auth == auth)
			return &answers[i];
	if (nanswers == ANSWERS)
		return &answers[0];
	a = &answers[nanswers++];
	*a = (struct answer){ .size = size, .auth = auth };
	if ((a->p = malloc(size + 512)) == NULL)
		die("malloc");
	head = sprintf(a->p, "HTTP/1.1 200 OK\r\nServer: origin\r\n"
	    "Date: Mon, 02 Nov 2026 08:00:00 GMT\r\n%s"
	    "Content-Type: application/json\r\nContent-Length: %lu\r\n\r\n",
	    auth ? "X-Auth-User: bench\r\n" : "", size);
	fill(a->p + head, size);
	a->n = (size_t)head + size;
	return a;
}

static void
drop(struct conn *c)
{
	close(c->fd);
	free(c);
}

static void
want(struct conn *c, uint32_t events)
{
	struct epoll_event e = { .events = events, .data.ptr = c };

	if (epoll_ctl(ep, EPOLL_CTL_MOD, c->fd, &e) < 0)
		die("epoll_ctl");
}

/* False: the connection is gone. */
static bool
flush(struct conn *c)
{
	while (c->sent < c->a->n) {
		ssize_t n = send(c->fd, c->a->p + c->sent, c->a->n - c->sent,
		    MSG_NOSIGNAL);

		if (n < 0 && errno == EAGAIN) {
			want(c, EPOLLOUT);
			return true;
		}
		if (n < 0) {
			drop(c);
			return false;
		}
		c->sent += (size_t)n;
	}
	c->a = NULL;
	return true;
}

static void
serve(struct conn *c)
{
	ssize_t n = recv(c->fd, c->in + c->have, sizeof(c->in) - 1 - c->have,
	    0);

	if (n < 0 && errno == EAGAIN)
		return;
	if (n <= 0) {
		drop(c);
		return;
	}
	c->have += (size_t)n;
	c->in[c->have] = '\0';
	if (strstr(c->in, "\r\n\r\n") == NULL || strchr(c->in, '/') == NULL)
		return;
	c->have = 0;
	c->sent = 0;
	c->a = answer_for(strchr(c->in, '/'));
	flush(c);
}

static void
on_event(struct handler *h, uint32_t events)
{
	struct conn *c = (struct conn *)h;

	if (c->a == NULL)
		serve(c);
	else if ((events & EPOLLOUT) == 0)
		drop(c);
	else if (flush(c) && c->a == NULL)
		want(c, EPOLLIN);
}

static void
on_accept(struct handler *h, uint32_t events)
{
	int fd, one = 1;

	(void)h;
	(void)events;
	while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
		struct conn *c = calloc(1, sizeof(*c));
		struct epoll_event e = { .events = EPOLLIN, .data.ptr = c };

		if (c == NULL)
			die("calloc");
		c->h.fn = on_event;
		c->fd = fd;
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
		if (epoll_ctl(ep, EPOLL_CTL_ADD, fd, &e) < 0)
			die("epoll_ctl");
	}
}

void
origin_start(int epoll, uint16_t port)
{
	static struct handler h = { on_accept };
	struct sockaddr_in sa = { .sin_family = AF_INET,
	    .sin_port = htons(port),
	    .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct epoll_event e = { .events = EPOLLIN, .data.ptr = &h };
	int one = 1;

	ep = epoll;
	listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(listener, (struct sockaddr *)&sa, sizeof(sa)) < 0 ||
	    listen(listener, 1024) < 0)
		die("listen");
	if (epoll_ctl(ep, EPOLL_CTL_ADD, listener, &e) < 0)
		die("epoll_ctl");
}
