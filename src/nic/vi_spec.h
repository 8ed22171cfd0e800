/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vi_spec.h - interfaces by name
 *
 *	eth0                                   the kernel's: not opened here
 *	memif:PATH[,id=N][,role=master|slave][,secret=S][,ring=N][,buf=N][,zc=1][,trust=1]
 *	pcap:FILE[,speed=original|max][,loop=N|forever][,write=FILE]
 *	pcap:,write=FILE                       records only
 *
 * and, for an interface that the kernel does not own, what it would know:
 *
 *	[,mac=02:..][,mtu=N][,ip=ADDR/PREFIX]...[,gw=ADDR]...
 *
 * role is slave unless said otherwise; PATH may be "@abstract"; an option given twice,
 * an unknown one or a bad value is an error, never ignored.
 */
#ifndef POSTERN_NIC_VI_SPEC_H
#define POSTERN_NIC_VI_SPEC_H

#include "nic/memif/memif.h"
#include "nic/pcap/pcap_vi.h"
#include "wire/flow.h"

enum { VI_SPEC_ADDRS = 4 };

struct vi_spec {
	uint32_t driver;	/* enum vi_driver; VI_DRV_NONE: a name of the kernel's */
	union {
		struct memif_attr memif;	/* without the packet memory */
		struct pcap_vi_attr pcap;
	};
	struct {
		struct ipaddr addr;
		uint8_t prefix_len;	/* of the family: 24, 64 */
	} ip[VI_SPEC_ADDRS];
	uint32_t n_ips;
	struct ipaddr gw[2];		/* one of each family */
	uint32_t n_gws;
	uint32_t mtu;			/* 1500 unless given */
	uint8_t mac[6];			/* given, or made of the name: locally administered */
	bool has_mac;			/* given */
};

/* Packet memory of a VI: frame i is at base + (i << frame_shift). */
struct vi_mem {
	void *base;
	uint32_t frame_shift;
	uint32_t n_frames;
	int fd;			/* memfd that @base maps from byte fd_off on, or -1 */
	uint64_t fd_off;
};

/* vi_spec_parse - read a name.  0 or -EINVAL with a line in @why. */
int __must_check vi_spec_parse(struct vi_spec *out, const char *name, char why[96]);

/**
 * vi_spec_open - open what a parsed name says
 * @shm: zeroed; sizes may be preset, as the driver's header says
 *
 * Returns 0, the driver's error, -ENODEV (a name of the kernel's) or -EOPNOTSUPP (this
 * program is not linked with that driver).
 */
int __must_check vi_spec_open(struct vi *vi, struct vi_shm *shm, const struct vi_spec *spec, const struct vi_mem *mem);

#endif
