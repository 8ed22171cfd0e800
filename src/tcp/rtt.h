/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * rtt.h - round-trip time and retransmission timeout (RFC 6298)
 *
 * Pure arithmetic on srtt_us, rttvar_us, rto_us, rtt_min_us of a connection.
 * srtt and rttvar are kept in microseconds times 8 and 4, so that the
 * smoothing by 1/8 and 1/4 loses no bits.
 */
#ifndef POSTERN_TCP_RTT_H
#define POSTERN_TCP_RTT_H

#include "tcp/tcp_shm.h"

/* No sample yet: the first RTO is @rto_initial_ms (RFC 6298 (2.1)). */
void rtt_init(struct tcp_conn *c, uint32_t rto_initial_ms);

/* A sample of a segment that was sent once, or that a timestamp identifies
 * (RFC 6298 section 3, Karn). */
void rtt_sample(struct tcp_conn *c, uint32_t rtt_us, uint32_t rto_min_ms, uint32_t rto_max_ms);

static inline uint32_t rtt_srtt_us(const struct tcp_conn *c)
{
	return c->srtt_us >> 3;
}

#endif
