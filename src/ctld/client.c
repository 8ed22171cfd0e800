// SPDX-License-Identifier: BSD-2-Clause
/*
 * client.c - connections of applications and tools, and their requests
 *
 * Who a client is, is the kernel's word at connect time.  Everything else it says
 * is input: each request is copied, measured and checked before it is believed,
 * and answered with a code and a line that a user can act upon.
 *
 * Rights: root, and members of the group, may have rings.  A stack is its owner's,
 * root's, and of whoever shows its arena: a process that dropped its uid after
 * fork() still has that descriptor.  HELLO and LIST are for everybody.
 */
#include "ctld/ctld.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#ifndef SO_PEERPIDFD
#define SO_PEERPIDFD 77
#endif

enum { MAX_CLIENTS = 4096, MAX_PER_UID = 1024, MAX_SLOT = 4096 };

/* One request on its way. */
struct ctx {
	struct client *c;
	const struct cp_req *req;
	size_t len;
	const int *fds;		/* borrowed */
	int n_fds;
	struct cp_rep *rep;
	int *out_fds;		/* borrowed by the reply */
	int n_out;
	struct stack *st;	/* for requests that name one */
};

#define SAY(x, ...) snprintf((x)->rep->why, sizeof((x)->rep->why), __VA_ARGS__)

static bool has(const uint32_t set[4], uint32_t id)
{
	return id && (set[0] == id || set[1] == id || set[2] == id || set[3] == id);
}

static void put(uint32_t set[4], uint32_t id)
{
	if (has(set, id))
		return;
	memmove(&set[1], &set[0], 3 * sizeof(set[0]));
	set[0] = id;
}

static void take_out(uint32_t set[4], uint32_t id)
{
	for (int i = 0; i < 4; i++)
		if (set[i] == id)
			set[i] = 0;
}

static bool may_use(const struct client *c, const struct stack *st)
{
	return has(c->granted, st->rec->id) ||
	       (c->may_ring && (c->uid == 0 || c->uid == st->rec->uid));
}

static int on_hello(struct ctx *x)
{
	const struct cp_hello_req *q = (const void *)x->req;
	struct cp_hello_rep *r = (void *)x->rep;

	r->h.len = sizeof(*r);
	r->version = CP_PROTO_VERSION;
	r->daemon_pid = (uint32_t)getpid();
	if (q->version != CP_PROTO_VERSION) {
		SAY(x, "posternd speaks version %d, this program %u: install one release of both",
		    CP_PROTO_VERSION, q->version);
		return -EPROTO;
	}
	x->out_fds[x->n_out++] = x->c->ctl->tables_fd;
	return 0;
}

static int reply_stack(struct ctx *x, struct stack *st, uint32_t flags)
{
	struct cp_stack_rep *r = (void *)x->rep;

	r->h.len = sizeof(*r);
	r->h.stack_id = st->rec->id;
	r->flags = flags;
	r->n_frames = st->rec->n_frames;
	r->state_size = st->rec->state_size;
	memcpy(r->name, st->rec->name, CP_STACK_NAME);
	x->out_fds[x->n_out++] = st->arena_fd;
	for (size_t i = 0; i < CP_N_DOORBELLS; i++)
		x->out_fds[x->n_out++] = st->doorbell[i];
	put(x->c->joining, st->rec->id);
	return 0;
}

static int on_stack_open(struct ctx *x)
{
	const struct cp_stack_req *q = (const void *)x->req;
	struct stack *st;
	bool fresh;
	int rc;

	if (!memchr(q->name, 0, CP_STACK_NAME)) {
		SAY(x, "stack name without an end");
		return -EINVAL;
	}
	st = stack_by_name(x->c->ctl, x->c->uid, q->name);
	if (!st) {
		rc = stack_create(x->c->ctl, x->c, q, &st, x->rep->why);
		return rc < 0 ? rc : reply_stack(x, st, CP_STACK_CREATED);
	}
	/* Its creator went before anybody used it: the next one is the creator. */
	fresh = st->rec->n_joins == 0 && !stack_is_being_joined(st, x->c);
	return reply_stack(x, st, fresh ? CP_STACK_CREATED : 0);
}

/* Whoever has the arena open for writing has all that the stack is. */
static bool shows_arena(const struct ctx *x, const struct stack *st)
{
	struct stat a, b;

	return x->n_fds == 1 && fstat(x->fds[0], &a) == 0 && fstat(st->arena_fd, &b) == 0 &&
	       a.st_dev == b.st_dev && a.st_ino == b.st_ino &&
	       (fcntl(x->fds[0], F_GETFL) & O_ACCMODE) == O_RDWR;
}

static int on_stack_attach(struct ctx *x)
{
	struct stack *st = stack_by_id(x->c->ctl, x->req->stack_id);

	if (!st)
		return -ENOENT;
	if (shows_arena(x, st))
		put(x->c->granted, st->rec->id);
	if (!may_use(x->c, st))
		return -EACCES;
	return reply_stack(x, st, 0);
}

static int on_vi_open(struct ctx *x)
{
	const struct cp_vi_req *q = (const void *)x->req;
	struct cp_vi_rep *r = (void *)x->rep;
	struct st_vi *vi;
	int rc;

	rc = stack_vi_open(x->st, q, &vi, x->rep->why);
	if (rc < 0)
		return rc;
	r->h.n = vi->n_q;
	r->ifindex = vi->ifindex;
	r->first_vi = vi->vi_set;
	memcpy(r->q, vi->q, vi->n_q * sizeof(vi->q[0]));
	r->h.len = (uint32_t)(offsetof(struct cp_vi_rep, q) + vi->n_q * sizeof(vi->q[0]));
	memcpy(x->out_fds, x->st->xsk[vi - x->st->rec->vis], vi->n_q * sizeof(int));
	x->n_out = (int)vi->n_q;
	return 0;
}

static int on_filter(struct ctx *x)
{
	const struct cp_filter_req *q = (const void *)x->req;
	struct cp_filter_rep *r = (void *)x->rep;
	int fd = 0;

	for (uint32_t i = 0; i < q->h.n; i++)
		fd += q->f[i].has_fd != 0;
	if (fd != x->n_fds) {
		SAY(x, "%d descriptors for entries that need %d", x->n_fds, fd);
		return -EINVAL;
	}
	fd = 0;
	for (uint32_t i = 0; i < q->h.n; i++) {
		int proof = q->f[i].has_fd ? x->fds[fd++] : -1;

		r->rc[i] = q->h.type == CP_REQ_FILTER_ADD ? filter_add(x->st, &q->f[i], proof) :
			   filter_del(x->st, &q->f[i]);
	}
	r->h.n = q->h.n;
	r->h.len = (uint32_t)(offsetof(struct cp_filter_rep, rc) + q->h.n * sizeof(r->rc[0]));
	return 0;
}

static int on_lease(struct ctx *x)
{
	const struct cp_lease_req *q = (const void *)x->req;
	struct cp_lease_rep *r = (void *)x->rep;
	struct ipaddr a;
	int rc;

	if (q->h.n == 0 || q->h.n > ARRAY_SIZE(r->port))
		return -EINVAL;
	memcpy(a.b, q->laddr, 16);
	rc = lease_ports(x->st, &a, q->h.n, r->port);
	if (rc < 0) {
		if (rc == -ENOSPC || rc == -EADDRINUSE)
			SAY(x, "no more ports to lease: widen net.ipv4.ip_local_port_range");
		return rc;
	}
	r->h.n = (uint32_t)rc;
	r->h.len = (uint32_t)(offsetof(struct cp_lease_rep, port) + (size_t)rc * sizeof(r->port[0]));
	return 0;
}

static int on_neigh(struct ctx *x)
{
	const struct cp_neigh_req *q = (const void *)x->req;
	struct ipaddr a;
	struct cp_link l;

	memcpy(a.b, q->addr, 16);
	if (ipaddr_is_any(&a) || ipaddr_is_mcast(&a) || ipaddr_is_loopback(&a))
		return -EINVAL;
	if (cp_link_get(&x->c->ctl->cp, q->ifindex, &l) < 0)
		return -ENODEV;
	if (l.flags & CP_LINK_LOOPBACK)
		return -EINVAL;
	return neigh_resolve(x->c->ctl, q->ifindex, &a);
}

static int on_proc_add(struct ctx *x)
{
	const struct cp_proc_req *q = (const void *)x->req;
	int fd, rc;

	if (q->slot >= MAX_SLOT)
		return -EINVAL;
	if (x->c->pidfd < 0) {
		SAY(x, "this process cannot be seen from posternd's PID namespace");
		return -ESRCH;
	}
	fd = fcntl(x->c->pidfd, F_DUPFD_CLOEXEC, 3);
	if (fd < 0)
		return -errno;
	rc = stack_proc_add(x->st, q->slot, x->c->pid, fd);
	if (rc == 0)
		take_out(x->c->joining, x->st->rec->id);
	return rc;
}

static int on_list(struct ctx *x)
{
	struct cp_list_rep *r = (void *)x->rep;
	uint32_t n = 0;

	for (size_t i = 0; i < ST_MAX_STACKS; i++) {
		const struct stack *st = x->c->ctl->stacks[i];

		if (!st || (x->c->uid != 0 && x->c->uid != st->rec->uid))
			continue;
		if (n++ < x->req->n)	/* where to begin */
			continue;
		if (r->h.n == CP_MAX_BATCH)
			break;
		r->s[r->h.n] = (struct cp_stack_info){ st->rec->id, st->rec->uid, st->rec->keeper_pid,
						       stack_n_procs(st), { 0 } };
		memcpy(r->s[r->h.n].name, st->rec->name, CP_STACK_NAME);
		r->h.n++;
	}
	r->h.len = (uint32_t)(offsetof(struct cp_list_rep, s) + r->h.n * sizeof(r->s[0]));
	return 0;
}

static int on_cookie_find(struct ctx *x)
{
	const struct cp_cookie_req *q = (const void *)x->req;
	struct stack *st = filter_cookie_find(x->c->ctl, q->h.n ? q->cookie[0] : 0);

	if (!st || !may_use(x->c, st))
		return -ENOENT;
	x->rep->stack_id = st->rec->id;
	return 0;
}

static int on_cookie_set(struct ctx *x)
{
	const struct cp_cookie_req *q = (const void *)x->req;
	int rc = 0;

	for (uint32_t i = 0; i < q->h.n && rc == 0; i++)
		rc = q->cookie[i] ? filter_cookie_set(x->st, q->cookie[i]) : -EINVAL;
	return rc;
}

static struct raw *raw_of(struct ctx *x)
{
	struct raw *r = raw_by_id(x->c, x->req->stack_id);

	if (!r)
		SAY(x, "no such raw port of this connection");
	return r;
}

static int on_raw_open(struct ctx *x)
{
	return raw_open(x->c, (const void *)x->req, x->fds, x->n_fds, &x->rep->stack_id, x->rep->why);
}

static int on_raw_vi(struct ctx *x)
{
	struct cp_raw_vi_rep *r = (void *)x->rep;
	struct raw *raw = raw_of(x);
	int rc;

	if (!raw)
		return -ENOENT;
	rc = raw_vi_open(x->c, raw, (const void *)x->req, r, x->out_fds, x->rep->why);
	if (rc < 0)
		return rc;
	x->n_out = rc;
	r->h.n = (uint32_t)rc;
	r->h.len = (uint32_t)(offsetof(struct cp_raw_vi_rep, q) + (size_t)rc * sizeof(r->q[0]));
	return 0;
}

static int on_raw_sets(struct ctx *x)
{
	struct cp_raw_vi_rep *r = (void *)x->rep;
	struct raw *raw = raw_of(x);

	r->h.len = offsetof(struct cp_raw_vi_rep, q);
	return raw ? raw_reserve(x->c, raw, x->req->n, &r->set) : -ENOENT;
}

static int on_raw_close(struct ctx *x)
{
	const struct cp_raw_vi_req *q = (const void *)x->req;
	struct raw *raw = raw_of(x);

	if (!raw)
		return -ENOENT;
	if (q->set != ID_NONE)
		return raw_vi_close(x->c, raw, q->set);
	raw_close(x->c->ctl, raw);
	return 0;
}

static int on_raw_filter(struct ctx *x)
{
	const struct cp_raw_filter_req *q = (const void *)x->req;
	struct cp_filter_rep *r = (void *)x->rep;
	struct raw *raw = raw_of(x);

	if (!raw)
		return -ENOENT;
	for (uint32_t i = 0; i < q->h.n; i++)
		r->rc[i] = raw_filter(x->c, raw, &q->f[i]);
	r->h.n = q->h.n;
	r->h.len = (uint32_t)(offsetof(struct cp_filter_rep, rc) + q->h.n * sizeof(r->rc[0]));
	return 0;
}

enum {
	R_RING = 1,	/* needs the right to have rings */
	R_STACK = 2,	/* names a stack that the client may use */
	R_FDS = 4,	/* may carry descriptors */
};

static const struct {
	int (*fn)(struct ctx *x);
	uint16_t size;		/* of the fixed part */
	uint16_t entry;		/* of each of n entries behind it, 0: none */
	uint8_t flags;
} requests[] = {
	[CP_REQ_HELLO]        = { on_hello, sizeof(struct cp_hello_req), 0, 0 },
	[CP_REQ_STACK_OPEN]   = { on_stack_open, sizeof(struct cp_stack_req), 0, R_RING },
	[CP_REQ_STACK_ATTACH] = { on_stack_attach, sizeof(struct cp_req), 0, R_FDS },
	[CP_REQ_VI_OPEN]      = { on_vi_open, sizeof(struct cp_vi_req), 0, R_STACK },
	[CP_REQ_FILTER_ADD]   = { on_filter, sizeof(struct cp_req), sizeof(struct cp_filter), R_STACK | R_FDS },
	[CP_REQ_FILTER_DEL]   = { on_filter, sizeof(struct cp_req), sizeof(struct cp_filter), R_STACK | R_FDS },
	[CP_REQ_PORT_LEASE]   = { on_lease, sizeof(struct cp_lease_req), 0, R_STACK },
	[CP_REQ_NEIGH]        = { on_neigh, sizeof(struct cp_neigh_req), 0, R_RING },
	[CP_REQ_PROC_ADD]     = { on_proc_add, sizeof(struct cp_proc_req), 0, R_STACK },
	[CP_REQ_LIST]         = { on_list, sizeof(struct cp_req), 0, 0 },
	[CP_REQ_COOKIE_FIND]  = { on_cookie_find, sizeof(struct cp_req), sizeof(uint64_t), 0 },
	[CP_REQ_RAW_OPEN]     = { on_raw_open, sizeof(struct cp_raw_open_req), 0, R_RING | R_FDS },
	[CP_REQ_RAW_VI]       = { on_raw_vi, sizeof(struct cp_raw_vi_req), 0, R_RING },
	[CP_REQ_RAW_SETS]     = { on_raw_sets, sizeof(struct cp_raw_vi_req), 0, R_RING },
	[CP_REQ_RAW_CLOSE]    = { on_raw_close, sizeof(struct cp_raw_vi_req), 0, R_RING },
	[CP_REQ_RAW_FILTER]   = { on_raw_filter, sizeof(struct cp_req), sizeof(struct cp_raw_filter), R_RING },
	[CP_REQ_COOKIE_SET]   = { on_cookie_set, sizeof(struct cp_req), sizeof(uint64_t), R_STACK },
};

/* Long enough for what it claims to be; ATTACH may come in STACK_OPEN's form. */
static bool well_formed(const struct cp_req *q, size_t len)
{
	size_t want;

	if (len < sizeof(*q) || q->len != len || q->type >= ARRAY_SIZE(requests) ||
	    !requests[q->type].fn)
		return false;
	want = requests[q->type].size;
	if (requests[q->type].entry) {
		if (q->n > CP_MAX_BATCH)
			return false;
		want += (size_t)q->n * requests[q->type].entry;
	}
	/* Structures may come whole, entries unused. */
	return len >= want;
}

static int dispatch(struct ctx *x)
{
	struct client *c = x->c;
	uint8_t flags;

	if (!well_formed(x->req, x->len)) {
		SAY(x, "malformed request");
		return -EINVAL;
	}
	flags = requests[x->req->type].flags;
	if (!(flags & R_FDS) && x->n_fds) {
		SAY(x, "unexpected descriptors");
		return -EINVAL;
	}
	if (flags & R_STACK) {
		x->st = stack_by_id(c->ctl, x->req->stack_id);
		if (!x->st) {
			SAY(x, "no such stack");
			return -ENOENT;
		}
		if (!may_use(c, x->st)) {
			SAY(x, "the stack belongs to another user");
			return -EACCES;
		}
	} else if ((flags & R_RING) && !c->may_ring) {
		if (c->ctl->group == (gid_t)-1)
			SAY(x, "only root may have rings: there is no group `%s' on this host",
			    c->ctl->conf.group);
		else
			SAY(x, "uid %u is not in group `%s': usermod -a -G %s, then log in again",
			    c->uid, c->ctl->conf.group, c->ctl->conf.group);
		return -EACCES;
	}
	return requests[x->req->type].fn(x);
}

size_t client_request(struct client *c, const void *req, size_t len, const int *fds, int n_fds,
		      void *rep, int *out_fds, int *n_out)
{
	struct ctx x = { .c = c, .req = req, .len = len, .fds = fds, .n_fds = n_fds,
			 .rep = rep, .out_fds = out_fds };

	memset(rep, 0, CLIENT_REP_MAX);
	x.rep->len = sizeof(*x.rep);
	x.rep->rc = dispatch(&x);
	if (x.rep->rc < 0) {
		x.n_out = 0;
		if (!x.rep->why[0])
			SAY(&x, "%s", strerror(-x.rep->rc));
	}
	*n_out = x.n_out;
	return x.rep->len;
}

static void client_free(struct client *c)
{
	struct ctld *ctl = c->ctl;
	struct client **at;

	for (at = &ctl->clients; *at && *at != c; at = &(*at)->next)
		;
	if (*at)
		*at = c->next;
	raw_client_gone(c);
	ctl->n_clients--;
	loop_del(&ctl->loop, &c->w);
	close(c->w.fd);
	fds_close(&c->pidfd, 1);
	/* A stack that waited for this client to join, or that nobody ever did. */
	for (size_t i = 0; i < ARRAY_SIZE(c->joining); i++) {
		struct stack *st = stack_by_id(ctl, c->joining[i]);

		if (!st)
			continue;
		stack_check_done(st);
		st = stack_by_id(ctl, c->joining[i]);
		if (st && stack_n_procs(st) == 0 && !stack_is_being_joined(st, NULL) &&
		    (ctl->conf.no_keeper || st->rec->n_joins == 0))
			stack_destroy(st, "nobody uses it");
	}
	free(c);
}

static void on_client(struct loop_fd *w, uint32_t events)
{
	struct client *c = container_of(w, struct client, w);
	static _Alignas(8) char req[CLIENT_REQ_MAX], rep[CLIENT_REP_MAX];
	int fds[CP_MAX_FDS], out[CP_MAX_FDS], n_fds, n_out, rc;
	ssize_t len;
	size_t rep_len;

	len = msg_recv(w->fd, req, sizeof(req), fds, &n_fds, CP_MAX_FDS, MSG_DONTWAIT);
	if (len == -EAGAIN)
		return;
	if (len <= 0) {
		client_free(c);
		return;
	}
	rep_len = client_request(c, req, (size_t)len, fds, n_fds, rep, out, &n_out);
	fds_close(fds, n_fds);
	rc = msg_send(w->fd, rep, rep_len, out, n_out, MSG_DONTWAIT);
	/* Who asks and does not read gets no memory of ours. */
	if (rc < 0)
		client_free(c);
}

static bool in_group(int fd, const struct ucred *cr, gid_t group)
{
	gid_t groups[256];
	socklen_t len = sizeof(groups);

	if (cr->uid == 0)
		return true;
	if (group == (gid_t)-1)
		return false;
	if (cr->gid == group)
		return true;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &len) < 0)
		return false;
	for (size_t i = 0; i < len / sizeof(groups[0]); i++)
		if (groups[i] == group)
			return true;
	return false;
}

/* The kernel's handle of the very process, if it is new enough; else by number,
 * and then once more whether the connection still has its other end. */
static int peer_pidfd(int fd, pid_t pid)
{
	struct pollfd p = { .fd = fd, .events = 0 };
	int pidfd = -1;
	socklen_t len = sizeof(pidfd);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERPIDFD, &pidfd, &len) == 0) {
		fcntl(pidfd, F_SETFD, FD_CLOEXEC);
		return pidfd;
	}
	if (pid <= 0)
		return -1;
	pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	if (pidfd >= 0 && poll(&p, 1, 0) == 1 && p.revents & POLLHUP) {
		close(pidfd);
		pidfd = -1;
	}
	return pidfd;
}

static uint32_t clients_of(const struct ctld *ctl, uid_t uid)
{
	uint32_t n = 0;

	for (const struct client *c = ctl->clients; c; c = c->next)
		n += c->uid == uid;
	return n;
}

static void on_connect(struct loop_fd *w, uint32_t events)
{
	struct ctld *ctl = container_of(w, struct ctld, listen);
	struct ucred cr;
	socklen_t len = sizeof(cr);
	struct client *c;
	int fd;

	fd = accept4(w->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (fd < 0)
		return;
	c = calloc(1, sizeof(*c));
	if (!c || getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cr, &len) < 0 ||
	    ctl->n_clients >= MAX_CLIENTS || (cr.uid && clients_of(ctl, cr.uid) >= MAX_PER_UID) ||
	    loop_add(&ctl->loop, &c->w, fd, on_client) < 0) {
		free(c);
		close(fd);
		return;
	}
	c->ctl = ctl;
	c->uid = cr.uid;
	c->gid = cr.gid;
	c->pid = cr.pid;
	c->pidfd = peer_pidfd(fd, cr.pid);
	c->may_ring = in_group(fd, &cr, ctl->group);
	c->next = ctl->clients;
	ctl->clients = c;
	ctl->n_clients++;
}

int clients_open(struct ctld *ctl)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	socklen_t len = offsetof(struct sockaddr_un, sun_path) + sizeof(CP_SOCK_NAME);
	int fd, rc;

	memcpy(sa.sun_path + 1, CP_SOCK_NAME, sizeof(CP_SOCK_NAME) - 1);
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	/* Bound now, to be the only one; listening when the tables are full. */
	if (bind(fd, (struct sockaddr *)&sa, len) < 0) {
		rc = -errno;
		close(fd);
		return rc;
	}
	ctl->listen.fd = fd;
	return 0;
}

int clients_listen(struct ctld *ctl)
{
	int fd = ctl->listen.fd;

	if (listen(fd, 256) < 0)
		return -errno;
	return loop_add(&ctl->loop, &ctl->listen, fd, on_connect);
}

void clients_close(struct ctld *ctl)
{
	loop_del(&ctl->loop, &ctl->listen);
	close(ctl->listen.fd);
	ctl->listen.fd = -1;
	while (ctl->clients)
		client_free(ctl->clients);
}
