// SPDX-License-Identifier: BSD-2-Clause
/*
 * floor.c - what a frame costs before any protocol touches it
 *
 * Two processes, each pinned to a core and in a network namespace of its own,
 * joined by a veth pair, echo 64-byte UDP frames through the XDP filter and
 * AF_XDP.  All other latencies are given on top of this one.  Prints one line
 * of key=value words per measurement.
 *
 *   floor [-n round trips] [-t flood seconds] [-c core,core] [-b] [-k frames] [-l bytes]
 *
 * -b: sleep in epoll_wait() instead of spinning, the floor of everything that does not spin.
 * -k: frames of the flood for one doorbell (32); 1 is the floor of send() a datagram at a time.
 * -l: length of the flood's frames (64).
 *
 * Needs root.  Exit: 0, 1 on failure, 77 when the machine cannot (no root, no
 * AF_XDP).  Namespaces and devices vanish with the processes.
 */
#include <errno.h>
#include <getopt.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "nic/nic.h"
#include "nic/xdp/xdp_open.h"

enum {
	FRAMES = 8192,
	FRAME_SHIFT = 11,
	RING = 2048,
	TX_FIRST = RING,	/* frames from here on are the sender's */
	FRAME_LEN = 64,
	PORT = 4791,
	WARM_UP = 2000,
};

static const uint8_t mac[2][6] = { { 2, 0, 0, 0, 0, 1 }, { 2, 0, 0, 0, 0, 2 } };
static const char *const dev[2] = { "pt-floor-0", "pt-floor-1" };

struct end {
	struct vi vi;
	struct vi_shm shm;
	uint8_t *frames;
	struct xdp_prog *prog;
	int ep;			/* -1: spin */
};

struct options {
	long n;
	int flood_s;
	int core[2];
	bool block;
	int per_kick, len;	/* of the flood */
};

/* What the two processes say to each other; the frames do not pass here. */
struct shared {
	_Atomic int ready, stop;
	_Alignas(CACHE_LINE) _Atomic uint64_t delivered;
};

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * NSEC_PER_SEC + (uint64_t)ts.tv_nsec;
}

static void die(const char *what, int rc)
{
	fprintf(stderr, "floor: %s: %s\n", what, strerror(-rc));
	exit(rc == -EPERM || rc == -EAFNOSUPPORT || rc == -EOPNOTSUPP ? 77 : 1);
}

__printf(1, 2) static void run(const char *fmt, ...)
{
	char cmd[256];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(cmd, sizeof(cmd), fmt, ap);
	va_end(ap);
	if (system(cmd) != 0) {
		fprintf(stderr, "floor: failed: %s\n", cmd);
		exit(1);
	}
}

static void pin(int core)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(core, &set);
	if (sched_setaffinity(0, sizeof(set), &set) < 0)
		fprintf(stderr, "floor: not pinned to core %d: %s\n", core, strerror(errno));
}

static struct ipaddr addr_of(int side)
{
	return ipaddr_from4(to_be32(0x0a000001u + (uint32_t)side));
}

static void end_open(struct end *e, int side)
{
	struct xdp_open_attr attr = {
		.size = sizeof(attr),
		.umem_len = (uint64_t)FRAMES << FRAME_SHIFT,
		.frame_size = 1u << FRAME_SHIFT,
		.rx_size = RING, .tx_size = RING, .fill_size = RING, .comp_size = RING,
		.want_flags = XDP_WANT_ZC,
		.shared_umem_fd = -1,
	};
	struct nic_filter f = {
		.kind = NIC_FILTER_LOCAL, .family = AF_INET,
		.flow = { .laddr = addr_of(side), .lport = to_be16(PORT), .proto = IPPROTO_UDP },
	};
	struct xdp_open_result r;
	uint32_t flags = 0, bufs[RING];
	char why[128];
	int rc, i;

	attr.ifindex = if_nametoindex(dev[side]);
	attr.arena_fd = memfd_create("floor", MFD_CLOEXEC);
	if (attr.arena_fd < 0 || ftruncate(attr.arena_fd, (off_t)attr.umem_len) < 0)
		die("memfd", -errno);
	e->frames = mmap(NULL, attr.umem_len, PROT_READ | PROT_WRITE, MAP_SHARED, attr.arena_fd, 0);
	if (e->frames == MAP_FAILED)
		die("mmap", -errno);

	rc = xdp_prog_attach(attr.ifindex, &e->prog, &flags, why, sizeof(why));
	if (rc < 0)
		die(why[0] ? why : "attach", rc);
	rc = xdp_open(&attr, &r);
	if (rc < 0)
		die("xdp_open", rc);
	e->shm = (struct vi_shm){
		.driver = VI_DRV_XDP, .flags = r.flags, .ifindex = attr.ifindex,
		.rx_size = r.rx_size, .tx_size = r.tx_size,
		.fill_size = r.fill_size, .comp_size = r.comp_size,
		.frame_shift = FRAME_SHIFT, .n_frames = FRAMES,
	};
	rc = vi_map_xdp(&e->vi, &e->shm, r.fd);
	if (rc < 0)
		die("vi_map_xdp", rc);
	for (i = 0; i < RING; i++)
		bufs[i] = (uint32_t)i;
	if (vi_rx_refill(&e->vi, bufs, RING) != RING)
		die("refill", -EIO);
	rc = xdp_xsk_set(e->prog, 0, 0, e->vi.fd);
	if (rc < 0)
		die("xdp_xsk_set", rc);
	rc = xdp_filter_add(e->prog, &f);
	if (rc < 0)
		die("xdp_filter_add", rc);
}

/* An IPv4 UDP frame without a UDP checksum (RFC 768 allows it). */
static void build(uint8_t *p, int from)
{
	static const uint8_t head[] = {
		0x08, 0x00, 0x45, 0, 0, FRAME_LEN - 14, 0, 0, 0x40, 0, 64, IPPROTO_UDP, 0, 0,
		10, 0, 0, 1, 10, 0, 0, 1,
		PORT >> 8, PORT & 0xff, PORT >> 8, PORT & 0xff, 0, FRAME_LEN - 34, 0, 0,
	};
	uint32_t sum = 0;
	int i;

	memset(p, 0, FRAME_LEN);
	memcpy(p, mac[!from], 6);
	memcpy(p + 6, mac[from], 6);
	memcpy(p + 12, head, sizeof(head));
	p[29] = (uint8_t)(1 + from);
	p[33] = (uint8_t)(1 + !from);
	for (i = 14; i < 34; i += 2)
		sum += (uint32_t)(p[i] << 8 | p[i + 1]);
	sum = ~((sum & 0xffff) + (sum >> 16));
	p[24] = (uint8_t)(sum >> 8);
	p[25] = (uint8_t)sum;
}

static void turn_round(uint8_t *p)
{
	uint8_t m[6], a[4];

	memcpy(m, p, 6);
	memcpy(p, p + 6, 6);
	memcpy(p + 6, m, 6);
	memcpy(a, p + 26, 4);
	memcpy(p + 26, p + 30, 4);
	memcpy(p + 30, a, 4);
}

static void give_back(struct vi *vi)
{
	uint32_t done[64];
	int n = vi_tx_poll(vi, done, 64);

	if (n)
		(void)vi_rx_refill(vi, done, n);
}

static void end_block(struct end *e, const struct options *o)
{
	struct epoll_event ev = { .events = EPOLLIN | EPOLLET };

	e->ep = -1;
	if (!o->block)
		return;
	e->ep = epoll_create1(EPOLL_CLOEXEC);
	if (e->ep < 0 || epoll_ctl(e->ep, EPOLL_CTL_ADD, e->vi.fd, &ev) < 0)
		die("epoll", -errno);
}

/* The next frames: spins for a moment, or sleeps. */
static int next_frames(struct end *e, struct vi_event *ev, int max)
{
	struct epoll_event one;
	int n = vi_rx_poll(&e->vi, ev, max);

	if (n || e->ep < 0)
		return n;
	(void)epoll_wait(e->ep, &one, 1, 100);
	return vi_rx_poll(&e->vi, ev, max);
}

static void echo_side(struct end *e, struct shared *sh)
{
	struct vi_event ev[16];
	int n, i;

	while (!atomic_load_explicit(&sh->stop, memory_order_relaxed)) {
		n = next_frames(e, ev, 16);
		if (!n)
			continue;
		for (i = 0; i < n; i++) {
			turn_round(e->frames + ((size_t)ev[i].buf << FRAME_SHIFT) + ev[i].off);
			(void)vi_tx_post(&e->vi, ev[i].buf, ev[i].off, ev[i].len, false);
		}
		(void)vi_tx_kick(&e->vi);
		give_back(&e->vi);
	}
}

static void sink_side(struct end *e, struct shared *sh)
{
	uint32_t bufs[64];
	struct vi_event ev[64];
	uint64_t total = 0;
	int n, i;

	while (!atomic_load_explicit(&sh->stop, memory_order_relaxed)) {
		n = vi_rx_poll(&e->vi, ev, 64);
		if (!n)
			continue;
		for (i = 0; i < n; i++)
			bufs[i] = ev[i].buf;
		(void)vi_rx_refill(&e->vi, bufs, n);
		total += (uint64_t)n;
		atomic_store_explicit(&sh->delivered, total, memory_order_relaxed);
	}
}

static int by_value(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

static int ping(struct end *e, const struct options *o)
{
	uint32_t *half = malloc((size_t)o->n * sizeof(*half)), buf = TX_FIRST, done[8];
	struct vi_event ev[4];
	uint64_t t0, t1;
	long i, lost = 0, got = 0;
	int n;

	if (!half)
		return -ENOMEM;
	for (i = -WARM_UP; i < o->n; i++) {
		build(e->frames + ((size_t)buf << FRAME_SHIFT) + 256, 0);
		t0 = now_ns();
		(void)vi_tx_post(&e->vi, buf, 256, FRAME_LEN, false);
		(void)vi_tx_kick(&e->vi);
		do {
			n = next_frames(e, ev, 4);
			t1 = now_ns();
		} while (!n && t1 - t0 < 100 * NSEC_PER_MSEC);
		while (n-- > 0)
			(void)vi_rx_refill(&e->vi, &ev[n].buf, 1);
		(void)vi_tx_poll(&e->vi, done, 8);
		buf = TX_FIRST + (buf - TX_FIRST + 1) % (FRAMES - TX_FIRST);
		if (t1 - t0 >= 100 * NSEC_PER_MSEC)
			lost++;
		else if (i >= 0)
			half[got++] = (uint32_t)((t1 - t0) / 2);
		if (lost > 10)
			break;
	}
	if (!got) {
		fprintf(stderr, "floor: no frame came back\n");
		free(half);
		return -EIO;
	}
	qsort(half, (size_t)got, sizeof(*half), by_value);
	printf("floor mode=echo wait=%s unit=half_rtt_ns n=%ld lost=%ld min=%u p50=%u p90=%u p99=%u "
	       "p99.9=%u max=%u zc=%d generic=%d\n",
	       o->block ? "block" : "spin", got, lost, half[0], half[got / 2], half[got * 9 / 10], half[got * 99 / 100],
	       half[got * 999 / 1000], half[got - 1], !!(e->shm.flags & VI_F_ZEROCOPY),
	       !!(e->shm.flags & VI_F_GENERIC));
	free(half);
	return 0;
}

static int flood(struct end *e, struct shared *sh, const struct options *o)
{
	uint32_t done[64], spare[FRAMES - TX_FIRST];
	int n_spare = 0, i;
	uint64_t t0, t, sent = 0, got;

	for (i = TX_FIRST; i < FRAMES; i++) {
		build(e->frames + ((size_t)i << FRAME_SHIFT) + 256, 0);
		spare[n_spare++] = (uint32_t)i;
	}
	got = atomic_load(&sh->delivered);
	t0 = now_ns();
	do {
		for (i = 0; i < o->per_kick && n_spare; i++) {
			if (vi_tx_post(&e->vi, spare[n_spare - 1], 256, (uint32_t)o->len, false) < 0)
				break;
			n_spare--;
			sent++;
		}
		(void)vi_tx_kick(&e->vi);
		i = vi_tx_poll(&e->vi, done, 64);
		memcpy(spare + n_spare, done, (size_t)i * sizeof(*done));
		n_spare += i;
		t = now_ns();
	} while (t - t0 < (uint64_t)o->flood_s * NSEC_PER_SEC);
	got = atomic_load(&sh->delivered) - got;
	printf("floor mode=flood unit=pps frame=%d per_kick=%d sent=%.0f delivered=%.0f\n", o->len, o->per_kick,
	       (double)sent * 1e9 / (double)(t - t0), (double)got * 1e9 / (double)(t - t0));
	return got ? 0 : -EIO;
}

static void bring_up(int side)
{
	run("ip link set lo up && ip link set %s address %02x:%02x:%02x:%02x:%02x:%02x && "
	    "ip addr add 10.0.0.%d/24 dev %s && ip link set %s up",
	    dev[side], mac[side][0], mac[side][1], mac[side][2], mac[side][3], mac[side][4],
	    mac[side][5], side + 1, dev[side], dev[side]);
}

static void wait_for(struct shared *sh, int level)
{
	while (atomic_load(&sh->ready) < level)
		usleep(1000);
}

/* The far process: echoes, or counts. */
static void far_side(struct shared *sh, const struct options *o, bool sink)
{
	static struct end e;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (unshare(CLONE_NEWNET) < 0)
		die("unshare", -errno);
	atomic_store(&sh->ready, 1);
	wait_for(sh, 2);	/* the device was moved here */
	bring_up(1);
	end_open(&e, 1);
	pin(o->core[1]);
	end_block(&e, o);
	atomic_store(&sh->ready, 3);
	if (sink)
		sink_side(&e, sh);
	else
		echo_side(&e, sh);
	vi_close(&e.vi);
	xdp_prog_close(e.prog);
	_exit(0);
}

static int measure(const struct options *o, bool sink)
{
	struct shared *sh = mmap(NULL, sizeof(*sh), PROT_READ | PROT_WRITE,
				 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	static struct end e;
	pid_t pid;
	int rc, status;

	if (sh == MAP_FAILED)
		die("mmap", -errno);
	if (unshare(CLONE_NEWNET) < 0)
		die("unshare", -errno);
	pid = fork();
	if (pid < 0)
		die("fork", -errno);
	if (!pid)
		far_side(sh, o, sink);
	wait_for(sh, 1);
	run("ip link add %s type veth peer name %s && ip link set %s netns %d", dev[0], dev[1],
	    dev[1], (int)pid);
	bring_up(0);
	atomic_store(&sh->ready, 2);
	end_open(&e, 0);
	while (atomic_load(&sh->ready) < 3) {
		if (waitpid(pid, &status, WNOHANG) == pid)
			exit(WIFEXITED(status) ? WEXITSTATUS(status) : 1);
		usleep(1000);
	}
	usleep(200000);		/* the link comes up */
	pin(o->core[0]);
	end_block(&e, o);
	rc = sink ? flood(&e, sh, o) : ping(&e, o);
	atomic_store(&sh->stop, 1);
	waitpid(pid, &status, 0);
	vi_close(&e.vi);
	xdp_prog_close(e.prog);
	munmap(sh, sizeof(*sh));
	return rc;
}

/* Each measurement has processes of its own, so that one leaves nothing warm
 * for the next. */
static int in_child(const struct options *o, bool sink)
{
	int status;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid < 0)
		die("fork", -errno);
	if (!pid) {
		int rc = measure(o, sink);

		fflush(stdout);
		_exit(rc < 0);
	}
	waitpid(pid, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

int main(int argc, char **argv)
{
	struct options o = { .n = 200000, .flood_s = 2, .core = { 0, 1 }, .per_kick = 32, .len = FRAME_LEN };
	int c, rc;

	while ((c = getopt(argc, argv, "n:t:c:bk:l:")) != -1) {
		switch (c) {
		case 'n':
			o.n = atol(optarg);
			break;
		case 'k':
			o.per_kick = atoi(optarg) > 0 ? atoi(optarg) : 1;
			break;
		case 'l':
			o.len = atoi(optarg) >= 60 && atoi(optarg) <= 1514 ? atoi(optarg) : FRAME_LEN;
			break;
		case 'b':
			o.block = true;
			break;
		case 't':
			o.flood_s = atoi(optarg);
			break;
		case 'c':
			if (sscanf(optarg, "%d,%d", &o.core[0], &o.core[1]) == 2)
				break;
			/* fall through */
		default:
			fprintf(stderr, "usage: floor [-n round trips] [-t flood seconds] [-c core,core] [-b] [-k frames] [-l bytes]\n");
			return 1;
		}
	}
	if (geteuid() != 0) {
		fprintf(stderr, "floor: needs root\n");
		return 77;
	}
	rc = o.n > 0 ? in_child(&o, false) : 0;
	if (!rc && o.flood_s > 0)
		rc = in_child(&o, true);
	return rc;
}
