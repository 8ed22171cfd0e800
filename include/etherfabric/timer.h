/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * timer.h - event timers of devices that have them: accepted, without effect
 */
#ifndef ETHERFABRIC_TIMER_H
#define ETHERFABRIC_TIMER_H

#include <etherfabric/ef_vi.h>

#define ef_eventq_timer_prime(vi, v) ((vi)->ops.eventq_timer_prime((vi), (v)))
#define ef_eventq_timer_run(vi, v) ((vi)->ops.eventq_timer_run((vi), (v)))
#define ef_eventq_timer_clear(vi) ((vi)->ops.eventq_timer_clear((vi)))
#define ef_eventq_timer_zero(vi) ((vi)->ops.eventq_timer_zero((vi)))

#endif
