/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * rx.c - fuzz target: the whole receive path into a live set of endpoints
 *
 * One simulated host with a TCP connection, a listener, and UDP endpoints of all kinds;
 * what it sends is swallowed, what it receives is the input: a list of steps, each an
 * octet that says what, an octet of length, and that many bytes.  Steps repair what
 * would keep random bytes from getting anywhere (addresses, checksums, sequence numbers
 * near those expected).  What must hold: after each step every frame and every
 * endpoint is where it says it is (sim_check()).
 */
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#include "fuzz.h"
#include "sim.h"
#include "tcp/tcp.h"
#include "udp/udp.h"
#include "wire/eth.h"
#include "wire/ip4.h"
#include "wire/ip6.h"
#include "wire/tcp.h"

enum { FRAME_MAX = 1024, CONN_PORT = 1000, PEER_PORT = 2000, LISTEN_PORT = 80, UDP_PORT = 53 };

struct host {
	struct sim *s;
	struct sim_host *h;
	struct tcp_conn *conn;		/* NULL once closed */
	struct tcp_listen *listener;
	struct tcp_conn *accepted;
	struct udp_ep *udp[4];
	struct ipaddr peer4, peer6;
	uint8_t peer_mac[6];
	uint32_t last_seq;		/* of the last TCP segment that the host sent */
};

static enum sim_verdict swallow(struct sim_host *from, uint8_t *frame, size_t len, void *arg)
{
	struct host *t = arg;

	(void)from;
	if (len >= 54 && get_be16(frame + 12) == ETH_T_IP4 && frame[23] == IPPROTO_TCP)
		t->last_seq = get_be32(frame + 38);
	return SIM_DROP;
}

/* ---- frames in ----------------------------------------------------------------------- */

static void put_l4_csum(uint8_t *l4, size_t len, uint8_t proto, const struct ipaddr *src,
			const struct ipaddr *dst)
{
	size_t at = proto == IPPROTO_TCP ? 16 : proto == IPPROTO_UDP ? 6 : 2;
	be16_t c = { 0 };
	uint32_t sum = 0;

	if (len < at + 2)
		return;
	memcpy(l4 + at, &c, 2);
	if (proto != IPPROTO_ICMP)
		sum = csum_pseudo(src, dst, proto, (uint32_t)len);
	c = csum_fold(csum_partial(l4, len, sum));
	memcpy(l4 + at, &c, 2);
}

static size_t put_eth(struct host *t, uint8_t *f, uint16_t type)
{
	memcpy(f, t->h->mac, 6);
	memcpy(f + 6, t->peer_mac, 6);
	put_be16(f + 12, type);
	return ETH_HDR_LEN;
}

/* An IPv4 packet from the peer around @len bytes of transport header and payload. */
static void inject4(struct host *t, uint8_t proto, const void *l4, size_t len)
{
	uint8_t f[FRAME_MAX];
	struct ip4 ip = {
		.src = ipaddr_to4(&t->peer4), .dst = ipaddr_to4(&t->h->ip4),
		.tot_len = (uint16_t)(IP4_HDR_LEN + len), .ttl = 64, .proto = proto,
	};

	put_eth(t, f, ETH_T_IP4);
	ip4_put(f + 14, &ip);
	ip4_csum_set(f + 14);
	memcpy(f + 34, l4, len);
	put_l4_csum(f + 34, len, proto, &t->peer4, &t->h->ip4);
	sim_inject(t->h, f, 34 + len);
}

static void inject6(struct host *t, uint8_t next, const void *l4, size_t len)
{
	uint8_t f[FRAME_MAX];
	struct ip6 ip = {
		.src = t->peer6, .dst = t->h->ip6, .tot_len = IP6_HDR_LEN + (uint32_t)len,
		.next = next, .hop_limit = 64,
	};

	put_eth(t, f, ETH_T_IP6);
	ip6_put(f + 14, &ip);
	memcpy(f + 54, l4, len);
	if (next == IPPROTO_TCP || next == IPPROTO_UDP || next == IPPROTO_ICMPV6)
		put_l4_csum(f + 54, len, next, &t->peer6, &t->h->ip6);
	sim_inject(t->h, f, 54 + len);
}

static size_t put_tcp(uint8_t *b, uint16_t sport, uint16_t dport, uint32_t seq, uint32_t ack,
		      uint8_t flags, uint16_t wnd, const uint8_t *opts, size_t opts_len)
{
	struct tcp_seg seg = {
		.seq = seq, .ack = ack, .sport = to_be16(sport), .dport = to_be16(dport),
		.wnd = wnd, .flags = flags, .hdr_len = (uint8_t)(TCP_HDR_LEN + opts_len),
	};

	tcp_put(b, &seg);
	memcpy(b + TCP_HDR_LEN, opts, opts_len);
	return TCP_HDR_LEN + opts_len;
}

/* ---- the steps ------------------------------------------------------------------------- */

/* Whole frame; the destination MAC is repaired, so that the NIC takes it. */
static void step_frame(struct host *t, const uint8_t *p, size_t n)
{
	uint8_t f[256];

	memcpy(f, p, n);
	if (n >= 6 && !(f[0] & 1))
		memcpy(f, t->h->mac, 6);
	sim_inject(t->h, f, n);
}

/* Behind a good IPv4 header: protocol, then all the rest. */
static void step_ip4(struct host *t, const uint8_t *p, size_t n)
{
	static const uint8_t protos[] = { IPPROTO_TCP, IPPROTO_UDP, IPPROTO_ICMP };
	uint8_t b[256];

	if (n < 9)
		return;
	memcpy(b, p + 1, n - 1);
	/* A port that somebody has, half of the time. */
	if (p[0] & 4)
		put_be16(b + 2, (uint16_t[]){ CONN_PORT, LISTEN_PORT, UDP_PORT, 54 }[p[0] >> 4 & 3]);
	inject4(t, p[0] & 8 ? p[0] : protos[(p[0] & 3) % 3], b, n - 1);
}

static void step_ip6(struct host *t, const uint8_t *p, size_t n)
{
	uint8_t b[256];

	if (n < 9)
		return;
	memcpy(b, p + 1, n - 1);
	if (p[0] == IPPROTO_UDP)
		put_be16(b + 2, UDP_PORT);
	inject6(t, p[0], b, n - 1);
}

/* Flags, then sequence and acknowledgement relative to those expected, window,
 * length of options in words, length of payload; the rest are options. */
static void step_conn(struct host *t, const uint8_t *p, size_t n)
{
	uint8_t b[FRAME_MAX];
	uint32_t seq, ack;
	size_t len, opts, data;

	if (n < 9 || !t->conn)
		return;
	seq = t->conn->rcv_nxt + (uint32_t)(int16_t)get_be16(p + 1);
	ack = t->conn->snd_nxt + (uint32_t)(int16_t)get_be16(p + 3);
	opts = min_t(size_t, (p[7] & 15) * 4u, (n - 9) & ~(size_t)3);
	opts = min_t(size_t, opts, 40);
	data = p[8] * 2u;
	len = put_tcp(b, PEER_PORT, CONN_PORT, seq, ack, p[0], get_be16(p + 5), p + 9, opts);
	memset(b + len, 'd', data);
	inject4(t, IPPROTO_TCP, b, len + data);
}

/* To the listener, from one of four ports; ack relative to what the host sent last. */
static void step_listener(struct host *t, const uint8_t *p, size_t n)
{
	uint8_t b[FRAME_MAX];
	size_t len, opts;

	if (n < 8)
		return;
	opts = min_t(size_t, (n - 8) & ~(size_t)3, 40);
	len = put_tcp(b, (uint16_t)(3000 + (p[0] & 3)), LISTEN_PORT, get_be16(p + 1),
		      t->last_seq + (uint32_t)(int16_t)get_be16(p + 3), p[5], get_be16(p + 6),
		      p + 8, opts);
	memset(b + len, 'd', p[0] >> 2);
	inject4(t, IPPROTO_TCP, b, len + (p[0] >> 2));
}

static void step_icmp(struct host *t, const uint8_t *p, size_t n)
{
	uint8_t b[8 + 28] = { 0 };
	struct ip4 ip = {
		.src = ipaddr_to4(&t->h->ip4), .dst = ipaddr_to4(&t->peer4), .tot_len = 40,
		.ttl = 60, .proto = p[0] & 1 ? IPPROTO_TCP : IPPROTO_UDP,
	};

	if (n < 6)
		return;
	b[0] = p[1];
	b[1] = p[2];
	put_be16(b + 6, get_be16(p + 3));
	ip4_put(b + 8, &ip);
	put_be16(b + 28, ip.proto == IPPROTO_TCP ? CONN_PORT : 54);
	put_be16(b + 30, PEER_PORT);
	put_be32(b + 32, t->conn ? t->conn->snd_una + p[5] : p[5]);
	inject4(t, IPPROTO_ICMP, b, sizeof(b));
}

static void step_time(struct host *t, const uint8_t *p, size_t n)
{
	if (n >= 2)
		sim_run(t->s, (uint64_t)get_be16(p) * NSEC_PER_MSEC);
}

static void udp_app(struct host *t, uint8_t what)
{
	struct udp_ep *u = t->udp[what & 3];
	struct pkt *p = udp_pop(&t->h->net, u);
	struct iovec iov;
	char buf[64];

	iov = (struct iovec){ buf, sizeof(buf) };
	if (p) {
		(void)udp_copy_out(&t->h->net, p, what, &iov, 1);
		pkt_free(&t->h->net, p);
	}
	if (what & 4)
		(void)udp_send(&t->h->net, t->udp[1], NULL, &iov, 1, sizeof(buf));
}

static void tcp_app(struct host *t, struct tcp_conn **c, uint8_t what, uint8_t n)
{
	struct net *net = &t->h->net;
	static char buf[4096];
	struct iovec iov = { buf, (n + 1u) * 16 };

	if (!*c)
		return;
	switch (what & 7) {
	case 0:
	case 1:
		(void)tcp_send(net, *c, &iov, 1, 0, iov.iov_len, what & 8 ? TCP_SEND_MORE : 0);
		break;
	case 2:
	case 3:
		(void)tcp_recv(net, *c, &iov, 1, 0, iov.iov_len, 0, what & 8 ? TCP_RECV_PEEK : 0);
		break;
	case 4:
		(void)tcp_shutdown(net, *c, n % 3);
		break;
	case 5:
		tcp_push(net, *c);
		break;
	case 6:
		tcp_ack_now(net, *c);
		break;
	case 7:
		tcp_close(net, *c, what & 8);
		*c = NULL;
		break;
	}
}

static void step_app(struct host *t, const uint8_t *p, size_t n)
{
	if (n < 2)
		return;
	t->h->net.now = sim_now(t->s);
	switch (p[0] >> 5) {
	case 0:
	case 1:
	case 2:
		tcp_app(t, &t->conn, p[0], p[1]);
		break;
	case 3:
	case 4:
		tcp_app(t, &t->accepted, p[0], p[1]);
		break;
	case 5:
		if (!t->accepted && t->listener)
			t->accepted = tcp_accept(&t->h->net, t->listener);
		break;
	case 6:
		udp_app(t, p[0]);
		break;
	case 7:
		if ((p[0] & 31) == 31 && t->listener) {
			tcp_listen_close(&t->h->net, t->listener);
			t->listener = NULL;
		}
		break;
	}
}

/* ---- a host with something of everything -------------------------------------------------- */

static struct udp_ep *open_udp(struct host *t, const struct ipaddr *laddr, uint16_t lport,
			       bool connected)
{
	struct udp_ep *u = udp_ep(sim_ep(t->h, IPPROTO_UDP, laddr, lport));

	udp_init(&t->h->net, u, 10000);
	if (connected) {
		u->ep.flow.raddr = t->peer4;
		u->ep.flow.rport = to_be16(PEER_PORT);
		u->ep.flags |= EP_F_CONNECTED;
	}
	FUZZ_CHECK(demux_insert(&t->h->net, &u->ep) == 0);
	return u;
}

static void establish(struct host *t)
{
	static const uint8_t opts[] = { 2, 4, 5, 180, 4, 2, 1, 1, 3, 3, 7, 0 };
	uint8_t b[64];
	size_t n;

	t->conn = tcp_conn(sim_ep(t->h, IPPROTO_TCP, &t->h->ip4, CONN_PORT));
	tcp_conn_init(&t->h->net, t->conn);
	t->conn->ep.flow.lport = to_be16(CONN_PORT);
	t->conn->ep.flow.laddr = t->h->ip4;
	t->conn->ep.flow.raddr = t->peer4;
	t->conn->ep.flow.rport = to_be16(PEER_PORT);
	FUZZ_CHECK(tcp_connect(&t->h->net, t->conn) == 0);
	sim_run(t->s, NSEC_PER_MSEC);
	n = put_tcp(b, PEER_PORT, CONN_PORT, 0xfffffff0, t->last_seq + 1, TCP_SYN | TCP_ACK, 1000,
		    opts, sizeof(opts));
	inject4(t, IPPROTO_TCP, b, n);
	FUZZ_CHECK(t->conn->state == TCPS_ESTABLISHED);
}

static void make_host(struct host *t)
{
	struct sim_host_conf conf = { .n_eps = 24, .n_frames = 256, .fill = 16, .tx_ring = 64 };
	struct ipaddr group = ipaddr_from4(to_be32(0xefc00001));

	memset(t, 0, sizeof(*t));
	t->s = sim_create(1);
	sim_tap(t->s, swallow, t);
	t->h = sim_host_add(t->s, &conf);
	t->peer4 = ipaddr_from4(to_be32(0x0a000009));
	t->peer6 = (struct ipaddr){ .b = { 0xfd, [15] = 9 } };
	memcpy(t->peer_mac, (uint8_t[]){ 2, 0, 0, 0, 0, 9 }, 6);
	sim_neigh_set(t->h, &t->peer4, t->peer_mac, CP_NEIGH_VALID);
	sim_neigh_set(t->h, &t->peer6, t->peer_mac, CP_NEIGH_VALID);

	t->udp[0] = open_udp(t, NULL, UDP_PORT, false);
	t->udp[1] = open_udp(t, &t->h->ip4, 54, true);
	t->udp[2] = open_udp(t, &group, UDP_PORT, false);
	t->udp[3] = open_udp(t, NULL, UDP_PORT, false);
	FUZZ_CHECK(udp_join(&t->h->net, t->udp[2], &group, SIM_IFINDEX) == 0);

	t->listener = tcp_listener(sim_ep(t->h, IPPROTO_TCP, NULL, LISTEN_PORT));
	FUZZ_CHECK(tcp_listen_start(&t->h->net, t->listener, 4) == 0);
	establish(t);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static void (*const steps[])(struct host *, const uint8_t *, size_t) = {
		step_frame, step_ip4, step_ip6, step_conn, step_listener, step_icmp, step_time,
		step_app,
	};
	struct host t;

	make_host(&t);
	while (size >= 2) {
		size_t n = min_t(size_t, data[1], size - 2);
		uint8_t p[256] = { 0 };

		/* A step may look at a byte that its length does not cover. */
		memcpy(p, data + 2, n);
		steps[data[0] % ARRAY_SIZE(steps)](&t, p, n);
		sim_poll(t.h);
		sim_check(t.s);
		data += 2 + n;
		size -= 2 + n;
	}
	sim_run(t.s, 300 * NSEC_PER_SEC);
	sim_check(t.s);
	sim_destroy(t.s);
	return 0;
}
