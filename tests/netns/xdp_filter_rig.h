/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * xdp_filter_rig.h - the stage of xdp_filter_test.c: two namespaces, frames by
 * hand, and the question where a frame came out
 *
 *      namespace A (host under test)          namespace B (peer)
 *      pt-nic-a  10.9.0.1 fd09::1  ---------  pt-nic-b  10.9.0.2 fd09::2
 *      XDP program, AF_XDP socket             frames are injected here
 *      packet socket: what the kernel got
 *
 * The namespaces have no name and go with the process.  For one test program
 * only, so all is static.
 */
#ifndef POSTERN_TESTS_XDP_FILTER_RIG_H
#define POSTERN_TESTS_XDP_FILTER_RIG_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_link.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "nic/nic.h"
#include "nic/xdp/xdp_open.h"

enum { SHIFT = 11, N_FRAMES = 512, MAX_FRAME = 8192, ETH = 14 };
enum fate { RING, KERNEL, NOWHERE };
enum { TCP = IPPROTO_TCP, UDP = IPPROTO_UDP };
enum { SYN = 0x02, ACK = 0x10 };

#define A4 "10.9.0.1"
#define B4 "10.9.0.2"
#define A6 "fd09::1"
#define B6 "fd09::2"

static struct {
	int ns_a, ns_b;		/* namespaces */
	unsigned if_a, if_b;
	int tap_a, inject_b;	/* packet sockets */
	int arena;
	uint8_t *frames;
	struct xdp_prog *prog;
	struct vi vi;
	struct vi_shm shm;
	uint32_t open_flags;
	uint32_t tag;
	int last_events;	/* frames of the last packet on the ring */
} t;

/* --- frames --- */

struct frame {
	uint8_t b[MAX_FRAME];
	size_t len, l3;
};

static void put16(struct frame *f, unsigned v)
{
	f->b[f->len++] = (uint8_t)(v >> 8);
	f->b[f->len++] = (uint8_t)v;
}

static void put(struct frame *f, const void *p, size_t n)
{
	memcpy(f->b + f->len, p, n);
	f->len += n;
}

static void eth(struct frame *f, unsigned type)
{
	static const uint8_t macs[12] = { 2, 0, 0, 0, 9, 1, 2, 0, 0, 0, 9, 2 };

	f->len = 0;
	put(f, macs, sizeof(macs));
	put16(f, type);
	f->l3 = f->len;
}

/* @frag: the flags and offset field; @options: words of IPv4 options */
static void ip4(struct frame *f, const char *src, const char *dst, int proto, unsigned frag,
		unsigned options)
{
	const uint8_t nop[4] = { 1, 1, 1, 1 };
	struct in_addr a;

	put16(f, (0x45 + options) << 8);
	put16(f, 0);
	put16(f, 0x1234);
	put16(f, frag);
	put16(f, (unsigned)(64 << 8 | proto));
	put16(f, 0);
	inet_pton(AF_INET, src, &a);
	put(f, &a, 4);
	inet_pton(AF_INET, dst, &a);
	put(f, &a, 4);
	while (options--)
		put(f, nop, 4);
}

static void ip6(struct frame *f, const char *src, const char *dst, int next)
{
	struct in6_addr a;

	put16(f, 0x6000);
	put16(f, 0);
	put16(f, 100);
	put16(f, (unsigned)(next << 8 | 64));
	inet_pton(AF_INET6, src, &a);
	put(f, &a, 16);
	inet_pton(AF_INET6, dst, &a);
	put(f, &a, 16);
}

static void ext6(struct frame *f, int next)
{
	put16(f, (unsigned)next << 8);
	put16(f, 0);
	put16(f, 0);
	put16(f, 0);
}

static void l4(struct frame *f, int proto, unsigned sport, unsigned dport, unsigned tcp_flags)
{
	put16(f, sport);
	put16(f, dport);
	if (proto == UDP) {
		put16(f, 8 + 32);
		put16(f, 0);
		return;
	}
	put(f, "\0\0\0\1\0\0\0\1", 8);
	put16(f, 0x5000 | tcp_flags);
	put(f, "\0\1\0\0\0\0", 6);
}

static void flow4(struct frame *f, int proto, const char *src, unsigned sport, const char *dst,
		  unsigned dport)
{
	eth(f, 0x0800);
	ip4(f, src, dst, proto, 0, 0);
	l4(f, proto, sport, dport, ACK);
}

static void flow6(struct frame *f, int proto, const char *src, unsigned sport, const char *dst,
		  unsigned dport)
{
	eth(f, 0x86dd);
	ip6(f, src, dst, proto);
	l4(f, proto, sport, dport, ACK);
}

/* --- where does it come out? --- */

static uint64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

static bool tagged(const uint8_t *p, size_t len)
{
	return len >= 4 && !memcmp(p + len - 4, &t.tag, 4);
}

static bool on_ring(void)
{
	struct vi_event ev[16];
	bool found = false;
	int n, i;

	if (t.vi.driver != VI_DRV_XDP)
		return false;
	n = vi_rx_poll(&t.vi, ev, 16);
	for (i = 0; i < n; i++) {
		found |= tagged(t.frames + ((size_t)ev[i].buf << SHIFT) + ev[i].off, ev[i].len);
		assert_int_equal(vi_rx_refill(&t.vi, &ev[i].buf, 1), 1);
	}
	if (found)
		t.last_events = n;
	return found;
}

static bool at_kernel(void)
{
	uint8_t b[MAX_FRAME];
	ssize_t n;

	while ((n = recv(t.tap_a, b, sizeof(b), MSG_DONTWAIT)) > 0)
		if (tagged(b, (size_t)n))
			return true;
	return false;
}

static enum fate fate_exact(struct frame *f)
{
	uint64_t end;

	t.tag++;
	memcpy(f->b + f->len - 4, &t.tag, 4);
	assert_int_equal(send(t.inject_b, f->b, f->len, 0), f->len);
	for (end = now_ms() + 60; now_ms() < end; usleep(200)) {
		if (on_ring())
			return RING;
		if (at_kernel())
			return KERNEL;
	}
	return NOWHERE;
}

/* As above, with 32 bytes of payload to carry the tag. */
static enum fate fate(struct frame *f)
{
	memset(f->b + f->len, 0, 32);
	f->len += 32;
	return fate_exact(f);
}

static enum fate fate4(int proto, const char *src, unsigned sport, const char *dst, unsigned dport)
{
	struct frame f;

	flow4(&f, proto, src, sport, dst, dport);
	return fate(&f);
}

static enum fate fate6(int proto, const char *src, unsigned sport, const char *dst, unsigned dport)
{
	struct frame f;

	flow6(&f, proto, src, sport, dst, dport);
	return fate(&f);
}

/* --- filters --- */

static struct ipaddr addr(const char *s)
{
	struct ipaddr a = IPADDR_ANY;
	be32_t a4;

	if (!s)
		return a;
	if (inet_pton(AF_INET6, s, a.b) == 1)
		return a;
	assert_int_equal(inet_pton(AF_INET, s, &a4), 1);
	return ipaddr_from4(a4);
}

/* The kind follows from what is given. */
static struct nic_filter filter(int family, int proto, const char *l, unsigned lport,
				const char *r, unsigned rport, uint32_t set)
{
	return (struct nic_filter){
		.kind = r ? NIC_FILTER_EXACT : l ? NIC_FILTER_LOCAL : NIC_FILTER_WILDCARD,
		.family = (uint8_t)family,
		.vi_set = set,
		.flow = {
			.laddr = addr(l), .raddr = addr(r), .lport = to_be16((uint16_t)lport),
			.rport = to_be16((uint16_t)rport), .proto = (uint8_t)proto,
		},
	};
}

static struct nic_filter add(int family, int proto, const char *l, unsigned lport, const char *r,
			     unsigned rport, uint32_t set)
{
	struct nic_filter f = filter(family, proto, l, lport, r, rport, set);

	assert_int_equal(xdp_filter_add(t.prog, &f), 0);
	return f;
}

static void del(struct nic_filter f)
{
	assert_int_equal(xdp_filter_del(t.prog, &f), 0);
}

static uint64_t stat_no_socket(void)
{
	struct xdp_filter_stats st;

	assert_int_equal(xdp_filter_stats(t.prog, &st), 0);
	return st.drop_no_socket;
}

static uint64_t stat_frag(void)
{
	struct xdp_filter_stats st;

	assert_int_equal(xdp_filter_stats(t.prog, &st), 0);
	return st.drop_frag;
}

/* --- set-up --- */

static void enter(int ns)
{
	assert_int_equal(setns(ns, CLONE_NEWNET), 0);
}

static int run_in(int ns, const char *cmd)
{
	int status;
	pid_t pid = fork();

	if (!pid)
		_exit(setns(ns, CLONE_NEWNET) < 0 || system(cmd) != 0);
	waitpid(pid, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static int packet_socket(unsigned ifindex)
{
	struct sockaddr_ll sll = {
		.sll_family = AF_PACKET, .sll_protocol = htons(0x0003), .sll_ifindex = (int)ifindex,
	};
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, htons(0x0003));

	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&sll, sizeof(sll)), 0);
	return fd;
}

static void fill_attr(struct xdp_open_attr *a)
{
	*a = (struct xdp_open_attr){
		.size = sizeof(*a), .ifindex = t.if_a, .arena_fd = t.arena,
		.umem_len = (uint64_t)N_FRAMES << SHIFT, .frame_size = 1u << SHIFT,
		.rx_size = 128, .tx_size = 128, .fill_size = 128, .comp_size = 128,
		.want_flags = XDP_WANT_ZC | XDP_WANT_SG, .shared_umem_fd = -1,
	};
}

static void shm_from(struct vi_shm *shm, const struct xdp_open_result *r)
{
	*shm = (struct vi_shm){
		.driver = VI_DRV_XDP, .flags = r->flags, .ifindex = t.if_a,
		.rx_size = r->rx_size, .tx_size = r->tx_size, .fill_size = r->fill_size,
		.comp_size = r->comp_size, .frame_shift = SHIFT, .n_frames = N_FRAMES,
	};
}

static void open_vi(void)
{
	struct xdp_open_attr a;
	struct xdp_open_result r;
	uint32_t bufs[128], i;

	fill_attr(&a);
	assert_int_equal(xdp_open(&a, &r), 0);
	t.open_flags = r.flags;
	shm_from(&t.shm, &r);
	assert_int_equal(vi_map_xdp(&t.vi, &t.shm, r.fd), 0);
	for (i = 0; i < 128; i++)
		bufs[i] = i;
	assert_int_equal(vi_rx_refill(&t.vi, bufs, 128), 128);
	assert_int_equal(xdp_xsk_set(t.prog, 0, 0, r.fd), 0);
}

static int set_up(void **state)
{
	char cmd[256], why[128];
	uint32_t flags = XDP_ATTACH_NO_GENERIC;
	struct ipaddr a;

	(void)state;
	assert_int_equal(unshare(CLONE_NEWNET), 0);
	t.ns_a = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	assert_int_equal(unshare(CLONE_NEWNET), 0);
	t.ns_b = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	snprintf(cmd, sizeof(cmd),
		 "ip link add pt-nic-a address 02:00:00:00:09:01 mtu 9000 type veth peer name pt-nic-b "
		 "address 02:00:00:00:09:02 mtu 9000 netns %d", (int)getpid());
	assert_int_equal(run_in(t.ns_a, cmd), 0);
	assert_int_equal(run_in(t.ns_a, "ip addr add " A4 "/24 dev pt-nic-a && ip -6 addr add " A6
				"/64 dev pt-nic-a nodad && ip link set pt-nic-a up"), 0);
	assert_int_equal(run_in(t.ns_b, "ip addr add " B4 "/24 dev pt-nic-b && ip -6 addr add " B6
				"/64 dev pt-nic-b nodad && ip link set pt-nic-b up"), 0);
	t.if_b = if_nametoindex("pt-nic-b");
	t.inject_b = packet_socket(t.if_b);
	enter(t.ns_a);
	t.if_a = if_nametoindex("pt-nic-a");
	t.tap_a = packet_socket(t.if_a);

	t.arena = memfd_create("xdp_filter_test", MFD_CLOEXEC);
	assert_true(t.arena >= 0);
	assert_int_equal(ftruncate(t.arena, (off_t)N_FRAMES << SHIFT), 0);
	t.frames = mmap(NULL, (size_t)N_FRAMES << SHIFT, PROT_READ | PROT_WRITE, MAP_SHARED,
			t.arena, 0);
	assert_ptr_not_equal(t.frames, MAP_FAILED);

	assert_int_equal(xdp_prog_attach(t.if_a, &t.prog, &flags, why, sizeof(why)), 0);
	a = addr(A4);
	assert_int_equal(xdp_local_set(t.prog, &a, true), 0);
	a = addr(A6);
	assert_int_equal(xdp_local_set(t.prog, &a, true), 0);
	open_vi();
	usleep(300000);	/* the link comes up */
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	vi_close(&t.vi);
	xdp_prog_close(t.prog);
	close(t.tap_a);
	close(t.inject_b);
	close(t.ns_a);
	close(t.ns_b);
	return 0;
}

#endif
