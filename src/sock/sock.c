// SPDX-License-Identifier: BSD-2-Clause
/*
 * sock.c - socket objects of a process: made, decided, closed, found again
 *
 * struct sock is this process' view; what several processes share is struct
 * sock_shm in the arena.  The last process that drops a socket closes the protocol
 * side as the kernel would.  Memory of struct sock is never given back, so a call
 * that lost a race with close() finds a dead object.
 */
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>

#include "sock/sock_priv.h"

enum {
	SOCKS_PER_CHUNK = 500,
	MAX_CHUNKS = 4096,
	LINGER_STEP_NS = 10000000,
	KEEPER_WAIT_MS = 1000,		/* it looks every 100 ms, if it can run */
};

struct chunk {
	struct sock socks[SOCKS_PER_CHUNK];
};

/* ---- memory -------------------------------------------------------------------- */

static pthread_mutex_t pool_mutex = PTHREAD_MUTEX_INITIALIZER;
static struct chunk *chunks[MAX_CHUNKS];
static uint32_t n_chunks;
static struct sock *free_socks;

static bool grow(void)
{
	struct chunk *c;

	if (n_chunks == MAX_CHUNKS)
		return false;
	/* Not malloc(): the program's allocator may itself be waiting for us. */
	c = mmap(NULL, sizeof(*c), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (c == MAP_FAILED)
		return false;
	for (int i = SOCKS_PER_CHUNK - 1; i >= 0; i--) {
		c->socks[i].next_free = free_socks;
		free_socks = &c->socks[i];
	}
	chunks[n_chunks++] = c;
	return true;
}

struct sock *sock_alloc(void)
{
	struct sock *s = NULL;

	pthread_mutex_lock(&pool_mutex);
	if (free_socks || grow()) {
		s = free_socks;
		free_socks = s->next_free;
	}
	pthread_mutex_unlock(&pool_mutex);
	if (!s)
		return NULL;
	memset(s, 0, sizeof(*s));
	atomic_store_explicit(&s->refs, 1, memory_order_relaxed);
	return s;
}

static void sock_release(struct sock *s)
{
	/* st, ep and shm stay: a call that is still on its way may look at them,
	 * and finds by the generation that the socket is gone. */
	pthread_mutex_lock(&pool_mutex);
	s->next_free = free_socks;
	free_socks = s;
	pthread_mutex_unlock(&pool_mutex);
}

struct sock *sock_next_accel(uint32_t *i)
{
	for (; *i < n_chunks * SOCKS_PER_CHUNK; (*i)++) {
		struct sock *s = &chunks[*i / SOCKS_PER_CHUNK]->socks[*i % SOCKS_PER_CHUNK];

		if (atomic_load_explicit(&s->refs, memory_order_relaxed) && s->mode == SOCK_ACCEL) {
			(*i)++;
			return s;
		}
	}
	return NULL;
}

void sock_pool_lock(void)
{
	pthread_mutex_lock(&pool_mutex);
}

void sock_pool_bound_unknown(void)
{
	for (uint32_t i = 0; i < n_chunks * SOCKS_PER_CHUNK; i++)
		chunks[i / SOCKS_PER_CHUNK]->socks[i % SOCKS_PER_CHUNK].unbound = 0;
}

void sock_pool_unlock(void)
{
	pthread_mutex_unlock(&pool_mutex);
}

void sock_pool_after_fork(void)
{
	pthread_mutex_init(&pool_mutex, NULL);
	for (uint32_t i = 0; i < n_chunks * SOCKS_PER_CHUNK; i++)
		chunks[i / SOCKS_PER_CHUNK]->socks[i % SOCKS_PER_CHUNK].deciding = 0;
}

/* ---- new sockets --------------------------------------------------------------------- */

static bool accelerating(const struct opts *o)
{
	int choice = sock_accel_thread ? sock_accel_thread : sock_accel_process;

	return choice ? choice > 0 : !o->dont_accelerate;
}

static enum sock_reason kind_reason(int domain, int type, int protocol)
{
	const struct opts *o = sock_opts();

	if (domain != AF_INET && domain != AF_INET6)
		return SOCK_REASON_family;
	if (type == SOCK_STREAM) {
		if (protocol != 0 && protocol != IPPROTO_TCP)
			return SOCK_REASON_protocol;
		return o->tcp && accelerating(o) ? SOCK_REASON_none : SOCK_REASON_option_off;
	}
	if (type == SOCK_DGRAM) {
		if (protocol != 0 && protocol != IPPROTO_UDP)
			return SOCK_REASON_protocol;
		return o->udp && accelerating(o) ? SOCK_REASON_none : SOCK_REASON_option_off;
	}
	return SOCK_REASON_family;
}

struct sock *sock_new(int fd, int domain, int type, int protocol, enum sock_reason *reason)
{
	int base = type & ~(SOCK_NONBLOCK | SOCK_CLOEXEC);
	struct sock *s;

	*reason = kind_reason(domain, base, protocol);
	if (*reason != SOCK_REASON_none)
		return NULL;
	s = sock_alloc();
	if (!s) {
		*reason = SOCK_REASON_no_memory;
		return NULL;
	}
	s->type = (uint8_t)base;
	s->family = (uint16_t)domain;
	s->protocol = protocol;
	s->nonblock = (type & SOCK_NONBLOCK) != 0;
	return s;
}

void sock_get(struct sock *s)
{
	atomic_fetch_add_explicit(&s->refs, 1, memory_order_relaxed);
}

uint64_t sock_cookie(int fd)
{
	uint64_t cookie = 0;
	socklen_t len = sizeof(cookie);

	return sys_getsockopt(fd, SOL_SOCKET, SO_COOKIE, &cookie, &len) < 0 ? 0 : cookie;
}

void sock_identify(struct sock *s, int fd)
{
	sock_settle(s, fd);
	if (s->mode != SOCK_ACCEL || s->cookie)
		return;
	s->cookie = sock_cookie(fd);
	stack_lock(s->st);
	if (sock_alive(s) && !s->shm->cookie)
		s->shm->cookie = s->cookie;
	stack_unlock(s->st);
}

/* ---- decisions ----------------------------------------------------------------------- */

bool sock_decide_begin(struct sock *s)
{
	static const struct timespec pause = { .tv_nsec = 20000 };

	/* The other thread is in a request to the daemon: tens of microseconds. */
	while (__atomic_exchange_n(&s->deciding, 1, __ATOMIC_ACQUIRE))
		sys2(SYS_nanosleep, &pause, NULL);
	if (s->mode == SOCK_UNDECIDED)
		return true;
	sock_decide_end(s);
	return false;
}

void sock_decide_end(struct sock *s)
{
	__atomic_store_n(&s->deciding, 0, __ATOMIC_RELEASE);
}

bool sock_reason_is_failure(enum sock_reason why)
{
	switch (why) {
	case SOCK_REASON_none: case SOCK_REASON_family: case SOCK_REASON_protocol:
	case SOCK_REASON_option_off: case SOCK_REASON_loopback: case SOCK_REASON_local_dest:
	case SOCK_REASON_no_route: case SOCK_REASON_resolver: case SOCK_REASON_raw_syscall:
	case SOCK_REASON_foreign_use:
		return false;
	default:
		return true;
	}
}

int sock_stay_kernel(struct sock *s, int fd, enum sock_reason why)
{
	s->reason = (uint16_t)why;
	if (unlikely(!sock_opts()->no_fail) && sock_reason_is_failure(why))
		return -ENOBUFS;
	__atomic_store_n(&s->mode, SOCK_KERNEL, __ATOMIC_RELEASE);
	sock_epoll_decided(s, fd);
	return SOCK_PASS;
}

struct sock_shm *sock_shm_start(struct stack *st, struct ep *ep, const struct sock *s,
				uint64_t cookie, const struct sock_conf *cf, uint32_t flags)
{
	struct sock_shm *sh = upper_sock_take(st, ep->id);

	assert_stack_locked(st);
	sh->cookie = cookie;
	sh->flags = flags | (s->nonblock ? SOCK_SF_NONBLOCK : 0);
	sh->family = s->family;
	sh->type = s->type;
	sh->lease_idx = ID_NONE;
	sh->uid = st->shm->uid;
	sh->pid = st->pid;
	conf_to_shm(cf, sh);
	conf_to_ep(cf, ep);
	return sh;
}

void sock_publish(struct sock *s, struct stack *st, struct ep *ep)
{
	s->st = st;
	s->ep = ep;
	s->id = ep->id;
	s->shm = upper_sock(st, ep->id);
	s->gen = s->shm->gen;
	s->reason = SOCK_REASON_none;
	/* Release: who sees the mode sees what it needs. */
	__atomic_store_n(&s->mode, SOCK_ACCEL, __ATOMIC_RELEASE);
}

/* ---- the end -------------------------------------------------------------------------- */

/* SO_LINGER with a time: our FIN goes out and close() waits until the peer has
 * acknowledged all of it, as tcp_close() in the kernel does. */
static void linger(struct sock *s, uint32_t seconds)
{
	const uint32_t closing = 1u << TCPS_FIN_WAIT_1 | 1u << TCPS_CLOSING | 1u << TCPS_LAST_ACK;
	uint64_t end = clock_ns() + seconds * NSEC_PER_SEC, now;
	struct tcp_conn *c = tcp_conn(s->ep);
	bool wait;

	sock_lock(s->st);
	wait = sock_alive(s) && c->ep.kind == EP_TCP_CONN && tcp_rcv_avail(c) == 0 &&
	       tcp_shutdown(&s->st->net, c, SHUT_WR) == 0;
	sock_unlock(s->st);
	while (wait && (now = clock_ns()) < end) {
		int rc;

		sock_lock(s->st);
		stack_poll(s->st);
		wait = sock_alive(s) && (1u << c->state & closing);
		sock_unlock(s->st);
		if (!wait)
			return;
		now += LINGER_STEP_NS;
		/* No event says "acknowledged": look every ten milliseconds. */
		rc = sock_wait(s, EP_HUP, -1, 0, now < end ? now : end, SPIN_TCP_SEND);
		if (rc < 0)
			return;
	}
}

static bool last_of_all(const struct sock *s)
{
	return (s->shm->procs & ~(1ull << s->st->proc_slot)) == 0 && !(s->shm->flags & SOCK_SF_PASSED);
}

/* Our bit in `procs` stays until the end: if we die on the way, the keeper goes on. */
static void close_filtered(struct sock *s, struct filter_list *fl)
{
	struct stack *st = s->st;
	bool closed;

	/* Connections of a closing listener must have filters of their own
	 * before its filter goes, or the kernel would answer their segments. */
	if (fl->keep_conns)
		(void)filter_keep_conns(st, &s->ep->flow);
	sock_lock(st);
	closed = sock_alive(s) && last_of_all(s);
	if (closed)
		sock_slot_close(st, s->id, s->shm->linger_s == 0);
	else if (sock_alive(s))
		s->shm->procs &= ~(1ull << st->proc_slot);
	sock_unlock(st);
	if (closed)
		filter_list_del(st, fl);
}

int sock_put(struct sock *s, int fd)
{
	struct filter_list fl;
	struct stack *st = s->st;
	bool close;

	if (atomic_fetch_sub_explicit(&s->refs, 1, memory_order_acq_rel) != 1)
		return 0;
	fl.n = 0;
	if (s->mode != SOCK_ACCEL) {
		sock_release(s);
		return 0;
	}
	if (unlikely(s->type == SOCK_STREAM && s->shm->linger_s > 0 && sock_alive(s) && last_of_all(s))) {
		/* sock_wait() takes a reference and drops it. */
		atomic_store_explicit(&s->refs, 1, memory_order_relaxed);
		linger(s, (uint32_t)s->shm->linger_s);
		atomic_store_explicit(&s->refs, 0, memory_order_relaxed);
	}

	sock_lock(st);
	close = sock_alive(s) && last_of_all(s);
	if (close && s->shm->flags & SOCK_SF_FILTER)
		filter_list_of(&fl, st, s->ep);
	else if (close)
		sock_slot_close(st, s->id, s->shm->linger_s == 0);
	else if (sock_alive(s))
		s->shm->procs &= ~(1ull << st->proc_slot);
	sock_unlock(st);
	if (fl.n)
		close_filtered(s, &fl);
	s->mode = SOCK_KERNEL;
	sock_release(s);
	return 0;
}

/* ---- found again ----------------------------------------------------------------------- */

/* The slot of @cookie in @st, made this process' too. */
static struct sock *adopt(struct stack *st, uint64_t cookie)
{
	struct sock *s = sock_alloc();
	struct ep *ep = NULL;

	if (!s)
		return NULL;
	stack_lock(st);
	for (uint32_t i = 0; i < ep_top(&st->net); i++) {
		struct sock_shm *sh = upper_sock(st, i);

		if (sh->in_use && sh->cookie == cookie) {
			sh->procs |= 1ull << st->proc_slot;
			ep = ep_get(&st->net, i);
			s->type = sh->type;
			s->family = sh->family;
			break;
		}
	}
	if (ep) {
		s->cookie = cookie;
		s->opts_set = UINT64_MAX;	/* not known: ask the kernel for all */
		sock_publish(s, st, ep);
	}
	stack_unlock(st);
	if (!ep) {
		sock_release(s);
		return NULL;
	}
	return s;
}

static int int_opt(int fd, int name)
{
	int v = -1;
	socklen_t len = sizeof(v);

	return sys_getsockopt(fd, SOL_SOCKET, name, &v, &len) < 0 ? -1 : v;
}

/* A socket() from before exec that nobody has bound: it can still be decided here. */
static struct sock *adopt_undecided(int fd, int domain, int type, int protocol, enum sock_reason *reason)
{
	struct addr a;
	struct sock *s;
	int fl;

	if (addr_kernel_local(fd, (uint16_t)domain, &a) < 0 || a.port.be || int_opt(fd, SO_ACCEPTCONN) > 0 ||
	    addr_kernel_remote(fd, (uint16_t)domain, &a) == 0) {
		*reason = SOCK_REASON_foreign_use;
		return NULL;
	}
	s = sock_new(fd, domain, type, protocol, reason);
	if (!s)
		return NULL;
	fl = sys_fcntl(fd, 3 /* F_GETFL */, 0);
	s->nonblock = fl >= 0 && fl & SOCK_NONBLOCK;
	s->opts_set = UINT64_MAX;
	return s;
}

struct sock *sock_probe(int fd, enum sock_reason *reason)
{
	struct cp_cookie_req req = { .h = { .type = CP_REQ_COOKIE_FIND, .n = 1 } };
	int domain = int_opt(fd, SO_DOMAIN), type = int_opt(fd, SO_TYPE), protocol;
	struct cp_client *client;
	struct stack *st;
	struct cp_rep rep;
	struct sock *s;

	*reason = SOCK_REASON_family;
	if (domain != AF_INET && domain != AF_INET6)
		return NULL;
	protocol = int_opt(fd, SO_PROTOCOL);
	*reason = kind_reason(domain, type, protocol);
	if (*reason != SOCK_REASON_none)
		return NULL;

	client = proc_client_if_there();
	if (client) {
		req.h.len = offsetof(struct cp_cookie_req, cookie) + sizeof(req.cookie[0]);
		req.cookie[0] = sock_cookie(fd);
		memset(&rep, 0, sizeof(rep));
		if (req.cookie[0] &&
		    cp_call(client, &req, req.h.len, NULL, 0, &rep, sizeof(rep), NULL, NULL) == 0 &&
		    proc_stack_by_id(&st, rep.stack_id) == 0) {
			s = adopt(st, req.cookie[0]);
			if (s)
				return s;
		}
	}
	return adopt_undecided(fd, domain, type, protocol, reason);
}

static void announce(struct stack *st, uint64_t cookie)
{
	struct cp_cookie_req req = { .h = { .type = CP_REQ_COOKIE_SET, .stack_id = st->id, .n = 1 } };
	struct cp_rep rep;

	req.h.len = offsetof(struct cp_cookie_req, cookie) + sizeof(req.cookie[0]);
	req.cookie[0] = cookie;
	if (cookie && st->client)
		(void)cp_call(st->client, &req, req.h.len, NULL, 0, &rep, sizeof(rep), NULL, NULL);
}

/* A socket that is closed before the keeper listens is never closed: once in the
 * life of a stack, give it the time of a tick. */
void sock_await_keeper(struct stack *st)
{
	static const struct timespec ms = { .tv_nsec = 1000000 };

	for (int i = 0; i < KEEPER_WAIT_MS && !atomic_load(&upper(st)->watching); i++)
		sys2(SYS_nanosleep, &ms, NULL);
	/* There is none, or it is stopped: the next one need not wait as well. */
	atomic_store(&upper(st)->watching, 1);
}

void sock_passing(struct sock *s, int fd)
{
	uint64_t cookie = 0;

	s->unbound = 0;
	if (s->mode != SOCK_ACCEL)
		return;
	sock_identify(s, fd);
	stack_lock(s->st);
	if (sock_alive(s)) {
		s->shm->flags |= SOCK_SF_PASSED;
		upper(s->st)->passed++;
		cookie = s->shm->cookie;
	}
	stack_unlock(s->st);
	announce(s->st, cookie);
	sock_await_keeper(s->st);
}
