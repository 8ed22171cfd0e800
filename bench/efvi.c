// SPDX-License-Identifier: BSD-2-Clause
/*
 * efvi.c - what ef_vi costs above the rings: floor.c's echo through libciul1
 *
 *   efvi [-n round trips] [-c core,core]
 *
 * Two processes in network namespaces of their own, joined by veth, echo 64-byte UDP
 * frames, each by one VI.  Prints one line as floor does.  Needs root and
 * POSTERN_POSTERND, the daemon's program, unless it is beside the library.
 */
#include <errno.h>
#include <getopt.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <etherfabric/checksum.h>
#include <etherfabric/memreg.h>
#include <etherfabric/pd.h>
#include <etherfabric/vi.h>

enum { N_BUFS = 512, BUF = 2048, FRAME_LEN = 64, PORT = 4791, WARM_UP = 2000 };

static const uint8_t mac[2][6] = { { 2, 0, 0, 0, 0, 1 }, { 2, 0, 0, 0, 0, 2 } };
static const char *const dev[2] = { "pt-befvi-0", "pt-befvi-1" };

static struct {
	ef_driver_handle dh;
	ef_pd pd;
	ef_vi vi;
	ef_memreg mr;
	uint8_t *mem;
} e;

static void die(const char *what, int rc)
{
	fprintf(stderr, "efvi: %s: %s\n", what, strerror(-rc));
	exit(1);
}

#define TRY(x)                          \
	do {                            \
		int rc_ = (x);          \
		if (rc_ < 0)            \
			die(#x, rc_);   \
	} while (0)

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static void run(const char *fmt, ...)
{
	char cmd[256];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(cmd, sizeof(cmd), fmt, ap);
	va_end(ap);
	if (system(cmd) != 0)
		die(cmd, -EIO);
}

static void pin(int core)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(core, &set);
	(void)sched_setaffinity(0, sizeof(set), &set);
}

static void give(int i)
{
	TRY(ef_vi_receive_init(&e.vi, ef_memreg_dma_addr(&e.mr, (size_t)i * BUF), i));
}

static void open_end(int side, unsigned flags)
{
	ef_filter_spec f;

	run("ip link set lo up && ip link set %s address %02x:%02x:%02x:%02x:%02x:%02x && "
	    "ip addr add 10.0.0.%d/24 dev %s && ip link set %s up", dev[side], mac[side][0], mac[side][1],
	    mac[side][2], mac[side][3], mac[side][4], mac[side][5], side + 1, dev[side], dev[side]);
	usleep(100000);
	TRY(ef_driver_open(&e.dh));
	TRY(ef_pd_alloc(&e.pd, e.dh, (int)if_nametoindex(dev[side]), EF_PD_DEFAULT));
	TRY(ef_vi_alloc_from_pd(&e.vi, e.dh, &e.pd, e.dh, -1, -1, -1, NULL, -1, (enum ef_vi_flags)flags));
	e.mem = mmap(NULL, N_BUFS * BUF, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	TRY(ef_memreg_alloc(&e.mr, e.dh, &e.pd, e.dh, e.mem, N_BUFS * BUF));
	for (int i = 0; i < 256; i++)
		give(i);
	ef_vi_receive_push(&e.vi);
	ef_filter_spec_init(&f, EF_FILTER_FLAG_NONE);
	TRY(ef_filter_spec_set_ip4_local(&f, IPPROTO_UDP, htonl(0x0a000001u + (uint32_t)side), htons(PORT)));
	TRY(ef_vi_filter_add(&e.vi, e.dh, &f, NULL));
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

/* Takes events; returns the number of frames, the last one's buffer in *last. */
static int take(int *last)
{
	ef_request_id ids[EF_VI_TRANSMIT_BATCH];
	ef_event ev[8];
	int n = ef_eventq_poll(&e.vi, ev, 8), got = 0;

	for (int i = 0; i < n; i++)
		switch (EF_EVENT_TYPE(ev[i])) {
		case EF_EVENT_TYPE_RX:
			*last = (int)EF_EVENT_RX_RQ_ID(ev[i]);
			got++;
			break;
		case EF_EVENT_TYPE_TX:
			ef_vi_transmit_unbundle(&e.vi, &ev[i], ids);
			break;
		default:
			die("discard", -EIO);
		}
	return got;
}

static void post_frame(int i, int ctpio)
{
	ef_addr a = ef_memreg_dma_addr(&e.mr, (size_t)i * BUF);

	if (ctpio) {
		ef_vi_transmit_ctpio(&e.vi, e.mem + (size_t)i * BUF, FRAME_LEN, 64);
		(void)ef_vi_transmit_ctpio_fallback(&e.vi, a, FRAME_LEN, i);
	} else {
		(void)ef_vi_transmit(&e.vi, a, FRAME_LEN, i);
	}
}

static int by_value(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

static void build(uint8_t *p)
{
	static const uint8_t head[] = {
		0x08, 0x00, 0x45, 0, 0, FRAME_LEN - 14, 0, 0, 0x40, 0, 64, IPPROTO_UDP, 0, 0,
		10, 0, 0, 1, 10, 0, 0, 2,
		PORT >> 8, PORT & 0xff, PORT >> 8, PORT & 0xff, 0, FRAME_LEN - 34, 0, 0,
	};
	uint16_t c;

	memset(p, 0, FRAME_LEN);
	memcpy(p, mac[1], 6);
	memcpy(p + 6, mac[0], 6);
	memcpy(p + 12, head, sizeof(head));
	c = (uint16_t)ef_ip_checksum((const void *)(p + 14));
	memcpy(p + 24, &c, 2);
}

int main(int argc, char **argv)
{
	struct { _Atomic int ready, stop; } *sh;
	int core[2] = { 0, 1 }, o, last, ctpio = 0;
	long n = 100000, got = 0, lost = 0;
	uint32_t *half;
	unsigned flags;
	pid_t pid;

	while ((o = getopt(argc, argv, "n:c:C")) >= 0)
		if (o == 'n')
			n = atol(optarg);
		else if (o == 'C')
			ctpio = 1;
		else if (o != 'c' || sscanf(optarg, "%d,%d", &core[0], &core[1]) != 2)
			return 2;
	if (geteuid() != 0)
		return 77;
	flags = ctpio ? EF_VI_TX_CTPIO : EF_VI_FLAGS_DEFAULT;
	sh = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (unshare(CLONE_NEWNET) < 0)
		return 77;
	pid = fork();
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (unshare(CLONE_NEWNET) < 0)
			return 77;
		sh->ready = 1;
		while (sh->ready < 2)
			usleep(1000);
		open_end(1, flags);
		pin(core[1]);
		sh->ready = 3;
		while (!atomic_load_explicit(&sh->stop, memory_order_relaxed))
			if (take(&last)) {
				turn_round(e.mem + (size_t)last * BUF);
				post_frame(last, ctpio);
				/* The buffer is the sender's until its event: another one. */
				give(last < 256 ? last + 256 : last - 256);
				ef_vi_receive_push(&e.vi);
			}
		ef_driver_close(e.dh);
		_exit(0);
	}
	while (sh->ready < 1)
		usleep(1000);
	run("ip link add %s type veth peer name %s netns %d", dev[0], dev[1], (int)pid);
	sh->ready = 2;
	open_end(0, flags);
	while (sh->ready < 3)
		usleep(1000);
	pin(core[0]);
	half = malloc((size_t)n * sizeof(*half));
	build(e.mem + 511 * BUF);
	for (long i = -WARM_UP; i < n && lost < 10; i++) {
		uint64_t t0 = now_ns(), t1;
		int k;

		post_frame(511, ctpio);
		do {
			k = take(&last);
			t1 = now_ns();
		} while (!k && t1 - t0 < 100000000u);
		if (!k) {
			lost++;
			continue;
		}
		give(last);
		ef_vi_receive_push(&e.vi);
		if (i >= 0)
			half[got++] = (uint32_t)((t1 - t0) / 2);
	}
	sh->stop = 1;
	waitpid(pid, NULL, 0);
	ef_driver_close(e.dh);
	if (!got)
		die("no frame came back", -EIO);
	qsort(half, (size_t)got, sizeof(*half), by_value);
	printf("efvi mode=%s unit=half_rtt_ns n=%ld lost=%ld min=%u p50=%u p90=%u p99=%u p99.9=%u max=%u\n",
	       ctpio ? "ctpio" : "dma", got, lost, half[0], half[got / 2], half[got * 9 / 10],
	       half[got * 99 / 100], half[got * 999 / 1000], half[got - 1]);
	return 0;
}
