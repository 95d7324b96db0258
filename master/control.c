/* SPDX-License-Identifier: BSD-2-Clause */
/* The control socket; see control.h. */
#include "control.h"

#include "alloc.h"
#include "buf.h"
#include "log.h"
#include "runtime.h"
#include "writer.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define CLIENTS_MAX	32
#define REQUEST_MAX	8192
#define ANSWER_MAX	(8u << 20)
#define REQUEST_TIME	(10 * NSEC_SEC)	/* to send the line */
#define ANSWER_TIME	(10 * NSEC_SEC)	/* to take the answer */

struct client {
	struct watch watch;
	struct timer_at timer;
	struct control *control;
	uint64_t id;		/* 0: free */
	struct buf in, out;
	size_t sent;
	bool asked;		/* the request is complete */
	bool ended;		/* the last line is in `out` */
};

struct control {
	struct loop *loop;
	struct watch listen;
	struct client clients[CLIENTS_MAX];
	uint64_t next_id;
	control_fn *handle;
	void *arg;
};

static void
client_close(struct client *c)
{
	int fd = c->watch.fd;

	if (c->id == 0)
		return;
	loop_remove(c->control->loop, &c->watch);
	loop_at(c->control->loop, &c->timer, NSEC_NEVER);
	(void)close(fd);
	buf_fini(&c->in);
	buf_fini(&c->out);
	c->id = 0;
}

static void
client_expired(struct timer_at *t)
{
	client_close(t->arg);
}

/* Writes what fits; the client may be gone afterwards. */
static void
client_flush(struct client *c)
{
	while (c->sent < c->out.n) {
		ssize_t n = send(c->watch.fd, c->out.p + c->sent,
		    c->out.n - c->sent, MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN) {
			loop_change(c->control->loop, &c->watch,
			    EPOLLIN | EPOLLOUT);
			return;
		}
		if (n < 0) {
			client_close(c);
			return;
		}
		c->sent += (size_t)n;
	}
	buf_reset(&c->out);
	c->sent = 0;
	loop_change(c->control->loop, &c->watch, EPOLLIN);
	if (c->ended)
		client_close(c);
}

static void
client_handle(struct client *c)
{
	struct control *all = c->control;
	uint64_t id = c->id;
	json_error_t e;
	json_t *request = json_loadb(c->in.p, c->in.n, 0, &e);
	const char *command;

	c->asked = true;
	loop_at(all->loop, &c->timer, NSEC_NEVER);
	command = json_string_value(json_object_get(request, "command"));
	if (command == NULL)
		control_fail(all, id, "a request is one line, a JSON object "
		    "with a \"command\"");
	else
		all->handle(all->arg, id, command, request);
	json_decref(request);
}

static void
client_read(struct client *c)
{
	char piece[2048];
	ssize_t n = recv(c->watch.fd, piece, sizeof(piece), MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		client_close(c);
		return;
	}
	if (c->asked)
		return;		/* nothing more is expected */
	buf_put(&c->in, piece, (size_t)n);
	if (buf_failed(&c->in)) {
		c->asked = true;
		control_fail(c->control, c->id, "the request is too long");
		return;
	}
	if (memchr(c->in.p, '\n', c->in.n) != NULL)
		client_handle(c);
}

static void
client_ready(struct watch *w, uint32_t events)
{
	struct client *c = w->arg;
	uint64_t id = c->id;

	if ((events & EPOLLOUT) != 0)
		client_flush(c);
	if (c->id == id && (events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0)
		client_read(c);
}

static void
accept_ready(struct watch *w, uint32_t events)
{
	struct control *all = w->arg;
	struct client *c = all->clients;
	int fd = accept4(w->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	(void)events;
	if (fd < 0)
		return;
	while (c < all->clients + CLIENTS_MAX && c->id != 0)
		c++;
	if (c == all->clients + CLIENTS_MAX) {
		log_limited(LOG_WARN, "control socket: too many clients");
		(void)close(fd);
		return;
	}
	memset(c, 0, sizeof(*c));
	c->watch = (struct watch){ .fd = -1, .ready = client_ready, .arg = c };
	c->timer = (struct timer_at){ .at = NSEC_NEVER, .fire = client_expired,
	    .arg = c };
	c->control = all;
	c->in.max = REQUEST_MAX;
	c->out.max = ANSWER_MAX;
	if (loop_add(all->loop, &c->watch, fd, EPOLLIN) < 0) {
		(void)close(fd);
		return;
	}
	c->id = ++all->next_id;
	loop_at(all->loop, &c->timer, clock_mono() + REQUEST_TIME);
}

struct control *
control_new(struct loop *l, int listen_fd, control_fn *handle, void *arg)
{
	struct control *c = xcalloc(1, sizeof(*c));

	c->loop = l;
	c->handle = handle;
	c->arg = arg;
	c->listen = (struct watch){ .fd = -1, .ready = accept_ready, .arg = c };
	if (loop_add(l, &c->listen, listen_fd, EPOLLIN) < 0)
		log_error("control socket: %s", strerror(errno));
	return c;
}

void
control_pause(struct control *c, bool pause)
{
	if (c != NULL)
		loop_change(c->loop, &c->listen, pause ? 0 : EPOLLIN);
}

void
control_stop(struct control *c)
{
	if (c != NULL)
		loop_remove(c->loop, &c->listen);
}

void
control_free(struct control *c)
{
	if (c == NULL)
		return;
	control_stop(c);
	for (int i = 0; i < CLIENTS_MAX; i++)
		client_close(&c->clients[i]);
	free(c);
}

static struct client *
find(struct control *all, uint64_t id)
{
	for (int i = 0; i < CLIENTS_MAX; i++)
		if (id != 0 && all->clients[i].id == id)
			return &all->clients[i];
	return NULL;
}

int
control_fd(struct control *c, uint64_t client)
{
	const struct client *cl = find(c, client);

	return cl != NULL ? cl->watch.fd : -1;
}

void
control_leave(struct control *c, uint64_t client)
{
	struct client *cl = find(c, client);

	if (cl != NULL)
		client_close(cl);
}

/* One line; takes the reference. */
static void
put_line(struct control *all, uint64_t id, json_t *line, bool last)
{
	struct client *c = find(all, id);
	char *text;

	if (c == NULL || c->ended) {
		json_decref(line);
		return;
	}
	text = json_dumps(line, JSON_COMPACT);
	json_decref(line);
	if (text != NULL) {
		buf_puts(&c->out, str_c(text));
		buf_putc(&c->out, '\n');
	}
	free(text);
	if (buf_failed(&c->out)) {
		/* What was sent of it may be half a line. */
		if (c->sent == 0) {
			buf_reset(&c->out);
			buf_puts(&c->out, STR("{\"ok\":false,\"error\":"
			    "\"the answer is too large\"}\n"));
		}
		last = true;
	}
	if (buf_failed(&c->out)) {
		client_close(c);
		return;
	}
	if (last) {
		c->ended = true;
		loop_at(all->loop, &c->timer, clock_mono() + ANSWER_TIME);
	}
	client_flush(c);
}

void
control_progress(struct control *c, uint64_t client, const char *text)
{
	put_line(c, client, json_pack("{s:o}", "progress", write_text(text)),
	    false);
}

void
control_end(struct control *c, uint64_t client, json_t *reply)
{
	put_line(c, client, reply, true);
}

void
control_fail(struct control *c, uint64_t client, const char *text)
{
	put_line(c, client, json_pack("{s:b, s:o}", "ok", 0, "error",
	    write_text(text)), true);
}

void
control_flush(struct control *c)
{
	nsec_t until = clock_mono() + NSEC_SEC;

	for (int i = 0; c != NULL && i < CLIENTS_MAX; i++) {
		struct client *cl = &c->clients[i];

		while (cl->id != 0 && cl->out.n != 0 && clock_mono() < until) {
			struct pollfd p = { .fd = cl->watch.fd,
			    .events = POLLOUT };

			(void)poll(&p, 1, 100);
			client_flush(cl);
		}
	}
}

/* ---- The asking side ------------------------------------------------------ */

static int
send_all(int fd, const char *p, size_t n)
{
	while (n > 0) {
		ssize_t sent = send(fd, p, n, MSG_NOSIGNAL);

		if (sent < 0 && errno == EINTR)
			continue;
		if (sent < 0)
			return -errno;
		p += sent;
		n -= (size_t)sent;
	}
	return 0;
}

/* Shows a progress line; returns a last one. */
static json_t *
take_line(const char *p, size_t n)
{
	json_error_t e;
	json_t *line = json_loadb(p, n, 0, &e);
	const char *text = json_string_value(json_object_get(line, "progress"));

	if (line == NULL || text == NULL)
		return line;
	fprintf(stderr, "%s\n", text);
	json_decref(line);
	return NULL;
}

static json_t *
read_answer(int fd, char *err, size_t err_size)
{
	struct buf in = BUF_INIT;
	json_t *last = NULL;
	static char piece[65536];
	size_t seen = 0;	/* bytes without a line's end: answers are large */

	snprintf(err, err_size, "akkod ended before it answered");
	while (last == NULL) {
		ssize_t n = recv(fd, piece, sizeof(piece), 0);
		char *nl;

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		buf_put(&in, piece, (size_t)n);
		while (last == NULL && in.n != seen &&
		    (nl = memchr(in.p + seen, '\n', in.n - seen)) != NULL) {
			size_t used = (size_t)(nl - in.p) + 1;

			seen = 0;

			last = take_line(in.p, used);
			memmove(in.p, in.p + used, in.n - used);
			in.n -= used;
		}
		seen = in.n;
	}
	buf_fini(&in);
	return last;
}

json_t *
control_ask(const char *runtime_dir, json_t *request, char *err,
    size_t err_size)
{
	int fd = runtime_connect(runtime_dir), r;
	char *text = json_dumps(request, JSON_COMPACT);
	json_t *answer = NULL;

	json_decref(request);
	assert(text != NULL);
	if (fd == -EACCES || fd == -EPERM)
		snprintf(err, err_size, "the akkod in \"%s\" belongs to another "
		    "user", runtime_dir);
	else if (fd < 0)
		snprintf(err, err_size, "akkod is not running in \"%s\"",
		    runtime_dir);
	if (fd < 0) {
		free(text);
		return NULL;
	}
	if ((r = send_all(fd, text, strlen(text))) == 0)
		r = send_all(fd, "\n", 1);
	if (r < 0)
		snprintf(err, err_size, "control socket: %s", strerror(-r));
	else
		answer = read_answer(fd, err, err_size);
	free(text);
	(void)close(fd);
	return answer;
}
