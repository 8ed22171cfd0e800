// SPDX-License-Identifier: BSD-2-Clause
/*
 * pcap.c - capture file of a simulated network
 *
 * The classic format with nanosecond stamps (magic 0xa1b23c4d), Ethernet.
 * A write that fails ends the capture, not the test.
 */
#include "nic/sim/sim_priv.h"

#include <errno.h>

int sim_pcap_open(struct sim_net *net, const char *path)
{
	static const struct {
		uint32_t magic;
		uint16_t major, minor;
		uint32_t zone, sigfigs, snaplen, linktype;
	} head = { 0xa1b23c4d, 2, 4, 0, 0, 65535, 1 };
	FILE *fp;

	fp = fopen(path, "we");
	if (!fp)
		return -errno;
	if (fwrite(&head, sizeof(head), 1, fp) != 1) {
		fclose(fp);
		return -EIO;
	}
	if (net->pcap)
		fclose(net->pcap);
	net->pcap = fp;
	return 0;
}

void sim_pcap_write(struct sim_net *net, const struct sim_frame *f)
{
	uint32_t head[4] = {
		(uint32_t)(net->now_ns / NSEC_PER_SEC), (uint32_t)(net->now_ns % NSEC_PER_SEC),
		f->len, f->len,
	};

	if (!net->pcap)
		return;
	if (fwrite(head, sizeof(head), 1, net->pcap) == 1 &&
	    fwrite(f->data, 1, f->len, net->pcap) == f->len)
		return;
	fclose(net->pcap);
	net->pcap = NULL;
}
