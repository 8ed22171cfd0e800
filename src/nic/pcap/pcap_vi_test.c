// SPDX-License-Identifier: BSD-2-Clause
/*
 * pcap_vi_test.c - what was recorded is replayed, whole, in order, and in its time
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

#include <errno.h>
#include <poll.h>

#include "base/clock.h"
#include "nic/vi_spec.h"

enum { SHIFT = 11, N_FRAMES = 64, N_FILL = 32, N_PKTS = 200 };

static char file[64];
static uint8_t frames[N_FRAMES << SHIFT];
static struct vi vi;
static struct vi_shm shm;

static int open_vi(const char *in, const char *out, uint32_t flags, uint32_t loops)
{
	struct pcap_vi_attr a = { .flags = flags, .loops = loops, .frames = frames, .frame_shift = SHIFT,
				  .n_frames = N_FRAMES };
	int rc;

	snprintf(a.in, sizeof(a.in), "%s", in);
	snprintf(a.out, sizeof(a.out), "%s", out);
	memset(&shm, 0, sizeof(shm));
	shm.flags = VI_F_SG;
	rc = pcap_vi_open(&vi, &shm, &a);
	for (uint32_t i = 0; rc == 0 && i < N_FILL; i++)
		assert_int_equal(vi_rx_refill(&vi, &i, 1), 1);
	return rc;
}

static uint16_t length(uint32_t i)
{
	return (uint16_t)(60 + i * 13 % 1400);
}

static uint8_t *at(uint32_t buf, uint32_t off)
{
	return frames + ((size_t)buf << SHIFT) + off;
}

static void record_file(uint32_t n, unsigned gap_us)
{
	uint32_t done[4];

	assert_int_equal(open_vi("", file, 0, 0), 0);
	for (uint32_t i = 0; i < n; i++) {
		uint32_t buf = N_FILL + i % 8;

		for (uint32_t k = 0; k < length(i); k++)
			at(buf, 10)[k] = (uint8_t)(i + k);
		assert_int_equal(vi_tx_post(&vi, buf, 10, length(i), false), 0);
		assert_int_equal(vi_tx_kick(&vi), 0);
		assert_int_equal(vi_tx_poll(&vi, done, 4), 1);
		assert_int_equal(done[0], buf);
		if (gap_us)
			usleep(gap_us);
	}
	assert_int_equal(shm.tx_pkts, n);
	vi_close(&vi);
}

/* The next packet is number @i; waits for it. */
static void expect(uint32_t i)
{
	struct vi_event ev;
	int n;

	do
		n = vi_rx_poll(&vi, &ev, 1);
	while (!n && !pcap_vi_done(&vi));
	assert_int_equal(n, 1);
	assert_int_equal(ev.len, length(i));
	for (uint32_t k = 0; k < ev.len; k++)
		assert_int_equal(at(ev.buf, ev.off)[k], (uint8_t)(i + k));
	assert_int_equal(vi_rx_refill(&vi, &ev.buf, 1), 1);
}

static void the_end(void)
{
	struct vi_event ev;

	assert_int_equal(vi_rx_poll(&vi, &ev, 1), 0);
	assert_int_equal(pcap_vi_done(&vi), 1);
	assert_false(vi_rx_ready(&vi));
	vi_close(&vi);
}

static void replays_what_was_recorded(void **state)
{
	(void)state;
	record_file(N_PKTS, 0);
	assert_int_equal(open_vi(file, "", PCAP_VI_MAX_SPEED, 3), 0);
	for (uint32_t i = 0; i < 3 * N_PKTS; i++)
		expect(i % N_PKTS);
	the_end();
}

static void keeps_the_distances(void **state)
{
	struct pollfd p;
	uint64_t t0;

	(void)state;
	record_file(6, 20000);
	assert_int_equal(open_vi(file, "", 0, 0), 0);
	t0 = clock_ns();
	for (uint32_t i = 0; i < 6; i++)
		expect(i);
	assert_true(clock_ns() - t0 >= 95 * NSEC_PER_MSEC);
	the_end();
	/* The same asleep. */
	assert_int_equal(open_vi(file, "", 0, 0), 0);
	expect(0);
	t0 = clock_ns();
	vi_rx_arm(&vi, true);
	p = (struct pollfd){ .fd = vi.fd, .events = POLLIN };
	assert_int_equal(poll(&p, 1, 5000), 1);
	assert_true(clock_ns() - t0 >= 10 * NSEC_PER_MSEC);
	vi_rx_arm(&vi, false);
	assert_int_equal(poll(&p, 1, 0), 0);
	expect(1);
	vi_close(&vi);
}

/* Nothing is lost for want of frames. */
static void the_file_waits_for_frames(void **state)
{
	struct vi_event ev[64];

	(void)state;
	record_file(N_PKTS, 0);
	assert_int_equal(open_vi(file, "", PCAP_VI_MAX_SPEED, 0), 0);
	assert_int_equal(vi_rx_poll(&vi, ev, 64), N_FILL);
	assert_int_equal(vi_rx_poll(&vi, ev + N_FILL, 1), 0);
	assert_true(shm.rx_no_frame > 0);
	assert_int_equal(vi_rx_refill(&vi, &ev[0].buf, 1), 1);
	expect(N_FILL);
	vi_close(&vi);
}

static void large_packets_come_in_pieces(void **state)
{
	struct vi_event ev[8];

	(void)state;
	assert_int_equal(open_vi("", file, 0, 0), 0);
	for (int i = 0; i < 3; i++)
		assert_int_equal(vi_tx_post(&vi, N_FILL, 0, 2000, i < 2), 0);
	vi_close(&vi);
	assert_int_equal(open_vi(file, "", PCAP_VI_MAX_SPEED, 0), 0);
	assert_int_equal(vi_rx_poll(&vi, ev, 8), 4);
	assert_int_equal(ev[0].len + ev[1].len + ev[2].len + ev[3].len, 6000);
	assert_int_equal(ev[2].flags, VI_EV_CONT);
	assert_int_equal(ev[3].flags, 0);
	the_end();
	assert_int_equal(open_vi(file, "", PCAP_VI_MAX_SPEED, 0), 0);
	shm.flags = 0;
	assert_int_equal(vi_rx_poll(&vi, ev, 8), 0);
	assert_int_equal(shm.rx_oversize, 1);
	the_end();
}

static void bad_files_are_refused(void **state)
{
	struct vi_event ev[64];
	FILE *f;

	(void)state;
	assert_int_equal(open_vi("/nonexistent/file", "", 0, 0), -ENOENT);
	f = fopen(file, "w");
	fputs("this is no capture file, but long enough to be one", f);
	fclose(f);
	assert_int_equal(open_vi(file, "", 0, 0), -EBADMSG);
	record_file(3, 0);
	assert_int_equal(truncate(file, 24 + 16 + 60 + 16 + 20), 0);
	assert_int_equal(open_vi(file, "", PCAP_VI_MAX_SPEED, UINT32_MAX), 0);
	assert_int_equal(vi_rx_poll(&vi, ev, 64), 1);
	assert_int_equal(pcap_vi_done(&vi), -EBADMSG);
	vi_close(&vi);
}

static void opens_by_name(void **state)
{
	struct vi_mem mem = { .base = frames, .frame_shift = SHIFT, .n_frames = N_FRAMES, .fd = -1 };
	struct vi_spec spec;
	char name[128], why[96];

	(void)state;
	record_file(3, 0);
	snprintf(name, sizeof(name), "pcap:%s,speed=max", file);
	assert_int_equal(vi_spec_parse(&spec, name, why), 0);
	memset(&shm, 0, sizeof(shm));
	assert_int_equal(vi_spec_open(&vi, &shm, &spec, &mem), 0);
	for (uint32_t i = 0; i < 3; i++)
		assert_int_equal(vi_rx_refill(&vi, &i, 1), 1);
	for (uint32_t i = 0; i < 3; i++)
		expect(i);
	the_end();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(replays_what_was_recorded),
		cmocka_unit_test(keeps_the_distances),
		cmocka_unit_test(the_file_waits_for_frames),
		cmocka_unit_test(large_packets_come_in_pieces),
		cmocka_unit_test(bad_files_are_refused),
		cmocka_unit_test(opens_by_name),
	};
	int fd, rc;

	snprintf(file, sizeof(file), "/tmp/pt-pcap-XXXXXX");
	fd = mkstemp(file);
	if (fd < 0)
		return 1;
	close(fd);
	rc = cmocka_run_group_tests(tests, NULL, NULL);
	unlink(file);
	return rc ? 1 : 0;
}
