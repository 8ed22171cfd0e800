// SPDX-License-Identifier: BSD-2-Clause
/*
 * holder.c - the process that keeps descriptors while posternd is restarted
 *
 * A named store: put(key, fds), drop(key), list.  It looks at nothing that it
 * holds, but for the pidfds of keepers and processes: while one of them is alive
 * there are stacks to hand over.  Without a posternd and without any of these it
 * leaves, and the kernel frees everything; keepers alone are waited for two
 * minutes, then they read the end of file and finish by themselves.
 *
 * Address: abstract "@postern-hold" of the network namespace, root by peer
 * credentials on both sides.  The lower half of the file is posternd's side.
 */
#include "ctld/ctld.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/capability.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define HOLD_NAME "postern-hold"

enum hold_type { HOLD_PUT = 1, HOLD_DROP, HOLD_LIST, HOLD_QUIT, HOLD_ENTRY, HOLD_END };
enum {
	KEY = 48,
	MAX_CONNS = 4,
	GRACE_S = 10,		/* alone, and nothing lives: for a posternd that is being restarted */
	ORPHANS_S = 120,	/* alone with keepers: they have had their time for FIN and TIME_WAIT */
};

struct hold_msg {
	uint32_t type;
	uint32_t n;		/* HOLD_END: entries that were sent */
	char key[KEY];
};

struct entry {
	struct entry *next;
	char key[KEY];
	int n;
	int fd[CP_MAX_FDS];
};

struct holder {
	struct entry *entries, **tail;
	int listen_fd;
	int conn[MAX_CONNS];
	bool quit;
};

/* A key that ends in '/' names all that begin with it. */
static bool key_matches(const char *pattern, const char *key)
{
	size_t len = strlen(pattern);

	if (len && pattern[len - 1] == '/')
		return strncmp(key, pattern, len) == 0;
	return strcmp(key, pattern) == 0;
}

static void drop(struct holder *h, const char *key)
{
	for (struct entry **at = &h->entries; *at;) {
		struct entry *e = *at;

		if (!key_matches(key, e->key)) {
			at = &e->next;
			continue;
		}
		*at = e->next;
		fds_close(e->fd, e->n);
		free(e);
	}
	for (h->tail = &h->entries; *h->tail; h->tail = &(*h->tail)->next)
		;
}

static void store(struct holder *h, const char *key, const int *fds, int n)
{
	struct entry *e = calloc(1, sizeof(*e));

	drop(h, key);
	if (!e) {
		fds_close(fds, n);
		return;
	}
	memcpy(e->key, key, KEY);
	memcpy(e->fd, fds, (size_t)n * sizeof(int));
	e->n = n;
	*h->tail = e;
	h->tail = &e->next;
}

static void list(struct holder *h, int conn)
{
	struct hold_msg m = { .type = HOLD_ENTRY };
	uint32_t n = 0;

	for (struct entry *e = h->entries; e; e = e->next, n++) {
		memcpy(m.key, e->key, KEY);
		m.n = (uint32_t)e->n;
		if (msg_send(conn, &m, sizeof(m), e->fd, e->n, 0) < 0)
			return;
	}
	m = (struct hold_msg){ .type = HOLD_END, .n = n };
	msg_send(conn, &m, sizeof(m), NULL, 0, 0);
}

/* Returns false when the connection is over. */
static bool serve(struct holder *h, int conn)
{
	int fds[CP_MAX_FDS], n;
	struct hold_msg m;
	ssize_t len = msg_recv(conn, &m, sizeof(m), fds, &n, CP_MAX_FDS, MSG_DONTWAIT);

	if (len == -EAGAIN)
		return true;
	if (len != sizeof(m)) {
		if (len > 0)
			fds_close(fds, n);
		return false;
	}
	m.key[KEY - 1] = 0;
	if (m.type == HOLD_PUT) {
		store(h, m.key, fds, n);
		return true;
	}
	fds_close(fds, n);
	if (m.type == HOLD_DROP)
		drop(h, m.key);
	else if (m.type == HOLD_LIST)
		list(h, conn);
	else if (m.type == HOLD_QUIT)
		h->quit = true;
	return true;
}

static bool peer_is_root(int fd)
{
	struct ucred cr;
	socklen_t len = sizeof(cr);

	return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cr, &len) == 0 && cr.uid == 0;
}

static void take_conn(struct holder *h)
{
	int fd = accept4(h->listen_fd, NULL, NULL, SOCK_CLOEXEC);

	if (fd < 0)
		return;
	for (int i = 0; peer_is_root(fd) && i < MAX_CONNS; i++)
		if (h->conn[i] < 0) {
			h->conn[i] = fd;
			return;
		}
	close(fd);
}

/* Is a registered process alive, or with @keepers a keeper?  Their pidfds are
 * readable when not. */
static bool any_alive(const struct holder *h, bool keepers)
{
	for (const struct entry *e = h->entries; e; e = e->next) {
		const char *last = strncmp(e->key, "st/", 3) == 0 ? strchr(e->key + 3, '/') : NULL;
		struct pollfd p = { .events = POLLIN };

		if (!last)
			continue;
		if (keepers && strcmp(last, "/kp") == 0 && e->n == 2)
			p.fd = e->fd[1];
		else if (strncmp(last, "/pr/", 4) == 0 && e->n == 1)
			p.fd = e->fd[0];
		else
			continue;
		if (poll(&p, 1, 0) == 0)
			return true;
	}
	return false;
}

static void hold_loop(struct holder *h)
{
	struct pollfd p[1 + MAX_CONNS];
	int alone_s = 0, idle_s = 0;	/* without posternd and processes; and without keepers */

	while (!h->quit) {
		bool served = false;
		int n;

		p[0] = (struct pollfd){ .fd = h->listen_fd, .events = POLLIN };
		for (int i = 0; i < MAX_CONNS; i++) {
			p[1 + i] = (struct pollfd){ .fd = h->conn[i], .events = POLLIN };
			served |= h->conn[i] >= 0;
		}
		n = poll(p, ARRAY_SIZE(p), served ? -1 : 1000);
		if (n == 0 && !served) {
			alone_s = any_alive(h, false) ? 0 : alone_s + 1;
			idle_s = any_alive(h, true) ? 0 : idle_s + 1;
		}
		if (idle_s >= GRACE_S || alone_s >= ORPHANS_S)
			return;
		if (n <= 0)
			continue;
		if (p[0].revents)
			take_conn(h);
		for (int i = 0; i < MAX_CONNS; i++)
			if (p[1 + i].revents && !serve(h, h->conn[i])) {
				close(h->conn[i]);
				h->conn[i] = -1;
				alone_s = idle_s = 0;
			}
	}
}

static void __attribute__((noreturn)) hold_main(int listen_fd)
{
	struct holder h = { .listen_fd = 3, .conn = { -1, -1, -1, -1 } };
	cap_t none = cap_init();
	sigset_t set;
	int null;

	h.tail = &h.entries;
	setsid();
	if (listen_fd != 3)
		dup2(listen_fd, 3);
	syscall(SYS_close_range, 4u, ~0u, 0u);
	null = open("/dev/null", O_RDWR);
	for (int i = 0; i < 3 && null >= 0; i++)
		dup2(null, i);
	if (null > 3)
		close(null);
	/* It ends by its own rules, or by SIGKILL. */
	sigfillset(&set);
	sigprocmask(SIG_SETMASK, &set, NULL);
	prctl(PR_SET_NAME, "postern-hold");
	prctl(PR_SET_DUMPABLE, 0);
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	if (none)
		cap_set_proc(none);
	hold_loop(&h);
	_exit(0);
}

/* ---- posternd's side ---- */

static socklen_t hold_addr(struct sockaddr_un *sa)
{
	*sa = (struct sockaddr_un){ .sun_family = AF_UNIX };
	memcpy(sa->sun_path + 1, HOLD_NAME, sizeof(HOLD_NAME) - 1);
	return offsetof(struct sockaddr_un, sun_path) + sizeof(HOLD_NAME);
}

static int hold_start(void)
{
	struct sockaddr_un sa;
	socklen_t len = hold_addr(&sa);
	int fd, rc = 0;
	pid_t pid;

	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (bind(fd, (struct sockaddr *)&sa, len) < 0 || listen(fd, 8) < 0) {
		rc = -errno;
	} else {
		pid = fork();
		if (pid == 0) {
			/* A child of init's, so that nobody has to wait for it. */
			if (fork() == 0)
				hold_main(fd);
			_exit(0);
		}
		if (pid < 0)
			rc = -errno;
		else
			waitid(P_PID, (id_t)pid, &(siginfo_t){ 0 }, WEXITED);
	}
	close(fd);
	return rc;
}

static int hold_connect(void)
{
	struct sockaddr_un sa;
	socklen_t len = hold_addr(&sa);
	int fd, rc;

	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (connect(fd, (struct sockaddr *)&sa, len) < 0) {
		rc = -errno;
		close(fd);
		return rc;
	}
	if (!peer_is_root(fd)) {
		close(fd);
		return -EPERM;
	}
	return fd;
}

static void on_holder(struct loop_fd *w, uint32_t events)
{
	struct ctld *ctl = container_of(w, struct ctld, holder);
	bool found;
	int rc;

	/* It says nothing unasked: this is its end.  Everything is still open
	 * here, so that another one can be told all of it. */
	loop_del(&ctl->loop, w);
	close(w->fd);
	w->fd = -1;
	if (++ctl->holder_starts > 5) {
		postern_log(PLOG_ERROR, "the fd-holder keeps dying: going on without; a restart of posternd will end all stacks");
		return;
	}
	rc = holder_open(ctl, &found);
	if (rc < 0)
		postern_log(PLOG_ERROR, "cannot start the fd-holder: %s", strerror(-rc));
	else
		holder_put_all(ctl);
}

int holder_open(struct ctld *ctl, bool *found)
{
	struct timeval tv = { .tv_sec = 5 };
	int fd = hold_connect(), rc;

	*found = fd >= 0;
	if (fd == -ECONNREFUSED) {
		rc = hold_start();
		if (rc < 0)
			return rc;
		fd = hold_connect();
	}
	if (fd < 0)
		return fd;
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv));
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
	return loop_add(&ctl->loop, &ctl->holder, fd, on_holder);
}

static void tell(struct ctld *ctl, enum hold_type type, const char *key, const int *fds, int n)
{
	struct hold_msg m = { .type = type, .n = (uint32_t)n };
	int rc;

	if (ctl->holder.fd < 0)
		return;
	snprintf(m.key, sizeof(m.key), "%s", key);
	rc = msg_send(ctl->holder.fd, &m, sizeof(m), fds, n, 0);
	if (rc < 0 && rc != -EPIPE && rc != -ECONNRESET)
		postern_log(PLOG_ERROR, "fd-holder: %s: %s", key, strerror(-rc));
}

void holder_put(struct ctld *ctl, const char *key, const int *fds, int n)
{
	tell(ctl, HOLD_PUT, key, fds, n);
}

void holder_drop(struct ctld *ctl, const char *key)
{
	tell(ctl, HOLD_DROP, key, NULL, 0);
}

void holder_quit(struct ctld *ctl)
{
	tell(ctl, HOLD_QUIT, "", NULL, 0);
}

static void put_stack(struct ctld *ctl, const struct stack *st)
{
	const int kp[2] = { st->kp.fd, st->kp_pid.fd };
	int fds[1 + CP_N_DOORBELLS];
	char key[KEY];
	uint32_t k = 0;

	fds[0] = st->arena_fd;
	memcpy(fds + 1, st->doorbell, sizeof(st->doorbell));
	snprintf(key, sizeof(key), "st/%u/arena", st->rec->id);
	holder_put(ctl, key, fds, ARRAY_SIZE(fds));
	if (kp[0] >= 0 && kp[1] >= 0) {
		snprintf(key, sizeof(key), "st/%u/kp", st->rec->id);
		holder_put(ctl, key, kp, 2);
	}
	for (size_t v = 0; v < ST_MAX_VIS; v++)
		if (st->rec->vis[v].ifindex) {
			snprintf(key, sizeof(key), "st/%u/vi/%u", st->rec->id, st->rec->vis[v].ifindex);
			holder_put(ctl, key, st->xsk[v], (int)st->rec->vis[v].n_q);
		}
	for (size_t i = 0; i < ST_MAX_PROCS; i++)
		if (st->procs[i].w.fd >= 0) {
			snprintf(key, sizeof(key), "st/%u/pr/%zu", st->rec->id, i);
			holder_put(ctl, key, &st->procs[i].w.fd, 1);
		}
	for (const struct lease_fds *l = st->leases; l; l = l->next) {
		snprintf(key, sizeof(key), "st/%u/ls/%u", st->rec->id, k++);
		holder_put(ctl, key, l->fd, l->n);
	}
	if (st->rec->lease_seq < k)
		st->rec->lease_seq = k;
}

void holder_put_all(struct ctld *ctl)
{
	char key[KEY];

	holder_put(ctl, "state", &ctl->state_fd, 1);
	holder_put(ctl, "tables", &ctl->tables_rw, 1);
	for (size_t i = 0; i < MAX_IFS; i++)
		if (ctl->ifs[i].ifindex) {
			int fds[XDP_FD_MAX];

			xdp_prog_fds(ctl->ifs[i].prog, fds);
			snprintf(key, sizeof(key), "if/%u", ctl->ifs[i].ifindex);
			holder_put(ctl, key, fds, XDP_FD_MAX);
		}
	for (size_t i = 0; i < ST_MAX_STACKS; i++)
		if (ctl->stacks[i])
			put_stack(ctl, ctl->stacks[i]);
}

static struct entry *fetch(struct ctld *ctl)
{
	struct entry *first = NULL, **tail = &first, *e;
	struct hold_msg m;
	ssize_t len;

	tell(ctl, HOLD_LIST, "", NULL, 0);
	for (;;) {
		e = calloc(1, sizeof(*e));
		if (!e)
			return first;
		len = msg_recv(ctl->holder.fd, &m, sizeof(m), e->fd, &e->n, CP_MAX_FDS, 0);
		if (len != sizeof(m) || m.type != HOLD_ENTRY) {
			if (len > 0)
				fds_close(e->fd, e->n);
			free(e);
			return first;
		}
		memcpy(e->key, m.key, KEY);
		e->key[KEY - 1] = 0;
		*tail = e;
		tail = &e->next;
	}
}

static struct entry *find(struct entry *list_, const char *key)
{
	while (list_ && strcmp(list_->key, key) != 0)
		list_ = list_->next;
	return list_;
}

/* Maps a region of ours, if it is one of this release. */
static void *adopt(struct entry *e, size_t size, uint64_t magic, uint32_t version, int *fd)
{
	uint64_t *p;

	if (!e || e->n != 1)
		return NULL;
	p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, e->fd[0], 0);
	if (p == MAP_FAILED)
		return NULL;
	/* magic, version and size open both regions */
	if (p[0] != magic || ((uint32_t *)p)[2] != version || ((uint32_t *)p)[3] != size) {
		munmap(p, size);
		return NULL;
	}
	*fd = e->fd[0];
	e->n = 0;
	return p;
}

static void give_out(struct ctld *ctl, struct entry *e)
{
	uint32_t k;
	int rc = -ENOENT;

	if (sscanf(e->key, "if/%u", &k) == 1) {
		rc = iface_restore(ctl, k, e->fd, e->n);
	} else if (sscanf(e->key, "st/%u/", &k) == 1) {
		struct stack *st = stack_by_id(ctl, k);

		if (st)
			rc = stack_take_fds(st, strchr(e->key + 3, '/') + 1, e->fd, e->n);
	}
	if (rc < 0) {
		fds_close(e->fd, e->n);
		holder_drop(ctl, e->key);
	}
	e->n = 0;
}

/* Returns 1 when there was something to take over, 0 when not. */
int holder_fetch(struct ctld *ctl)
{
	struct entry *all = fetch(ctl), *e;
	int found = 0;

	ctl->st = adopt(find(all, "state"), sizeof(*ctl->st), ST_MAGIC, ST_VERSION, &ctl->state_fd);
	ctl->tables = adopt(find(all, "tables"), sizeof(*ctl->tables), CP_MAGIC, CP_VERSION,
			    &ctl->tables_rw);
	if (ctl->st) {
		found = 1;
		for (size_t i = 0; i < ST_MAX_STACKS; i++)
			if (ctl->st->stacks[i].id)
				stack_restore(ctl, &ctl->st->stacks[i]);
	} else if (all) {
		postern_log(PLOG_ERROR, "what the fd-holder has is of another release: its stacks end");
	}
	for (e = all; e; e = e->next)
		if (e->n > 0 && ctl->st)
			give_out(ctl, e);
	while (all) {
		e = all;
		all = e->next;
		if (!ctl->st)
			holder_drop(ctl, e->key);
		fds_close(e->fd, e->n);
		free(e);
	}
	return found;
}
