// SPDX-License-Identifier: BSD-2-Clause
/*
 * memif_dpdk_test.c - memif with DPDK's net_memif at the other end, in both roles
 *
 * dpdk-testpmd (Debian: dpdk-dev, librte-net-memif) sends back each frame with its
 * Ethernet addresses swapped.  Skipped where it is not installed or does not start.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "nic/memif/memif.h"

enum { SHIFT = 11, N_FRAMES = 512, N_FILL = 256, ROUNDS = 2000 };

static char dir[64], path[108];
static pid_t testpmd;
static struct vi vi;
static struct vi_shm shm;
static uint8_t *frames;

static void start_testpmd(const char *role)
{
	char dev[200];
	int null;

	if (strcmp(role, "server") == 0)
		unlink(path);	/* DPDK stumbles over its predecessor's */
	snprintf(dev, sizeof(dev), "--vdev=net_memif0,role=%s,id=7,socket=%s,socket-abstract=no,secret=tell", role, path);
	testpmd = fork();
	assert_true(testpmd >= 0);
	if (testpmd)
		return;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	null = open("/dev/null", O_RDWR);
	dup2(null, 0);
	dup2(null, 1);
	dup2(null, 2);
	setenv("XDG_RUNTIME_DIR", dir, 1);
	setenv("RUNTIME_DIRECTORY", dir, 1);
	execlp("dpdk-testpmd", "dpdk-testpmd", "--no-huge", "-m", "128", "--no-pci", "--no-telemetry", "--no-shconf",
	       "-l", "0,1", dev, "--", "--forward-mode=macswap", "--total-num-mbufs=4096", "--auto-start",
	       "--stats-period=1", (char *)NULL);
	_exit(127);
}

static void stop_testpmd(void)
{
	int status;

	kill(testpmd, SIGKILL);
	waitpid(testpmd, &status, 0);
}

static void open_vi(uint32_t flags)
{
	struct memif_attr a = { .flags = flags, .id = 7, .secret = "tell", .frames = frames, .frame_shift = SHIFT,
				.n_frames = N_FRAMES, .frames_fd = -1 };

	memcpy(a.path, path, sizeof(a.path));
	memset(&shm, 0, sizeof(shm));
	assert_int_equal(memif_open(&vi, &shm, &a), 0);
	for (uint32_t i = 0; i < N_FILL; i++)
		assert_int_equal(vi_rx_refill(&vi, &i, 1), 1);
}

static bool joined(void)
{
	uint64_t end = clock_ns() + 8 * NSEC_PER_SEC;
	struct vi_event ev;

	while (!memif_up(&vi) && clock_ns() < end && waitpid(testpmd, NULL, WNOHANG) == 0) {
		(void)vi_rx_poll(&vi, &ev, 1);
		usleep(20);
	}
	return memif_up(&vi);
}

static void build(uint8_t *p, uint32_t i, uint32_t len)
{
	for (uint32_t k = 0; k < len; k++)
		p[k] = (uint8_t)(i + k * 3);
	p[0] = 2;
	p[6] = 4;
	p[12] = 0x08;
	p[13] = 0x00;
}

static bool echoed(uint32_t i, uint32_t len)
{
	uint64_t end = clock_ns() + 2 * NSEC_PER_SEC;
	uint8_t want[1514], *got;
	struct vi_event ev;
	int n;

	do {
		n = vi_rx_poll(&vi, &ev, 1);
	} while (!n && clock_ns() < end);
	if (!n)
		return false;
	build(want, i, len);
	got = frames + ((size_t)ev.buf << SHIFT) + ev.off;
	assert_int_equal(ev.len, len);
	assert_memory_equal(got, want + 6, 6);
	assert_memory_equal(got + 6, want, 6);
	assert_memory_equal(got + 12, want + 12, len - 12);
	assert_int_equal(vi_rx_refill(&vi, &ev.buf, 1), 1);
	return true;
}

static void echo(const char *role, uint32_t flags)
{
	uint64_t end = clock_ns() + 10 * NSEC_PER_SEC;
	uint32_t done[8], lost = 0;

	start_testpmd(role);
	open_vi(flags);
	if (!joined()) {
		fprintf(stderr, "dpdk-testpmd did not come up with net_memif\n");
		stop_testpmd();
		vi_close(&vi);
		skip();
	}
	/* testpmd begins to forward a moment after the link is up. */
	for (uint32_t i = 0; i < ROUNDS; i++) {
		uint32_t len = 60 + i * 7 % 1455, buf = N_FILL + i % (N_FRAMES - N_FILL);

		build(frames + ((size_t)buf << SHIFT) + 64, i, len);
		while (vi_tx_post(&vi, buf, 64, (uint16_t)len, false) < 0 && clock_ns() < end)
			usleep(100);	/* as client it fills its receive ring at its first poll */
		assert_int_equal(vi_tx_kick(&vi), 0);
		if (!echoed(i, len))
			assert_true(++lost < 3 && i < 3);
		(void)vi_tx_poll(&vi, done, 8);
	}
	assert_int_equal(shm.rx_bad_desc, 0);
	/* Killed and started again, it is found again. */
	stop_testpmd();
	start_testpmd(role);
	for (int i = 0; i < 1000 && memif_up(&vi); i++) {
		struct vi_event ev;

		(void)vi_rx_poll(&vi, &ev, 1);
		usleep(100);
	}
	assert_true(joined());
	stop_testpmd();
	vi_close(&vi);
}

static void we_are_master(void **state)
{
	(void)state;
	echo("client", MEMIF_MASTER);
}

static void we_are_slave(void **state)
{
	(void)state;
	echo("server", 0);
}

static void we_are_slave_with_zero_copy(void **state)
{
	(void)state;
	echo("server", MEMIF_ZEROCOPY);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(we_are_master),
		cmocka_unit_test(we_are_slave),
		cmocka_unit_test(we_are_slave_with_zero_copy),
	};
	char cmd[160];
	int rc;

	if (access("/usr/bin/dpdk-testpmd", X_OK) != 0) {
		printf("dpdk-testpmd is not installed\n");
		return 77;
	}
	snprintf(dir, sizeof(dir), "/tmp/pt-memif-XXXXXX");
	if (!mkdtemp(dir))
		return 1;
	snprintf(path, sizeof(path), "%s/sock", dir);
	frames = mmap(NULL, N_FRAMES << SHIFT, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (frames == MAP_FAILED)
		return 1;
	rc = cmocka_run_group_tests(tests, NULL, NULL);
	snprintf(cmd, sizeof(cmd), "rm -rf %s", dir);
	return system(cmd) || rc ? 1 : 0;
}
