// SPDX-License-Identifier: BSD-2-Clause
/* Requests of any content get an answer, within its bounds, and change nothing
 * that their sender has no right to; also many of them. */
#include "ctld/ctld.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static struct ctld *ctl;
static struct client root, owner, other;

static int setup(void **state)
{
	ctl = calloc(1, sizeof(*ctl));
	ctl->conf = (struct conf){ .no_keeper = true, .group = "onload", .quota_bytes = 64 << 20 };
	ctl->group = (gid_t)-1;
	ctl->st = calloc(1, sizeof(*ctl->st));
	ctl->tables = calloc(1, sizeof(*ctl->tables));
	cp_init(ctl->tables, 1);
	ctl->cp.shm = ctl->tables;
	ctl->holder.fd = ctl->nl_dump = -1;
	ctl->tables_fd = open("/dev/null", O_RDONLY);
	assert_int_equal(loop_init(&ctl->loop), 0);
	assert_int_equal(filters_init(ctl), 0);
	root = (struct client){ .ctl = ctl, .uid = 0, .may_ring = true, .pidfd = -1 };
	owner = (struct client){ .ctl = ctl, .uid = 1000, .may_ring = true, .pidfd = -1, .next = &root };
	other = (struct client){ .ctl = ctl, .uid = 1001, .may_ring = true, .pidfd = -1, .next = &owner };
	ctl->clients = &other;
	return 0;
}

static int teardown(void **state)
{
	for (size_t i = 0; i < ST_MAX_STACKS; i++)
		if (ctl->stacks[i])
			stack_destroy(ctl->stacks[i], "end of test");
	loop_fini(&ctl->loop);
	close(ctl->tables_fd);
	free(ctl->key_head);
	free(ctl->key_next);
	free(ctl->cookie_head);
	free(ctl->cookie_next);
	free(ctl->st);
	free(ctl->tables);
	free(ctl);
	return 0;
}

static _Alignas(8) char rep_buf[CLIENT_REP_MAX];

static struct cp_rep *ask(struct client *c, const void *req, size_t len, const int *fds, int n)
{
	struct cp_rep *rep = (void *)rep_buf;
	int out[CP_MAX_FDS], n_out = -1;
	size_t got = client_request(c, req, len, fds, n, rep_buf, out, &n_out);

	assert_true(got >= sizeof(*rep) && got <= sizeof(rep_buf));
	assert_int_equal(rep->len, got);
	assert_in_range(n_out, 0, CP_MAX_FDS);
	assert_non_null(memchr(rep->why, 0, sizeof(rep->why)));
	if (rep->rc < 0) {
		assert_int_equal(n_out, 0);
		assert_true(rep->why[0] != 0);
	}
	for (int i = 0; i < n_out; i++)
		assert_true(fcntl(out[i], F_GETFD) >= 0);
	return rep;
}

static struct cp_stack_req open_req(const char *name)
{
	struct cp_stack_req q = { .h = { CP_REQ_STACK_OPEN, sizeof(q), 0, 0 }, .n_frames = 1024,
				  .state_size = 2 << 20 };

	snprintf(q.name, sizeof(q.name), "%s", name);
	return q;
}

static uint32_t open_stack(struct client *c, const char *name)
{
	struct cp_stack_req q = open_req(name);
	struct cp_rep *rep = ask(c, &q, sizeof(q), NULL, 0);

	assert_int_equal(rep->rc, 0);
	return rep->stack_id;
}

static void lengths_and_types_that_lie_are_refused(void **state)
{
	struct cp_req q = { CP_REQ_LIST, sizeof(q), 0, 0 };

	assert_int_equal(ask(&owner, &q, sizeof(q), NULL, 0)->rc, 0);
	assert_int_equal(ask(&owner, &q, sizeof(q) - 1, NULL, 0)->rc, -EINVAL);
	assert_int_equal(ask(&owner, &q, 0, NULL, 0)->rc, -EINVAL);
	q.len++;
	assert_int_equal(ask(&owner, &q, sizeof(q), NULL, 0)->rc, -EINVAL);
	q.len--;
	for (uint32_t type = CP_REQ_COOKIE_SET + 1; type; type *= 2) {
		q.type = type;
		assert_int_equal(ask(&owner, &q, sizeof(q), NULL, 0)->rc, -EINVAL);
	}
	q.type = 0;
	assert_int_equal(ask(&owner, &q, sizeof(q), NULL, 0)->rc, -EINVAL);
	q.type = CP_REQ_HELLO;
	assert_int_equal(ask(&owner, &q, sizeof(q), NULL, 0)->rc, -EINVAL);
}

static void absurd_stacks_are_refused(void **state)
{
	struct cp_stack_req q = open_req("x");

	q.n_frames = UINT32_MAX;
	assert_int_equal(ask(&owner, &q, sizeof(q), NULL, 0)->rc, -EINVAL);
	q.n_frames = 0;
	assert_int_equal(ask(&owner, &q, sizeof(q), NULL, 0)->rc, -EINVAL);
	q = open_req("x");
	q.state_size = UINT64_MAX - 4096 + 1;
	assert_int_equal(ask(&owner, &q, sizeof(q), NULL, 0)->rc, -EINVAL);
	q.state_size = (2 << 20) + 4096;
	assert_int_equal(ask(&owner, &q, sizeof(q), NULL, 0)->rc, -EINVAL);
	q = open_req("x");
	memset(q.name, 'x', sizeof(q.name));
	assert_int_equal(ask(&owner, &q, sizeof(q), NULL, 0)->rc, -EINVAL);
	q = open_req("big");
	q.state_size = 128 << 20;
	assert_int_equal(ask(&owner, &q, sizeof(q), NULL, 0)->rc, -EDQUOT);
	assert_false(ctld_has_stacks(ctl));
}

static void quota_is_per_user(void **state)
{
	struct cp_stack_req q = open_req("a");

	q.state_size = 40 << 20;
	assert_int_equal(ask(&owner, &q, sizeof(q), NULL, 0)->rc, 0);
	q.name[0] = 'b';
	assert_int_equal(ask(&owner, &q, sizeof(q), NULL, 0)->rc, -EDQUOT);
	assert_int_equal(ask(&other, &q, sizeof(q), NULL, 0)->rc, 0);
}

static void stacks_are_their_owners(void **state)
{
	uint32_t id = open_stack(&owner, "mine");
	struct cp_req q = { CP_REQ_STACK_ATTACH, sizeof(q), id, 0 };
	struct cp_cookie_req cq = { .h = { CP_REQ_COOKIE_SET, offsetof(struct cp_cookie_req, cookie) + 8, id, 1 },
				    .cookie = { 99 } };
	int arena = stack_by_id(ctl, id)->arena_fd, ro;
	char path[64];

	assert_int_equal(open_stack(&owner, "mine"), id);
	assert_int_not_equal(open_stack(&other, "mine"), id);
	assert_int_equal(ask(&owner, &q, sizeof(q), NULL, 0)->rc, 0);
	assert_int_equal(ask(&root, &q, sizeof(q), NULL, 0)->rc, 0);
	assert_int_equal(ask(&other, &q, sizeof(q), NULL, 0)->rc, -EACCES);
	assert_int_equal(ask(&other, &cq, cq.h.len, NULL, 0)->rc, -EACCES);
	assert_int_equal(ask(&owner, &cq, cq.h.len, NULL, 0)->rc, 0);
	cq.h.type = CP_REQ_COOKIE_FIND;
	assert_int_equal(ask(&owner, &cq, cq.h.len, NULL, 0)->rc, 0);
	assert_int_equal(ask(&other, &cq, cq.h.len, NULL, 0)->rc, -ENOENT);
	/* another descriptor, or one that cannot write, shows nothing */
	assert_int_equal(ask(&other, &q, sizeof(q), &ctl->tables_fd, 1)->rc, -EACCES);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", arena);
	ro = open(path, O_RDONLY);
	assert_int_equal(ask(&other, &q, sizeof(q), &ro, 1)->rc, -EACCES);
	close(ro);
	assert_int_equal(ask(&other, &q, sizeof(q), &arena, 1)->rc, 0);
	assert_int_equal(ask(&other, &cq, cq.h.len, NULL, 0)->rc, 0);
	q.stack_id = 4711;
	assert_int_equal(ask(&other, &q, sizeof(q), &arena, 1)->rc, -ENOENT);
}

static void no_rings_without_the_right(void **state)
{
	struct cp_stack_req q = open_req("x");
	struct cp_hello_req h = { .h = { CP_REQ_HELLO, sizeof(h), 0, 0 }, .version = CP_PROTO_VERSION };
	uint32_t id = open_stack(&owner, "x");
	struct cp_req a = { CP_REQ_STACK_ATTACH, sizeof(a), id, 0 };

	owner.may_ring = false;
	assert_int_equal(ask(&owner, &q, sizeof(q), NULL, 0)->rc, -EACCES);
	assert_int_equal(ask(&owner, &a, sizeof(a), NULL, 0)->rc, -EACCES);
	assert_int_equal(ask(&owner, &h, sizeof(h), NULL, 0)->rc, 0);
	h.version++;
	assert_int_equal(ask(&owner, &h, sizeof(h), NULL, 0)->rc, -EPROTO);
}

static void descriptors_must_be_those_that_entries_claim(void **state)
{
	struct cp_filter_req q = { .h = { CP_REQ_FILTER_ADD, 0, 0, 2 } };
	int fds[3];

	q.h.stack_id = open_stack(&owner, "x");
	q.h.len = offsetof(struct cp_filter_req, f) + 2 * sizeof(q.f[0]);
	for (int i = 0; i < 3; i++)
		fds[i] = socket(AF_INET, SOCK_DGRAM, 0);
	q.f[0].has_fd = 1;
	assert_int_equal(ask(&owner, &q, q.h.len, fds, 0)->rc, -EINVAL);
	assert_int_equal(ask(&owner, &q, q.h.len, fds, 2)->rc, -EINVAL);
	assert_int_equal(ask(&owner, &q, q.h.len, fds, 1)->rc, 0);
	assert_int_equal(((struct cp_filter_rep *)rep_buf)->rc[0], -EACCES);
	assert_int_equal(((struct cp_filter_rep *)rep_buf)->rc[1], -EACCES);
	q.h.n = CP_MAX_BATCH + 1;
	assert_int_equal(ask(&owner, &q, sizeof(q), fds, 1)->rc, -EINVAL);
	for (int i = 0; i < 3; i++)
		close(fds[i]);
}

static uint64_t rng = 88172645463325252ull;

static uint32_t rnd(void)
{
	rng ^= rng << 13;
	rng ^= rng >> 7;
	rng ^= rng << 17;
	return (uint32_t)(rng >> 16);
}

/* Mostly plausible, then spoilt: pure noise would end at the first check. */
static size_t any_request(char *buf, const uint32_t *ids)
{
	static const uint32_t odd[] = { 0, 1, 2, 64, 127, 128, 129, 1024, 1025, 0x7fffffff, 0x80000000,
					0xffffffff };
	struct cp_req *q = (void *)buf;
	size_t len = sizeof(*q) + rnd() % 300;

	if (rnd() % 8 == 0)
		len = rnd() % (CLIENT_REQ_MAX + 1);
	for (size_t i = 0; i < CLIENT_REQ_MAX / 4; i++)
		((uint32_t *)buf)[i] = rnd() % 3 ? odd[rnd() % ARRAY_SIZE(odd)] : rnd();
	q->type = rnd() % 14;
	q->stack_id = ids[rnd() % 3];
	q->n = odd[rnd() % 6];
	q->len = (uint32_t)len;
	if (q->type == CP_REQ_STACK_OPEN) {
		struct cp_stack_req *s = (void *)buf;

		len = q->len = sizeof(*s);
		memset(s->name, 0, sizeof(s->name));
		s->name[0] = (char)('a' + rnd() % 3);
		if (rnd() % 2) {
			s->n_frames = 64;
			s->state_size = 2 << 20;
		}
	} else if (q->type == CP_REQ_FILTER_ADD || q->type == CP_REQ_FILTER_DEL) {
		struct cp_filter_req *f = (void *)buf;

		q->n = rnd() % 4;
		len = q->len = (uint32_t)(offsetof(struct cp_filter_req, f) + q->n * sizeof(f->f[0]));
		for (uint32_t i = 0; i < q->n; i++) {
			f->f[i].kind = rnd() % 6;
			f->f[i].has_fd = rnd() % 2;
			f->f[i].cookie = rnd() % 4;
		}
	}
	if (rnd() % 16 == 0)
		q->len = rnd();
	return len;
}

static void noise_is_answered(void **state)
{
	static _Alignas(8) char buf[CLIENT_REQ_MAX];
	struct client *who[3] = { &owner, &other, &root };
	uint32_t ids[3] = { 0, open_stack(&owner, "a"), open_stack(&other, "b") };
	struct sockaddr_in sa = { .sin_family = AF_INET };
	int fds[4];

	for (int i = 0; i < 4; i++)
		fds[i] = socket(AF_INET, i & 1 ? SOCK_STREAM : SOCK_DGRAM, 0);
	bind(fds[0], (struct sockaddr *)&sa, sizeof(sa));
	for (int i = 0; i < 60000; i++)
		ask(who[rnd() % 3], buf, any_request(buf, ids), fds, (int)(rnd() % 4));
	for (int i = 0; i < 4; i++)
		close(fds[i]);
	/* nobody got at what is another's */
	for (uint32_t i = 0; i < ctl->st->n_filters; i++)
		if (ctl->st->filters[i].stack_id)
			assert_non_null(stack_by_id(ctl, ctl->st->filters[i].stack_id));
	assert_int_equal(stack_by_id(ctl, ids[1])->rec->uid, 1000);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(lengths_and_types_that_lie_are_refused),
		T(absurd_stacks_are_refused),
		T(quota_is_per_user),
		T(stacks_are_their_owners),
		T(no_rings_without_the_right),
		T(descriptors_must_be_those_that_entries_claim),
		T(noise_is_answered),
	};

	log_init(0, "/dev/null", false);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
