// SPDX-License-Identifier: BSD-2-Clause
/*
 * pcap_vi.c - replay and record
 *
 * Keeps one packet in hand: libpcap's, valid until the next is asked for.  It is
 * delivered when it is due and a frame is there.  Sent frames are done at once.
 */
#include "nic/pcap/pcap_vi.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <pcap/pcap.h>

#include "base/clock.h"

enum { FIFO_DEFAULT = 1024, FIFO_MAX = 1 << 16, SNAP = 262144 };

struct fifo {
	uint32_t *buf;
	uint32_t mask, head, tail;
};

struct replay {
	struct vi_shm *shm;
	struct pcap_vi_attr attr;
	struct fifo fill, comp;
	uint8_t *frames;
	uint32_t room;		/* of a frame, behind PCAP_VI_RX_OFF */

	pcap_t *in;
	struct pcap_pkthdr *hdr;	/* the packet in hand; NULL none */
	const uint8_t *data;
	uint32_t loop;
	int done;			/* 1, or -errno */
	uint64_t start_ns;		/* when time began; 0 not yet */
	uint64_t first_ts;		/* of this loop's first packet */
	uint64_t offset_ns;		/* of this loop's begin */

	pcap_t *out;
	pcap_dumper_t *dump;
	uint8_t *part;			/* a packet that goes on (more_frags) */
	uint32_t part_len;
};

static int fifo_init(struct fifo *f, uint32_t *size)
{
	if (!*size)
		*size = FIFO_DEFAULT;
	if (*size > FIFO_MAX || *size & (*size - 1))
		return -EINVAL;
	f->mask = *size - 1;
	f->buf = malloc(*size * sizeof(*f->buf));
	return f->buf ? 0 : -ENOMEM;
}

/* ---- replay ---------------------------------------------------------------------------- */

static pcap_t *open_in(const char *path, int *rc)
{
	char err[PCAP_ERRBUF_SIZE];
	pcap_t *p;

	*rc = access(path, R_OK) < 0 ? -errno : 0;
	if (*rc < 0)
		return NULL;
	p = pcap_open_offline_with_tstamp_precision(path, PCAP_TSTAMP_PRECISION_NANO, err);
	if (!p)
		*rc = -EBADMSG;
	else if (pcap_datalink(p) != DLT_EN10MB)
		*rc = -EPROTONOSUPPORT;
	if (*rc < 0 && p) {
		pcap_close(p);
		p = NULL;
	}
	return p;
}

static uint64_t stamp(const struct pcap_pkthdr *h)
{
	return (uint64_t)h->ts.tv_sec * NSEC_PER_SEC + (uint64_t)h->ts.tv_usec;	/* nanoseconds, as asked for */
}

/* From the begin once more, a moment behind the last packet. */
static bool rewind_in(struct replay *r)
{
	uint64_t now = clock_ns();
	int rc;

	if (r->loop + 1 >= r->attr.loops && r->attr.loops != UINT32_MAX)
		return false;
	pcap_close(r->in);
	r->in = open_in(r->attr.in, &rc);
	if (!r->in) {
		r->done = rc;
		return false;
	}
	r->loop++;
	r->offset_ns = now - r->start_ns;
	r->first_ts = 0;
	return true;
}

/* Have a packet in hand. */
static bool next(struct replay *r)
{
	bool again = false;
	int rc;

	while (!r->hdr && !r->done) {
		rc = r->in ? pcap_next_ex(r->in, &r->hdr, &r->data) : PCAP_ERROR_BREAK;
		if (rc == 1) {
			if (!r->first_ts)
				r->first_ts = stamp(r->hdr);
			return true;
		}
		r->hdr = NULL;
		if (rc != PCAP_ERROR_BREAK) {
			r->done = -EBADMSG;
		} else if (again || !r->in || !rewind_in(r)) {	/* twice at once: an empty file */
			r->done = r->done ? r->done : 1;
		}
		again = true;
	}
	return r->hdr;
}

/* In ns of the monotonic clock.  Stamps that go back are due at once. */
static uint64_t due(const struct replay *r)
{
	uint64_t ts = stamp(r->hdr);

	if (r->attr.flags & PCAP_VI_MAX_SPEED || ts < r->first_ts)
		return 0;
	return r->start_ns + r->offset_ns + (ts - r->first_ts);
}

static int deliver(struct replay *r, struct vi_event *ev, int max)
{
	const uint32_t len = r->hdr->caplen, need = (len + r->room - 1) / r->room;
	struct vi_shm *sh = r->shm;
	uint32_t done = 0, part, buf;
	int n = 0;

	if (!need || (need > 1 && !(sh->flags & VI_F_SG)) || need > r->fill.mask) {
		*(need ? &sh->rx_oversize : &sh->rx_bad_desc) += 1;
		r->hdr = NULL;
		return 0;
	}
	if (need > (uint32_t)max)
		return -EAGAIN;
	if (need > r->fill.head - r->fill.tail) {
		sh->rx_no_frame++;
		return -EAGAIN;
	}
	while (done < len) {
		part = min_t(uint32_t, len - done, r->room);
		buf = r->fill.buf[r->fill.tail++ & r->fill.mask];
		memcpy(r->frames + ((size_t)buf << r->attr.frame_shift) + PCAP_VI_RX_OFF, r->data + done, part);
		done += part;
		ev[n++] = (struct vi_event){ .buf = buf, .off = PCAP_VI_RX_OFF, .len = (uint16_t)part,
					     .flags = done < len ? VI_EV_CONT : 0 };
	}
	sh->rx_pkts++;
	sh->rx_bytes += len;
	r->hdr = NULL;
	return n;
}

static int rx_poll(struct vi *vi, struct vi_event *ev, int max)
{
	struct replay *r = vi->priv;
	uint64_t now = 0;
	int n = 0, rc;

	if (!r->start_ns)
		r->start_ns = clock_ns();
	while (n < max && next(r)) {
		uint64_t at = due(r);

		if (at > now) {
			now = clock_ns();
			if (at > now)
				break;
		}
		rc = deliver(r, ev + n, max - n);
		if (rc < 0) {
			/* Never enough room: as lost as without VI_F_SG. */
			if (!n && (r->hdr->caplen + r->room - 1) / r->room > (uint32_t)max) {
				r->shm->rx_oversize++;
				r->hdr = NULL;
				continue;
			}
			break;
		}
		n += rc;
	}
	vi->shm->fill_level = r->fill.head - r->fill.tail;
	return n;
}

static int rx_refill(struct vi *vi, const uint32_t *bufs, int n)
{
	struct replay *r = vi->priv;
	int i;

	for (i = 0; i < n && r->fill.head - r->fill.tail <= r->fill.mask; i++)
		r->fill.buf[r->fill.head++ & r->fill.mask] = bufs[i];
	vi->shm->fill_level = r->fill.head - r->fill.tail;
	return i;
}

static bool rx_ready(const struct vi *vi)
{
	const struct replay *r = vi->priv;

	/* Looks only: whether there is another packet at all, the next poll finds out. */
	if (r->done)
		return false;
	return !r->hdr || due(r) <= clock_ns();
}

static int rx_arm(struct vi *vi, bool on)
{
	struct replay *r = vi->priv;
	struct itimerspec its = { { 0 }, { 0 } };
	uint64_t at;

	if (on && !r->start_ns)
		r->start_ns = clock_ns();
	if (on && next(r)) {
		at = due(r);
		at = at ? at : 1;	/* 0 would stop the timer */
		its.it_value.tv_sec = (time_t)(at / NSEC_PER_SEC);
		its.it_value.tv_nsec = (long)(at % NSEC_PER_SEC);
	}
	return timerfd_settime(vi->fd, TFD_TIMER_ABSTIME, &its, NULL) < 0 ? -errno : 0;
}

/* ---- record ---------------------------------------------------------------------------- */

static void record(struct replay *r, const uint8_t *data, uint32_t len)
{
	uint64_t now = clock_real_ns();
	struct pcap_pkthdr h = { .caplen = len, .len = len };

	h.ts.tv_sec = (time_t)(now / NSEC_PER_SEC);
	h.ts.tv_usec = (suseconds_t)(now % NSEC_PER_SEC);
	pcap_dump((u_char *)r->dump, &h, data);
}

static int tx_post(struct vi *vi, uint32_t buf, uint16_t off, uint16_t len, bool more)
{
	struct replay *r = vi->priv;
	struct vi_shm *sh = vi->shm;
	const uint8_t *data;

	if (r->comp.head - r->comp.tail > r->comp.mask) {
		sh->tx_ring_full++;
		return -EAGAIN;
	}
	if (buf >= vi->n_frames || (uint32_t)off + len > 1u << vi->frame_shift) {
		sh->tx_errors++;
		return 0;
	}
	data = r->frames + ((size_t)buf << r->attr.frame_shift) + off;
	if (r->dump && !more && !r->part_len) {
		record(r, data, len);
	} else if (r->dump && r->part_len + len <= SNAP) {
		memcpy(r->part + r->part_len, data, len);
		r->part_len += len;
		if (!more)
			record(r, r->part, r->part_len);
	}
	if (!more)
		r->part_len = 0;
	r->comp.buf[r->comp.head++ & r->comp.mask] = buf;
	sh->tx_inflight = r->comp.head - r->comp.tail;
	sh->tx_pkts += !more;
	sh->tx_bytes += len;
	return 0;
}

static int tx_poll(struct vi *vi, uint32_t *bufs, int max)
{
	struct replay *r = vi->priv;
	int n = 0;

	while (n < max && r->comp.tail != r->comp.head)
		bufs[n++] = r->comp.buf[r->comp.tail++ & r->comp.mask];
	vi->shm->tx_inflight = r->comp.head - r->comp.tail;
	return n;
}

static int tx_kick(struct vi *vi)
{
	(void)vi;
	return 0;
}

/* ---- open and close ---------------------------------------------------------------------- */

static int kstats(const struct vi *vi, struct vi_kstats *out)
{
	(void)vi;
	*out = (struct vi_kstats){ 0 };
	return 0;
}

static void free_replay(struct replay *r)
{
	if (r->in)
		pcap_close(r->in);
	if (r->dump)
		pcap_dump_close(r->dump);
	if (r->out)
		pcap_close(r->out);
	free(r->part);
	free(r->fill.buf);
	free(r->comp.buf);
	free(r);
}

static void close_vi(struct vi *vi)
{
	free_replay(vi->priv);
	close(vi->fd);
}

static const struct vi_ops pcap_ops = {
	.rx_poll = rx_poll,
	.rx_refill = rx_refill,
	.rx_ready = rx_ready,
	.rx_arm = rx_arm,
	.tx_post = tx_post,
	.tx_poll = tx_poll,
	.tx_kick = tx_kick,
	.kstats = kstats,
	.close = close_vi,
};

static int open_out(struct replay *r)
{
	r->part = malloc(SNAP);
	r->out = pcap_open_dead_with_tstamp_precision(DLT_EN10MB, SNAP, PCAP_TSTAMP_PRECISION_NANO);
	if (!r->part || !r->out)
		return -ENOMEM;
	errno = 0;
	r->dump = pcap_dump_open(r->out, r->attr.out);
	if (!r->dump)
		return errno ? -errno : -EIO;
	return 0;
}

int pcap_vi_open(struct vi *vi, struct vi_shm *shm, const struct pcap_vi_attr *attr)
{
	struct replay *r;
	int rc, fd;

	if (!attr->frames || !attr->n_frames || attr->frame_shift < 9 || attr->frame_shift > 15)
		return -EINVAL;
	r = calloc(1, sizeof(*r));
	if (!r)
		return -ENOMEM;
	r->shm = shm;
	r->attr = *attr;
	r->attr.in[sizeof(r->attr.in) - 1] = r->attr.out[sizeof(r->attr.out) - 1] = 0;
	r->frames = attr->frames;
	r->room = (1u << attr->frame_shift) - PCAP_VI_RX_OFF;
	rc = fifo_init(&r->fill, &shm->fill_size);
	if (rc == 0)
		rc = fifo_init(&r->comp, &shm->comp_size);
	if (rc == 0 && r->attr.in[0])
		r->in = open_in(r->attr.in, &rc);
	if (rc == 0 && r->attr.out[0])
		rc = open_out(r);
	if (rc < 0)
		goto out_free;
	fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (fd < 0) {
		rc = -errno;
		goto out_free;
	}
	shm->driver = VI_DRV_PCAP;
	shm->flags &= VI_F_SG;
	shm->rx_size = shm->fill_size;
	shm->tx_size = shm->comp_size;
	shm->frame_shift = attr->frame_shift;
	shm->n_frames = attr->n_frames;
	*vi = (struct vi){
		.shm = shm, .driver = VI_DRV_PCAP, .fd = fd, .frame_shift = attr->frame_shift,
		.n_frames = attr->n_frames, .ops = &pcap_ops, .priv = r,
	};
	return 0;

out_free:
	free_replay(r);
	return rc;
}

int pcap_vi_done(const struct vi *vi)
{
	const struct replay *r = vi->priv;

	return r->done;
}
