/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * memif.c - fuzz target: a hostile memif peer
 *
 * A master and a slave of ours are joined; the input writes into the memory that they
 * share (rings, descriptors, indices), and says things on their control sockets.  Either
 * end is so the victim of the other.  What must hold: no access outside the mapped
 * regions, and every frame is in one place: with its owner or with the VI, once.
 *
 * Input: an octet of options, then steps: an octet that says what, and its operands.
 */
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include "fuzz.h"
#include "nic/memif/memif_priv.h"

enum { SHIFT = 11, N_FRAMES = 64, RING = 8 };

struct end {
	struct vi vi;
	struct vi_shm shm;
	uint8_t *frames;
	bool lent[N_FRAMES];	/* with the VI, to receive into or to send */
};

struct input {
	const uint8_t *p, *end;
};

static uint8_t octet(struct input *in)
{
	return in->p < in->end ? *in->p++ : 0;
}

static uint32_t word(struct input *in)
{
	uint32_t a = octet(in), b = octet(in);

	/* Small numbers, and those near the ends of their range. */
	return a & 0x80 ? 0u - (b + 256 * (a & 0x7f)) : b + 256 * a;
}

static void end_open(struct end *e, uint32_t flags, uint32_t sg)
{
	struct memif_attr a = { .path = "", .flags = flags, .ring_size = RING, .buf_size = 256,
				.frame_shift = SHIFT, .n_frames = N_FRAMES, .frames_fd = -1 };

	memset(e, 0, sizeof(*e));
	snprintf(a.path, sizeof(a.path), "@postern-fuzz-memif-%d", (int)getpid());
	e->frames = mmap(NULL, N_FRAMES << SHIFT, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	FUZZ_CHECK(e->frames != MAP_FAILED);
	a.frames = e->frames;
	e->shm.flags = sg;
	e->shm.fill_size = e->shm.comp_size = 16;
	FUZZ_CHECK(memif_open(&e->vi, &e->shm, &a) == 0);
}

static void end_close(struct end *e)
{
	vi_close(&e->vi);
	munmap(e->frames, N_FRAMES << SHIFT);
}

static void back(struct end *e, uint32_t buf)
{
	FUZZ_CHECK(buf < N_FRAMES && e->lent[buf]);
	e->lent[buf] = false;
}

static int spare(const struct end *e)
{
	for (int i = 0; i < N_FRAMES; i++)
		if (!e->lent[i])
			return i;
	return -1;
}

static void receive(struct end *e, int max)
{
	struct vi_event ev[8];
	int n = vi_rx_poll(&e->vi, ev, max);

	FUZZ_CHECK(n >= 0 && n <= max);
	for (int i = 0; i < n; i++) {
		FUZZ_CHECK(ev[i].off + ev[i].len <= 1 << SHIFT);
		back(e, ev[i].buf);
	}
}

static void refill(struct end *e, int n)
{
	while (n-- > 0) {
		int i = spare(e);
		uint32_t buf = (uint32_t)i;

		if (i < 0 || vi_rx_refill(&e->vi, &buf, 1) != 1)
			return;
		e->lent[i] = true;
	}
}

static void transmit(struct end *e, uint32_t len, bool more)
{
	int i = spare(e);

	if (i < 0 || !len || len > 2048)
		return;
	if (vi_tx_post(&e->vi, (uint32_t)i, 0, (uint16_t)len, more) == 0)
		e->lent[i] = true;
	FUZZ_CHECK(vi_tx_kick(&e->vi) == 0);
}

static void complete(struct end *e)
{
	uint32_t bufs[8];
	int n = vi_tx_poll(&e->vi, bufs, 8);

	for (int i = 0; i < n; i++)
		back(e, bufs[i]);
}

/* Anything, into a field of a ring that both ends map. */
static void scribble(struct end *e, struct input *in)
{
	struct memif_link *l = ((struct memif *)e->vi.priv)->link;
	uint8_t what = octet(in);
	struct memif_ring *r = what & 0x80 ? l->rx.ring : l->tx.ring;
	struct memif_desc *d = &r->desc[what & (RING - 1)];
	uint32_t v = word(in);

	if (l == &((struct memif *)e->vi.priv)->none)
		return;
	switch (what >> 4 & 7) {
	case 0:
		r->head = (uint16_t)v;
		break;
	case 1:
		r->tail = (uint16_t)v;
		break;
	case 2:
		r->flags = (uint16_t)v;
		break;
	case 3:
		d->flags = (uint16_t)v;
		break;
	case 4:
		d->region = (uint16_t)v;
		break;
	case 5:
		d->length = v;
		break;
	case 6:
		d->offset = v;
		break;
	case 7:
		r->head = (uint16_t)(r->head + (v & 15));
		break;
	}
}

static int some_fd(uint8_t what)
{
	int p[2], fd;

	switch (what & 3) {
	case 1:
		fd = memfd_create("fuzz", MFD_ALLOW_SEALING);
		FUZZ_CHECK(ftruncate(fd, 8192) == 0);
		return fd;
	case 2:
		return eventfd(0, 0);
	case 3:
		FUZZ_CHECK(pipe(p) == 0);
		close(p[0]);
		return p[1];
	default:
		return -1;
	}
}

/* As the other end says it, on a socket of the end's own. */
static void talk(struct end *e, struct input *in)
{
	struct memif *m = e->vi.priv;
	struct memif_msg msg = { .type = (uint16_t)(octet(in) & 15) };
	uint8_t what = octet(in), n = what >> 2;
	int fd = some_fd(what);

	for (uint8_t i = 0; i < n; i++)
		msg.room[i] = octet(in);
	if (m->ctl >= 0)
		(void)memif_msg_send(m->ctl, &msg, fd);
	if (fd >= 0)
		close(fd);
}

static void step(struct end *e, struct end *peer, struct input *in)
{
	uint8_t op = octet(in);

	if (op & 0x80) {
		struct end *t = e;

		e = peer;
		peer = t;
	}
	switch (op & 15) {
	case 0:
	case 1:
	case 2:
	case 3:
		scribble(e, in);
		break;
	case 4:
	case 5:
		receive(e, 1 + (op >> 4 & 7));
		break;
	case 6:
		refill(e, 1 + (op >> 4 & 7));
		break;
	case 7:
	case 8:
		transmit(e, word(in) & 2047, op & 0x40);
		break;
	case 9:
		complete(e);
		break;
	case 10:
		talk(e, in);
		break;
	case 11:
		memif_service(e->vi.priv);
		break;
	case 12:
		vi_rx_arm(&e->vi, op & 0x40);
		break;
	case 13:
		((struct memif *)e->vi.priv)->retry_ns = 0;
		memif_service(e->vi.priv);
		memif_service(peer->vi.priv);
		break;
	case 14:
		(void)vi_rx_ready(&e->vi);
		break;
	default:
		refill(e, 8);
		transmit(peer, 60, false);
		receive(e, 8);
		complete(peer);
		break;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { data, data + size };
	uint8_t opt = octet(&in);
	struct end master, slave;

	end_open(&master, MEMIF_MASTER, opt & 1 ? VI_F_SG : 0);
	end_open(&slave, opt & 2 ? MEMIF_ZEROCOPY : 0, opt & 4 ? VI_F_SG : 0);
	refill(&master, 8);
	refill(&slave, 8);
	for (int i = 0; i < 12 && !(opt & 8 && i > 3) && !(memif_up(&master.vi) && memif_up(&slave.vi)); i++) {
		memif_service(master.vi.priv);
		memif_service(slave.vi.priv);
	}
	FUZZ_CHECK(opt & 8 || memif_up(&slave.vi));
	for (int i = 0; i < 200 && in.p < in.end; i++)
		step(&master, &slave, &in);
	end_close(&slave);
	end_close(&master);
	return 0;
}
