// SPDX-License-Identifier: BSD-2-Clause
/*
 * memif.c - a frame between two processes over shared memory
 *
 * Ping-pong of 64-byte frames between two cores, in rounds that alternate:
 *
 *	baseline   head, descriptor, data: the least that any ring of descriptors can do,
 *	           written by hand here; data are written by the sender and read by the receiver
 *	memif      the same through memif VIs, one end master, one slave
 *	memif_zc   the slave's packet memory is the region
 *
 * and a flood, sent and received by one core each.  Prints one line of key=value words per
 * measurement; the last
 * names the median of the rounds' ratios.
 *
 *   memif [-n round trips] [-r rounds] [-t flood seconds] [-c core,core]
 *
 * Needs no privilege.
 */
#include <getopt.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "nic/memif/memif.h"

enum { LEN = 64, RING = 1024, SHIFT = 11, FRAMES = 4096, FILL = 256, ROUNDS_MAX = 64, WARM_UP = 2000 };

/* One direction of the baseline. */
struct lane {
	_Alignas(CACHE_LINE) _Atomic uint16_t head;
	_Alignas(CACHE_LINE) struct { uint32_t len, off; uint64_t spare; } desc[RING];
	_Alignas(CACHE_LINE) uint8_t data[RING][2048];
};

struct shared {
	_Atomic int stop;
	_Atomic uint64_t delivered;
	struct lane lane[2];
};

struct options {
	long n;
	int rounds, flood_s;
	int core[2];
};

enum kind { BASELINE, MEMIF, MEMIF_ZC, N_KINDS };
static const char *const kind_name[] = { "baseline", "memif", "memif_zc" };

static struct shared *sh;
static char path[108];

static void pin(int core)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(core, &set);
	(void)sched_setaffinity(0, sizeof(set), &set);
}

/* ---- by hand -------------------------------------------------------------------------- */

static void lane_send(struct lane *l, uint16_t *pos, const uint8_t *frame)
{
	uint32_t slot = *pos & (RING - 1);

	memcpy(l->data[slot], frame, LEN);
	l->desc[slot].len = LEN;
	l->desc[slot].off = slot * 2048;
	atomic_store_explicit(&l->head, ++*pos, memory_order_release);
}

static bool lane_recv(struct lane *l, uint16_t *pos, uint8_t *frame)
{
	uint32_t slot = *pos & (RING - 1);

	if (atomic_load_explicit(&l->head, memory_order_acquire) == *pos)
		return false;
	memcpy(frame, &l->data[0][0] + l->desc[slot].off, l->desc[slot].len);
	++*pos;
	return true;
}

static uint32_t baseline_near(long n, uint32_t *half)
{
	uint8_t frame[LEN] = { 1 };
	uint16_t tx = 0, rx = 0;
	uint64_t t0;

	for (long i = -WARM_UP; i < n; i++) {
		t0 = clock_ns();
		frame[0] = (uint8_t)i;
		lane_send(&sh->lane[0], &tx, frame);
		while (!lane_recv(&sh->lane[1], &rx, frame))
			;
		if (i >= 0)
			half[i] = (uint32_t)(clock_ns() - t0);
	}
	return 0;
}

static void baseline_far(void)
{
	uint8_t frame[LEN];
	uint16_t tx = 0, rx = 0;

	while (!atomic_load_explicit(&sh->stop, memory_order_relaxed)) {
		if (!lane_recv(&sh->lane[0], &rx, frame))
			continue;
		frame[1] = frame[0];
		lane_send(&sh->lane[1], &tx, frame);
	}
}

/* ---- memif ------------------------------------------------------------------------------ */

struct end {
	struct vi vi;
	struct vi_shm shm;
	uint8_t *frames;
};

static void end_open(struct end *e, uint32_t flags)
{
	struct memif_attr a = { .flags = flags, .ring_size = RING, .frame_shift = SHIFT, .n_frames = FRAMES,
				.frames_fd = -1 };
	struct vi_event ev;
	int rc;

	memset(e, 0, sizeof(*e));
	memcpy(a.path, path, sizeof(a.path));
	e->frames = mmap(NULL, FRAMES << SHIFT, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	a.frames = e->frames;
	rc = memif_open(&e->vi, &e->shm, &a);
	if (rc < 0) {
		fprintf(stderr, "memif_open: %s\n", strerror(-rc));
		exit(1);
	}
	for (uint32_t i = 0; i < FILL; i++)
		(void)vi_rx_refill(&e->vi, &i, 1);
	while (!memif_up(&e->vi))
		(void)vi_rx_poll(&e->vi, &ev, 1);
}

static uint32_t memif_near(uint32_t flags, long n, uint32_t *half)
{
	static struct end e;
	uint32_t buf = FILL, done[8];
	struct vi_event ev;
	uint64_t t0;

	end_open(&e, flags);
	for (long i = -WARM_UP; i < n; i++) {
		t0 = clock_ns();
		memset(e.frames + ((size_t)buf << SHIFT) + 256, (int)i & 255, LEN);
		(void)vi_tx_post(&e.vi, buf, 256, LEN, false);
		(void)vi_tx_kick(&e.vi);
		while (!vi_rx_poll(&e.vi, &ev, 1))
			;
		if (i >= 0)
			half[i] = (uint32_t)(clock_ns() - t0);
		(void)vi_rx_refill(&e.vi, &ev.buf, 1);
		(void)vi_tx_poll(&e.vi, done, 8);
		buf = FILL + (buf - FILL + 1) % 16;
	}
	vi_close(&e.vi);
	munmap(e.frames, FRAMES << SHIFT);
	return 0;
}

static void memif_far(uint32_t flags, bool sink)
{
	static struct end e;
	uint32_t done[64];
	struct vi_event ev[64];
	uint64_t total = 0;
	int n;

	end_open(&e, flags);
	while (!atomic_load_explicit(&sh->stop, memory_order_relaxed)) {
		n = vi_rx_poll(&e.vi, ev, 64);
		if (!n)
			continue;
		if (sink) {
			for (int i = 0; i < n; i++)
				(void)vi_rx_refill(&e.vi, &ev[i].buf, 1);
			atomic_store_explicit(&sh->delivered, total += (uint64_t)n, memory_order_relaxed);
			continue;
		}
		for (int i = 0; i < n; i++) {
			uint8_t *p = e.frames + ((size_t)ev[i].buf << SHIFT) + ev[i].off;

			p[1] = p[0];
			(void)vi_tx_post(&e.vi, ev[i].buf, ev[i].off, ev[i].len, false);
		}
		(void)vi_tx_kick(&e.vi);
		n = vi_tx_poll(&e.vi, done, 64);
		(void)vi_rx_refill(&e.vi, done, n);
	}
	vi_close(&e.vi);
}

/* ---- rounds ------------------------------------------------------------------------------- */

static pid_t far_start(enum kind k, const struct options *o, bool sink)
{
	pid_t pid;

	memset(sh, 0, sizeof(*sh));
	pid = fork();
	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	pin(o->core[1]);
	if (k == BASELINE)
		baseline_far();
	else
		memif_far(MEMIF_MASTER, sink);
	_exit(0);
}

static void far_stop(pid_t pid)
{
	atomic_store(&sh->stop, 1);
	waitpid(pid, NULL, 0);
}

static int by_value(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

/* Median half round trip in ns. */
static double round_of(enum kind k, const struct options *o, uint32_t *half)
{
	pid_t pid = far_start(k, o, false);

	if (k == BASELINE)
		baseline_near(o->n, half);
	else
		memif_near(k == MEMIF_ZC ? MEMIF_ZEROCOPY : 0, o->n, half);
	far_stop(pid);
	qsort(half, (size_t)o->n, sizeof(*half), by_value);
	return half[o->n / 2] / 2.0;
}

static int by_double(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

static void ping_pong(const struct options *o)
{
	static double med[N_KINDS][ROUNDS_MAX], ratio[N_KINDS][ROUNDS_MAX];
	uint32_t *half = malloc((size_t)o->n * sizeof(*half));
	double m[N_KINDS];

	if (!half)
		exit(1);
	/* Where two virtual cores really are may change under way, by a factor of four:
	 * so each is compared with its neighbour in time. */
	for (int r = 0; r < o->rounds; r++)
		for (enum kind k = 0; k < N_KINDS; k++) {
			med[k][r] = round_of(k, o, half);
			ratio[k][r] = med[k][r] / med[BASELINE][r];
		}
	for (enum kind k = 0; k < N_KINDS; k++) {
		qsort(med[k], (size_t)o->rounds, sizeof(double), by_double);
		qsort(ratio[k], (size_t)o->rounds, sizeof(double), by_double);
		m[k] = med[k][o->rounds / 2];
		printf("memif mode=%s unit=half_rtt_ns n=%ld rounds=%d min=%.1f p50=%.1f max=%.1f\n", kind_name[k], o->n,
		       o->rounds, med[k][0], m[k], med[k][o->rounds - 1]);
	}
	printf("memif ratio_of_rounds memif/baseline=%.3f memif_zc/baseline=%.3f\n", ratio[MEMIF][o->rounds / 2],
	       ratio[MEMIF_ZC][o->rounds / 2]);
	free(half);
}

static void flood(enum kind k, const struct options *o)
{
	static struct end e;
	uint32_t spare[FRAMES], done[64];
	uint64_t t0, t, sent = 0, got;
	int n_spare = 0, n;
	pid_t pid = far_start(k, o, true);

	end_open(&e, k == MEMIF_ZC ? MEMIF_ZEROCOPY : 0);
	for (uint32_t i = FILL; i < FRAMES; i++)
		spare[n_spare++] = i;
	t0 = clock_ns();
	do {
		for (n = 0; n < 32 && n_spare; n++) {
			if (vi_tx_post(&e.vi, spare[n_spare - 1], 256, LEN, false) < 0)
				break;
			n_spare--;
			sent++;
		}
		(void)vi_tx_kick(&e.vi);
		n = vi_tx_poll(&e.vi, done, 64);
		memcpy(spare + n_spare, done, (size_t)n * sizeof(*done));
		n_spare += n;
		t = clock_ns();
	} while (t - t0 < (uint64_t)o->flood_s * NSEC_PER_SEC);
	for (int i = 0; i < 1000 && atomic_load(&sh->delivered) != sent; i++)
		usleep(100);
	got = atomic_load(&sh->delivered);
	printf("memif mode=%s_flood unit=pps frame=%d sent=%.0f lost=%llu\n", kind_name[k], LEN,
	       (double)sent * 1e9 / (double)(t - t0), (unsigned long long)(sent - got));
	far_stop(pid);
	vi_close(&e.vi);
	munmap(e.frames, FRAMES << SHIFT);
}

int main(int argc, char **argv)
{
	struct options o = { .n = 5000, .rounds = 31, .flood_s = 1, .core = { 0, 1 } };
	int c;

	while ((c = getopt(argc, argv, "n:r:t:c:")) != -1) {
		switch (c) {
		case 'n':
			o.n = atol(optarg);
			break;
		case 'r':
			o.rounds = atoi(optarg);
			break;
		case 't':
			o.flood_s = atoi(optarg);
			break;
		case 'c':
			if (sscanf(optarg, "%d,%d", &o.core[0], &o.core[1]) == 2)
				break;
			/* fall through */
		default:
			fprintf(stderr, "usage: memif [-n round trips] [-r rounds] [-t flood seconds] [-c core,core]\n");
			return 1;
		}
	}
	if (o.n < 1 || o.rounds < 1 || o.rounds > ROUNDS_MAX)
		return 1;
	snprintf(path, sizeof(path), "@postern-bench-memif-%d", (int)getpid());
	sh = mmap(NULL, sizeof(*sh), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (sh == MAP_FAILED)
		return 1;
	pin(o.core[0]);
	ping_pong(&o);
	for (enum kind k = MEMIF; k < N_KINDS && o.flood_s > 0; k++)
		flood(k, &o);
	return 0;
}
