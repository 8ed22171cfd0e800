// SPDX-License-Identifier: BSD-2-Clause
/*
 * count_udp.c - instructions per UDP datagram, in and out
 *
 * Instruction counts repeat exactly, so they show what a change costs where
 * latencies drown it.  Runs itself under valgrind's callgrind, once with n and once
 * with 2n datagrams, and prints the difference per datagram.  The device is an
 * AF_XDP ring in ordinary memory: the code is that of the product, without the kernel.
 *
 *	count_udp              table of all cases
 *	count_udp CASE N       what callgrind runs
 */
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cp/cp_writer.h"
#include "net/net.h"
#include "udp/udp.h"

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
	struct udp_ep *conn, *unconn;
	struct ipaddr me, peer;
};

static void *must_alloc(size_t align, size_t len)
{
	void *p = aligned_alloc(align, ROUND_UP(len, align));

	if (!p)
		abort();
	memset(p, 0, ROUND_UP(len, align));
	return p;
}

static void add_tables(struct world *w)
{
	struct cp_shm *shm = must_alloc(CACHE_LINE, sizeof(*shm));
	struct cp_link l = { .ifindex = IFINDEX, .flags = CP_LINK_UP | CP_LINK_ETHER, .mtu = 1500,
			     .mac = { 2, 0, 0, 0, 0, 1 }, .name = "mem0" };
	struct cp_addr a = { .ifindex = IFINDEX, .prefix_len = 120 };
	struct cp_route r = { .ifindex = IFINDEX, .prefix_len = 120, .type = CP_RT_UNICAST };
	struct cp_neigh n = { .ifindex = IFINDEX, .state = CP_NEIGH_VALID, .mac = { 2, 0, 0, 0, 0, 2 } };

	w->me = ipaddr_from4(to_be32(0x0a000001));
	w->peer = ipaddr_from4(to_be32(0x0a000002));
	memcpy(&a.addr, &w->me, 16);
	memcpy(&n.addr, &w->peer, 16);
	r.dst = a.addr;
	((uint8_t *)&r.dst)[15] = 0;
	cp_init(shm, 1);
	cp_begin(shm);
	if (cp_set_link(shm, &l) < 0 || cp_set_addr(shm, &a) < 0 || cp_set_route(shm, &r) < 0 ||
	    cp_set_neigh(shm, &n) < 0)
		abort();
	cp_end(shm, true);
	w->cp.shm = shm;
}

static struct world *make_world(void)
{
	struct world *w = must_alloc(CACHE_LINE, sizeof(*w));
	size_t frames_off = ROUND_UP(4096 + net_state_size(N_EPS, N_FRAMES), 4096);
	void *arena = must_alloc(4096, frames_off + ((size_t)N_FRAMES << PKT_FRAME_SHIFT));
	static const uint8_t secret[16] = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16 };

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
	net_init(arena, 4096, N_EPS, N_FRAMES, frames_off, secret, 1);
	net_attach(&w->net, arena, 4096, &w->cp, &w->vi, 1);
	w->net.now = 1;

	w->conn = udp_ep(ep_alloc(&w->net));
	udp_init(&w->net, w->conn, 1 << 20);
	w->conn->ep.flow = (struct flow){ .laddr = w->me, .raddr = w->peer, .lport = to_be16(1000),
					  .rport = to_be16(2000), .proto = IPPROTO_UDP };
	w->conn->ep.flags |= EP_F_CONNECTED;
	w->unconn = udp_ep(ep_alloc(&w->net));
	udp_init(&w->net, w->unconn, 1 << 20);
	w->unconn->ep.flow.lport = to_be16(1001);
	if (demux_insert(&w->net, &w->conn->ep) < 0 || demux_insert(&w->net, &w->unconn->ep) < 0)
		abort();
	return w;
}

/* What callgrind collects: these functions and what they call. */
void counted_out(struct world *w, const struct udp_dst *d, size_t len);
void counted_in(struct world *w, const struct vi_event *ev);
void counted_take(struct world *w, struct udp_ep *u, char *buf, size_t len);
void counted_reap(struct world *w);

__attribute__((noinline)) void counted_out(struct world *w, const struct udp_dst *d, size_t len)
{
	static char buf[1472];
	struct iovec iov = { buf, len };

	if (udp_send(&w->net, d ? w->unconn : w->conn, d, &iov, 1, len) < 0)
		abort();
}

__attribute__((noinline)) void counted_in(struct world *w, const struct vi_event *ev)
{
	struct pkt *p = pkt_rx(&w->net, 0, ev);
	struct rx_info ri;
	struct ep *ep;

	if (!ip_rx(&w->net, p, &ri) || p->flags & PKT_F_MCAST)
		abort();
	ep = demux_find(&w->net, &ri.flow, p->ifindex);
	if (!ep)
		abort();
	udp_rx(&w->net, ep, p, &ri);
}

__attribute__((noinline)) void counted_take(struct world *w, struct udp_ep *u, char *buf, size_t len)
{
	struct iovec iov = { buf, len };
	struct pkt *p = udp_pop(&w->net, u);

	if (!p || udp_copy_out(&w->net, p, 0, &iov, 1) != len)
		abort();
	pkt_free(&w->net, p);
}

__attribute__((noinline)) void counted_reap(struct world *w)
{
	net_tx_reap(&w->net);
}

/* The device: everything posted has been sent. */
static void device(struct world *w)
{
	while (w->tx_cons != w->tx_prod) {
		uint64_t addr = w->tx[w->tx_cons++ & (RING - 1)].addr;

		w->comp[w->comp_prod++ & (RING - 1)] = addr & ~(uint64_t)(PKT_FRAME_SIZE - 1);
	}
}

static void send_one(struct world *w, bool connected, size_t len)
{
	struct udp_dst d = { .addr = w->peer, .port = to_be16(2000), .ttl = -1, .tos = -1 };

	counted_out(w, connected ? NULL : &d, len);
	device(w);
	counted_reap(w);
}

/* Turns what was sent last around and gives it to the engine. */
static void receive_one(struct world *w, bool connected, size_t len)
{
	struct udp_ep *u = connected ? w->conn : w->unconn;
	struct xdp_desc d = w->tx[(w->tx_prod - 1) & (RING - 1)];
	struct pkt *p = pkt_alloc(&w->net, PKT_FOR_RX);
	struct vi_event ev = { .off = PKT_DATA_OFF, .len = (uint16_t)d.len };
	static char buf[1472];
	uint8_t *f, t[4];

	if (!p)
		abort();
	ev.buf = pkt_id(&w->net, p);
	f = pkt_at(p, PKT_DATA_OFF);
	memcpy(f, w->net.frames + d.addr, d.len);
	memcpy(t, f + 26, 4);			/* addresses and ports the other way round: */
	memcpy(f + 26, f + 30, 4);		/* the checksums stay right */
	memcpy(f + 30, t, 4);
	memcpy(t, f + 34, 2);
	memcpy(f + 34, f + 36, 2);
	memcpy(f + 36, t, 2);
	counted_in(w, &ev);
	counted_take(w, u, buf, len);
}

static int run_case(const char *name, unsigned long n, size_t len)
{
	struct world *w = make_world();
	bool connected = strncmp(name, "unconn", 6) != 0;

	for (unsigned long i = 0; i < n; i++) {
		send_one(w, connected, len);
		receive_one(w, connected, len);
	}
	return 0;
}

/* Instructions of @fn in a run of @n datagrams; -1 when valgrind fails. */
static long count(const char *self, const char *fn, const char *name, unsigned long n, size_t len)
{
	char cmd[1024], line[256], out[] = "/tmp/count_udp.XXXXXX";
	long total = -1;
	int fd = mkstemp(out);
	FILE *f;

	if (fd < 0)
		return -1;
	close(fd);
	snprintf(cmd, sizeof(cmd),
		 "valgrind --tool=callgrind --callgrind-out-file=%s --collect-atstart=no "
		 "--toggle-collect=%s '%s' %s %lu %zu >/dev/null 2>&1", out, fn, self, name, n, len);
	if (system(cmd) == 0 && (f = fopen(out, "r"))) {
		while (fgets(line, sizeof(line), f))
			if (sscanf(line, "totals: %ld", &total) == 1 ||
			    sscanf(line, "summary: %ld", &total) == 1)
				break;
		fclose(f);
	}
	unlink(out);
	return total;
}

int main(int argc, char **argv)
{
	static const struct {
		const char *title, *fn, *name;
		size_t len;
	} rows[] = {
		{ "in, connected, empty", "counted_in", "conn", 0 },
		{ "in, connected, 64 bytes", "counted_in", "conn", 64 },
		{ "in, unconnected, empty", "counted_in", "unconn", 0 },
		{ "take from the queue, empty", "counted_take", "conn", 0 },
		{ "take from the queue, 64 bytes", "counted_take", "conn", 64 },
		{ "out, connected, empty", "counted_out", "conn", 0 },
		{ "out, connected, 64 bytes", "counted_out", "conn", 64 },
		{ "out, unconnected, empty", "counted_out", "unconn", 0 },
		{ "completion of one frame", "counted_reap", "conn", 0 },
	};

	if (argc == 4)
		return run_case(argv[1], strtoul(argv[2], NULL, 0), strtoul(argv[3], NULL, 0));
	if (system("valgrind --version >/dev/null 2>&1") != 0) {
		fprintf(stderr, "count_udp: needs valgrind\n");
		return 77;
	}
	printf("%-32s %s\n", "UDP datagram", "instructions");
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		long one = count(argv[0], rows[i].fn, rows[i].name, N, rows[i].len);
		long two = count(argv[0], rows[i].fn, rows[i].name, 2 * N, rows[i].len);

		if (one < 0 || two < 0) {
			fprintf(stderr, "count_udp: callgrind failed\n");
			return 1;
		}
		printf("%-32s %.1f\n", rows[i].title, (double)(two - one) / N);
	}
	return 0;
}
