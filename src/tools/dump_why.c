// SPDX-License-Identifier: BSD-2-Clause
/*
 * dump_why.c - every socket of a process: accelerated, or why not and what to do
 *
 * From the process' own descriptor table (preload/fdtab_shm.h), the arenas, and
 * /proc for the addresses of sockets that are the kernel's.  The table is the
 * process' word; a socket that it calls accelerated is looked up in the stack.
 */
#include "tools/dump.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "sock/sock_shm.h"

static const struct {
	const char *name, *text;
} reasons[SOCK_N_REASONS] = {
#define X(name, text) [SOCK_REASON_##name] = { #name, text },
	SOCK_REASONS(X)
#undef X
};

static const char *proto(const struct fdtab_shm_fd *e)
{
	switch (e->type) {
	case SOCK_STREAM:
		return "TCP";
	case SOCK_DGRAM:
		return "UDP";
	default:
		return "-";
	}
}

/* "0100007F:0050" of /proc/net; 32-bit words in the host's order. */
static bool parse_end(const char *s, char out[DUMP_ADDR_ROOM])
{
	const char *colon = strchr(s, ':');
	struct ipaddr a = IPADDR_ANY;
	char word[9] = "";
	size_t n;

	if (!colon || ((n = (size_t)(colon - s)) != 8 && n != 32))
		return false;
	for (size_t i = 0; i < n / 8; i++) {
		memcpy(word, s + i * 8, 8);
		a.w[i] = (uint32_t)strtoul(word, NULL, 16);
	}
	if (n == 8)
		a = ipaddr_from4((be32_t){ a.w[0] });
	dump_addr(out, &a, to_be16((uint16_t)strtoul(colon + 1, NULL, 16)), n == 8);
	return true;
}

/* Addresses of the kernel socket behind a descriptor, or "". */
static void kernel_sum(uint32_t pid, uint32_t fd, char out[DUMP_SUM_ROOM])
{
	static const char *const files[] = { "tcp", "udp", "tcp6", "udp6" };
	char path[64], to[64], line[512], l[64], r[64], la[DUMP_ADDR_ROOM], ra[DUMP_ADDR_ROOM];
	uint64_t ino, have;
	ssize_t n;

	out[0] = 0;
	snprintf(path, sizeof(path), "/proc/%u/fd/%u", pid, fd);
	n = readlink(path, to, sizeof(to) - 1);
	if (n < 0)
		return;
	to[n] = 0;
	if (sscanf(to, "socket:[%" SCNu64 "]", &ino) != 1)
		return;
	for (size_t i = 0; i < ARRAY_SIZE(files) && !out[0]; i++) {
		FILE *f;

		snprintf(path, sizeof(path), "/proc/%u/net/%s", pid, files[i]);
		f = fopen(path, "re");
		while (f && fgets(line, sizeof(line), f))
			if (sscanf(line, " %*[^:]: %63s %63s %*s %*s %*s %*s %*s %*s %" SCNu64, l, r, &have) == 3 &&
			    have == ino && parse_end(l, la) && parse_end(r, ra)) {
				snprintf(out, DUMP_SUM_ROOM, "lcl=%s rmt=%s", la, ra);
				break;
			}
		if (f)
			fclose(f);
	}
}

static void accelerated(struct out *o, const struct found *f, const struct fdtab_shm_fd *e, uint32_t fd)
{
	struct arena *a = find_arena(f, e->stack_id);
	char sum[DUMP_SUM_ROOM] = "(stack cannot be seen)";
	struct sock_view v;

	if (a && arena_sock(a, e->ep_id, &v) == 0 && v.has_sock)
		dump_sum(sum, &v);
	else if (a)
		snprintf(sum, sizeof(sum), "(gone from its stack)");
	out_line(o, "  fd %-5u %s accelerated  %u:%u %s", fd, proto(e), e->stack_id, e->ep_id, sum);
	out_set_s(o, "status", "accelerated");
	out_set_u(o, "stack", e->stack_id);
	out_set_u(o, "sock", e->ep_id);
	out_set_s(o, "socket", sum);
}

static void on_kernel(struct out *o, const struct app *app, const struct fdtab_shm_fd *e, uint32_t fd)
{
	bool known = e->reason < SOCK_N_REASONS && e->reason != SOCK_REASON_none;
	const char *name = known ? reasons[e->reason].name : "unknown";
	const char *text = known ? reasons[e->reason].text : "no reason was recorded";
	char sum[DUMP_SUM_ROOM];

	kernel_sum(app->pid, fd, sum);
	out_line(o, "  fd %-5u %s kernel       %s%s%s: %s", fd, proto(e), sum, *sum ? "  " : "", name, text);
	out_set_s(o, "status", "kernel");
	out_set_s(o, "reason", name);
	out_set_s(o, "text", text);
	out_set_s(o, "socket", sum);
}

static void undecided(struct out *o, const struct fdtab_shm_fd *e, uint32_t fd)
{
	out_line(o, "  fd %-5u %s undecided    connect(), listen(), or the first bind() or send of UDP will decide",
		 fd, proto(e));
	out_set_s(o, "status", "undecided");
}

static void why_app(struct out *o, const struct found *f, const struct app *app)
{
	unsigned int n[3] = { 0 };

	out_line(o, "pid=%u %s%s", app->pid, app->comm,
		 app->inherited ? "  (table of its parent: nothing has changed since fork)" : "");
	out_enter(o, "why");
	out_set_u(o, "pid", app->pid);
	out_set_s(o, "name", app->comm);
	out_set_b(o, "inherited", app->inherited);
	out_list(o, "fds");
	for (uint32_t fd = 0; fd < app->n_fds; fd++) {
		const struct fdtab_shm_fd *e = &app->fds[fd];
		uint8_t mode = e->kind == FDTAB_KERNEL ? DUMP_MODE_KERNEL : e->mode;

		if ((e->kind != FDTAB_SOCK && e->kind != FDTAB_KERNEL) || mode > DUMP_MODE_KERNEL)
			continue;
		n[mode]++;
		out_enter(o, "fds");
		out_set_u(o, "fd", fd);
		out_set_s(o, "proto", proto(e));
		if (mode == DUMP_MODE_ACCEL)
			accelerated(o, f, e, fd);
		else if (mode == DUMP_MODE_KERNEL)
			on_kernel(o, app, e, fd);
		else
			undecided(o, e, fd);
		out_leave(o);
	}
	if (!app->has_table)
		out_line(o, "  no TCP or UDP socket yet");
	else
		out_line(o, "  %u accelerated, %u on the kernel, %u undecided", n[DUMP_MODE_ACCEL],
			 n[DUMP_MODE_KERNEL], n[DUMP_MODE_UNDECIDED]);
	if (app->refused & FDTAB_REFUSED_URING)
		out_line(o, "  io_uring was refused with ENOSYS: it would work past the library; most programs then use epoll");
	if (app->refused & FDTAB_REFUSED_AIO)
		out_line(o, "  AIO on an accelerated socket was refused: it would work past the library");
	out_set_b(o, "refused_io_uring", app->refused & FDTAB_REFUSED_URING);
	out_set_b(o, "refused_aio", app->refused & FDTAB_REFUSED_AIO);
	out_set_u(o, "accelerated", n[DUMP_MODE_ACCEL]);
	out_set_u(o, "kernel", n[DUMP_MODE_KERNEL]);
	out_set_u(o, "undecided", n[DUMP_MODE_UNDECIDED]);
	out_leave(o);
}

bool dump_why(struct out *o, const struct found *f, uint32_t pid)
{
	bool seen = false;

	out_list(o, "why");
	for (size_t i = 0; i < f->n_apps; i++) {
		if (pid && f->apps[i].pid != pid)
			continue;
		seen = true;
		why_app(o, f, &f->apps[i]);
	}
	return seen;
}
