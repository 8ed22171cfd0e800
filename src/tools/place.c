// SPDX-License-Identifier: BSD-2-Clause
/*
 * place.c - finding libonload.so, posternd and the profiles
 *
 * Everything is relative to /proc/self/exe and no prefix is compiled in: the
 * tree can be built, installed below DESTDIR, moved or unpacked anywhere.
 */
#include "tools/place.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int own_dir(char out[PATH_MAX])
{
	ssize_t n = readlink("/proc/self/exe", out, PATH_MAX - 1);
	char *slash;

	if (n < 0)
		return -errno;
	out[n] = 0;
	slash = strrchr(out, '/');
	if (!slash)
		return -ENOENT;
	*slash = 0;
	return 0;
}

/* The first of @rel (NULL-terminated) that exists, made absolute. */
static int find(const char *const *rel, int access_mode, char out[PATH_MAX])
{
	char dir[PATH_MAX], path[PATH_MAX + 64];
	int rc = own_dir(dir);

	if (rc < 0)
		return rc;
	for (; *rel; rel++) {
		snprintf(path, sizeof(path), "%s/%s", dir, *rel);
		if (access(path, access_mode) == 0 && realpath(path, out))
			return 0;
	}
	return -ENOENT;
}

int place_library(char out[PATH_MAX])
{
	static const char *const rel[] = {
		"../lib/libonload.so",
		"../lib64/libonload.so",
		"../preload/libonload.so",	/* src/tools of a Meson build */
		NULL,
	};

	return find(rel, R_OK, out);
}

int place_daemon(char out[PATH_MAX])
{
	static const char *const rel[] = {
		"posternd",
		"../sbin/posternd",
		"../ctld/posternd",
		NULL,
	};

	return find(rel, X_OK, out);
}

int place_profile_dir(unsigned int i, char out[PATH_MAX])
{
	static const char *const home_rel[] = { ".postern/profiles", ".openonload/profiles" };
	static const char *const own_rel[] = {
		"../share/postern/profiles",
		"../../profiles",		/* build/bin of the tree */
	};
	const char *home = getenv("HOME");
	char dir[PATH_MAX];
	struct stat st;
	int n;

	if (i >= ARRAY_SIZE(home_rel) + ARRAY_SIZE(own_rel))
		return -ERANGE;
	if (i < ARRAY_SIZE(home_rel)) {
		if (!home || home[0] != '/')
			return -ENOENT;
		n = snprintf(out, PATH_MAX, "%s/%s", home, home_rel[i]);
	} else {
		if (own_dir(dir) < 0)
			return -ENOENT;
		n = snprintf(out, PATH_MAX, "%s/%s", dir, own_rel[i - ARRAY_SIZE(home_rel)]);
	}
	if (n >= PATH_MAX || stat(out, &st) < 0 || !S_ISDIR(st.st_mode))
		return -ENOENT;
	return 0;
}
