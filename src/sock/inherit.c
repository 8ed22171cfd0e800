// SPDX-License-Identifier: BSD-2-Clause
/*
 * inherit.c - what a connection gets from its listener
 *
 * The settings of a listener's connections are found out at the first accept(), by
 * the kernel: options are copied from socket to socket and read back.  They are kept
 * as a profile, from which every further connection is made without a system call; its
 * kernel socket is told only when somebody will see it: getsockopt(), setsockopt(),
 * fork(), exec, a descriptor that is passed on.  Few listeners exist, and most are
 * alike: profiles are shared and stay.
 *
 * A listener that another process shares and sets options on after that keeps its
 * profile here; it is looked at anew when this process sets one.
 */
#include <pthread.h>
#include <string.h>

#include "sock/sock_priv.h"

enum { MAX_PROFILES = 64, MAX_VALS = 24, VAL_BYTES = 16 };

struct profile {
	uint64_t opts_set;
	uint32_t n;
	uint16_t family, pad;
	struct { int32_t level, name; uint32_t len; uint8_t val[VAL_BYTES]; } v[MAX_VALS];
	struct sock_conf cf;
};

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static struct profile profiles[MAX_PROFILES];
static uint32_t n_profiles;

/* Copy the options of one kernel socket to another, and note them.  False: they do not fit. */
static bool copy(const struct sock *l, int lfd, struct sock *s, int fd, struct profile *p)
{
	uint64_t bits = l->opts_set;
	uint8_t val[64];
	bool fits = true;

	while (bits) {
		uint32_t b = (uint32_t)__builtin_ctzll(bits);
		int level, name, v, factor = opt_inherited(b, &level, &name);
		socklen_t len = sizeof(val);

		bits &= bits - 1;
		if (factor < 0 || sys_getsockopt(lfd, level, name, val, &len) < 0)
			continue;
		if (factor > 1) {
			memcpy(&v, val, sizeof(v));
			v /= factor;
			memcpy(val, &v, sizeof(v));
		}
		if (sys_setsockopt(fd, level, name, val, len) < 0)
			continue;
		s->opts_set |= 1ull << b;
		if (len > VAL_BYTES || p->n == MAX_VALS) {
			fits = false;
			continue;
		}
		p->v[p->n].level = level;
		p->v[p->n].name = name;
		p->v[p->n].len = len;
		memcpy(p->v[p->n].val, val, len);
		p->n++;
	}
	return fits;
}

/* The number of an equal profile, + 1; 0: there is no room for it. */
static uint16_t enter(const struct profile *p)
{
	uint32_t i;

	pthread_mutex_lock(&mutex);
	for (i = 0; i < n_profiles; i++)
		if (memcmp(&profiles[i], p, sizeof(*p)) == 0)
			break;
	if (i == n_profiles && i < MAX_PROFILES)
		profiles[n_profiles++] = *p;
	pthread_mutex_unlock(&mutex);
	return i < MAX_PROFILES ? (uint16_t)(i + 1) : 0;
}

void inherit_conf(struct sock *l, int lfd, struct sock *s, int fd, struct sock_conf *cf)
{
	uint16_t k = __atomic_load_n(&l->inherit, __ATOMIC_ACQUIRE);
	struct profile p;

	if (likely(k)) {
		const struct profile *q = &profiles[k - 1];

		*cf = q->cf;
		s->opts_set = q->opts_set;
		s->pending = q->n ? k : 0;
		return;
	}
	memset(&p, 0, sizeof(p));
	/* A closed listener (-1) has its connections still, but not its options. */
	if (copy(l, lfd, s, fd, &p) && lfd >= 0)
		k = 1;
	conf_read(s, fd, &l->st->cp, cf);
	if (!k)
		return;
	p.family = s->family;
	p.opts_set = s->opts_set;
	/* conf_read() begins with zeroes, so that the gaps are equal too. */
	memcpy(&p.cf, cf, sizeof(p.cf));
	__atomic_store_n(&l->inherit, enter(&p), __ATOMIC_RELEASE);
}

__cold void sock_settle_slow(struct sock *s, int fd)
{
	const struct profile *p = &profiles[s->pending - 1];

	s->pending = 0;
	for (uint32_t i = 0; i < p->n; i++)
		(void)sys_setsockopt(fd, p->v[i].level, p->v[i].name, p->v[i].val, p->v[i].len);
}

void inherit_after_fork(void)
{
	pthread_mutex_init(&mutex, NULL);
}
