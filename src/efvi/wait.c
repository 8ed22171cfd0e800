// SPDX-License-Identifier: BSD-2-Clause
/*
 * wait.c - sleeping until a VI has an event
 *
 * The driver handle is an epoll set.  Priming arms in it, for one event each: the
 * AF_XDP sockets of the VI; the VI's kick, an eventfd that is always readable, when
 * something is there already; and a timer when frames are on their way out, since the
 * kernel does not announce completions.
 */
#include "efvi/efvi.h"

#include <poll.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>

#include "base/clock.h"
#include "base/sys.h"

enum { TX_WAIT_NS = 50000 };

static int arm(int ep, int fd)
{
	struct epoll_event ev = { .events = EPOLLIN | EPOLLONESHOT, .data.fd = fd };
	int rc = sys_epoll_ctl(ep, EPOLL_CTL_MOD, fd, &ev);

	return rc == -ENOENT ? sys_epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev) : rc;
}

/* What has fired and was not fetched must not fire again, if it is ours. */
static void settle(int ep, const ef_vi *vi)
{
	struct timespec zero = { 0, 0 };
	struct epoll_event ev[16];
	int n = sys_epoll_pwait2(ep, ev, 16, &zero, NULL);

	for (int i = 0; i < n; i++) {
		bool ours = false;

		for (int k = 0; k < EF_VI_MAX_QS; k++)
			ours |= vi->vi_qs[k] && vi->vi_qs[k]->vi->kick_fd == ev[i].data.fd;
		if (!ours)
			(void)arm(ep, ev[i].data.fd);
	}
}

static int kick(int ep, struct efvi_vi *v)
{
	if (v->kick_fd < 0) {
		int fd = (int)sys2(SYS_eventfd2, 1, EFD_CLOEXEC | EFD_NONBLOCK);

		if (fd < 0)
			return fd;
		v->kick_fd = sys_fd_high(fd);
	}
	return arm(ep, v->kick_fd);
}

static int start_timer(struct efvi_dh *d)
{
	struct itimerspec its = { .it_value.tv_nsec = TX_WAIT_NS };

	if (d->timer_fd < 0) {
		int fd = (int)sys2(SYS_timerfd_create, CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);

		if (fd < 0)
			return fd;
		d->timer_fd = sys_fd_high(fd);
	}
	/* Setting it also takes back an expiry that nobody read. */
	(void)sys4(SYS_timerfd_settime, d->timer_fd, 0, &its, NULL);
	return arm(d->fd, d->timer_fd);
}

static bool sending(const ef_vi *vi)
{
	return vi->vi_txq.done != vi->vi_txq.posted || vi->vi->n_alt_flight;
}

EFVI_API int ef_vi_prime(ef_vi *vi, ef_driver_handle dh, unsigned current_ptr)
{
	ef_vi *evq = vi->vi_evq;
	bool wait_tx = false;
	struct efvi_dh *d;
	int rc = 0;

	efvi_lock();
	d = efvi_dh_find(dh);
	efvi_unlock();
	if (!d || !evq)
		return -EBADF;
	settle(dh, evq);
	__atomic_store_n(&evq->vi->primed_dh, dh + 1, __ATOMIC_SEQ_CST);
	for (int i = 0; i < EF_VI_MAX_QS && rc == 0; i++) {
		ef_vi *q = evq->vi_qs[i];

		if (!q)
			continue;
		wait_tx |= sending(q);
		for (uint32_t k = 0; k < q->vi->n_q && q->vi_rxq.mask && rc == 0; k++)
			rc = arm(dh, q->vi->q[k].fd);
	}
	if (rc == 0 && wait_tx)
		rc = start_timer(d);
	/* Looked at after arming, so that nothing falls between. */
	if (rc == 0 && (current_ptr != evq->evq_pos || ef_eventq_has_event_(evq)))
		rc = kick(dh, evq->vi);
	return rc;
}

/* A software event for a VI that may be primed; under efvi_lock(). */
void efvi_wake(struct efvi_vi *v)
{
	ef_vi *evq = v->api->vi_evq;
	int dh = __atomic_load_n(&evq->vi->primed_dh, __ATOMIC_SEQ_CST) - 1;

	if (dh >= 0 && efvi_dh_find(dh))
		(void)kick(dh, evq->vi);
}

static void eventq_prime(ef_vi *vi)
{
	(void)ef_vi_prime(vi, vi->vi->dh, vi->vi_evq->evq_pos);
}

EFVI_API int ef_eventq_wait(ef_vi *vi, ef_driver_handle dh, unsigned current_ptr,
			    const struct timeval *timeout)
{
	uint64_t end = 0, now;
	int rc;

	if (timeout)
		end = clock_ns() + (uint64_t)timeout->tv_sec * NSEC_PER_SEC +
		      (uint64_t)timeout->tv_usec * NSEC_PER_USEC;
	for (;;) {
		struct pollfd p = { .fd = dh, .events = POLLIN };
		struct timespec ts;

		if (current_ptr != vi->vi_evq->evq_pos || ef_eventq_has_event_(vi->vi_evq))
			return 0;
		rc = ef_vi_prime(vi, dh, current_ptr);
		if (rc < 0)
			return rc;
		if (timeout) {
			now = clock_ns();
			if (now >= end)
				return -ETIMEDOUT;
			ts.tv_sec = (time_t)((end - now) / NSEC_PER_SEC);
			ts.tv_nsec = (long)((end - now) % NSEC_PER_SEC);
		}
		rc = sys_ppoll(&p, 1, timeout ? &ts : NULL, NULL);
		if (rc < 0 && rc != -EINTR)
			return rc;
	}
}

static void timer_set(ef_vi *vi, unsigned v)
{
	(void)vi, (void)v;
}

static void timer_off(ef_vi *vi)
{
	(void)vi;
}

void efvi_wait_ops(ef_vi *vi)
{
	vi->ops.eventq_prime = eventq_prime;
	vi->ops.eventq_timer_prime = timer_set;
	vi->ops.eventq_timer_run = timer_set;
	vi->ops.eventq_timer_clear = timer_off;
	vi->ops.eventq_timer_zero = timer_off;
}
