// SPDX-License-Identifier: BSD-2-Clause
/*
 * memif_ctl.c - the control channel of a VI: handshake, end, reconnection
 *
 * A state machine that is given a moment now and then (memif_service()) and never
 * blocks.  DOWN: the slave tries to connect, the master waits for memif_listen.c to
 * bring a peer.  HANDSHAKE: messages as in memif_proto.h, each checked; an unexpected
 * one ends the connection.  UP: only DISCONNECT or the end of the socket is heard.
 *
 * Runs under the owner's lock like the packet path, from which it is called.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>

#include "base/clock.h"
#include "base/sys.h"
#include "nic/memif/memif_priv.h"

enum { EV_CTL, EV_SOCK, EV_TIMER, EV_RX };

static int watch(struct memif *m, int fd, uint32_t tag)
{
	struct epoll_event ev = { .events = EPOLLIN, .data.u32 = tag };

	return sys_epoll_ctl(m->efd_set, EPOLL_CTL_ADD, fd, &ev);
}

int memif_ctl_watch(struct memif *m, int fd)
{
	return watch(m, fd, EV_CTL);
}

static void unwatch(struct memif *m, int fd)
{
	if (fd >= 0)
		(void)sys_epoll_ctl(m->efd_set, EPOLL_CTL_DEL, fd, NULL);
}

/* A sleeping slave is woken to look for a master. */
static void set_timer(struct memif *m, bool on)
{
	struct itimerspec its = { .it_value.tv_nsec = on ? (long)MEMIF_RETRY_NS : 0,
				  .it_interval.tv_nsec = on ? (long)MEMIF_RETRY_NS : 0 };

	if (m->timer_fd >= 0)
		(void)sys4(SYS_timerfd_settime, m->timer_fd, 0, &its, NULL);
}

static void drain(int fd)
{
	uint64_t n;

	(void)sys_read(fd, &n, sizeof(n));
}

/* ---- the end of a link ------------------------------------------------------------- */

static void link_bury(struct memif *m, struct memif_link *l)
{
	unwatch(m, l->rx.efd);
	l->dead_ns = clock_ns();
}

static void release_dead(struct memif *m, uint64_t now, bool all)
{
	for (int i = 0; i < MEMIF_LINKS; i++)
		if (m->links[i].in_use && m->links[i].dead_ns && (all || now > m->links[i].dead_ns + MEMIF_GRACE_NS))
			memif_link_free(&m->links[i]);
}

void memif_link_end(struct memif *m, const char *why)
{
	struct memif_link *l = m->link;

	if (m->state == MEMIF_S_DOWN)
		return;
	memif_msg_text(m->why, sizeof(m->why), why);
	if (m->state == MEMIF_S_UP) {
		__atomic_store_n(&m->link, &m->none, __ATOMIC_RELEASE);
		link_bury(m, l);
		/* What was on its way is lost; the frames come back. */
		m->shm->tx_lost += m->comp.head - m->comp.ready;
		m->comp.ready = m->comp.head;
		m->tx_part = 0;
	} else if (m->shaking) {
		link_bury(m, m->shaking);
	}
	m->posted = m->fill.tail;
	m->rx_skip = false;
	m->shaking = NULL;
	m->state = MEMIF_S_DOWN;
	m->fault = false;
	unwatch(m, m->ctl);
	sys_close(m->ctl);
	m->ctl = -1;
	m->retry_ns = 0;
	set_timer(m, true);
}

/* Tell the peer why, then end. */
static void hang_up(struct memif *m, const char *why)
{
	struct memif_msg msg = { .type = MEMIF_MSG_DISCONNECT };

	msg.disconnect.code = 1;
	memif_msg_text(msg.disconnect.string, sizeof(msg.disconnect.string), why);
	if (m->ctl >= 0)
		(void)memif_msg_send(m->ctl, &msg, -1);
	memif_link_end(m, why);
}

static void link_up(struct memif *m)
{
	struct memif_link *l = m->shaking;

	if (l->rx.efd >= 0)
		(void)watch(m, l->rx.efd, EV_RX);
	if (m->armed)
		__atomic_fetch_and(&l->rx.ring->flags, (uint16_t)~MEMIF_RING_MASK_INT, __ATOMIC_SEQ_CST);
	/* DPDK's master sets our heads back to 0 at CONNECT, so they are set once more. */
	if (l->zc)
		memif_rx_repost(m, l);
	else if (l->slave)
		__atomic_store_n(l->rx.ours, l->rx.bias, __ATOMIC_RELEASE);
	m->shaking = NULL;
	m->state = MEMIF_S_UP;
	m->tx_part = 0;
	m->shm->link_ups++;
	set_timer(m, false);
	/* Release: whoever sees the link sees what is in it. */
	__atomic_store_n(&m->link, l, __ATOMIC_RELEASE);
}

static int start(struct memif *m, int ctl)
{
	m->shaking = memif_link_new(m);
	if (!m->shaking)
		return -EAGAIN;		/* peers come and go too fast */
	m->ctl = ctl;
	m->state = MEMIF_S_HANDSHAKE;
	m->state_ns = clock_ns();
	m->step = 0;
	return 0;
}

/* ---- slave ------------------------------------------------------------------------- */

static void try_connect(struct memif *m, uint64_t now)
{
	int fd;

	if (now < m->retry_ns)
		return;
	m->retry_ns = now + MEMIF_RETRY_NS;
	fd = memif_connect(m->attr.path);
	if (fd < 0)
		return;
	if (watch(m, fd, EV_CTL) < 0 || start(m, fd) < 0)
		sys_close(fd);
}

static int send_init(struct memif *m)
{
	struct memif_msg msg = { .type = MEMIF_MSG_INIT };

	msg.init.version = MEMIF_VERSION;
	msg.init.id = m->attr.id;
	msg.init.mode = MEMIF_MODE_ETHERNET;
	memcpy(msg.init.secret, m->attr.secret, sizeof(msg.init.secret));
	memif_msg_text(msg.init.name, sizeof(msg.init.name), "postern");
	return memif_msg_send(m->ctl, &msg, -1);
}

static int send_region(struct memif *m, uint32_t i)
{
	struct memif_msg msg = { .type = MEMIF_MSG_ADD_REGION };

	msg.add_region.index = (uint16_t)i;
	msg.add_region.size = m->shaking->region[i].size;
	return memif_msg_send(m->ctl, &msg, m->shaking->region[i].fd);
}

static int send_ring(struct memif *m, bool s2m)
{
	const struct memif_q *q = s2m ? &m->shaking->tx : &m->shaking->rx;
	struct memif_msg msg = { .type = MEMIF_MSG_ADD_RING };

	msg.add_ring.flags = s2m ? MEMIF_ADD_RING_S2M : 0;
	msg.add_ring.offset = (uint32_t)((uint8_t *)q->ring - m->shaking->region[0].base);
	msg.add_ring.log2_ring_size = (uint8_t)__builtin_ctz(q->mask + 1u);
	return memif_msg_send(m->ctl, &msg, q->efd);
}

static int send_connect(struct memif *m, uint16_t type)
{
	struct memif_msg msg = { .type = type };

	snprintf(msg.connect.if_name, sizeof(msg.connect.if_name), "postern/%u", m->attr.id);
	return memif_msg_send(m->ctl, &msg, -1);
}

/* INIT, regions, rings, CONNECT: each goes when the last was acknowledged. */
static int slave_step(struct memif *m)
{
	uint32_t i = m->step++, n = m->shaking->n_regions;

	if (i == 0)
		return send_init(m);
	if (i <= n)
		return send_region(m, i - 1);
	if (i <= n + 2)
		return send_ring(m, i == n + 1);
	return i == n + 3 ? send_connect(m, MEMIF_MSG_CONNECT) : -EPROTO;
}

static int slave_hello(struct memif *m, const struct memif_msg_hello *h)
{
	int rc;

	if (m->step || h->min_version > MEMIF_VERSION || h->max_version < MEMIF_VERSION)
		return -EPROTO;
	if (m->attr.flags & MEMIF_ZEROCOPY && h->max_region < 1)
		return -EPROTO;
	rc = memif_link_make(m, m->shaking, h->max_log2_ring_size);
	return rc < 0 ? rc : slave_step(m);
}

static int slave_msg(struct memif *m, const struct memif_msg *msg)
{
	switch (msg->type) {
	case MEMIF_MSG_HELLO:
		return slave_hello(m, &msg->hello);
	case MEMIF_MSG_ACK:
		return m->step ? slave_step(m) : -EPROTO;
	case MEMIF_MSG_CONNECTED:
		if (!m->step || m->step != m->shaking->n_regions + 4)
			return -EPROTO;
		link_up(m);
		return 0;
	default:
		return -EPROTO;
	}
}

/* ---- master ------------------------------------------------------------------------ */

static int master_msg(struct memif *m, const struct memif_msg *msg, int *fd)
{
	struct memif_msg ack = { .type = MEMIF_MSG_ACK };
	int rc;

	switch (msg->type) {
	case MEMIF_MSG_ADD_REGION:
		rc = memif_link_add_region(m, m->shaking, &msg->add_region, *fd);
		break;
	case MEMIF_MSG_ADD_RING:
		rc = memif_link_add_ring(m->shaking, &msg->add_ring, fd);
		break;
	case MEMIF_MSG_CONNECT:
		rc = memif_link_check(m->shaking);
		if (rc == 0)
			rc = send_connect(m, MEMIF_MSG_CONNECTED);
		if (rc == 0)
			link_up(m);
		return rc;
	default:
		return -EPROTO;
	}
	return rc < 0 ? rc : memif_msg_send(m->ctl, &ack, -1);
}

/* ---- both -------------------------------------------------------------------------- */

static void one_message(struct memif *m, const struct memif_msg *msg, int *fd)
{
	char why[96];
	int rc;

	if (msg->type == MEMIF_MSG_DISCONNECT) {
		memcpy(why, msg->disconnect.string, sizeof(why) - 1);
		why[sizeof(why) - 1] = 0;
		memif_link_end(m, why);
		return;
	}
	if (m->state == MEMIF_S_UP)
		rc = -EPROTO;
	else if (m->attr.flags & MEMIF_MASTER)
		rc = master_msg(m, msg, fd);
	else
		rc = slave_msg(m, msg);
	if (rc < 0) {
		snprintf(why, sizeof(why), "message %u refused: %s", msg->type, strerror(-rc));
		hang_up(m, why);
	}
}

static void read_ctl(struct memif *m)
{
	struct memif_msg msg;
	int len, fd;

	while (m->ctl >= 0) {
		len = memif_msg_recv(m->ctl, &msg, &fd);
		if (len == -EAGAIN)
			return;
		if (len <= 0)
			memif_link_end(m, "the peer is gone");
		else if (len < (int)sizeof(msg))
			hang_up(m, "message too short");
		else
			one_message(m, &msg, &fd);
		if (fd >= 0)
			sys_close(fd);
	}
}

static void take_incoming(struct memif *m)
{
	int fd = atomic_load(&m->incoming);

	if (fd < 0 || m->state != MEMIF_S_DOWN)
		return;
	if (start(m, fd) < 0) {
		unwatch(m, fd);
		sys_close(fd);
	}
	/* After the state: memif_listen.c looks at either. */
	atomic_store(&m->incoming, -1);
}

static void look(struct memif *m, uint64_t now)
{
	bool master = m->attr.flags & MEMIF_MASTER;

	if (master)
		take_incoming(m);
	else if (m->state == MEMIF_S_DOWN)
		try_connect(m, now);
	if (m->state == MEMIF_S_HANDSHAKE && now > m->state_ns + MEMIF_HELLO_NS)
		hang_up(m, "handshake takes too long");
}

void memif_service(struct memif *m)
{
	uint64_t now = clock_ns();
	struct epoll_event ev[8];
	int n;

	m->poll_ns = now;
	release_dead(m, now, false);
	if (unlikely(m->fault))
		hang_up(m, "impossible ring indices");
	look(m, now);
	n = sys_epoll_pwait2(m->efd_set, ev, ARRAY_SIZE(ev), &(struct timespec){ 0 }, NULL);
	for (int i = 0; i < n; i++) {
		switch (ev[i].data.u32) {
		case EV_CTL:
			take_incoming(m);
			read_ctl(m);
			break;
		case EV_SOCK:
			memif_accept(m->sock);
			take_incoming(m);
			break;
		case EV_TIMER:
			drain(m->timer_fd);
			break;
		case EV_RX:
			/* While armed the owner's poll shall see it. */
			if (!m->armed)
				drain(m->link->rx.efd);
			break;
		}
	}
}

void memif_idle(struct memif *m)
{
	m->empty = 0;
	if (!m->fault && clock_ns() - m->poll_ns <= MEMIF_POLL_NS)
		return;
	memif_rx_flush(m, m->link);
	memif_service(m);
}

int memif_ctl_open(struct memif *m)
{
	int rc;

	m->ctl = m->timer_fd = -1;
	m->incoming = -1;
	m->efd_set = sys_fd_high(sys_epoll_create1(EPOLL_CLOEXEC));
	if (m->efd_set < 0)
		return m->efd_set;
	if (m->attr.flags & MEMIF_MASTER) {
		rc = memif_listen(m);
		if (rc >= 0)
			rc = watch(m, rc, EV_SOCK);
	} else {
		rc = m->timer_fd = sys_fd_high((int)sys2(SYS_timerfd_create, CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK));
		if (rc >= 0)
			rc = watch(m, m->timer_fd, EV_TIMER);
		set_timer(m, true);
	}
	if (rc < 0) {
		memif_ctl_close(m);
		return rc;
	}
	memif_service(m);
	return 0;
}

void memif_ctl_close(struct memif *m)
{
	int fd;

	memif_unlisten(m);
	hang_up(m, "closed");
	fd = atomic_exchange(&m->incoming, -1);
	if (fd >= 0)
		sys_close(fd);
	release_dead(m, 0, true);
	if (m->timer_fd >= 0)
		sys_close(m->timer_fd);
	if (m->efd_set >= 0)
		sys_close(m->efd_set);
}
