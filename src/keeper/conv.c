// SPDX-License-Identifier: BSD-2-Clause
/*
 * conv.c - the conversation with posternd (cp/cp_keeper.h)
 *
 * The daemon is trusted, but its messages are checked all the same: a mismatch
 * of builds must give an error and not a crash.
 */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "keeper/keeper.h"

static void close_all(const int *fds, int n)
{
	for (int i = 0; i < n; i++)
		close(fds[i]);
}

void conv_send(struct keeper *k, void *msg, uint32_t type, uint32_t len, uint32_t n)
{
	struct kp_hdr *h = msg;

	if (k->ctl < 0)
		return;
	h->type = type;
	h->len = len;
	h->stack_id = k->init.h.stack_id;
	h->n = n;
	/* A full socket loses this message; what matters is said again by a later tick. */
	(void)send(k->ctl, msg, len, MSG_DONTWAIT | MSG_NOSIGNAL);
}

bool conv_try_init(struct keeper *k)
{
	struct kp_hdr ready;
	int rc;

	if (k->st || !k->have_init)
		return k->st != NULL;
	/* Waits up to 3 s for the creator: the daemon does not wait for us. */
	rc = stack_attach_fds(&k->st, k->init_fds[0], &k->init_fds[2], CP_N_DOORBELLS, k->init_fds[1], true);
	if (rc == -ETIMEDOUT)
		return false;
	if (rc < 0) {
		struct kp_broken broken = { .why = "" };

		strncpy(broken.why, strerror(-rc), sizeof(broken.why) - 1);
		conv_send(k, &broken, KP_BROKEN, sizeof(broken), 0);
		return false;
	}
	k->st->proc_slot = STACK_MAX_PROCS - 1;	/* only spreads doorbells; the keeper holds no sockets */
	conv_send(k, &ready, KP_READY, sizeof(ready), 0);
	return true;
}

void conv_try_vis(struct keeper *k)
{
	uint32_t left = 0;

	for (uint32_t i = 0; i < k->n_vi; i++) {
		if (stack_map_if(k->st, k->vi[i].ifindex, k->vi[i].fds, k->vi[i].n) == -EAGAIN)
			k->vi[left++] = k->vi[i];
	}
	k->n_vi = left;
}

static void on_init(struct keeper *k, const struct kp_init *m, const int *fds, int n_fds)
{
	if (k->have_init || m->version != KP_VERSION || n_fds != 2 + CP_N_DOORBELLS) {
		close_all(fds, n_fds);
		return;
	}
	k->init = *m;
	memcpy(k->init_fds, fds, sizeof(k->init_fds));
	k->have_init = true;
	conv_try_init(k);
}

static void on_vi(struct keeper *k, const struct kp_vi *m, const int *fds, int n_fds)
{
	if (k->n_vi == ARRAY_SIZE(k->vi) || n_fds > CP_MAX_FDS || m->h.n != (uint32_t)n_fds) {
		close_all(fds, n_fds);
		return;
	}
	k->vi[k->n_vi].ifindex = m->ifindex;
	k->vi[k->n_vi].n = m->h.n;
	memcpy(k->vi[k->n_vi].fds, fds, (size_t)n_fds * sizeof(*fds));
	k->n_vi++;
	if (conv_try_init(k))
		conv_try_vis(k);
}

static void on_proc(struct keeper *k, const struct kp_proc *m, const int *fds, int n_fds)
{
	struct keeper_proc *p;

	k->n_proc_msgs++;
	k->done_said = false;
	if (m->slot >= STACK_MAX_PROCS || n_fds != 1) {
		close_all(fds, n_fds);
		return;
	}
	p = &k->procs[m->slot];
	if (p->pidfd >= 0) {
		epoll_ctl(k->epfd, EPOLL_CTL_DEL, p->pidfd, NULL);
		close(p->pidfd);
	}
	p->pidfd = fds[0];
	p->pid = m->pid;
	if (keeper_watch(k, p->pidfd, KEEPER_EV_PROC, m->slot, EPOLLIN) < 0) {
		close(p->pidfd);
		p->pidfd = -1;
	}
}

static size_t least(uint32_t type)
{
	switch (type) {
	case KP_INIT: return sizeof(struct kp_init);
	case KP_VI: return offsetof(struct kp_vi, q);
	case KP_VI_GONE: return sizeof(struct kp_vi_gone);
	case KP_PROC: return sizeof(struct kp_proc);
	default: return sizeof(struct kp_hdr);
	}
}

static void dispatch(struct keeper *k, const union kp_msg *m, size_t len, const int *fds, int n_fds)
{
	if (len < sizeof(m->h) || len < least(m->h.type)) {
		close_all(fds, n_fds);
		return;
	}
	switch (m->h.type) {
	case KP_INIT:
		on_init(k, &m->init, fds, n_fds);
		return;
	case KP_VI:
		on_vi(k, &m->vi, fds, n_fds);
		return;
	case KP_PROC:
		on_proc(k, &m->proc, fds, n_fds);
		return;
	case KP_QUIT:
		k->quit = true;
		break;
	default:	/* KP_VI_GONE: the kernel has closed the rings; nothing to undo here */
		break;
	}
	close_all(fds, n_fds);
}

/* The last descriptors of the XDP program went with posternd and the holder.  The
 * kernel answers the peers with resets that never reach us: say it to the
 * applications, which else would wait for ever. */
static void filter_lost(struct keeper *k)
{
	if (!conv_try_init(k))
		return;
	stack_lock(k->st);
	stack_poll(k->st);
	stack_abort_conns(k->st);
	sock_unlock(k->st);
}

void conv_receive(struct keeper *k)
{
	union {
		char buf[CMSG_SPACE(CP_MAX_FDS * sizeof(int))];
		struct cmsghdr align;
	} ctl;
	union kp_msg m;
	struct iovec iov = { .iov_base = &m, .iov_len = sizeof(m) };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = ctl.buf, .msg_controllen = sizeof(ctl.buf) };
	int fds[CP_MAX_FDS], n_fds = 0;
	ssize_t len = recvmsg(k->ctl, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);

	if (len < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (len <= 0) {		/* posternd and the holder are gone: finish, then leave */
		close(k->ctl);
		k->ctl = -1;
		filter_lost(k);
		return;
	}
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&msg); c; c = CMSG_NXTHDR(&msg, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		n_fds = (int)((c->cmsg_len - CMSG_LEN(0)) / sizeof(int));
		memcpy(fds, CMSG_DATA(c), (size_t)n_fds * sizeof(int));
	}
	dispatch(k, &m, (size_t)len, fds, n_fds);
}
