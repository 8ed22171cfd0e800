// SPDX-License-Identifier: BSD-2-Clause
/*
 * exec.c - new programs: keep the library and its options in the environment
 *
 * A program that cleans its environment would lose acceleration in what it
 * starts.  Where the new environment lacks us, LD_PRELOAD and the EF_ variables
 * of our own start are put back, unless EF_NO_PRELOAD_RESTORE=1.  Sockets that
 * the new program inherits are announced to sock/.  Works in the child of
 * vfork(): memory only from the stack.
 */
#include <alloca.h>
#include <stdarg.h>
#include <string.h>
#include <sys/mman.h>

#include "base/sys.h"
#include "preload/fdtab.h"
#include "preload/libc.h"

extern char **environ;

#define PRELOAD "LD_PRELOAD="

static char **saved;		/* "NAME=value" ..., LD_PRELOAD first */
static size_t n_saved;

static bool begins(const char *s, const char *with)
{
	return strncmp(s, with, strlen(with)) == 0;
}

static bool has_us(const char *preload)
{
	return strstr(preload, "libonload") != NULL;
}

void exec_init(char **env)
{
	size_t bytes = 0, n = 0;
	const char *preload = NULL;
	char *store;
	long map;

	if (!env || n_saved)
		return;
	for (char **e = env; *e; e++) {
		if (begins(*e, "EF_NO_PRELOAD_RESTORE=") && strtol(strchr(*e, '=') + 1, NULL, 10))
			return;
		if (begins(*e, PRELOAD) && has_us(*e))
			preload = *e;
		else if (!begins(*e, "EF_"))
			continue;
		n++;
		bytes += strlen(*e) + 1;
	}
	if (!preload)
		return;
	map = sys6_(SYS_mmap, NULL, n * sizeof(*saved) + bytes, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (map < 0 && map > -4096)
		return;
	saved = (char **)map;
	store = (char *)(saved + n);
	for (char **e = env; *e; e++) {
		size_t len = strlen(*e) + 1;

		if (*e != preload && !begins(*e, "EF_"))
			continue;
		saved[n_saved] = memcpy(store, *e, len);
		if (*e == preload && n_saved) {
			saved[n_saved] = saved[0];
			saved[0] = store;
		}
		n_saved++;
		store += len;
	}
}

static const char *find(char *const *env, const char *name, size_t len)
{
	for (; env && *env; env++)
		if (strncmp(*env, name, len) == 0 && (*env)[len] == '=')
			return *env;
	return NULL;
}

/* Room that restore() needs, in bytes; 0: nothing to do. */
static size_t restore_size(char *const *env)
{
	const char *theirs;
	size_t n = 0;

	if (!n_saved || !env)
		return 0;
	theirs = find(env, PRELOAD, sizeof(PRELOAD) - 2);
	if (theirs && has_us(theirs))
		return 0;
	while (env[n])
		n++;
	return (n + n_saved + 1) * sizeof(char *) + strlen(saved[0]) + (theirs ? strlen(theirs) : 0) + 2;
}

static char *const *restore(void *room, char *const *env)
{
	char **out = room;
	const char *theirs = find(env, PRELOAD, sizeof(PRELOAD) - 2);
	size_t n = 0, len;

	for (char *const *e = env; *e; e++)
		if (*e != theirs)
			out[n++] = *e;
	for (size_t i = 1; i < n_saved; i++)
		if (!find(env, saved[i], (size_t)(strchr(saved[i], '=') - saved[i])))
			out[n++] = saved[i];
	out[n] = saved[0];
	if (theirs && theirs[sizeof(PRELOAD) - 1]) {
		char *both = (char *)(out + n + 2);

		len = strlen(saved[0]);
		memcpy(both, saved[0], len);
		both[len] = ':';
		theirs += sizeof(PRELOAD) - 1;
		memcpy(both + len + 1, theirs, strlen(theirs) + 1);
		out[n] = both;
	}
	out[n + 1] = NULL;
	return out;
}

/* A new process gets the descriptors that survive exec.  @all: also those marked
 * close-on-exec, which file actions may keep. */
static void announce_inherited(bool all)
{
	if (!preload_started())
		return;
	for (int fd = 0; fd <= fdtab_max(); fd++) {
		struct sock *s = word_sock(fdtab_word(fd));

		if (s && s->mode == SOCK_ACCEL && (all || !(sys_fcntl(fd, F_GETFD, 0) & FD_CLOEXEC)))
			sock_passing(s, fd);
	}
}

/* This process is about to become another program. */
static void announce(void)
{
	if (!preload_started())
		return;
	if (fork_shares_memory())
		announce_inherited(false);
	else {
		fdtab_identify();
		sock_exec_prepare();
	}
}

/* A macro, since the memory must be the caller's frame. */
#define PREPARE(env)                                                      \
	do {                                                              \
		size_t size_ = restore_size(env);                         \
									  \
		if (size_)                                                \
			env = restore(alloca(size_), env);                \
		announce();                                               \
	} while (0)

EXPORT int execve(const char *path, char *const argv[], char *const env[])
{
	char *const *e = env;

	PREPARE(e);
	return libc.execve(path, argv, e);
}

EXPORT int execveat(int fd, const char *path, char *const argv[], char *const env[], int flags)
{
	char *const *e = env;

	PREPARE(e);
	return libc.execveat(fd, path, argv, e, flags);
}

EXPORT int fexecve(int fd, char *const argv[], char *const env[])
{
	char *const *e = env;

	PREPARE(e);
	return libc.fexecve(fd, argv, e);
}

EXPORT int execvpe(const char *file, char *const argv[], char *const env[])
{
	char *const *e = env;

	PREPARE(e);
	return libc.execvpe(file, argv, e);
}

EXPORT int execv(const char *path, char *const argv[])
{
	return execve(path, argv, environ);
}

EXPORT int execvp(const char *file, char *const argv[])
{
	return execvpe(file, argv, environ);
}

static size_t count_args(const char *first, va_list ap)
{
	size_t n = 1;

	while (first && va_arg(ap, char *))
		n++;
	return n;
}

/* @argv has room for all and the closing NULL, which is read as well. */
static void collect_args(char **argv, const char *first, va_list ap)
{
	*argv = (char *)first;
	while (*argv++)
		*argv = va_arg(ap, char *);
}

#define COLLECT(argv, ap, first)                                          \
	do {                                                              \
		va_start(ap, first);                                      \
		argv = alloca((count_args(first, ap) + 2) * sizeof(*argv));      \
		va_end(ap);                                               \
		va_start(ap, first);                                      \
		collect_args(argv, first, ap);                            \
	} while (0)

EXPORT int execl(const char *path, const char *arg, ...)
{
	char **argv;
	va_list ap;

	COLLECT(argv, ap, arg);
	va_end(ap);
	return execve(path, argv, environ);
}

EXPORT int execlp(const char *file, const char *arg, ...)
{
	char **argv;
	va_list ap;

	COLLECT(argv, ap, arg);
	va_end(ap);
	return execvpe(file, argv, environ);
}

EXPORT int execle(const char *path, const char *arg, ...)
{
	char **argv;
	char *const *env;
	va_list ap;

	COLLECT(argv, ap, arg);
	env = va_arg(ap, char *const *);
	va_end(ap);
	return execve(path, argv, env);
}

/* libc's child runs in our memory, but calls nothing of ours: all is said here. */

EXPORT int posix_spawn(pid_t *pid, const char *path, const posix_spawn_file_actions_t *fa,
		       const posix_spawnattr_t *attr, char *const argv[], char *const env[])
{
	char *const *e = env;
	size_t size = restore_size(e);

	if (size)
		e = restore(alloca(size), e);
	announce_inherited(fa != NULL);
	return libc.posix_spawn(pid, path, fa, attr, argv, e);
}

EXPORT int posix_spawnp(pid_t *pid, const char *file, const posix_spawn_file_actions_t *fa,
			const posix_spawnattr_t *attr, char *const argv[], char *const env[])
{
	char *const *e = env;
	size_t size = restore_size(e);

	if (size)
		e = restore(alloca(size), e);
	announce_inherited(fa != NULL);
	return libc.posix_spawnp(pid, file, fa, attr, argv, e);
}
