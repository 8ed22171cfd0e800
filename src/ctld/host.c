// SPDX-License-Identifier: BSD-2-Clause
/*
 * host.c - settings of the host that sockets need, from /proc/sys
 *
 * Read again every few seconds: sysctl has no notification.  A file that is not
 * there or not a number leaves the value of a stock kernel.
 */
#include "ctld/ctld.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Up to @n numbers of a file, those that are there. */
static void read_numbers(const char *path, uint32_t *out, int n)
{
	char full[128], buf[128], *p = buf, *end;
	ssize_t len;
	int fd;

	snprintf(full, sizeof(full), "/proc/sys/net/%s", path);
	fd = open(full, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	len = read(fd, buf, sizeof(buf) - 1);
	close(fd);
	if (len <= 0)
		return;
	buf[len] = 0;
	for (int i = 0; i < n; i++) {
		unsigned long v;

		errno = 0;
		v = strtoul(p, &end, 10);
		if (end == p || errno || v > UINT32_MAX)
			return;
		out[i] = (uint32_t)v;
		p = end;
	}
}

void host_sync(struct ctld *ctl)
{
	struct cp_shm *t = ctl->tables, *v = t;
	uint32_t range[2] = { 32768, 60999 };
	uint32_t rmem[3] = { 4096, 131072, 6291456 }, wmem[3] = { 4096, 16384, 4194304 };

	/* Each value is one aligned word: readers need no sequence section, and
	 * none depends on another. */
	read_numbers("ipv4/ip_local_port_range", range, 2);
	v->port_min = range[0];
	v->port_max = range[1];
	read_numbers("ipv4/tcp_rmem", rmem, 3);
	read_numbers("ipv4/tcp_wmem", wmem, 3);
	memcpy(v->tcp_rmem, rmem, sizeof(rmem));
	memcpy(v->tcp_wmem, wmem, sizeof(wmem));

#define HOST(field, path, def) do {                    \
		uint32_t x = (def);                    \
		read_numbers(path, &x, 1);             \
		v->field = x;                          \
	} while (0)
	HOST(rmem_default, "core/rmem_default", 212992);
	HOST(rmem_max, "core/rmem_max", 212992);
	HOST(wmem_default, "core/wmem_default", 212992);
	HOST(wmem_max, "core/wmem_max", 212992);
	HOST(somaxconn, "core/somaxconn", 4096);
	HOST(tcp_max_syn_backlog, "ipv4/tcp_max_syn_backlog", 1024);
	HOST(tcp_fin_timeout, "ipv4/tcp_fin_timeout", 60);
	HOST(tcp_keepalive_time, "ipv4/tcp_keepalive_time", 7200);
	HOST(tcp_keepalive_intvl, "ipv4/tcp_keepalive_intvl", 75);
	HOST(tcp_keepalive_probes, "ipv4/tcp_keepalive_probes", 9);
	HOST(tcp_retries2, "ipv4/tcp_retries2", 15);
	HOST(tcp_syn_retries, "ipv4/tcp_syn_retries", 6);
	HOST(tcp_synack_retries, "ipv4/tcp_synack_retries", 5);
	HOST(tcp_timestamps, "ipv4/tcp_timestamps", 1);
	HOST(tcp_sack, "ipv4/tcp_sack", 1);
	HOST(tcp_window_scaling, "ipv4/tcp_window_scaling", 1);
	HOST(ip_default_ttl, "ipv4/ip_default_ttl", 64);
	HOST(ip6_hop_limit, "ipv6/conf/default/hop_limit", 64);
#undef HOST
}
