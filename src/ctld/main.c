// SPDX-License-Identifier: BSD-2-Clause
/*
 * main.c - posternd: options, start in the right order, end
 *
 * Order of the start: the address (one daemon per network namespace), the holder
 * and what a predecessor left in it, privileges, tables, then answer.  Failure is
 * fatal here and only here.
 */
#include "ctld/ctld.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <grp.h>
#include <libgen.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#include "cp/cp_client.h"

enum {
	IDLE_TICKS = 5,		/* seconds without use before --auto leaves */
	HOST_TICKS = 5,
	OTHER_FDS = 6000,	/* clients, processes, rings: not for leased ports */
};

static const char usage[] =
	"usage: posternd [options]\n"
	"  Control-plane daemon of Postern: one per network namespace.\n"
	"  --auto             run in the background, leave when unused for 5 s\n"
	"  -f, --foreground   do not go to the background\n"
	"  --netns-check      say whether a posternd serves this network namespace; 0 if so\n"
	"  --group NAME       whose members may have rings beside root (default onload)\n"
	"  --quota MIB        memory for the stacks of one user (default: half of the RAM)\n"
	"  --keeper PATH      the postern-keeper program\n"
	"  --no-keeper        no keepers: connections end with their process\n"
	"  --no-sandbox       no seccomp filter\n"
	"  --log FILE         append to FILE rather than write to standard error\n"
	"  -v, --verbose      say more\n"
	"  --version, --help\n";

struct start {
	bool foreground, check;
	int ready_fd;		/* where to say "ok" or why not; -1: nowhere */
	uint32_t log_classes;
	const char *log_file;
};

/* Beside ourselves in an installation, in the next folder of a build tree. */
static void find_keeper(char out[256])
{
	static const char *const places[] = { "%s/postern-keeper", "%s/../keeper/postern-keeper",
					      "%s/../libexec/postern-keeper" };
	char self[200];
	ssize_t len = readlink("/proc/self/exe", self, sizeof(self) - 1);
	char *dir;

	if (len <= 0)
		len = 0;
	self[len] = 0;
	dir = dirname(self);
	for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
		snprintf(out, 256, places[i], dir);
#pragma GCC diagnostic pop
		if (access(out, X_OK) == 0)
			return;
	}
	snprintf(out, 256, "%s/postern-keeper", dir);
}

enum { O_AUTO = 256, O_CHECK, O_GROUP, O_QUOTA, O_KEEPER, O_NO_KEEPER, O_NO_SANDBOX, O_LOG,
       O_VERSION, O_HELP, O_READY };

static const struct option options[] = {
	{ "auto", no_argument, NULL, O_AUTO },
	{ "foreground", no_argument, NULL, 'f' },
	{ "netns-check", no_argument, NULL, O_CHECK },
	{ "group", required_argument, NULL, O_GROUP },
	{ "quota", required_argument, NULL, O_QUOTA },
	{ "keeper", required_argument, NULL, O_KEEPER },
	{ "no-keeper", no_argument, NULL, O_NO_KEEPER },
	{ "no-sandbox", no_argument, NULL, O_NO_SANDBOX },
	{ "log", required_argument, NULL, O_LOG },
	{ "verbose", no_argument, NULL, 'v' },
	{ "version", no_argument, NULL, O_VERSION },
	{ "help", no_argument, NULL, O_HELP },
	{ "ready-fd", required_argument, NULL, O_READY },	/* for cp_client.c */
	{ NULL, 0, NULL, 0 },
};

static void parse_args(int argc, char **argv, struct conf *conf, struct start *s)
{
	struct sysinfo si;
	char *end;
	int o;

	*conf = (struct conf){ .group = "onload" };
	*s = (struct start){ .ready_fd = -1, .log_classes = PLOG_DEFAULT };
	s->log_file = getenv("POSTERN_LOG");
	if (sysinfo(&si) == 0)
		conf->quota_bytes = (uint64_t)si.totalram * si.mem_unit / 2;
	find_keeper(conf->keeper);
	while ((o = getopt_long(argc, argv, "fvh", options, NULL)) >= 0) {
		switch (o) {
		case O_AUTO:
			conf->automatic = true;
			break;
		case 'f':
			s->foreground = true;
			break;
		case O_CHECK:
			s->check = true;
			break;
		case O_GROUP:
			conf->group = optarg;
			break;
		case O_QUOTA:
			conf->quota_bytes = strtoull(optarg, &end, 10) << 20;
			if (*end || !conf->quota_bytes)
				goto bad;
			break;
		case O_KEEPER:
			snprintf(conf->keeper, sizeof(conf->keeper), "%s", optarg);
			break;
		case O_NO_KEEPER:
			conf->no_keeper = true;
			break;
		case O_NO_SANDBOX:
			conf->no_sandbox = true;
			break;
		case O_LOG:
			s->log_file = optarg;
			break;
		case 'v':
			s->log_classes |= PLOG_BIT(PLOG_DEBUG);
			break;
		case O_READY:
			s->ready_fd = atoi(optarg);
			break;
		case O_VERSION:
			puts("posternd " POSTERN_VERSION);
			exit(0);
		case O_HELP:
		case 'h':
			fputs(usage, stdout);
			exit(0);
		default:
			goto bad;
		}
	}
	if (optind == argc)
		return;
bad:
	fputs(usage, stderr);
	exit(2);
}

static int check_netns(void)
{
	struct cp_client *c;
	char why[96];
	int rc = cp_client_open(&c, NULL, why);

	if (rc < 0) {
		puts(why);
		return 1;
	}
	puts("posternd serves this network namespace");
	cp_client_close(c);
	return 0;
}

/* In the background: the parent leaves when the child is ready, with its word. */
static void go_background(struct start *s)
{
	char text[128];
	ssize_t len;
	int p[2];
	pid_t pid;

	if (pipe2(p, O_CLOEXEC) < 0 || (pid = fork()) < 0) {
		perror("posternd");
		exit(1);
	}
	if (pid == 0) {
		close(p[0]);
		s->ready_fd = p[1];
		setsid();
		return;
	}
	close(p[1]);
	len = read(p[0], text, sizeof(text) - 1);
	if (len >= 2 && memcmp(text, "ok", 2) == 0)
		exit(0);
	if (len > 0)
		fprintf(stderr, "posternd: %.*s\n", (int)len, text);
	exit(1);
}

static void say_ready(struct start *s, const char *text)
{
	int null;

	if (s->ready_fd < 0)
		return;
	/* Whoever waits may be gone; SIGPIPE is blocked. */
	if (write(s->ready_fd, text, strlen(text)) < 0)
		postern_log(PLOG_DEBUG, "nobody waits for us");
	close(s->ready_fd);
	s->ready_fd = -1;
	if (s->log_file || strcmp(text, "ok") != 0)
		return;
	null = open("/dev/null", O_RDWR | O_CLOEXEC);
	for (int i = 0; i < 3 && null >= 0; i++)
		dup2(null, i);
	if (null > 2)
		close(null);
}

static int region(const char *name, size_t size, int *fd, void **out)
{
	int f = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
	void *p;

	if (f < 0)
		return -errno;
	if (ftruncate(f, (off_t)size) < 0)
		goto out_close;
	p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, f, 0);
	if (p == MAP_FAILED)
		goto out_close;
	*fd = f;
	*out = p;
	return 0;

out_close:
	close(f);
	return -errno;
}

static uint64_t netns_ino(void)
{
	struct stat st;

	return stat("/proc/self/ns/net", &st) == 0 ? st.st_ino : 0;
}

/* The tables that are handed out must not be written by who gets them: they get a
 * descriptor that was opened for reading. */
static int open_readonly(int fd)
{
	char path[64];
	int ro;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	ro = open(path, O_RDONLY | O_CLOEXEC);
	return ro < 0 ? -errno : ro;
}

static int open_regions(struct ctld *ctl)
{
	void *p;
	int rc, fd;

	if (!ctl->st) {
		rc = region("postern-state", sizeof(*ctl->st), &ctl->state_fd, &p);
		if (rc < 0)
			return rc;
		ctl->st = p;
		ctl->st->version = ST_VERSION;
		ctl->st->size = sizeof(*ctl->st);
		ctl->st->magic = ST_MAGIC;
	}
	if (!ctl->tables) {
		rc = region("postern-tables", sizeof(*ctl->tables), &ctl->tables_rw, &p);
		if (rc < 0)
			return rc;
		ctl->tables = p;
		/* A memfd is open to all by its mode: whoever has it for reading could
		 * open it again for writing through /proc. */
		if (fchmod(ctl->tables_rw, 0600) < 0)
			return -errno;
		cp_init(ctl->tables, netns_ino());
		fcntl(ctl->tables_rw, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL);
	}
	fd = open_readonly(ctl->tables_rw);
	if (fd < 0)
		return fd;
	ctl->tables_fd = fd;
	ctl->cp.shm = ctl->tables;
	return 0;
}

static void finish_takeover(struct ctld *ctl)
{
	for (size_t i = 0; i < ST_MAX_STACKS; i++) {
		struct stack *st = ctl->stacks[i];

		if (st && stack_restored(st) < 0)
			stack_destroy(st, "its descriptors are lost");
	}
	/* Programs that no stack uses any more; those in use have the addresses
	 * that came and went meanwhile. */
	for (size_t i = 0; i < MAX_IFS; i++) {
		struct iface *ifc = &ctl->ifs[i];

		if (!ifc->ifindex)
			continue;
		iface_local_addrs(ctl, ifc, NULL, 0);
		if (!ifc->sets)
			iface_put_set(ctl, ifc, XDP_VI_SETS);
	}
}

static void on_tick(struct loop_timer *t)
{
	struct ctld *ctl = container_of(t, struct ctld, tick);

	loop_timer_arm(t, NSEC_PER_SEC);
	atomic_store(&ctl->tables->heartbeat_ns, now_ns());
	if (++ctl->ticks % HOST_TICKS == 0)
		host_sync(ctl);
	if (ctl->n_clients || ctld_has_stacks(ctl))
		ctl->idle_ticks = 0;
	else if (ctl->conf.automatic && ++ctl->idle_ticks >= IDLE_TICKS)
		ctl->loop.stop = true;
}

static void on_signal(struct loop_fd *w, uint32_t events)
{
	struct ctld *ctl = container_of(w, struct ctld, signals);
	struct signalfd_siginfo si;

	if (read(w->fd, &si, sizeof(si)) != sizeof(si))
		return;
	if (si.ssi_signo == SIGHUP)
		nl_mark_dirty(ctl);
	else
		ctl->loop.stop = true;
}

static int open_signals(struct ctld *ctl)
{
	sigset_t set;
	int fd;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	sigaddset(&set, SIGPIPE);
	sigprocmask(SIG_SETMASK, &set, NULL);
	if (fd < 0)
		return -errno;
	return loop_add(&ctl->loop, &ctl->signals, fd, on_signal);
}

static uint64_t netns_cookie(void)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	uint64_t cookie = 0;
	socklen_t len = sizeof(cookie);

	if (fd < 0)
		return 0;
	if (getsockopt(fd, SOL_SOCKET, SO_NETNS_COOKIE, &cookie, &len) < 0)
		cookie = 0;	/* before Linux 5.14 */
	close(fd);
	return cookie;
}

static gid_t group_of(const char *name)
{
	const struct group *g = getgrnam(name);

	return g ? g->gr_gid : (gid_t)-1;
}

/* 0, or -errno with @step naming what failed. */
static int start(struct ctld *ctl, const char **step)
{
	bool found;
	int rc, taken = 0;

	*step = "limits";
	rc = priv_limits();
	if (rc < 0)
		return rc;
	ctl->conf.max_leases = rc > 2 * OTHER_FDS ? (uint32_t)rc - OTHER_FDS : OTHER_FDS / 2;
	ctl->group = group_of(ctl->conf.group);
	ctl->netns_cookie = netns_cookie();
	ctl->route_scratch = calloc(CP_MAX_ROUTES, sizeof(struct cp_route));
	*step = "event loop";
	rc = ctl->route_scratch ? loop_init(&ctl->loop) : -ENOMEM;
	if (rc == 0)
		rc = open_signals(ctl);
	if (rc < 0)
		return rc;
	*step = "address @postern";
	rc = clients_open(ctl);
	if (rc < 0)
		return rc;
	*step = "fd-holder";
	ctl->holder.fd = -1;
	rc = holder_open(ctl, &found);
	if (rc < 0)
		return rc;
	*step = "privileges";
	rc = priv_drop(!ctl->conf.no_sandbox);
	if (rc < 0)
		return rc;
	*step = "taking over";
	if (found)
		taken = holder_fetch(ctl);
	rc = open_regions(ctl);
	if (rc < 0)
		return rc;
	rc = filters_init(ctl);
	if (rc < 0)
		return rc;
	holder_put(ctl, "state", &ctl->state_fd, 1);
	holder_put(ctl, "tables", &ctl->tables_rw, 1);
	*step = "netlink";
	rc = nl_open(ctl);
	if (rc < 0)
		return rc;
	host_sync(ctl);
	if (taken)
		finish_takeover(ctl);
	loop_timer_init(&ctl->loop, &ctl->tick, on_tick);
	on_tick(&ctl->tick);
	*step = "listening";
	return clients_listen(ctl);
}

static void stop(struct ctld *ctl)
{
	clients_close(ctl);
	/* With stacks alive it is a restart: holder and keepers go on. */
	if (!ctld_has_stacks(ctl)) {
		neigh_unmanage(ctl, 0);
		holder_quit(ctl);
	}
	nl_close(ctl);
}

int main(int argc, char **argv)
{
	static struct ctld ctl;
	const char *step = "";
	char text[128];
	struct start s;
	int rc;

	parse_args(argc, argv, &ctl.conf, &s);
	if (s.check)
		return check_netns();
	/* Descriptors of whoever started us, but for the one that waits. */
	if (s.ready_fd > 3)
		return 2;
	syscall(SYS_close_range, s.ready_fd == 3 ? 4u : 3u, ~0u, 0u);
	if (s.ready_fd == 3)
		fcntl(3, F_SETFD, FD_CLOEXEC);
	if (!s.foreground && s.ready_fd < 0)
		go_background(&s);
	signal(SIGCHLD, SIG_DFL);
	umask(077);
	if (chdir("/") < 0)
		return 1;
	log_init(s.log_classes, s.log_file, true);

	rc = start(&ctl, &step);
	if (rc == -EADDRINUSE && strcmp(step, "address @postern") == 0 && ctl.conf.automatic) {
		say_ready(&s, "ok");	/* somebody was faster, which is as good */
		return 0;
	}
	if (rc < 0) {
		snprintf(text, sizeof(text), "%s: %s%s", step, strerror(-rc),
			 rc == -EADDRINUSE ? " (posternd runs already)" :
			 rc == -EPERM ? " (needs root)" : "");
		postern_log(PLOG_ERROR, "%s", text);
		say_ready(&s, text);
		return 1;
	}
	postern_log(PLOG_DEBUG, "ready");
	say_ready(&s, "ok");
	loop_run(&ctl.loop);
	stop(&ctl);
	return 0;
}
