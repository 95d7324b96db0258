/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Fibers; see fiber.h. The stacks stand in one slab:
 *
 *   | guard page | stack 0 ... | guard page | stack 1 ... | ...
 *
 * A guard is set by MADV_GUARD_INSTALL, which costs no mapping of its own, or
 * by mprotect(2) where the kernel lacks it. The slab is reserved, not
 * committed: a stack that never ran costs nothing.
 */
#include "ring_impl.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#ifdef WITH_ASAN
#include <sanitizer/common_interface_defs.h>
#endif

#ifdef WITH_ASAN
#define STACK_BYTES	(256 * 1024)	/* redzones make frames larger */
#else
#define STACK_BYTES	(64 * 1024)
#endif
#define GUARD_BYTES	4096
#define DEEP_BYTES	(16 * 1024)	/* deeper use is given back afterwards */
#define CANARY		UINT64_C(0x5afe57ac5afe57ac)

#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102
#endif

enum fiber_state { FIBER_FREE, FIBER_RUNNABLE, FIBER_RUNNING, FIBER_WAITING };

void	fiber_switch(void **save_sp, void *load_sp);
void	fiber_first(void);
void	fiber_enter(struct fiber *f);

/* The word whose change tells that a stack was used deeply. */
static uint64_t *
canary(struct fiber *f)
{
	return (uint64_t *)(void *)(f->stack + STACK_BYTES - DEEP_BYTES);
}

static int
guard_set(char *page)
{
	if (madvise(page, GUARD_BYTES, MADV_GUARD_INSTALL) == 0)
		return 0;
	return mprotect(page, GUARD_BYTES, PROT_NONE) == 0 ? 0 : -errno;
}

int
fiber_pool_init(struct ring *r, unsigned max)
{
	struct fiber_pool *p = &r->fibers;
	size_t each = GUARD_BYTES + STACK_BYTES;
	int err;

	p->slab_bytes = each * max;
	p->slab = mmap(NULL, p->slab_bytes, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
	if (p->slab == MAP_FAILED)
		return -errno;
	(void)madvise(p->slab, p->slab_bytes, MADV_NOHUGEPAGE);
	if ((p->all = calloc(max, sizeof(*p->all))) == NULL) {
		munmap(p->slab, p->slab_bytes);
		return -ENOMEM;
	}
	for (unsigned i = max; i-- > 0;) {
		struct fiber *f = &p->all[i];
		char *page = p->slab + i * each;

		if ((err = guard_set(page)) < 0) {
			free(p->all);
			munmap(p->slab, p->slab_bytes);
			return err;
		}
		f->stack = page + GUARD_BYTES;
		f->ring = r;
		f->next = p->free;
		p->free = f;
	}
	p->stats.max = max;
	return 0;
}

void
fiber_pool_fini(struct ring *r)
{
	struct fiber_pool *p = &r->fibers;

	if (p->all == NULL)
		return;
	free(p->all);
	munmap(p->slab, p->slab_bytes);
	p->all = NULL;
}

static void
run_push(struct fiber *f)
{
	f->state = FIBER_RUNNABLE;
	f->next = NULL;
	*f->ring->run_tail = f;
	f->ring->run_tail = &f->next;
}

static void
on_deadline(struct timer *t)
{
	struct fiber *f = (struct fiber *)
	    ((char *)t - offsetof(struct fiber, timer));

	/* Deadlines move often, the timer only when it must. */
	if (f->deadline > f->ring->now)
		timer_set(f->ring, t, f->deadline);
	else
		fiber_wake(f);
}

struct fiber *
fiber_start(struct ring *r, fiber_main fn, void *arg, const char *name)
{
	struct fiber_pool *p = &r->fibers;
	struct fiber *f = p->free;
	void **sp;

	if (f == NULL)
		return NULL;
	p->free = f->next;
	if (++p->stats.in_use > p->stats.most_in_use)
		p->stats.most_in_use = p->stats.in_use;
	f->fn = fn;
	f->arg = arg;
	f->name = name;
	f->object = NULL;
	f->deadline = NSEC_NEVER;
	f->timer.fn = on_deadline;
	f->woken = f->canceled = false;
	f->since = r->now;
	*canary(f) = CANARY;
	/*
	 * The top as fiber_switch() would have left it: the callee-saved
	 * registers below the address to return to. At fiber_first the stack
	 * is aligned as it is right before a call.
	 */
	sp = (void **)(void *)(f->stack + STACK_BYTES);
	memset(sp - 24, 0, 24 * sizeof(*sp));
#if defined(__x86_64__)
	sp -= 9;		/* six registers, the address, two of padding */
	sp[4] = f;		/* rbx */
	sp[6] = (void *)fiber_first;
#elif defined(__aarch64__)
	sp -= 20;
	sp[0] = f;		/* x19 */
	sp[11] = (void *)fiber_first;	/* x30 */
#endif
	f->sp = sp;
	run_push(f);
	return f;
}

/* First function on a fiber's stack; called from fiber_first. */
void
fiber_enter(struct fiber *f)
{
	struct ring *r = f->ring;

#ifdef WITH_ASAN
	__sanitizer_finish_switch_fiber(NULL, &r->fibers.asan_bottom,
	    &r->fibers.asan_size);
#endif
	f->fn(f, f->arg);
	f->state = FIBER_FREE;
#ifdef WITH_ASAN
	__sanitizer_start_switch_fiber(NULL, r->fibers.asan_bottom,
	    r->fibers.asan_size);
#endif
	fiber_switch(&f->sp, r->loop_sp);
	__builtin_unreachable();
}

static void
fiber_end(struct fiber *f)
{
	struct ring *r = f->ring;
	struct fiber_pool *p = &r->fibers;

	timer_stop(r, &f->timer);
	if (*canary(f) != CANARY) {
		p->stats.stack_most = DEEP_BYTES;
		(void)madvise(f->stack, STACK_BYTES - DEEP_BYTES,
		    MADV_DONTNEED);
	}
	f->next = p->free;
	p->free = f;
	p->stats.in_use--;
}

void
fiber_run(struct fiber *f)
{
	struct ring *r = f->ring;

	assert(f->state == FIBER_RUNNABLE && r->current == NULL);
	assert((char *)f->sp >= f->stack);
	f->state = FIBER_RUNNING;
	r->current = f;
#ifdef WITH_ASAN
	__sanitizer_start_switch_fiber(&r->fibers.asan_fake_stack, f->stack,
	    STACK_BYTES);
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
fiber_suspend(struct fiber *f)
{
	struct ring *r = f->ring;

	assert(r->current == f);
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

static int
fiber_verdict(const struct fiber *f)
{
	if (f->canceled)
		return -ECANCELED;
	return f->deadline <= f->ring->now ? -ETIMEDOUT : 0;
}

int
fiber_wait(struct fiber *f)
{
	int r;

	assert(f->ring->current == f);
	if (f->woken) {
		f->woken = false;
		return f->canceled ? -ECANCELED : 0;
	}
	if ((r = fiber_verdict(f)) < 0)
		return r;
	if (f->deadline != NSEC_NEVER &&
	    (!timer_pending(&f->timer) || f->timer.at > f->deadline))
		timer_set(f->ring, &f->timer, f->deadline);
	f->state = FIBER_WAITING;
	f->since = f->ring->now;
	fiber_suspend(f);
	f->woken = false;
	return fiber_verdict(f);
}

void
fiber_wait_quiet(struct fiber *f)
{
	assert(f->ring->current == f);
	if (!f->woken) {
		f->state = FIBER_WAITING;
		f->since = f->ring->now;
		fiber_suspend(f);
	}
	f->woken = false;
}

int
fiber_yield(struct fiber *f)
{
	f->woken = false;
	run_push(f);
	fiber_suspend(f);
	return fiber_verdict(f);
}

int
fiber_sleep_until(struct fiber *f, nsec_t t)
{
	nsec_t before = fiber_deadline(f, t);
	int r;

	do {
		r = fiber_wait(f);
	} while (r == 0);
	fiber_deadline(f, before);
	return r == -ETIMEDOUT ? 0 : r;
}

nsec_t
fiber_deadline(struct fiber *f, nsec_t t)
{
	nsec_t before = f->deadline;

	f->deadline = t;
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
	f->woken = true;
	if (f->state == FIBER_WAITING)
		run_push(f);
}

void
fiber_cancel(struct fiber *f)
{
	f->canceled = true;
	fiber_wake(f);
}

bool
fiber_canceled(const struct fiber *f)
{
	return f->canceled;
}

void
fiber_set_object(struct fiber *f, const void *object)
{
	f->object = object;
}

void
fiber_stats(const struct ring *r, struct fiber_stats *ret)
{
	*ret = r->fibers.stats;
}

void
fiber_each(const struct ring *r, void (*fn)(void *arg, const char *name,
    const void *object, nsec_t since), void *arg)
{
	for (unsigned i = 0; i < r->fibers.stats.max; i++) {
		const struct fiber *f = &r->fibers.all[i];

		if (f->state != FIBER_FREE)
			fn(arg, f->name, f->object, f->since);
	}
}
