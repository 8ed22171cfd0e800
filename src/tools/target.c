// SPDX-License-Identifier: BSD-2-Clause
/*
 * target.c - would the dynamic linker load libonload.so into this program?
 *
 * Takes a name as typed, finds the file, follows scripts to their interpreter and
 * reads the ELF header.  Says what LD_PRELOAD would silently ignore: static
 * programs, other architectures, and programs that gain privileges.
 */
#include "tools/target.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

enum { SCRIPT_DEPTH = 4, HEAD_LEN = 512, PHDR_MAX = 256 };

#if defined(__x86_64__)
#define OUR_MACHINE EM_X86_64
#elif defined(__aarch64__)
#define OUR_MACHINE EM_AARCH64
#else
#define OUR_MACHINE EM_NONE
#endif

const char *target_problem(enum target_kind kind)
{
	switch (kind) {
	case TARGET_STATIC:
		return "is statically linked, so no library can be preloaded; "
		       "link it dynamically to accelerate it";
	case TARGET_32BIT:
		return "is a 32-bit program; build it for 64 bits to accelerate it";
	case TARGET_OTHER_ARCH:
		return "is built for another architecture; build it for this machine";
	case TARGET_SETUID:
		return "gains privileges when it starts (setuid, setgid or file capabilities), "
		       "so the system ignores preloaded libraries; run it as that user instead";
	case TARGET_MUSL:
		return "uses the musl C library; link it with glibc to accelerate it";
	default:
		return NULL;
	}
}

static bool executable(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISREG(st.st_mode) && access(path, X_OK) == 0;
}

static enum target_kind search(const char *name, char out[PATH_MAX])
{
	const char *dirs = getenv("PATH");
	bool denied = false;
	struct stat st;

	if (strchr(name, '/')) {
		if (snprintf(out, PATH_MAX, "%s", name) >= PATH_MAX || stat(name, &st) < 0)
			return TARGET_NOT_FOUND;
		return executable(name) ? TARGET_OK : TARGET_NOT_EXECUTABLE;
	}
	if (!*name)
		return TARGET_NOT_FOUND;
	if (!dirs)
		dirs = "/bin:/usr/bin";
	for (;;) {
		size_t len = strcspn(dirs, ":");

		if (snprintf(out, PATH_MAX, "%.*s%s%s", (int)len, dirs, len ? "/" : "",
			     name) < PATH_MAX) {
			if (executable(out))
				return TARGET_OK;
			denied |= stat(out, &st) == 0;
		}
		if (!dirs[len])
			return denied ? TARGET_NOT_EXECUTABLE : TARGET_NOT_FOUND;
		dirs += len + 1;
	}
}

/* Does exec of this file raise AT_SECURE for us? */
static bool gains_privileges(const char *path, const struct stat *st)
{
	if ((st->st_mode & S_ISUID) && st->st_uid != getuid())
		return true;
	if ((st->st_mode & S_ISGID) && (st->st_mode & S_IXGRP) && st->st_gid != getgid())
		return true;
	return getuid() != 0 && getxattr(path, "security.capability", NULL, 0) > 0;
}

static enum target_kind check_elf(int fd, const char *path, const unsigned char *head)
{
	const char *base = strrchr(path, '/');
	Elf64_Ehdr eh;

	if (head[EI_CLASS] == ELFCLASS32)
		return TARGET_32BIT;
	memcpy(&eh, head, sizeof(eh));
	if (head[EI_CLASS] != ELFCLASS64 || head[EI_DATA] != ELFDATA2LSB ||
	    (OUR_MACHINE != EM_NONE && eh.e_machine != OUR_MACHINE))
		return TARGET_OTHER_ARCH;
	if (eh.e_phentsize != sizeof(Elf64_Phdr) || eh.e_phnum > PHDR_MAX)
		return TARGET_OK;	/* the kernel will refuse it in its own words */

	for (int i = 0; i < eh.e_phnum; i++) {
		char interp[256];
		Elf64_Phdr ph;
		ssize_t n;

		if (pread(fd, &ph, sizeof(ph), (off_t)(eh.e_phoff + i * sizeof(ph))) != sizeof(ph))
			return TARGET_OK;
		if (ph.p_type != PT_INTERP)
			continue;
		n = pread(fd, interp, min_t(size_t, ph.p_filesz, sizeof(interp) - 1),
			  (off_t)ph.p_offset);
		interp[n > 0 ? n : 0] = 0;
		return strstr(interp, "ld-musl") ? TARGET_MUSL : TARGET_OK;
	}
	/* The dynamic linker called by name has no interpreter, but preloads. */
	base = base ? base + 1 : path;
	return strncmp(base, "ld-linux", 8) && strncmp(base, "ld.so", 5) ? TARGET_STATIC : TARGET_OK;
}

/* The interpreter of "#!" in @head, or false. */
static bool script_interp(char *head, char out[PATH_MAX])
{
	char *p = head + 2;

	p += strspn(p, " \t");
	p[strcspn(p, " \t\r\n")] = 0;
	if (!*p || strlen(p) >= PATH_MAX)
		return false;
	memcpy(out, p, strlen(p) + 1);
	return true;
}

void target_check(const char *name, struct target *t)
{
	memset(t, 0, sizeof(*t));
	t->kind = search(name, t->path);
	if (t->kind != TARGET_OK)
		return;

	for (int depth = 0; depth <= SCRIPT_DEPTH; depth++) {
		char head[HEAD_LEN + 1] = "";
		struct stat st;
		ssize_t n;
		int fd;

		fd = open(t->path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
		if (fd < 0) {
			/* A script's missing interpreter is execve()'s to report. */
			t->kind = t->script ? TARGET_OK : TARGET_UNREADABLE;
			return;
		}
		n = pread(fd, head, HEAD_LEN, 0);
		if (fstat(fd, &st) < 0 || n < 2) {
			close(fd);
			return;
		}
		/* setuid has no effect on scripts, but on their interpreters */
		if (!memcmp(head, "#!", 2)) {
			close(fd);
			t->script = true;
			if (!script_interp(head, t->path))
				return;
			continue;
		}
		if (n >= (ssize_t)sizeof(Elf64_Ehdr) && !memcmp(head, ELFMAG, SELFMAG))
			t->kind = check_elf(fd, t->path, (const unsigned char *)head);
		close(fd);
		if (t->kind == TARGET_OK && gains_privileges(t->path, &st))
			t->kind = TARGET_SETUID;
		return;
	}
}
