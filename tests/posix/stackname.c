// SPDX-License-Identifier: BSD-2-Clause
/* onload_set_stackname(): what it answers (on the kernel: what it should), and whose sockets are then whose. */
#include "posix.h"

#include <dlfcn.h>
#include <onload/extensions.h>

static int (*set_name)(enum onload_stackname_who, enum onload_stackname_scope, const char *);
static int (*stat_fd)(int, struct onload_stat *);
static int (*save)(void), (*restore)(void);

static void name(const char *what, int who, int scope, const char *n, int expected)
{
	int rc = set_name ? set_name((enum onload_stackname_who)who, (enum onload_stackname_scope)scope, n) : expected;

	out("%s: %s", what, rc ? strerrorname_np(-rc) : "0");
}

/* A new socket: ours, and of which stack? */
static void socket_is(const char *what, int port, const char *expected)
{
	struct onload_stat st = { .stack_name = NULL };
	int fd = udp_bound(test_addr(port));

	if (!stat_fd)
		out("%s: %s", what, expected);
	else
		out("%s: %s", what, stat_fd(fd, &st) == 1 ? st.stack_name : "the kernel's");
	free(st.stack_name);
	close(fd);
}

void test(void)
{
	set_name = (int (*)(enum onload_stackname_who, enum onload_stackname_scope, const char *))
		dlsym(RTLD_DEFAULT, "onload_set_stackname");
	stat_fd = (int (*)(int, struct onload_stat *))dlsym(RTLD_DEFAULT, "onload_fd_stat");
	save = (int (*)(void))dlsym(RTLD_DEFAULT, "onload_stackname_save");
	restore = (int (*)(void))dlsym(RTLD_DEFAULT, "onload_stackname_restore");

	name("who", 2, ONLOAD_SCOPE_GLOBAL, "x", -EINVAL);
	name("scope", ONLOAD_THIS_THREAD, 5, "x", -EINVAL);
	name("too long", ONLOAD_ALL_THREADS, ONLOAD_SCOPE_GLOBAL, "seventeen-letters", -ENAMETOOLONG);
	name("kernel, this thread", ONLOAD_THIS_THREAD, ONLOAD_SCOPE_NOCHANGE, ONLOAD_DONT_ACCELERATE, 0);
	socket_is("a socket", 0, "the kernel's");
	if (save)
		save();
	name("the first name", ONLOAD_THIS_THREAD, ONLOAD_SCOPE_GLOBAL, "mine", 0);
	socket_is("a socket", 1, "mine");
	name("the same", ONLOAD_ALL_THREADS, ONLOAD_SCOPE_GLOBAL, "mine", 0);
	name("another", ONLOAD_THIS_THREAD, ONLOAD_SCOPE_GLOBAL, "other", -EOPNOTSUPP);
	name("for a thread", ONLOAD_THIS_THREAD, ONLOAD_SCOPE_THREAD, "mine", -EOPNOTSUPP);
	socket_is("a socket", 2, "mine");
	name("kernel, this thread", ONLOAD_THIS_THREAD, ONLOAD_SCOPE_NOCHANGE, ONLOAD_DONT_ACCELERATE, 0);
	socket_is("a socket", 3, "the kernel's");
	name("what the environment says", ONLOAD_THIS_THREAD, ONLOAD_SCOPE_NOCHANGE, "", 0);
	socket_is("a socket", 4, "mine");
	name("kernel, all threads", ONLOAD_ALL_THREADS, ONLOAD_SCOPE_NOCHANGE, ONLOAD_DONT_ACCELERATE, 0);
	socket_is("a socket", 5, "the kernel's");
	name("end of that", ONLOAD_ALL_THREADS, ONLOAD_SCOPE_NOCHANGE, "", 0);
	socket_is("a socket", 6, "mine");
	if (restore)
		restore();
	socket_is("restored", 7, "the kernel's");
}

void peer(void)
{
}
