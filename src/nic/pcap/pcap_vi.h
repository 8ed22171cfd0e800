/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * pcap_vi.h - a VI whose wire is a file
 *
 * What is received comes from a capture file (pcap or pcapng, of Ethernet), at the
 * distances at which it was captured or as fast as it is taken.  What is sent is written
 * to another one, or to nowhere.  The format is libpcap's affair, and this driver a
 * library of its own (nic_pcap_dep), so that only those who want it link with libpcap.
 */
#ifndef POSTERN_NIC_PCAP_VI_H
#define POSTERN_NIC_PCAP_VI_H

#include "nic/nic.h"

enum {
	PCAP_VI_MAX_SPEED = 1u << 0,	/* no pauses */
};

struct pcap_vi_attr {
	char in[256];		/* file to replay; "" receives nothing */
	char out[256];		/* file to record into (replaced, classic pcap, nanoseconds); "" none */
	uint32_t flags;		/* PCAP_VI_* */
	uint32_t loops;		/* times to replay; 0 is 1, UINT32_MAX for ever */

	void *frames;		/* frame i is at frames + (i << frame_shift) */
	uint32_t frame_shift;
	uint32_t n_frames;
};

enum { PCAP_VI_RX_OFF = 256 };

/**
 * pcap_vi_open - make a VI
 * @shm: zeroed; fill_size and comp_size may be preset (powers of two; 0: 1024), and of
 *       flags VI_F_SG: packets larger than a frame arrive in pieces
 *
 * Time begins to run at the first vi_rx_poll().  Without a frame to receive into the
 * file waits: nothing is lost.  A packet that was captured cut off arrives cut off.
 * vi->fd is readable when the next packet is due, between vi_rx_arm(vi, true) and false.
 *
 * Returns 0, -EINVAL, -ENOMEM, -ENOENT and other errors of opening, -EBADMSG (no capture
 * file), -EPROTONOSUPPORT (not Ethernet).
 */
int __must_check pcap_vi_open(struct vi *vi, struct vi_shm *shm, const struct pcap_vi_attr *attr);

/* pcap_vi_done - has everything been received?  -EBADMSG: the file is damaged from here on. */
int pcap_vi_done(const struct vi *vi);

#endif
