// SPDX-License-Identifier: BSD-2-Clause
/*
 * count_tcp.c - instructions per TCP segment, in and out
 *
 * As count_udp.c: runs itself under callgrind with n and 2n rounds and prints the
 * difference per call.  Two engines in one process exchange segments through AF_XDP
 * rings in ordinary memory, so the code is that of the product, without the kernel.
 *
 *	count_tcp              table of all cases
 *	count_tcp CASE N LEN   what callgrind runs
 */
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cp/cp_writer.h"
#include "tcp/tcp.h"

enum { N_FRAMES = 1024, N_EPS = 64, RING = 256, N = 2000, IFINDEX = 2 };

struct world {
	struct net net;
	struct cp cp;
	struct vi vi;
	struct vi_shm vi_shm;
	struct xdp_desc tx[RING], rx[RING];
	uint64_t comp[RING], fill[RING];
	uint32_t tx_prod, tx_cons, tx_flags, comp_prod, comp_cons, comp_flags;
	uint32_t rx_prod, rx_cons, rx_flags, fill_prod, fill_cons, fill_flags;
	struct ipaddr me;
	struct tcp_conn *c;
	struct tcp_listen *l;
	uint8_t idx;
};

static void *must_alloc(size_t align, size_t len)
{
	void *p = aligned_alloc(align, ROUND_UP(len, align));

	if (!p)
		abort();
	memset(p, 0, ROUND_UP(len, align));
	return p;
}

static void must(bool ok)
{
	if (!ok)
		abort();
}

static struct ipaddr addr_of(uint32_t idx)
{
	return ipaddr_from4(to_be32(0x0a000000 | idx));
}

static void add_tables(struct world *w)
{
	struct cp_shm *shm = must_alloc(CACHE_LINE, sizeof(*shm));
	struct cp_link l = { .ifindex = IFINDEX, .flags = CP_LINK_UP | CP_LINK_ETHER, .mtu = 1500,
			     .mac = { 2, 0, 0, 0, 0, w->idx }, .name = "mem0" };
	struct cp_addr a = { .ifindex = IFINDEX, .prefix_len = 120 };
	struct cp_route r = { .ifindex = IFINDEX, .prefix_len = 120, .type = CP_RT_UNICAST };
	struct cp_neigh n = { .ifindex = IFINDEX, .state = CP_NEIGH_VALID,
			      .mac = { 2, 0, 0, 0, 0, (uint8_t)(3 - w->idx) } };
	struct ipaddr peer = addr_of(3u - w->idx);

	w->me = addr_of(w->idx);
	memcpy(&a.addr, &w->me, 16);
	memcpy(&n.addr, &peer, 16);
	r.dst = a.addr;
	((uint8_t *)&r.dst)[15] = 0;
	cp_init(shm, 1);
	cp_begin(shm);
	must(cp_set_link(shm, &l) >= 0 && cp_set_addr(shm, &a) >= 0 && cp_set_route(shm, &r) >= 0 &&
	     cp_set_neigh(shm, &n) >= 0);
	cp_end(shm, true);
	w->cp.shm = shm;
}

static struct world *make_world(uint8_t idx)
{
	struct world *w = must_alloc(CACHE_LINE, sizeof(*w));
	size_t frames_off = ROUND_UP(4096 + net_state_size(N_EPS, N_FRAMES), 4096);
	void *arena = must_alloc(4096, frames_off + ((size_t)N_FRAMES << PKT_FRAME_SHIFT));
	static const uint8_t secret[16] = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16 };

	w->idx = idx;
	add_tables(w);
	w->vi_shm = (struct vi_shm){
		.driver = VI_DRV_XDP, .ifindex = IFINDEX, .frame_shift = PKT_FRAME_SHIFT,
		.rx_size = RING, .tx_size = RING, .fill_size = RING, .comp_size = RING,
		.n_frames = N_FRAMES,
	};
	w->vi = (struct vi){
		.shm = &w->vi_shm, .driver = VI_DRV_XDP, .fd = -1,
		.frame_shift = PKT_FRAME_SHIFT, .n_frames = N_FRAMES,
		.tx = { &w->tx_prod, &w->tx_cons, &w->tx_flags, w->tx, RING - 1 },
		.rx = { &w->rx_prod, &w->rx_cons, &w->rx_flags, w->rx, RING - 1 },
		.comp = { &w->comp_prod, &w->comp_cons, &w->comp_flags, w->comp, RING - 1 },
		.fill = { &w->fill_prod, &w->fill_cons, &w->fill_flags, w->fill, RING - 1 },
	};
	net_init(arena, 4096, N_EPS, N_FRAMES, frames_off, secret, NSEC_PER_SEC);
	net_attach(&w->net, arena, 4096, &w->cp, &w->vi, 1);
	w->net.now = NSEC_PER_SEC;
	return w;
}

/* What callgrind collects: these functions and what they call. */
void counted_out(struct world *w, size_t len);
void counted_answer(struct world *w, size_t len);
void counted_in(struct world *w, struct pkt *p);
void counted_demux(struct world *w, struct pkt *p);
void counted_ack(struct world *w, struct pkt *p);
void counted_take(struct world *w, size_t len);

static void out(struct world *w, size_t len)
{
	static char buf[1448];
	struct iovec iov = { buf, len };

	must(tcp_send(&w->net, w->c, &iov, 1, 0, len, 0) == (ssize_t)len);
}

__attribute__((noinline)) void counted_out(struct world *w, size_t len)
{
	out(w, len);
}

__attribute__((noinline)) void counted_answer(struct world *w, size_t len)
{
	out(w, len);
	__asm__ volatile("");
}

static struct rx_info ri;
static struct ep *ep;

__attribute__((noinline)) void counted_demux(struct world *w, struct pkt *p)
{
	must(ip_rx(&w->net, p, &ri));
	ep = demux_find(&w->net, &ri.flow, p->ifindex);
}

__attribute__((noinline)) void counted_in(struct world *w, struct pkt *p)
{
	tcp_rx(&w->net, ep, p, &ri);
}

__attribute__((noinline)) void counted_ack(struct world *w, struct pkt *p)
{
	tcp_rx(&w->net, ep, p, &ri);
	__asm__ volatile("");
}

__attribute__((noinline)) void counted_take(struct world *w, size_t len)
{
	static char buf[1448];
	struct iovec iov = { buf, len };

	must(tcp_recv(&w->net, w->c, &iov, 1, 0, len, 0, 0) == (ssize_t)len);
}

/* Everything that @from posted arrives at @to. */
static unsigned carry(struct world *from, struct world *to)
{
	unsigned n = 0;

	for (; from->tx_cons != from->tx_prod; n++) {
		struct xdp_desc d = from->tx[from->tx_cons++ & (RING - 1)];
		struct pkt *p = pkt_alloc(&to->net, PKT_FOR_RX);
		struct vi_event ev = { .off = PKT_DATA_OFF, .len = (uint16_t)d.len };
		uint32_t tcp_len;

		must(p);
		ev.buf = pkt_id(&to->net, p);
		memcpy(pkt_at(p, PKT_DATA_OFF), from->net.frames + d.addr, d.len);
		from->comp[from->comp_prod++ & (RING - 1)] = d.addr & ~(uint64_t)(PKT_FRAME_SIZE - 1);
		net_tx_reap(&from->net);
		p = pkt_rx(&to->net, 0, &ev);
		counted_demux(to, p);
		must(ep);
		tcp_len = ri.l4_len - (uint32_t)(((uint8_t *)pkt_l4(p))[12] >> 4 << 2);
		if (tcp_len)
			counted_in(to, p);
		else
			counted_ack(to, p);
	}
	return n;
}

static void clock_on(struct world *a, struct world *b)
{
	struct world *w[] = { a, b };

	for (int i = 0; i < 2; i++) {
		struct timer *t;

		w[i]->net.now += 5000;
		while ((t = timer_expire(w[i]->net.base, &w[i]->net.shm->wheel, w[i]->net.now)))
			tcp_timer(&w[i]->net, t);
		while (shm_list_first(w[i]->net.base, &w[i]->net.shm->ready)) {
			struct shm_link *l = shm_list_first(w[i]->net.base, &w[i]->net.shm->ready);

			shm_list_del(w[i]->net.base, l);
			container_of(l, struct ep, ready)->events = 0;
		}
	}
}

static void connect_worlds(struct world *a, struct world *b)
{
	a->c = tcp_conn(ep_alloc(&a->net));
	a->c->ep.flow = (struct flow){ .laddr = a->me, .raddr = b->me, .lport = to_be16(1000),
				       .rport = to_be16(2000), .proto = IPPROTO_TCP };
	tcp_conn_init(&a->net, a->c);
	b->l = tcp_listener(ep_alloc(&b->net));
	b->l->ep.flow = (struct flow){ .lport = to_be16(2000), .proto = IPPROTO_TCP };
	must(tcp_listen_start(&b->net, b->l, 1) == 0);
	must(tcp_connect(&a->net, a->c) == 0);
	for (int i = 0; i < 3; i++) {
		carry(a, b);
		carry(b, a);
		clock_on(a, b);
	}
	b->c = tcp_accept(&b->net, b->l);
	must(b->c);
}

static int run_case(const char *name, unsigned long n, size_t len)
{
	struct world *a = make_world(1), *b = make_world(2);

	connect_worlds(a, b);
	a->c->flags |= TCP_F_NODELAY;
	if (strcmp(name, "acked") == 0)
		b->c->flags |= TCP_F_QUICKACK;
	for (unsigned long i = 0; i < n; i++) {
		counted_out(a, len);
		carry(a, b);
		counted_take(b, len);
		if (strcmp(name, "pingpong") == 0)
			counted_answer(b, len);
		carry(b, a);
		if (strcmp(name, "pingpong") == 0)
			counted_take(a, len);
		clock_on(a, b);
	}
	return 0;
}

/* Instructions of @fn in a run of @n rounds; -1 when valgrind fails. */
static long count(const char *self, const char *fn, const char *name, unsigned long n, size_t len)
{
	char cmd[1024], line[256], file[] = "/tmp/count_tcp.XXXXXX";
	long total = -1;
	int fd = mkstemp(file);
	FILE *f;

	if (fd < 0)
		return -1;
	close(fd);
	snprintf(cmd, sizeof(cmd),
		 "valgrind --tool=callgrind --callgrind-out-file=%s --collect-atstart=no "
		 "--toggle-collect=%s '%s' %s %lu %zu >/dev/null 2>&1", file, fn, self, name, n, len);
	if (system(cmd) == 0 && (f = fopen(file, "r"))) {
		while (fgets(line, sizeof(line), f))
			if (sscanf(line, "totals: %ld", &total) == 1 ||
			    sscanf(line, "summary: %ld", &total) == 1)
				break;
		fclose(f);
	}
	unlink(file);
	return total;
}

int main(int argc, char **argv)
{
	static const struct {
		const char *title, *fn, *name;
		size_t len;
		unsigned per_round;
	} rows[] = {
		{ "request or answer in, 64 bytes", "counted_in", "pingpong", 64, 2 },
		{ "request out, 64 bytes", "counted_out", "pingpong", 64, 1 },
		{ "answer out (with the ACK), 64", "counted_answer", "pingpong", 64, 1 },
		{ "read, 64 bytes", "counted_take", "pingpong", 64, 2 },
		{ "data in, ACK delayed, 64 bytes", "counted_in", "stream", 64, 1 },
		{ "data in, ACK sent, 64 bytes", "counted_in", "acked", 64, 1 },
		{ "data in, ACK sent, 1448 bytes", "counted_in", "acked", 1448, 1 },
		{ "data out, 64 bytes", "counted_out", "acked", 64, 1 },
		{ "data out, 1448 bytes", "counted_out", "acked", 1448, 1 },
		{ "pure ACK in", "counted_ack", "acked", 64, 1 },
		{ "Ethernet, IP, demux of a segment", "counted_demux", "acked", 64, 2 },
	};

	if (argc == 4)
		return run_case(argv[1], strtoul(argv[2], NULL, 0), strtoul(argv[3], NULL, 0));
	if (system("valgrind --version >/dev/null 2>&1") != 0) {
		fprintf(stderr, "count_tcp: needs valgrind\n");
		return 77;
	}
	printf("%-34s %s\n", "TCP segment", "instructions");
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		long one = count(argv[0], rows[i].fn, rows[i].name, N, rows[i].len);
		long two = count(argv[0], rows[i].fn, rows[i].name, 2 * N, rows[i].len);

		if (one < 0 || two < 0) {
			fprintf(stderr, "count_tcp: callgrind failed\n");
			return 1;
		}
		printf("%-34s %.1f\n", rows[i].title, (double)(two - one) / N / rows[i].per_round);
	}
	return 0;
}
