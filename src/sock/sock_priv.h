/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * sock_priv.h - what the files of sock/ share among themselves
 *
 * Lock order: open_mutex, pool_mutex, then a stack's lock.  Functions that talk
 * to the daemon (filters, stack opening) run without any stack lock.
 */
#ifndef POSTERN_SOCK_SOCK_PRIV_H
#define POSTERN_SOCK_SOCK_PRIV_H

#include <errno.h>
#include <netinet/in.h>

#include "base/clock.h"
#include "base/sys.h"
#include "sock/sock.h"
#include "sock/upper.h"
#include "tcp/tcp.h"
#include "udp/udp.h"

#define EP_ALL_EVENTS (EP_IN | EP_OUT | EP_ERR | EP_HUP | EP_RDHUP | EP_PRI)

/* ---- addresses (addr.c) ------------------------------------------------------ */

struct addr {
	struct ipaddr ip;
	be16_t port;
	uint32_t scope;		/* IPv6 interface, 0 none */
};

/* True: an AF_INET or AF_INET6 address that a socket of @family may take. */
bool addr_from_user(struct addr *out, uint16_t family, const struct sockaddr *sa, socklen_t len);
/* Fills a sockaddr of the socket's family; returns its length. */
socklen_t addr_to_storage(struct sockaddr_storage *ss, uint16_t family, const struct ipaddr *ip,
			  be16_t port, uint32_t scope);
/* As getsockname(2) copies out: as much as fits, *len is the real length. 0 or -EINVAL, -EFAULT. */
int addr_to_user(struct sockaddr *sa, socklen_t *len, uint16_t family, const struct ipaddr *ip,
		 be16_t port, uint32_t scope);
/* Local and remote name of a kernel socket; port 0 where there is none. */
int addr_kernel_local(int fd, uint16_t family, struct addr *out);
int addr_kernel_remote(int fd, uint16_t family, struct addr *out);

/* ---- stacks of this process (sock_proc.c) ----------------------------------------- */

/* The control-plane tables, connecting to the daemon when that was not done yet. */
int proc_cp(const struct cp **out, enum sock_reason *why);
/* The stack for new sockets. */
int proc_stack(struct stack **out, enum sock_reason *why);
/* May an interface be accelerated?  SOCK_REASON_none: yes. */
enum sock_reason proc_link_reason(const struct cp_link *l);
/* Make sure that the stack has the interface. */
int proc_add_if(struct stack *st, uint32_t ifindex, enum sock_reason *why);
/* All that may be accelerated; number of those that are, or 0 with a reason. */
int proc_add_all_ifs(struct stack *st, enum sock_reason *why);
/* An existing stack by the daemon's id. */
/* The process had this stack before it became another program: what did not survive goes. */
void sock_exec_resume(struct stack *st);
int proc_stack_by_id(struct stack **out, uint32_t id);
/* The conversation with the daemon if there is one already or one can be had
 * without starting it; NULL otherwise. */
struct cp_client *proc_client_if_there(void);
void proc_open_lock(void);
void proc_open_unlock(void);
void proc_open_after_fork(void);

/* ---- objects (sock.c) ---------------------------------------------------------------- */

struct sock *sock_alloc(void);
/* Any accelerated socket of this process, one after the other; @i begins at 0. */
struct sock *sock_next_accel(uint32_t *i);
void sock_pool_lock(void);
void sock_pool_unlock(void);
void sock_pool_after_fork(void);

/* A call that may decide.  False: decided meanwhile, look at the mode again. */
bool sock_decide_begin(struct sock *s);
void sock_decide_end(struct sock *s);

/* The socket is the kernel's for good.  SOCK_PASS, or an error with EF_NO_FAIL=0. */
int sock_stay_kernel(struct sock *s, int fd, enum sock_reason why);
/* Is the reason a failure, as against a decision? */
bool sock_reason_is_failure(enum sock_reason why);

struct sock_conf;
/* First contents of the slot's sock_shm; lock held. */
struct sock_shm *sock_shm_start(struct stack *st, struct ep *ep, const struct sock *s,
				uint64_t cookie, const struct sock_conf *cf, uint32_t flags);
/* The socket is accelerated from now on. */
void sock_publish(struct sock *s, struct stack *st, struct ep *ep);
/* Close the protocol side of a slot that no process holds and end it.  Lock held. */
void sock_slot_close(struct stack *st, uint32_t id, bool linger_zero);

uint64_t sock_cookie(int fd);
/* No process can tell any more what another one has done to it: after fork(). */
void sock_pool_bound_unknown(void);
/* After SOCK_SF_PASSED was set: until the keeper hears of last closes. */
void sock_await_keeper(struct stack *st);

/* False: closed or retired meanwhile. Lock held. */
static inline bool sock_alive(const struct sock *s)
{
	return likely(s->shm->gen == s->gen) && !stack_dead(s->st);
}

/* A blocked call is all that is left of it in this process. */
static inline bool sock_orphaned(const struct sock *s)
{
	return atomic_load_explicit(&s->refs, memory_order_relaxed) == 1;
}

static inline bool sock_nonblock(const struct sock *s, int flags)
{
	return flags & MSG_DONTWAIT || s->shm->flags & SOCK_SF_NONBLOCK;
}

static inline uint64_t sock_deadline(uint64_t timeo_ns)
{
	return timeo_ns ? clock_ns() + timeo_ns : 0;
}

/* Lock for a call that enters the engine. */
static inline void sock_lock(struct stack *st)
{
	stack_lock(st);
	st->net.now = clock_ns();
}

/* After sending: next hops that nobody has asked for yet. */
static inline void sock_resolve(struct stack *st)
{
	if (unlikely(st->net.shm->unres_n))
		stack_resolve(st);
}

/* ---- filters (filter.c) --------------------------------------------------------------- */

int filter_add(struct stack *st, int fd, uint64_t cookie, enum cp_filter_kind kind,
	       uint32_t ifindex, const struct flow *flow, enum sock_reason *why);
/* Filters of one socket; flows of connections that must outlive a listener come first. */
void filter_del(struct stack *st, uint64_t cookie, enum cp_filter_kind kind, uint32_t ifindex,
		const struct flow *flow);
/* 5-tuple filters for the live connections of a local address and port. */
/* 0, or the error of the last connection that has no filter now. */
int filter_keep_conns(struct stack *st, const struct flow *local);
/* A SYN found no endpoint free (handover.c): from now on the kernel's listener takes new connections. */
void sock_listener_overflow(struct sock *s);
/* Delete the 5-tuple filters whose connections have ended. */
void filter_sweep(struct stack *st);
void filter_sweep_seldom(struct stack *st);	/* at most ten times a second */
void filter_after_fork(void);
/* Filters of an endpoint that is about to end; call before the slot is freed
 * (lock held), then filter_list_del() without the lock. */
struct filter_list {
	uint32_t n;
	bool keep_conns;
	struct cp_filter f[20];
};
void filter_list_of(struct filter_list *l, const struct stack *st, const struct ep *ep);
void filter_list_del(struct stack *st, const struct filter_list *l);

/* ---- options (sockopt.c) --------------------------------------------------------------- */

/* Options of a kernel socket, as far as they matter to us. */
struct sock_conf {
	uint32_t flags;			/* SOCK_SF_* */
	uint32_t ep_flags;		/* EP_F_* */
	uint32_t tcp_flags;		/* TCP_F_* */
	uint32_t rcvbuf, sndbuf;	/* 0: default */
	uint64_t rcvtimeo_ns, sndtimeo_ns;
	uint32_t rcvlowat;
	int32_t linger_s;
	uint32_t bound_if;
	uint32_t mcast_if;
	uint8_t ttl, tos, mcast_ttl, pmtudisc;
	uint16_t mss_user;
	uint32_t keep_idle_ms, keep_intvl_ms, keep_cnt;
	uint32_t user_timeout_ms, linger2_ms, defer_accept_ms;
	uint8_t reno;
};
#define CONF_FLAGS (SOCK_SF_STAMP | SOCK_SF_STAMPNS | SOCK_SF_PKTINFO | SOCK_SF_PKTINFO6 | SOCK_SF_RECVTTL | \
	SOCK_SF_RECVTOS | SOCK_SF_REUSEADDR | SOCK_SF_REUSEPORT | SOCK_SF_MCAST_LOOP | SOCK_SF_RECVERR | \
	SOCK_SF_BUSY_POLL | SOCK_SF_HOPLIMIT | SOCK_SF_TCLASS | SOCK_SF_TSTAMPING | SOCK_SF_BROADCAST | \
	SOCK_SF_RXQ_OVFL)
#define CONF_EP_FLAGS (EP_F_V6ONLY | EP_F_V4 | EP_F_REUSEPORT | EP_F_MCAST_ALL | EP_F_RECVERR | EP_F_NODF)
#define CONF_TCP_FLAGS (TCP_F_NODELAY | TCP_F_CORK | TCP_F_KEEPALIVE | TCP_F_QUICKACK | \
	TCP_F_RCVBUF_LOCKED | TCP_F_SNDBUF_LOCKED | TCP_F_OOBINLINE)

void conf_read(const struct sock *s, int fd, const struct cp *cp, struct sock_conf *cf);
/* Does the socket share its name (SO_REUSEADDR, SO_REUSEPORT)?  And which families it takes. */
bool conf_reuse(const struct sock *s, int fd, uint32_t *ep_flags);
/* Lock held. */
void conf_to_shm(const struct sock_conf *cf, struct sock_shm *sh);
void conf_to_conn(struct net *net, const struct sock_conf *cf, struct tcp_conn *c);
void conf_to_listen(const struct sock_conf *cf, struct tcp_listen *l);
void conf_to_udp(const struct sock_conf *cf, struct udp_ep *u);
void conf_to_ep(const struct sock_conf *cf, struct ep *ep);
/* Level and name of a bit of opts_set that accepted connections inherit: 1, or 2 when what
 * is read is twice what was set; -ENOENT for the others. */
int opt_inherited(uint32_t bit, int *level, int *name);

/* ---- what connections get from their listener (inherit.c) -------------------------------- */

/* The settings of a new connection of @l; its kernel socket gets them when somebody looks (sock_settle). */
void inherit_conf(struct sock *l, int lfd, struct sock *s, int fd, struct sock_conf *cf);
void inherit_after_fork(void);
/* An option of @l is about to change. */
static inline void inherit_forget(struct sock *l)
{
	__atomic_store_n(&l->inherit, 0, __ATOMIC_RELAXED);
}

/* ---- the calls by protocol ---------------------------------------------------------------- */

ssize_t stream_recv(struct sock *s, const struct iovec *iov, int n, size_t len, int flags);
ssize_t stream_send(struct sock *s, const struct iovec *iov, int n, size_t len, int flags);
ssize_t dgram_recv(struct sock *s, int fd, void *buf, size_t len, int flags);
ssize_t dgram_send(struct sock *s, int fd, const void *buf, size_t len, int flags);
ssize_t dgram_recvmsg(struct sock *s, int fd, struct msghdr *msg, int flags);
ssize_t dgram_sendmsg(struct sock *s, int fd, const struct msghdr *msg, int flags);
int dgram_recvmmsg(struct sock *s, int fd, struct mmsghdr *v, unsigned n, int flags, struct timespec *timeout);
int dgram_sendmmsg(struct sock *s, int fd, struct mmsghdr *v, unsigned n, int flags);
/* bind(), first send and connect() of a UDP socket (dgram_name.c) */
int dgram_bind(struct sock *s, int fd);
int dgram_connect(struct sock *s, int fd, const struct sockaddr *addr, socklen_t len);
int dgram_first_send(struct sock *s, int fd, const struct addr *to);
int dgram_rebind(struct sock *s, int fd);
/* The kernel socket is to send what is longer than the path's MTU, of which it was not told. */
void dgram_kernel_pmtu(struct sock *s, int fd);
/* Multicast membership changed by a setsockopt() that the kernel has accepted. */
void dgram_group(struct sock *s, int fd, bool join, const struct ipaddr *group, uint32_t ifindex);

/* ---- multicast (mcast.c) --------------------------------------------------------- */

/* May somebody on this host be a member of the group?  May read a file: no lock. */
bool mcast_members(const struct ipaddr *group);
/* This process changed a membership. */
void mcast_forget(void);
void mcast_after_fork(void);

int stream_connect(struct sock *s, int fd, const struct sockaddr *addr, socklen_t len);

/* ---- ancillary data (cmsg.c) ------------------------------------------------------------------ */

/* Append what the socket asked for to msg->msg_control; msg_controllen is what was there
 * on entry and is what was used on return. */
void cmsg_recv(const struct sock *s, const struct pkt *p, struct msghdr *msg);
/* The same for an entry of the error queue: IP_RECVERR, IPV6_RECVERR. */
void cmsg_recv_err(const struct sock *s, const struct udp_err *e, struct msghdr *msg);
#define CMSG_FLAGS (SOCK_SF_STAMP | SOCK_SF_STAMPNS | SOCK_SF_PKTINFO | SOCK_SF_PKTINFO6 | SOCK_SF_RECVTTL | \
	SOCK_SF_RECVTOS | SOCK_SF_HOPLIMIT | SOCK_SF_TCLASS | SOCK_SF_TSTAMPING | SOCK_SF_RXQ_OVFL)

struct cmsg_send {
	struct ipaddr src;
	uint32_t oif;
	int16_t ttl, tos;	/* -1 unset */
};
/* 0, or SOCK_PASS: something that only the kernel knows. */
int cmsg_parse_send(const struct sock *s, const struct msghdr *msg, struct cmsg_send *out);

#endif
