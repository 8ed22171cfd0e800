// SPDX-License-Identifier: BSD-2-Clause
/*
 * loop.c - the event loop of posternd
 *
 * One thread.  One event is taken at a time: a callback may then free any object,
 * its own or another's, without leaving a stale event in a batch.  Requests are
 * rare, so that the extra system call costs nothing that counts.
 */
#include "ctld/loop.h"

#include <errno.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * NSEC_PER_SEC + (uint64_t)ts.tv_nsec;
}

int loop_init(struct loop *l)
{
	*l = (struct loop){ .epfd = epoll_create1(EPOLL_CLOEXEC) };
	return l->epfd < 0 ? -errno : 0;
}

void loop_fini(struct loop *l)
{
	close(l->epfd);
	l->epfd = -1;
}

int loop_add(struct loop *l, struct loop_fd *w, int fd, void (*fn)(struct loop_fd *, uint32_t))
{
	struct epoll_event ev = { .events = EPOLLIN, .data.ptr = w };

	w->fd = fd;
	w->fn = fn;
	return epoll_ctl(l->epfd, EPOLL_CTL_ADD, fd, &ev) < 0 ? -errno : 0;
}

void loop_del(struct loop *l, struct loop_fd *w)
{
	if (w->fd >= 0)
		epoll_ctl(l->epfd, EPOLL_CTL_DEL, w->fd, NULL);
}

void loop_timer_init(struct loop *l, struct loop_timer *t, void (*fn)(struct loop_timer *))
{
	t->due_ns = 0;
	t->fn = fn;
	t->next = l->timers;
	l->timers = t;
}

void loop_timer_arm(struct loop_timer *t, uint64_t in_ns)
{
	t->due_ns = now_ns() + in_ns;
}

void loop_timer_stop(struct loop_timer *t)
{
	t->due_ns = 0;
}

/* Runs what is due; returns milliseconds to the next, or -1. */
static int run_timers(struct loop *l)
{
	uint64_t now = now_ns(), next = UINT64_MAX;

	for (struct loop_timer *t = l->timers; t; t = t->next) {
		if (!t->due_ns || t->due_ns > now)
			continue;
		t->due_ns = 0;
		t->fn(t);
	}
	for (struct loop_timer *t = l->timers; t; t = t->next)
		if (t->due_ns && t->due_ns < next)
			next = t->due_ns;
	if (next == UINT64_MAX)
		return -1;
	now = now_ns();
	return next <= now ? 0 : (int)((next - now) / NSEC_PER_MSEC) + 1;
}

void loop_run(struct loop *l)
{
	while (!l->stop) {
		struct epoll_event ev;
		struct loop_fd *w;
		int wait = run_timers(l);

		if (l->stop || epoll_wait(l->epfd, &ev, 1, wait) != 1)
			continue;
		w = ev.data.ptr;
		w->fn(w, ev.events);
	}
}
