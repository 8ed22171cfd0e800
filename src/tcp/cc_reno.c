// SPDX-License-Identifier: BSD-2-Clause
/*
 * cc_reno.c - Reno congestion control (RFC 5681 section 3.1)
 *
 * One segment more per window acknowledged; half the flight after a loss.
 */
#include "tcp/cc.h"

void reno_ack(struct tcp_conn *c, uint32_t acked)
{
	c->cc_acked += acked;
	if (c->cc_acked >= c->cwnd) {
		c->cc_acked -= c->cwnd;
		c->cwnd += c->mss;
	}
}

uint32_t reno_loss(const struct tcp_conn *c)
{
	/* Equation (4), with cwnd for the flight, since cwnd does not grow while
	 * it is not the limit. */
	return max_t(uint32_t, c->cwnd >> 1, 2u * c->mss);
}
