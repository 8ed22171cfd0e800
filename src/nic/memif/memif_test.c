// SPDX-License-Identifier: BSD-2-Clause
/*
 * memif_test.c - two ends find each other, frames pass whole and are counted, and a
 * peer that lies harms only itself
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
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "nic/memif/memif_priv.h"

enum { SHIFT = 11, N_FRAMES = 1024, N_FILL = 512 };

struct end {
	struct vi vi;
	struct vi_shm shm;
	uint8_t *frames;
	uint32_t next;
};

static char path[108];

static int end_try(struct end *e, const struct memif_attr *want)
{
	struct memif_attr a = *want;

	memset(e, 0, sizeof(*e));
	e->shm.flags = VI_F_SG;
	e->frames = mmap(NULL, N_FRAMES << SHIFT, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_true(e->frames != MAP_FAILED);
	memif_msg_text(a.path, sizeof(a.path), path);
	a.frames = e->frames;
	a.frame_shift = SHIFT;
	a.n_frames = N_FRAMES;
	a.frames_fd = -1;
	return memif_open(&e->vi, &e->shm, &a);
}

static void end_fill(struct end *e, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		assert_int_equal(vi_rx_refill(&e->vi, &i, 1), 1);
	e->next = N_FILL;
}

static void end_open(struct end *e, const struct memif_attr *a)
{
	assert_int_equal(end_try(e, a), 0);
	end_fill(e, N_FILL);
}

static void end_close(struct end *e)
{
	vi_close(&e->vi);
	munmap(e->frames, N_FRAMES << SHIFT);
}

static void service(struct end *e)
{
	memif_service(e->vi.priv);
}

static bool joined(struct end *a, struct end *b)
{
	for (int i = 0; i < 400; i++) {
		service(a);
		service(b);
		if (memif_up(&a->vi) && memif_up(&b->vi))
			return true;
		usleep(1000);
	}
	return false;
}

static uint8_t *at(struct end *e, uint32_t buf, uint32_t off)
{
	return e->frames + ((size_t)buf << SHIFT) + off;
}

static int post(struct end *e, uint32_t tag, uint16_t len)
{
	uint32_t done[64], buf = e->next;
	int rc;

	e->next = e->next + 1 == N_FRAMES ? N_FILL : e->next + 1;
	for (uint32_t i = 0; i < len; i++)
		at(e, buf, 100)[i] = (uint8_t)(tag + i * 7);
	rc = vi_tx_post(&e->vi, buf, 100, len, false);
	assert_int_equal(vi_tx_kick(&e->vi), 0);
	(void)vi_tx_poll(&e->vi, done, 64);
	return rc;
}

/* One whole frame with @tag's bytes, in any number of pieces.  Length, or -1. */
static int take(struct end *e, uint32_t tag)
{
	struct vi_event ev[16];
	uint32_t len = 0;
	int n = vi_rx_poll(&e->vi, ev, 16);

	if (!n)
		return -1;
	for (int i = 0; i < n; i++) {
		for (uint32_t k = 0; k < ev[i].len; k++, len++)
			assert_int_equal(at(e, ev[i].buf, ev[i].off)[k], (uint8_t)(tag + len * 7));
		assert_int_equal(ev[i].flags, i + 1 < n ? VI_EV_CONT : 0);
		assert_int_equal(vi_rx_refill(&e->vi, &ev[i].buf, 1), 1);
	}
	return (int)len;
}

static void pass(struct end *from, struct end *to)
{
	for (uint32_t i = 0; i < 3000; i++) {
		uint16_t len = (uint16_t)(1 + i * 13 % 1500);

		assert_int_equal(post(from, i, len), 0);
		assert_int_equal(take(to, i), len);
	}
}

static void both_ways(uint32_t slave_flags, uint32_t ring)
{
	struct end m, s;
	uint64_t before;

	end_open(&m, &(struct memif_attr){ .flags = MEMIF_MASTER });
	end_open(&s, &(struct memif_attr){ .flags = slave_flags, .ring_size = ring });
	assert_true(joined(&m, &s));
	before = s.shm.rx_pkts;
	pass(&m, &s);
	pass(&s, &m);
	assert_int_equal(m.shm.tx_pkts, 3000);
	assert_int_equal(s.shm.rx_pkts - before, 3000);
	assert_int_equal(m.shm.rx_bad_desc + s.shm.rx_bad_desc, 0);
	/* Nothing is rung while both poll. */
	assert_int_equal(m.shm.tx_kicks + s.shm.tx_kicks, 0);
	end_close(&s);
	end_close(&m);
}

static void frames_pass_with_copies(void **state)
{
	(void)state;
	both_ways(0, 0);
	both_ways(0, 2);
}

static void frames_pass_with_zero_copy(void **state)
{
	(void)state;
	both_ways(MEMIF_ZEROCOPY, 0);
	both_ways(MEMIF_ZEROCOPY, 4);
}

static void small_buffers_are_chained(void **state)
{
	struct end m, s;

	(void)state;
	end_open(&m, &(struct memif_attr){ .flags = MEMIF_MASTER });
	end_open(&s, &(struct memif_attr){ .buf_size = 64 });
	assert_true(joined(&m, &s));
	pass(&m, &s);
	pass(&s, &m);
	end_close(&s);
	end_close(&m);
}

static void large_packets_arrive_in_pieces(void **state)
{
	struct end m, s;
	uint32_t done[8];

	(void)state;
	for (int zc = 0; zc < 2; zc++) {
		end_open(&m, &(struct memif_attr){ .flags = MEMIF_MASTER });
		end_open(&s, &(struct memif_attr){ .flags = zc ? MEMIF_ZEROCOPY : 0 });
		assert_true(joined(&m, &s));
		for (int i = 0; i < 600; i++) {
			for (uint32_t k = 0; k < 4500; k++)
				at(&s, N_FILL + k / 1500, 0)[k % 1500] = (uint8_t)(9 + k * 7);
			assert_int_equal(vi_tx_post(&s.vi, N_FILL, 0, 1500, true), 0);
			assert_int_equal(vi_tx_post(&s.vi, N_FILL + 1, 0, 1500, true), 0);
			assert_int_equal(vi_tx_kick(&s.vi), 0);
			assert_int_equal(take(&m, 9), -1);	/* half a packet is not shown */
			assert_int_equal(vi_tx_post(&s.vi, N_FILL + 2, 0, 1500, false), 0);
			assert_int_equal(vi_tx_kick(&s.vi), 0);
			assert_int_equal(take(&m, 9), 4500);
			assert_int_equal(take(&m, 9), -1);
			assert_int_equal(vi_tx_poll(&s.vi, done, 8), 3);
			assert_int_equal(done[0], N_FILL);
		}
		/* Without VI_F_SG it is a loss that shows. */
		m.shm.flags &= ~(uint32_t)VI_F_SG;
		(void)vi_tx_post(&s.vi, N_FILL, 0, 1500, true);
		(void)vi_tx_post(&s.vi, N_FILL + 1, 0, 1500, false);
		assert_int_equal(vi_tx_kick(&s.vi), 0);
		assert_int_equal(take(&m, 9), -1);
		assert_int_equal(m.shm.rx_oversize, 1);
		assert_int_equal(post(&s, 5, 60), 0);
		assert_int_equal(take(&m, 5), 60);
		end_close(&s);
		end_close(&m);
	}
}

static void every_loss_is_counted(void **state)
{
	struct end m, s;
	uint64_t sent = 0, refused = 0;
	struct vi_event ev[64];

	(void)state;
	for (int zc = 0; zc < 2; zc++) {
		sent = refused = 0;
		end_open(&m, &(struct memif_attr){ .flags = MEMIF_MASTER });
		end_open(&s, &(struct memif_attr){ .ring_size = 64, .flags = zc ? MEMIF_ZEROCOPY : 0 });
		/* Without a peer: lost, and the frames come back. */
		assert_int_equal(post(&s, 1, 60), 0);
		assert_int_equal(s.shm.tx_lost, 1);
		assert_true(joined(&m, &s));
		for (int round = 0; round < 50; round++) {
			for (int i = 0; i < 100; i++)
				*(post(&s, 1, 60) == 0 ? &sent : &refused) += 1;
			for (int n; (n = vi_rx_poll(&m.vi, ev, 64)) > 0;)
				for (int i = 0; i < n; i++)
					assert_int_equal(vi_rx_refill(&m.vi, &ev[i].buf, 1), 1);
		}
		assert_true(refused > 0);
		assert_int_equal(sent, m.shm.rx_pkts);
		assert_int_equal(refused, s.shm.tx_ring_full);
		end_close(&s);
		end_close(&m);
	}
}

/* Without frames to receive into packets wait in the ring. */
static void packets_wait_for_frames(void **state)
{
	struct end m, s;

	(void)state;
	assert_int_equal(end_try(&m, &(struct memif_attr){ .flags = MEMIF_MASTER }), 0);
	end_open(&s, &(struct memif_attr){ 0 });
	assert_true(joined(&m, &s));
	assert_int_equal(post(&s, 3, 100), 0);
	assert_int_equal(take(&m, 3), -1);
	assert_true(m.shm.rx_no_frame > 0);
	end_fill(&m, 1);
	assert_int_equal(take(&m, 3), 100);
	end_close(&s);
	end_close(&m);
}

static void a_peer_that_comes_again_is_taken(void **state)
{
	struct end m, s;

	(void)state;
	for (int zc = 0; zc < 2; zc++) {
		struct memif_attr sa = { .flags = zc ? MEMIF_ZEROCOPY : 0 };

		end_open(&s, &sa);		/* the slave may be first */
		end_open(&m, &(struct memif_attr){ .flags = MEMIF_MASTER });
		for (int i = 0; i < 6; i++) {
			assert_true(joined(&m, &s));
			pass(&s, &m);
			pass(&m, &s);
			assert_int_equal(post(i & 1 ? &m : &s, 1, 60), 0);	/* on its way at the end */
			if (i & 1) {
				end_close(&s);
				service(&m);
				assert_false(memif_up(&m.vi));
				end_open(&s, &sa);
			} else {
				end_close(&m);
				service(&s);
				assert_false(memif_up(&s.vi));
				end_open(&m, &(struct memif_attr){ .flags = MEMIF_MASTER });
			}
		}
		assert_true(joined(&m, &s));
		end_close(&s);
		end_close(&m);
	}
}

static bool readable(const struct end *e, int ms)
{
	struct pollfd p = { .fd = e->vi.fd, .events = POLLIN };

	return poll(&p, 1, ms) == 1;
}

static void a_sleeper_is_woken(void **state)
{
	struct end e[2];

	(void)state;
	for (int zc = 0; zc < 2; zc++) {
		end_open(&e[0], &(struct memif_attr){ .flags = MEMIF_MASTER });
		end_open(&e[1], &(struct memif_attr){ .flags = zc ? MEMIF_ZEROCOPY : 0 });
		assert_true(joined(&e[0], &e[1]));
		for (int i = 0; i < 20; i++) {
			struct end *to = &e[i & 1], *from = &e[!(i & 1)];

			vi_rx_arm(&to->vi, true);
			assert_int_equal(take(to, 0), -1);
			assert_false(readable(to, 0));
			assert_int_equal(post(from, (uint32_t)i, 60), 0);
			assert_true(readable(to, 1000));
			vi_rx_arm(&to->vi, false);
			assert_int_equal(take(to, (uint32_t)i), 60);
			assert_false(readable(to, 0));
			/* Awake again: no doorbell. */
			assert_int_equal(post(from, (uint32_t)i, 60), 0);
			assert_false(readable(to, 0));
			assert_int_equal(take(to, (uint32_t)i), 60);
		}
		assert_int_equal(e[0].shm.tx_kicks + e[1].shm.tx_kicks, 20);
		/* The end of the peer wakes as well. */
		vi_rx_arm(&e[0].vi, true);
		end_close(&e[1]);
		assert_true(readable(&e[0], 1000));
		vi_rx_arm(&e[0].vi, false);
		assert_false(memif_up(&e[0].vi));
		end_close(&e[0]);
	}
}

static void interfaces_share_a_socket(void **state)
{
	struct end m[3], s[3];

	(void)state;
	for (uint32_t i = 0; i < 3; i++) {
		end_open(&m[i], &(struct memif_attr){ .flags = MEMIF_MASTER, .id = i });
		end_open(&s[i], &(struct memif_attr){ .id = i });
	}
	assert_int_equal(end_try(&(struct end){ 0 }, &(struct memif_attr){ .flags = MEMIF_MASTER, .id = 1 }), -EADDRINUSE);
	for (int k = 0; k < 200 && !memif_up(&s[2].vi); k++) {
		for (int i = 0; i < 3; i++) {
			service(&m[i]);
			service(&s[i]);
		}
		usleep(1000);
	}
	for (uint32_t i = 0; i < 3; i++) {
		assert_true(joined(&m[i], &s[i]));
		assert_int_equal(post(&s[i], i, 60), 0);
	}
	for (uint32_t i = 0; i < 3; i++)
		assert_int_equal(take(&m[i], i), 60);
	for (int i = 0; i < 3; i++) {
		end_close(&s[i]);
		end_close(&m[i]);
	}
}

static void strangers_are_refused(void **state)
{
	struct end m, s;
	struct memif *p;

	(void)state;
	end_open(&m, &(struct memif_attr){ .flags = MEMIF_MASTER, .secret = "open sesame" });
	end_open(&s, &(struct memif_attr){ .secret = "open barley" });
	p = s.vi.priv;
	for (int i = 0; i < 50 && !p->why[0]; i++) {
		service(&m);
		service(&s);
		usleep(1000);
	}
	assert_string_equal(p->why, "wrong secret");
	end_close(&s);
	end_open(&s, &(struct memif_attr){ .secret = "open sesame" });
	assert_true(joined(&m, &s));
	end_close(&s);
	end_close(&m);
	/* Two processes cannot listen on one path; here the other is a plain socket. */
	assert_int_equal(end_try(&m, &(struct memif_attr){ .flags = MEMIF_MASTER, .ring_size = 3 }), -EINVAL);
}

/* ---- a hostile slave, by hand ------------------------------------------------------------ */

struct liar {
	int sock;
	uint8_t *mem;
	struct memif_ring *s2m, *m2s;
	size_t size;
};

enum { LIAR_SIZE = 1 << 16, LIAR_LOG2 = 4, LIAR_RING = 1 << LIAR_LOG2 };

static bool answered(struct liar *l, struct end *m, uint16_t type)
{
	struct memif_msg msg;
	int fd, len = -EAGAIN;

	for (int i = 0; i < 100 && len == -EAGAIN; i++) {
		service(m);
		len = memif_msg_recv(l->sock, &msg, &fd);
	}
	return len == sizeof(msg) && msg.type == type;
}

static bool say(struct liar *l, struct end *m, struct memif_msg *msg, int fd, uint16_t want)
{
	int rc = memif_msg_send(l->sock, msg, fd);

	if (fd >= 0)
		close(fd);
	return rc == 0 && answered(l, m, want);
}

static int region_fd(size_t size, int seals)
{
	int fd = memfd_create("liar", MFD_ALLOW_SEALING);

	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, (off_t)size), 0);
	assert_int_equal(fcntl(fd, F_ADD_SEALS, seals), 0);
	return fd;
}

static void liar_init(struct liar *l, struct end *m)
{
	struct memif_msg msg = { .type = MEMIF_MSG_INIT };

	l->sock = memif_connect(path);
	assert_true(l->sock >= 0);
	assert_true(answered(l, m, MEMIF_MSG_HELLO));
	msg.init.version = MEMIF_VERSION;
	assert_true(say(l, m, &msg, -1, MEMIF_MSG_ACK));
}

static bool add_region(struct liar *l, struct end *m, uint16_t index, uint64_t size, int fd)
{
	struct memif_msg msg = { .type = MEMIF_MSG_ADD_REGION };

	msg.add_region.index = index;
	msg.add_region.size = size;
	return say(l, m, &msg, fd, MEMIF_MSG_ACK);
}

static bool add_ring(struct liar *l, struct end *m, bool s2m, uint16_t region, uint32_t off, uint8_t log2, int fd)
{
	struct memif_msg msg = { .type = MEMIF_MSG_ADD_RING };

	msg.add_ring.flags = s2m;
	msg.add_ring.region = region;
	msg.add_ring.offset = off;
	msg.add_ring.log2_ring_size = log2;
	return say(l, m, &msg, fd, MEMIF_MSG_ACK);
}

static void liar_up(struct liar *l, struct end *m)
{
	struct memif_msg msg = { .type = MEMIF_MSG_CONNECT };
	int fd = region_fd(LIAR_SIZE, F_SEAL_SHRINK);

	liar_init(l, m);
	l->mem = mmap(NULL, LIAR_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	assert_true(l->mem != MAP_FAILED);
	l->s2m = (struct memif_ring *)l->mem;
	l->m2s = (struct memif_ring *)(l->mem + 4096);
	l->s2m->cookie = l->m2s->cookie = MEMIF_COOKIE;
	assert_true(add_region(l, m, 0, LIAR_SIZE, fd));
	assert_true(add_ring(l, m, true, 0, 0, LIAR_LOG2, eventfd(0, 0)));
	assert_true(add_ring(l, m, false, 0, 4096, LIAR_LOG2, eventfd(0, 0)));
	assert_true(say(l, m, &msg, -1, MEMIF_MSG_CONNECTED));
	assert_true(memif_up(&m->vi));
}

static void liar_gone(struct liar *l, struct end *m)
{
	close(l->sock);
	if (l->mem)
		munmap(l->mem, LIAR_SIZE);
	memset(l, 0, sizeof(*l));
	service(m);
	assert_false(memif_up(&m->vi));
	/* Dead links stay mapped for a while, and there are only so many. */
	usleep(130000);
}

static void bad_regions_are_refused(void **state)
{
	struct liar l = { 0 };
	struct end m;
	int p[2];

	(void)state;
	end_open(&m, &(struct memif_attr){ .flags = MEMIF_MASTER });
	liar_init(&l, &m);	/* could be cut short: SIGBUS */
	assert_false(add_region(&l, &m, 0, LIAR_SIZE, region_fd(LIAR_SIZE, 0)));
	liar_gone(&l, &m);
	liar_init(&l, &m);	/* shorter than it says */
	assert_false(add_region(&l, &m, 0, LIAR_SIZE + 1, region_fd(LIAR_SIZE, F_SEAL_SHRINK)));
	liar_gone(&l, &m);
	liar_init(&l, &m);	/* no memory at all */
	assert_int_equal(pipe(p), 0);
	close(p[1]);
	assert_false(add_region(&l, &m, 0, LIAR_SIZE, p[0]));
	liar_gone(&l, &m);
	liar_init(&l, &m);	/* no descriptor */
	assert_false(add_region(&l, &m, 0, LIAR_SIZE, -1));
	liar_gone(&l, &m);
	liar_init(&l, &m);	/* not the next index */
	assert_false(add_region(&l, &m, 7, LIAR_SIZE, region_fd(LIAR_SIZE, F_SEAL_SHRINK)));
	liar_gone(&l, &m);
	end_close(&m);
}

static void bad_rings_are_refused(void **state)
{
	static const struct { uint16_t region; uint32_t off; uint8_t log2; } bad[] = {
		{ 1, 0, 4 }, { 0, LIAR_SIZE, 4 }, { 0, LIAR_SIZE - 128, 4 }, { 0, 0, 13 }, { 0, 0, 15 }, { 0, 0, 255 },
		{ 0, UINT32_MAX - 15, 4 }, { 0, 8, 4 },
	};
	struct memif_msg msg = { .type = MEMIF_MSG_CONNECT };
	struct liar l = { 0 };
	struct end m;
	int p[2];

	(void)state;
	end_open(&m, &(struct memif_attr){ .flags = MEMIF_MASTER });
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		liar_init(&l, &m);
		assert_true(add_region(&l, &m, 0, LIAR_SIZE, region_fd(LIAR_SIZE, F_SEAL_SHRINK)));
		assert_false(add_ring(&l, &m, true, bad[i].region, bad[i].off, bad[i].log2, eventfd(0, 0)));
		liar_gone(&l, &m);
	}
	liar_init(&l, &m);	/* a doorbell that could block us */
	assert_true(add_region(&l, &m, 0, LIAR_SIZE, region_fd(LIAR_SIZE, F_SEAL_SHRINK)));
	assert_int_equal(pipe(p), 0);
	close(p[0]);
	assert_false(add_ring(&l, &m, true, 0, 0, 4, p[1]));
	liar_gone(&l, &m);
	liar_init(&l, &m);	/* no rings, then rings without a cookie */
	assert_false(say(&l, &m, &msg, -1, MEMIF_MSG_CONNECTED));
	liar_gone(&l, &m);
	liar_init(&l, &m);
	assert_true(add_region(&l, &m, 0, LIAR_SIZE, region_fd(LIAR_SIZE, F_SEAL_SHRINK)));
	assert_true(add_ring(&l, &m, true, 0, 0, 4, -1));
	assert_true(add_ring(&l, &m, false, 0, 4096, 4, -1));
	assert_false(say(&l, &m, &msg, -1, MEMIF_MSG_CONNECTED));
	liar_gone(&l, &m);
	end_close(&m);
}

static void show(struct liar *l, uint16_t n, const struct memif_desc *d)
{
	for (uint16_t i = 0; i < n; i++)
		l->s2m->desc[(uint16_t)(l->s2m->head + i) % LIAR_RING] = d[i];
	__atomic_store_n(&l->s2m->head, (uint16_t)(l->s2m->head + n), __ATOMIC_RELEASE);
}

static void bad_descriptors_are_dropped(void **state)
{
	static const struct memif_desc bad[] = {
		{ .region = 1, .length = 60 }, { .region = 65535, .length = 60 },
		{ .offset = LIAR_SIZE, .length = 60 }, { .offset = LIAR_SIZE - 59, .length = 60 },
		{ .offset = UINT32_MAX, .length = UINT32_MAX }, { .length = UINT32_MAX }, { .length = 0 },
	};
	struct memif_desc chain[LIAR_RING];
	struct liar l = { 0 };
	struct end m;

	(void)state;
	end_open(&m, &(struct memif_attr){ .flags = MEMIF_MASTER });
	liar_up(&l, &m);
	for (uint32_t i = 0; i < ARRAY_SIZE(bad); i++) {
		show(&l, 1, &bad[i]);
		assert_int_equal(take(&m, 0), -1);
		assert_int_equal(take(&m, 0), -1);	/* nothing to do: what was used goes back */
		assert_int_equal(m.shm.rx_bad_desc, i + 1);
		assert_int_equal(l.s2m->tail, l.s2m->head);
	}
	/* A chain over the whole ring that never ends. */
	for (int i = 0; i < LIAR_RING; i++)
		chain[i] = (struct memif_desc){ .length = 60, .flags = MEMIF_DESC_NEXT };
	show(&l, LIAR_RING, chain);
	assert_int_equal(take(&m, 0), -1);
	assert_int_equal(take(&m, 0), -1);
	assert_int_equal(m.shm.rx_bad_desc, ARRAY_SIZE(bad) + 1);
	/* Half a chain waits; with its end it is a frame. */
	memset(l.mem + 8192, 0, 120);
	for (int i = 0; i < 120; i++)
		l.mem[8192 + i] = (uint8_t)(4 + i * 7);
	show(&l, 1, &(struct memif_desc){ .offset = 8192, .length = 60, .flags = MEMIF_DESC_NEXT });
	assert_int_equal(take(&m, 4), -1);
	show(&l, 1, &(struct memif_desc){ .offset = 8192 + 60, .length = 60 });
	assert_int_equal(take(&m, 4), 120);
	assert_true(memif_up(&m.vi));
	liar_gone(&l, &m);

	/* Buffers of nonsense to send into. */
	liar_up(&l, &m);
	l.m2s->desc[0] = (struct memif_desc){ .region = 3, .length = 2048 };
	l.m2s->desc[1] = (struct memif_desc){ .offset = LIAR_SIZE - 100, .length = 2048 };
	l.m2s->desc[2] = (struct memif_desc){ .offset = 8192, .length = 0 };
	l.m2s->desc[3] = (struct memif_desc){ .offset = 8192, .length = 2048 };
	l.m2s->head = 4;
	for (int i = 0; i < 4; i++)
		assert_int_equal(post(&m, 7, 60), 0);
	assert_int_equal(m.shm.tx_errors, 3);
	assert_int_equal(m.shm.tx_lost, 3);
	assert_int_equal(m.shm.tx_pkts, 1);
	assert_int_equal(l.m2s->tail, 4);
	assert_int_equal(l.m2s->desc[3].length, 60);
	assert_int_equal(post(&m, 7, 60), -EAGAIN);
	liar_gone(&l, &m);
	end_close(&m);
}

static void impossible_indices_end_the_connection(void **state)
{
	struct liar l = { 0 };
	struct end m;

	(void)state;
	end_open(&m, &(struct memif_attr){ .flags = MEMIF_MASTER });
	liar_up(&l, &m);
	l.s2m->head = LIAR_RING + 1;
	assert_int_equal(take(&m, 0), -1);
	assert_false(memif_up(&m.vi));
	liar_gone(&l, &m);
	liar_up(&l, &m);
	l.m2s->head = 40000;
	assert_int_equal(post(&m, 0, 60), 0);
	assert_int_equal(m.shm.tx_lost, 1);
	assert_false(memif_up(&m.vi));
	liar_gone(&l, &m);
	end_close(&m);
}

/* The slave's memory is its own, but a master may write anything into it. */
static void a_hostile_master_harms_nobody(void **state)
{
	struct end m, s;
	struct memif_link *l;

	(void)state;
	for (int zc = 0; zc < 2; zc++) {
		end_open(&m, &(struct memif_attr){ .flags = MEMIF_MASTER });
		end_open(&s, &(struct memif_attr){ .flags = zc ? MEMIF_ZEROCOPY : 0 });
		assert_true(joined(&m, &s));
		l = ((struct memif *)m.vi.priv)->link;
		l->tx.ring->desc[0].length = 1 << 20;
		l->tx.ring->desc[0].offset = UINT32_MAX;
		l->tx.ring->desc[0].region = 99;
		l->tx.ring->tail = 1;
		assert_int_equal(take(&s, 0), -1);
		assert_int_equal(s.shm.rx_bad_desc, 1);
		l->tx.ring->tail = 30000;
		assert_int_equal(take(&s, 0), -1);
		assert_false(memif_up(&s.vi));
		assert_true(joined(&m, &s));
		l = ((struct memif *)m.vi.priv)->link;
		l->rx.ring->tail = 30000;
		for (int i = 0; i < 1100 && memif_up(&s.vi); i++)	/* looked at when the ring seems full */
			(void)post(&s, 0, 60);
		service(&s);
		assert_false(memif_up(&s.vi));
		assert_true(joined(&m, &s));
		pass(&s, &m);
		end_close(&s);
		end_close(&m);
	}
}

/* ---- a peer that is killed ----------------------------------------------------------------- */

static pid_t start_flooder(const struct memif_attr *a)
{
	struct vi_event ev[16];
	struct end e;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	end_open(&e, a);
	for (uint32_t i = 0;; i++) {
		int n = vi_rx_poll(&e.vi, ev, 16);

		for (int k = 0; k < n; k++)
			(void)vi_rx_refill(&e.vi, &ev[k].buf, 1);
		(void)post(&e, i, 60);
	}
}

/* Floods and receives until @end_ns; each frame is in one place. */
static void flood_against(struct end *e, bool *ours, uint64_t end_ns)
{
	struct vi_event ev[16];
	uint32_t done[64], buf = 0;
	int n;

	while (clock_ns() < end_ns) {
		n = vi_rx_poll(&e->vi, ev, 16);
		for (int i = 0; i < n; i++) {
			assert_int_equal(ev[i].len, 60);
			assert_int_equal(vi_rx_refill(&e->vi, &ev[i].buf, 1), 1);
		}
		for (int i = 0; i < 8; i++) {
			buf = buf + 1 < N_FRAMES - N_FILL ? buf + 1 : 0;
			if (ours[buf] && vi_tx_post(&e->vi, N_FILL + buf, 0, 60, false) == 0)
				ours[buf] = false;
		}
		assert_int_equal(vi_tx_kick(&e->vi), 0);
		n = vi_tx_poll(&e->vi, done, 64);
		for (int i = 0; i < n; i++) {
			assert_true(done[i] >= N_FILL && !ours[done[i] - N_FILL]);
			ours[done[i] - N_FILL] = true;
		}
	}
}

static void a_peer_may_be_killed_anywhere(void **state)
{
	static const struct { uint32_t ours, theirs; } role[] = {
		{ MEMIF_MASTER, 0 }, { MEMIF_MASTER, MEMIF_ZEROCOPY }, { 0, MEMIF_MASTER }, { MEMIF_ZEROCOPY, MEMIF_MASTER },
	};
	bool ours[N_FRAMES - N_FILL];
	uint32_t done[64];
	struct end e;
	pid_t pid;

	(void)state;
	for (size_t r = 0; r < ARRAY_SIZE(role); r++) {
		end_open(&e, &(struct memif_attr){ .flags = role[r].ours });
		memset(ours, true, sizeof(ours));
		for (int i = 0; i < 4; i++) {
			pid = start_flooder(&(struct memif_attr){ .flags = role[r].theirs });
			for (int k = 0; k < 3000 && e.shm.link_ups <= (uint64_t)i; k++) {
				service(&e);
				usleep(1000);
			}
			assert_int_equal(e.shm.link_ups, i + 1);
			flood_against(&e, ours, clock_ns() + (uint64_t)(7 + 5 * i) * NSEC_PER_MSEC);
			kill(pid, SIGKILL);
			waitpid(pid, NULL, 0);
			for (int k = 0; k < 400 && memif_up(&e.vi); k++)
				flood_against(&e, ours, clock_ns() + 5 * NSEC_PER_MSEC);
			assert_false(memif_up(&e.vi));
		}
		/* All frames came home. */
		for (int n; (n = vi_tx_poll(&e.vi, done, 64)) > 0;)
			for (int i = 0; i < n; i++)
				ours[done[i] - N_FILL] = true;
		for (int i = 0; i < N_FRAMES - N_FILL; i++)
			assert_true(ours[i]);
		assert_int_equal(e.shm.fill_level, N_FILL);
		assert_int_equal(e.shm.rx_bad_desc, 0);
		end_close(&e);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(frames_pass_with_copies),
		cmocka_unit_test(frames_pass_with_zero_copy),
		cmocka_unit_test(small_buffers_are_chained),
		cmocka_unit_test(large_packets_arrive_in_pieces),
		cmocka_unit_test(every_loss_is_counted),
		cmocka_unit_test(packets_wait_for_frames),
		cmocka_unit_test(a_peer_that_comes_again_is_taken),
		cmocka_unit_test(a_sleeper_is_woken),
		cmocka_unit_test(interfaces_share_a_socket),
		cmocka_unit_test(strangers_are_refused),
		cmocka_unit_test(bad_regions_are_refused),
		cmocka_unit_test(bad_rings_are_refused),
		cmocka_unit_test(bad_descriptors_are_dropped),
		cmocka_unit_test(impossible_indices_end_the_connection),
		cmocka_unit_test(a_hostile_master_harms_nobody),
		cmocka_unit_test(a_peer_may_be_killed_anywhere),
	};

	snprintf(path, sizeof(path), "@postern-memif-test-%d", (int)getpid());
	return cmocka_run_group_tests(tests, NULL, NULL) ? 1 : 0;
}
