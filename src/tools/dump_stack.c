// SPDX-License-Identifier: BSD-2-Clause
/*
 * dump_stack.c - a stack as a whole: list of stacks, memory, waiting, interfaces
 */
#include "tools/dump.h"

#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static const char *const states[] = { [STACK_NEW] = "new", [STACK_READY] = "ready", [STACK_DEAD] = "dead" };

static const char *stack_name(const struct arena *a, char buf[64])
{
	return out_clean(buf, 64, a->st->name, sizeof(a->st->name));
}

static void pid_list(struct out *o, const char *key, const struct arena *a, char *buf, size_t room)
{
	size_t len = 0;

	buf[0] = 0;
	out_list(o, key);
	for (size_t i = 0; i < a->n_holders; i++) {
		const struct holder *h = &a->holders[i];

		if (h->role != HOLDER_APP)
			continue;
		if (len + 12 < room)
			len += (size_t)snprintf(buf + len, room - len, "%s%u", len ? "," : "", h->pid);
		out_enter(o, key);
		out_set_u(o, "pid", h->pid);
		out_set_s(o, "name", h->comm);
		out_leave(o);
	}
}

void dump_list_head(struct out *o, bool wide)
{
	if (wide)
		out_line(o, "#%-8s %-20s %6s %8s %8s %4s %-6s %-8s %s", "stack-id", "stack-name", "uid",
			 "sockets", "pkts", "vis", "state", "daemon", "pids");
	else
		out_line(o, "#%-8s %-20s %s", "stack-id", "stack-name", "pids");
}

void dump_list(struct out *o, const struct arena *a, bool wide, bool show_pids)
{
	uint32_t state = atomic_load(&a->st->state);
	const char *st = state < ARRAY_SIZE(states) ? states[state] : "?";
	char name[64], pids[512];

	stack_name(a, name);
	out_enter(o, "stacks");
	out_set_u(o, "id", a->st->id);
	out_set_s(o, "name", name);
	out_set_u(o, "uid", a->st->uid);
	out_set_s(o, "state", st);
	out_set_b(o, "listed_by_daemon", a->listed);
	out_set_u(o, "keeper_pid", a->keeper_pid);
	if (a->net) {
		out_set_u(o, "sockets", a->net->ep_n_used);
		out_set_u(o, "packets", a->st->n_frames);
	}
	if (a->problem[0])
		out_set_s(o, "problem", a->problem);
	pid_list(o, "processes", a, pids, sizeof(pids));
	if (wide)
		out_line(o, "%-9u %-20s %6u %8u %8u %4u %-6s %-8s %s", a->st->id, *name ? name : "-",
			 a->st->uid, a->net ? a->net->ep_n_used : 0, a->st->n_frames, a->st->n_vis, st,
			 a->listed ? "knows" : "-", show_pids ? pids : "");
	else
		out_line(o, "%-9u %-20s %s", a->st->id, *name ? name : "-", show_pids ? pids : "");
	out_leave(o);
}

void dump_title(struct out *o, const struct arena *a)
{
	char name[64];

	stack_name(a, name);
	out_line(o, "stack=%u name=%s", a->st->id, name);
	out_set_u(o, "id", a->st->id);
	out_set_s(o, "name", name);
	if (a->problem[0]) {
		out_line(o, "  problem: %s", a->problem);
		out_set_s(o, "problem", a->problem);
	}
}

static const char *date(uint64_t s, char buf[32])
{
	time_t t = (time_t)s;
	struct tm tm;

	if (s > 1ull << 40 || !localtime_r(&t, &tm) || !strftime(buf, 32, "%Y-%m-%d %H:%M:%S", &tm))
		snprintf(buf, 32, "?");
	return buf;
}

static void dump_memory(struct out *o, const struct arena *a)
{
	const struct net_shm *n = a->net;

	out_row(o, "endpoints");
	out_u(o, "max", a->st->n_eps);
	out_u(o, "used", n->ep_n_used);
	out_u(o, "tcp_conns", n->tcp_n_conns);
	out_end(o);
	out_row(o, "pkt_bufs");
	out_u(o, "max", n->n_frames);
	out_u(o, "free", n->pkt_n_free);
	out_u(o, "low_water", n->pkt_low_water);
	out_u(o, "rx", n->pkt_n_rx);
	out_u(o, "tx", n->pkt_n_tx);
	if (n->pkt_n_free < n->n_frames / 64)
		out_text(o, " CRITICAL");
	else if (n->pkt_n_free < n->n_frames / 8)
		out_text(o, " LOW");
	out_end(o);
	out_row(o, "neighbours");
	out_u(o, "deferred_pkts", n->defer_n);
	out_u(o, "unresolved", n->unres_n);
	out_end(o);
}

void dump_netif(struct out *o, const struct arena *a, uint64_t now)
{
	struct stack_shm *st = a->st;
	uint64_t created = st->created, beat = atomic_load(&st->heartbeat_ns), real = (uint64_t)time(NULL);
	uint32_t leased = 0, lock = atomic_load(&st->lock), state = atomic_load(&st->state);
	char buf[512];

	o->indent += 2;
	out_row(o, NULL);
	out_s(o, "Postern", POSTERN_VERSION);
	out_u(o, "uid", st->uid);
	out_s(o, "state", state < ARRAY_SIZE(states) ? states[state] : "?");
	out_u(o, "keeper", a->keeper_pid);
	out_s(o, "daemon", a->listed ? "knows" : "absent or does not know it");
	out_end(o);
	out_row(o, NULL);
	out_s(o, "creation_time", date(created, buf));
	out_u(o, "age_secs", real > created ? real - created : 0);
	out_u(o, "size_kib", a->size >> 10);
	out_end(o);
	pid_list(o, "pids", a, buf, sizeof(buf));
	out_line(o, "pids: %s", buf);
	out_row(o, "lock");
	out_u(o, "owner_tid", lock & 0x7fffffffu);
	out_s(o, "waiters", lock >> 31 ? "yes" : "no");
	if (beat)
		out_u(o, "polled_ms_ago", now > beat ? (now - beat) / NSEC_PER_MSEC : 0);
	out_end(o);
	out_row(o, "wait");
	out_u(o, "leader_tid", atomic_load(&st->leader));
	out_u(o, "sleepers", atomic_load(&st->n_sleepers));
	out_u(o, "sleeps", st->sleeps);
	out_u(o, "rings", st->rings);
	out_u(o, "wakeups", st->wakeups);
	out_u(o, "lock_waits", st->lock_waits);
	out_u(o, "keeper_polls", st->keeper_polls);
	out_u(o, "keeper_closes", st->keeper_closes);
	out_end(o);
	for (uint32_t i = 0; i < min_t(uint32_t, st->n_leases, STACK_MAX_LEASES); i++)
		leased += st->lease[i].in_use != 0;
	out_row(o, "leases");
	out_u(o, "n", st->n_leases);
	out_u(o, "in_use", leased);
	out_end(o);
	if (a->net)
		dump_memory(o, a);
	o->indent -= 2;
}

static const char *mode(uint32_t flags, char buf[64])
{
	snprintf(buf, 64, "%s/%s%s", flags & VI_F_ZEROCOPY ? "zero-copy" : "copy",
		 flags & VI_F_GENERIC ? "generic" : "native", flags & VI_F_DOWN ? "/DOWN" : "");
	return buf;
}

static void dump_vi(struct out *o, uint32_t i, const struct vi_shm *v, const struct xsk_stats *k)
{
	char dev[IF_NAMESIZE], text[64];

	if (!if_indextoname(v->ifindex, dev))
		snprintf(dev, sizeof(dev), "if%u", v->ifindex);
	out_line(o, "vi=%u dev=%s ifindex=%u queue=%u mode=%s", i, dev, v->ifindex, v->queue,
		 mode(v->flags, text));
	out_enter(o, "vis");
	out_set_u(o, "vi", i);
	out_set_s(o, "dev", dev);
	out_set_u(o, "ifindex", v->ifindex);
	out_set_u(o, "queue", v->queue);
	out_set_s(o, "mode", text);
	out_set_b(o, "virtual_link", v->flags & VI_F_VIRTUAL);
	out_set_b(o, "down", v->flags & VI_F_DOWN);
	o->indent += 2;
	out_row(o, "rxq");
	out_u(o, "cap", v->rx_size);
	out_u(o, "level", (uint32_t)(v->rx_prod_cached - v->rx_cons));
	out_u(o, "fill_cap", v->fill_size);
	out_u(o, "fill_level", v->fill_level);
	out_u(o, "pkts", v->rx_pkts);
	out_u(o, "bytes", v->rx_bytes);
	out_u(o, "bad_desc", v->rx_bad_desc);
	out_end(o);
	out_row(o, "txq");
	out_u(o, "cap", v->tx_size);
	out_u(o, "level", v->tx_inflight);
	out_u(o, "unkicked", v->tx_unkicked);
	out_u(o, "pkts", v->tx_pkts);
	out_u(o, "bytes", v->tx_bytes);
	out_u(o, "kicks", v->tx_kicks);
	out_u(o, "ring_full", v->tx_ring_full);
	out_u(o, "errors", v->tx_errors);
	out_end(o);
	if (k) {
		out_row(o, "kernel");
		out_u(o, "rx_nodesc_drop_cnt", k->rx_fill_ring_empty_descs);
		out_u(o, "rx_ring_full", k->rx_ring_full);
		out_u(o, "rx_invalid_descs", k->rx_invalid_descs);
		out_u(o, "rx_dropped", k->rx_dropped);
		out_u(o, "tx_invalid_descs", k->tx_invalid_descs);
		out_u(o, "tx_ring_empty_descs", k->tx_ring_empty_descs);
		out_end(o);
	}
	o->indent -= 2;
	out_leave(o);
}

void dump_vis(struct out *o, const struct arena *a)
{
	uint32_t n = min_t(uint32_t, a->st->n_vis, NET_MAX_VIS);
	struct xsk_stats st[NET_MAX_VIS];
	char why[96] = "";
	int got = 0;

	out_list(o, "vis");
	if (n)
		got = dump_xsk(a, st, n, why);
	for (uint32_t i = 0; i < n; i++)
		dump_vi(o, i, &a->st->vis[i], (uint32_t)got == n ? &st[i] : NULL);
	if (n && (uint32_t)got != n) {
		out_line(o, "kernel counters: %s", why);
		out_set_s(o, "kernel_counters", why);
	}
	if (!n)
		out_line(o, "no interface yet: the stack takes one when a socket needs it");
}
