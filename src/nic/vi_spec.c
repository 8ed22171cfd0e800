// SPDX-License-Identifier: BSD-2-Clause
/*
 * vi_spec.c - interfaces by name: parsing, and opening by the driver named
 *
 * One table of options per driver, and one for all.  The capture file driver is linked
 * only into programs that want it, so it is referred to weakly.
 */
#include "nic/vi_spec.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int pcap_vi_open(struct vi *vi, struct vi_shm *shm, const struct pcap_vi_attr *attr) __attribute__((weak));

static int number(const char *s, uint32_t max, uint32_t *out)
{
	unsigned long v;
	char *end;

	if (*s < '0' || *s > '9')
		return -EINVAL;
	errno = 0;
	v = strtoul(s, &end, 0);
	if (*end || errno || v > max)
		return -EINVAL;
	*out = (uint32_t)v;
	return 0;
}

static int text(const char *s, char *out, size_t room)
{
	size_t n = strlen(s);

	if (!n || n >= room)
		return -EINVAL;
	memcpy(out, s, n + 1);
	return 0;
}

static int flag(const char *s, uint32_t bit, uint32_t *flags)
{
	if ((s[0] != '0' && s[0] != '1') || s[1])
		return -EINVAL;
	*flags |= s[0] == '1' ? bit : 0;
	return 0;
}

/* One of two words: the second sets the bit. */
static int choice(const char *s, const char *off, const char *on, uint32_t bit, uint32_t *flags)
{
	if (strcmp(s, on) == 0)
		*flags |= bit;
	else if (strcmp(s, off) != 0)
		return -EINVAL;
	return 0;
}

static int address(const char *s, struct ipaddr *out)
{
	be32_t a4;

	if (inet_pton(AF_INET, s, &a4) == 1)
		*out = ipaddr_from4(a4);
	else if (inet_pton(AF_INET6, s, out->b) != 1)
		return -EINVAL;
	return ipaddr_is_any(out) || ipaddr_is_mcast(out) || ipaddr_is_loopback(out) ? -EINVAL : 0;
}

/* ---- options of all ---------------------------------------------------------------- */

static int opt_ip(struct vi_spec *s, const char *v)
{
	char addr[INET6_ADDRSTRLEN];
	const char *slash = strchr(v, '/');
	uint32_t len, i = s->n_ips;

	if (!slash || (size_t)(slash - v) >= sizeof(addr) || i == VI_SPEC_ADDRS)
		return -EINVAL;
	memcpy(addr, v, (size_t)(slash - v));
	addr[slash - v] = 0;
	if (address(addr, &s->ip[i].addr) < 0 ||
	    number(slash + 1, ipaddr_is4(&s->ip[i].addr) ? 32 : 128, &len) < 0 || !len)
		return -EINVAL;
	s->ip[i].prefix_len = (uint8_t)len;
	s->n_ips++;
	return 0;
}

static int opt_gw(struct vi_spec *s, const char *v)
{
	if (s->n_gws == ARRAY_SIZE(s->gw) || address(v, &s->gw[s->n_gws]) < 0)
		return -EINVAL;
	if (s->n_gws && ipaddr_is4(&s->gw[0]) == ipaddr_is4(&s->gw[1]))
		return -EINVAL;
	s->n_gws++;
	return 0;
}

static int opt_mac(struct vi_spec *s, const char *v)
{
	unsigned b[6];
	int n = 0;

	if (sscanf(v, "%2x:%2x:%2x:%2x:%2x:%2x%n", &b[0], &b[1], &b[2], &b[3], &b[4], &b[5], &n) != 6 || v[n])
		return -EINVAL;
	for (int i = 0; i < 6; i++)
		s->mac[i] = (uint8_t)b[i];
	s->has_mac = true;
	return s->mac[0] & 1 ? -EINVAL : 0;
}

static int opt_mtu(struct vi_spec *s, const char *v)
{
	int rc = number(v, 9216, &s->mtu);

	return rc < 0 || s->mtu < 576 ? -EINVAL : 0;	/* RFC 791: what every host takes */
}

/* ---- memif --------------------------------------------------------------------------- */

static int memif_id(struct vi_spec *s, const char *v) { return number(v, UINT32_MAX, &s->memif.id); }
static int memif_ring(struct vi_spec *s, const char *v) { return number(v, 1 << 14, &s->memif.ring_size); }
static int memif_buf(struct vi_spec *s, const char *v) { return number(v, 1 << 16, &s->memif.buf_size); }
static int memif_secret(struct vi_spec *s, const char *v) { return text(v, s->memif.secret, sizeof(s->memif.secret)); }
static int memif_zc(struct vi_spec *s, const char *v) { return flag(v, MEMIF_ZEROCOPY, &s->memif.flags); }
static int memif_trust(struct vi_spec *s, const char *v) { return flag(v, MEMIF_TRUST, &s->memif.flags); }
static int memif_role(struct vi_spec *s, const char *v)
{
	return choice(v, "slave", "master", MEMIF_MASTER, &s->memif.flags);
}

/* ---- pcap ---------------------------------------------------------------------------- */

static int pcap_write(struct vi_spec *s, const char *v) { return text(v, s->pcap.out, sizeof(s->pcap.out)); }
static int pcap_speed(struct vi_spec *s, const char *v)
{
	return choice(v, "original", "max", PCAP_VI_MAX_SPEED, &s->pcap.flags);
}
static int pcap_loop(struct vi_spec *s, const char *v)
{
	if (strcmp(v, "forever") != 0)
		return number(v, UINT32_MAX - 1, &s->pcap.loops);
	s->pcap.loops = UINT32_MAX;
	return 0;
}

static const struct option {
	uint32_t driver;	/* VI_DRV_NONE: of all */
	const char *name;
	int (*set)(struct vi_spec *s, const char *value);
	bool many;		/* may be given more than once */
} options[] = {
	{ VI_DRV_NONE, "ip", opt_ip, true },
	{ VI_DRV_NONE, "gw", opt_gw, true },
	{ VI_DRV_NONE, "mac", opt_mac, false },
	{ VI_DRV_NONE, "mtu", opt_mtu, false },
	{ VI_DRV_MEMIF, "id", memif_id, false },
	{ VI_DRV_MEMIF, "role", memif_role, false },
	{ VI_DRV_MEMIF, "secret", memif_secret, false },
	{ VI_DRV_MEMIF, "ring", memif_ring, false },
	{ VI_DRV_MEMIF, "buf", memif_buf, false },
	{ VI_DRV_MEMIF, "zc", memif_zc, false },
	{ VI_DRV_MEMIF, "trust", memif_trust, false },
	{ VI_DRV_PCAP, "speed", pcap_speed, false },
	{ VI_DRV_PCAP, "loop", pcap_loop, false },
	{ VI_DRV_PCAP, "write", pcap_write, false },
};

static int set_option(struct vi_spec *s, char *word, uint32_t *seen, char why[96])
{
	char *eq = strchr(word, '=');

	if (eq)
		*eq = 0;
	for (size_t i = 0; i < ARRAY_SIZE(options); i++) {
		const struct option *o = &options[i];

		if (strcmp(o->name, word) != 0 || (o->driver != VI_DRV_NONE && o->driver != s->driver))
			continue;
		if (*seen & 1u << i && !o->many)
			snprintf(why, 96, "option %.20s is there twice", word);
		else if (!eq || o->set(s, eq + 1) < 0)
			snprintf(why, 96, "bad value for %.20s: %.50s", word, eq ? eq + 1 : "(none)");
		else {
			*seen |= 1u << i;
			return 0;
		}
		return -EINVAL;
	}
	snprintf(why, 96, "unknown option %.50s", word);
	return -EINVAL;
}

/* Different for the two ends, the same at each start. */
static void make_mac(struct vi_spec *s, const char *name)
{
	uint64_t h = s->driver == VI_DRV_MEMIF && s->memif.flags & MEMIF_MASTER;

	for (; *name && *name != ','; name++)
		h = (h ^ (uint8_t)*name) * 0x100000001b3ull;
	h ^= s->driver == VI_DRV_MEMIF ? (uint64_t)s->memif.id * 0x9e3779b97f4a7c15ull : 0;
	h = (h ^ h >> 29) * 0xbf58476d1ce4e5b9ull;
	s->mac[0] = 2;		/* locally administered, RFC 9542 section 2.1 */
	for (int i = 1; i < 6; i++)
		s->mac[i] = (uint8_t)(h >> 8 * i);
}

int vi_spec_parse(struct vi_spec *out, const char *name, char why[96])
{
	struct vi_spec s = { .mtu = 1500 };
	char copy[1024], *rest = copy, *word;
	uint32_t seen = 0;
	int rc;

	why[0] = 0;
	if (strncmp(name, "memif:", 6) == 0)
		s.driver = VI_DRV_MEMIF;
	else if (strncmp(name, "pcap:", 5) == 0)
		s.driver = VI_DRV_PCAP;
	if (s.driver == VI_DRV_NONE) {
		*out = s;
		return 0;
	}
	if (text(strchr(name, ':') + 1, copy, sizeof(copy)) < 0) {
		snprintf(why, 96, "a path must follow %.6s", name);
		return -EINVAL;
	}
	word = strsep(&rest, ",");
	if (s.driver == VI_DRV_MEMIF) {
		rc = text(word, s.memif.path, sizeof(s.memif.path));
		s.memif.frames_fd = -1;
	} else {
		rc = *word ? text(word, s.pcap.in, sizeof(s.pcap.in)) : 0;
	}
	if (rc < 0) {
		snprintf(why, 96, "the path is empty or too long");
		return rc;
	}
	while (rest) {
		word = strsep(&rest, ",");
		rc = set_option(&s, word, &seen, why);
		if (rc < 0)
			return rc;
	}
	if (s.driver == VI_DRV_PCAP && !s.pcap.in[0] && !s.pcap.out[0]) {
		snprintf(why, 96, "neither a file to read nor one to write");
		return -EINVAL;
	}
	if (!s.has_mac)
		make_mac(&s, name);
	*out = s;
	return 0;
}

int vi_spec_open(struct vi *vi, struct vi_shm *shm, const struct vi_spec *spec, const struct vi_mem *mem)
{
	struct memif_attr m;
	struct pcap_vi_attr p;

	switch (spec->driver) {
	case VI_DRV_MEMIF:
		m = spec->memif;
		m.frames = mem->base;
		m.frame_shift = mem->frame_shift;
		m.n_frames = mem->n_frames;
		m.frames_fd = mem->fd;
		m.frames_off = mem->fd_off;
		return memif_open(vi, shm, &m);
	case VI_DRV_PCAP:
		if (!pcap_vi_open)
			return -EOPNOTSUPP;
		p = spec->pcap;
		p.frames = mem->base;
		p.frame_shift = mem->frame_shift;
		p.n_frames = mem->n_frames;
		return pcap_vi_open(vi, shm, &p);
	default:
		return -ENODEV;
	}
}
