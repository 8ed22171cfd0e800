// SPDX-License-Identifier: BSD-2-Clause
/*
 * wait.c - blocking: spin, then sleep (design 3.6)
 *
 * Spinning makes no system call but a look at the kernel's share of a merged
 * socket every EF_POLL_FAST_USEC.  Sleeping follows the order that loses no
 * wake-up: announce the sleep, say what you wait for, poll and look once more,
 * sleep.  Signals end a wait as signal(7) says: -EINTR unless every handler that
 * ran was installed with SA_RESTART and the call has no time-out.
 */
#include "sock/wait.h"

#include <errno.h>

enum {
	CLOCK_EVERY = 16,	/* turns between looks at the clock while spinning */
	NAP_NS = 1000000,
};

uint64_t wait_spin_ns(enum sock_spin spin)
{
	const struct opts *o = sock_opts();
	bool on = false;

	if (stack_thread.spin & 0x80000000u) {		/* onload_thread_set_spin() */
		on = stack_thread.spin & (uint32_t)spin;
	} else {
		switch (spin) {
		case SPIN_UDP_RECV: on = o->udp_recv_spin; break;
		case SPIN_UDP_SEND: on = o->udp_send_spin; break;
		case SPIN_TCP_RECV: on = o->tcp_recv_spin; break;
		case SPIN_TCP_SEND: on = o->tcp_send_spin; break;
		case SPIN_TCP_ACCEPT: on = o->tcp_accept_spin; break;
		case SPIN_TCP_CONNECT: on = o->tcp_connect_spin; break;
		case SPIN_SELECT: on = o->select_spin; break;
		case SPIN_POLL: on = o->poll_spin; break;
		case SPIN_EPOLL: on = o->epoll_spin; break;
		}
	}
	if (!on)
		return 0;
	return o->spin_usec < 0 ? UINT64_MAX : (uint64_t)o->spin_usec * NSEC_PER_USEC;
}

void wait_mask_enter(struct wait_mask *m, const sigset_t *mask)
{
	m->mask = mask;
	m->sig = stack_thread.sig_count;
	if (mask)
		sys_sigprocmask(SIG_SETMASK, mask, &m->saved);
}

void wait_mask_leave(struct wait_mask *m)
{
	if (m->mask)
		sys_sigprocmask(SIG_SETMASK, &m->saved, NULL);
}

uint64_t wait_deadline(const struct timespec *timeout, uint64_t now)
{
	if (!timeout)
		return 0;
	if (timeout->tv_sec == 0 && timeout->tv_nsec == 0)
		return 1;
	if ((uint64_t)timeout->tv_sec > UINT64_MAX / (4 * NSEC_PER_SEC))
		return 0;
	return now + (uint64_t)timeout->tv_sec * NSEC_PER_SEC + (uint64_t)timeout->tv_nsec;
}

/* The system call of a sleep.  A handler zeroes *ts until the kernel has read it, or rings @bell. */
static int sleep_call(int one_fd, struct pollfd *fds, unsigned n, struct timespec *ts, int bell, bool *kernel)
{
	struct epoll_event ev[3];
	int rc;

	if (ts)
		stack_thread.sleep_ts = ts;
	else
		stack_thread.sleep_bell = bell + 1;
	__asm__ volatile("" ::: "memory");
	rc = fds ? sys_ppoll(fds, n, ts, NULL) : sys_epoll_pwait2(one_fd, ev, ARRAY_SIZE(ev), ts, NULL);
	stack_thread.sleep_ts = NULL;
	stack_thread.sleep_bell = 0;
	for (int i = 0; !fds && i < rc; i++) {
		*kernel |= ev[i].data.u64 == STACK_SLEEP_KERNEL;
		stack_ctl_heard |= ev[i].data.u64 == STACK_SLEEP_CTL;
	}
	return rc;
}

int wait_sleep(struct stack *const *sts, const int *st_fds, int n_st, struct pollfd *kfds, unsigned n_k,
	       uint64_t deadline)
{
	struct timespec ts = { .tv_sec = 3600 * 24 * 365 }, *tp = &ts;
	uint64_t now = clock_ns(), until = deadline;
	int bell = n_st ? stack_sleep_bell(sts[0]) : -1;
	struct pollfd small[WAIT_MAX_STACKS + 1];
	struct pollfd *fds = NULL;
	bool capped = false;
	struct epoll_event ev[4];
	bool kernel = false;
	int rc;

	for (int i = 0; i < n_st; i++) {
		int64_t cap = stack_sleep_cap(sts[i], now);

		sts[i]->shm->sleeps++;
		if (cap >= 0 && (!until || now + (uint64_t)cap < until)) {
			until = now + (uint64_t)cap;
			capped = true;
		}
	}
	if (until) {
		uint64_t left = until > now ? until - now : 0;

		ts.tv_sec = (time_t)(left / NSEC_PER_SEC);
		ts.tv_nsec = (long)(left % NSEC_PER_SEC);
	} else if (bell >= 0) {
		tp = NULL;
	}
	if (n_st == 1 && n_k == 0) {
		rc = sleep_call(st_fds[0], NULL, 0, tp, bell, &kernel);
		/* Two edges at once, socket and doorbell, are one reason to look again. */
		return rc < 0 ? rc : kernel && stack_sleep_kernel(sts[0]) ? 2 : rc || capped;
	}
	/* The caller leaves room for the stacks behind its own descriptors. */
	fds = n_k ? kfds : small;
	for (int i = 0; i < n_st; i++)
		fds[n_k + (unsigned)i] = (struct pollfd){ .fd = st_fds[i], .events = POLLIN };
	rc = sleep_call(-1, fds, n_k + (unsigned)n_st, tp, bell, &kernel);
	if (rc <= 0)
		return rc < 0 ? rc : capped;
	for (int i = 0; i < n_st; i++)
		if (fds[n_k + (unsigned)i].revents) {
			struct timespec zero = { 0, 0 };

			/* Take the edges, or the set stays readable. */
			int k = sys_epoll_pwait2(st_fds[i], ev, ARRAY_SIZE(ev), &zero, NULL);

			while (k-- > 0) {
				if (ev[k].data.u64 == STACK_SLEEP_KERNEL)
					(void)stack_sleep_kernel(sts[i]);
				stack_ctl_heard |= ev[k].data.u64 == STACK_SLEEP_CTL;
			}
			rc--;
		}
	return rc + 1;
}

int wait_nap(struct pollfd *kfds, unsigned n_k)
{
	struct timespec ts = { .tv_nsec = NAP_NS };
	bool kernel = false;

	return sleep_call(-1, kfds, n_k, &ts, -1, &kernel);
}

struct waiting {
	struct sock *s;
	uint32_t want;
	int kfd;
	short kwant;
	uint64_t deadline;
	uint32_t sig_count, sig_norestart;
};

/* 1 ready, 0 not, -EBADF gone. */
static inline int look(const struct waiting *w)
{
	uint32_t ev = sock_events(w->s);

	if (unlikely(ev & POLLNVAL))
		return -EBADF;
	return (ev & (w->want | POLLERR | POLLHUP)) != 0;
}

static bool look_kernel(const struct waiting *w)
{
	struct pollfd p = { .fd = w->kfd, .events = w->kwant };
	struct timespec zero = { 0, 0 };

	return w->kfd >= 0 && sys_ppoll(&p, 1, &zero, NULL) > 0;
}

static bool interrupted(struct waiting *w)
{
	return wait_interrupted(&w->sig_count, &w->sig_norestart, w->deadline != 0);
}

/* 1 ready, 0 timed out, -EAGAIN: spun long enough, -errno. */
static int spin(struct waiting *w, uint64_t spin_ns)
{
	struct stack *st = w->s->st;
	uint64_t start = clock_ns(), now = start, kernel_next = start;
	uint64_t kernel_every = (uint64_t)sock_opts()->poll_fast_usec * NSEC_PER_USEC;
	int rc;

	for (uint32_t turn = 1;; turn++) {
		rc = look(w);
		if (rc)
			return rc;
		if (unlikely(interrupted(w)))
			return -EINTR;
		wait_spin_once(st, now);
		if (turn % CLOCK_EVERY)
			continue;
		now = clock_ns();
		if (w->kfd >= 0 && now >= kernel_next) {
			if (look_kernel(w))
				return 1;
			kernel_next = now + kernel_every;
		}
		if (stack_wants_resolve(st))
			stack_resolve(st);
		if (w->deadline && now >= w->deadline)
			return 0;
		if (now - start >= spin_ns)
			return -EAGAIN;
	}
}

/* One turn of sleeping: 1 ready, 0 timed out, -EAGAIN look again, -errno. */
static int sleep_once(struct waiting *w)
{
	struct stack *st = w->s->st;
	int fd, rc;

	if (w->kfd >= 0 && unlikely(!w->s->cookie))
		sock_identify(w->s, w->kfd);
	fd = stack_sleep_prepare(st, w->kfd, w->s->cookie);
	if (unlikely(fd < 0)) {
		struct pollfd p = { .fd = w->kfd, .events = w->kwant };

		if (!wait_no_descriptor(fd))
			return fd;
		rc = wait_nap(&p, 1);
		return rc > 0 ? 1 : rc == 0 || rc == -EINTR ? -EAGAIN : rc;
	}
	atomic_fetch_or(&w->s->shm->wait_mask, stack_wait_bit(st));
	wait_poll(st);
	rc = look(w);
	if (rc == 0 && interrupted(w))
		rc = -EINTR;
	if (rc == 0) {
		stack_flush_acks(st);
		rc = wait_sleep(&st, &fd, 1, NULL, 0, w->deadline);
		if (rc > 1)
			rc = 1;		/* the kernel socket */
		else if (rc == 1)
			rc = -EAGAIN;
		else if (rc == -EINTR)
			rc = interrupted(w) ? -EINTR : -EAGAIN;
	}
	stack_sleep_done(st);
	return rc;
}

int sock_wait(struct sock *s, uint32_t want, int kfd, short kwant, uint64_t deadline_ns, enum sock_spin spin_kind)
{
	struct waiting w = {
		.s = s, .want = want, .kfd = kfd, .kwant = kwant, .deadline = deadline_ns,
		.sig_count = stack_thread.sig_count, .sig_norestart = stack_thread.sig_norestart,
	};
	uint64_t spin_ns = wait_spin_ns(spin_kind);
	int rc;

	sock_get(s);
	stack_sync_vis(s->st);
	if (spin_ns)
		stack_flush_acks(s->st);
	rc = spin_ns ? spin(&w, spin_ns) : -EAGAIN;
	while (rc == -EAGAIN) {
		rc = sleep_once(&w);
		if (rc == -EAGAIN) {
			wait_poll(s->st);
			rc = look(&w);
			if (rc == 0)
				rc = interrupted(&w) ? -EINTR : -EAGAIN;
			if (rc == -EAGAIN && deadline_ns && clock_ns() >= deadline_ns)
				rc = 0;
		}
	}
	sock_put(s, -1);
	return rc;
}
