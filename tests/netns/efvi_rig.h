/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * efvi_rig.h - the stage of efvi_test.c: VIs against frames made by hand
 *
 *      namespace A                            namespace B
 *      pt-efvi-a 10.66.0.1 fd66::1 ---------- pt-efvi-b 10.66.0.2 fd66::2
 *      posternd, VIs of this process          a packet socket
 *
 * The namespaces have no name and go with the process; so does the daemon.
 */
#ifndef POSTERN_TESTS_EFVI_RIG_H
#define POSTERN_TESTS_EFVI_RIG_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cplane/api.h>
#include <etherfabric/capabilities.h>
#include <etherfabric/checksum.h>
#include <etherfabric/efct_vi.h>
#include <etherfabric/memreg.h>
#include <etherfabric/packedstream.h>
#include <etherfabric/pd.h>
#include <etherfabric/pio.h>
#include <etherfabric/timer.h>
#include <etherfabric/vi.h>

#define IF_A "pt-efvi-a"
#define IF_B "pt-efvi-b"
#define IP_A "10.66.0.1"
#define IP_B "10.66.0.2"
#define IP6_A "fd66::1"
#define IP6_B "fd66::2"

enum { N_BUFS = 256, BUF = 2048 };

static struct {
	int ns_a, ns_b;
	uint8_t mac_a[6], mac_b[6];
	int if_a, if_b;
	int pkt;		/* packet socket on B's end */
} t;

/* A VI with memory of its own. */
struct rig {
	ef_driver_handle dh;
	ef_pd pd;
	ef_vi vi;
	ef_memreg mr;
	uint8_t *mem;
};

static inline void sh(const char *cmd)
{
	if (system(cmd) != 0)
		fail_msg("%s", cmd);
}

static inline void ms(int n)
{
	nanosleep(&(struct timespec){ n / 1000, n % 1000 * 1000000l }, NULL);
}

static inline void get_mac(const char *name, uint8_t mac[6])
{
	struct ifreq r;
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	memset(&r, 0, sizeof(r));
	snprintf(r.ifr_name, sizeof(r.ifr_name), "%s", name);
	assert_int_equal(ioctl(fd, SIOCGIFHWADDR, &r), 0);
	memcpy(mac, r.ifr_hwaddr.sa_data, 6);
	close(fd);
}

static inline int packet_socket(int ifindex)
{
	struct sockaddr_ll sll = { .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL),
				   .sll_ifindex = ifindex };
	int fd = socket(AF_PACKET, SOCK_RAW, htons(ETH_P_ALL)), one = 1, big = 8 << 20;

	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&sll, sizeof(sll)), 0);
	setsockopt(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &one, sizeof(one));
	setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &big, sizeof(big));
	return fd;
}

static inline int rig_up(void **state)
{
	char cmd[512], path[512];
	const char *build = getenv("POSTERN_BUILD");

	(void)state;
	if (geteuid() != 0) {
		puts("needs root");
		exit(77);
	}
	snprintf(path, sizeof(path), "%s/src/ctld/posternd", build ? build : ".");
	setenv("POSTERN_POSTERND", path, 1);
	setenv("EF_VI_LOG_LEVEL", "1", 1);
	if (unshare(CLONE_NEWNET) < 0)
		exit(77);
	t.ns_b = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	sh("ip link set lo up");
	assert_int_equal(unshare(CLONE_NEWNET), 0);
	t.ns_a = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	snprintf(cmd, sizeof(cmd), "ip link add " IF_A " type veth peer name " IF_B " netns /proc/%d/fd/%d",
		 getpid(), t.ns_b);
	sh(cmd);
	sh("ip link set lo up; sysctl -qw net.ipv6.conf." IF_A ".accept_dad=0;"
	   "ip addr add " IP_A "/24 dev " IF_A "; ip addr add " IP6_A "/64 dev " IF_A " nodad;"
	   "ip link set " IF_A " up");
	t.if_a = (int)if_nametoindex(IF_A);
	get_mac(IF_A, t.mac_a);
	assert_int_equal(setns(t.ns_b, CLONE_NEWNET), 0);
	sh("sysctl -qw net.ipv6.conf." IF_B ".accept_dad=0;"
	   "ip addr add " IP_B "/24 dev " IF_B "; ip addr add " IP6_B "/64 dev " IF_B " nodad;"
	   "ip link set " IF_B " up");
	t.if_b = (int)if_nametoindex(IF_B);
	get_mac(IF_B, t.mac_b);
	t.pkt = packet_socket(t.if_b);
	assert_int_equal(setns(t.ns_a, CLONE_NEWNET), 0);
	ms(100);
	return 0;
}

/* ---- frames ---- */

struct spec {
	int proto, sport, dport, len;	/* len: of the payload */
	const char *src, *dst;		/* default B and A */
	const uint8_t *dmac;		/* default A's */
	int vlan;			/* 0: no tag */
	int seq;			/* first 4 bytes of the payload */
	bool v6, bad_csum;
};

static inline int make_frame(uint8_t *p, struct spec s)
{
	uint8_t *at = p;
	uint16_t type = htons(s.v6 ? ETH_P_IPV6 : ETH_P_IP);
	int hlen = s.proto == IPPROTO_TCP ? 20 : 8;
	struct iovec iov;

	memcpy(at, s.dmac ? s.dmac : t.mac_a, 6);
	memcpy(at + 6, t.mac_b, 6);
	at += 12;
	if (s.vlan) {
		uint16_t tag[2] = { htons(ETH_P_8021Q), htons((uint16_t)s.vlan) };

		memcpy(at, tag, 4);
		at += 4;
	}
	memcpy(at, &type, 2);
	at += 2;
	uint8_t *l3 = at;
	if (s.v6) {
		struct ip6_hdr ip;

		memset(&ip, 0, sizeof(ip));
		ip.ip6_plen = htons((uint16_t)(hlen + s.len));
		ip.ip6_nxt = (uint8_t)s.proto;
		ip.ip6_hlim = 64;
		ip.ip6_vfc = 0x60;

		inet_pton(AF_INET6, s.src ? s.src : IP6_B, &ip.ip6_src);
		inet_pton(AF_INET6, s.dst ? s.dst : IP6_A, &ip.ip6_dst);
		memcpy(at, &ip, 40);
		at += 40;
	} else {
		struct iphdr ip = { .version = 4, .ihl = 5, .tot_len = htons((uint16_t)(20 + hlen + s.len)),
				    .ttl = 64, .protocol = (uint8_t)s.proto };

		ip.saddr = inet_addr(s.src ? s.src : IP_B);
		ip.daddr = inet_addr(s.dst ? s.dst : IP_A);
		ip.check = (uint16_t)ef_ip_checksum(&ip);
		memcpy(at, &ip, 20);
		at += 20;
	}
	memset(at, 0, (size_t)hlen);
	iov = (struct iovec){ at + hlen, (size_t)s.len };
	for (int i = 0; i < s.len; i++)
		at[hlen + i] = (uint8_t)i;
	if (s.len >= 4)
		memcpy(at + hlen, &s.seq, 4);
	if (s.proto == IPPROTO_UDP) {
		struct udphdr u = { .source = htons((uint16_t)s.sport), .dest = htons((uint16_t)s.dport),
				    .len = htons((uint16_t)(8 + s.len)) };

		memcpy(at, &u, 8);
		u.check = (uint16_t)ef_udp_checksum_ipx(s.v6 ? AF_INET6 : AF_INET, l3,
							(struct udphdr *)(void *)at, &iov, 1);
		if (s.bad_csum)
			u.check = (uint16_t)(u.check + 7) ? (uint16_t)(u.check + 7) : 9;
		memcpy(at, &u, 8);
	} else if (s.proto == IPPROTO_TCP) {
		struct tcphdr h = { .source = htons((uint16_t)s.sport), .dest = htons((uint16_t)s.dport),
				    .doff = 5, .ack = 1 };

		memcpy(at, &h, 20);
		h.check = (uint16_t)ef_tcp_checksum_ipx(s.v6 ? AF_INET6 : AF_INET, l3,
							(struct tcphdr *)(void *)at, &iov, 1);
		memcpy(at, &h, 20);
	}
	return (int)(at + hlen + s.len - p);
}

/* From B to A's interface. */
static inline void inject(struct spec s)
{
	uint8_t f[2048];
	int n = make_frame(f, s);

	assert_int_equal(send(t.pkt, f, (size_t)n, 0), n);
}

/* The next frame with this UDP destination port that reached B; its length, or -1. */
static inline int caught(uint8_t *f, int dport)
{
	for (int i = 0; i < 200;) {
		ssize_t n = recv(t.pkt, f, 2048, MSG_DONTWAIT);

		if (n < 0) {
			ms(1);
			i++;
			continue;
		}
		if (n >= 42 && f[12] == 8 && f[13] == 0 && f[23] == IPPROTO_UDP &&
		    (f[36] << 8 | f[37]) == dport)
			return (int)n;
	}
	return -1;
}

/* ---- VIs ---- */

static inline void post(struct rig *r, int i)
{
	assert_int_equal(ef_vi_receive_post(&r->vi, ef_memreg_dma_addr(&r->mr, (size_t)i * BUF), 1000 + i), 0);
}

static inline void rig_memory(struct rig *r)
{
	r->mem = mmap(NULL, N_BUFS * BUF, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_true(r->mem != MAP_FAILED);
	assert_int_equal(ef_memreg_alloc(&r->mr, r->dh, &r->pd, r->dh, r->mem, N_BUFS * BUF), 0);
}

static inline void rig_open(struct rig *r, enum ef_vi_flags flags)
{
	memset(r, 0, sizeof(*r));
	assert_int_equal(ef_driver_open(&r->dh), 0);
	assert_int_equal(ef_pd_alloc(&r->pd, r->dh, t.if_a, EF_PD_DEFAULT), 0);
	assert_int_equal(ef_vi_alloc_from_pd(&r->vi, r->dh, &r->pd, r->dh, -1, -1, -1, NULL, -1, flags), 0);
	rig_memory(r);
	for (int i = 0; i < 64; i++)
		post(r, i);
}

static inline void rig_close(struct rig *r)
{
	assert_int_equal(ef_driver_close(r->dh), 0);
	munmap(r->mem, N_BUFS * BUF);
}

static inline void filter_udp(ef_vi *vi, int dh, const char *ip, int port, ef_filter_cookie *c)
{
	ef_filter_spec s;

	ef_filter_spec_init(&s, EF_FILTER_FLAG_NONE);
	assert_int_equal(ef_filter_spec_set_ip4_local(&s, IPPROTO_UDP, inet_addr(ip), htons((uint16_t)port)), 0);
	assert_int_equal(ef_vi_filter_add(vi, dh, &s, c), 0);
}

/* Polls until an event comes or 300 ms have gone; 0 or 1. */
static inline int one_event(ef_vi *vi, ef_event *ev)
{
	static ef_event left[16];
	static int n_left, at;

	for (int i = 0; i < 300; i++) {
		if (at < n_left) {
			*ev = left[at++];
			return 1;
		}
		at = 0;
		n_left = ef_eventq_poll(vi, left, 16);
		assert_true(n_left >= 0 && n_left <= 16);
		if (!n_left)
			ms(1);
	}
	return 0;
}

static inline int no_event(ef_vi *vi)
{
	ef_event ev[4];

	ms(20);
	return ef_eventq_poll(vi, ev, 4) == 0;
}

#endif
