/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * clock.h - the time, for the layers that may ask for it
 *
 * The protocol engine is told the time; the poll loop, the daemon and the
 * tools read it here.  Both calls are answered by the vDSO without entering
 * the kernel wherever the clock source allows that.
 */
#ifndef POSTERN_BASE_CLOCK_H
#define POSTERN_BASE_CLOCK_H

#include <time.h>

#include "base/types.h"

static inline uint64_t clock_read_ns(clockid_t id)
{
	struct timespec ts;

	/* Cannot fail: the ids below exist on every kernel we run on. */
	clock_gettime(id, &ts);
	return (uint64_t)ts.tv_sec * NSEC_PER_SEC + (uint64_t)ts.tv_nsec;
}

/* CLOCK_MONOTONIC in nanoseconds: timers, round-trip times. */
static inline uint64_t clock_ns(void)
{
	return clock_read_ns(CLOCK_MONOTONIC);
}

/* CLOCK_REALTIME in nanoseconds: what users see as a packet's time stamp. */
static inline uint64_t clock_real_ns(void)
{
	return clock_read_ns(CLOCK_REALTIME);
}

#endif
