// SPDX-License-Identifier: BSD-2-Clause
/*
 * priv.c - giving up what posternd does not need
 *
 * Capabilities are cut to those of its duties, new privileges ruled out, and the
 * system calls that only an intruder would make are refused.  The list names what
 * is refused and not what is allowed, because the keeper inherits it through
 * exec() and lays its own, narrower one over it.
 */
#include "ctld/ctld.h"

#include <errno.h>
#include <seccomp.h>
#include <sys/capability.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#ifndef CAP_BPF
#define CAP_PERFMON 38
#define CAP_BPF 39
#endif

enum { WANT_NOFILE = 65536 };

int priv_limits(void)
{
	struct rlimit inf = { RLIM_INFINITY, RLIM_INFINITY }, nofile;

	/* Locked memory for UMEM; CAP_IPC_LOCK does without. */
	setrlimit(RLIMIT_MEMLOCK, &inf);
	if (getrlimit(RLIMIT_NOFILE, &nofile) < 0)
		return -errno;
	if (nofile.rlim_max < WANT_NOFILE) {
		struct rlimit more = { WANT_NOFILE, WANT_NOFILE };

		if (setrlimit(RLIMIT_NOFILE, &more) == 0)
			return WANT_NOFILE;
	}
	nofile.rlim_cur = nofile.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &nofile) < 0)
		return -errno;
	return (int)min_t(rlim_t, nofile.rlim_cur, INT32_MAX);
}

static int drop_caps(void)
{
	/* links, filters, neighbours; AF_XDP sockets; UMEM; limits; keepers as
	 * their owners, and their end; what the verifier wants of a program
	 * that computes with packet pointers */
	static const cap_value_t keep[] = {
		CAP_NET_ADMIN, CAP_NET_RAW, CAP_IPC_LOCK, CAP_SYS_RESOURCE,
		CAP_SETUID, CAP_SETGID, CAP_KILL, CAP_PERFMON,
	};
	cap_value_t bpf = cap_get_bound(CAP_BPF) >= 0 ? CAP_BPF : CAP_SYS_ADMIN;
	cap_t have = cap_get_proc(), want = cap_init();
	int rc = 0;

	if (!have || !want) {
		rc = -ENOMEM;
		goto out;
	}
	for (size_t i = 0; i <= ARRAY_SIZE(keep); i++) {
		cap_value_t c = i < ARRAY_SIZE(keep) ? keep[i] : bpf;
		cap_flag_value_t v = CAP_CLEAR;

		cap_get_flag(have, c, CAP_PERMITTED, &v);
		if (v != CAP_SET)
			continue;
		cap_set_flag(want, CAP_PERMITTED, 1, &c, CAP_SET);
		cap_set_flag(want, CAP_EFFECTIVE, 1, &c, CAP_SET);
	}
	if (cap_set_proc(want) < 0)
		rc = -errno;
out:
	cap_free(have);
	cap_free(want);
	return rc;
}

static int refuse_calls(void)
{
	static const char *const names[] = {
		"ptrace", "process_vm_readv", "process_vm_writev", "kcmp", "pidfd_getfd",
		"init_module", "finit_module", "delete_module", "kexec_load", "kexec_file_load",
		"reboot", "swapon", "swapoff", "mount", "umount2", "pivot_root", "chroot",
		"move_mount", "open_tree", "fsopen", "fsconfig", "fsmount", "fspick",
		"mount_setattr", "setns", "unshare", "acct", "quotactl", "settimeofday",
		"clock_settime", "clock_adjtime", "adjtimex", "sethostname", "setdomainname",
		"iopl", "ioperm", "perf_event_open", "userfaultfd", "keyctl", "add_key",
		"request_key", "open_by_handle_at", "name_to_handle_at", "lookup_dcookie",
		"syslog", "personality", "io_uring_setup", "vmsplice", "mknod", "mknodat",
		"chmod", "fchmodat", "chown", "fchownat", "lchown", "link", "linkat",
		"symlink", "symlinkat", "rename", "renameat", "renameat2", "setxattr",
		"lsetxattr", "fsetxattr", "truncate",
	};
	scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_ALLOW);
	int rc = 0;

	if (!ctx)
		return -ENOMEM;
	for (size_t i = 0; rc == 0 && i < ARRAY_SIZE(names); i++) {
		int nr = seccomp_syscall_resolve_name(names[i]);

		/* Not on this architecture, or newer than the library. */
		if (nr == __NR_SCMP_ERROR || nr < 0)
			continue;
		rc = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(EPERM), nr, 0);
	}
	if (rc == 0)
		rc = seccomp_load(ctx);
	seccomp_release(ctx);
	return rc;
}

int priv_drop(bool sandbox)
{
	int rc;

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return -errno;
	prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	rc = drop_caps();
	return rc < 0 || !sandbox ? rc : refuse_calls();
}
