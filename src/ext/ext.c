// SPDX-License-Identifier: BSD-2-Clause
/*
 * ext.c - the Onload extensions API: asking and switching
 *
 * Present only in libonload.so.  Returns follow the API: values, or -errno;
 * errno is not touched.  Zero-copy, templated sends and stack options are not
 * here.
 */
#include "ext/ext.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/sys.h"
#include "onload/extensions.h"

#define EXPORT __attribute__((visibility("default")))

enum { MAX_NAME = 16 };		/* without what the scope adds */

#define THREAD_DECIDES 0x80000000u	/* of stack_thread.spin: not the process' options */

struct sock *(*ext_find_sock)(int fd);
void (*ext_start)(void);
static __thread int8_t saved_accel __attribute__((tls_model("initial-exec")));

/* What programs check their headers against: major equal, minor not newer. */
extern const int onload_lib_ext_version[3];
EXPORT const int onload_lib_ext_version[3] = { ONLOAD_EXT_VERSION_MAJOR, ONLOAD_EXT_VERSION_MINOR,
					       ONLOAD_EXT_VERSION_MICRO };
extern const char *const onload_version;
EXPORT const char *const onload_version = POSTERN_VERSION;

EXPORT int onload_is_present(void)
{
	return 1;
}

EXPORT int onload_fd_stat(int fd, struct onload_stat *st)
{
	struct sock *s = ext_find_sock ? ext_find_sock(fd) : NULL;
	char *name;

	if (!s || s->mode != SOCK_ACCEL)
		return 0;
	name = strdup(s->st->shm->name);
	if (!name)
		return -ENOMEM;
	st->stack_id = (int32_t)s->st->id;
	st->stack_name = name;
	st->endpoint_id = (int32_t)s->id;
	st->endpoint_state = s->ep ? s->ep->kind : 0;
	return 1;
}

/* The full name: the scope adds who shares the stack. */
static int scoped_name(char *buf, size_t size, enum onload_stackname_scope scope, const char *name)
{
	static const struct { const char *mark; long nr; } of[] = {
		[ONLOAD_SCOPE_THREAD] = { "-t", SYS_gettid },
		[ONLOAD_SCOPE_PROCESS] = { "-p", SYS_getpid },
		[ONLOAD_SCOPE_USER] = { "-u", SYS_geteuid },
	};
	int n;

	if (strlen(name) > MAX_NAME)
		return -ENAMETOOLONG;
	if (scope == ONLOAD_SCOPE_GLOBAL || scope == ONLOAD_SCOPE_NOCHANGE)
		n = snprintf(buf, size, "%s", name);
	else
		n = snprintf(buf, size, "%s%s%ld", name, of[scope].mark, sys0(of[scope].nr));
	return n < (int)size ? 0 : -ENAMETOOLONG;
}

EXPORT int onload_set_stackname(enum onload_stackname_who who, enum onload_stackname_scope scope, const char *name)
{
	char full[MAX_NAME + 16];
	int8_t choice = name ? *name ? 1 : 0 : -1;
	int rc;

	if ((unsigned)who > ONLOAD_ALL_THREADS || (unsigned)scope > ONLOAD_SCOPE_GLOBAL)
		return -EINVAL;
	/* The process' own stack, whatever it is called: asked for by no name, without a scope. */
	if (name && (*name || scope != ONLOAD_SCOPE_NOCHANGE)) {
		if (ext_start)
			ext_start();
		rc = scoped_name(full, sizeof(full), scope, name);
		if (rc == 0)
			rc = sock_name_stack(full);
		if (rc < 0)
			return rc;
		choice = 1;
	}
	if (who == ONLOAD_ALL_THREADS)
		sock_accel_process = choice;
	sock_accel_thread = who == ONLOAD_ALL_THREADS ? 0 : choice;
	return 0;
}

EXPORT int onload_stackname_save(void)
{
	saved_accel = sock_accel_thread;
	return 0;
}

EXPORT int onload_stackname_restore(void)
{
	sock_accel_thread = saved_accel;
	return 0;
}

/* ---- spinning --------------------------------------------------------------------- */

/* Kinds without a bit are accepted: we have no such wait. */
static const uint32_t spin_bits[ONLOAD_SPIN_MAX] = {
	[ONLOAD_SPIN_UDP_RECV] = SPIN_UDP_RECV,
	[ONLOAD_SPIN_UDP_SEND] = SPIN_UDP_SEND,
	[ONLOAD_SPIN_TCP_RECV] = SPIN_TCP_RECV,
	[ONLOAD_SPIN_TCP_SEND] = SPIN_TCP_SEND,
	[ONLOAD_SPIN_TCP_ACCEPT] = SPIN_TCP_ACCEPT,
	[ONLOAD_SPIN_SELECT] = SPIN_SELECT,
	[ONLOAD_SPIN_POLL] = SPIN_POLL,
	[ONLOAD_SPIN_EPOLL_WAIT] = SPIN_EPOLL,
	[ONLOAD_SPIN_TCP_CONNECT] = SPIN_TCP_CONNECT,
};
enum {
	SPIN_MIMIC = SPIN_UDP_RECV | SPIN_UDP_SEND | SPIN_TCP_RECV | SPIN_TCP_SEND | SPIN_SELECT | SPIN_POLL |
		     SPIN_EPOLL,
	SPIN_EVERYTHING = SPIN_MIMIC | SPIN_TCP_ACCEPT | SPIN_TCP_CONNECT,
};

/* The switches that rule this thread now. */
static uint32_t spin_now(void)
{
	const struct opts *o;

	if (stack_thread.spin & THREAD_DECIDES)
		return stack_thread.spin;
	if (ext_start)
		ext_start();
	o = sock_opts();
	return THREAD_DECIDES | (o->udp_recv_spin ? SPIN_UDP_RECV : 0) | (o->udp_send_spin ? SPIN_UDP_SEND : 0) |
	       (o->tcp_recv_spin ? SPIN_TCP_RECV : 0) | (o->tcp_send_spin ? SPIN_TCP_SEND : 0) |
	       (o->tcp_accept_spin ? SPIN_TCP_ACCEPT : 0) | (o->tcp_connect_spin ? SPIN_TCP_CONNECT : 0) |
	       (o->select_spin ? SPIN_SELECT : 0) | (o->poll_spin ? SPIN_POLL : 0) |
	       (o->epoll_spin ? SPIN_EPOLL : 0);
}

EXPORT int onload_thread_set_spin(enum onload_spin_type type, unsigned spin)
{
	uint32_t bits;

	if ((unsigned)type >= ONLOAD_SPIN_MAX)
		return -EINVAL;
	if (type == ONLOAD_SPIN_ALL)
		bits = SPIN_EVERYTHING;
	else if (type == ONLOAD_SPIN_MIMIC_EF_POLL)
		bits = SPIN_MIMIC;
	else
		bits = spin_bits[type];
	stack_thread.spin = spin ? spin_now() | bits : spin_now() & ~bits;
	return 0;
}

EXPORT int onload_thread_get_spin(unsigned *state)
{
	uint32_t now = spin_now();

	*state = 0;
	for (unsigned i = 0; i < ONLOAD_SPIN_MAX; i++)
		if (spin_bits[i] & now)
			*state |= 1u << i;
	return 0;
}
