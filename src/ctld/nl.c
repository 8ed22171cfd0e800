// SPDX-License-Identifier: BSD-2-Clause
/*
 * nl.c - hearing the kernel: rtnetlink dumps and notifications
 *
 * Links, addresses, routes and rules are few and the kernel does not announce
 * every change of them (IPv4 routes vanish silently with their interface): any
 * notification makes us dump the lot again, a moment later and once for a burst.
 * Neighbours are many and change often: their notifications are applied one by
 * one, and dumped only at the start and when the kernel dropped some (ENOBUFS).
 */
#include "ctld/ctld.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/fib_rules.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

enum {
	COALESCE_NS = 2 * 1000 * 1000,
	COALESCE_BIG_NS = 1000 * 1000 * 1000,	/* a table that we cannot hold anyway */
	BUF = 32768,
	RCVBUF = 4 << 20,
};

static const int groups[] = {
	RTNLGRP_LINK, RTNLGRP_IPV4_IFADDR, RTNLGRP_IPV6_IFADDR, RTNLGRP_IPV4_ROUTE,
	RTNLGRP_IPV6_ROUTE, RTNLGRP_IPV4_RULE, RTNLGRP_IPV6_RULE, RTNLGRP_NEIGH,
};

static int nl_socket(void)
{
	struct sockaddr_nl sa = { .nl_family = AF_NETLINK };
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	int one = 1;

	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_NETLINK, NETLINK_EXT_ACK, &one, sizeof(one));
	if (bind(fd, (struct sockaddr *)&sa, sizeof(sa)) < 0) {
		int rc = -errno;

		close(fd);
		return rc;
	}
	return fd;
}

bool addr_from_attr(struct cp_addr128 *out, const void *p, size_t len)
{
	uint8_t b[16] = { 0 };

	if (len == 4) {
		b[10] = b[11] = 0xff;
		memcpy(b + 12, p, 4);
	} else if (len == 16) {
		memcpy(b, p, 16);
	} else {
		return false;
	}
	memcpy(out, b, 16);
	return true;
}

struct walk {
	struct ctld *ctl;
	nl_fn fn;
	void *arg;
	bool interrupted;
};

static int walk_cb(const struct nlmsghdr *nlh, void *data)
{
	struct walk *w = data;

	/* The kernel's tables moved between two parts of the dump. */
	if (nlh->nlmsg_flags & NLM_F_DUMP_INTR)
		w->interrupted = true;
	return w->fn(w->ctl, nlh, w->arg) < 0 ? MNL_CB_ERROR : MNL_CB_OK;
}

static int converse(struct ctld *ctl, struct nlmsghdr *nlh, struct walk *w)
{
	unsigned int port = 0;
	char buf[BUF];
	ssize_t len;
	int rc;

	nlh->nlmsg_seq = ++ctl->nl_seq;
	if (send(ctl->nl_dump, nlh, nlh->nlmsg_len, MSG_NOSIGNAL) < 0)
		return -errno;
	do {
		len = recv(ctl->nl_dump, buf, sizeof(buf), MSG_TRUNC);
		if (len < 0 && errno == EINTR)
			continue;
		if (len < 0)
			return -errno;
		if (len > (ssize_t)sizeof(buf))
			return -EMSGSIZE;
		/* The rest of a conversation that ended early. */
		if (len >= (ssize_t)sizeof(*nlh) &&
		    ((struct nlmsghdr *)buf)->nlmsg_seq != ctl->nl_seq) {
			rc = MNL_CB_OK;
			continue;
		}
		errno = 0;
		rc = mnl_cb_run(buf, (size_t)len, ctl->nl_seq, port, w ? walk_cb : NULL, w);
		if (rc < 0)
			return errno ? -errno : -EPROTO;
	} while (rc > MNL_CB_STOP);
	return 0;
}

int nl_dump(struct ctld *ctl, uint16_t type, uint8_t family, nl_fn fn, void *arg)
{
	struct walk w = { .ctl = ctl, .fn = fn, .arg = arg };
	char buf[256];
	struct nlmsghdr *nlh;
	struct rtgenmsg *g;
	int rc;

	memset(buf, 0, sizeof(buf));
	nlh = mnl_nlmsg_put_header(buf);
	nlh->nlmsg_type = type;
	nlh->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	/* The header of its own kind: the kernel logs what it finds left over. */
	g = mnl_nlmsg_put_extra_header(nlh, type == RTM_GETLINK ? sizeof(struct ifinfomsg) :
					    type == RTM_GETADDR ? sizeof(struct ifaddrmsg) :
					    type == RTM_GETNEIGH ? sizeof(struct ndmsg) :
					    type == RTM_GETRULE ? sizeof(struct fib_rule_hdr) : sizeof(struct rtmsg));
	g->rtgen_family = family;
	rc = converse(ctl, nlh, &w);
	if (rc == 0 && w.interrupted)
		rc = -EAGAIN;
	return rc;
}

int nl_talk(struct ctld *ctl, struct nlmsghdr *nlh)
{
	nlh->nlmsg_flags |= NLM_F_REQUEST | NLM_F_ACK;
	return converse(ctl, nlh, NULL);
}

static int sync_dirty(struct ctld *ctl)
{
	int rc = 0;

	/* Links first: the others speak of them. */
	if (rc == 0 && ctl->dirty_links)
		rc = link_sync(ctl);
	if (rc == 0)
		ctl->dirty_links = false;
	if (rc == 0 && ctl->dirty_addrs)
		rc = addr_sync(ctl);
	if (rc == 0)
		ctl->dirty_addrs = false;
	if (rc == 0 && ctl->dirty_routes)
		rc = route_sync(ctl);
	if (rc == 0)
		ctl->dirty_routes = false;
	if (rc == 0 && ctl->dirty_neighs)
		rc = neigh_sync(ctl);
	if (rc == 0)
		ctl->dirty_neighs = false;
	return rc;
}

static bool any_dirty(const struct ctld *ctl)
{
	return ctl->dirty_links || ctl->dirty_addrs || ctl->dirty_routes || ctl->dirty_neighs;
}

int nl_sync(struct ctld *ctl)
{
	int rc = -EAGAIN;

	ctl->dirty_links = ctl->dirty_addrs = ctl->dirty_routes = ctl->dirty_neighs = true;
	for (int i = 0; i < 20 && (rc == -EAGAIN || rc == -EINTR); i++)
		rc = sync_dirty(ctl);
	return rc;
}

static void schedule(struct ctld *ctl)
{
	uint64_t wait = ctl->tables->n_routes == 0 && ctl->tables->has_rules ?
			COALESCE_BIG_NS : COALESCE_NS;

	if (any_dirty(ctl) && !ctl->resync.due_ns)
		loop_timer_arm(&ctl->resync, wait);
}

static void resync_due(struct loop_timer *t)
{
	struct ctld *ctl = container_of(t, struct ctld, resync);
	int rc = sync_dirty(ctl);

	if (rc < 0 && rc != -EAGAIN)
		postern_log(PLOG_ERROR, "netlink dump failed (%s), trying again", strerror(-rc));
	if (rc < 0)
		loop_timer_arm(t, rc == -EAGAIN ? COALESCE_NS : COALESCE_BIG_NS);
}

void nl_mark_dirty(struct ctld *ctl)
{
	ctl->dirty_links = ctl->dirty_addrs = ctl->dirty_routes = ctl->dirty_neighs = true;
	schedule(ctl);
}

static void one_event(struct ctld *ctl, const struct nlmsghdr *nlh)
{
	switch (nlh->nlmsg_type) {
	case RTM_DELLINK:
		if (mnl_nlmsg_get_payload_len(nlh) >= sizeof(struct ifinfomsg)) {
			const struct ifinfomsg *i = mnl_nlmsg_get_payload(nlh);

			/* A port that leaves its bridge says DELLINK too. */
			if (i->ifi_family == AF_UNSPEC && i->ifi_index > 0)
				iface_gone(ctl, (uint32_t)i->ifi_index);
		}
		/* fallthrough */
	case RTM_NEWLINK:
		ctl->dirty_links = ctl->dirty_routes = true;
		break;
	case RTM_NEWADDR:
	case RTM_DELADDR:
		ctl->dirty_addrs = ctl->dirty_routes = true;
		break;
	case RTM_NEWROUTE:
	case RTM_DELROUTE:
	case RTM_NEWRULE:
	case RTM_DELRULE:
		ctl->dirty_routes = true;
		break;
	case RTM_NEWNEIGH:
	case RTM_DELNEIGH:
		neigh_event(ctl, nlh);
		break;
	default:
		break;
	}
}

static void on_events(struct loop_fd *w, uint32_t events)
{
	struct ctld *ctl = container_of(w, struct ctld, nl_events);
	char buf[BUF];

	for (int i = 0; i < 64; i++) {
		ssize_t len = recv(w->fd, buf, sizeof(buf), MSG_DONTWAIT | MSG_TRUNC);
		const struct nlmsghdr *nlh = (const struct nlmsghdr *)buf;
		int left = (int)len;

		if (len < 0 && errno == ENOBUFS) {
			/* Some were lost, nobody knows which. */
			nl_mark_dirty(ctl);
			continue;
		}
		if (len <= 0)
			break;
		if (len > (ssize_t)sizeof(buf)) {
			nl_mark_dirty(ctl);
			continue;
		}
		for (; mnl_nlmsg_ok(nlh, left); nlh = mnl_nlmsg_next(nlh, &left))
			one_event(ctl, nlh);
	}
	schedule(ctl);
}

int nl_open(struct ctld *ctl)
{
	struct timeval tv = { .tv_sec = 2 };
	int rcvbuf = RCVBUF, fd, rc;

	ctl->nl_events.fd = ctl->nl_dump = -1;
	loop_timer_init(&ctl->loop, &ctl->resync, resync_due);
	fd = nl_socket();
	if (fd < 0)
		return fd;
	ctl->nl_dump = fd;
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));

	fd = nl_socket();
	if (fd < 0)
		return fd;
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &rcvbuf, sizeof(rcvbuf)) < 0)
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &rcvbuf, sizeof(rcvbuf));
	for (size_t i = 0; i < ARRAY_SIZE(groups); i++)
		if (setsockopt(fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &groups[i],
			       sizeof(groups[i])) < 0 && errno != ENOENT) {
			rc = -errno;
			close(fd);
			return rc;
		}
	/* Listening before dumping: a change in between is seen twice, not never. */
	rc = loop_add(&ctl->loop, &ctl->nl_events, fd, on_events);
	if (rc < 0)
		close(fd);
	return rc < 0 ? rc : nl_sync(ctl);
}

void nl_close(struct ctld *ctl)
{
	if (ctl->nl_events.fd >= 0)
		close(ctl->nl_events.fd);
	if (ctl->nl_dump >= 0)
		close(ctl->nl_dump);
}
