/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Fibers; see fiber.h. The stacks stand in one slab, low addresses left:
 *
 *   | guard page | stack 0 ... struct fiber 0 | guard page | stack 1 ...
 *
 * A guard is set by MADV_GUARD_INSTALL, which costs no mapping of its own, or
 * by mprotect(2) where the kernel lacks it, within the limit of mappings. The
 * slab is reserved, not committed: a stack that never ran costs nothing.
 *
 * The deadline's timer is armed lazily: a deadline that moves away leaves it
 * where it is, and when it fires too early it is set again. So a request that
 * sets five deadlines touches the wheel about once a second, not five times.
 */
#include "ring_impl.h"

#include "log.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#ifdef WITH_ASAN
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif
#if defined(__has_include) && __has_include(<valgrind/valgrind.h>)
#include <valgrind/valgrind.h>
#else
#define VALGRIND_STACK_REGISTER(from, to) (void)0
#define VALGRIND_DISABLE_ERROR_REPORTING (void)0
#define VALGRIND_ENABLE_ERROR_REPORTING (void)0
#endif

#ifdef WITH_ASAN
#define STACK_BYTES	(256 * 1024)	/* redzones make frames larger */
#else
#define STACK_BYTES	(64 * 1024)
#endif
#define GUARD_BYTES	4096
#define STRIDE		(GUARD_BYTES + STACK_BYTES)
#define DEEP_BYTES	(16 * 1024)	/* deeper use is given back afterwards */
/* Hot frames of neighbours start in different cache sets. */
#define COLOURS		8
#define COLOUR_BYTES	256
#define FIBERS_PER_TURN	256	/* then the world outside is looked at again */
#define SLOW_NS		(2 * NSEC_MSEC)
/* Operations that end at once without a wait; then others have their turn. */
#define BURST		64

#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102
#endif

enum fiber_state { FIBER_FREE, FIBER_RUNNABLE, FIBER_RUNNING, FIBER_WAITING };

/* In assembly. */
void	fiber_switch(void **save_sp, void *load_sp);
void	fiber_first(void);
/* Called by it. */
void	fiber_enter(struct fiber *f);

/* ---- Stacks ------------------------------------------------------------ */

static struct fiber *
fiber_at(const struct fiber_pool *p, unsigned i)
{
	size_t top = (sizeof(struct fiber) + 63) / 64 * 64 +
	    (i % COLOURS) * COLOUR_BYTES;

	return (struct fiber *)(void *)(p->slab + (size_t)(i + 1) * STRIDE -
	    top);
}

/* Mappings that the process may still make, roughly; each guard costs two. */
static unsigned
guards_by_mprotect(void)
{
	char text[32] = "";
	long limit = 65530;
	int fd = open("/proc/sys/vm/max_map_count", O_RDONLY | O_CLOEXEC);

	if (fd >= 0) {
		if (read(fd, text, sizeof(text) - 1) > 0)
			limit = atol(text);
		close(fd);
	}
	return limit > 4096 ? (unsigned)((limit - 2048) / 2) : 1024;
}

static int
guard_set(struct fiber_pool *p, char *page)
{
	if (!p->guard_by_mprotect &&
	    madvise(page, GUARD_BYTES, MADV_GUARD_INSTALL) == 0)
		return 0;
	return mprotect(page, GUARD_BYTES, PROT_NONE) == 0 ? 0 : -errno;
}

int
fiber_pool_init(struct ring *r, unsigned max)
{
	struct fiber_pool *p = &r->fibers;

	r->run_tail = &r->run_head;
	r->later_tail = &r->later_head;
	p->slab_bytes = (size_t)STRIDE * max;
	p->slab = mmap(NULL, p->slab_bytes, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
	if (p->slab == MAP_FAILED) {
		p->slab = NULL;
		return -errno;
	}
	(void)madvise(p->slab, p->slab_bytes, MADV_NOHUGEPAGE);
	p->guard_by_mprotect =
	    madvise(p->slab, GUARD_BYTES, MADV_GUARD_INSTALL) < 0;
	if (p->guard_by_mprotect && max > guards_by_mprotect())
		max = guards_by_mprotect();
	p->stats.max = max;
	return 0;
}

void
fiber_pool_fini(struct ring *r)
{
	struct fiber_pool *p = &r->fibers;

	if (p->slab == NULL)
		return;
#ifdef WITH_ASAN
	__asan_unpoison_memory_region(p->slab, p->slab_bytes);
#endif
	munmap(p->slab, p->slab_bytes);
	p->slab = NULL;
}

/* The next stack that was never used. NULL at the limit. */
static struct fiber *
fiber_make(struct ring *r)
{
	struct fiber_pool *p = &r->fibers;
	char *page = p->slab + (size_t)p->made * STRIDE;
	struct fiber *f;

	if (p->made == p->stats.max || guard_set(p, page) < 0)
		return NULL;
	f = fiber_at(p, p->made++);
	memset(f, 0, sizeof(*f));
	f->stack = page + GUARD_BYTES;
	f->ring = r;
	VALGRIND_STACK_REGISTER(f->stack, (char *)f);
	return f;
}

#ifdef WITH_ASAN
#define NO_ASAN __attribute__((no_sanitize("address")))
#else
#define NO_ASAN
#endif

static NO_ASAN bool
is_zero(const char *p, size_t n)
{
	const uint64_t *w = (const uint64_t *)(const void *)p;
	uint64_t any = 0;

	for (size_t i = 0; i < n / sizeof(*w); i++)
		any |= w[i];
	return any == 0;
}

/*
 * How deep a stack was ever used since its pages were new, by the page, then
 * by the cache line. Looks no further than the first page that is still empty,
 * because reading costs a page table entry (not memory).
 */
static NO_ASAN size_t
stack_depth(const struct fiber *f)
{
	const char *top = (const char *)f;
	const char *page = (const char *)((uintptr_t)top & ~(uintptr_t)4095);
	const char *low = top;

	VALGRIND_DISABLE_ERROR_REPORTING;	/* dead frames are read */
	while (page >= f->stack && !is_zero(page, 4096)) {
		low = page;
		page -= 4096;
	}
	while (low < top && is_zero(low, 64))
		low += 64;
	VALGRIND_ENABLE_ERROR_REPORTING;
	return (size_t)(top - low);
}

/*
 * Two lines of a page at the depth that a stack may keep: zero while it was
 * never reached. A zero page is mapped by looking, no memory is used.
 */
static NO_ASAN bool
stack_is_deep(const struct fiber *f)
{
	const char *at = f->stack + STACK_BYTES - DEEP_BYTES;
	bool deep = false;

	VALGRIND_DISABLE_ERROR_REPORTING;
	if (!is_zero(at, 64) || !is_zero(at - 1024, 64))
		deep = true;
	VALGRIND_ENABLE_ERROR_REPORTING;
	return deep;
}

/* ---- Life ----------------------------------------------------------------- */

static void
list_push(struct fiber ***tail, struct fiber *f)
{
	f->state = FIBER_RUNNABLE;
	f->next = NULL;
	**tail = f;
	*tail = &f->next;
}

static void
on_deadline(struct timer *t)
{
	struct fiber *f = (struct fiber *)(void *)
	    ((char *)t - offsetof(struct fiber, timer));

	if (f->state == FIBER_FREE || f->deadline == NSEC_NEVER)
		return;
	if (f->deadline > f->ring->now)
		timer_set(f->ring, t, f->deadline);
	else if (f->state == FIBER_WAITING && !f->quiet)
		list_push(&f->ring->run_tail, f);
}

struct fiber *
fiber_start(struct ring *r, fiber_main fn, void *arg, const char *name)
{
	struct fiber_pool *p = &r->fibers;
	struct fiber *f = p->free;
	void **sp;

	if (f != NULL)
		p->free = f->next;
	else if ((f = fiber_make(r)) == NULL)
		return NULL;
	if (++p->stats.in_use > p->stats.most_in_use)
		p->stats.most_in_use = p->stats.in_use;
	f->fn = fn;
	f->arg = arg;
	f->name = name;
	f->object = NULL;
	f->deadline = NSEC_NEVER;
	f->timer.fn = on_deadline;
	f->woken = f->canceled = f->quiet = false;
	f->burst = 0;
	f->since = r->now;
#ifdef WITH_ASAN
	__asan_unpoison_memory_region(f->stack,
	    (size_t)((char *)f - f->stack));
#endif
	/*
	 * The stack as fiber_switch() would have left it: the callee-saved
	 * registers below the address to return to. At fiber_first it is
	 * aligned as it is right before a call.
	 */
	sp = (void **)((uintptr_t)f & ~(uintptr_t)63);
#if defined(__x86_64__)
	sp -= 9;		/* six registers, the address, two of padding */
	memset(sp, 0, 9 * sizeof(*sp));
	sp[4] = f;		/* rbx */
	sp[6] = (void *)fiber_first;
#elif defined(__aarch64__)
	sp -= 20;
	memset(sp, 0, 20 * sizeof(*sp));
	sp[0] = f;		/* x19 */
	sp[11] = (void *)fiber_first;	/* x30 */
#endif
	f->sp = sp;
	list_push(&r->run_tail, f);
	return f;
}

/* First function on a fiber's stack. */
void
fiber_enter(struct fiber *f)
{
	struct ring *r = f->ring;

	assert((uintptr_t)__builtin_frame_address(0) % 16 == 0);
#ifdef WITH_ASAN
	__sanitizer_finish_switch_fiber(NULL, &r->fibers.asan_bottom,
	    &r->fibers.asan_size);
#endif
	f->fn(f, f->arg);
	f->state = FIBER_FREE;
#ifdef WITH_ASAN
	/* NULL: this fiber's fake stack is destroyed. */
	__sanitizer_start_switch_fiber(NULL, r->fibers.asan_bottom,
	    r->fibers.asan_size);
#endif
	fiber_switch(&f->sp, r->loop_sp);
	__builtin_unreachable();
}

static void
fiber_end(struct fiber *f)
{
	struct fiber_pool *p = &f->ring->fibers;

	if (stack_is_deep(f)) {
		size_t depth = stack_depth(f);

		if (depth > p->stats.stack_most)
			p->stats.stack_most = depth;
		(void)madvise(f->stack, STACK_BYTES - DEEP_BYTES,
		    MADV_DONTNEED);
	}
	f->next = p->free;
	p->free = f;
	p->stats.in_use--;
}

static void
fiber_resume(struct fiber *f)
{
	struct ring *r = f->ring;

	assert(f->state == FIBER_RUNNABLE && r->current == NULL);
	assert((char *)f->sp >= f->stack && (char *)f->sp < (char *)f);
	f->state = FIBER_RUNNING;
	f->burst = 0;
	r->current = f;
#ifdef WITH_ASAN
	__sanitizer_start_switch_fiber(&r->fibers.asan_fake_stack, f->stack,
	    (size_t)((char *)f - f->stack));
#endif
	fiber_switch(&r->loop_sp, f->sp);
#ifdef WITH_ASAN
	__sanitizer_finish_switch_fiber(r->fibers.asan_fake_stack, NULL, NULL);
#endif
	r->current = NULL;
	if (f->state == FIBER_FREE)
		fiber_end(f);
}

static void
note_slow(struct ring *r, const char *name, nsec_t took)
{
	r->fibers.stats.slow++;
	log_limited(LOG_DEBUG, "fiber \"%s\" ran %lld us without a wait",
	    name, (long long)(took / 1000));
}

/*
 * First in, first out. Those that yield come again in the next turn, after the
 * world was looked at. Time is read once per turn; only after a turn that was
 * slow the next ones time each fiber, to find out which.
 */
void
fiber_run_all(struct ring *r)
{
	nsec_t start, now;

	if (r->later_head != NULL) {
		*r->run_tail = r->later_head;
		r->run_tail = r->later_tail;
		r->later_head = NULL;
		r->later_tail = &r->later_head;
	}
	if (r->run_head == NULL)
		return;
	start = now = r->ops->backend == RING_SIM ? clock_mono() : r->now;
	for (unsigned i = 0; i < FIBERS_PER_TURN; i++) {
		struct fiber *f = r->run_head;
		const char *name;

		if (f == NULL)
			break;
		if ((r->run_head = f->next) == NULL)
			r->run_tail = &r->run_head;
		name = f->name;
		fiber_resume(f);
		if (r->time_each > 0) {
			nsec_t then = now;

			now = clock_mono();
			if (now - then > SLOW_NS)
				note_slow(r, name, now - then);
		}
	}
	if (r->time_each > 0)
		r->time_each--;
	else if (clock_mono() - start > SLOW_NS)
		r->time_each = 256;
}

/* ---- Waiting --------------------------------------------------------------- */

static void
fiber_suspend(struct fiber *f)
{
	struct ring *r = f->ring;

	assert(r->current == f);
	f->since = r->now;
#ifdef WITH_ASAN
	__sanitizer_start_switch_fiber(&f->asan_fake_stack,
	    r->fibers.asan_bottom, r->fibers.asan_size);
#endif
	fiber_switch(&f->sp, r->loop_sp);
#ifdef WITH_ASAN
	__sanitizer_finish_switch_fiber(f->asan_fake_stack,
	    &r->fibers.asan_bottom, &r->fibers.asan_size);
#endif
}

int
fiber_verdict(const struct fiber *f)
{
	if (f->canceled)
		return -ECANCELED;
	return f->deadline <= f->ring->now ? -ETIMEDOUT : 0;
}

int
fiber_step(struct fiber *f)
{
	int r = fiber_verdict(f);

	return r == 0 && ++f->burst >= BURST ? fiber_yield(f) : r;
}

int
fiber_wait(struct fiber *f)
{
	int r = fiber_verdict(f);

	assert(f->ring->current == f);
	if (r < 0)
		return r;
	if (f->woken) {
		f->woken = false;
		return 0;
	}
	if (f->deadline != NSEC_NEVER &&
	    (!timer_pending(&f->timer) || f->timer.at > f->deadline))
		timer_set(f->ring, &f->timer, f->deadline);
	f->state = FIBER_WAITING;
	fiber_suspend(f);
	f->woken = false;
	return fiber_verdict(f);
}

void
fiber_wait_quiet(struct fiber *f)
{
	assert(f->ring->current == f);
	if (!f->woken) {
		f->quiet = true;
		f->state = FIBER_WAITING;
		fiber_suspend(f);
		f->quiet = false;
	}
	f->woken = false;
}

int
fiber_yield(struct fiber *f)
{
	assert(f->ring->current == f);
	list_push(&f->ring->later_tail, f);
	fiber_suspend(f);
	return fiber_verdict(f);
}

int
fiber_sleep_until(struct fiber *f, nsec_t t)
{
	nsec_t before = fiber_deadline(f, t);
	bool woken = false;
	int r;

	while ((r = fiber_wait(f)) == 0)
		woken = true;
	fiber_deadline(f, before);
	f->woken |= woken;	/* for the wait that it was meant for */
	return r == -ETIMEDOUT ? 0 : r;
}

nsec_t
fiber_deadline(struct fiber *f, nsec_t t)
{
	nsec_t before = f->deadline;

	f->deadline = t;
	/* By somebody else, while it waits. */
	if (f->state == FIBER_WAITING && t != NSEC_NEVER &&
	    (!timer_pending(&f->timer) || f->timer.at > t))
		timer_set(f->ring, &f->timer, t);
	return before;
}

nsec_t
fiber_get_deadline(const struct fiber *f)
{
	return f->deadline;
}

struct ring *
fiber_ring(const struct fiber *f)
{
	return f->ring;
}

void
fiber_wake(struct fiber *f)
{
	assert(f->state != FIBER_FREE);
	f->woken = true;
	if (f->state == FIBER_WAITING)
		list_push(&f->ring->run_tail, f);
}

void
fiber_cancel(struct fiber *f)
{
	assert(f->state != FIBER_FREE);
	f->canceled = true;
	if (f->state == FIBER_WAITING && !f->quiet)
		list_push(&f->ring->run_tail, f);
}

bool
fiber_canceled(const struct fiber *f)
{
	return f->canceled;
}

/* ---- For those who look on ---------------------------------------------------- */

void
fiber_set_object(struct fiber *f, const void *object)
{
	f->object = object;
}

void
fiber_stats(const struct ring *r, struct fiber_stats *ret)
{
	*ret = r->fibers.stats;
	for (unsigned i = 0; i < r->fibers.made; i++) {
		size_t depth = stack_depth(fiber_at(&r->fibers, i));

		if (depth > ret->stack_most)
			ret->stack_most = depth;
	}
}

void
fiber_each(const struct ring *r, void (*fn)(void *arg, const char *name,
    const void *object, nsec_t since), void *arg)
{
	for (unsigned i = 0; i < r->fibers.made; i++) {
		const struct fiber *f = fiber_at(&r->fibers, i);

		if (f->state != FIBER_FREE)
			fn(arg, f->name, f->object, f->since);
	}
}
