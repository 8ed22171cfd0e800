// SPDX-License-Identifier: BSD-2-Clause
/*
 * sockopt.c - socket options
 *
 * The kernel socket is the truth: it gets every option first and validates it
 * exactly.  What matters to the data path is then read back from it into sock_shm
 * and the endpoint, when the socket becomes accelerated and whenever it
 * changes later.  Only options that somebody has set are read: a fresh socket costs no
 * system call.  Questions about what the kernel socket cannot know (errors, queues,
 * TCP_INFO) are answered from the endpoint.
 */
#include <linux/filter.h>
#include <linux/sockios.h>
#include <linux/tcp.h>
#include <netinet/udp.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/time.h>

#include "sock/sock_priv.h"

#ifndef SO_BINDTOIFINDEX
#define SO_BINDTOIFINDEX 62
#endif
#define SO_TIMESTAMP_N   63	/* the *_NEW forms */
#define SO_TIMESTAMPNS_N 64
#define SO_TIMESTAMPING_N 65
#define SO_RCVTIMEO_N    66
#define SO_SNDTIMEO_N    67
#ifndef SIOCOUTQNSD
#define SIOCOUTQNSD 0x894B
#endif
#ifndef IPV6_MULTICAST_ALL
#define IPV6_MULTICAST_ALL 29
#endif
#ifndef IPV6_FLOWINFO
#define IPV6_FLOWINFO 11
#define IPV6_FLOWINFO_SEND 33
#endif
enum { STAMPING_TX = 0x303 /* SCHED, ACK, TX_HARDWARE, TX_SOFTWARE */, STAMPING_RX_SW = 1 << 3, STAMPING_SW = 1 << 4 };

/* Options that are mirrored or inherited: name of the bit, level, option, inherited
 * by accepted connections. */
#define MIRRORED(X)                                          \
	X(RCVBUF, SOL_SOCKET, SO_RCVBUF, 1)                  \
	X(SNDBUF, SOL_SOCKET, SO_SNDBUF, 1)                  \
	X(RCVTIMEO, SOL_SOCKET, SO_RCVTIMEO, 1)              \
	X(SNDTIMEO, SOL_SOCKET, SO_SNDTIMEO, 1)              \
	X(RCVLOWAT, SOL_SOCKET, SO_RCVLOWAT, 1)              \
	X(LINGER, SOL_SOCKET, SO_LINGER, 1)                  \
	X(KEEPALIVE, SOL_SOCKET, SO_KEEPALIVE, 1)            \
	X(OOBINLINE, SOL_SOCKET, SO_OOBINLINE, 1)            \
	X(REUSEADDR, SOL_SOCKET, SO_REUSEADDR, 1)            \
	X(REUSEPORT, SOL_SOCKET, SO_REUSEPORT, 1)            \
	X(BROADCAST, SOL_SOCKET, SO_BROADCAST, 0)            \
	X(BINDTOIF, SOL_SOCKET, SO_BINDTOIFINDEX, 0)         \
	X(TIMESTAMP, SOL_SOCKET, SO_TIMESTAMP, 0)            \
	X(TIMESTAMPNS, SOL_SOCKET, SO_TIMESTAMPNS, 0)        \
	X(TIMESTAMPING, SOL_SOCKET, SO_TIMESTAMPING, 0)      \
	X(BUSY_POLL, SOL_SOCKET, SO_BUSY_POLL, 1)            \
	X(RXQ_OVFL, SOL_SOCKET, SO_RXQ_OVFL, 0)              \
	X(PRIORITY, SOL_SOCKET, SO_PRIORITY, 1)              \
	X(NODELAY, IPPROTO_TCP, TCP_NODELAY, 1)              \
	X(CORK, IPPROTO_TCP, TCP_CORK, 1)                    \
	X(KEEPIDLE, IPPROTO_TCP, TCP_KEEPIDLE, 1)            \
	X(KEEPINTVL, IPPROTO_TCP, TCP_KEEPINTVL, 1)          \
	X(KEEPCNT, IPPROTO_TCP, TCP_KEEPCNT, 1)              \
	X(USER_TIMEOUT, IPPROTO_TCP, TCP_USER_TIMEOUT, 1)    \
	X(MAXSEG, IPPROTO_TCP, TCP_MAXSEG, 1)                \
	X(QUICKACK, IPPROTO_TCP, TCP_QUICKACK, 0)            \
	X(CONGESTION, IPPROTO_TCP, TCP_CONGESTION, 0)        \
	X(LINGER2, IPPROTO_TCP, TCP_LINGER2, 1)              \
	X(DEFER_ACCEPT, IPPROTO_TCP, TCP_DEFER_ACCEPT, 0)    \
	X(TOS, IPPROTO_IP, IP_TOS, 1)                        \
	X(TTL, IPPROTO_IP, IP_TTL, 1)                        \
	X(PKTINFO, IPPROTO_IP, IP_PKTINFO, 0)                \
	X(RECVTTL, IPPROTO_IP, IP_RECVTTL, 0)                \
	X(RECVTOS, IPPROTO_IP, IP_RECVTOS, 0)                \
	X(RECVERR, IPPROTO_IP, IP_RECVERR, 1)                \
	X(MCAST_TTL, IPPROTO_IP, IP_MULTICAST_TTL, 0)        \
	X(MCAST_LOOP, IPPROTO_IP, IP_MULTICAST_LOOP, 0)      \
	X(MCAST_IF, IPPROTO_IP, IP_MULTICAST_IF, 0)          \
	X(MCAST_ALL, IPPROTO_IP, IP_MULTICAST_ALL, 0)        \
	X(MTU_DISCOVER, IPPROTO_IP, IP_MTU_DISCOVER, 1)      \
	X(MTU_DISCOVER6, IPPROTO_IPV6, IPV6_MTU_DISCOVER, 1) \
	X(V6ONLY, IPPROTO_IPV6, IPV6_V6ONLY, 1)              \
	X(TCLASS, IPPROTO_IPV6, IPV6_TCLASS, 1)              \
	X(HOPS, IPPROTO_IPV6, IPV6_UNICAST_HOPS, 1)          \
	X(PKTINFO6, IPPROTO_IPV6, IPV6_RECVPKTINFO, 0)       \
	X(RECVHOPS, IPPROTO_IPV6, IPV6_RECVHOPLIMIT, 0)      \
	X(RECVTCLASS, IPPROTO_IPV6, IPV6_RECVTCLASS, 0)      \
	X(RECVERR6, IPPROTO_IPV6, IPV6_RECVERR, 1)           \
	X(MCAST_HOPS, IPPROTO_IPV6, IPV6_MULTICAST_HOPS, 0)  \
	X(MCAST_LOOP6, IPPROTO_IPV6, IPV6_MULTICAST_LOOP, 0) \
	X(MCAST_IF6, IPPROTO_IPV6, IPV6_MULTICAST_IF, 0)     \
	X(MCAST_ALL6, IPPROTO_IPV6, IPV6_MULTICAST_ALL, 0)

enum opt_bit {
#define X(bit, level, name, inherit) B_##bit,
	MIRRORED(X)
#undef X
	N_BITS
};
_Static_assert(N_BITS < 64, "one word");

static const struct { int16_t level, name; bool inherit; } mirrored[N_BITS] = {
#define X(bit, lev, nam, inh) [B_##bit] = { lev, nam, inh },
	MIRRORED(X)
#undef X
};

/* The bit of an option as the user names it; -1: not one of ours. */
static int find_bit(int level, int name)
{
	if (level == SOL_SOCKET) {
		switch (name) {
		case SO_RCVBUFFORCE: name = SO_RCVBUF; break;
		case SO_SNDBUFFORCE: name = SO_SNDBUF; break;
		case SO_RCVTIMEO_N: name = SO_RCVTIMEO; break;
		case SO_SNDTIMEO_N: name = SO_SNDTIMEO; break;
		case SO_TIMESTAMP_N: name = SO_TIMESTAMP; break;
		case SO_TIMESTAMPNS_N: name = SO_TIMESTAMPNS; break;
		case SO_TIMESTAMPING_N: name = SO_TIMESTAMPING; break;
		case SO_BINDTODEVICE: name = SO_BINDTOIFINDEX; break;
		}
	}
	for (int i = 0; i < N_BITS; i++)
		if (mirrored[i].level == level && mirrored[i].name == name)
			return i;
	return -1;
}

/* ---- from the kernel socket ------------------------------------------------------ */

static bool is_set(const struct sock *s, enum opt_bit b)
{
	return s->opts_set >> b & 1;
}

static int get_int(int fd, enum opt_bit b, int fallback)
{
	int v = 0;
	socklen_t len = sizeof(v);

	return sys_getsockopt(fd, mirrored[b].level, mirrored[b].name, &v, &len) < 0 ? fallback : v;
}

static int opt_int(const struct sock *s, int fd, enum opt_bit b, int def)
{
	return is_set(s, b) ? get_int(fd, b, def) : def;
}

static uint32_t flag_if(bool on, uint32_t flag)
{
	return on ? flag : 0;
}

static uint64_t timeo_ns(const struct sock *s, int fd, enum opt_bit b)
{
	struct timeval tv = { 0, 0 };
	socklen_t len = sizeof(tv);

	if (!is_set(s, b) || sys_getsockopt(fd, SOL_SOCKET, mirrored[b].name, &tv, &len) < 0)
		return 0;
	return (uint64_t)tv.tv_sec * NSEC_PER_SEC + (uint64_t)tv.tv_usec * NSEC_PER_USEC;
}

static int32_t linger_s(const struct sock *s, int fd)
{
	struct linger l = { 0, 0 };
	socklen_t len = sizeof(l);

	if (!is_set(s, B_LINGER) || sys_getsockopt(fd, SOL_SOCKET, SO_LINGER, &l, &len) < 0 || !l.l_onoff)
		return -1;
	return l.l_linger;
}

static void read_pmtudisc(const struct sock *s, int fd, struct sock_conf *cf)
{
	int four = opt_int(s, fd, B_MTU_DISCOVER, PMTUDISC_WANT);

	if (s->mode == SOCK_ACCEL && s->shm->flags & SOCK_SF_KERNEL_NODF)
		four = PMTUDISC_WANT;		/* dgram_kernel_pmtu() has set it otherwise */
	cf->ep_flags |= flag_if(four == PMTUDISC_DONT || four >= PMTUDISC_INTERFACE, EP_F_NODF);
	cf->pmtudisc = (uint8_t)(s->family == AF_INET ? four : opt_int(s, fd, B_MTU_DISCOVER6, PMTUDISC_WANT));
}

static void read_common(const struct sock *s, int fd, struct sock_conf *cf)
{
	bool reuseport = opt_int(s, fd, B_REUSEPORT, 0);

	cf->rcvbuf = (uint32_t)opt_int(s, fd, B_RCVBUF, 0);
	cf->sndbuf = (uint32_t)opt_int(s, fd, B_SNDBUF, 0);
	cf->rcvtimeo_ns = timeo_ns(s, fd, B_RCVTIMEO);
	cf->sndtimeo_ns = timeo_ns(s, fd, B_SNDTIMEO);
	cf->rcvlowat = (uint32_t)opt_int(s, fd, B_RCVLOWAT, 1);
	cf->linger_s = linger_s(s, fd);
	cf->bound_if = (uint32_t)opt_int(s, fd, B_BINDTOIF, 0);
	cf->flags |= flag_if(opt_int(s, fd, B_REUSEADDR, 0), SOCK_SF_REUSEADDR);
	cf->flags |= flag_if(reuseport, SOCK_SF_REUSEPORT);
	cf->flags |= flag_if(opt_int(s, fd, B_BUSY_POLL, 0), SOCK_SF_BUSY_POLL);
	cf->flags |= flag_if(opt_int(s, fd, B_RECVERR, 0) || opt_int(s, fd, B_RECVERR6, 0), SOCK_SF_RECVERR);
	cf->ep_flags |= flag_if(reuseport, EP_F_REUSEPORT);
	cf->ep_flags |= flag_if(cf->flags & SOCK_SF_RECVERR, EP_F_RECVERR);
	cf->ep_flags |= flag_if(s->family == AF_INET, EP_F_V4);
	cf->tos = (uint8_t)opt_int(s, fd, B_TOS, 0);
	cf->ttl = is_set(s, B_TTL) ? (uint8_t)get_int(fd, B_TTL, 0) : 0;
	read_pmtudisc(s, fd, cf);
	if (s->family != AF_INET6)
		return;
	/* The host's default for IPv6 is what the kernel tells of a fresh socket. */
	cf->ep_flags |= flag_if(get_int(fd, B_V6ONLY, 0), EP_F_V6ONLY);
	if (is_set(s, B_TCLASS))
		cf->tos = (uint8_t)max_t(int, get_int(fd, B_TCLASS, 0), 0);
	if (is_set(s, B_HOPS))
		cf->ttl = (uint8_t)max_t(int, get_int(fd, B_HOPS, 0), 0);
}

static void read_stream(const struct sock *s, int fd, struct sock_conf *cf)
{
	const struct opts *o = sock_opts();
	char cc[16] = "";
	socklen_t len = sizeof(cc);

	cf->tcp_flags |= flag_if(opt_int(s, fd, B_NODELAY, 0), TCP_F_NODELAY);
	cf->tcp_flags |= flag_if(opt_int(s, fd, B_CORK, 0), TCP_F_CORK);
	cf->tcp_flags |= flag_if(opt_int(s, fd, B_KEEPALIVE, 0), TCP_F_KEEPALIVE);
	cf->tcp_flags |= flag_if(opt_int(s, fd, B_OOBINLINE, 0), TCP_F_OOBINLINE);
	cf->tcp_flags |= flag_if(is_set(s, B_QUICKACK) && get_int(fd, B_QUICKACK, 0), TCP_F_QUICKACK);
	cf->tcp_flags |= flag_if(is_set(s, B_RCVBUF), TCP_F_RCVBUF_LOCKED);
	cf->tcp_flags |= flag_if(is_set(s, B_SNDBUF), TCP_F_SNDBUF_LOCKED);
	cf->keep_idle_ms = (uint32_t)opt_int(s, fd, B_KEEPIDLE, 0) * 1000;
	cf->keep_intvl_ms = (uint32_t)opt_int(s, fd, B_KEEPINTVL, 0) * 1000;
	cf->keep_cnt = (uint32_t)opt_int(s, fd, B_KEEPCNT, 0);
	cf->user_timeout_ms = (uint32_t)opt_int(s, fd, B_USER_TIMEOUT, 0);
	cf->defer_accept_ms = (uint32_t)opt_int(s, fd, B_DEFER_ACCEPT, 0) * 1000;
	if (is_set(s, B_LINGER2)) {
		int v = get_int(fd, B_LINGER2, 0);

		cf->linger2_ms = v < 0 ? UINT32_MAX : (uint32_t)v * 1000;
	}
	if (is_set(s, B_MAXSEG))
		cf->mss_user = (uint16_t)get_int(fd, B_MAXSEG, 0);
	if (is_set(s, B_CONGESTION) && sys_getsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, cc, &len) == 0)
		cf->reno = strncmp(cc, "reno", sizeof(cc)) == 0;
	if (o->tcp_rcvbuf) {
		cf->rcvbuf = 2 * (uint32_t)o->tcp_rcvbuf;
		cf->tcp_flags |= TCP_F_RCVBUF_LOCKED;
	}
	if (o->tcp_sndbuf) {
		cf->sndbuf = 2 * (uint32_t)o->tcp_sndbuf;
		cf->tcp_flags |= TCP_F_SNDBUF_LOCKED;
	}
}

static void read_dgram(const struct sock *s, int fd, const struct cp *cp, struct sock_conf *cf)
{
	const struct opts *o = sock_opts();
	bool six = s->family == AF_INET6;

	if (!cf->rcvbuf)
		cf->rcvbuf = cp && cp->shm->rmem_default ? cp->shm->rmem_default : 212992;
	if (o->udp_rcvbuf)
		cf->rcvbuf = 2 * (uint32_t)o->udp_rcvbuf;
	cf->flags |= flag_if(opt_int(s, fd, B_BROADCAST, 0), SOCK_SF_BROADCAST);
	cf->flags |= flag_if(opt_int(s, fd, B_TIMESTAMP, 0), SOCK_SF_STAMP);
	cf->flags |= flag_if(opt_int(s, fd, B_TIMESTAMPNS, 0), SOCK_SF_STAMPNS);
	cf->flags |= flag_if((opt_int(s, fd, B_TIMESTAMPING, 0) & (STAMPING_SW | STAMPING_RX_SW)) ==
			     (STAMPING_SW | STAMPING_RX_SW), SOCK_SF_TSTAMPING);
	cf->flags |= flag_if(opt_int(s, fd, B_RXQ_OVFL, 0), SOCK_SF_RXQ_OVFL);
	cf->flags |= flag_if(opt_int(s, fd, B_PKTINFO, 0), SOCK_SF_PKTINFO);
	cf->flags |= flag_if(opt_int(s, fd, B_RECVTTL, 0), SOCK_SF_RECVTTL);
	cf->flags |= flag_if(opt_int(s, fd, B_RECVTOS, 0), SOCK_SF_RECVTOS);
	cf->flags |= flag_if(opt_int(s, fd, six ? B_MCAST_LOOP6 : B_MCAST_LOOP, 1), SOCK_SF_MCAST_LOOP);
	cf->ep_flags |= flag_if(opt_int(s, fd, six ? B_MCAST_ALL6 : B_MCAST_ALL, 1), EP_F_MCAST_ALL);
	cf->mcast_ttl = (uint8_t)opt_int(s, fd, six ? B_MCAST_HOPS : B_MCAST_TTL, 1);
	cf->mcast_if = s->mcast_if;
	if (!cf->mcast_if && cp && !ipaddr_is_any(&s->mcast_if_addr))
		cf->mcast_if = cp_addr_owner(cp, &s->mcast_if_addr);
	if (!six)
		return;
	cf->flags |= flag_if(opt_int(s, fd, B_PKTINFO6, 0), SOCK_SF_PKTINFO6);
	cf->flags |= flag_if(opt_int(s, fd, B_RECVHOPS, 0), SOCK_SF_HOPLIMIT);
	cf->flags |= flag_if(opt_int(s, fd, B_RECVTCLASS, 0), SOCK_SF_TCLASS);
}

void conf_read(const struct sock *s, int fd, const struct cp *cp, struct sock_conf *cf)
{
	memset(cf, 0, sizeof(*cf));
	cf->mcast_ttl = 1;
	read_common(s, fd, cf);
	if (s->type == SOCK_STREAM)
		read_stream(s, fd, cf);
	else
		read_dgram(s, fd, cp, cf);
}

bool conf_reuse(const struct sock *s, int fd, uint32_t *ep_flags)
{
	*ep_flags = flag_if(s->family == AF_INET, EP_F_V4);
	if (s->family == AF_INET6)
		*ep_flags |= flag_if(get_int(fd, B_V6ONLY, 0), EP_F_V6ONLY);
	return opt_int(s, fd, B_REUSEADDR, 0) || opt_int(s, fd, B_REUSEPORT, 0);
}

/* ---- into the arena ------------------------------------------------------------------- */

void conf_to_shm(const struct sock_conf *cf, struct sock_shm *sh)
{
	sh->flags = (sh->flags & ~(uint32_t)CONF_FLAGS) | cf->flags;
	sh->rcvtimeo_ns = cf->rcvtimeo_ns;
	sh->sndtimeo_ns = cf->sndtimeo_ns;
	sh->rcvlowat = cf->rcvlowat;
	sh->linger_s = cf->linger_s;
	sh->mcast_if = cf->mcast_if;
}

void conf_to_ep(const struct sock_conf *cf, struct ep *ep)
{
	ep->flags = (ep->flags & ~(uint32_t)CONF_EP_FLAGS) | cf->ep_flags;
	ep->ttl = cf->ttl;
	ep->tos = cf->tos;
	ep->mcast_ttl = cf->mcast_ttl;
	ep->pmtudisc = cf->pmtudisc;
	if (cf->bound_if)
		ep->bound_if = cf->bound_if;
}

void conf_to_conn(struct net *net, const struct sock_conf *cf, struct tcp_conn *c)
{
	const struct net_conf *conf = &net->shm->conf;

	c->flags = (c->flags & ~(uint32_t)CONF_TCP_FLAGS) | cf->tcp_flags;
	if (conf->force_nodelay == 1)
		c->flags |= TCP_F_NODELAY;
	else if (conf->force_nodelay == 2)
		c->flags &= ~(uint32_t)TCP_F_NODELAY;
	if (cf->rcvbuf)
		c->rcvbuf = cf->rcvbuf;
	if (cf->sndbuf)
		c->sndbuf = cf->sndbuf;
	c->keep_idle_ms = cf->keep_idle_ms ? cf->keep_idle_ms : conf->keepalive_time_ms;
	c->keep_intvl_ms = cf->keep_intvl_ms ? cf->keep_intvl_ms : conf->keepalive_intvl_ms;
	c->keep_cnt = cf->keep_cnt ? cf->keep_cnt : conf->keepalive_probes;
	c->user_timeout_ms = cf->user_timeout_ms;
	c->linger2_ms = cf->linger2_ms;
	c->mss_user = cf->mss_user;
	c->cc = cf->reno ? TCP_CC_RENO : TCP_CC_CUBIC;
}

void conf_to_listen(const struct sock_conf *cf, struct tcp_listen *l)
{
	l->conn_flags = cf->tcp_flags;
	l->rcvbuf = cf->rcvbuf;
	l->sndbuf = cf->sndbuf;
	l->mss_user = cf->mss_user;
	l->keep_idle_ms = cf->keep_idle_ms;
	l->keep_intvl_ms = cf->keep_intvl_ms;
	l->keep_cnt = cf->keep_cnt;
	l->user_timeout_ms = cf->user_timeout_ms;
	l->linger2_ms = cf->linger2_ms;
	l->defer_accept_ms = cf->defer_accept_ms;
}

void conf_to_udp(const struct sock_conf *cf, struct udp_ep *u)
{
	u->rcvbuf = cf->rcvbuf;
	if (cf->flags & (SOCK_SF_STAMP | SOCK_SF_STAMPNS | SOCK_SF_TSTAMPING))
		u->flags |= UDP_F_STAMP;
	else
		u->flags &= ~(uint32_t)UDP_F_STAMP;
}

int opt_inherited(uint32_t bit, int *level, int *name)
{
	if (bit >= N_BITS || !mirrored[bit].inherit)
		return -ENOENT;
	*level = mirrored[bit].level;
	*name = mirrored[bit].name;
	/* The kernel doubles what it is given. */
	return bit == B_RCVBUF || bit == B_SNDBUF ? 2 : 1;
}

/* Read everything again and put it where the data path looks. */
static void mirror(struct sock *s, int fd, int bit)
{
	struct stack *st = s->st;
	struct sock_conf cf;

	conf_read(s, fd, &st->cp, &cf);
	sock_lock(st);
	if (sock_alive(s)) {
		struct tcp_conn *c = tcp_conn(s->ep);

		conf_to_shm(&cf, s->shm);
		conf_to_ep(&cf, s->ep);
		s->ep->route.gen = 0;
		if (s->ep->kind == EP_TCP_LISTEN) {
			conf_to_listen(&cf, tcp_listener(s->ep));
		} else if (s->ep->kind == EP_UDP) {
			conf_to_udp(&cf, udp_ep(s->ep));
		} else if (s->ep->kind == EP_TCP_CONN) {
			bool quick = bit == B_QUICKACK && cf.tcp_flags & TCP_F_QUICKACK;

			conf_to_conn(&st->net, &cf, c);
			if (c->state != TCPS_CLOSED && c->state != TCPS_SYN_SENT) {
				if (bit == B_NODELAY || bit == B_CORK || bit == B_SNDBUF)
					tcp_push(&st->net, c);
				if (quick)
					tcp_ack_now(&st->net, c);
			}
		}
	}
	sock_unlock(st);
}

/* ---- setsockopt ----------------------------------------------------------------------- */

static int int_of(const void *val, socklen_t len)
{
	int v = 0;

	if (val)
		memcpy(&v, val, len < sizeof(v) ? len : sizeof(v));
	return v;
}

/* Options that only the kernel's path honours; those that turn something off are none. */
static bool kernel_only(const struct sock *s, int level, int name, const void *val, socklen_t len)
{
	int v = int_of(val, len);

	switch (level) {
	case SOL_SOCKET:
		switch (name) {
		case SO_ATTACH_FILTER: case SO_ATTACH_BPF: case SO_TXTIME:
			return true;
		case SO_ATTACH_REUSEPORT_CBPF: case SO_ATTACH_REUSEPORT_EBPF:
			return true;
		case SO_MARK: case SO_ZEROCOPY: case SO_DONTROUTE:
			return v != 0;
		case SO_PEEK_OFF:
			return v >= 0;
		case SO_TIMESTAMPING: case SO_TIMESTAMPING_N:
			/* Transmit stamps and hardware stamps come by the kernel's error queue. */
			return s->type == SOCK_STREAM ? v != 0 : (v & STAMPING_TX) != 0 || (v & 1 << 6 && !(v & STAMPING_SW));
		}
		return false;
	case IPPROTO_TCP:
		return (name == TCP_FASTOPEN_CONNECT || name == TCP_REPAIR || name == TCP_MD5SIG) && v != 0;
	case IPPROTO_UDP:
		return v != 0 && name != UDP_GRO && name != 101 && name != 102;	/* UDP_NO_CHECK6_TX, _RX */
	case IPPROTO_IP:
		switch (name) {
		case IP_OPTIONS:
			return len > 0;
		case IP_TRANSPARENT: case IP_RECVORIGDSTADDR: case IP_RECVOPTS: case IP_RETOPTS:
		case IP_MINTTL: case IP_PASSSEC: case IP_UNICAST_IF: case IP_RECVFRAGSIZE:
			return v != 0;
		case IP_XFRM_POLICY: case IP_MSFILTER: case MCAST_MSFILTER:
		case IP_BLOCK_SOURCE: case MCAST_BLOCK_SOURCE:
			return true;
		}
		return false;
	case IPPROTO_IPV6:
		switch (name) {
		case IPV6_ADDRFORM: case IPV6_RTHDR: case IPV6_HOPOPTS: case IPV6_DSTOPTS:
		case IPV6_RTHDRDSTOPTS: case IPV6_2292PKTOPTIONS:
		case MCAST_MSFILTER: case MCAST_BLOCK_SOURCE:
			return true;
		case IPV6_TRANSPARENT: case IPV6_RECVRTHDR: case IPV6_RECVHOPOPTS: case IPV6_RECVDSTOPTS:
		case IPV6_RECVORIGDSTADDR: case IPV6_FLOWINFO_SEND: case IPV6_FLOWINFO: case IPV6_MINHOPCOUNT:
		case IPV6_UNICAST_IF: case IPV6_2292PKTINFO: case IPV6_2292HOPLIMIT:
			return v != 0;
		}
		return false;
	default:
		return false;
	}
}

/* Group and interface of a membership option; false: it is none, or one with a
 * source, which stays with the kernel socket. */
static bool membership(const struct sock *s, int level, int name, const void *val, socklen_t len,
		       bool *join, struct ipaddr *group, uint32_t *ifindex, struct ipaddr *ifaddr)
{
	struct ip_mreqn m4 = { .imr_ifindex = 0 };
	struct ipv6_mreq m6;
	struct group_req gr;
	struct addr a;

	*ifindex = 0;
	*ifaddr = IPADDR_ANY;
	if (level == IPPROTO_IP && (name == IP_ADD_MEMBERSHIP || name == IP_DROP_MEMBERSHIP)) {
		if (len < sizeof(struct ip_mreq))
			return false;
		memcpy(&m4, val, len < sizeof(m4) ? sizeof(struct ip_mreq) : sizeof(m4));
		*join = name == IP_ADD_MEMBERSHIP;
		*group = ipaddr_from4((be32_t){ m4.imr_multiaddr.s_addr });
		*ifindex = (uint32_t)m4.imr_ifindex;
		if (m4.imr_address.s_addr)
			*ifaddr = ipaddr_from4((be32_t){ m4.imr_address.s_addr });
		return true;
	}
	if (level == IPPROTO_IPV6 && (name == IPV6_JOIN_GROUP || name == IPV6_LEAVE_GROUP)) {
		if (len < sizeof(m6))
			return false;
		memcpy(&m6, val, sizeof(m6));
		*join = name == IPV6_JOIN_GROUP;
		memcpy(group->b, &m6.ipv6mr_multiaddr, 16);
		*ifindex = m6.ipv6mr_interface;
		return true;
	}
	if ((level == IPPROTO_IPV6 || level == IPPROTO_IP) &&
	    (name == MCAST_JOIN_GROUP || name == MCAST_LEAVE_GROUP)) {
		if (len < sizeof(gr))
			return false;
		memcpy(&gr, val, sizeof(gr));
		if (!addr_from_user(&a, AF_INET6, (struct sockaddr *)&gr.gr_group, sizeof(gr.gr_group)))
			return false;
		*join = name == MCAST_JOIN_GROUP;
		*group = a.ip;
		*ifindex = gr.gr_interface;
		return true;
	}
	return false;
}

/* The interface that a join without one means: by its address, or by the route to the group. */
static uint32_t mcast_ifindex(const struct cp *cp, const struct ipaddr *group, uint32_t ifindex,
			      const struct ipaddr *ifaddr)
{
	struct cp_fwd f;

	if (ifindex)
		return ifindex;
	if (!ipaddr_is_any(ifaddr))
		return cp_addr_owner(cp, ifaddr);
	return cp_route(cp, group, NULL, 0, &f) < 0 ? 0 : f.ifindex;
}

static void note_membership(struct sock *s, int fd, bool join, const struct ipaddr *group,
			    uint32_t ifindex, const struct ipaddr *ifaddr)
{
	enum sock_reason why;
	const struct cp *cp;

	if (proc_cp(&cp, &why) < 0)
		return;
	ifindex = mcast_ifindex(cp, group, ifindex, ifaddr);
	if (s->mode == SOCK_ACCEL) {
		dgram_group(s, fd, join, group, ifindex);
		return;
	}
	for (uint32_t i = 0; i < s->n_joins && i < SOCK_MAX_JOINS; i++) {
		if (!ipaddr_eq(&s->joins[i].group, group) || s->joins[i].ifindex != ifindex)
			continue;
		if (!join && s->n_joins <= SOCK_MAX_JOINS)
			s->joins[i] = s->joins[--s->n_joins];
		return;
	}
	if (!join)
		return;
	if (s->n_joins < SOCK_MAX_JOINS) {
		s->joins[s->n_joins].group = *group;
		s->joins[s->n_joins].ifindex = ifindex;
	}
	if (s->n_joins <= SOCK_MAX_JOINS)
		s->n_joins++;
}

static void note_mcast_if(struct sock *s, int level, const void *val, socklen_t len)
{
	struct ip_mreqn m = { .imr_ifindex = 0 };

	s->mcast_if = 0;
	s->mcast_if_addr = IPADDR_ANY;
	if (level == IPPROTO_IPV6) {
		s->mcast_if = (uint32_t)int_of(val, len);
		return;
	}
	if (len >= sizeof(m)) {
		memcpy(&m, val, sizeof(m));
	} else if (len >= sizeof(struct ip_mreq)) {
		memcpy(&m, val, sizeof(struct ip_mreq));
	} else {
		memcpy(&m.imr_address, val, len < 4 ? len : 4);
	}
	s->mcast_if = (uint32_t)m.imr_ifindex;
	if (m.imr_address.s_addr)
		s->mcast_if_addr = ipaddr_from4((be32_t){ m.imr_address.s_addr });
}

static int set_kernel_only(struct sock *s, int fd, int level, int name, const void *val, socklen_t len)
{
	int rc;

	if (s->mode == SOCK_ACCEL && s->type == SOCK_STREAM && level == SOL_SOCKET && name == SO_ZEROCOPY)
		return -EOPNOTSUPP;
	rc = sys_setsockopt(fd, level, name, val, len);
	if (rc < 0)
		return rc;
	if (s->mode == SOCK_ACCEL)
		(void)sock_handover(s, fd, SOCK_REASON_sockopt);
	else if (sock_decide_begin(s)) {
		rc = sock_stay_kernel(s, fd, SOCK_REASON_sockopt);
		sock_decide_end(s);
	}
	return rc == SOCK_PASS ? 0 : rc;
}

/* The stack has two algorithms, whatever the kernel has. */
static int set_congestion(struct sock *s, const void *val, socklen_t len)
{
	char name[16] = "";
	int rc = 0;

	memcpy(name, val, len < sizeof(name) - 1 ? len : sizeof(name) - 1);
	sock_lock(s->st);
	if (!sock_alive(s) || s->ep->kind != EP_TCP_CONN)
		rc = SOCK_PASS;
	else if (strcmp(name, "cubic") == 0)
		tcp_conn(s->ep)->cc = TCP_CC_CUBIC;
	else if (strcmp(name, "reno") == 0)
		tcp_conn(s->ep)->cc = TCP_CC_RENO;
	else
		rc = -ENOENT;
	sock_unlock(s->st);
	return rc;
}

/* The kernel socket has the user's value of IP_MTU_DISCOVER again. */
static void user_pmtudisc(struct sock *s)
{
	stack_lock(s->st);
	if (sock_alive(s))
		s->shm->flags &= ~(uint32_t)SOCK_SF_KERNEL_NODF;
	stack_unlock(s->st);
}

int sock_setsockopt(struct sock *s, int fd, int level, int name, const void *val, socklen_t len)
{
	struct ipaddr group, ifaddr;
	uint32_t ifindex;
	bool join;
	int rc, bit;

	if (s->mode == SOCK_KERNEL || (int)len < 0)
		return SOCK_PASS;
	sock_settle(s, fd);
	if (unlikely(kernel_only(s, level, name, val, len)))
		return set_kernel_only(s, fd, level, name, val, len);
	if (s->mode == SOCK_ACCEL && level == IPPROTO_TCP && name == TCP_CONGESTION && val && len) {
		rc = set_congestion(s, val, len);
		if (rc != SOCK_PASS)
			return rc;
	}
	rc = sys_setsockopt(fd, level, name, val, len);
	if (rc < 0)
		return rc;
	inherit_forget(s);
	bit = find_bit(level, name);
	if (bit >= 0) {
		s->opts_set |= 1ull << bit;
		if (bit == B_MTU_DISCOVER && s->mode == SOCK_ACCEL)
			user_pmtudisc(s);
		if (bit == B_MCAST_IF || bit == B_MCAST_IF6)
			note_mcast_if(s, level, val, len);
		if (s->mode == SOCK_ACCEL)
			mirror(s, fd, bit);
	} else if (s->type == SOCK_DGRAM &&
		   membership(s, level, name, val, len, &join, &group, &ifindex, &ifaddr)) {
		note_membership(s, fd, join, &group, ifindex, &ifaddr);
		mcast_forget();
	}
	return 0;
}

/* ---- getsockopt ---------------------------------------------------------------------- */

static int give(void *val, socklen_t *len, const void *src, socklen_t n)
{
	if (!len)
		return -EFAULT;
	if ((int)*len < 0)
		return -EINVAL;
	if (*len > n)
		*len = n;
	if (!val && *len)
		return -EFAULT;
	memcpy(val, src, *len);
	return 0;
}

static int give_int(void *val, socklen_t *len, int v)
{
	return give(val, len, &v, sizeof(v));
}

static int get_error(struct sock *s, int fd, void *val, socklen_t *len)
{
	int err = 0;

	sock_lock(s->st);
	/* What has come and nobody looked at counts. */
	stack_poll(s->st);
	if (sock_alive(s)) {
		err = s->ep->so_error;
		s->ep->so_error = 0;
	}
	sock_unlock(s->st);
	if (!err && s->type == SOCK_DGRAM)
		return SOCK_PASS;
	return give_int(val, len, err);
}

static int get_info(struct sock *s, void *val, socklen_t *len)
{
	struct tcp_info ti;

	memset(&ti, 0, sizeof(ti));
	sock_lock(s->st);
	if (sock_alive(s))
		tcp_fill_info(&s->st->net, s->ep, &ti);
	sock_unlock(s->st);
	return give(val, len, &ti, sizeof(ti));
}

static int get_conn_opt(struct sock *s, int level, int name, void *val, socklen_t *len)
{
	const struct tcp_conn *c = tcp_conn(s->ep);

	if (level == SOL_SOCKET && name == SO_RCVBUF)
		return give_int(val, len, (int)c->rcvbuf);
	if (level == SOL_SOCKET && name == SO_SNDBUF)
		return give_int(val, len, (int)c->sndbuf);
	if (level == IPPROTO_TCP && name == TCP_MAXSEG)
		return give_int(val, len, c->state == TCPS_CLOSED && c->mss_user ? c->mss_user : c->mss);
	if (level == IPPROTO_TCP && name == TCP_CONGESTION) {
		static const char name_of[2][16] = { [TCP_CC_CUBIC] = "cubic", [TCP_CC_RENO] = "reno" };

		return give(val, len, name_of[c->cc == TCP_CC_RENO], sizeof(name_of[0]));
	}
	if (level == IPPROTO_IPV6 && name == IPV6_ADDRFORM && c->state == TCPS_ESTABLISHED)
		return s->family == AF_INET6 ? give_int(val, len, AF_INET6) : SOCK_PASS;
	if ((level == IPPROTO_IP && name == IP_MTU) ||
	    (level == IPPROTO_IPV6 && name == IPV6_MTU && s->family == AF_INET6))
		return c->ep.route.mtu ? give_int(val, len, c->ep.route.mtu) : -ENOTCONN;
	return SOCK_PASS;
}

/* What the kernel socket was told otherwise, or not at all. */
static int get_dgram_opt(struct sock *s, int level, int name, void *val, socklen_t *len)
{
	uint32_t mtu;

	if (level == IPPROTO_IP && name == IP_MTU_DISCOVER && s->shm->flags & SOCK_SF_KERNEL_NODF)
		return give_int(val, len, PMTUDISC_WANT);
	if (!((level == IPPROTO_IP && name == IP_MTU) ||
	      (level == IPPROTO_IPV6 && name == IPV6_MTU && s->family == AF_INET6)) ||
	    !(s->ep->flags & EP_F_CONNECTED))
		return SOCK_PASS;
	sock_lock(s->st);
	mtu = sock_alive(s) ? udp_pmtu(&s->st->net, udp_ep(s->ep), &s->ep->flow.raddr) : 0;
	sock_unlock(s->st);
	return mtu ? give_int(val, len, (int)mtu) : SOCK_PASS;
}

int sock_getsockopt(struct sock *s, int fd, int level, int name, void *val, socklen_t *len)
{
	int rc;

	if (s->mode != SOCK_ACCEL)
		return SOCK_PASS;
	if (level == SOL_SOCKET && name == SO_ERROR)
		return get_error(s, fd, val, len);
	if (s->type != SOCK_STREAM)
		return get_dgram_opt(s, level, name, val, len);
	if (level == IPPROTO_TCP && name == TCP_INFO)
		return get_info(s, val, len);
	rc = s->ep->kind == EP_TCP_CONN ? get_conn_opt(s, level, name, val, len) : SOCK_PASS;
	if (rc == SOCK_PASS)
		sock_settle(s, fd);
	return rc;
}

/* ---- ioctl ----------------------------------------------------------------------------- */

static int stream_ioctl(struct sock *s, unsigned long req, int *out)
{
	struct tcp_conn *c = tcp_conn(s->ep);
	int rc = 0;

	sock_lock(s->st);
	if (s->ep->kind != EP_TCP_CONN) {
		rc = -EINVAL;
	} else if (req == SIOCINQ) {
		stack_poll(s->st);
		*out = (int)tcp_rcv_avail(c);
	} else if (req == SIOCOUTQ) {
		stack_poll(s->st);
		*out = (int)tcp_snd_queued(c);
	} else if (req == SIOCOUTQNSD) {
		*out = (int)tcp_snd_unsent(c);
	} else {
		*out = 0;		/* SIOCATMARK */
	}
	sock_unlock(s->st);
	return rc;
}

static int dgram_inq(struct sock *s, int *out)
{
	struct pkt *p;

	sock_lock(s->st);
	p = udp_peek(&s->st->net, udp_ep(s->ep));
	if (!p) {
		stack_poll(s->st);
		p = udp_peek(&s->st->net, udp_ep(s->ep));
	}
	if (p)
		*out = (int)p->data_len;
	sock_unlock(s->st);
	return p ? 0 : SOCK_PASS;
}

int sock_ioctl(struct sock *s, int fd, unsigned long req, void *arg)
{
	int v = 0, rc;

	if (req == FIONBIO) {
		rc = sys_ioctl(fd, req, arg);
		if (rc == 0)
			sock_set_nonblock(s, *(int *)arg != 0);
		return rc;
	}
	if (s->mode != SOCK_ACCEL)
		return SOCK_PASS;
	if (s->type == SOCK_STREAM) {
		if (req != SIOCINQ && req != SIOCOUTQ && req != SIOCOUTQNSD && req != SIOCATMARK)
			return SOCK_PASS;
		rc = stream_ioctl(s, req, &v);
	} else {
		if (req != SIOCINQ)
			return SOCK_PASS;
		rc = dgram_inq(s, &v);
	}
	if (rc < 0)
		return rc;
	if (!arg)
		return -EFAULT;
	memcpy(arg, &v, sizeof(v));
	return 0;
}

void sock_set_nonblock(struct sock *s, bool on)
{
	s->nonblock = on;
	if (s->mode != SOCK_ACCEL)
		return;
	stack_lock(s->st);
	if (sock_alive(s)) {
		if (on)
			s->shm->flags |= SOCK_SF_NONBLOCK;
		else
			s->shm->flags &= ~(uint32_t)SOCK_SF_NONBLOCK;
	}
	stack_unlock(s->st);
}
