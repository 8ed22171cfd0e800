// SPDX-License-Identifier: BSD-2-Clause
/*
 * dump_test.c - onload_stackdump over arenas made here, sound and hostile
 *
 * An arena is a memfd with the engine's own first contents (net_init()) and a few
 * sockets.  The hostile ones have random bytes in the places that name other
 * places; nothing may crash, and every report must end.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <netinet/in.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "sock/sock.h"
#include "tools/cmd_stackdump.h"

_Static_assert((int)DUMP_MODE_UNDECIDED == (int)SOCK_UNDECIDED &&
	       (int)DUMP_MODE_ACCEL == (int)SOCK_ACCEL && (int)DUMP_MODE_KERNEL == (int)SOCK_KERNEL,
	       "values of the descriptor table");

enum { EPS = 64, FRAMES = 64 };

struct rig {
	int fd;
	size_t size;
	uint8_t *mem;
	struct stack_shm *st;
	struct net net;
	struct sock_upper *up;
	struct sock_shm *socks;
};

static struct ipaddr ip4(uint8_t a, uint8_t b, uint8_t c, uint8_t d)
{
	return ipaddr_from4(to_be32((uint32_t)a << 24 | (uint32_t)b << 16 | (uint32_t)c << 8 | d));
}

static void take_sock(struct rig *r, struct ep *ep, uint8_t type)
{
	struct sock_shm *s = &r->socks[ep->id];

	s->in_use = 1;
	s->family = AF_INET;
	s->type = type;
	s->pid = 4242;
	s->uid = 1000;
	s->procs = 1;
	s->flags = SOCK_SF_FILTER;
}

static void add_listener(struct rig *r)
{
	struct tcp_listen *l = (struct tcp_listen *)ep_alloc(&r->net);

	l->ep.kind = EP_TCP_LISTEN;
	l->ep.flags = EP_F_V4;
	l->ep.flow.proto = IPPROTO_TCP;
	l->ep.flow.lport = to_be16(80);
	l->backlog = 128;
	l->n_accept = 2;
	l->accepted = 7;
	l->overflows = 3;
	take_sock(r, &l->ep, SOCK_STREAM);
}

static void add_conn(struct rig *r)
{
	struct tcp_conn *c = (struct tcp_conn *)ep_alloc(&r->net);

	c->ep.kind = EP_TCP_CONN;
	c->ep.flow = (struct flow){ .laddr = ip4(10, 0, 0, 1), .raddr = ip4(10, 0, 0, 2),
				    .lport = to_be16(5000), .rport = to_be16(41000), .proto = IPPROTO_TCP };
	c->state = TCPS_ESTABLISHED;
	c->snd_una = 1000;
	c->snd_nxt = 1500;
	c->snd_end = 1700;
	c->rxq_bytes = 33;
	c->cwnd = 14480;
	c->ssthresh = 65535;
	c->srtt_us = 250;
	c->total_retrans = 4;
	timer_init(r->mem, &c->t_rexmit, TCP_TIMER_REXMIT, c->ep.id);
	timer_init(r->mem, &c->t_delack, TCP_TIMER_DELACK, c->ep.id);
	timer_init(r->mem, &c->t_keep, TCP_TIMER_KEEP, c->ep.id);
	take_sock(r, &c->ep, SOCK_STREAM);
}

static void add_udp(struct rig *r)
{
	struct udp_ep *u = (struct udp_ep *)ep_alloc(&r->net);

	u->ep.kind = EP_UDP;
	u->ep.flags = EP_F_V4;
	u->ep.flow.laddr = ip4(10, 0, 0, 1);
	u->ep.flow.lport = to_be16(53);
	u->ep.flow.proto = IPPROTO_UDP;
	u->rxq_bytes = 64;
	u->rx_dgrams = 75;
	u->drops = 25;
	u->rxq_max_pkts = 12;
	u->n_groups = 1;
	u->groups[0].group = ip4(239, 1, 1, 1);
	u->groups[0].ifindex = 2;
	take_sock(r, &u->ep, SOCK_DGRAM);
}

static void rig_up(struct rig *r)
{
	static const uint8_t secret[16] = "not a secret 123";
	size_t net_off = ROUND_UP(sizeof(struct stack_shm), (size_t)4096), upper, frames;

	memset(r, 0, sizeof(*r));
	upper = net_off + net_state_size(EPS, FRAMES);
	frames = ROUND_UP(upper + 64 * 1024, (size_t)4096);
	r->size = frames + ((size_t)FRAMES << PKT_FRAME_SHIFT);
	r->fd = memfd_create("postern-test", MFD_CLOEXEC);
	assert_true(r->fd >= 0);
	assert_int_equal(ftruncate(r->fd, (off_t)r->size), 0);
	r->mem = mmap(NULL, r->size, PROT_READ | PROT_WRITE, MAP_SHARED, r->fd, 0);
	assert_true(r->mem != MAP_FAILED);
	r->st = (struct stack_shm *)r->mem;
	net_init(r->mem, net_off, EPS, FRAMES, frames, secret, 0);
	net_attach(&r->net, r->mem, net_off, NULL, NULL, 0);
	r->up = (struct sock_upper *)(r->mem + upper);
	r->up->n_socks = EPS;
	r->up->socks_off = 1024;
	r->socks = (struct sock_shm *)(r->mem + upper + 1024);
	*r->st = (struct stack_shm){
		.magic = STACK_MAGIC, .layout = STACK_LAYOUT, .state = STACK_READY, .id = 7, .uid = 1000,
		.n_eps = EPS, .n_frames = FRAMES, .size = r->size, .net_off = net_off,
		.upper_off = upper, .frames_off = frames, .name = "web", .n_vis = 1,
	};
	r->st->vis[0].ifindex = 1;
	r->st->vis[0].rx_size = 2048;
	r->st->vis[0].flags = VI_F_ZEROCOPY;
	add_listener(r);
	add_conn(r);
	add_udp(r);
	r->net.shm->drops[NET_DROP_ip_csum] = 9;
}

static void rig_down(struct rig *r)
{
	munmap(r->mem, r->size);
	close(r->fd);
}

/* What the command line prints about the rig's arena; freed by the caller. */
static char *run(struct rig *r, int want, const char *a1, const char *a2, const char *a3)
{
	char w[4][64];
	char *argv[] = { w[0], w[1], w[2], w[3], NULL }, *text = NULL;
	int argc = 1 + !!a1 + !!a2 + !!a3, rc;
	struct found found = { 0 };
	struct arena *a = NULL;
	size_t len;
	FILE *f;

	snprintf(w[0], 64, "onload_stackdump");
	snprintf(w[1], 64, "%s", a1 ? a1 : "");
	snprintf(w[2], 64, "%s", a2 ? a2 : "");
	snprintf(w[3], 64, "%s", a3 ? a3 : "");
	argv[argc] = NULL;
	if (r && arena_open(&a, dup(r->fd)) == 0) {
		found.arenas = &a;
		found.n_arenas = 1;
	}
	f = open_memstream(&text, &len);
	assert_non_null(f);
	rc = stackdump_run(argc, argv, &found, f);
	fclose(f);
	arena_close(a);
	if (want >= 0)
		assert_int_equal(rc, want);
	return text;
}

static void has(char *text, const char *part)
{
	if (!strstr(text, part))
		fail_msg("lacks '%s' in:\n%s", part, text);
}

static void lists_nothing(void **state)
{
	char *t = run(NULL, 0, NULL, NULL, NULL);

	assert_string_equal(t, "no stacks in this network namespace; start a program under onload\n");
	free(t);
	free(run(NULL, 2, "--nosuch", NULL, NULL));
	free(run(NULL, 1, "12", NULL, NULL));
	free(run(NULL, 2, "web:x", NULL, NULL));
}

static void netstat_has_one_line_per_socket(void **state)
{
	struct rig r;
	char *t;

	rig_up(&r);
	t = run(&r, 0, "netstat", NULL, NULL);
	assert_string_equal(t,
		"stack=7 name=web\n"
		"Proto    recvq    sendq lcl                        rmt                        STATE\n"
		"TCP          2      128 0.0.0.0:80                 0.0.0.0:0                  LISTEN\n"
		"TCP         33      700 10.0.0.1:5000              10.0.0.2:41000             ESTABLISHED\n"
		"UDP         64        0 10.0.0.1:53                0.0.0.0:0                  \n");
	free(t);
	rig_down(&r);
}

static void dump_shows_each_kind(void **state)
{
	struct rig r;
	char *t;

	rig_up(&r);
	t = run(&r, 0, "lots", NULL, NULL);
	has(t, "TCP 7:1 lcl=10.0.0.1:5000 rmt=10.0.0.2:41000 ESTABLISHED\n");
	has(t, "  snd: una=1000 nxt=1500 end=1700 ");
	has(t, "  snd: cwnd=14480 ssthresh=65535 ");
	has(t, "total_retrans=4");
	has(t, "  acceptq: n=2 accepted=7 overflow=3");
	has(t, "  rcv: oflow_drop=25(25%) ");
	has(t, "q_max_pkts=12");
	has(t, "drop_ip_csum: 9");
	has(t, "mode=zero-copy/native");
	free(t);
	t = run(&r, 0, "filters", NULL, NULL);
	has(t, "port       0.0.0.0:80");
	has(t, "5-tuple    10.0.0.1:5000              10.0.0.2:41000");
	has(t, "multicast  239.1.1.1:53");
	free(t);
	t = run(&r, 0, "more_stats", NULL, NULL);
	has(t, "tcp_established: 1\n");
	has(t, "eps_used: 3\n");
	has(t, "udp_drops: 25\n");
	free(t);
	rig_down(&r);
}

static void selects_by_number_and_name(void **state)
{
	struct rig r;
	char *t;

	rig_up(&r);
	t = run(&r, 0, "web:2", NULL, NULL);
	has(t, "UDP 7:2");
	assert_null(strstr(t, "TCP 7:1"));
	assert_null(strstr(t, "pkt_bufs"));
	free(t);
	t = run(&r, 0, "7:*", NULL, NULL);
	has(t, "UDP 7:2");
	has(t, "TCP 7:0");
	free(t);
	t = run(&r, 0, "web", "netif", NULL);
	has(t, "pkt_bufs: max=64 free=64");
	free(t);
	free(run(&r, 1, "7:9", NULL, NULL));
	free(run(&r, 1, "8", NULL, NULL));
	free(run(&r, 1, "webs", NULL, NULL));
	rig_down(&r);
}

static void json_says_the_same(void **state)
{
	static const char *const cmds[] = { "list", "stacks", "lots", "netstat", "netif", "vi_info", "stats",
					    "more_stats", "opts", "env", "processes", "threads", "filters",
					    "why", "doc", "describe_stats" };
	json_t *j, *st, *socks;
	struct rig r;
	char *t;

	rig_up(&r);
	memcpy(r.st->name, "w\x1b[2J\xff\"\\b", 8);
	for (size_t i = 0; i < ARRAY_SIZE(cmds); i++) {
		t = run(&r, 0, "--json", cmds[i], NULL);
		j = json_loads(t, 0, NULL);
		if (!j)
			fail_msg("%s is no JSON: %s", cmds[i], t);
		json_decref(j);
		free(t);
	}
	t = run(&r, 0, "--json", "dump", NULL);
	j = json_loads(t, 0, NULL);
	st = json_array_get(json_object_get(j, "stacks"), 0);
	socks = json_object_get(st, "sockets");
	assert_int_equal(json_array_size(socks), 3);
	assert_int_equal(json_integer_value(json_object_get(json_object_get(json_array_get(socks, 1), "snd"), "cwnd")),
			 14480);
	assert_string_equal(json_string_value(json_object_get(st, "name")), "w?[2J?\"\\");
	json_decref(j);
	free(t);
	rig_down(&r);
}

/* xorshift: the run is repeated by its seed. */
static uint32_t rnd(uint64_t *s)
{
	*s ^= *s << 13;
	*s ^= *s >> 7;
	*s ^= *s << 17;
	return (uint32_t)(*s >> 16);
}

static void damage(struct rig *r, uint64_t *seed)
{
	static const uint64_t evil[] = { 0, 1, UINT32_MAX, UINT64_MAX, 1ull << 63, 1 << 21, 64, 4096 };
	size_t heads[] = { 0, r->st->net_off, r->st->upper_off, (size_t)((uint8_t *)r->net.eps - r->mem),
			   (size_t)((uint8_t *)r->socks - r->mem) };
	size_t lens[] = { 256, offsetof(struct net_shm, wheel), sizeof(struct sock_upper), 4 * EP_SLOT_SIZE,
			  4 * sizeof(struct sock_shm) };
	unsigned n = rnd(seed) % 24;

	if (rnd(seed) % 4 == 0) {	/* a sweep of noise over one part */
		unsigned k = rnd(seed) % ARRAY_SIZE(heads);

		for (size_t i = 0; i < lens[k]; i++)
			r->mem[heads[k] + i] = (uint8_t)rnd(seed);
	}
	for (unsigned i = 0; i < n; i++) {
		unsigned k = rnd(seed) % ARRAY_SIZE(heads);
		uint64_t v = rnd(seed) % 2 ? evil[rnd(seed) % ARRAY_SIZE(evil)] : rnd(seed);
		size_t at = heads[k] + rnd(seed) % (lens[k] - 8);

		memcpy(r->mem + at, &v, rnd(seed) % 2 ? 4 : 8);
	}
	/* Past the head, or nothing would be looked at. */
	if (rnd(seed) % 8) {
		r->st->magic = STACK_MAGIC;
		r->st->layout = STACK_LAYOUT;
		r->st->net_off = ROUND_UP(sizeof(struct stack_shm), (uint64_t)4096);
	}
}

static void survives_hostile_contents(void **state)
{
	static const char *const cmds[] = { "lots", "stacks", "netstat", "filters", "threads", "list" };
	unsigned rounds = getenv("DUMP_FUZZ") ? (unsigned)atoi(getenv("DUMP_FUZZ")) : 400;
	uint64_t seed;

	for (unsigned i = 0; i < rounds; i++) {
		struct rig r;

		seed = 0x9e3779b97f4a7c15ull * (i + 1);
		rig_up(&r);
		damage(&r, &seed);
		if (i % 16 == 15)	/* memory that shrank */
			assert_int_equal(ftruncate(r.fd, rnd(&seed) % (off_t)r.size), 0);
		free(run(&r, -1, i % 2 ? "--json" : "-n", cmds[i % ARRAY_SIZE(cmds)], NULL));
		rig_down(&r);
	}
}

static void shrinks_while_it_is_read(void **state)
{
	struct arena *a;
	struct sock_view v;
	struct rig r;

	rig_up(&r);
	assert_int_equal(arena_open(&a, dup(r.fd)), 0);
	assert_int_equal(ftruncate(r.fd, 4096), 0);
	assert_int_equal(arena_sock(a, 1, &v), -EIO);
	assert_int_equal(arena_sock(a, EPS, &v), -ERANGE);
	assert_int_equal(arena_read(a, UINT64_MAX - 3, &v, 8), -ERANGE);
	arena_close(a);
	rig_down(&r);
}

static void table_of_descriptors_is_bounded(void **state)
{
	struct fdtab_shm head = { .magic = FDTAB_SHM_MAGIC, .version = FDTAB_SHM_VERSION, .pid = 5,
				  .n_fds = UINT32_MAX, .max_fd = UINT32_MAX, .refused = FDTAB_REFUSED_URING,
				  .entry_size = sizeof(struct fdtab_shm_fd) };
	struct fdtab_shm_fd e[3] = {
		{ .kind = FDTAB_SOCK, .mode = SOCK_ACCEL, .type = SOCK_STREAM, .stack_id = 7, .ep_id = 1 },
		{ .kind = FDTAB_KERNEL, .mode = SOCK_KERNEL, .type = SOCK_DGRAM, .reason = SOCK_REASON_loopback },
		{ .seq = 1, .kind = FDTAB_KERNEL, .reason = 9999 },	/* its writer died in it */
	};
	struct app app = { .pid = 5, .nspid = 5, .comm = "prog" };
	int fd = memfd_create("t", MFD_CLOEXEC);
	struct found f = { 0 };
	struct arena *a;
	struct rig r;
	struct out o;
	size_t len;
	char *t;
	FILE *m;

	rig_up(&r);
	assert_int_equal(find_table(fd, &app), -EPROTO);
	assert_int_equal(pwrite(fd, &head, sizeof(head), 0), sizeof(head));
	assert_int_equal(pwrite(fd, e, sizeof(e), sizeof(head)), sizeof(e));
	assert_int_equal(find_table(fd, &app), 0);
	assert_int_equal(app.n_fds, 3);
	assert_false(app.inherited);
	assert_int_equal(arena_open(&a, dup(r.fd)), 0);
	f.arenas = &a;
	f.n_arenas = 1;
	f.apps = &app;
	f.n_apps = 1;
	m = open_memstream(&t, &len);
	out_init(&o, m, false);
	assert_true(dump_why(&o, &f, 5));
	assert_false(dump_why(&o, &f, 6));
	assert_int_equal(out_finish(&o), 0);
	fclose(m);
	has(t, "fd 0     TCP accelerated  7:1 lcl=10.0.0.1:5000 rmt=10.0.0.2:41000 ESTABLISHED");
	has(t, "fd 1     UDP kernel       loopback: loopback address");
	has(t, "1 accelerated, 1 on the kernel, 0 undecided");
	has(t, "io_uring was refused");
	free(t);
	free(app.fds);
	close(fd);
	arena_close(a);
	rig_down(&r);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(lists_nothing),
		cmocka_unit_test(netstat_has_one_line_per_socket),
		cmocka_unit_test(dump_shows_each_kind),
		cmocka_unit_test(selects_by_number_and_name),
		cmocka_unit_test(json_says_the_same),
		cmocka_unit_test(survives_hostile_contents),
		cmocka_unit_test(shrinks_while_it_is_read),
		cmocka_unit_test(table_of_descriptors_is_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
