// SPDX-License-Identifier: BSD-2-Clause
/*
 * rtt.c - round-trip time and retransmission timeout (RFC 6298)
 *
 * With Linux' reading of the lower bound: the variance term, not the sum, is at
 * least rto_min, so that a path with a steady RTT of 190 ms does not get an RTO
 * of 200.
 */
#include "tcp/rtt.h"

void rtt_init(struct tcp_conn *c, uint32_t rto_initial_ms)
{
	c->srtt_us = c->rttvar_us = 0;
	c->rtt_min_us = UINT32_MAX;
	c->rto_us = rto_initial_ms * 1000;
}

void rtt_sample(struct tcp_conn *c, uint32_t rtt_us, uint32_t rto_min_ms, uint32_t rto_max_ms)
{
	uint32_t var, rto, min = rto_min_ms * 1000;
	int32_t err;

	/* Zero would read as "no sample"; beyond a minute the shifts overflow. */
	if (rtt_us == 0)
		rtt_us = 1;
	if (rtt_us > 120u * 1000 * 1000)
		rtt_us = 120u * 1000 * 1000;
	if (rtt_us < c->rtt_min_us)
		c->rtt_min_us = rtt_us;

	if (c->srtt_us == 0) {
		/* (2.2) SRTT = R, RTTVAR = R / 2 */
		c->srtt_us = rtt_us << 3;
		c->rttvar_us = rtt_us << 1;
	} else {
		/* (2.3) RTTVAR = 3/4 RTTVAR + 1/4 |SRTT - R|, SRTT = 7/8 SRTT + 1/8 R */
		err = (int32_t)(rtt_us - (c->srtt_us >> 3));
		c->srtt_us = (uint32_t)((int32_t)c->srtt_us + err);
		if (c->srtt_us == 0)
			c->srtt_us = 1;
		if (err < 0)
			err = -err;
		c->rttvar_us = c->rttvar_us - (c->rttvar_us >> 2) + (uint32_t)err;
	}

	/* (2.3) RTO = SRTT + max(G, 4 * RTTVAR); rttvar_us is 4 * RTTVAR already. */
	var = c->rttvar_us > min ? c->rttvar_us : min;
	rto = (c->srtt_us >> 3) + var;
	if (rto > rto_max_ms * 1000)
		rto = rto_max_ms * 1000;
	c->rto_us = rto;
}
