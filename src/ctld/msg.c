// SPDX-License-Identifier: BSD-2-Clause
/*
 * msg.c - messages with descriptors over UNIX sockets
 */
#include "ctld/ctld.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { MAX_FDS = 64 };
_Static_assert((int)MAX_FDS >= (int)CP_MAX_FDS && (int)MAX_FDS >= (int)CP_N_DOORBELLS + 2, "one message is enough");

union control {
	struct cmsghdr h;
	char room[CMSG_SPACE(MAX_FDS * sizeof(int))];
};

int msg_send(int fd, const void *buf, size_t len, const int *fds, int n, int flags)
{
	union control c;
	struct iovec iov = { (void *)buf, len };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 };
	ssize_t rc;

	if (n > MAX_FDS)
		return -EINVAL;
	if (n > 0) {
		memset(&c, 0, sizeof(c));
		c.h.cmsg_level = SOL_SOCKET;
		c.h.cmsg_type = SCM_RIGHTS;
		c.h.cmsg_len = CMSG_LEN((size_t)n * sizeof(int));
		memcpy(CMSG_DATA(&c.h), fds, (size_t)n * sizeof(int));
		m.msg_control = &c;
		m.msg_controllen = CMSG_SPACE((size_t)n * sizeof(int));
	}
	do
		rc = sendmsg(fd, &m, flags | MSG_NOSIGNAL);
	while (rc < 0 && errno == EINTR);
	return rc < 0 ? -errno : 0;
}

ssize_t msg_recv(int fd, void *buf, size_t room, int *fds, int *n, int room_fds, int flags)
{
	union control c;
	struct iovec iov = { buf, room };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1,
			    .msg_control = &c, .msg_controllen = sizeof(c) };
	struct cmsghdr *h;
	ssize_t len;

	*n = 0;
	do
		len = recvmsg(fd, &m, flags | MSG_CMSG_CLOEXEC);
	while (len < 0 && errno == EINTR);
	if (len < 0)
		return -errno;
	for (h = CMSG_FIRSTHDR(&m); h; h = CMSG_NXTHDR(&m, h)) {
		size_t k = (h->cmsg_len - CMSG_LEN(0)) / sizeof(int);

		if (h->cmsg_level != SOL_SOCKET || h->cmsg_type != SCM_RIGHTS)
			continue;
		for (size_t i = 0; i < k; i++) {
			int f;

			memcpy(&f, CMSG_DATA(h) + i * sizeof(int), sizeof(f));
			if (*n < room_fds)
				fds[(*n)++] = f;
			else
				close(f);
		}
	}
	if (m.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) {
		fds_close(fds, *n);
		*n = 0;
		return -EMSGSIZE;
	}
	return len;
}

void fds_close(const int *fds, int n)
{
	for (int i = 0; i < n; i++)
		if (fds[i] >= 0)
			close(fds[i]);
}
