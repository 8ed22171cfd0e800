/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * cc.h - congestion control: how cwnd grows and what a loss costs
 *
 * An algorithm is three calls.  When to call them, and the window during
 * recovery, is tcp_ack.c's business; which bytes are sent, tcp_tx.c's.  All
 * windows are bytes.  The set is closed and small, so a switch replaces a table
 * of pointers, which shared memory could not hold.
 */
#ifndef POSTERN_TCP_CC_H
#define POSTERN_TCP_CC_H

#include "tcp/tcp_int.h"

/* cubic (RFC 9438) */
void cubic_init(struct tcp_conn *c);
void cubic_ack(struct tcp_conn *c, uint32_t acked, uint64_t now);
uint32_t cubic_loss(struct tcp_conn *c);
void cubic_timeout(struct tcp_conn *c);

/* Reno (RFC 5681) */
void reno_ack(struct tcp_conn *c, uint32_t acked);
uint32_t reno_loss(const struct tcp_conn *c);

/* Slow start, the same for all (RFC 5681 section 3.1 with the byte counting of
 * RFC 3465, L = cwnd as there is no burst that pacing would not have to deal with
 * anyway).  Returns what is left of @acked once ssthresh is reached. */
static inline uint32_t cc_slow_start(struct tcp_conn *c, uint32_t acked)
{
	uint32_t room = c->ssthresh - c->cwnd;
	uint32_t use = acked < room ? acked : room;

	c->cwnd += use;
	return acked - use;
}

static inline void cc_init(struct net *net, struct tcp_conn *c)
{
	(void)net;
	c->ssthresh = UINT32_MAX >> 1;
	c->cc_acked = 0;
	cubic_init(c);
}

/* @acked bytes arrived while cwnd was the limit, and nothing is lost. */
static inline void cc_ack(struct net *net, struct tcp_conn *c, uint32_t acked)
{
	if (c->cwnd < c->ssthresh) {
		acked = cc_slow_start(c, acked);
		if (!acked)
			return;
	}
	if (c->cc == TCP_CC_RENO)
		reno_ack(c, acked);
	else
		cubic_ack(c, acked, net->now);
}

/* A loss: returns the new ssthresh; cwnd is the caller's to set. */
static inline uint32_t cc_loss(struct tcp_conn *c)
{
	return c->cc == TCP_CC_RENO ? reno_loss(c) : cubic_loss(c);
}

/* cwnd was reset by a timeout or an undo: growth begins a new epoch. */
static inline void cc_restart(struct tcp_conn *c)
{
	c->cc_acked = 0;
	if (c->cc != TCP_CC_RENO)
		cubic_timeout(c);
}

#endif
