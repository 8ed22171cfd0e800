// SPDX-License-Identifier: BSD-2-Clause
/*
 * sock_proc.c - what a process has once: options, the conversation with the
 * daemon, the control-plane tables, its stacks
 *
 * Everything is opened at the first decision that needs it: a program that
 * makes no network connection costs nothing.  A failure is remembered for a
 * second, so that a program on a host without a daemon is not slowed down.
 * The one place of sock/ with file-scope state.
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "sock/sock_priv.h"

enum {
	MAX_STACKS = 15,
	RETRY_NS = 1000000000,
	MAX_BAD_IFS = 16,
};

static struct opts options;
static bool options_read;
static pthread_mutex_t open_mutex = PTHREAD_MUTEX_INITIALIZER;

/* guarded by open_mutex; main_stack and cp_ready are published with release */
static struct cp_client *client;
static struct cp tables;
static _Atomic bool cp_ready;
static struct stack *_Atomic main_stack;
static struct stack *stacks[MAX_STACKS + 1];
static uint64_t client_retry_ns, stack_retry_ns;
static enum sock_reason client_why, stack_why;
static struct { uint32_t ifindex; uint32_t gen; uint64_t until_ns; enum sock_reason why; } bad_ifs[MAX_BAD_IFS];
static uint32_t bad_if_next;
static bool warned;
static char stack_name[CP_STACK_NAME];	/* of main_stack, once it was chosen */
static bool stack_named;		/* by sock_name_stack() */

int8_t sock_accel_process;
__thread int8_t sock_accel_thread __attribute__((tls_model("initial-exec")));

/* ---- options ------------------------------------------------------------------ */

/* A line for the person at the terminal, by the classes of EF_LOG. */
static void say(const char *class, const char *line)
{
	char buf[256];
	int n, fd = -1;

	if (!strstr(options.log, class))
		return;
	n = snprintf(buf, sizeof(buf), "postern: %s\n", line);
	if (n > (int)sizeof(buf) - 1)
		n = sizeof(buf) - 1;
	/* Seldom: the file may be moved away meanwhile. */
	if (options.log_file[0])
		fd = (int)sys4(SYS_openat, AT_FDCWD, options.log_file, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
	(void)sys_write(fd < 0 ? 2 : fd, buf, (size_t)n);
	if (fd >= 0)
		sys_close(fd);
}

static void warn(void *arg, enum opt_warn kind, const char *line)
{
	say("config_warnings", line);
}

void sock_proc_init(void)
{
	if (options_read)
		return;
	opts_parse(&options, environ, warn, NULL);
	snprintf(stack_name, sizeof(stack_name), "%s", options.name);
	if (options.stack_per_thread)
		say("config_warnings", "EF_STACK_PER_THREAD=1 is refused: an interface's queues belong to one stack, "
				       "so all threads use the same");
	options_read = true;
}

const struct opts *sock_opts(void)
{
	return &options;
}

struct stack *const *sock_stacks(void)
{
	return stacks;
}

/* ---- the daemon ------------------------------------------------------------------ */

static bool is_program(const char *path)
{
	return sys4(SYS_faccessat, -100 /* AT_FDCWD */, path, 1 /* X_OK */, 0) == 0;
}

/* Where posternd is: named by the environment, or beside this library. */
static const char *daemon_path(char *buf, size_t size)
{
	static const char *const beside[] = { "../sbin/posternd", "../bin/posternd", "posternd" };
	const char *env = getenv("POSTERN_POSTERND"), *slash;
	Dl_info info;

	if (sys0(SYS_geteuid) != 0)
		return NULL;
	if (env)
		return *env ? env : NULL;
	if (!dladdr((void *)sock_proc_init, &info) || !info.dli_fname)
		return NULL;
	slash = strrchr(info.dli_fname, '/');
	if (!slash)
		return NULL;
	for (size_t i = 0; i < ARRAY_SIZE(beside); i++) {
		int n = snprintf(buf, size, "%.*s/%s", (int)(slash - info.dli_fname), info.dli_fname, beside[i]);

		if (n < (int)size && is_program(buf))
			return buf;
	}
	return NULL;
}

static int open_client(bool may_start, enum sock_reason *why)
{
	char text[96] = "", path[512];
	int rc;

	/* A stale one stays with the stacks that were made by it. */
	if (client && !cp_client_stale(client))
		return 0;
	if (clock_ns() < client_retry_ns) {
		*why = client_why;
		return -ECONNREFUSED;
	}
	rc = cp_client_open(&client, may_start ? daemon_path(path, sizeof(path)) : NULL, text);
	if (rc == 0) {
		rc = cp_attach(&tables, cp_client_tables_fd(client));
		if (rc == 0) {
			atomic_store_explicit(&cp_ready, true, memory_order_release);
			return 0;
		}
		cp_client_close(client);
	}
	client = NULL;
	*why = rc == -EACCES || rc == -EPERM ? SOCK_REASON_no_right : SOCK_REASON_no_daemon;
	if (!may_start)
		return rc;
	client_retry_ns = clock_ns() + RETRY_NS;
	client_why = *why;
	if (!warned) {
		warned = true;
		say("resource_warnings", text[0] ? text : sock_reason_text(*why));
	}
	return rc;
}

int proc_cp(const struct cp **out, enum sock_reason *why)
{
	int rc = 0;

	if (unlikely(!atomic_load_explicit(&cp_ready, memory_order_acquire))) {
		pthread_mutex_lock(&open_mutex);
		rc = open_client(true, why);
		pthread_mutex_unlock(&open_mutex);
	}
	*out = &tables;
	return rc;
}

struct cp_client *proc_client_if_there(void)
{
	enum sock_reason why;
	struct cp_client *c;

	pthread_mutex_lock(&open_mutex);
	if (!client)
		(void)open_client(false, &why);
	c = client;
	pthread_mutex_unlock(&open_mutex);
	return c;
}

/* ---- stacks --------------------------------------------------------------------------- */

static enum sock_reason stack_reason(int rc)
{
	switch (rc) {
	case -EACCES: case -EPERM:
		return SOCK_REASON_no_right;
	case -ENOMEM: case -EFBIG: case -ENOSPC: case -EDQUOT:
		return SOCK_REASON_no_memory;
	case -EMFILE:
		return SOCK_REASON_procs;
	case -EIO:
		return SOCK_REASON_stack_dead;
	case -ECONNREFUSED: case -ENOENT: case -ECONNRESET: case -EPIPE:
		return SOCK_REASON_no_daemon;
	default:
		return SOCK_REASON_daemon_error;
	}
}

static struct stack_attr stack_attr(void)
{
	return (struct stack_attr){
		.name = stack_name,
		.opts = &options,
		.client = client,
		.upper_size = upper_size,
		.upper_init = upper_init,
	};
}

static int enter_stack(struct stack *st)
{
	for (int i = 0; i < MAX_STACKS; i++) {
		if (!stacks[i]) {
			stacks[i] = st;
			return 0;
		}
	}
	return -EMFILE;
}

static bool in_use(const struct stack *st)
{
	uint32_t k = 0;
	struct sock *s;

	while ((s = sock_next_accel(&k)))
		if (s->st == st && sock_alive(s))
			return true;
	return false;
}

static int open_main(enum sock_reason *why)
{
	struct stack_attr attr;
	struct stack *st;
	char text[96] = "";
	int rc;

	rc = open_client(true, why);
	if (rc < 0)
		return rc;
	/* The new one wants the queues of the old. */
	for (int i = 0; i < MAX_STACKS && stacks[i]; i++)
		if (stack_dead(stacks[i]) || (atomic_load(&stacks[i]->shm->lost) && !in_use(stacks[i])))
			stack_retire(stacks[i]);
	if (clock_ns() < stack_retry_ns) {
		*why = stack_why;
		return -ENOMEM;
	}
	attr = stack_attr();
	rc = stack_open(&st, &attr, text);
	if (rc == -ESTALE && open_client(true, why) == 0) {	/* it began anew: so do we */
		attr = stack_attr();
		rc = stack_open(&st, &attr, text);
	}
	if (rc == 0) {
		rc = enter_stack(st);
		if (rc < 0)
			stack_close(st);
		else if (st->resumed)
			sock_exec_resume(st);
	}
	if (rc < 0) {
		*why = stack_why = stack_reason(rc);
		stack_retry_ns = clock_ns() + RETRY_NS;
		if (!warned) {
			warned = true;
			say("resource_warnings", text[0] ? text : sock_reason_text(*why));
		}
		return rc;
	}
	atomic_store_explicit(&main_stack, st, memory_order_release);
	return 0;
}

int sock_name_stack(const char *name)
{
	char line[160];
	int rc = 0;

	if (strlen(name) >= sizeof(stack_name))
		return -ENAMETOOLONG;
	pthread_mutex_lock(&open_mutex);
	if (strcmp(name, stack_name) == 0) {
		stack_named = true;
	} else if (stack_named || atomic_load(&main_stack)) {
		snprintf(line, sizeof(line), "stack \"%s\" is refused: this process has the stack \"%s\", and an "
			 "interface's queues belong to one stack", name, stack_name);
		say("usage_warnings", line);
		rc = -EOPNOTSUPP;
	} else {
		snprintf(stack_name, sizeof(stack_name), "%s", name);
		stack_named = true;
	}
	pthread_mutex_unlock(&open_mutex);
	return rc;
}

/* A stack whose owner died inside it, or whose filter is gone, serves nobody: open a new one for new sockets. */
static struct stack *usable_main(void)
{
	struct stack *st = atomic_load_explicit(&main_stack, memory_order_acquire);

	return st && atomic_load_explicit(&st->shm->state, memory_order_relaxed) == STACK_READY &&
	       !atomic_load_explicit(&st->shm->lost, memory_order_relaxed) ? st : NULL;
}

int proc_stack(struct stack **out, enum sock_reason *why)
{
	struct stack *st = usable_main();
	int rc = 0;

	if (unlikely(!st)) {
		pthread_mutex_lock(&open_mutex);
		st = usable_main();
		if (!st) {
			rc = open_main(why);
			st = usable_main();
		}
		pthread_mutex_unlock(&open_mutex);
		if (rc < 0 || !st)
			return rc < 0 ? rc : -EIO;
	}
	*out = st;
	return 0;
}

int proc_stack_by_id(struct stack **out, uint32_t id)
{
	struct stack_attr attr;
	char text[96] = "";
	int rc = 0, i;

	pthread_mutex_lock(&open_mutex);
	for (i = 0; i < MAX_STACKS && stacks[i]; i++)
		if (stacks[i]->id == id && !atomic_load(&stacks[i]->shm->lost))
			break;
	if (i == MAX_STACKS) {
		rc = -EMFILE;
	} else if (!stacks[i]) {
		attr = stack_attr();
		rc = client ? stack_attach_id(&stacks[i], &attr, id, text) : -ECONNREFUSED;
		if (rc == 0)
			(void)stack_sync_vis(stacks[i]);
		if (rc == 0 && stacks[i]->resumed)
			sock_exec_resume(stacks[i]);
	}
	if (rc == 0)
		*out = stacks[i];
	pthread_mutex_unlock(&open_mutex);
	return rc;
}

/* ---- interfaces ------------------------------------------------------------------------- */

/* Is @name one of the words of @list? */
static bool listed(const char *list, const char *name)
{
	size_t n = strnlen(name, 16);

	while (*list) {
		size_t w = strcspn(list, " ,");

		if (w == n && memcmp(list, name, n) == 0)
			return true;
		list += w;
		list += strspn(list, " ,");
	}
	return false;
}

enum sock_reason proc_link_reason(const struct cp_link *l)
{
	if (l->flags & CP_LINK_LOOPBACK)
		return SOCK_REASON_loopback;
	if (listed(options.interface_blacklist, l->name) ||
	    (options.interface_whitelist[0] && !listed(options.interface_whitelist, l->name)))
		return SOCK_REASON_blacklisted;
	if (!(l->flags & CP_LINK_ETHER) || l->flags & CP_LINK_NOACCEL)
		return SOCK_REASON_if_kind;
	if (l->flags & CP_LINK_XDP_FOREIGN)
		return SOCK_REASON_xdp_foreign;
	return SOCK_REASON_none;
}

static enum sock_reason if_reason(int rc)
{
	switch (rc) {
	case -EBUSY:
		return SOCK_REASON_queue_busy;
	case -EEXIST:
		return SOCK_REASON_xdp_foreign;
	case -EACCES: case -EPERM:
		return SOCK_REASON_no_right;
	case -ENOMEM: case -ENOBUFS:
		return SOCK_REASON_memlock;
	case -EOPNOTSUPP: case -ENODEV: case -EINVAL: case -EPROTONOSUPPORT:
		return SOCK_REASON_no_xdp;
	default:
		return SOCK_REASON_daemon_error;
	}
}

static bool has_if(const struct stack *st, uint32_t ifindex)
{
	for (uint32_t i = 0; i < st->net.n_vis; i++)
		if (st->vis[i].shm->ifindex == ifindex)
			return true;
	return false;
}

int proc_add_if(struct stack *st, uint32_t ifindex, enum sock_reason *why)
{
	uint32_t gen = cp_gen(&st->cp);
	char text[96] = "";
	int rc;

	if (likely(has_if(st, ifindex)))
		return 0;
	/* An interface that was refused is not asked for again for a while: a
	 * server that binds a thousand sockets would make a thousand requests. */
	pthread_mutex_lock(&open_mutex);
	for (uint32_t i = 0; i < MAX_BAD_IFS; i++) {
		if (bad_ifs[i].ifindex == ifindex && bad_ifs[i].gen == gen && clock_ns() < bad_ifs[i].until_ns) {
			*why = bad_ifs[i].why;
			pthread_mutex_unlock(&open_mutex);
			return -EBUSY;
		}
	}
	rc = stack_add_if(st, ifindex, text);
	if (rc < 0) {
		*why = if_reason(rc);
		bad_ifs[bad_if_next].ifindex = ifindex;
		bad_ifs[bad_if_next].gen = gen;
		bad_ifs[bad_if_next].until_ns = clock_ns() + RETRY_NS;
		bad_ifs[bad_if_next].why = *why;
		bad_if_next = (bad_if_next + 1) % MAX_BAD_IFS;
		if (!warned) {
			warned = true;
			say("resource_warnings", text[0] ? text : sock_reason_text(*why));
		}
	}
	pthread_mutex_unlock(&open_mutex);
	return rc;
}

int proc_add_all_ifs(struct stack *st, enum sock_reason *why)
{
	enum sock_reason r = SOCK_REASON_no_interface, one;
	struct cp_link l;
	int n = 0;

	for (uint32_t i = 0; cp_link_at(&st->cp, i, &l) == 0; i++) {
		if (!l.ifindex || !(l.flags & CP_LINK_UP))
			continue;
		one = proc_link_reason(&l);
		if (one == SOCK_REASON_none && proc_add_if(st, l.ifindex, &one) == 0)
			n++;
		else if (one != SOCK_REASON_loopback)
			r = one;
	}
	if (!n)
		*why = r;
	return n;
}

/* ---- fork ------------------------------------------------------------------------------------ */

void proc_open_lock(void)
{
	pthread_mutex_lock(&open_mutex);
}

void proc_open_unlock(void)
{
	pthread_mutex_unlock(&open_mutex);
}

void proc_open_after_fork(void)
{
	pthread_mutex_init(&open_mutex, NULL);
	if (client)
		cp_client_reset(client);
}
