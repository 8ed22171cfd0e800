// SPDX-License-Identifier: BSD-2-Clause
/*
 * memif_listen.c - messages, and the masters' listening sockets
 *
 * Several masters of a process may have one path; who a connection is for says its
 * INIT.  Until then it waits here, for a bounded time and in a bounded number.
 * A socket file that nobody listens on any more (its owner was killed) is replaced.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/clock.h"
#include "base/sys.h"
#include "nic/memif/memif_priv.h"

enum { MAX_PENDING = 16, BACKLOG = 16 };

struct memif_sock {
	struct memif_sock *next;
	char path[108];
	int fd;
	int efd_set;		/* epoll: fd and the pending ones; in each member's own set */
	struct memif *members;
	struct { int fd; uint64_t since; } pending[MAX_PENDING];
};

/* Masters of different threads may share a socket. */
static pthread_mutex_t sock_mutex = PTHREAD_MUTEX_INITIALIZER;
static struct memif_sock *socks;

/* ---- messages ------------------------------------------------------------------------ */

void memif_msg_text(char *dst, size_t room, const char *text)
{
	size_t n = 0;

	memset(dst, 0, room);
	for (; n + 1 < room && text[n]; n++)
		dst[n] = text[n];
}

int memif_msg_send(int sock, struct memif_msg *msg, int fd)
{
	union {
		struct cmsghdr h;
		char room[CMSG_SPACE(sizeof(int))];
	} c;
	struct iovec iov = { msg, sizeof(*msg) };
	struct msghdr mh = { .msg_iov = &iov, .msg_iovlen = 1 };
	long rc;

	if (fd >= 0) {
		memset(&c, 0, sizeof(c));
		c.h.cmsg_level = SOL_SOCKET;
		c.h.cmsg_type = SCM_RIGHTS;
		c.h.cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(&c.h), &fd, sizeof(int));
		mh.msg_control = &c;
		mh.msg_controllen = sizeof(c.room);
	}
	do
		rc = sys_sendmsg(sock, &mh, MSG_NOSIGNAL | MSG_DONTWAIT);
	while (rc == -EINTR);
	return rc < 0 ? (int)rc : 0;
}

int memif_msg_recv(int sock, struct memif_msg *msg, int *fd)
{
	union {
		struct cmsghdr h;
		char room[CMSG_SPACE(4 * sizeof(int))];
	} c;
	struct iovec iov = { msg, sizeof(*msg) };
	struct msghdr mh = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &c, .msg_controllen = sizeof(c) };
	struct cmsghdr *h;
	long len;

	*fd = -1;
	memset(msg, 0, sizeof(*msg));
	do
		len = sys_recvmsg(sock, &mh, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	while (len == -EINTR);
	if (len < 0)
		return (int)len;
	for (h = CMSG_FIRSTHDR(&mh); h; h = CMSG_NXTHDR(&mh, h)) {
		size_t n = (h->cmsg_len - CMSG_LEN(0)) / sizeof(int);

		if (h->cmsg_level != SOL_SOCKET || h->cmsg_type != SCM_RIGHTS)
			continue;
		for (size_t i = 0; i < n; i++) {
			int f;

			memcpy(&f, CMSG_DATA(h) + i * sizeof(int), sizeof(f));
			if (*fd < 0)
				*fd = f;
			else
				(void)sys1(SYS_close, f);	/* one is all that a message has */
		}
	}
	return (int)len;
}

/* ---- sockets --------------------------------------------------------------------------- */

static socklen_t fill_addr(struct sockaddr_un *sa, const char *path)
{
	size_t n = strnlen(path, sizeof(sa->sun_path) - 1);

	memset(sa, 0, sizeof(*sa));
	sa->sun_family = AF_UNIX;
	memcpy(sa->sun_path, path, n);
	if (path[0] != '@')
		return sizeof(*sa);
	sa->sun_path[0] = 0;
	return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n);
}

static bool somebody_listens(const struct sockaddr_un *sa, socklen_t len)
{
	int fd = sys_socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), rc;

	if (fd < 0)
		return true;
	rc = sys_connect(fd, sa, len);
	sys_close(fd);
	return rc != -ECONNREFUSED;
}

static int open_sock(const char *path)
{
	struct sockaddr_un sa;
	socklen_t len = fill_addr(&sa, path);
	int fd = sys_socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), rc;

	if (fd < 0)
		return fd;
	rc = sys_bind(fd, &sa, len);
	if (rc == -EADDRINUSE && sa.sun_path[0] && !somebody_listens(&sa, len)) {
		(void)sys3(SYS_unlinkat, AT_FDCWD, sa.sun_path, 0);
		rc = sys_bind(fd, &sa, len);
	}
	if (rc == 0)
		rc = sys_listen(fd, BACKLOG);
	if (rc < 0) {
		sys_close(fd);
		return rc;
	}
	return sys_fd_high(fd);
}

int memif_connect(const char *path)
{
	struct sockaddr_un sa;
	socklen_t len = fill_addr(&sa, path);
	int fd = sys_socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), rc;

	if (fd < 0)
		return fd;
	rc = sys_connect(fd, &sa, len);
	if (rc < 0) {
		sys_close(fd);
		return rc;
	}
	return sys_fd_high(fd);
}

static int watch(const struct memif_sock *s, int fd)
{
	struct epoll_event ev = { .events = EPOLLIN };

	return sys_epoll_ctl(s->efd_set, EPOLL_CTL_ADD, fd, &ev);
}

static struct memif_sock *sock_new(const char *path, int *rc)
{
	struct memif_sock *s = calloc(1, sizeof(*s));

	if (!s) {
		*rc = -ENOMEM;
		return NULL;
	}
	for (int i = 0; i < MAX_PENDING; i++)
		s->pending[i].fd = -1;
	memif_msg_text(s->path, sizeof(s->path), path);
	*rc = s->efd_set = sys_fd_high(sys_epoll_create1(EPOLL_CLOEXEC));
	if (s->efd_set < 0)
		goto out_free;
	*rc = s->fd = open_sock(path);
	if (s->fd < 0)
		goto out_set;
	*rc = watch(s, s->fd);
	if (*rc < 0)
		goto out_sock;
	s->next = socks;
	socks = s;
	return s;

out_sock:
	sys_close(s->fd);
out_set:
	sys_close(s->efd_set);
out_free:
	free(s);
	return NULL;
}

static int join(struct memif_sock *s, struct memif *m)
{
	for (struct memif *o = s->members; o; o = o->next)
		if (o->attr.id == m->attr.id)
			return -EADDRINUSE;
	m->next = s->members;
	s->members = m;
	m->sock = s;
	return s->efd_set;
}

int memif_listen(struct memif *m)
{
	struct memif_sock *s;
	int rc = 0;

	pthread_mutex_lock(&sock_mutex);
	for (s = socks; s; s = s->next)
		if (strcmp(s->path, m->attr.path) == 0)
			break;
	if (!s)
		s = sock_new(m->attr.path, &rc);
	if (s)
		rc = join(s, m);
	pthread_mutex_unlock(&sock_mutex);
	return rc;
}

static void sock_free(struct memif_sock *s)
{
	struct memif_sock **pp;

	for (pp = &socks; *pp != s; pp = &(*pp)->next)
		;
	*pp = s->next;
	for (int i = 0; i < MAX_PENDING; i++)
		if (s->pending[i].fd >= 0)
			sys_close(s->pending[i].fd);
	sys_close(s->fd);
	sys_close(s->efd_set);
	if (s->path[0] != '@')
		(void)sys3(SYS_unlinkat, AT_FDCWD, s->path, 0);
	free(s);
}

void memif_unlisten(struct memif *m)
{
	struct memif **pp;

	if (!m->sock)
		return;
	pthread_mutex_lock(&sock_mutex);
	for (pp = &m->sock->members; *pp != m; pp = &(*pp)->next)
		;
	*pp = m->next;
	if (!m->sock->members)
		sock_free(m->sock);
	m->sock = NULL;
	pthread_mutex_unlock(&sock_mutex);
}

/* ---- connections without an interface ---------------------------------------------------- */

static int hello(int fd)
{
	struct memif_msg msg = { .type = MEMIF_MSG_HELLO };

	memif_msg_text(msg.hello.name, sizeof(msg.hello.name), "postern");
	msg.hello.min_version = msg.hello.max_version = MEMIF_VERSION;
	msg.hello.max_region = MEMIF_REGIONS - 1;
	msg.hello.max_log2_ring_size = MEMIF_MAX_LOG2_RING;
	return memif_msg_send(fd, &msg, -1);
}

static void refuse(int fd, const char *why)
{
	struct memif_msg msg = { .type = MEMIF_MSG_DISCONNECT };

	msg.disconnect.code = 1;
	memif_msg_text(msg.disconnect.string, sizeof(msg.disconnect.string), why);
	(void)memif_msg_send(fd, &msg, -1);
	sys_close(fd);
}

static const char *init_error(const struct memif_msg *msg, int len, const struct memif *m)
{
	if (len < (int)sizeof(*msg) || msg->type != MEMIF_MSG_INIT)
		return "INIT expected";
	if (msg->init.version != MEMIF_VERSION)
		return "version not supported";
	if (!m)
		return "no interface of this id";
	if (msg->init.mode != MEMIF_MODE_ETHERNET)
		return "mode not supported";
	if (strncmp(msg->init.secret, m->attr.secret, sizeof(msg->init.secret)) != 0)
		return "wrong secret";
	if (atomic_load(&m->incoming) >= 0 || m->state != MEMIF_S_DOWN)
		return "already connected";
	return NULL;
}

static struct memif *member(struct memif_sock *s, uint32_t id)
{
	struct memif *m = s->members;

	while (m && m->attr.id != id)
		m = m->next;
	return m;
}

/* The INIT of a pending connection, if it is there.  True: the slot is free again. */
static bool try_assign(struct memif_sock *s, int fd)
{
	struct memif_msg msg;
	struct memif *m;
	const char *why;
	int len, extra;

	len = memif_msg_recv(fd, &msg, &extra);
	if (len == -EAGAIN)
		return false;
	if (extra >= 0)
		sys_close(extra);
	if (len <= 0) {
		sys_close(fd);
		return true;
	}
	m = member(s, msg.init.id);
	why = init_error(&msg, len, m);
	if (why) {
		refuse(fd, why);
		return true;
	}
	(void)sys_epoll_ctl(s->efd_set, EPOLL_CTL_DEL, fd, NULL);
	msg = (struct memif_msg){ .type = MEMIF_MSG_ACK };
	if (memif_msg_send(fd, &msg, -1) < 0 || memif_ctl_watch(m, fd) < 0) {
		sys_close(fd);
		return true;
	}
	/* Its owner, perhaps another thread, reads the rest. */
	atomic_store(&m->incoming, fd);
	return true;
}

void memif_accept(struct memif_sock *s)
{
	uint64_t now = clock_ns();
	bool more = true;
	int fd;

	pthread_mutex_lock(&sock_mutex);
	for (int i = 0; i < MAX_PENDING; i++) {
		fd = s->pending[i].fd;
		if (fd < 0 && more) {
			fd = sys_accept4(s->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
			if (fd < 0) {
				more = false;
				continue;
			}
			fd = sys_fd_high(fd);
			if (watch(s, fd) < 0 || hello(fd) < 0) {
				sys_close(fd);
				continue;
			}
			s->pending[i].fd = fd;
			s->pending[i].since = now;
		}
		if (fd < 0)
			continue;
		if (try_assign(s, fd))
			s->pending[i].fd = -1;
		else if (now > s->pending[i].since + MEMIF_HELLO_NS) {
			refuse(fd, "no INIT in time");
			s->pending[i].fd = -1;
		}
	}
	pthread_mutex_unlock(&sock_mutex);
}
