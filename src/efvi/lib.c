// SPDX-License-Identifier: BSD-2-Clause
/*
 * lib.c - what the process has one of: handles, the conversation with posternd
 *
 * The only mutable state of the library outside objects.  After fork() the child
 * makes a conversation of its own; VIs stay the parent's.
 */
#include "efvi/efvi.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/sys.h"

static struct {
	pthread_mutex_t mutex;
	struct efvi_dh *dhs;
	struct cp_client *client;
	int client_pid;
	struct cp cp;
} lib = { .mutex = PTHREAD_MUTEX_INITIALIZER };

void efvi_lock(void)
{
	pthread_mutex_lock(&lib.mutex);
}

void efvi_unlock(void)
{
	pthread_mutex_unlock(&lib.mutex);
}

void efvi_say(const char *fmt, ...)
{
	va_list ap;

	if (efvi_env_int("EF_VI_LOG_LEVEL", 0) <= 0)
		return;
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
}

int efvi_env_int(const char *name, int otherwise)
{
	const char *s = getenv(name);
	char *end;
	long v;

	if (!s || !*s)
		return otherwise;
	v = strtol(s, &end, 0);
	return *end || v < INT32_MIN || v > INT32_MAX ? otherwise : (int)v;
}

/* Where posternd is: named by the environment, or beside this library. */
static const char *daemon_path(char *buf, size_t size)
{
	static const char *const beside[] = { "../sbin/posternd", "../bin/posternd", "../ctld/posternd" };
	const char *env = getenv("POSTERN_POSTERND"), *slash;
	Dl_info info;

	if (geteuid() != 0)
		return NULL;
	if (env)
		return *env ? env : NULL;
	if (!dladdr((void *)(uintptr_t)ef_driver_open, &info) || !info.dli_fname)
		return NULL;
	slash = strrchr(info.dli_fname, '/');
	for (size_t i = 0; slash && i < ARRAY_SIZE(beside); i++) {
		snprintf(buf, size, "%.*s/%s", (int)(slash - info.dli_fname), info.dli_fname, beside[i]);
		if (access(buf, X_OK) == 0)
			return buf;
	}
	return NULL;
}

int efvi_client(struct cp_client **out)
{
	char path[512], why[96] = "";
	int rc, pid = sys_getpid();

	if (lib.client && lib.client_pid != pid) {
		cp_client_reset(lib.client);
		lib.client_pid = pid;
	}
	if (!lib.client) {
		rc = cp_client_open(&lib.client, daemon_path(path, sizeof(path)), why);
		if (rc < 0) {
			lib.client = NULL;
			efvi_say("ef_vi: %s", why);
			return rc;
		}
		lib.client_pid = pid;
	}
	*out = lib.client;
	return 0;
}

int efvi_tables(struct cp *out)
{
	struct cp_client *c;
	int rc;

	if (!lib.cp.shm) {
		rc = efvi_client(&c);
		if (rc < 0)
			return rc;
		rc = cp_attach(&lib.cp, cp_client_tables_fd(c));
		if (rc < 0) {
			lib.cp.shm = NULL;
			return rc;
		}
	}
	*out = lib.cp;
	return 0;
}

struct efvi_dh *efvi_dh_find(int fd)
{
	struct efvi_dh *d;

	for (d = lib.dhs; d && d->fd != fd; d = d->next)
		;
	return d;
}

EFVI_API int ef_driver_open(ef_driver_handle *dh_out)
{
	struct efvi_dh *d = calloc(1, sizeof(*d));

	if (!d)
		return -ENOMEM;
	d->timer_fd = -1;
	d->fd = sys_epoll_create1(02000000 /* EPOLL_CLOEXEC */);
	if (d->fd < 0) {
		int rc = d->fd;

		free(d);
		return rc;
	}
	efvi_lock();
	d->next = lib.dhs;
	lib.dhs = d;
	efvi_unlock();
	*dh_out = d->fd;
	return 0;
}

EFVI_API int ef_driver_close(ef_driver_handle dh)
{
	struct efvi_dh **at, *d;

	efvi_lock();
	for (at = &lib.dhs; *at && (*at)->fd != dh; at = &(*at)->next)
		;
	d = *at;
	if (!d) {
		efvi_unlock();
		return -EBADF;
	}
	efvi_vis_free(dh);
	efvi_sets_free(dh);
	efvi_pds_free(dh);
	efvi_memregs_free(dh);
	*at = d->next;
	efvi_unlock();
	if (d->timer_fd >= 0)
		sys_close(d->timer_fd);
	sys_close(d->fd);
	free(d);
	return 0;
}

EFVI_API const char *ef_vi_version_str(void)
{
	return POSTERN_VERSION;
}

EFVI_API const char *ef_vi_driver_interface_str(void)
{
	return "postern-1";
}
_Static_assert(CP_PROTO_VERSION == 1, "ef_vi_driver_interface_str() says so");
