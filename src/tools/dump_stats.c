// SPDX-License-Identifier: BSD-2-Clause
/*
 * dump_stats.c - counters and gauges of a stack, and what they mean
 *
 * The names and sentences are those of net_shm.h's tables.
 */
#include "tools/dump.h"

#include <inttypes.h>
#include <string.h>

struct named {
	const char *name, *text;
};

static const struct named stat_names[] = {
#define X(name, text) { #name, text },
	NET_STATS(X)
#undef X
};

static const struct named drop_names[] = {
#define X(name, text) { "drop_" #name, text },
	NET_DROPS(X)
#undef X
};

static const struct named wait_names[] = {
	{ "sleeps", "times that a thread slept in the kernel" },
	{ "rings", "doorbells rung to wake sleepers" },
	{ "wakeups", "sleepers that woke" },
	{ "lock_waits", "times that a thread waited for the stack lock" },
	{ "keeper_polls", "polls by the keeper, while no process polled" },
	{ "keeper_closes", "sockets that the keeper closed for dead processes" },
};

static const struct named vi_names[] = {
	{ "rx_nodesc_drop_cnt", "frames lost: no free frame in the fill ring (XDP_STATISTICS rx_fill_ring_empty_descs)" },
	{ "rx_ring_full", "frames lost: the receive ring was full, nobody polled; a larger EF_RXQ_SIZE, or spin" },
	{ "rx_invalid_descs", "fill ring entries that the kernel refused" },
	{ "rx_dropped", "frames dropped by the kernel; in copy mode the same losses as above: never add them" },
	{ "tx_invalid_descs", "transmit descriptors that the kernel refused" },
	{ "tx_ring_empty_descs", "times that the kernel found the transmit ring empty" },
	{ "rx_bad_desc", "received descriptors outside the packet memory" },
	{ "tx_ring_full", "frames refused: the transmit ring was full" },
	{ "tx_errors", "doorbells that the kernel answered with an error" },
	{ "tx_kicks", "doorbells rung: system calls for sending" },
};

static const struct named more_names[] = {
	{ "eps_max", "endpoints that the stack has room for (EF_MAX_ENDPOINTS)" },
	{ "eps_used", "endpoints in use" },
	{ "tcp_conns", "TCP connections in any state" },
	{ "tcp_established", "TCP connections in state ESTABLISHED" },
	{ "tcp_time_wait", "TCP connections in state TIME_WAIT" },
	{ "tcp_embryonic", "TCP connections in state SYN_RCVD" },
	{ "tcp_listeners", "listening sockets" },
	{ "udp_sockets", "UDP sockets" },
	{ "orphans", "endpoints without a socket: closed, not yet ended" },
	{ "sock_sleepers", "sockets that somebody sleeps on" },
	{ "rxq_pkts", "frames in receive queues" },
	{ "rxq_bytes", "bytes in receive queues" },
	{ "ooo_pkts", "frames in reassembly queues" },
	{ "sndq_pkts", "frames in send queues" },
	{ "sndq_bytes", "bytes not acknowledged or not sent" },
	{ "udp_drops", "datagrams lost because readers were slow, of the sockets that are open" },
	{ "pkts_max", "packet frames of the stack (EF_MAX_PACKETS)" },
	{ "pkts_free", "packet frames in the pool" },
	{ "pkts_lowest_free", "fewest frames that were ever free" },
	{ "pkts_rx", "frames in fill rings, receive and reassembly queues" },
	{ "pkts_tx", "frames in send queues and transmit rings" },
	{ "pkts_deferred", "packets that wait for a next hop" },
};
enum { N_MORE = sizeof(more_names) / sizeof(more_names[0]) };

static void counter(struct out *o, const char *name, uint64_t v)
{
	out_line(o, "%s: %" PRIu64, name, v);
	if (o->json && o->row)
		json_object_set_new(o->row, name, json_integer((json_int_t)v));
}

static void group(struct out *o, const char *key)
{
	if (o->json)
		out_row(o, key);
}

void dump_stats(struct out *o, const struct arena *a)
{
	const uint64_t wait[] = { a->st->sleeps, a->st->rings, a->st->wakeups, a->st->lock_waits,
				  a->st->keeper_polls, a->st->keeper_closes };

	group(o, "stats");
	for (size_t i = 0; a->net && i < ARRAY_SIZE(stat_names); i++)
		counter(o, stat_names[i].name, a->net->stats[i]);
	for (size_t i = 0; i < ARRAY_SIZE(wait_names); i++)
		counter(o, wait_names[i].name, wait[i]);
	for (size_t i = 0; a->net && i < ARRAY_SIZE(drop_names); i++)
		counter(o, drop_names[i].name, a->net->drops[i]);
	o->row = NULL;
}

static void add_conn(uint64_t *v, const struct tcp_conn *c)
{
	v[3] += c->state == TCPS_ESTABLISHED;
	v[4] += c->state == TCPS_TIME_WAIT;
	v[5] += c->state == TCPS_SYN_RCVD;
	v[10] += c->rxq_frames;
	v[11] += c->rxq_bytes;
	v[12] += c->ooo_frames;
	v[13] += c->snd_frames;
	v[14] += (uint32_t)(c->snd_end - c->snd_una);
}

/* Sums over the sockets; the places are those of more_names. */
static void gather(struct arena *a, uint64_t v[N_MORE])
{
	struct sock_view s;

	for (uint32_t i = 0; i < a->top; i++) {
		if (arena_sock(a, i, &s) < 0)
			continue;
		v[8] += (s.ep.flags & EP_F_ORPHAN) != 0;
		v[9] += s.has_sock && atomic_load(&s.sk.wait_mask);
		if (s.ep.kind == EP_TCP_CONN) {
			add_conn(v, &s.tcp);
		} else if (s.ep.kind == EP_TCP_LISTEN) {
			v[6]++;
		} else if (s.ep.kind == EP_UDP) {
			v[7]++;
			v[10] += s.udp.rxq_pkts;
			v[11] += s.udp.rxq_bytes;
			v[15] += s.udp.drops;
		}
	}
}

void dump_more_stats(struct out *o, struct arena *a)
{
	uint64_t v[N_MORE] = { 0 };

	v[0] = a->st->n_eps;
	if (a->net) {
		const struct net_shm *n = a->net;
		const uint32_t pkts[] = { n->n_frames, n->pkt_n_free, n->pkt_low_water, n->pkt_n_rx,
					  n->pkt_n_tx, n->defer_n };

		v[1] = n->ep_n_used;
		v[2] = n->tcp_n_conns;
		gather(a, v);
		for (size_t i = 0; i < ARRAY_SIZE(pkts); i++)
			v[16 + i] = pkts[i];
	}
	group(o, "more_stats");
	for (size_t i = 0; i < N_MORE; i++)
		counter(o, more_names[i].name, v[i]);
	o->row = NULL;
}

static void describe(struct out *o, const char *title, const struct named *t, size_t n)
{
	out_line(o, "%s", title);
	for (size_t i = 0; i < n; i++) {
		out_line(o, "  %-22s %s", t[i].name, t[i].text);
		out_enter(o, "counters");
		out_set_s(o, "group", title);
		out_set_s(o, "name", t[i].name);
		out_set_s(o, "text", t[i].text);
		out_leave(o);
	}
	out_line(o, "%s", "");
}

void dump_describe(struct out *o)
{
	describe(o, "stats: traffic", stat_names, ARRAY_SIZE(stat_names));
	describe(o, "stats: sleeping and waking", wait_names, ARRAY_SIZE(wait_names));
	describe(o, "stats: packets dropped, by reason", drop_names, ARRAY_SIZE(drop_names));
	describe(o, "more_stats: state now", more_names, N_MORE);
	describe(o, "vi_info: interfaces", vi_names, ARRAY_SIZE(vi_names));
}

static const struct named fields[] = {
	{ "stack", "S:N is socket N of stack S; a stack is the memory that its processes share" },
	{ "daemon", "whether posternd knows the stack; \"absent\" is harmless while the keeper lives" },
	{ "lock", "thread that holds the stack lock at this moment, 0 for none" },
	{ "polled_ms_ago", "age of the last poll: large and growing means that nobody drives the stack" },
	{ "leader_tid", "the sleeping thread that watches the AF_XDP sockets for all" },
	{ "pkt_bufs", "packet frames; LOW below an eighth free, CRITICAL below a 64th: raise EF_MAX_PACKETS" },
	{ "leases", "local TCP ports lent by the kernel for connect()" },
	{ "snd una nxt end", "RFC 9293: oldest unacknowledged, next to send, end of what is queued" },
	{ "snd wnd", "window that the peer offers, bytes" },
	{ "snd cwnd ssthresh", "congestion window and slow-start threshold, bytes" },
	{ "snd inflight unsent", "bytes sent and not acknowledged; bytes not sent" },
	{ "rcv nxt wnd adv", "next expected, window offered, its right edge" },
	{ "rcv q_bytes", "bytes that the program has not read" },
	{ "rcv ooo_pkts", "frames behind a hole" },
	{ "rcv fast", "whether the next segment in order takes the fast path" },
	{ "rtt", "RFC 6298: smoothed time, variation, time-out, microseconds" },
	{ "loss curr_retrans", "retransmissions in a row without an answer" },
	{ "loss rtos frecs", "time-outs; fast recoveries" },
	{ "timers_ms", "what is armed and in how many milliseconds it fires" },
	{ "listenq acceptq", "handshakes under way; connections to accept, and those refused (overflow)" },
	{ "rcv oflow_drop", "UDP datagrams lost because the receive buffer was full" },
	{ "rcv q_max_pkts", "longest that the UDP receive queue ever was" },
	{ "os", "traffic of this socket that went through the kernel" },
	{ "mode", "AF_XDP: zero-copy or copy; native (in the driver) or generic (behind it, slower)" },
};

static const struct named reasons[] = {
#define X(name, text) { #name, text },
	SOCK_REASONS(X)
#undef X
};

static void doc(struct out *o, const char *key, const char *title, const struct named *t, size_t n)
{
	out_line(o, "%s", title);
	for (size_t i = 0; i < n; i++) {
		out_line(o, "  %-22s %s", t[i].name, t[i].text);
		out_enter(o, key);
		out_set_s(o, "name", t[i].name);
		out_set_s(o, "text", t[i].text);
		out_leave(o);
	}
	out_line(o, "%s", "");
}

void dump_doc(struct out *o)
{
	doc(o, "fields", "Fields of dump, netif and vi_info", fields, ARRAY_SIZE(fields));
	doc(o, "reasons", "Reasons of why: a socket that is the kernel's", reasons, ARRAY_SIZE(reasons));
	dump_describe(o);
}
