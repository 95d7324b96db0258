/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The server behind the proxies that are measured: answers from memory and
 * does little else. "GET /N" is answered with N bytes of JSON that compress
 * like real ones, "GET /auth" with 200, a user's name and no body. The body of
 * a request is passed over. After "GET /ws" it sends back what it gets.
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
	size_t skip;			/* of a request's body */
	bool echo;			/* a WebSocket from now on */
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
answer(struct conn *c)
{
	c->sent = 0;
	c->a = answer_for(strchr(c->in, '/'));
	flush(c);
}

static void
say(struct conn *c, const char *p, size_t n)
{
	if (send(c->fd, p, n, MSG_NOSIGNAL) != (ssize_t)n)
		drop(c);
}

/* A whole head is in c->in; what stands behind it is of the body. */
static void
serve_head(struct conn *c, const char *end)
{
	static const char upgraded[] = "HTTP/1.1 101 Switching Protocols\r\n"
	    "Connection: Upgrade\r\nUpgrade: websocket\r\n"
	    "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
	const char *length = strcasestr(c->in, "\r\ncontent-length:");
	size_t body = length != NULL ? strtoul(length + 17, NULL, 10) : 0;
	size_t got = c->have - (size_t)(end - c->in);

	c->have = 0;
	if (strncmp(strchr(c->in, '/'), "/ws", 3) == 0) {
		c->echo = true;
		say(c, upgraded, sizeof(upgraded) - 1);
	} else if (got < body)
		c->skip = body - got;
	else
		answer(c);
}

/* More of a body that nobody looks at. */
static void
skip(struct conn *c)
{
	static char nowhere[256 * 1024];
	ssize_t n;

	while ((n = recv(c->fd, nowhere, c->skip < sizeof(nowhere) ? c->skip :
	    sizeof(nowhere), 0)) > 0)
		if ((c->skip -= (size_t)n) == 0) {
			/* The head is still in c->in. */
			answer(c);
			return;
		}
	if (n == 0 || errno != EAGAIN)
		drop(c);
}

static void
serve(struct conn *c)
{
	const char *end;
	ssize_t n;

	if (c->skip > 0) {
		skip(c);
		return;
	}
	n = recv(c->fd, c->in + c->have, sizeof(c->in) - 1 - c->have, 0);
	if (n < 0 && errno == EAGAIN)
		return;
	if (n <= 0) {
		drop(c);
		return;
	}
	if (c->echo) {
		say(c, c->in, (size_t)n);
		return;
	}
	c->have += (size_t)n;
	c->in[c->have] = '\0';
	end = strstr(c->in, "\r\n\r\n");
	if (end != NULL && strchr(c->in, '/') != NULL)
		serve_head(c, end + 4);
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
