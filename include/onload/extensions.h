/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * onload/extensions.h - extensions of the socket API for programs under Onload
 *
 * A program may be linked without the library: look the names up with dlsym(),
 * or declare them weak.  Calls return 0 or a value, or -errno; none sets errno.
 */
#ifndef ONLOAD_EXTENSIONS_H
#define ONLOAD_EXTENSIONS_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define ONLOAD_EXT_VERSION_MAJOR 1
#define ONLOAD_EXT_VERSION_MINOR 2
#define ONLOAD_EXT_VERSION_MICRO 0

/**
 * onload_is_present - is this program running under the library?
 *
 * Returns 1; where the library is absent, so is this function.
 */
int onload_is_present(void);

struct onload_stat {
	int32_t stack_id;
	char *stack_name;	/* from malloc(): the caller frees it */
	int32_t endpoint_id;
	int32_t endpoint_state;
};

/**
 * onload_fd_stat - is this descriptor accelerated, and by which stack?
 * @st: filled when the return value is positive
 *
 * Returns 1 for an accelerated socket, 0 for anything else, or -ENOMEM.
 */
int onload_fd_stat(int fd, struct onload_stat *st);

enum onload_stackname_who {
	ONLOAD_THIS_THREAD,
	ONLOAD_ALL_THREADS
};

enum onload_stackname_scope {
	ONLOAD_SCOPE_NOCHANGE,
	ONLOAD_SCOPE_THREAD,
	ONLOAD_SCOPE_PROCESS,
	ONLOAD_SCOPE_USER,
	ONLOAD_SCOPE_GLOBAL
};

/* In place of a name: sockets made from now on stay with the kernel. */
#define ONLOAD_DONT_ACCELERATE ((char *)0)

/**
 * onload_set_stackname - which stack new sockets belong to
 *
 * A process has one stack, since the queues of an interface belong to one: its
 * name is EF_NAME, or that of the first call with a name, before the first
 * socket was accelerated.  The scope adds -t<thread>, -p<process> or -u<user> to it.  A
 * name that would be another stack is refused, and said on standard error.
 *
 * ONLOAD_DONT_ACCELERATE leaves new sockets of this thread or of all to the kernel; a name
 * (also under EF_DONT_ACCELERATE=1), or "" with ONLOAD_SCOPE_NOCHANGE, which is what
 * the environment says, ends that.
 *
 * Returns 0; -EINVAL (@who or @scope out of range); -ENAMETOOLONG (more than 16
 * characters); -EOPNOTSUPP (another stack).
 */
int onload_set_stackname(enum onload_stackname_who who, enum onload_stackname_scope scope, const char *name);

/**
 * onload_stackname_save, onload_stackname_restore - this thread's choice, kept
 * aside and taken back; one is kept
 *
 * Return 0.
 */
int onload_stackname_save(void);
int onload_stackname_restore(void);

enum onload_spin_type {
	ONLOAD_SPIN_ALL,
	ONLOAD_SPIN_UDP_RECV,
	ONLOAD_SPIN_UDP_SEND,
	ONLOAD_SPIN_TCP_RECV,
	ONLOAD_SPIN_TCP_SEND,
	ONLOAD_SPIN_TCP_ACCEPT,
	ONLOAD_SPIN_PIPE_RECV,
	ONLOAD_SPIN_PIPE_SEND,
	ONLOAD_SPIN_SELECT,
	ONLOAD_SPIN_POLL,
	ONLOAD_SPIN_PKT_WAIT,
	ONLOAD_SPIN_EPOLL_WAIT,
	ONLOAD_SPIN_STACK_LOCK,
	ONLOAD_SPIN_SOCK_LOCK,
	ONLOAD_SPIN_SO_BUSY_POLL,
	ONLOAD_SPIN_TCP_CONNECT,
	ONLOAD_SPIN_MIMIC_EF_POLL,
	ONLOAD_SPIN_MAX
};

/**
 * onload_thread_set_spin - spinning in this thread's calls of one kind
 *
 * Begins with the process' options (EF_POLL_USEC and others); how long a call
 * spins remains EF_SPIN_USEC.
 *
 * Returns 0, or -EINVAL (no such kind).
 */
int onload_thread_set_spin(enum onload_spin_type type, unsigned spin);

/**
 * onload_thread_get_spin - the switches of this thread
 * @state: a bit, 1 << (enum onload_spin_type), for each kind that spins
 *
 * Returns 0.
 */
int onload_thread_get_spin(unsigned *state);

#ifdef __cplusplus
}
#endif

#endif
