// SPDX-License-Identifier: BSD-2-Clause
/*
 * tcp_info.c - struct tcp_info for getsockopt(TCP_INFO) and the tools
 *
 * Linux' units: windows in segments, times in microseconds or milliseconds as
 * <linux/tcp.h> says.  What we do not measure is 0.
 */
#include "tcp/tcp_int.h"

#include <linux/tcp.h>

static uint32_t segs(uint32_t bytes, uint32_t mss)
{
	return mss ? (bytes + mss - 1) / mss : 0;
}

static uint32_t ms_since(const struct net *net, uint64_t t)
{
	return (uint32_t)((net->now - t) / NSEC_PER_MSEC);
}

static void listen_info(const struct tcp_listen *l, struct tcp_info *ti)
{
	ti->tcpi_state = TCPS_LISTEN;
	ti->tcpi_unacked = l->n_accept;
	ti->tcpi_sacked = l->backlog;
}

void tcp_fill_info(struct net *net, const struct ep *ep, struct tcp_info *ti)
{
	const struct tcp_conn *c = (const struct tcp_conn *)ep;
	uint32_t mss;

	memset(ti, 0, sizeof(*ti));
	if (ep->kind == EP_TCP_LISTEN) {
		listen_info((const struct tcp_listen *)ep, ti);
		return;
	}
	if (ep->kind != EP_TCP_CONN) {
		ti->tcpi_state = TCPS_CLOSED;
		return;
	}
	mss = c->mss;
	/* To its user a connection in TIME_WAIT is closed. */
	ti->tcpi_state = c->state == TCPS_TIME_WAIT ? TCPS_CLOSED : c->state;
	ti->tcpi_ca_state = c->ca_state;
	ti->tcpi_retransmits = c->retries;
	ti->tcpi_probes = c->probes;
	ti->tcpi_backoff = c->backoff;
	ti->tcpi_options = (c->flags & TCP_F_TS ? TCPI_OPT_TIMESTAMPS : 0) |
			   (c->flags & TCP_F_SACK ? TCPI_OPT_SACK : 0) |
			   (c->flags & TCP_F_WSCALE ? TCPI_OPT_WSCALE : 0);
	ti->tcpi_snd_wscale = c->snd_wscale & 15;
	ti->tcpi_rcv_wscale = c->rcv_wscale & 15;
	ti->tcpi_rto = c->rto_us;
	ti->tcpi_ato = net->shm->conf.delack_ms * 1000;
	ti->tcpi_snd_mss = mss;
	ti->tcpi_rcv_mss = c->rcv_mss;
	ti->tcpi_unacked = segs(conn_flight(c), mss);
	ti->tcpi_sacked = c->sacked_segs;
	ti->tcpi_lost = segs(c->lost_bytes, mss);
	ti->tcpi_last_data_sent = ms_since(net, c->last_tx_ns);
	ti->tcpi_last_data_recv = ms_since(net, c->last_rx_ns);
	ti->tcpi_last_ack_recv = ti->tcpi_last_data_recv;
	ti->tcpi_pmtu = c->ep.route.mtu;
	ti->tcpi_rcv_ssthresh = conn_rcv_cap(c);
	ti->tcpi_rtt = c->srtt_us >> 3;
	ti->tcpi_rttvar = c->rttvar_us >> 2;
	ti->tcpi_snd_ssthresh = c->ssthresh >= UINT32_MAX >> 1 ? 0x7fffffff : segs(c->ssthresh, mss);
	ti->tcpi_snd_cwnd = segs(c->cwnd, mss);
	ti->tcpi_advmss = c->mss_adv;
	ti->tcpi_reordering = TCP_DUPTHRESH;
	ti->tcpi_rcv_rtt = c->rcv_rtt_us;
	ti->tcpi_rcv_space = c->rcv_space;
	ti->tcpi_total_retrans = c->total_retrans;
	ti->tcpi_bytes_acked = c->bytes_acked;
	ti->tcpi_bytes_received = c->bytes_in;
	ti->tcpi_segs_out = c->segs_out;
	ti->tcpi_segs_in = c->segs_in;
	ti->tcpi_notsent_bytes = tcp_snd_unsent(c);
	ti->tcpi_min_rtt = c->rtt_min_us == UINT32_MAX ? 0 : c->rtt_min_us;
	ti->tcpi_bytes_sent = c->bytes_out;
	ti->tcpi_snd_wnd = c->snd_wnd;
}
