// SPDX-License-Identifier: BSD-2-Clause
/*
 * cc_cubic.c - CUBIC congestion control (RFC 9438)
 *
 * After a loss the window follows W(t) = C (t - K)^3 + W_max, which is steep,
 * flat around the window of the last loss, and steep again; and it is never
 * below what Reno would have (section 4.3).  Windows in bytes, time in ms,
 * integers only: C = 0.4 segments/s^3 = 4 / 10^10 segments/ms^3.
 */
#include "tcp/cc.h"

/* Largest r with r^3 <= x. */
static uint32_t cube_root(uint64_t x)
{
	uint64_t r = 0;

	for (int bit = 20; bit >= 0; bit--) {
		uint64_t t = r | 1ull << bit;

		if (t * t * t <= x)
			r = t;
	}
	return (uint32_t)r;
}

void cubic_init(struct tcp_conn *c)
{
	c->cc_epoch_ns = 0;
	c->cc_w_max = 0;
}

void cubic_timeout(struct tcp_conn *c)
{
	c->cc_epoch_ns = 0;
}

uint32_t cubic_loss(struct tcp_conn *c)
{
	uint64_t cwnd = c->cwnd;

	c->cc_epoch_ns = 0;
	/* Section 4.7, fast convergence: a flow whose windows shrink makes room. */
	c->cc_w_max = (uint32_t)(cwnd < c->cc_w_max ? cwnd * 17 / 20 : cwnd);
	/* Section 4.6, beta = 0.7. */
	return max_t(uint32_t, (uint32_t)(cwnd * 7 / 10), 2u * c->mss);
}

static void begin_epoch(struct tcp_conn *c, uint64_t now)
{
	c->cc_epoch_ns = now;
	c->cc_w_est = c->cwnd;
	c->cc_acked = 0;
	if (c->cwnd < c->cc_w_max) {
		/* Section 4.2: K = cubic root of (W_max - cwnd_epoch) / C. */
		uint64_t segs_1000 = (uint64_t)(c->cc_w_max - c->cwnd) * 1000 / c->mss;

		c->cc_k_ms = cube_root(segs_1000 * 2500000);
		c->cc_origin = c->cc_w_max;
	} else {
		c->cc_k_ms = 0;
		c->cc_origin = c->cwnd;
	}
}

/* W(t) of section 4.2; @t_ms since the epoch began. */
static uint64_t w_cubic(const struct tcp_conn *c, uint64_t t_ms)
{
	int64_t d = (int64_t)t_ms - c->cc_k_ms, w;

	if (d > 100000)
		d = 100000;	/* the target is clamped long before */
	w = d * d * d / 10000 * 4 * c->mss / 1000000 + c->cc_origin;
	return w > 0 ? (uint64_t)w : 0;
}

void cubic_ack(struct tcp_conn *c, uint32_t acked, uint64_t now)
{
	uint64_t t_ms, target, max;

	if (!c->cc_epoch_ns)
		begin_epoch(c, now);

	/* Section 4.3, Reno-friendly region: alpha = 3 (1 - beta) / (1 + beta)
	 * = 9/17 until W_est has reached W_max, then 1. */
	c->cc_acked += acked;
	if (c->cc_acked >= c->cwnd) {
		c->cc_acked -= c->cwnd;
		c->cc_w_est += c->cc_w_est < c->cc_w_max ? c->mss * 9u / 17 : c->mss;
	}

	t_ms = (now - c->cc_epoch_ns) / NSEC_PER_MSEC + (c->srtt_us >> 3) / 1000;
	target = w_cubic(c, t_ms);
	max = (uint64_t)c->cwnd + (c->cwnd >> 1);
	if (target > max)
		target = max;
	if (target < c->cc_w_est)
		target = c->cc_w_est;
	if (target > c->cwnd)
		c->cwnd += (uint32_t)((target - c->cwnd) * acked / c->cwnd);
}
