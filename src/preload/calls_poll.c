// SPDX-License-Identifier: BSD-2-Clause
/*
 * calls_poll.c - poll and select over sockets of ours and the kernel's
 *
 * A set without sockets of ours goes to libc unchanged.  Otherwise sock_poll()
 * waits for both kinds; select() is turned into a poll set and back.
 */
#include <alloca.h>
#include <string.h>
#include <sys/mman.h>

#include "base/sys.h"
#include "preload/fdtab.h"
#include "preload/libc.h"

extern void __chk_fail(void) __attribute__((noreturn));

/* Sets up to this size live on the stack. */
enum { SMALL_SET = 1024 };

static void *map_bytes(size_t bytes)
{
	long p = sys6_(SYS_mmap, NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return p < 0 && p > -4096 ? NULL : (void *)p;
}

static struct sock_pollee pollee(int fd)
{
	struct sock_pollee who = { NULL, NULL };

	if (fd >= 0) {
		who.s = fdtab_sock(fd);
		if (!who.s)
			who.e = fdtab_epoll(fd);
	}
	return who;
}

static bool any_ours(const struct pollfd *fds, nfds_t n)
{
	for (nfds_t i = 0; i < n; i++) {
		struct sock_pollee who = pollee(fds[i].fd);

		if (who.s || who.e)
			return true;
	}
	return false;
}

static void find_ours(struct sock_pollee *who, const struct pollfd *fds, nfds_t n)
{
	for (nfds_t i = 0; i < n; i++)
		who[i] = pollee(fds[i].fd);
}

/* SOCK_PASS when the set has nothing of ours. */
static int poll_ours(struct pollfd *fds, nfds_t n, const struct timespec *t, const sigset_t *mask)
{
	struct sock_pollee *who;
	bool small = n <= SMALL_SET;
	int rc;

	if (n >= FDTAB_SIZE || !any_ours(fds, n))
		return SOCK_PASS;
	who = small ? alloca(n * sizeof(*who)) : map_bytes(n * sizeof(*who));
	if (!who)
		return -ENOMEM;
	find_ours(who, fds, n);
	rc = sock_poll(fds, who, n, t, mask, SPIN_POLL);
	if (!small)
		sys2(SYS_munmap, who, n * sizeof(*who));
	return rc;
}

EXPORT int poll(struct pollfd *fds, nfds_t n, int ms)
{
	struct timespec t = { ms / 1000, ms % 1000 * 1000000L };
	int rc = poll_ours(fds, n, ms < 0 ? NULL : &t, NULL);

	return rc == SOCK_PASS ? libc.poll(fds, n, ms) : (int)ret(rc);
}
EXPORT int __poll(struct pollfd *, nfds_t, int) __attribute__((alias("poll")));

static bool bad_time(const struct timespec *t)
{
	return t && (t->tv_sec < 0 || t->tv_nsec < 0 || t->tv_nsec >= (long)NSEC_PER_SEC);
}

EXPORT int ppoll(struct pollfd *fds, nfds_t n, const struct timespec *t, const sigset_t *mask)
{
	int rc = bad_time(t) ? SOCK_PASS : poll_ours(fds, n, t, mask);

	return rc == SOCK_PASS ? libc.ppoll(fds, n, t, mask) : (int)ret(rc);
}

int __poll_chk(struct pollfd *fds, nfds_t n, int ms, size_t room);
EXPORT int __poll_chk(struct pollfd *fds, nfds_t n, int ms, size_t room)
{
	if (room / sizeof(*fds) < n)
		__chk_fail();
	return poll(fds, n, ms);
}

int __ppoll_chk(struct pollfd *fds, nfds_t n, const struct timespec *t, const sigset_t *mask, size_t room);
EXPORT int __ppoll_chk(struct pollfd *fds, nfds_t n, const struct timespec *t, const sigset_t *mask,
		       size_t room)
{
	if (room / sizeof(*fds) < n)
		__chk_fail();
	return ppoll(fds, n, t, mask);
}

/* ---- select ----------------------------------------------------------------------------- */

/* Sets are read as words: they may be longer than FD_SETSIZE. */
#define WORD_BITS (8 * sizeof(unsigned long))

struct sets {
	unsigned long *set[3];	/* read, write, except; NULL as in select() */
	int n;
};

static unsigned long word_of(const struct sets *s, int which, size_t i)
{
	unsigned long w = s->set[which] ? s->set[which][i] : 0;
	size_t bits = (size_t)s->n - i * WORD_BITS;

	return bits < WORD_BITS ? w & ((1ul << bits) - 1) : w;
}

static unsigned long union_word(const struct sets *s, size_t i)
{
	return word_of(s, 0, i) | word_of(s, 1, i) | word_of(s, 2, i);
}

static bool in_set(const struct sets *s, int which, int fd)
{
	return s->set[which] && (s->set[which][(size_t)fd / WORD_BITS] >> ((size_t)fd % WORD_BITS) & 1);
}

/* How many descriptors are named; *ours: is one of them a socket of ours? */
static size_t count_fds(const struct sets *s, bool *ours)
{
	size_t count = 0;

	*ours = false;
	for (size_t i = 0; i * WORD_BITS < (size_t)s->n; i++)
		for (unsigned long w = union_word(s, i); w; w &= w - 1) {
			count++;
			if (!*ours) {
				struct sock_pollee who = pollee((int)(i * WORD_BITS) + __builtin_ctzl(w));

				*ours = who.s || who.e;
			}
		}
	return count;
}

static const short wanted[3] = { POLLIN, POLLOUT, POLLPRI };
/* What makes a member ready: the kernel's POLLIN_SET, POLLOUT_SET and POLLEX_SET. */
static const short counts[3] = {
	POLLIN | POLLRDNORM | POLLRDBAND | POLLHUP | POLLERR,
	POLLOUT | POLLWRNORM | POLLWRBAND | POLLERR,
	POLLPRI,
};

static void to_pollfds(const struct sets *s, struct pollfd *fds)
{
	for (size_t i = 0; i * WORD_BITS < (size_t)s->n; i++)
		for (unsigned long w = union_word(s, i); w; w &= w - 1, fds++) {
			*fds = (struct pollfd){ .fd = (int)(i * WORD_BITS) + __builtin_ctzl(w) };
			for (int k = 0; k < 3; k++)
				if (in_set(s, k, fds->fd))
					fds->events |= wanted[k];
		}
}

/* How many bits select() would report, or -EBADF.  An entry that poll() reports
 * for something that select() does not ask for is left out of the next round. */
static int count_ready(struct pollfd *fds, size_t n)
{
	int ready = 0;

	for (size_t i = 0; i < n; i++) {
		int here = 0;

		if (fds[i].revents & POLLNVAL)
			return -EBADF;
		if (!fds[i].revents || fds[i].fd < 0)
			continue;
		for (int k = 0; k < 3; k++)
			here += (fds[i].events & wanted[k]) && (fds[i].revents & counts[k]);
		if (!here)
			fds[i].fd = -1;
		ready += here;
	}
	return ready;
}

static void write_back(const struct sets *s, const struct pollfd *fds, size_t n)
{
	for (int k = 0; k < 3; k++)
		if (s->set[k])
			memset(s->set[k], 0, ((size_t)s->n + WORD_BITS - 1) / WORD_BITS * sizeof(unsigned long));
	for (size_t i = 0; i < n; i++)
		for (int k = 0; k < 3; k++)
			if (fds[i].fd >= 0 && (fds[i].events & wanted[k]) && (fds[i].revents & counts[k]))
				s->set[k][(size_t)fds[i].fd / WORD_BITS] |= 1ul << ((size_t)fds[i].fd % WORD_BITS);
}

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * NSEC_PER_SEC + (uint64_t)t.tv_nsec;
}

/* @left: time that remains, updated; NULL for ever. */
static int wait_sets(const struct sets *s, struct pollfd *fds, struct sock_pollee *who, size_t n,
		     struct timespec *left, const sigset_t *mask)
{
	uint64_t end = 0, now;
	int rc, ready = 0;

	if (left)
		end = now_ns() + (uint64_t)left->tv_sec * NSEC_PER_SEC + (uint64_t)left->tv_nsec;
	to_pollfds(s, fds);
	find_ours(who, fds, n);
	do {
		rc = sock_poll(fds, who, n, left, mask, SPIN_SELECT);
		if (left) {
			now = now_ns();
			now = now < end ? end - now : 0;
			*left = (struct timespec){ (time_t)(now / NSEC_PER_SEC), (long)(now % NSEC_PER_SEC) };
		}
		if (rc > 0)
			ready = count_ready(fds, n);
	} while (rc > 0 && !ready);
	if (rc < 0 || ready < 0)
		return rc < 0 ? rc : ready;
	write_back(s, fds, n);
	return ready;
}

/* SOCK_PASS when the sets have nothing of ours. */
static int select_ours(const struct sets *s, struct timespec *left, const sigset_t *mask)
{
	size_t n, bytes;
	struct pollfd *fds;
	bool ours, small;
	int rc;

	if (s->n <= 0 || s->n > FDTAB_SIZE || !preload_started())
		return SOCK_PASS;
	n = count_fds(s, &ours);
	if (!ours)
		return SOCK_PASS;
	bytes = n * (sizeof(*fds) + sizeof(struct sock_pollee));
	small = n <= SMALL_SET;
	fds = small ? alloca(bytes) : map_bytes(bytes);
	if (!fds)
		return -ENOMEM;
	rc = wait_sets(s, fds, (struct sock_pollee *)(fds + n), n, left, mask);
	if (!small)
		sys2(SYS_munmap, fds, bytes);
	return rc;
}

EXPORT int select(int n, fd_set *restrict r, fd_set *restrict w, fd_set *restrict x,
		  struct timeval *restrict timeout)
{
	struct sets s = { { (void *)r, (void *)w, (void *)x }, n };
	struct timespec left = { 0 };
	int rc;

	if (timeout && (timeout->tv_sec < 0 || timeout->tv_usec < 0))
		return (int)ret(-EINVAL);
	if (timeout) {
		left.tv_sec = timeout->tv_sec + timeout->tv_usec / 1000000;
		left.tv_nsec = timeout->tv_usec % 1000000 * 1000;
	}
	rc = select_ours(&s, timeout ? &left : NULL, NULL);
	if (rc == SOCK_PASS)
		return libc.select(n, r, w, x, timeout);
	if (timeout)		/* as Linux does: the time left */
		*timeout = (struct timeval){ left.tv_sec, left.tv_nsec / 1000 };
	return (int)ret(rc);
}
EXPORT int __select(int, fd_set *, fd_set *, fd_set *, struct timeval *) __attribute__((alias("select")));

EXPORT int pselect(int n, fd_set *restrict r, fd_set *restrict w, fd_set *restrict x,
		   const struct timespec *restrict timeout, const sigset_t *restrict mask)
{
	struct sets s = { { (void *)r, (void *)w, (void *)x }, n };
	struct timespec left = timeout ? *timeout : (struct timespec){ 0 };
	int rc = bad_time(timeout) ? SOCK_PASS : select_ours(&s, timeout ? &left : NULL, mask);

	return rc == SOCK_PASS ? libc.pselect(n, r, w, x, timeout, mask) : (int)ret(rc);
}
