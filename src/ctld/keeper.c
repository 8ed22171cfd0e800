// SPDX-License-Identifier: BSD-2-Clause
/*
 * keeper.c - starting a keeper for each stack, and talking to it
 *
 * The keeper runs as the stack's owner, a root stack's as `nobody`.  One that dies
 * is started again, three times in a stack's life; then the stack is given up,
 * since its arena is what kills it.  What a keeper says is checked like what an
 * application says: it reads the same hostile memory.
 */
#include "ctld/ctld.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
	NOBODY = 65534,
	MAX_STARTS = 4,		/* the first and three more */
	QUIT_MS = 100,
	KILL_MS = 1000,
};

static void hold(struct stack *st)
{
	const int fds[2] = { st->kp.fd, st->kp_pid.fd };
	char key[32];

	snprintf(key, sizeof(key), "st/%u/kp", st->rec->id);
	holder_put(st->ctl, key, fds, 2);
}

/* In the child: only system calls, then another program. */
static void __attribute__((noreturn)) run(const char *path, int fd, uid_t uid, gid_t gid)
{
	char *argv[] = { (char *)path, "--fd", "3", NULL };
	char *env[] = { "PATH=/usr/sbin:/usr/bin:/sbin:/bin", NULL };
	sigset_t none;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	setsid();
	if (dup2(fd, 3) < 0 || (fd == 3 && fcntl(3, F_SETFD, 0) < 0) ||
	    syscall(SYS_close_range, 4u, ~0u, 0u) < 0)
		_exit(126);
	if (geteuid() == 0 && (setgroups(0, NULL) < 0 || setresgid(gid, gid, gid) < 0 ||
			       setresuid(uid, uid, uid) < 0))
		_exit(126);
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || chdir("/") < 0)
		_exit(126);
	execve(path, argv, env);
	_exit(127);
}

static void keeper_gone(struct stack *st);

static void send_or_give_up(struct stack *st, const void *msg, size_t len, const int *fds, int n)
{
	int rc;

	if (st->kp.fd < 0)
		return;
	rc = msg_send(st->kp.fd, msg, len, fds, n, MSG_DONTWAIT);
	/* It does not read, or is gone; its successor will be told everything. */
	if (rc < 0 && st->kp_pid.fd >= 0)
		syscall(SYS_pidfd_send_signal, st->kp_pid.fd, SIGKILL, NULL, 0);
}

static struct kp_hdr header(const struct stack *st, uint32_t type, size_t len, uint32_t n)
{
	return (struct kp_hdr){ type, (uint32_t)len, st->rec->id, n };
}

void keeper_send_vi(struct stack *st, const struct st_vi *vi, const int *xsk)
{
	size_t len = offsetof(struct kp_vi, q) + vi->n_q * sizeof(vi->q[0]);
	struct kp_vi m = { .h = header(st, KP_VI, len, vi->n_q),
			   .ifindex = vi->ifindex, .first_vi = vi->vi_set };

	memcpy(m.q, vi->q, vi->n_q * sizeof(vi->q[0]));
	send_or_give_up(st, &m, len, xsk, (int)vi->n_q);
}

void keeper_send_vi_gone(struct stack *st, uint32_t ifindex)
{
	struct kp_vi_gone m = { .h = header(st, KP_VI_GONE, sizeof(m), 0), .ifindex = ifindex };

	send_or_give_up(st, &m, sizeof(m), NULL, 0);
}

void keeper_send_proc(struct stack *st, const struct st_proc *p, int pidfd)
{
	struct kp_proc m = { .h = header(st, KP_PROC, sizeof(m), 0), .slot = p->slot, .pid = p->pid };

	st->rec->n_proc_msgs++;
	send_or_give_up(st, &m, sizeof(m), &pidfd, 1);
}

static void send_all(struct stack *st, bool again)
{
	struct kp_init m = {
		.h = header(st, KP_INIT, sizeof(m), 0), .version = KP_VERSION,
		.flags = again ? KP_F_AGAIN : 0, .uid = st->rec->uid,
		.n_frames = st->rec->n_frames, .state_size = st->rec->state_size,
	};
	int fds[2 + CP_N_DOORBELLS];

	memcpy(m.name, st->rec->name, sizeof(m.name));
	fds[0] = st->arena_fd;
	fds[1] = st->ctl->tables_fd;
	memcpy(fds + 2, st->doorbell, sizeof(st->doorbell));
	send_or_give_up(st, &m, sizeof(m), fds, ARRAY_SIZE(fds));
	for (size_t i = 0; i < ST_MAX_VIS; i++)
		if (st->rec->vis[i].ifindex)
			keeper_send_vi(st, &st->rec->vis[i], st->xsk[i]);
	st->rec->n_proc_msgs = 0;
	for (size_t i = 0; i < ST_MAX_PROCS; i++)
		if (st->rec->procs[i].pid && st->procs[i].w.fd >= 0)
			keeper_send_proc(st, &st->rec->procs[i], st->procs[i].w.fd);
}

static void on_done(struct stack *st, const struct kp_done *m)
{
	st->rec->done = 1;
	st->rec->n_proc_done = m->n_proc_msgs;
	stack_check_done(st);
}

static void on_filter_del(struct stack *st, struct kp_filter_del *m, size_t len)
{
	if (m->h.n > KP_MAX_FILTERS ||
	    len != offsetof(struct kp_filter_del, f) + m->h.n * sizeof(m->f[0]))
		return;
	for (uint32_t i = 0; i < m->h.n; i++)
		filter_del(st, &m->f[i]);
}

static void on_neigh(struct stack *st, const struct kp_neigh *m)
{
	struct ipaddr a;

	memcpy(a.b, m->addr, 16);
	for (size_t i = 0; m->ifindex && i < ST_MAX_VIS; i++)
		if (st->rec->vis[i].ifindex == m->ifindex && !ipaddr_is_any(&a) && !ipaddr_is_mcast(&a))
			neigh_resolve(st->ctl, m->ifindex, &a);
}

static void on_message(struct loop_fd *w, uint32_t events)
{
	struct stack *st = container_of(w, struct stack, kp);
	union kp_msg m;
	int fds[1], n;
	ssize_t len;

	memset(&m, 0, sizeof(m));
	len = msg_recv(w->fd, &m, sizeof(m), fds, &n, 0, MSG_DONTWAIT);
	if (len == -EAGAIN)
		return;
	if (len <= 0) {
		/* Its death follows by the pidfd, if it is not a mere close. */
		loop_del(&st->ctl->loop, w);
		syscall(SYS_pidfd_send_signal, st->kp_pid.fd, SIGKILL, NULL, 0);
		return;
	}
	if ((size_t)len < sizeof(m.h) || m.h.len != (uint32_t)len || m.h.stack_id != st->rec->id)
		return;
	if (m.h.type == KP_DONE && len == sizeof(m.done)) {
		on_done(st, &m.done);
	} else if (m.h.type == KP_FILTER_DEL) {
		on_filter_del(st, &m.filter_del, (size_t)len);
	} else if (m.h.type == KP_NEIGH && len == sizeof(m.neigh)) {
		on_neigh(st, &m.neigh);
	} else if (m.h.type == KP_BROKEN && len == sizeof(m.broken)) {
		m.broken.why[sizeof(m.broken.why) - 1] = 0;
		for (char *p = m.broken.why; *p; p++)
			if ((unsigned char)*p < ' ')
				*p = '?';
		postern_log(PLOG_ERROR, "stack %u \"%s\" of uid %u: %s", st->rec->id, st->rec->name,
			    st->rec->uid, m.broken.why);
		stack_destroy(st, "its keeper cannot keep it");
	}
}

static void on_death(struct loop_fd *w, uint32_t events)
{
	keeper_gone(container_of(w, struct stack, kp_pid));
}

static void close_ends(struct stack *st)
{
	struct loop_fd *ws[2] = { &st->kp, &st->kp_pid };

	for (int i = 0; i < 2; i++) {
		if (ws[i]->fd < 0)
			continue;
		loop_del(&st->ctl->loop, ws[i]);
		close(ws[i]->fd);
		ws[i]->fd = -1;
	}
}

static void reap(struct stack *st)
{
	siginfo_t si;

	/* ECHILD: a predecessor of ours started it, init reaps it. */
	waitid(P_PIDFD, (id_t)st->kp_pid.fd, &si, WEXITED | WNOHANG);
}

static void keeper_gone(struct stack *st)
{
	reap(st);
	close_ends(st);
	/* Empty when it died: nothing to keep. */
	if (st->rec->done && stack_n_procs(st) == 0 && !stack_is_being_joined(st, NULL)) {
		stack_destroy(st, "no process and no orphan left");
		return;
	}
	st->rec->done = 0;
	if (st->rec->keeper_starts >= MAX_STARTS) {
		postern_log(PLOG_ERROR, "stack %u \"%s\" of uid %u: its keeper died %u times, giving it up",
			    st->rec->id, st->rec->name, st->rec->uid, st->rec->keeper_starts);
		stack_destroy(st, "its keeper dies");
		return;
	}
	postern_log(PLOG_ERROR, "stack %u: keeper %u died, starting another", st->rec->id,
		    st->rec->keeper_pid);
	if (keeper_start(st, true) < 0)
		stack_destroy(st, "its keeper does not start");
}

int keeper_start(struct stack *st, bool again)
{
	uid_t uid = st->rec->uid ? st->rec->uid : NOBODY;
	gid_t gid = st->rec->uid ? st->rec->gid : NOBODY;
	int pair[2], rc, pidfd;
	pid_t pid;

	if (st->ctl->conf.no_keeper)
		return 0;
	if (access(st->ctl->conf.keeper, X_OK) < 0)
		return -errno;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return -errno;
	st->rec->keeper_starts++;
	pid = fork();
	if (pid == 0)
		run(st->ctl->conf.keeper, pair[1], uid, gid);
	rc = pid < 0 ? -errno : 0;
	close(pair[1]);
	if (rc < 0)
		goto out_close;
	pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	if (pidfd < 0) {
		rc = -errno;
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
		goto out_close;
	}
	fcntl(pair[0], F_SETFL, O_NONBLOCK);
	st->rec->keeper_pid = (uint32_t)pid;
	rc = loop_add(&st->ctl->loop, &st->kp, pair[0], on_message);
	if (rc == 0)
		rc = loop_add(&st->ctl->loop, &st->kp_pid, pidfd, on_death);
	if (rc < 0)
		return rc;	/* stack_destroy() stops it */
	hold(st);
	send_all(st, again);
	return 0;

out_close:
	close(pair[0]);
	return rc;
}

/* Returns when it is gone: its mapping of the rings keeps the queues busy. */
void keeper_stop(struct stack *st)
{
	struct kp_hdr quit = header(st, KP_QUIT, sizeof(quit), 0);
	struct pollfd p = { .fd = st->kp_pid.fd, .events = POLLIN };

	if (st->kp.fd >= 0)
		msg_send(st->kp.fd, &quit, sizeof(quit), NULL, 0, MSG_DONTWAIT);
	if (st->kp_pid.fd >= 0) {
		if (poll(&p, 1, QUIT_MS) == 0) {
			syscall(SYS_pidfd_send_signal, st->kp_pid.fd, SIGKILL, NULL, 0);
			poll(&p, 1, KILL_MS);
		}
		reap(st);
	}
	close_ends(st);
}

int keeper_restore(struct stack *st, const int *fds, int n)
{
	int rc;

	if (n != 2 || st->kp.fd >= 0)
		return -EINVAL;
	rc = loop_add(&st->ctl->loop, &st->kp, fds[0], on_message);
	if (rc == 0)
		rc = loop_add(&st->ctl->loop, &st->kp_pid, fds[1], on_death);
	return rc;
}
