/* SPDX-License-Identifier: BSD-2-Clause */
/* Passages; see passage.h. */
#include "passage.h"

#include "conn.h"
#include "log.h"
#include "memory.h"
#include "msg.h"
#include "pack.h"
#include "suite.h"
#include "tunnel.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#define MAGIC		UINT32_C(0x6c637270)
#define SEAL		SUITE_AES_256_GCM
#define PORTERS		48		/* connections under way at a time */
#define BATCH		64		/* messages in one turn */
#define VERDICT_TIME	(5 * NSEC_SEC)
#define FULL_TIME	(2 * NSEC_MSEC)	/* until a full socket is tried again */
#define FULL_TRIES	500

/* This much stays in every version. */
struct head { uint32_t magic, version; uint64_t number; };

enum verdict { VERDICT_NONE, TAKEN, REFUSED, OTHER_VERSION };
struct verdict_msg { uint64_t number; uint32_t verdict, reserved; };

/* A parcel under way; on the stack of the fiber that waits for the verdict. */
struct gift {
	struct gift *next;
	struct fiber *f;
	uint64_t number;
	enum verdict verdict;
};

struct passage {
	struct passage *next;
	struct worker *w;
	struct watch *watch;
	struct gift *gifts;
	struct suite_key key;
	uint64_t number;	/* of the last parcel; never used twice */
	int fd;
	bool give;		/* else take */
};

/* Where parcels are made and looked at, in memory that no core dump has. */
struct area {
	struct parcel p;
	uint8_t clear[PARCEL_MAX];
	uint8_t sealed[sizeof(struct head) + PARCEL_MAX + 1 + SUITE_TAG];
};

struct passages {
	struct passage *first;
	struct passage *turn;	/* gave last */
	struct suites *suites;	/* NULL until there is a passage */
	struct area *area;	/* the same */
	struct conn *at;	/* the next that a porter looks at */
	unsigned porters;
	struct passage_stats stats;
};

struct passages *
passages_new(void)
{
	return calloc(1, sizeof(struct passages));
}

bool
passage_open(const struct worker *w)
{
	const struct passage *p = w->passages->first;

	while (p != NULL && !p->give)
		p = p->next;
	return w->draining && p != NULL;
}

void
passage_stats(const struct worker *w, struct passage_stats *ret)
{
	*ret = w->passages->stats;
}

void
passage_forget(struct worker *w, const struct conn *c)
{
	if (w->passages->at == c)
		w->passages->at = c->next;
}

/* ---- Sealing ---------------------------------------------------------------- */

/* Number and version are sealed along, so that neither can be another. */
static void
nonce_and_rest(const struct head *h, uint8_t nonce[SUITE_NONCE],
    uint8_t rest[SUITE_AAD])
{
	memset(nonce, 0, SUITE_NONCE);
	memset(rest, 0, SUITE_AAD);
	for (unsigned i = 0; i < 8; i++)
		nonce[i] = (uint8_t)(h->number >> (8 * i));
	for (unsigned i = 0; i < 4; i++)
		rest[i] = (uint8_t)(h->version >> (8 * i));
}

/* a->p into a->sealed. Its length, or -errno. */
static ssize_t
seal(struct passages *s, struct passage *p)
{
	struct head h = { MAGIC, PARCEL_VERSION, ++p->number };
	uint8_t nonce[SUITE_NONCE], rest[SUITE_AAD];
	struct area *a = s->area;
	ssize_t n = parcel_write(&a->p, a->clear, sizeof(a->clear));
	struct iovec iov = { a->clear, (size_t)n };
	int r;

	if (n < 0)
		return n;
	nonce_and_rest(&h, nonce, rest);
	memcpy(a->sealed, &h, sizeof(h));
	r = suite_seal(s->suites, SEAL, &p->key, nonce, rest, &iov, (size_t)n,
	    0, a->sealed + sizeof(h));
	explicit_bzero(a->clear, (size_t)n);
	return r < 0 ? r : (ssize_t)sizeof(h) + n + 1 + SUITE_TAG;
}

/* n bytes of a->sealed into a->p, which points to a->clear. 0 or -errno. */
static int
unseal(struct passages *s, struct passage *p, size_t n, const char **ret_why)
{
	uint8_t nonce[SUITE_NONCE], rest[SUITE_AAD];
	struct area *a = s->area;
	struct head h;
	int r;

	memcpy(&h, a->sealed, sizeof(h));
	n -= sizeof(h);
	*ret_why = "seal";
	if (n < 1 + SUITE_TAG || n - SUITE_TAG > sizeof(a->clear))
		return -EPROTO;
	nonce_and_rest(&h, nonce, rest);
	r = suite_open(s->suites, SEAL, &p->key, nonce, rest,
	    a->sealed + sizeof(h), n, a->clear);
	return r < 0 ? -EPROTO : parcel_read(&a->p, a->clear, n - SUITE_TAG - 1,
	    ret_why);
}

/* After unseal() of n bytes. */
static void
area_wipe(struct area *a, size_t n)
{
	explicit_bzero(&a->p, sizeof(a->p));
	explicit_bzero(a->clear, n < sizeof(a->clear) ? n : sizeof(a->clear));
}

/* ---- Life ------------------------------------------------------------------- */

static bool
passages_ready(struct passages *s)
{
	void *m;

	if (s->suites == NULL && (s->suites = suites_new()) == NULL)
		return false;
	if (s->area != NULL)
		return true;
	m = mmap(NULL, sizeof(*s->area), PROT_READ | PROT_WRITE, MAP_PRIVATE |
	    MAP_ANONYMOUS, -1, 0);
	if (m == MAP_FAILED)
		return false;
	(void)madvise(m, sizeof(*s->area), MADV_DONTDUMP);
	s->area = m;
	return true;
}

static void
gift_judged(struct passage *p, uint64_t number, enum verdict v)
{
	for (struct gift **at = &p->gifts; *at != NULL; at = &(*at)->next)
		if ((*at)->number == number) {
			struct gift *g = *at;

			*at = g->next;
			g->verdict = v;
			fiber_wake(g->f);
			return;
		}
}

/* What has been said; false when nothing more will be. */
static bool
read_verdicts(struct passage *p)
{
	struct verdict_msg m;
	ssize_t n;

	for (;;) {
		n = recv(p->fd, &m, sizeof(m), MSG_DONTWAIT | MSG_TRUNC);
		/* A reset is told once, before what was said earlier. */
		if (n < 0 && (errno == EINTR || errno == ECONNRESET))
			continue;
		if (n < 0)
			return errno == EAGAIN;
		if (n != sizeof(m) || m.verdict == VERDICT_NONE ||
		    m.verdict > OTHER_VERSION)
			return false;
		gift_judged(p, m.number, (enum verdict)m.verdict);
		if (m.verdict == OTHER_VERSION)
			return false;
	}
}

static void
passage_end(struct passage *p)
{
	struct passages *s = p->w->passages;
	struct passage **at = &s->first;

	/*
	 * From here on the other side cannot take anything any more; what it
	 * took before is known then, and all else is ours.
	 */
	(void)shutdown(p->fd, SHUT_RD);
	if (p->give)
		(void)read_verdicts(p);
	while (p->gifts != NULL)
		gift_judged(p, p->gifts->number, REFUSED);
	while (*at != p)
		at = &(*at)->next;
	*at = p->next;
	if (s->turn == p)
		s->turn = NULL;
	watch_stop(p->watch);
	(void)close(p->fd);
	explicit_bzero(&p->key, sizeof(p->key));
	if (p->give && p->w->draining && !passage_open(p->w)) {
		log_info("no worker takes connections any more: what is left "
		    "is drained");
		conn_hurry(p->w);
	}
	tls_memory_free(p);
}

static void
on_verdict(void *arg)
{
	struct passage *p = arg;

	if (!read_verdicts(p))
		passage_end(p);
}

static void on_parcel(void *arg);

void
passage_add(struct worker *w, const struct msg_passage *m, int fd)
{
	struct passages *s = w->passages;
	struct passage *p = passages_ready(s) ?
	    tls_memory_alloc(sizeof(*p)) : NULL;

	_Static_assert(sizeof(m->key) == SUITE_KEY_MAX, "the key of the seal");
	if (p != NULL) {
		*p = (struct passage){ .next = s->first, .w = w, .fd = fd,
		    .give = m->end == PASSAGE_GIVE };
		suite_key_name(&p->key);
		memcpy(p->key.bytes, m->key, sizeof(m->key));
		p->watch = watch_start(w->ring, fd, p->give ? on_verdict :
		    on_parcel, p);
	}
	if (p == NULL || p->watch == NULL) {
		log_error("connections cannot move: %s", strerror(ENOMEM));
		tls_memory_free(p);
		(void)close(fd);
		return;
	}
	s->first = p;
}

/* ---- Giving ----------------------------------------------------------------- */

static struct passage *
next_passage(struct passages *s)
{
	struct passage *p = s->turn;

	/* There is one: passage_open(). */
	do {
		p = p != NULL && p->next != NULL ? p->next : s->first;
	} while (!p->give);
	s->turn = p;
	return p;
}

static int
send_parcel(const struct passage *p, const uint8_t *bytes, size_t n,
    const int *fds, unsigned nfds)
{
	struct iovec iov = { (void *)(uintptr_t)bytes, n };
	union { struct cmsghdr align; char space[CMSG_SPACE(2 *
	    sizeof(int))]; } c = { .space = { 0 } };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1,
	    .msg_control = c.space,
	    .msg_controllen = CMSG_SPACE(nfds * sizeof(int)) };
	struct cmsghdr *cm = CMSG_FIRSTHDR(&m);

	cm->cmsg_level = SOL_SOCKET;
	cm->cmsg_type = SCM_RIGHTS;
	cm->cmsg_len = CMSG_LEN(nfds * sizeof(int));
	memcpy(CMSG_DATA(cm), fds, nfds * sizeof(int));
	while (sendmsg(p->fd, &m, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
		if (errno != EINTR)
			return -errno;
	return 0;
}

/* Packs, seals and sends at one go: the area is everybody's. 0 or -errno. */
static int
send_conn(struct conn *c, nsec_t until, struct passage *p)
{
	struct passages *s = c->w->passages;
	struct area *a = s->area;
	int fds[2] = { c->st.s->fd, -1 };
	ssize_t n;
	int r;

	if (c->tunnel != NULL)
		fds[1] = tunnel_server(c->tunnel)->s->fd;
	if ((r = pack_conn(c, until, &a->p)) == 0)
		r = (n = seal(s, p)) < 0 ? (int)n : send_parcel(p, a->sealed,
		    (size_t)n, fds, c->tunnel != NULL ? 2 : 1);
	explicit_bzero(&a->p, sizeof(a->p));
	return r;
}

static int
settle(struct fiber *f, struct conn *c)
{
	int r = stream_settle(f, &c->st);

	return r == 0 && c->tunnel != NULL ?
	    stream_settle(f, tunnel_server(c->tunnel)) : r;
}

/* Sent through one of the passages, or -errno. */
static int
post(struct fiber *f, struct conn *c, nsec_t until, struct gift *g,
    struct passage **ret)
{
	struct worker *w = c->w;
	int r = -EPIPE;

	for (unsigned i = 0; i < FULL_TRIES && passage_open(w); i++) {
		struct passage *p = next_passage(w->passages);

		r = send_conn(c, until, p);
		if (r == 0) {
			*g = (struct gift){ p->gifts, f, p->number,
			    VERDICT_NONE };
			p->gifts = g;
			*ret = p;
			return 0;
		}
		if (r == -EAGAIN || r == -ENOBUFS || r == -ETOOMANYREFS)
			(void)fiber_sleep_until(f, ring_now(w->ring) +
			    FULL_TIME);
		else if (r == -EPIPE || r == -ECONNRESET)
			passage_end(p);
		else
			break;
	}
	return r;
}

static enum verdict
wait_verdict(struct fiber *f, struct gift *g, struct passage *p)
{
	nsec_t was = fiber_deadline(f, ring_now(p->w->ring) + VERDICT_TIME);

	while (g->verdict == VERDICT_NONE && fiber_wait(f) == 0)
		continue;
	if (g->verdict == VERDICT_NONE) {
		log_warn("a worker does not answer: its passage is closed");
		passage_end(p);
	}
	(void)fiber_deadline(f, was);
	return g->verdict;
}

static bool
has_unread(const struct conn *c)
{
	return stream_has_unread(&c->st) || (c->tunnel != NULL &&
	    stream_has_unread(tunnel_server(c->tunnel)));
}

enum passage_result
passage_give(struct fiber *f, struct conn *c, nsec_t until)
{
	struct passages *s = c->w->passages;
	struct passage *p;
	struct gift g;
	int r;

	/* An end, or more than fits: read on here first. */
	if (settle(f, c) < 0)
		return PASSAGE_BUSY;
	r = post(f, c, until, &g, &p);
	if (r == -EMSGSIZE && has_unread(c))
		return PASSAGE_BUSY;
	if (r == 0 && wait_verdict(f, &g, p) == TAKEN) {
		s->stats.out++;
		return PASSAGE_GIVEN;
	}
	c->stays = true;
	s->stats.kept++;
	return PASSAGE_KEPT;
}

/* The next connection that is quiet; NULL: all have been looked at. */
static struct conn *
next_quiet(struct passages *s)
{
	struct conn *c;

	while ((c = s->at) != NULL) {
		s->at = c->next;
		if (c->stays || c->h2 != NULL)
			continue;
		if (c->state == CONN_PARKED || (c->state == CONN_TUNNEL &&
		    tunnel_quiet(c->tunnel)))
			return c;
	}
	return NULL;
}

static void
porter_main(struct fiber *f, void *arg)
{
	struct worker *w = arg;
	struct conn *c;

	while (passage_open(w) && (c = next_quiet(w->passages)) != NULL)
		if (c->tunnel != NULL)
			tunnel_move(f, c->tunnel);
		else
			conn_move(f, c, c->timer.at);
	w->passages->porters--;
}

void
passage_begin(struct worker *w)
{
	struct passages *s = w->passages;

	s->at = w->conns;
	while (s->porters < PORTERS && fiber_start(w->ring, porter_main, w,
	    "porter") != NULL)
		s->porters++;
	if (s->porters == 0)
		conn_hurry(w);
}

/* ---- Taking ----------------------------------------------------------------- */

struct arrival {
	size_t n;
	int fds[2];
	unsigned nfds;
	bool cut;
};

/* 1, 0 at the end, -EAGAIN, -errno. */
static int
receive(const struct passage *p, struct area *a, struct arrival *ret)
{
	struct iovec iov = { a->sealed, sizeof(a->sealed) };
	union { struct cmsghdr align; char space[CMSG_SPACE(2 *
	    sizeof(int))]; } c;
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1,
	    .msg_control = c.space, .msg_controllen = sizeof(c) };
	struct cmsghdr *cm;
	ssize_t n;

	*ret = (struct arrival){ .fds = { -1, -1 } };
	while ((n = recvmsg(p->fd, &m, MSG_DONTWAIT | MSG_CMSG_CLOEXEC)) < 0)
		if (errno != EINTR && errno != ECONNRESET)
			return -errno;
	cm = n > 0 ? CMSG_FIRSTHDR(&m) : NULL;
	if (cm != NULL && cm->cmsg_level == SOL_SOCKET &&
	    cm->cmsg_type == SCM_RIGHTS) {
		ret->nfds = (unsigned)((cm->cmsg_len - CMSG_LEN(0)) /
		    sizeof(int));
		memcpy(ret->fds, CMSG_DATA(cm), ret->nfds * sizeof(int));
	}
	ret->n = (size_t)n;
	ret->cut = (m.msg_flags & (MSG_CTRUNC | MSG_TRUNC)) != 0;
	return n > 0;
}

static void
close_fds(const struct arrival *v)
{
	for (unsigned i = 0; i < v->nfds; i++)
		(void)close(v->fds[i]);
}

/* The connection of a parcel; NULL with the reason. The descriptors are ours. */
static struct conn *
open_parcel(struct passage *p, const struct arrival *v, const char **ret_why)
{
	struct passages *s = p->w->passages;
	struct conn *c = NULL;

	if (v->cut)
		*ret_why = "it came in part";
	else if (p->w->draining || p->w->gen == NULL)
		*ret_why = "it is not serving";
	else if (unseal(s, p, v->n, ret_why) == 0) {
		if (v->nfds == (s->area->p.is_tunnel ? 2u : 1u))
			return unpack_conn(p->w, &s->area->p, v->fds[0],
			    v->fds[1], ret_why);
		*ret_why = "descriptors";
	}
	close_fds(v);
	return c;
}

/* False: the other side hears nothing of us any more. */
static bool
answer(const struct passage *p, uint64_t number, enum verdict verdict)
{
	struct verdict_msg m = { .number = number, .verdict = verdict };
	ssize_t n;

	do {
		n = send(p->fd, &m, sizeof(m), MSG_DONTWAIT | MSG_NOSIGNAL);
	} while (n < 0 && errno == EINTR);
	return n == sizeof(m);
}

/* One message; false: the passage ends. */
static bool
take(struct passage *p, const struct arrival *v)
{
	struct passages *s = p->w->passages;
	const char *why = "";
	struct conn *c;
	struct head h;
	nsec_t left;

	if (v->n < sizeof(h)) {
		close_fds(v);
		return false;
	}
	memcpy(&h, s->area->sealed, sizeof(h));
	if (h.magic != MAGIC || h.version != PARCEL_VERSION) {
		close_fds(v);
		if (h.magic == MAGIC)
			(void)answer(p, h.number, OTHER_VERSION);
		return false;
	}
	c = open_parcel(p, v, &why);
	left = s->area->p.left;
	area_wipe(s->area, v->n);
	if (c == NULL) {
		log_limited(LOG_INFO, "a connection stays where it is: %s",
		    why);
		return answer(p, h.number, REFUSED);
	}
	if (!answer(p, h.number, TAKEN)) {
		conn_gone(c);
		return false;
	}
	s->stats.in++;
	unpack_begin(c, left);
	return true;
}

static void
on_parcel(void *arg)
{
	struct passage *p = arg;
	struct arrival v;
	int r = 1;

	for (unsigned i = 0; i < BATCH && r > 0; i++)
		if ((r = receive(p, p->w->passages->area, &v)) > 0 &&
		    !take(p, &v))
			r = 0;
	if (r <= 0 && r != -EAGAIN)
		passage_end(p);
}
