// SPDX-License-Identifier: BSD-2-Clause
/*
 * reap.c - the undertaker: dead processes, last closes, filters that must go
 *
 * A process' death is told by its pidfd.  A descriptor that travelled by
 * SCM_RIGHTS may live where no process of the stack knows it: for those the
 * kernel's own notice of a destroyed socket (sock_diag, by cookie) is the last
 * close.  Filters go when no connection uses their port any more: before that
 * the kernel would answer the peers' last segments with a reset.
 */
#include <errno.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/bitmap.h"
#include "base/clock.h"
#include "keeper/keeper.h"
#include "tcp/tcp.h"

enum { REAP_BATCH = 1024 };
#define FILTER_TICK_NS (200 * NSEC_PER_MSEC)

static void filter_later(struct keeper *k, uint32_t id)
{
	const struct sock_shm *s = upper_sock(k->st, id);
	const struct ep *ep = ep_get(&k->st->net, id);

	if (k->n_pending == KEEPER_MAX_PENDING)
		return;		/* it goes with the stack */
	k->pending[k->n_pending++] = (struct keeper_filter){
		.cookie = s->cookie,
		.lport = ep->flow.lport,
		.proto = s->type == SOCK_STREAM ? IPPROTO_TCP : IPPROTO_UDP,
	};
}

/* The slots' contents (cookie, port) stay until the slot is taken again: read them under the same lock. */
static void reap_locked(struct keeper *k, uint32_t slot)
{
	static uint32_t ids[REAP_BATCH];
	uint32_t n = sock_reap_proc(k->st, slot, ids, REAP_BATCH);

	for (uint32_t i = 0; i < n; i++)
		filter_later(k, ids[i]);
	k->st->shm->keeper_closes += n;
}

void reap_proc(struct keeper *k, uint32_t slot)
{
	struct keeper_proc *p = &k->procs[slot];

	if (p->pidfd < 0)
		return;
	/* posternd has the same file open, so closing ours would leave it watched. */
	epoll_ctl(k->epfd, EPOLL_CTL_DEL, p->pidfd, NULL);
	close(p->pidfd);
	p->pidfd = -1;
	if (!conv_try_init(k))
		return;
	/* It may have lived for less than a tick: its FINs leave by these. */
	if (k->n_vi)
		conv_try_vis(k);
	/* If it died with the lock, this is where it is found out. */
	stack_lock(k->st);
	stack_poll(k->st);
	if (!stack_dead(k->st))
		reap_locked(k, slot);
	sock_unlock(k->st);
	/* What it was woken for and did not do is somebody else's now. */
	stack_ring(k->st, (1u << STACK_N_DOORBELLS) - 1);
	drive_poll(k);
}

/* Local TCP ports that some connection or listener has: one walk for all filters. */
static void ports_in_use(const struct keeper *k, uint64_t ports[BITMAP_WORDS(65536)])
{
	memset(ports, 0, BITMAP_WORDS(65536) * sizeof(*ports));
	for (uint32_t i = 0; i < ep_top(&k->st->net); i++) {
		const struct ep *ep = ep_get(&k->st->net, i);

		if (ep->kind == EP_TCP_CONN || ep->kind == EP_TCP_LISTEN)
			bitmap_set(ports, ep->flow.lport.be);
	}
}

static void drop_filters(struct keeper *k)
{
	static uint64_t ports[BITMAP_WORDS(65536)];
	struct kp_filter_del del;
	uint32_t left = 0, n = 0;
	uint64_t now = clock_ns();

	if (now < k->filters_next_ns)
		return;
	k->filters_next_ns = now + FILTER_TICK_NS;
	ports_in_use(k, ports);
	memset(&del, 0, sizeof(del));
	for (uint32_t i = 0; i < k->n_pending; i++) {
		bool busy = k->pending[i].proto == IPPROTO_TCP && bitmap_test(ports, k->pending[i].lport.be);

		if (n == KP_MAX_FILTERS || busy) {
			k->pending[left++] = k->pending[i];
			continue;
		}
		del.f[n].kind = CP_FILTER_SOCKET;
		del.f[n].cookie = k->pending[i].cookie;
		del.f[n++].proto = k->pending[i].proto;
	}
	k->n_pending = left;
	if (n == KP_MAX_FILTERS)
		k->filters_next_ns = now;	/* more of them */
	if (n)
		conv_send(k, &del, KP_FILTER_DEL, (uint32_t)(offsetof(struct kp_filter_del, f) + n * sizeof(del.f[0])), n);
}

/* ---- passed descriptors ------------------------------------------------------------ */

static int diag_open(void)
{
	struct sockaddr_nl sa = {
		.nl_family = AF_NETLINK,
		.nl_groups = 1u << (SKNLGRP_INET_TCP_DESTROY - 1) | 1u << (SKNLGRP_INET_UDP_DESTROY - 1) |
			     1u << (SKNLGRP_INET6_TCP_DESTROY - 1) | 1u << (SKNLGRP_INET6_UDP_DESTROY - 1),
	};
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_SOCK_DIAG);

	if (fd >= 0 && bind(fd, (struct sockaddr *)&sa, sizeof(sa)) < 0) {
		close(fd);
		fd = -1;
	}
	return fd;
}

/* The kernel says that no descriptor of this cookie is left anywhere. */
static void last_close(struct keeper *k, uint64_t cookie)
{
	struct stack *st = k->st;

	stack_lock(st);
	stack_poll(st);
	for (uint32_t i = 0; i < ep_top(&st->net) && !stack_dead(st); i++) {
		struct sock_shm *s = upper_sock(st, i);

		if (s->in_use && s->flags & SOCK_SF_PASSED && s->cookie == cookie) {
			s->procs = 0;
			if (s->flags & SOCK_SF_FILTER)
				filter_later(k, i);
			sock_close_id(st, i);
			break;
		}
	}
	sock_unlock(st);
}

void reap_diag(struct keeper *k)
{
	char buf[16384];
	ssize_t len = recv(k->diag, buf, sizeof(buf), 0);

	if (len < 0)
		return;
	for (struct nlmsghdr *h = (struct nlmsghdr *)buf; NLMSG_OK(h, len); h = NLMSG_NEXT(h, len)) {
		const struct inet_diag_msg *m = NLMSG_DATA(h);

		if (h->nlmsg_len >= NLMSG_LENGTH(sizeof(*m)))
			last_close(k, m->id.idiag_cookie[0] | (uint64_t)m->id.idiag_cookie[1] << 32);
	}
}

void reap_tick(struct keeper *k)
{
	if (k->n_pending)
		drop_filters(k);
	if (k->diag < 0 && upper(k->st)->passed) {
		k->diag = diag_open();
		if (k->diag >= 0)
			keeper_watch(k, k->diag, KEEPER_EV_DIAG, 0, EPOLLIN);
		/* Without a socket to hear by, nobody need wait for it either. */
		atomic_store(&upper(k->st)->watching, 1);
	}
}

bool reap_empty(const struct keeper *k)
{
	if (k->have_init && !k->st)
		return false;
	for (int i = 0; i < STACK_MAX_PROCS; i++)
		if (k->procs[i].pidfd >= 0)
			return false;
	return !k->st || (!k->st->net.shm->tcp_n_conns && !k->n_pending);
}
