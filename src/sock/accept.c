// SPDX-License-Identifier: BSD-2-Clause
/*
 * accept.c - connections of a listener, the stack's and the kernel's
 *
 * The new descriptor is a real kernel socket, made before the connection is taken
 * off the queue: when there is no descriptor to be had the connection stays
 * where it is.  What the listener's kernel socket was told, the new one is told
 * when somebody looks at it.
 */
#include <string.h>

#include "sock/sock_priv.h"

enum { STEAL_MS = 100 };

/* Take the next connection for @s and @fd.  Lock held. */
static struct tcp_conn *take(struct sock *l, struct sock *s, int fd, const struct sock_conf *cf)
{
	struct stack *st = l->st;
	struct tcp_conn *c = tcp_accept(&st->net, tcp_listener(l->ep));
	uint32_t keep;

	if (!c)
		return NULL;
	keep = c->ep.flags & EP_F_V6ONLY;	/* as the listener's name: the new kernel socket has none */
	sock_shm_start(st, &c->ep, s, s->cookie, cf, SOCK_SF_ACCEPTED);
	c->ep.flags |= keep;
	return c;
}

/* Our queue is not empty: a descriptor, and the connection.  -EAGAIN: somebody
 * else was faster. */
static int accept_ours(struct sock *l, int lfd, int flags, struct addr *peer, struct sock **out)
{
	struct stack *st = l->st;
	struct sock_conf cf;
	struct tcp_conn *c;
	struct sock *s;
	int fd;

	fd = sys_socket(l->family, SOCK_STREAM | flags, l->protocol);
	if (fd < 0)
		return fd;
	s = sock_alloc();
	if (!s) {
		sys_close(fd);
		return -ENOMEM;
	}
	s->type = SOCK_STREAM;
	s->family = l->family;
	s->protocol = l->protocol;
	s->nonblock = (flags & SOCK_NONBLOCK) != 0;
	inherit_conf(l, lfd, s, fd, &cf);

	sock_lock(st);
	c = sock_alive(l) && l->ep->kind == EP_TCP_LISTEN ? take(l, s, fd, &cf) : NULL;
	if (c) {
		if (unlikely(s->opts_set))
			conf_to_conn(&st->net, &cf, c);
		peer->ip = c->ep.flow.raddr;
		peer->port = c->ep.flow.rport;
		peer->scope = c->ep.bound_if;
		sock_publish(s, st, &c->ep);
	}
	sock_unlock(st);
	if (!c) {
		sock_put(s, fd);
		sys_close(fd);
		return -EAGAIN;
	}
	*out = s;
	return fd;
}

/* One at a time may stand between poll() and accept() on a blocking kernel
 * listener: who lost the race would block there.  The word holds the time, so
 * that the lock of a dead process is taken over. */
static bool kernel_turn(struct sock *l)
{
	_Atomic uint32_t *word = (_Atomic uint32_t *)&l->shm->spare[0];
	uint32_t now = (uint32_t)(clock_ns() / NSEC_PER_MSEC) | 1, old = atomic_load(word);

	if (old && now - old < STEAL_MS)
		return false;
	return atomic_compare_exchange_strong(word, &old, now);
}

static int accept_kernels(struct sock *l, int lfd, struct sockaddr *addr, socklen_t *len, int flags)
{
	struct pollfd p = { .fd = lfd, .events = POLLIN };
	struct timespec zero = { 0, 0 };
	bool nonblock = l->shm->flags & SOCK_SF_NONBLOCK;
	int fd;

	if (lfd < 0 || sys_ppoll(&p, 1, &zero, NULL) <= 0)
		return -EAGAIN;
	if (nonblock)
		return sys_accept4(lfd, addr, len, flags);
	if (!kernel_turn(l))
		return -EAGAIN;
	zero = (struct timespec){ 0, 0 };
	fd = sys_ppoll(&p, 1, &zero, NULL) > 0 ? sys_accept4(lfd, addr, len, flags) : -EAGAIN;
	atomic_store((_Atomic uint32_t *)&l->shm->spare[0], 0);
	return fd;
}

static bool have_ours(struct sock *l)
{
	struct stack *st = l->st;
	struct tcp_listen *tl = tcp_listener(l->ep);
	bool have;

	sock_lock(st);
	if (!tl->n_accept)
		stack_poll(st);
	have = sock_alive(l) && l->ep->kind == EP_TCP_LISTEN && tl->n_accept;
	sock_unlock(st);
	sock_resolve(st);
	return have;
}

static int accept_once(struct sock *l, int lfd, struct sockaddr *addr, socklen_t *len, int flags, struct sock **out)
{
	struct addr peer;
	int fd;

	if (unlikely(tcp_listener(l->ep)->room != TCP_LISTEN_ROOM))
		sock_listener_overflow(l);
	while (have_ours(l)) {
		fd = accept_ours(l, lfd, flags, &peer, out);
		if (fd == -EAGAIN)
			continue;
		if (fd >= 0 && addr) {
			int rc = addr_to_user(addr, len, l->family, &peer.ip, peer.port, peer.scope);

			if (rc < 0) {
				sock_put(*out, fd);
				sys_close(fd);
				*out = NULL;
				return rc;
			}
		}
		return fd;
	}
	return accept_kernels(l, lfd, addr, len, flags);
}

static int accept_held(struct sock *s, int fd, struct sockaddr *addr, socklen_t *len, int flags, struct sock **out)
{
	uint64_t deadline = 0;
	bool first = true;
	int rc;

	for (;;) {
		rc = accept_once(s, fd, addr, len, flags, out);
		if (rc != -EAGAIN || s->shm->flags & SOCK_SF_NONBLOCK)
			return rc;
		if (first) {
			deadline = sock_deadline(s->shm->rcvtimeo_ns);
			first = false;
		}
		rc = sock_wait(s, POLLIN, fd, POLLIN, deadline, SPIN_TCP_ACCEPT);
		if (rc == 0)
			return -EAGAIN;
		if (rc == -EBADF && s->mode != SOCK_ACCEL)
			return SOCK_PASS;	/* shut down: EINVAL from the kernel */
		if (rc < 0)
			return rc;
		if (sock_orphaned(s))
			fd = -1;	/* closed meanwhile: the number may be another file's */
		if (!sock_alive(s))
			return SOCK_PASS;
	}
}

enum sock_reason sock_accept_reason(struct sock *s)
{
	return s->ep->kind == EP_TCP_LISTEN && tcp_listener(s->ep)->room == TCP_LISTEN_SHUT ?
	       SOCK_REASON_no_endpoint : SOCK_REASON_no_interface;
}

int sock_accept(struct sock *s, int fd, struct sockaddr *addr, socklen_t *len, int flags, struct sock **out)
{
	int rc;

	*out = NULL;
	if (s->mode != SOCK_ACCEL || s->ep->kind != EP_TCP_LISTEN)
		return s->mode == SOCK_ACCEL && s->type == SOCK_STREAM ? -EINVAL : SOCK_PASS;
	if (flags & ~(SOCK_NONBLOCK | SOCK_CLOEXEC))
		return -EINVAL;
	sock_get(s);
	rc = accept_held(s, fd, addr, len, flags, out);
	sock_put(s, -1);
	return rc;
}
