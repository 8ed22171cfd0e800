/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * sock.h - BSD sockets over stacks, without libc: what preload/ calls
 *
 * The application's descriptor is a real kernel socket; struct sock is this
 * process' object for it, shared by its dup()s.  It is undecided until the call
 * that decides (bind of UDP, connect, listen, first sendto), then accelerated
 * or the kernel's for good, with a recorded reason.
 *
 * Every call returns >= 0, -errno, or SOCK_PASS: "do it with the kernel" (the
 * caller then makes the libc call on the same descriptor).  None sets errno.
 * @fd is the descriptor that the application named: the kernel socket.
 * Blocking calls spin and sleep as the options say, and return -EINTR or go on
 * as SA_RESTART says (signal(7)).
 *
 * Memory of struct sock is type-stable (never returned to malloc), so a call
 * that races with close() in another thread finds a dead object, not garbage.
 */
#ifndef POSTERN_SOCK_SOCK_H
#define POSTERN_SOCK_SOCK_H

#include <poll.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>

#include "sock/reason.h"
#include "sock/sock_shm.h"
#include "sock/upper.h"
#include "stack/stack.h"

#define SOCK_PASS (-4095)

enum { SOCK_MAX_JOINS = 8 };
enum sock_mode { SOCK_UNDECIDED, SOCK_ACCEL, SOCK_KERNEL };

struct sock {
	struct stack *st;		/* with mode SOCK_ACCEL */
	struct ep *ep;
	struct sock_shm *shm;
	uint32_t id;
	uint32_t gen;			/* of shm->gen when attached */
	_Atomic uint32_t refs;		/* descriptors of this process + blocked calls */
	uint8_t mode;			/* enum sock_mode */
	uint8_t type;			/* SOCK_STREAM, SOCK_DGRAM */
	uint16_t family;
	uint16_t reason;		/* enum sock_reason, why not accelerated */
	uint8_t nonblock;		/* while undecided */
	uint8_t deciding;		/* a thread is in the deciding call */
	uint8_t unbound;		/* nobody can have bound the kernel socket */
	uint16_t inherit;		/* listener: what its connections get, 0: find out */
	uint16_t pending;		/* connection: what its kernel socket has still to be given, 0: nothing */
	int32_t protocol;
	struct sock *next_free;
	uint64_t cookie;		/* 0: not asked yet, sock_identify() */
	uint64_t opts_set;		/* options set since socket(): bits of sockopt.c's table */
	/* what cannot be read back from the kernel socket */
	uint32_t mcast_if;		/* IP_MULTICAST_IF, IPV6_MULTICAST_IF by index */
	struct ipaddr mcast_if_addr;	/* or by address */
	uint32_t n_joins;		/* groups joined before the socket was accelerated; > SOCK_MAX_JOINS: too many */
	struct { struct ipaddr group; uint32_t ifindex; uint32_t pad; } joins[8];
	/* UDP: the kernel's share of the queue.  Whoever sees the kernel socket
	 * readable sets the hint; without it an empty queue asks at intervals only. */
	uint64_t kernel_asked_ns;
	_Atomic uint8_t kernel_hint;
	/* UDP: verdict about the last destination, by the stack lock */
	uint8_t dst_ok;
	uint32_t dst_gen;
	struct ipaddr dst;
};

/* ---- process (sock_proc.c) ------------------------------------------------- */

/* Library calls that the preload layer must not intercept for us: direct
 * system calls of sock/ on kernel descriptors go through these (sys_*.h style). */

/* sock_proc_init - once, before the first socket; options parsed, nothing opened. Never fails. */
void sock_proc_init(void);
const struct opts *sock_opts(void);
/* The stack of this process, to be called before the first socket needs it.  0; -EOPNOTSUPP (said on
 * standard error) when it has another name already: one stack is all that a process has. -ENAMETOOLONG. */
int sock_name_stack(const char *name);
/* New sockets: -1 the kernel's, 1 accelerated, 0 the process' (then EF_DONT_ACCELERATE's) choice. */
extern __thread int8_t sock_accel_thread __attribute__((tls_model("initial-exec")));
extern int8_t sock_accel_process;
/* Stacks open in this process, for fork and the tools; NULL-terminated array. */
struct stack *const *sock_stacks(void);
/* fork(): prepare (parent, locks + new slot), parent, child. */
void sock_fork_prepare(void);
void sock_fork_parent(void);
void sock_fork_child(void);
/* fork() has no slot for one more process: it wants every socket to be identified. */
bool sock_fork_is_full(void);
void sock_fork_failed(void);	/* in place of sock_fork_parent(): there is no child */
/* The process is about to exec: its sockets, all identified, are found again by cookie (sock_probe). */
void sock_exec_prepare(void);

/* ---- life (sock.c) ------------------------------------------------------------ */

/* New object for a kernel socket just made; NULL when the kind is never
 * accelerated (other families, raw, EF_TCP=0 ...: *reason says why). refs = 1. */
struct sock *sock_new(int fd, int domain, int type, int protocol, enum sock_reason *reason);
void sock_get(struct sock *s);
/* Drop a reference; the last one of this process tells the stack: when no other
 * process has the socket, it is closed as the kernel would.  With SO_LINGER may block. */
int sock_put(struct sock *s, int fd);
/* An inherited or received descriptor: find its stack by SO_COOKIE.  NULL: the kernel's. */
struct sock *sock_probe(int fd, enum sock_reason *reason);
/* A socket that socket() has just made: its first connect() need not ask what it is bound to. */
static inline void sock_is_fresh(struct sock *s) { s->unbound = 1; }
/* The kernel socket is about to be looked at: give it what it still lacks (inherit.c). */
void sock_settle_slow(struct sock *s, int fd);
static inline void sock_settle(struct sock *s, int fd)
{
	if (unlikely(s->pending))
		sock_settle_slow(s, fd);
}
/* The kernel's name for the descriptor, which other processes will ask by, is asked for when it is needed. */
void sock_identify(struct sock *s, int fd);
/* The descriptor is about to travel by SCM_RIGHTS. */
void sock_passing(struct sock *s, int fd);
/* Hand the socket over to the kernel if that can be done now; 0, or -errno. */
int sock_handover(struct sock *s, int fd, enum sock_reason why);

/* ---- names (sock_name.c) -------------------------------------------------------- */
int sock_bind(struct sock *s, int fd, const struct sockaddr *addr, socklen_t len);
int sock_connect(struct sock *s, int fd, const struct sockaddr *addr, socklen_t len);
int sock_listen(struct sock *s, int fd, int backlog);
/* New descriptor >= 0 and its object in *out (NULL: the kernel's own connection). flags: SOCK_NONBLOCK | SOCK_CLOEXEC */
int sock_accept(struct sock *s, int fd, struct sockaddr *addr, socklen_t *len, int flags, struct sock **out);
/* Why a connection that it accepted is the kernel's. */
enum sock_reason sock_accept_reason(struct sock *s);
int sock_getsockname(struct sock *s, int fd, struct sockaddr *addr, socklen_t *len);
int sock_getpeername(struct sock *s, int fd, struct sockaddr *addr, socklen_t *len);
int sock_shutdown(struct sock *s, int fd, int how);

/* ---- data (stream.c, dgram.c, cmsg.c) --------------------------------------------- */
ssize_t sock_recv(struct sock *s, int fd, void *buf, size_t len, int flags);
ssize_t sock_send(struct sock *s, int fd, const void *buf, size_t len, int flags);
ssize_t sock_recvmsg(struct sock *s, int fd, struct msghdr *msg, int flags);
ssize_t sock_sendmsg(struct sock *s, int fd, const struct msghdr *msg, int flags);
int sock_recvmmsg(struct sock *s, int fd, struct mmsghdr *v, unsigned n, int flags, struct timespec *timeout);
int sock_sendmmsg(struct sock *s, int fd, struct mmsghdr *v, unsigned n, int flags);

/* ---- options (sockopt.c) ------------------------------------------------------------- */
int sock_getsockopt(struct sock *s, int fd, int level, int name, void *val, socklen_t *len);
int sock_setsockopt(struct sock *s, int fd, int level, int name, const void *val, socklen_t len);
int sock_ioctl(struct sock *s, int fd, unsigned long req, void *arg);
/* fcntl(F_SETFL) on the kernel socket has succeeded: take over O_NONBLOCK. */
void sock_set_nonblock(struct sock *s, bool on);

/* ---- readiness and waiting (ready.c, wait.c) -------------------------------------------- */

/* Level readiness in poll(2) bits, kernel's share excluded. No lock needed. */
uint32_t sock_events(struct sock *s);
/* True: the kernel socket must be asked too, for these poll bits (listener, UDP: POLLIN). */
bool sock_kernel_too(struct sock *s, short *kernel_events);
/* Deliver net_shm.ready to watchers.  Lock held.  Returns the doorbells to ring once the lock is dropped. */
uint32_t ready_flush(struct stack *st);
/* The unlock of everything that may have made a socket ready. */
static inline void sock_unlock(struct stack *st)
{
	uint32_t ring = 0;

	if (unlikely(!shm_list_empty(st->net.base, &st->net.shm->ready)) && !stack_dead(st))
		ring = ready_flush(st);
	stack_unlock(st);
	if (unlikely(ring))
		stack_ring(st, ring);
}
/* poll(2) bits of EP_* bits, and back. */
static inline uint32_t ready_to_poll(uint32_t ep_events)
{
	return ((ep_events & EP_IN) ? POLLIN | POLLRDNORM : 0) | ((ep_events & EP_OUT) ? POLLOUT | POLLWRNORM : 0) |
	       ((ep_events & EP_ERR) ? POLLERR : 0) | ((ep_events & EP_HUP) ? POLLHUP : 0) |
	       ((ep_events & EP_RDHUP) ? POLLRDHUP : 0) | ((ep_events & EP_PRI) ? POLLPRI : 0);
}

enum sock_spin { SPIN_UDP_RECV = 1, SPIN_UDP_SEND = 2, SPIN_TCP_RECV = 4, SPIN_TCP_SEND = 8, SPIN_TCP_ACCEPT = 16, SPIN_TCP_CONNECT = 32, SPIN_SELECT = 64, SPIN_POLL = 128, SPIN_EPOLL = 256 };

/**
 * sock_wait - block until sock_events(s) has one of @want (POLLERR and POLLHUP always count)
 * or the kernel socket @kfd (>= 0) has @kwant.
 * @deadline_ns: CLOCK_MONOTONIC, or 0 for ever.  @spin: which switch rules.
 * Returns 1 ready, 0 timed out, -EINTR (a handler without SA_RESTART ran, or
 * with a timeout set), -EBADF (closed meanwhile).  Takes no lock on return.
 */
int sock_wait(struct sock *s, uint32_t want, int kfd, short kwant, uint64_t deadline_ns, enum sock_spin spin);

/* ---- poll, select, epoll (poll.c, epoll.c) -------------------------------------------------- */

struct sock_epoll;			/* this process' view of an epoll descriptor */

/* What preload/ knows of each entry of a poll set: an accelerated or undecided
 * socket, an epoll set, or neither: the kernel's. */
struct sock_pollee {
	struct sock *s;
	struct sock_epoll *e;
};
/* poll() and ppoll(); select() is made of it by preload/.  Number of entries with revents, or -errno. */
int sock_poll(struct pollfd *fds, const struct sock_pollee *who, nfds_t n, const struct timespec *timeout,
	      const sigset_t *sigmask, enum sock_spin spin);

struct sock_epoll *sock_epoll_new(int epfd);
void sock_epoll_get(struct sock_epoll *e);
void sock_epoll_put(struct sock_epoll *e);	/* a descriptor of it was closed */
/* Complete: also makes the kernel's call where the member is the kernel's (s == NULL or s->mode != SOCK_ACCEL).
 * An undecided socket is remembered and moves when it is accelerated.  @inner: @fd is itself an epoll set of ours. */
int sock_epoll_ctl(struct sock_epoll *e, int epfd, int op, int fd, struct sock *s, struct sock_epoll *inner,
		   struct epoll_event *ev);
int sock_epoll_wait(struct sock_epoll *e, int epfd, struct epoll_event *ev, int max,
		    const struct timespec *timeout, const sigset_t *sigmask);
/* Around the kernel's own wait, which the caller makes after SOCK_PASS and which may sleep: a first
 * member of ours that another thread adds wakes it.  False: there is one now, call sock_epoll_wait() again.
 * _leave() returns what remains of @n events, or SOCK_PASS: wait again, for what is left of the time. */
bool sock_epoll_enter_kernel(struct sock_epoll *e);
int sock_epoll_leave_kernel(struct sock_epoll *e, struct epoll_event *ev, int n);
/* Is anything ready (nested epoll, poll on an epoll descriptor)? */
bool sock_epoll_ready(struct sock_epoll *e);
/* An undecided socket became accelerated: move its memberships.  Called by the deciding call, no lock held. */
void sock_epoll_decided(struct sock *s, int fd);
/* A descriptor number is about to be closed: forget its undecided and kernel memberships (the kernel does so itself). */
void sock_epoll_fd_closed(int fd);
/* fork(): locks of all sets. */
void sock_epoll_fork_prepare(void);
void sock_epoll_fork_parent(void);
void sock_epoll_fork_child(void);

/* ---- for the keeper (reap.c): what the kernel does when a process dies ------------------------ */

/* Clear a dead process' slot; sockets and sets that nobody else has are closed as the kernel would. Lock held.
 * Names of sockets whose filters must go are appended to @ids (room for @max); returns their number. */
uint32_t sock_reap_proc(struct stack *st, uint32_t slot, uint32_t *ids, uint32_t max);
/* Close one socket for good, as at its last close(). Lock held. */
void sock_close_id(struct stack *st, uint32_t id);

#endif
