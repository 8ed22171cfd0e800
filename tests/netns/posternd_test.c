// SPDX-License-Identifier: BSD-2-Clause
/*
 * posternd keeps its promises in a real network namespace: filters only on proof,
 * tables that follow the kernel, stacks that survive the death of the daemon, and
 * nothing left behind after the last user.
 *
 *      namespace A                              namespace B
 *      pt-ctld-a 10.88.0.1 fd88::1  ----------  pt-ctld-b 10.88.0.2 fd88::2
 *      posternd, stacks                         kernel sockets that send
 *
 * The namespaces have no name and go with the process.  Started with --fd, the
 * program is a keeper that does only what cp_keeper.h asks of every keeper.
 */
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "cp/cp_client.h"
#include "cp/cp_keeper.h"
#include "cp/cp_lookup.h"
#include "nic/nic.h"
#include "wire/flow.h"

enum { FRAMES = 1024, SHIFT = 11, STATE = 2 << 20, OTHER_UID = 12345 };

static struct {
	int ns_a, ns_b;
	unsigned if_a;
	char script[64];	/* starts posternd with this program as keeper */
	int sigchlds;
	struct cp_client *c;
	struct cp cp;
	uint32_t stack;
	int arena;
	uint8_t *frames;
	struct vi vi;
	struct vi_shm shm;
} t;

static void ms(int n)
{
	nanosleep(&(struct timespec){ n / 1000, n % 1000 * 1000000l }, NULL);
}

static void sh(const char *cmd)
{
	if (system(cmd) != 0)
		fail_msg("%s", cmd);
}

static struct ipaddr ip(const char *s)
{
	struct ipaddr a = IPADDR_ANY;
	struct in_addr v4;

	if (inet_pton(AF_INET, s, &v4) == 1)
		return ipaddr_from4((be32_t){ v4.s_addr });
	assert_int_equal(inet_pton(AF_INET6, s, a.b), 1);
	return a;
}

/* --- requests --- */

static struct cp_req head(uint32_t type, size_t len, uint32_t n)
{
	return (struct cp_req){ type, (uint32_t)len, t.stack, n };
}

static int stack_open(struct cp_client *c, const char *name, struct cp_stack_rep *rep, int fds[32])
{
	struct cp_stack_req q = { .h = head(CP_REQ_STACK_OPEN, sizeof(q), 0), .n_frames = FRAMES,
				  .state_size = STATE };
	int n = 32;

	snprintf(q.name, sizeof(q.name), "%s", name);
	return cp_call(c, &q, sizeof(q), NULL, 0, rep, sizeof(*rep), fds, &n);
}

static void close_fds(const int *fds, int n)
{
	for (int i = 0; i < n; i++)
		close(fds[i]);
}

static int proc_add(struct cp_client *c, uint32_t slot)
{
	struct cp_proc_req q = { .h = head(CP_REQ_PROC_ADD, sizeof(q), 0), .slot = slot };
	struct cp_rep rep;

	return cp_call(c, &q, sizeof(q), NULL, 0, &rep, sizeof(rep), NULL, NULL);
}

static int filter(struct cp_client *c, uint32_t type, const struct cp_filter *f, int fd)
{
	struct cp_filter_req q = { .h = head(type, offsetof(struct cp_filter_req, f) + sizeof(*f), 1) };
	struct cp_filter_rep rep;
	int rc;

	q.f[0] = *f;
	q.f[0].has_fd = fd >= 0;
	rc = cp_call(c, &q, q.h.len, &fd, fd >= 0, &rep, sizeof(rep), NULL, NULL);
	return rc < 0 ? rc : rep.rc[0];
}

static uint64_t cookie(int fd)
{
	uint64_t v = 0;
	socklen_t len = sizeof(v);

	assert_int_equal(getsockopt(fd, SOL_SOCKET, SO_COOKIE, &v, &len), 0);
	return v;
}

static int bound(int type, const char *addr, uint16_t port)
{
	struct sockaddr_in sa = { .sin_family = AF_INET, .sin_port = htons(port) };
	int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);

	inet_pton(AF_INET, addr, &sa.sin_addr);
	assert_int_equal(bind(fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
	return fd;
}

static int add_socket(int fd)
{
	struct cp_filter f = { .kind = CP_FILTER_SOCKET, .cookie = cookie(fd) };

	return filter(t.c, CP_REQ_FILTER_ADD, &f, fd);
}

static int del_socket(int fd)
{
	struct cp_filter f = { .kind = CP_FILTER_SOCKET, .cookie = cookie(fd) };

	return filter(t.c, CP_REQ_FILTER_DEL, &f, -1);
}

static int list(struct cp_list_rep *rep)
{
	struct cp_req q = head(CP_REQ_LIST, sizeof(q), 0);

	return cp_call(t.c, &q, sizeof(q), NULL, 0, rep, sizeof(*rep), NULL, NULL);
}

static pid_t daemon_pid(void)
{
	struct cp_hello_req q = { .h = head(CP_REQ_HELLO, sizeof(q), 0), .version = CP_PROTO_VERSION };
	struct cp_hello_rep rep;
	int fd = -1, n = 1;

	assert_int_equal(cp_call(t.c, &q, sizeof(q), NULL, 0, &rep, sizeof(rep), &fd, &n), 0);
	close(fd);
	return (pid_t)rep.daemon_pid;
}

/* --- processes of this namespace --- */

static pid_t find_process(const char *comm, pid_t not)
{
	struct stat mine, st;
	struct dirent *d;
	char path[300], name[64];
	pid_t found = 0;
	DIR *dir = opendir("/proc");

	stat("/proc/self/ns/net", &mine);
	while ((d = readdir(dir))) {
		pid_t pid = atoi(d->d_name);
		FILE *f;

		snprintf(path, sizeof(path), "/proc/%d/ns/net", pid);
		if (pid <= 0 || pid == not || stat(path, &st) < 0 || st.st_ino != mine.st_ino)
			continue;
		snprintf(path, sizeof(path), "/proc/%d/comm", pid);
		f = fopen(path, "r");
		if (!f)
			continue;
		if (fgets(name, sizeof(name), f) && strncmp(name, comm, strlen(comm)) == 0)
			found = pid;
		fclose(f);
	}
	closedir(dir);
	return found;
}

static void kill_and_wait(pid_t pid)
{
	char path[64];

	assert_true(pid > 1);
	kill(pid, SIGKILL);
	snprintf(path, sizeof(path), "/proc/%d/comm", pid);
	for (int i = 0; i < 200 && access(path, F_OK) == 0; i++)
		ms(5);
}

/* --- traffic --- */

static void send_from_b(const char *dst, uint16_t port)
{
	struct sockaddr_in sa = { .sin_family = AF_INET, .sin_port = htons(port) };
	int fd;

	assert_int_equal(setns(t.ns_b, CLONE_NEWNET), 0);
	fd = socket(AF_INET, SOCK_DGRAM, 0);
	assert_int_equal(setns(t.ns_a, CLONE_NEWNET), 0);
	inet_pton(AF_INET, dst, &sa.sin_addr);
	assert_int_equal(sendto(fd, "tick", 4, 0, (struct sockaddr *)&sa, sizeof(sa)), 4);
	close(fd);
}

/* Does a datagram to dst:port come out of the ring? */
static bool on_ring(const char *dst, uint16_t port)
{
	struct vi_event ev[16];
	bool seen = false;

	while (vi_rx_poll(&t.vi, ev, 16) > 0)
		;
	send_from_b(dst, port);
	for (int i = 0; i < 40 && !seen; i++) {
		int n = vi_rx_poll(&t.vi, ev, 16);

		for (int k = 0; k < n; k++) {
			const uint8_t *p = t.frames + ((size_t)ev[k].buf << SHIFT) + ev[k].off;

			seen |= ev[k].len >= 42 && p[23] == IPPROTO_UDP && p[36] << 8 == (port & 0xff00) &&
				p[37] == (port & 0xff);
			vi_rx_refill(&t.vi, &ev[k].buf, 1);
		}
		if (!seen)
			ms(5);
	}
	return seen;
}

/* --- tests, in this order: one story --- */

static void on_sigchld(int sig)
{
	t.sigchlds++;
}

static void starts_on_demand_without_a_trace_in_the_program(void **state)
{
	char why[96];

	assert_int_equal(cp_client_open(&t.c, NULL, why), -ECONNREFUSED);
	signal(SIGCHLD, on_sigchld);
	if (cp_client_open(&t.c, t.script, why) < 0)
		fail_msg("%s", why);
	assert_int_equal(t.sigchlds, 0);
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
	assert_int_equal(errno, ECHILD);
	signal(SIGCHLD, SIG_DFL);
	assert_true(cp_client_tables_fd(t.c) >= 512);
	assert_int_equal(cp_attach(&t.cp, cp_client_tables_fd(t.c)), 0);
}

static void tables_cannot_be_written_by_applications(void **state)
{
	int fd = cp_client_tables_fd(t.c);

	assert_true(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) == MAP_FAILED);
}

static void tables_follow_the_kernel(void **state)
{
	struct ipaddr dst = ip("10.88.0.2"), far = ip("10.99.1.2"), own = ip("10.88.0.1");
	struct cp_fwd f;
	struct cp_link l;
	uint32_t gen;
	int i;

	assert_int_equal(cp_link_find(&t.cp, "pt-ctld-a", &l), 0);
	assert_int_equal(l.ifindex, t.if_a);
	assert_true((l.flags & (CP_LINK_UP | CP_LINK_ETHER | CP_LINK_VIRTUAL)) ==
		    (CP_LINK_UP | CP_LINK_ETHER | CP_LINK_VIRTUAL));
	assert_false(l.flags & (CP_LINK_NOACCEL | CP_LINK_XDP_FOREIGN));
	assert_int_equal(cp_link_find(&t.cp, "lo", &l), 0);
	assert_true(l.flags & CP_LINK_NOACCEL);
	assert_int_equal(cp_addr_owner(&t.cp, &own), t.if_a);
	assert_int_equal(cp_route(&t.cp, &dst, NULL, 0, &f), 0);
	assert_int_equal(f.ifindex, t.if_a);
	assert_memory_equal(&f.src, &own, 16);
	assert_true(t.cp.shm->port_min > 0 && t.cp.shm->port_max > t.cp.shm->port_min);

	assert_int_equal(cp_route(&t.cp, &far, NULL, 0, &f), -ENETUNREACH);
	gen = cp_gen(&t.cp);
	sh("ip route add 10.99.0.0/16 via 10.88.0.2 mtu 1300");
	for (i = 0; i < 100 && cp_gen(&t.cp) == gen; i++)
		ms(5);
	ms(20);
	assert_int_equal(cp_route(&t.cp, &far, NULL, 0, &f), 0);
	assert_int_equal(f.mtu, 1300);
	assert_memory_equal(&f.nexthop, &dst, 16);
	sh("ip rule add from 10.1.0.0/16 lookup main pref 100");
	ms(50);
	assert_int_equal(cp_route(&t.cp, &far, NULL, 0, &f), -EOPNOTSUPP);
	sh("ip rule del pref 100");
	sh("ip route del 10.99.0.0/16");
	ms(50);
	assert_int_equal(cp_route(&t.cp, &far, NULL, 0, &f), -ENETUNREACH);
}

/* The kernel routes over an interface that is up and has no carrier; so do the tables. */
static void a_link_without_carrier_has_routes(void **state)
{
	struct ipaddr dst = ip("10.87.0.2");
	struct cp_fwd f = { 0 };
	struct cp_link l = { 0 };
	int i, rc = -1;

	sh("ip link add pt-ctld-c type veth peer name pt-ctld-d");
	sh("ip addr add 10.87.0.1/24 dev pt-ctld-c");
	sh("ip link set pt-ctld-c up");
	for (i = 0; i < 200 && rc; i++) {
		ms(5);
		rc = cp_route(&t.cp, &dst, NULL, 0, &f);
	}
	cp_link_find(&t.cp, "pt-ctld-c", &l);
	sh("ip link del pt-ctld-c");
	assert_int_equal(rc, 0);
	assert_int_equal(f.ifindex, l.ifindex);
	assert_true(l.flags & CP_LINK_UP);
}

static void neighbours_are_resolved_on_request(void **state)
{
	struct cp_neigh_req q = { .h = head(CP_REQ_NEIGH, sizeof(q), 0), .ifindex = t.if_a };
	struct ipaddr dst = ip("10.88.0.2"), dead = ip("10.88.0.77");
	struct cp_rep rep;
	struct cp_fwd f;
	uint32_t gen;
	int i;

	sh("ip neigh flush all");
	ms(30);
	assert_int_equal(cp_route(&t.cp, &dst, NULL, 0, &f), 0);
	assert_int_not_equal(f.neigh_state, CP_NEIGH_VALID);
	memcpy(q.addr, &dst, 16);
	assert_int_equal(cp_call(t.c, &q, sizeof(q), NULL, 0, &rep, sizeof(rep), NULL, NULL), 0);
	for (i = 0; i < 200 && f.neigh_state != CP_NEIGH_VALID; i++) {
		ms(5);
		cp_route(&t.cp, &dst, NULL, 0, &f);
	}
	assert_int_equal(f.neigh_state, CP_NEIGH_VALID);
	assert_memory_equal(f.dmac, ((uint8_t[]){ 2, 0, 0, 0, 0x88, 2 }), 6);
	gen = f.gen;
	/* somebody takes the address over */
	sh("ip neigh replace 10.88.0.2 lladdr 02:00:00:00:88:99 dev pt-ctld-a nud reachable");
	ms(30);
	assert_int_equal(cp_route(&t.cp, &dst, NULL, 0, &f), 0);
	assert_int_equal(f.dmac[5], 0x99);
	assert_int_not_equal(f.gen, gen);
	sh("ip neigh replace 10.88.0.2 lladdr 02:00:00:00:88:02 dev pt-ctld-a nud reachable");
	/* nobody answers */
	memcpy(q.addr, &dead, 16);
	assert_int_equal(cp_call(t.c, &q, sizeof(q), NULL, 0, &rep, sizeof(rep), NULL, NULL), 0);
	ms(50);
	assert_int_equal(cp_route(&t.cp, &dead, NULL, 0, &f), 0);
	assert_int_equal(f.neigh_state, CP_NEIGH_INCOMPLETE);
	/* absurd addresses */
	memset(q.addr, 0, 16);
	assert_int_equal(cp_call(t.c, &q, sizeof(q), NULL, 0, &rep, sizeof(rep), NULL, NULL), -EINVAL);
	q.ifindex = 99999;
	memcpy(q.addr, &dst, 16);
	assert_int_equal(cp_call(t.c, &q, sizeof(q), NULL, 0, &rep, sizeof(rep), NULL, NULL), -ENODEV);
}

static void opens_a_stack_and_its_queues(void **state)
{
	struct cp_stack_rep rep;
	struct cp_vi_req q = { .ifindex = t.if_a };
	struct cp_vi_rep vr;
	struct cp_list_rep lr;
	int fds[32], xsk[CP_MAX_FDS], n = CP_MAX_FDS;
	uint32_t bufs[256];

	assert_int_equal(stack_open(t.c, "story", &rep, fds), 0);
	assert_true(rep.flags & CP_STACK_CREATED);
	t.stack = rep.h.stack_id;
	t.arena = fds[0];
	close_fds(fds + 1, CP_N_DOORBELLS);
	assert_int_equal(ftruncate(t.arena, 4096), -1);
	assert_int_equal(proc_add(t.c, 0), 0);

	q.h = head(CP_REQ_VI_OPEN, sizeof(q), 0);
	if (cp_call(t.c, &q, sizeof(q), NULL, 0, &vr, sizeof(vr), xsk, &n) < 0)
		fail_msg("%s", vr.h.why);
	assert_int_equal(n, 1);
	t.frames = mmap(NULL, (size_t)FRAMES << SHIFT, PROT_READ | PROT_WRITE, MAP_SHARED, t.arena, STATE);
	assert_true(t.frames != MAP_FAILED);
	t.shm = (struct vi_shm){ .driver = VI_DRV_XDP, .flags = vr.q[0].flags, .ifindex = t.if_a,
				 .rx_size = vr.q[0].rx_size, .tx_size = vr.q[0].tx_size,
				 .fill_size = vr.q[0].fill_size, .comp_size = vr.q[0].comp_size,
				 .frame_shift = SHIFT, .n_frames = FRAMES };
	assert_int_equal(vi_map_xdp(&t.vi, &t.shm, xsk[0]), 0);
	for (uint32_t i = 0; i < 256; i++)
		bufs[i] = i;
	assert_int_equal(vi_rx_refill(&t.vi, bufs, 256), 256);

	assert_int_equal(list(&lr), 0);
	assert_int_equal(lr.h.n, 1);
	assert_int_equal(lr.s[0].n_procs, 1);
	assert_string_equal(lr.s[0].name, "story");
	/* the keeper of root's stack is not root */
	{
		char path[64];
		struct stat st;

		snprintf(path, sizeof(path), "/proc/%u/cmdline", lr.s[0].keeper_pid);
		assert_int_equal(stat(path, &st), 0);
		snprintf(path, sizeof(path), "grep -q '^Uid:.65534' /proc/%u/status", lr.s[0].keeper_pid);
		sh(path);
	}
	q.ifindex = 1;
	n = CP_MAX_FDS;
	assert_int_equal(cp_call(t.c, &q, sizeof(q), NULL, 0, &vr, sizeof(vr), xsk, &n), -EOPNOTSUPP);
}

static void filters_want_proof(void **state)
{
	int a = bound(SOCK_DGRAM, "0.0.0.0", 4000), b = bound(SOCK_DGRAM, "10.88.0.1", 4001);
	int none = socket(AF_INET, SOCK_DGRAM, 0), lo = bound(SOCK_DGRAM, "127.0.0.1", 4002), other;
	struct cp_filter f = { .kind = CP_FILTER_SOCKET };

	assert_false(on_ring("10.88.0.1", 4000));
	/* unbound, no descriptor, another socket's cookie, no socket at all */
	assert_int_equal(add_socket(none), -EACCES);
	f.cookie = cookie(a);
	assert_int_equal(filter(t.c, CP_REQ_FILTER_ADD, &f, -1), -EACCES);
	assert_int_equal(filter(t.c, CP_REQ_FILTER_ADD, &f, b), -EACCES);
	assert_int_equal(filter(t.c, CP_REQ_FILTER_ADD, &f, t.arena), -EACCES);
	/* a port of another namespace */
	assert_int_equal(setns(t.ns_b, CLONE_NEWNET), 0);
	other = bound(SOCK_DGRAM, "0.0.0.0", 4000);
	assert_int_equal(setns(t.ns_a, CLONE_NEWNET), 0);
	assert_int_equal(add_socket(other), -EACCES);
	/* loopback is not ours */
	assert_int_equal(add_socket(lo), -ENODEV);
	assert_false(on_ring("10.88.0.1", 4000));

	assert_int_equal(add_socket(a), 0);
	assert_int_equal(add_socket(a), 0);
	assert_true(on_ring("10.88.0.1", 4000));
	assert_int_equal(add_socket(b), 0);
	assert_true(on_ring("10.88.0.1", 4001));
	assert_false(on_ring("10.88.0.1", 4002));
	assert_int_equal(del_socket(a), 0);
	assert_int_equal(del_socket(a), -ENOENT);
	assert_false(on_ring("10.88.0.1", 4000));
	assert_true(on_ring("10.88.0.1", 4001));
	assert_int_equal(del_socket(b), 0);
	close(a);
	close(b);
	close(none);
	close(lo);
	close(other);
}

static void sockets_of_one_stack_share_a_filter(void **state)
{
	int a, b, one = 1;
	struct sockaddr_in sa = { .sin_family = AF_INET, .sin_port = htons(4010) };

	a = socket(AF_INET, SOCK_DGRAM, 0);
	b = socket(AF_INET, SOCK_DGRAM, 0);
	setsockopt(a, SOL_SOCKET, SO_REUSEPORT, &one, sizeof(one));
	setsockopt(b, SOL_SOCKET, SO_REUSEPORT, &one, sizeof(one));
	assert_int_equal(bind(a, (struct sockaddr *)&sa, sizeof(sa)), 0);
	assert_int_equal(bind(b, (struct sockaddr *)&sa, sizeof(sa)), 0);
	assert_int_equal(add_socket(a), 0);
	assert_int_equal(add_socket(b), 0);
	assert_int_equal(del_socket(a), 0);
	assert_true(on_ring("10.88.0.1", 4010));
	assert_int_equal(del_socket(b), 0);
	assert_false(on_ring("10.88.0.1", 4010));
	close(a);
	close(b);
}

static void connected_udp_narrows_its_filter(void **state)
{
	int a = bound(SOCK_DGRAM, "0.0.0.0", 4020);
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(9) };
	struct cp_filter f = { .kind = CP_FILTER_CONNECTED, .cookie = cookie(a) };

	assert_int_equal(filter(t.c, CP_REQ_FILTER_ADD, &f, a), -EACCES);
	assert_int_equal(add_socket(a), 0);
	assert_true(on_ring("10.88.0.1", 4020));
	inet_pton(AF_INET, "10.88.0.2", &to.sin_addr);
	assert_int_equal(connect(a, (struct sockaddr *)&to, sizeof(to)), 0);
	assert_int_equal(filter(t.c, CP_REQ_FILTER_ADD, &f, a), 0);
	/* from another port than 9 */
	assert_false(on_ring("10.88.0.1", 4020));
	assert_int_equal(del_socket(a), -ENOENT);
	assert_int_equal(filter(t.c, CP_REQ_FILTER_DEL, &f, -1), 0);
	close(a);
}

static void connections_need_their_local_end(void **state)
{
	int a = bound(SOCK_STREAM, "0.0.0.0", 4030);
	struct cp_filter f = { .kind = CP_FILTER_CONN, .proto = IPPROTO_TCP, .lport = htons(4030),
			       .rport = htons(1), .cookie = 7 };
	struct ipaddr l = ip("10.88.0.1"), r = ip("10.88.0.2");

	memcpy(f.laddr, &l, 16);
	memcpy(f.raddr, &r, 16);
	assert_int_equal(filter(t.c, CP_REQ_FILTER_ADD, &f, -1), -EACCES);
	assert_int_equal(add_socket(a), 0);
	assert_int_equal(filter(t.c, CP_REQ_FILTER_ADD, &f, -1), 0);
	f.lport = htons(4031);
	assert_int_equal(filter(t.c, CP_REQ_FILTER_ADD, &f, -1), -EACCES);
	f.lport = htons(4030);
	assert_int_equal(filter(t.c, CP_REQ_FILTER_DEL, &f, -1), 0);
	assert_int_equal(filter(t.c, CP_REQ_FILTER_DEL, &f, -1), -ENOENT);
	assert_int_equal(del_socket(a), 0);
	close(a);
}

static void multicast_groups_of_a_bound_port(void **state)
{
	int a = bound(SOCK_DGRAM, "0.0.0.0", 4040), b = bound(SOCK_DGRAM, "10.88.0.1", 4041);
	struct cp_filter f = { .kind = CP_FILTER_MCAST, .cookie = cookie(a), .ifindex = t.if_a };
	struct ipaddr g = ip("239.1.2.3"), not = ip("10.88.0.1");
	struct sockaddr_in sa = { .sin_family = AF_INET, .sin_port = htons(4040) };
	int c = socket(AF_INET, SOCK_DGRAM, 0), one = 1;

	memcpy(f.laddr, &not, 16);
	assert_int_equal(filter(t.c, CP_REQ_FILTER_ADD, &f, a), -EINVAL);
	memcpy(f.laddr, &g, 16);
	/* a socket outside the stack may hear the group too: it stays on the kernel */
	setsockopt(c, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	setsockopt(a, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	assert_int_equal(bind(c, (struct sockaddr *)&sa, sizeof(sa)), 0);
	assert_int_equal(filter(t.c, CP_REQ_FILTER_ADD, &f, a), -EADDRINUSE);
	close(c);
	assert_int_equal(filter(t.c, CP_REQ_FILTER_ADD, &f, a), 0);
	assert_true(on_ring("239.1.2.3", 4040));
	assert_int_equal(filter(t.c, CP_REQ_FILTER_DEL, &f, -1), 0);
	assert_false(on_ring("239.1.2.3", 4040));
	f.cookie = cookie(b);
	assert_int_equal(filter(t.c, CP_REQ_FILTER_ADD, &f, b), -EACCES);
	close(a);
	close(b);
}

static void leased_ports_are_reserved_and_filtered(void **state)
{
	struct cp_lease_req q = { .h = head(CP_REQ_PORT_LEASE, sizeof(q), 100) };
	struct ipaddr l = ip("10.88.0.1"), alien = ip("10.88.0.9");
	static struct cp_lease_rep rep;
	struct sockaddr_in sa = { .sin_family = AF_INET };
	struct pollfd p;
	int fd;

	memcpy(q.laddr, &alien, 16);
	assert_int_equal(cp_call(t.c, &q, sizeof(q), NULL, 0, &rep, sizeof(rep), NULL, NULL), -EADDRNOTAVAIL);
	memcpy(q.laddr, &l, 16);
	assert_int_equal(cp_call(t.c, &q, sizeof(q), NULL, 0, &rep, sizeof(rep), NULL, NULL), 0);
	assert_int_equal(rep.h.n, 100);
	/* nobody else can have it */
	fd = socket(AF_INET, SOCK_STREAM, 0);
	sa.sin_addr.s_addr = ipaddr_to4(&l).be;
	sa.sin_port = rep.port[57];
	assert_int_equal(bind(fd, (struct sockaddr *)&sa, sizeof(sa)), -1);
	assert_int_equal(errno, EADDRINUSE);
	close(fd);
	/* and the kernel does not refuse what comes to it */
	assert_int_equal(setns(t.ns_b, CLONE_NEWNET), 0);
	fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	assert_int_equal(setns(t.ns_a, CLONE_NEWNET), 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&sa, sizeof(sa)), -1);
	assert_int_equal(errno, EINPROGRESS);
	p = (struct pollfd){ .fd = fd, .events = POLLOUT };
	assert_int_equal(poll(&p, 1, 100), 0);
	close(fd);
}

static void cookies_lead_to_their_stack(void **state)
{
	struct cp_cookie_req q = { .h = head(CP_REQ_COOKIE_SET, offsetof(struct cp_cookie_req, cookie) + 8, 1) };
	struct cp_rep rep;

	q.cookie[0] = 0x1234567;
	assert_int_equal(cp_call(t.c, &q, q.h.len, NULL, 0, &rep, sizeof(rep), NULL, NULL), 0);
	q.h.type = CP_REQ_COOKIE_FIND;
	q.h.stack_id = 0;
	assert_int_equal(cp_call(t.c, &q, q.h.len, NULL, 0, &rep, sizeof(rep), NULL, NULL), 0);
	assert_int_equal(rep.stack_id, t.stack);
	q.cookie[0]++;
	assert_int_equal(cp_call(t.c, &q, q.h.len, NULL, 0, &rep, sizeof(rep), NULL, NULL), -ENOENT);
}

/* In a process of its own, as another user. */
static int as_other_user(int arena)
{
	struct cp_req q = head(CP_REQ_STACK_ATTACH, sizeof(q), 0);
	struct cp_stack_rep rep;
	struct cp_list_rep lr;
	struct cp_client *c;
	char why[96];
	int fds[32], n = 32;

	if (setresgid(OTHER_UID, OTHER_UID, OTHER_UID) < 0 || setresuid(OTHER_UID, OTHER_UID, OTHER_UID) < 0)
		return 10;
	if (cp_client_open(&c, NULL, why) < 0)
		return 11;
	if (stack_open(c, "story", &rep, fds) != -EACCES || !strstr(rep.h.why, "root"))
		return 12;
	if (cp_call(c, &q, sizeof(q), NULL, 0, &rep, sizeof(rep), fds, &n) != -EACCES)
		return 13;
	if (proc_add(c, 1) != -EACCES)
		return 14;
	q.type = CP_REQ_LIST;
	if (cp_call(c, &q, sizeof(q), NULL, 0, &lr, sizeof(lr), NULL, NULL) != 0 || lr.h.n != 0)
		return 15;
	/* a child that gave up its uid still has the arena, and with it the stack */
	q.type = CP_REQ_STACK_ATTACH;
	n = 32;
	if (cp_call(c, &q, sizeof(q), &arena, 1, &rep, sizeof(rep), fds, &n) != 0)
		return 16;
	return n == 1 + CP_N_DOORBELLS && proc_add(c, 1) == 0 ? 0 : 17;
}

static void another_user_is_refused(void **state)
{
	struct cp_list_rep lr;
	pid_t pid = fork();
	int st;

	if (pid == 0)
		_exit(as_other_user(t.arena));
	waitpid(pid, &st, 0);
	assert_int_equal(WEXITSTATUS(st), 0);
	ms(50);
	assert_int_equal(list(&lr), 0);
	assert_int_equal(lr.s[0].n_procs, 1);
}

static void a_second_stack_does_not_get_taken_queues(void **state)
{
	struct cp_stack_rep rep;
	struct cp_vi_req q = { .ifindex = t.if_a };
	struct cp_vi_rep vr;
	int fds[32], xsk[CP_MAX_FDS], n = CP_MAX_FDS;
	uint32_t first = t.stack;
	char why[96];
	struct cp_client *c2;

	assert_int_equal(cp_client_open(&c2, NULL, why), 0);
	assert_int_equal(stack_open(c2, "rival", &rep, fds), 0);
	close_fds(fds, 1 + CP_N_DOORBELLS);
	t.stack = rep.h.stack_id;
	q.h = head(CP_REQ_VI_OPEN, sizeof(q), 0);
	assert_int_equal(cp_call(c2, &q, sizeof(q), NULL, 0, &vr, sizeof(vr), xsk, &n), -EBUSY);
	assert_non_null(strstr(vr.h.why, "story"));
	cp_client_close(c2);
	t.stack = first;
}

static void a_dead_daemon_is_replaced_under_running_stacks(void **state)
{
	int a = bound(SOCK_DGRAM, "10.88.0.1", 4050), b = bound(SOCK_DGRAM, "0.0.0.0", 4051);
	struct cp_list_rep lr;
	pid_t old = daemon_pid();
	uint32_t keeper;

	assert_int_equal(list(&lr), 0);
	keeper = lr.s[0].keeper_pid;
	assert_int_equal(add_socket(a), 0);
	assert_int_equal(add_socket(b), 0);
	kill_and_wait(old);
	assert_true(on_ring("10.88.0.1", 4050));
	/* the next request starts another */
	assert_int_not_equal(daemon_pid(), old);
	assert_int_equal(list(&lr), 0);
	assert_int_equal(lr.s[0].stack_id, t.stack);
	assert_int_equal(lr.s[0].n_procs, 1);
	assert_int_equal(lr.s[0].keeper_pid, keeper);
	assert_true(on_ring("10.88.0.1", 4050));
	assert_true(on_ring("10.88.0.1", 4051));
	assert_int_equal(del_socket(a), 0);
	assert_false(on_ring("10.88.0.1", 4050));
	assert_int_equal(add_socket(a), 0);
	assert_true(on_ring("10.88.0.1", 4050));
	assert_int_equal(del_socket(a), 0);
	assert_int_equal(del_socket(b), 0);
	close(a);
	close(b);
	/* the tables are the same memory, and alive */
	{
		uint64_t beat = t.cp.shm->heartbeat_ns;

		ms(1200);
		assert_true(t.cp.shm->heartbeat_ns > beat);
	}
}

static void a_dead_holder_is_replaced(void **state)
{
	int a = bound(SOCK_DGRAM, "10.88.0.1", 4060);
	pid_t holder = find_process("postern-hold", 0), old;

	assert_int_equal(add_socket(a), 0);
	kill_and_wait(holder);
	ms(50);
	assert_int_not_equal(find_process("postern-hold", holder), 0);
	old = daemon_pid();
	kill_and_wait(old);
	assert_true(on_ring("10.88.0.1", 4060));
	assert_int_not_equal(daemon_pid(), old);
	assert_int_equal(del_socket(a), 0);
	close(a);
}

static void a_dead_keeper_is_replaced(void **state)
{
	struct cp_list_rep lr;
	uint32_t old;

	assert_int_equal(list(&lr), 0);
	old = lr.s[0].keeper_pid;
	kill_and_wait((pid_t)old);
	ms(50);
	assert_int_equal(list(&lr), 0);
	assert_int_not_equal(lr.s[0].keeper_pid, old);
}

static void an_interface_may_go(void **state)
{
	struct cp_stack_rep rep;
	struct cp_vi_req q = { 0 };
	struct cp_vi_rep vr;
	int fds[32], xsk[CP_MAX_FDS], n = CP_MAX_FDS;
	uint32_t first = t.stack;
	struct cp_list_rep lr;

	sh("ip link add pt-ctld-x type veth peer name pt-ctld-y");
	sh("ip link set pt-ctld-x up && ip link set pt-ctld-y up");
	ms(100);
	assert_int_equal(stack_open(t.c, "second", &rep, fds), 0);
	close_fds(fds, 1 + CP_N_DOORBELLS);
	t.stack = rep.h.stack_id;
	q.h = head(CP_REQ_VI_OPEN, sizeof(q), 0);
	q.ifindex = if_nametoindex("pt-ctld-x");
	if (cp_call(t.c, &q, sizeof(q), NULL, 0, &vr, sizeof(vr), xsk, &n) < 0)
		fail_msg("%s", vr.h.why);
	sh("ip link del pt-ctld-x");
	close_fds(xsk, n);
	ms(100);
	assert_int_equal(list(&lr), 0);
	n = CP_MAX_FDS;
	assert_int_equal(cp_call(t.c, &q, sizeof(q), NULL, 0, &vr, sizeof(vr), xsk, &n), -ENODEV);
	t.stack = first;
}

/* In the parent: the process of the stack has ended. */
static void nothing_is_left_after_the_last_user(void **state)
{
	int i;

	/* the program goes at once, the daemon when it has been idle for a while */
	for (i = 0; i < 40 && system("ip link show pt-ctld-a | grep -q xdp") == 0; i++)
		ms(50);
	sh("! ip link show pt-ctld-a | grep -q xdp");
	for (i = 0; i < 200 && find_process("postern", getpid()); i++)
		ms(50);
	assert_int_equal(find_process("postern", getpid()), 0);
	sh("! ip neigh show | grep -q managed");
}

/* --- the stage --- */

static int keeper_main(int fd)
{
	int pidfds[256], n_pids = 0, fds[CP_MAX_FDS], n_msgs = 0, said = -1;
	union kp_msg m;

	for (;;) {
		struct pollfd p[257] = { { .fd = fd, .events = POLLIN } };
		union { struct cmsghdr h; char room[CMSG_SPACE(sizeof(fds))]; } c;
		struct iovec iov = { &m, sizeof(m) };
		struct msghdr mh = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &c,
				     .msg_controllen = sizeof(c) };
		int n = 0;

		for (int i = 0; i < n_pids; i++)
			p[1 + i] = (struct pollfd){ .fd = pidfds[i], .events = POLLIN };
		poll(p, (nfds_t)(1 + n_pids), -1);
		for (int i = n_pids - 1; i >= 0; i--)
			if (p[1 + i].revents) {
				close(pidfds[i]);
				pidfds[i] = pidfds[--n_pids];
			}
		if (p[0].revents) {
			if (recvmsg(fd, &mh, 0) <= 0)
				return 0;
			if (CMSG_FIRSTHDR(&mh)) {
				n = (int)((c.h.cmsg_len - CMSG_LEN(0)) / sizeof(int));
				memcpy(fds, CMSG_DATA(&c.h), (size_t)n * sizeof(int));
			}
			if (m.h.type == KP_QUIT)
				return 0;
			if (m.h.type == KP_PROC && n == 1) {
				pidfds[n_pids++] = fds[0];
				n_msgs++;
			}
			/* the others are kept open, as a real one would */
		}
		if (n_msgs && !n_pids && said != n_msgs) {
			struct kp_done d = { { KP_DONE, sizeof(d), m.h.stack_id, 0 }, (uint32_t)n_msgs, 0 };

			send(fd, &d, sizeof(d), 0);
			said = n_msgs;
		}
	}
}

static int stage_up(void)
{
	int hold[2];
	pid_t pid;
	char cmd[256], self[200];
	const char *build = getenv("POSTERN_BUILD");
	FILE *f;
	ssize_t len;

	if (unshare(CLONE_NEWNET) < 0)
		return -1;
	t.ns_a = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	if (pipe(hold) < 0)
		return -1;
	pid = fork();
	if (pid == 0) {
		unshare(CLONE_NEWNET);
		if (write(hold[1], "x", 1) < 0)
			_exit(1);
		pause();
		_exit(0);
	}
	if (read(hold[0], cmd, 1) != 1)
		return -1;
	snprintf(cmd, sizeof(cmd), "/proc/%d/ns/net", pid);
	t.ns_b = open(cmd, O_RDONLY | O_CLOEXEC);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	close(hold[0]);
	close(hold[1]);
	if (system("ip link add pt-ctld-a address 02:00:00:00:88:01 type veth peer name pt-ctld-b address 02:00:00:00:88:02") ||
	    system("ip addr add 10.88.0.1/24 dev pt-ctld-a && ip link set lo up && ip link set pt-ctld-a up"))
		return -1;
	snprintf(cmd, sizeof(cmd), "ip link set pt-ctld-b netns /proc/%d/fd/%d", getpid(), t.ns_b);
	if (system(cmd))
		return -1;
	setns(t.ns_b, CLONE_NEWNET);
	if (system("ip addr add 10.88.0.2/24 dev pt-ctld-b && ip link set pt-ctld-b up && ip route add 224.0.0.0/4 dev pt-ctld-b"))
		return -1;
	setns(t.ns_a, CLONE_NEWNET);
	t.if_a = if_nametoindex("pt-ctld-a");

	len = readlink("/proc/self/exe", self, sizeof(self) - 1);
	self[len > 0 ? len : 0] = 0;
	snprintf(t.script, sizeof(t.script), "/tmp/pt-ctld-%d.sh", getpid());
	f = fopen(t.script, "w");
	if (!f)
		return -1;
	fprintf(f, "#!/bin/sh\nexec %s/src/ctld/posternd --keeper %s --group pt-no-such-group \"$@\"\n",
		build ? build : ".", self);
	fclose(f);
	chmod(t.script, 0755);
	return 0;
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(starts_on_demand_without_a_trace_in_the_program),
		cmocka_unit_test(tables_cannot_be_written_by_applications),
		cmocka_unit_test(tables_follow_the_kernel),
		cmocka_unit_test(a_link_without_carrier_has_routes),
		cmocka_unit_test(neighbours_are_resolved_on_request),
		cmocka_unit_test(opens_a_stack_and_its_queues),
		cmocka_unit_test(filters_want_proof),
		cmocka_unit_test(sockets_of_one_stack_share_a_filter),
		cmocka_unit_test(connected_udp_narrows_its_filter),
		cmocka_unit_test(connections_need_their_local_end),
		cmocka_unit_test(multicast_groups_of_a_bound_port),
		cmocka_unit_test(leased_ports_are_reserved_and_filtered),
		cmocka_unit_test(cookies_lead_to_their_stack),
		cmocka_unit_test(another_user_is_refused),
		cmocka_unit_test(a_second_stack_does_not_get_taken_queues),
		cmocka_unit_test(a_dead_daemon_is_replaced_under_running_stacks),
		cmocka_unit_test(a_dead_holder_is_replaced),
		cmocka_unit_test(a_dead_keeper_is_replaced),
		cmocka_unit_test(an_interface_may_go),
	};
	const struct CMUnitTest last[] = {
		cmocka_unit_test(nothing_is_left_after_the_last_user),
	};
	int st, rc;
	pid_t pid;

	if (argc == 3 && strcmp(argv[1], "--fd") == 0)
		return keeper_main(atoi(argv[2]));
	if (geteuid() != 0) {
		puts("needs root: makes network namespaces");
		return 77;
	}
	if (stage_up() < 0) {
		puts("cannot make network namespaces here");
		return 77;
	}
	/* The user of the stack is a process that ends. */
	pid = fork();
	if (pid == 0)
		_exit(cmocka_run_group_tests_name("posternd", tests, NULL, NULL));
	waitpid(pid, &st, 0);
	rc = WIFEXITED(st) ? WEXITSTATUS(st) : 1;
	rc |= cmocka_run_group_tests_name("posternd, afterwards", last, NULL, NULL);
	unlink(t.script);
	return rc ? 1 : 0;
}
