/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Load at a fixed rate (0: as much as goes), open loop: requests become due at random moments (a
 * Poisson process, the same one each time) whether or not earlier ones were
 * answered, and latency counts from the moment a request was due. Meanwhile it
 * reads the CPU time of the processes that are measured, so that requests and
 * time are of the same interval. One line of JSON tells the result.
 * The same process is the server behind the proxies (origin.c), and it never
 * sleeps while it measures: on a loopback device the cost of waking a receiver
 * falls on the sender, here a proxy, which no network card does.
 *
 *   load -o PORT	only the server, and it sleeps
 *   load -o PORT -a ADDRESS:PORT -h HOST -p PATH -r RATE [-t SECONDS]
 *	[-w WARM-UP] [-c CONNECTIONS] [-P PID,...] [-H FIELD] [-n HOSTS]
 *	[-T] [-N] [-R] [-W] [-i] [-d]
 *
 *   -T TLS 1.3   -N a connection for each request   -R that resumes a session
 *   -W           WebSocket: a request is a message of 64 bytes and its echo
 *   -n HOSTS     HOST is "%u.name": a number below HOSTS is put in its place
 *   -d           idle connections may be ended, as by a program that is replaced
 *   -i           one request on each connection, then they stay open and idle
 *		  until standard input ends
 */
#include "bench.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <math.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define SEC		1000000000LL
#define SAMPLES		2000000
#define IN_BYTES	(256 * 1024)
#define MESSAGE		64

/* RFC 6455 1.3 has this key and its answer. */
#define UPGRADE	"Connection: Upgrade\r\nUpgrade: websocket\r\n"	\
	"Sec-WebSocket-Version: 13\r\n"				\
	"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"

enum state { IDLE, CONNECTING, SHAKING, WAITING };

struct conn {
	struct handler h;
	int fd;				/* -1: not open */
	SSL *ssl;
	enum state state;
	int64_t due;
	bool head_done, chunked;
	bool last;			/* the answer said so */
	bool upgraded;			/* messages from now on */
	int64_t left;			/* of the body, when not chunked */
	size_t have;			/* bytes of the head */
	char head[4096];
	char tail[7];			/* the last bytes of a chunked body */
	struct conn *next;		/* of the idle ones */
};

static struct {
	const char *host, *path, *field;
	char *pids;
	struct sockaddr_in sa;
	double rate, seconds, warm;
	unsigned conns, hosts;
	uint16_t origin;
	bool tls, fresh, resume, websocket, idle, drained;
} opt = { .host = "bench.test", .path = "/200", .rate = 1000, .seconds = 3,
    .warm = 0.5, .conns = 64 };

static struct conn *conns, *idle_head, **idle_tail = &idle_head;
static SSL_CTX *ctx;
static SSL_SESSION *session;
static unsigned long done, errors, resumed;
static unsigned busy;			/* connections with a request */
static uint32_t *samples;
static unsigned nsamples;
static int ep;
static uint64_t seed = 88172645463325252ULL;
static char in[IN_BYTES];

static void finish(struct conn *c, bool good, const char *why);
static void close_conn(struct conn *c);

void
die(const char *what)
{
	perror(what);
	exit(1);
}

static int64_t
now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * SEC + ts.tv_nsec;
}

static uint64_t
rnd(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed;
}

/* ---- CPU time of those that are measured ---------------------------------- */

struct cpu {
	uint64_t ran, waited;		/* ns; waited: runnable, another ran */
};

static void
cpu_of(const char *pid, struct cpu *sum)
{
	char path[300], line[128], *at;
	struct dirent *d;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%s/task", pid);
	if ((dir = opendir(path)) == NULL)
		die(path);
	while ((d = readdir(dir)) != NULL) {
		FILE *f;

		if (d->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "/proc/%s/task/%.20s/schedstat",
		    pid, d->d_name);
		if ((f = fopen(path, "r")) == NULL)
			continue;
		if (fgets(line, sizeof(line), f) != NULL) {
			sum->ran += strtoull(line, &at, 10);
			sum->waited += strtoull(at, NULL, 10);
		}
		fclose(f);
	}
	closedir(dir);
}

static struct cpu
cpu_of_all(void)
{
	struct cpu sum = { 0, 0 };
	char *list, *pid, *at;

	if (opt.pids == NULL)
		return sum;
	list = strdup(opt.pids);
	for (pid = strtok_r(list, ",", &at); pid != NULL;
	    pid = strtok_r(NULL, ",", &at))
		cpu_of(pid, &sum);
	free(list);
	return sum;
}

/* ---- Bytes ----------------------------------------------------------------- */

/* Bytes, 0 at the end, -1 when it must wait, -2 on failure. */
static ssize_t
get(struct conn *c)
{
	ssize_t n;

	if (c->ssl == NULL) {
		n = recv(c->fd, in, sizeof(in), 0);
		return n >= 0 ? n : errno == EAGAIN ? -1 : -2;
	}
	n = SSL_read(c->ssl, in, sizeof(in));
	if (n > 0)
		return n;
	switch (SSL_get_error(c->ssl, (int)n)) {
	case SSL_ERROR_WANT_READ:
		return -1;
	case SSL_ERROR_ZERO_RETURN:
		return 0;
	default:
		return -2;
	}
}

static void
send_all(struct conn *c, const char *p, int n)
{
	c->state = WAITING;
	if (c->ssl != NULL ? SSL_write(c->ssl, p, n) != n :
	    send(c->fd, p, (size_t)n, MSG_NOSIGNAL) != n)
		finish(c, false, "send");
}

/* A binary frame, masked with nothing. */
static void
send_message(struct conn *c)
{
	static const char frame[MESSAGE] = { (char)0x82,
	    (char)(0x80 | (MESSAGE - 6)) };

	c->head_done = true;
	c->left = MESSAGE;
	send_all(c, frame, MESSAGE);
}

static void
send_request(struct conn *c)
{
	char host[256], out[2048];
	int n;

	if (c->upgraded) {
		send_message(c);
		return;
	}
	/* The format is the user's own. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
	snprintf(host, sizeof(host), opt.host, opt.hosts != 0 ?
	    (unsigned)(rnd() % opt.hosts) : 0);
#pragma GCC diagnostic pop
	n = snprintf(out, sizeof(out), "GET %s HTTP/1.1\r\nHost: %s\r\n"
	    "User-Agent: load/1\r\nAccept: */*\r\n"
	    "Accept-Language: en-US,en;q=0.5\r\n"
	    "Cookie: session=0123456789abcdef0123456789abcdef\r\n"
	    "%s%s%s\r\n", opt.path, host, opt.websocket ? UPGRADE : "",
	    opt.field != NULL ? opt.field : "",
	    opt.field != NULL ? "\r\n" : "");
	c->head_done = c->chunked = c->last = false;
	c->have = 0;
	c->left = 0;
	memset(c->tail, 0, sizeof(c->tail));
	send_all(c, out, n);
}

/* 1: the head is whole, 0: not yet, -1: not a good one; *n: bytes behind it. */
static int
take_head(struct conn *c, const char **p, size_t *n)
{
	size_t part = sizeof(c->head) - 1 - c->have, was = c->have;
	const char *f;
	char *end;

	if (part > *n)
		part = *n;
	memcpy(c->head + c->have, *p, part);
	c->have += part;
	c->head[c->have] = '\0';
	if ((end = strstr(c->head, "\r\n\r\n")) == NULL)
		return c->have == sizeof(c->head) - 1 ? -1 : 0;
	part = (size_t)(end + 4 - c->head) - was;
	*p += part;
	*n -= part;
	end[2] = '\0';
	if (opt.websocket && strncmp(c->head, "HTTP/1.1 101", 12) == 0) {
		c->upgraded = true;
		return 1;
	}
	if (strncmp(c->head, "HTTP/1.1 200", 12) != 0)
		return -1;
	if ((f = strcasestr(c->head, "\r\ncontent-length:")) != NULL)
		c->left = strtoll(f + 17, NULL, 10);
	else if (strcasestr(c->head, "\r\ntransfer-encoding: chunked") != NULL)
		c->chunked = true;
	else
		return -1;
	c->last = strcasestr(c->head, "\r\nconnection: close") != NULL;
	c->head_done = true;
	return 1;
}

/* True at the end of the body. */
static bool
take_body(struct conn *c, const char *p, size_t n)
{
	size_t keep = sizeof(c->tail);

	if (!c->chunked)
		return (c->left -= (int64_t)n) <= 0;
	if (n >= keep)
		memcpy(c->tail, p + n - keep, keep);
	else {
		memmove(c->tail, c->tail + n, keep - n);
		memcpy(c->tail + keep - n, p, n);
	}
	return memcmp(c->tail, "\r\n0\r\n\r\n", keep) == 0;
}

static void
receive(struct conn *c)
{
	ssize_t got;

	while (c->fd >= 0 && (got = get(c)) != -1) {
		const char *p = in;
		size_t n = (size_t)got;
		int r = 1;

		if (got <= 0 && c->state == IDLE && opt.drained) {
			close_conn(c);
			return;
		}
		if (got <= 0 || c->state == IDLE) {
			finish(c, false, got == 0 ? "closed" : "receive");
			return;
		}
		if (!c->head_done)
			r = take_head(c, &p, &n);
		if (r > 0 && c->upgraded && !c->head_done) {
			send_message(c);
			continue;
		}
		if (r < 0) {
			finish(c, false, c->head);
			return;
		}
		if (r > 0 && take_body(c, p, n))
			finish(c, true, NULL);
		/* A short read has emptied a plain socket. */
		if (c->ssl == NULL && got < IN_BYTES)
			return;
	}
}

/* ---- Connections -------------------------------------------------------------- */

static void
idle_put(struct conn *c)
{
	c->state = IDLE;
	busy--;
	c->next = NULL;
	*idle_tail = c;
	idle_tail = &c->next;
}

static struct conn *
idle_get(void)
{
	struct conn *c = idle_head;

	if (c == NULL)
		return NULL;
	if ((idle_head = c->next) == NULL)
		idle_tail = &idle_head;
	busy++;
	return c;
}

static void
close_conn(struct conn *c)
{
	if (c->ssl != NULL) {
		SSL_set_quiet_shutdown(c->ssl, 1);
		SSL_shutdown(c->ssl);
		SSL_free(c->ssl);
	}
	c->ssl = NULL;
	c->upgraded = false;
	if (c->fd >= 0)
		close(c->fd);
	c->fd = -1;
}

static void
finish(struct conn *c, bool good, const char *why)
{
	int64_t took = now() - c->due;

	if (!good && errors++ == 0)
		fprintf(stderr, "load: %s (%s)\n", why, strerror(errno));
	done += good;
	if (good && nsamples < SAMPLES)
		samples[nsamples++] = took < (int64_t)UINT32_MAX * 1000 ?
		    (uint32_t)(took / 1000) : UINT32_MAX;
	if (!good || opt.fresh || c->last)
		close_conn(c);
	if (good || c->state != IDLE)
		idle_put(c);
}

static void
handshake(struct conn *c)
{
	int r = SSL_do_handshake(c->ssl);

	if (r == 1) {
		resumed += (unsigned long)SSL_session_reused(c->ssl);
		send_request(c);
	} else if (SSL_get_error(c->ssl, r) != SSL_ERROR_WANT_READ)
		finish(c, false, "handshake");
}

static void
connected(struct conn *c)
{
	if (!opt.tls) {
		send_request(c);
		return;
	}
	c->state = SHAKING;
	if ((c->ssl = SSL_new(ctx)) == NULL)
		die("SSL_new");
	SSL_set_fd(c->ssl, c->fd);
	SSL_set_tlsext_host_name(c->ssl, opt.host);
	if (opt.resume && session != NULL) {
		/* A copy: libssl spoils one that was followed by another. */
		SSL_SESSION *own = SSL_SESSION_dup(session);

		SSL_set_session(c->ssl, own);
		SSL_SESSION_free(own);
	}
	SSL_set_connect_state(c->ssl);
	handshake(c);
}

static void
open_conn(struct conn *c)
{
	struct epoll_event e = { .events = EPOLLIN | EPOLLOUT | EPOLLET,
	    .data.ptr = c };
	int one = 1;

	c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	if (c->fd < 0)
		die("socket");
	setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	c->state = CONNECTING;
	if (connect(c->fd, (struct sockaddr *)&opt.sa, sizeof(opt.sa)) < 0 &&
	    errno != EINPROGRESS) {
		finish(c, false, "connect");
		return;
	}
	if (epoll_ctl(ep, EPOLL_CTL_ADD, c->fd, &e) < 0)
		die("epoll_ctl");
}

static void
on_event(struct handler *h, uint32_t events)
{
	struct conn *c = (struct conn *)h;

	if (c->fd < 0)
		return;
	if (c->state == CONNECTING) {
		if (events & (EPOLLERR | EPOLLHUP))
			finish(c, false, "connect");
		else if (events & EPOLLOUT)
			connected(c);
		return;
	}
	if ((events & (EPOLLIN | EPOLLHUP | EPOLLERR)) == 0)
		return;
	if (c->state == SHAKING)
		handshake(c);
	else if (c->state == IDLE && c->ssl == NULL) {
		errors += !opt.drained;	/* an idle connection was closed */
		close_conn(c);
	} else
		receive(c);
}

/* ---- The clock of requests ------------------------------------------------------ */

static void
start_request(struct conn *c, int64_t due)
{
	c->due = due;
	if (c->fd < 0)
		open_conn(c);
	else
		send_request(c);
}

static int
on_session(SSL *ssl, SSL_SESSION *s)
{
	(void)ssl;
	if (session != NULL)
		return 0;
	session = s;
	return 1;
}

static int
by_size(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

static void
report(double seconds, struct cpu from, struct cpu to)
{
	double ran = (double)(to.ran - from.ran) / 1000;
	double waited = (double)(to.waited - from.waited) / 1000;

	qsort(samples, nsamples, sizeof(*samples), by_size);
	printf("{\"done\": %lu, \"errors\": %lu, \"resumed\": %lu, "
	    "\"seconds\": %.3f, \"cpu_us\": %.3f, \"waited\": %.3f, "
	    "\"p50_us\": %u, \"p99_us\": %u}\n", done, errors, resumed,
	    seconds, done != 0 ? ran / (double)done : 0,
	    ran > 0 ? waited / ran : 0,
	    nsamples != 0 ? samples[nsamples / 2] : 0,
	    nsamples != 0 ? samples[nsamples / 100 * 99] : 0);
	fflush(stdout);
}

static int64_t
gap(void)
{
	if (opt.rate <= 0)	/* as much as goes */
		return 0;
	double u = ((double)(rnd() >> 11) + 1) / 9007199254740993.0;

	return (int64_t)(-log(u) / opt.rate * (double)SEC);
}

/* Handles what there is; waits for it only when it may sleep. */
static void
turn(bool sleep)
{
	struct epoll_event ev[64];
	int n = epoll_wait(ep, ev, 64, sleep ? 10 : 0);

	for (int i = 0; i < n; i++) {
		struct handler *h = ev[i].data.ptr;

		h->fn(h, ev[i].events);
	}
}

static void
run_rate(void)
{
	int64_t start = now(), due = start, from = 0, end, t;
	struct cpu cpu = { 0, 0 };
	struct conn *c;

	end = start + (int64_t)((opt.warm + opt.seconds) * (double)SEC);
	while ((t = now()) < end) {
		if (from == 0 && t >= start +
		    (int64_t)(opt.warm * (double)SEC)) {
			from = t;
			done = resumed = nsamples = 0;
			cpu = cpu_of_all();
		}
		while (due <= t && (c = idle_get()) != NULL) {
			start_request(c, due);
			due += gap();
		}
		turn(false);
	}
	report((double)(t - from) / (double)SEC, cpu, cpu_of_all());
	/* A server that goes away under a request is a failure to a proxy. */
	for (end = t + SEC; busy > 0 && now() < end;)
		turn(false);
}

static void
run_idle(void)
{
	int64_t due = now();

	/* A few at a time, so that only what they leave behind is measured. */
	for (unsigned i = 0; i < opt.conns; i++) {
		start_request(idle_get(), due);
		due += (int64_t)((double)SEC / opt.rate);
		while (now() < due || busy > 8)
			turn(false);
	}
	for (int64_t end = now() + SEC; done < opt.conns && now() < end;)
		turn(true);
	report(0, (struct cpu){ 0, 0 }, (struct cpu){ 0, 0 });
	while (read(0, in, sizeof(in)) > 0)
		continue;
}

static void
setup(void)
{
	signal(SIGPIPE, SIG_IGN);
	ep = epoll_create1(0);
	busy = opt.conns;
	samples = malloc(SAMPLES * sizeof(*samples));
	conns = calloc(opt.conns, sizeof(*conns));
	if (samples == NULL || conns == NULL)
		die("malloc");
	for (unsigned i = 0; i < opt.conns; i++) {
		conns[i].h.fn = on_event;
		conns[i].fd = -1;
		idle_put(&conns[i]);
	}
	if ((ctx = SSL_CTX_new(TLS_client_method())) == NULL)
		die("SSL_CTX_new");
	SSL_CTX_set_min_proto_version(ctx, TLS1_3_VERSION);
	SSL_CTX_set_ciphersuites(ctx, "TLS_AES_128_GCM_SHA256");
	SSL_CTX_set1_groups_list(ctx, "X25519");
	SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS);
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_CLIENT |
	    SSL_SESS_CACHE_NO_INTERNAL);
	SSL_CTX_sess_set_new_cb(ctx, on_session);
}

static void
set_address(char *text)
{
	char *colon = strchr(text, ':');

	if (colon == NULL)
		die("address without port");
	*colon = '\0';
	opt.sa.sin_family = AF_INET;
	opt.sa.sin_port = htons((uint16_t)atoi(colon + 1));
	if (inet_pton(AF_INET, text, &opt.sa.sin_addr) != 1)
		die("address");
}

int
main(int argc, char **argv)
{
	int o;

	while ((o = getopt(argc, argv, "o:a:h:p:r:t:w:c:P:H:n:TNRWid")) != -1)
		switch (o) {
		case 'o': opt.origin = (uint16_t)atoi(optarg); break;
		case 'a': set_address(optarg); break;
		case 'h': opt.host = optarg; break;
		case 'p': opt.path = optarg; break;
		case 'r': opt.rate = atof(optarg); break;
		case 't': opt.seconds = atof(optarg); break;
		case 'w': opt.warm = atof(optarg); break;
		case 'c': opt.conns = (unsigned)atoi(optarg); break;
		case 'P': opt.pids = optarg; break;
		case 'H': opt.field = optarg; break;
		case 'n': opt.hosts = (unsigned)atoi(optarg); break;
		case 'T': opt.tls = true; break;
		case 'N': opt.fresh = true; break;
		case 'R': opt.fresh = opt.resume = true; break;
		case 'W': opt.websocket = true; break;
		case 'i': opt.idle = true; break;
		case 'd': opt.drained = true; break;
		default: return 2;
		}
	setup();
	if (opt.origin != 0)
		origin_start(ep, opt.origin);
	while (opt.sa.sin_port == 0)
		turn(true);
	if (opt.idle)
		run_idle();
	else
		run_rate();
	return errors != 0;
}
