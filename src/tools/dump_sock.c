// SPDX-License-Identifier: BSD-2-Clause
/*
 * dump_sock.c - one socket of a stack: all there is to say, or one line
 *
 * Works on the copies that arena_sock() makes.  What they hold may be torn or
 * false; it is printed as it is, and used as an index nowhere without a check.
 */
#include "tools/dump.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <stdio.h>

static const char *const tcp_states[] = {
	[TCPS_ESTABLISHED] = "ESTABLISHED", [TCPS_SYN_SENT] = "SYN_SENT", [TCPS_SYN_RCVD] = "SYN_RCVD",
	[TCPS_FIN_WAIT_1] = "FIN_WAIT_1", [TCPS_FIN_WAIT_2] = "FIN_WAIT_2",
	[TCPS_TIME_WAIT] = "TIME_WAIT", [TCPS_CLOSED] = "CLOSED", [TCPS_CLOSE_WAIT] = "CLOSE_WAIT",
	[TCPS_LAST_ACK] = "LAST_ACK", [TCPS_LISTEN] = "LISTEN", [TCPS_CLOSING] = "CLOSING",
};

static const char *const tcp_flags[] = {
	"ts", "sack", "wscale", "nodelay", "cork", "keepalive", "quickack", "rcvbuf_locked",
	"sndbuf_locked", "oobinline", "ack_now", "fin_queued", "fin_rcvd", "shut_rd", "shut_wr",
	"recovery", "rto_recovery", "persist", "tlp", "snd_wait", "passive", "on_acceptq", "tx_wait",
	"urg", "syn_acked", "push_now", "undo", "pto",
};

static const char *const ep_flags[] = {
	"v6only", "v4", "hashed", "reuseport", "connected", "orphan", "mcast_all", "recverr",
};

static const char *const ep_events[] = { "in", "out", "err", "hup", "rdhup", "pri", "gone" };

static const char *const sock_flags[] = {
	"nonblock", "passed", "stamp", "stampns", "pktinfo", "pktinfo6", "recvttl", "recvtos",
	"reuseaddr", "reuseport", "filter", "leased", "bound", "connecting", "kernel_too", "accepted",
	"mcast_loop", "recverr", "busy_poll", "dead", "hoplimit", "tclass", "tstamping", "shut_wr",
	"corked", "broadcast", "rxq_ovfl", "connected",
};

static const char *const ca_states[] = { "open", "disorder", "cwr", "recovery", "loss" };
static const char *const ccs[] = { [TCP_CC_CUBIC] = "cubic", [TCP_CC_RENO] = "reno" };

static const char *name_of(const char *const *names, size_t n, uint32_t i)
{
	return i < n && names[i] ? names[i] : "?";
}
#define NAME(table, i) name_of(table, ARRAY_SIZE(table), i)

const char *dump_addr(char buf[DUMP_ADDR_ROOM], const struct ipaddr *a, be16_t port, bool v4)
{
	char text[INET6_ADDRSTRLEN];
	struct ipaddr any = ipaddr_from4((be32_t){ 0 });

	if (v4 && ipaddr_is_any(a))
		a = &any;
	if (ipaddr_is4(a)) {
		inet_ntop(AF_INET, a->b + 12, text, sizeof(text));
		snprintf(buf, DUMP_ADDR_ROOM, "%s:%u", text, from_be16(port));
	} else {
		inet_ntop(AF_INET6, a->b, text, sizeof(text));
		snprintf(buf, DUMP_ADDR_ROOM, "[%s]:%u", text, from_be16(port));
	}
	return buf;
}

static bool is_v4(const struct sock_view *v)
{
	return v->ep.flags & EP_F_V4 || ipaddr_is4(&v->ep.flow.laddr) || ipaddr_is4(&v->ep.flow.raddr);
}

static const char *lcl(const struct sock_view *v, char buf[DUMP_ADDR_ROOM])
{
	return dump_addr(buf, &v->ep.flow.laddr, v->ep.flow.lport, is_v4(v));
}

static const char *rmt(const struct sock_view *v, char buf[DUMP_ADDR_ROOM])
{
	return dump_addr(buf, &v->ep.flow.raddr, v->ep.flow.rport, is_v4(v));
}

static const char *proto(const struct sock_view *v)
{
	switch (v->ep.kind) {
	case EP_TCP_CONN:
	case EP_TCP_LISTEN:
		return "TCP";
	case EP_UDP:
		return "UDP";
	default:
		return "-";
	}
}

const char *dump_state(const struct sock_view *v)
{
	switch (v->ep.kind) {
	case EP_TCP_CONN:
		return NAME(tcp_states, v->tcp.state);
	case EP_TCP_LISTEN:
		return "LISTEN";
	case EP_UDP:
		return "UDP";
	case EP_RESERVED:
		return "RESERVED";
	default:
		return "?";
	}
}

const char *dump_sum(char buf[DUMP_SUM_ROOM], const struct sock_view *v)
{
	char l[DUMP_ADDR_ROOM], r[DUMP_ADDR_ROOM];

	snprintf(buf, DUMP_SUM_ROOM, "lcl=%s rmt=%s %s", lcl(v, l), rmt(v, r), dump_state(v));
	return buf;
}

/* Bytes that the user has not read, and that the peer has not acknowledged. */
static void queues(const struct sock_view *v, uint64_t *rx, uint64_t *tx)
{
	*rx = *tx = 0;
	switch (v->ep.kind) {
	case EP_TCP_CONN:
		*rx = v->tcp.rxq_bytes;
		*tx = v->tcp.snd_end - v->tcp.snd_una;
		break;
	case EP_TCP_LISTEN:
		*rx = v->lis.n_accept;
		*tx = v->lis.backlog;
		break;
	case EP_UDP:
		*rx = v->udp.rxq_bytes;
		break;
	}
}

static void identity(struct out *o, const struct arena *a, const struct sock_view *v)
{
	char l[DUMP_ADDR_ROOM], r[DUMP_ADDR_ROOM];

	out_set_s(o, "proto", proto(v));
	out_set_u(o, "stack", a->st->id);
	out_set_u(o, "sock", v->id);
	out_set_s(o, "lcl", lcl(v, l));
	out_set_s(o, "rmt", rmt(v, r));
	out_set_s(o, "state", dump_state(v));
}

void dump_netstat_head(struct out *o)
{
	out_line(o, "%-5s %8s %8s %-26s %-26s %s", "Proto", "recvq", "sendq", "lcl", "rmt", "STATE");
	out_list(o, "sockets");
}

void dump_netstat(struct out *o, struct arena *a, const struct sock_view *v)
{
	char l[DUMP_ADDR_ROOM], r[DUMP_ADDR_ROOM];
	uint64_t rx, tx;

	if (v->ep.kind == EP_RESERVED)
		return;
	queues(v, &rx, &tx);
	out_line(o, "%-5s %8llu %8llu %-26s %-26s %s", proto(v), (unsigned long long)rx,
		 (unsigned long long)tx, lcl(v, l), rmt(v, r), v->ep.kind == EP_UDP ? "" : dump_state(v));
	out_enter(o, "sockets");
	identity(o, a, v);
	out_set_u(o, "recvq", rx);
	out_set_u(o, "sendq", tx);
	out_leave(o);
}

static void common(struct out *o, const struct sock_view *v)
{
	char dev[IF_NAMESIZE] = "any";

	out_row(o, "user");
	if (v->has_sock) {
		out_u(o, "uid", v->sk.uid);
		out_u(o, "pid", v->sk.pid);
		out_x(o, "procs", v->sk.procs);
		out_x(o, "cookie", v->sk.cookie);
		out_bits(o, "flags", v->sk.flags, sock_flags, ARRAY_SIZE(sock_flags));
	} else {
		out_text(o, " none (orphan, or not yet accepted)");
	}
	out_end(o);
	out_row(o, "ep");
	if (v->ep.bound_if && !if_indextoname(v->ep.bound_if, dev))
		snprintf(dev, sizeof(dev), "if%u", v->ep.bound_if);
	out_s(o, "bindtodev", dev);
	out_u(o, "ttl", v->ep.ttl);
	out_u(o, "tos", v->ep.tos);
	out_u(o, "pmtu", v->ep.pmtu);
	out_u(o, "vi", v->ep.route.vi);
	out_u(o, "nexthop_known", v->ep.route.valid);
	out_i(o, "so_error", v->ep.so_error);
	out_bits(o, "events", v->ep.events, ep_events, ARRAY_SIZE(ep_events));
	out_bits(o, "flags", v->ep.flags, ep_flags, ARRAY_SIZE(ep_flags));
	out_end(o);
}

static void timer(struct out *o, const struct arena *a, const char *name, const struct timer *t,
		  uint64_t at, uint64_t now)
{
	/* A link that names itself is on no list. */
	if (t->link.next == at >> 3)
		return;
	out_i(o, name, (int64_t)(int32_t)(t->expires - (uint32_t)(now >> TIMER_TICK_SHIFT)) *
		       (int64_t)(TIMER_TICK_NS / 1000) / 1000);
}

static void dump_conn(struct out *o, const struct arena *a, const struct sock_view *v, uint64_t now)
{
	const struct tcp_conn *c = &v->tcp;
	uint64_t slot = a->eps_off + (uint64_t)v->id * EP_SLOT_SIZE;
	uint32_t flight = c->snd_nxt - c->snd_una;

	out_row(o, "tcp");
	out_u(o, "rcvbuf", c->rcvbuf);
	out_u(o, "sndbuf", c->sndbuf);
	out_bits(o, "flags", c->flags, tcp_flags, ARRAY_SIZE(tcp_flags));
	out_end(o);
	out_row(o, "snd");
	out_u(o, "una", c->snd_una);
	out_u(o, "nxt", c->snd_nxt);
	out_u(o, "end", c->snd_end);
	out_u(o, "wnd", c->snd_wnd);
	out_u(o, "wnd_max", c->snd_wnd_max);
	out_u(o, "inflight", flight);
	out_u(o, "unsent", (uint32_t)(c->snd_end - c->snd_nxt));
	out_u(o, "frames", c->snd_frames);
	out_end(o);
	out_row(o, "snd");
	out_u(o, "cwnd", c->cwnd);
	out_u(o, "ssthresh", c->ssthresh);
	out_s(o, "ca_state", NAME(ca_states, c->ca_state));
	out_s(o, "cc", NAME(ccs, c->cc));
	out_u(o, "bytes", c->bytes_out);
	out_u(o, "bytes_acked", c->bytes_acked);
	out_u(o, "segs", c->segs_out);
	out_end(o);
	out_row(o, "rcv");
	out_u(o, "nxt", c->rcv_nxt);
	out_u(o, "wnd", c->rcv_wnd);
	out_u(o, "adv", c->rcv_adv);
	out_u(o, "last_ack", c->rcv_last_ack);
	out_u(o, "bytes", c->bytes_in);
	out_u(o, "segs", c->segs_in);
	out_end(o);
	out_row(o, "rcv");
	out_u(o, "q_bytes", c->rxq_bytes);
	out_u(o, "q_pkts", c->rxq_frames);
	out_u(o, "ooo_bytes", c->ooo_bytes);
	out_u(o, "ooo_pkts", c->ooo_frames);
	out_s(o, "fast", c->predict ? "yes" : "no");
	out_end(o);
	out_row(o, "mss");
	out_u(o, "eff", c->mss);
	out_u(o, "peer", c->mss_peer);
	out_u(o, "adv", c->mss_adv);
	out_u(o, "wscl_s", c->snd_wscale);
	out_u(o, "wscl_r", c->rcv_wscale);
	out_end(o);
	out_row(o, "rtt");
	out_u(o, "srtt_us", c->srtt_us);
	out_u(o, "rttvar_us", c->rttvar_us);
	out_u(o, "rto_us", c->rto_us);
	out_u(o, "min_us", c->rtt_min_us);
	out_u(o, "backoff", c->backoff);
	out_end(o);
	out_row(o, "loss");
	out_u(o, "curr_retrans", c->retries);
	out_u(o, "total_retrans", c->total_retrans);
	out_u(o, "rtos", c->rtos);
	out_u(o, "frecs", c->fast_recs);
	out_u(o, "dupacks", c->dupacks);
	out_u(o, "sacked", c->sacked_bytes);
	out_u(o, "lost", c->lost_bytes);
	out_u(o, "ooo", c->ooo_in);
	out_u(o, "dup", c->dup_in);
	out_u(o, "zwins", c->zwin_in);
	out_u(o, "probes", c->probes);
	out_end(o);
	out_row(o, "timers_ms");
	timer(o, a, "rexmit", &c->t_rexmit, slot + offsetof(struct tcp_conn, t_rexmit), now);
	timer(o, a, "delack", &c->t_delack, slot + offsetof(struct tcp_conn, t_delack), now);
	timer(o, a, "keep", &c->t_keep, slot + offsetof(struct tcp_conn, t_keep), now);
	out_end(o);
	if (v->has_sock) {
		out_row(o, "os");
		out_u(o, "rcv", v->sk.os_rx);
		out_u(o, "snd", v->sk.os_tx);
		out_end(o);
	}
}

static void dump_listen(struct out *o, const struct sock_view *v)
{
	const struct tcp_listen *l = &v->lis;

	out_row(o, "listenq");
	out_u(o, "max", l->backlog);
	out_u(o, "n", l->n_embryonic);
	out_u(o, "syns", l->syns);
	out_end(o);
	out_row(o, "acceptq");
	out_u(o, "n", l->n_accept);
	out_u(o, "accepted", l->accepted);
	out_u(o, "overflow", l->overflows);
	if (v->has_sock)
		out_u(o, "os", v->sk.os_rx);
	out_end(o);
}

static void dump_udp(struct out *o, const struct sock_view *v)
{
	const struct udp_ep *u = &v->udp;
	uint64_t os_rx = v->has_sock ? v->sk.os_rx : 0, os_tx = v->has_sock ? v->sk.os_tx : 0;
	uint32_t n = min_t(uint32_t, u->n_groups, ARRAY_SIZE(u->groups));

	out_row(o, "rcv");
	out_pct(o, "oflow_drop", u->drops, u->rx_dgrams + u->drops);
	out_u(o, "q_pkts", u->rxq_pkts);
	out_u(o, "q_bytes", u->rxq_bytes);
	out_u(o, "q_max_pkts", u->rxq_max_pkts);
	out_u(o, "rcvbuf", u->rcvbuf);
	out_end(o);
	out_row(o, "rcv");
	out_u(o, "pkts", u->rx_dgrams);
	out_u(o, "bytes", u->rx_bytes);
	out_pct(o, "os", os_rx, u->rx_dgrams + os_rx);
	out_end(o);
	out_row(o, "snd");
	out_u(o, "pkts", u->tx_dgrams);
	out_u(o, "bytes", u->tx_bytes);
	out_pct(o, "os", os_tx, u->tx_dgrams + os_tx);
	out_u(o, "mcast_ttl", u->ep.mcast_ttl);
	out_end(o);
	for (uint32_t i = 0; i < n; i++) {
		char text[DUMP_ADDR_ROOM];

		dump_addr(text, &u->groups[i].group, u->ep.flow.lport, false);
		out_line(o, "mcast: group=%s ifindex=%u", text, u->groups[i].ifindex);
		out_enter(o, "groups");
		out_set_s(o, "group", text);
		out_set_u(o, "ifindex", u->groups[i].ifindex);
		out_leave(o);
	}
}

void dump_sock(struct out *o, struct arena *a, const struct sock_view *v, uint64_t now)
{
	char sum[DUMP_SUM_ROOM];

	out_line(o, "%s %u:%u %s", proto(v), a->st->id, v->id, dump_sum(sum, v));
	out_enter(o, "sockets");
	identity(o, a, v);
	o->indent += 2;
	common(o, v);
	switch (v->ep.kind) {
	case EP_TCP_CONN:
		dump_conn(o, a, v, now);
		break;
	case EP_TCP_LISTEN:
		dump_listen(o, v);
		break;
	case EP_UDP:
		dump_udp(o, v);
		break;
	}
	o->indent -= 2;
	out_leave(o);
}

static void filter(struct out *o, const struct arena *a, const struct sock_view *v, const char *kind,
		   const char *l, const char *r)
{
	out_line(o, "%u:%-6u %-4s %-10s %-26s %s", a->st->id, v->id, proto(v), kind, l, r);
	out_enter(o, "filters");
	out_set_s(o, "proto", proto(v));
	out_set_u(o, "sock", v->id);
	out_set_s(o, "kind", kind);
	out_set_s(o, "lcl", l);
	out_set_s(o, "rmt", r);
	out_leave(o);
}

void dump_filters(struct out *o, struct arena *a, const struct sock_view *v)
{
	char l[DUMP_ADDR_ROOM], r[DUMP_ADDR_ROOM];

	if (v->has_sock && v->sk.flags & SOCK_SF_FILTER) {
		bool exact = v->ep.kind == EP_TCP_CONN || v->sk.flags & SOCK_SF_CONNECTED;

		filter(o, a, v, exact ? "5-tuple" : ipaddr_is_any(&v->ep.flow.laddr) ? "port" : "address",
		       lcl(v, l), exact ? rmt(v, r) : "*");
	} else if (v->has_sock && v->sk.flags & SOCK_SF_LEASED) {
		filter(o, a, v, "leased", lcl(v, l), rmt(v, r));
	}
	for (uint32_t i = 0; v->ep.kind == EP_UDP && i < min_t(uint32_t, v->udp.n_groups, ARRAY_SIZE(v->udp.groups)); i++)
		filter(o, a, v, "multicast",
		       dump_addr(l, &v->udp.groups[i].group, v->ep.flow.lport, false), "*");
}
