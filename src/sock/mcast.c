// SPDX-License-Identifier: BSD-2-Clause
/*
 * mcast.c - does anybody on this host listen to a multicast group?
 *
 * With IP_MULTICAST_LOOP (the default) a sender's datagrams reach members on its
 * own host: copies that only the kernel can make for sockets that it serves.
 * Where there is no member the loop makes no difference and the stack may send.
 * The kernel lists memberships in /proc/net/igmp and igmp6; the answer is kept
 * for a moment, and forgotten when this process joins a group.
 */
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "sock/sock_priv.h"

enum { N_KEPT = 16, KEEP_NS = 100000000, READ_SIZE = 4096 };

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static struct { struct ipaddr group; uint64_t until_ns; bool members; } kept[N_KEPT];
static uint32_t next_kept;

void mcast_forget(void)
{
	pthread_mutex_lock(&mutex);
	for (uint32_t i = 0; i < N_KEPT; i++)
		kept[i].until_ns = 0;
	pthread_mutex_unlock(&mutex);
}

/* As the two files print an address. */
static void group_text(const struct ipaddr *g, char out[40])
{
	if (ipaddr_is4(g)) {
		snprintf(out, 40, "%08X", g->w[3]);
		return;
	}
	for (int i = 0; i < 16; i++)
		snprintf(out + 2 * i, 3, "%02x", g->b[i]);
}

/* Does the file contain @text?  A file that cannot be read may. */
static bool file_has(const char *path, const char *text)
{
	size_t keep = strlen(text), have = 0;
	char buf[READ_SIZE + 64];
	bool found = false;
	long n;
	int fd;

	fd = (int)sys4(SYS_openat, -100 /* AT_FDCWD */, path, 02000000 /* O_CLOEXEC */, 0);
	if (fd < 0)
		return true;
	while (!found && (n = sys_read(fd, buf + have, READ_SIZE)) > 0) {
		have += (size_t)n;
		found = memmem(buf, have, text, keep) != NULL;
		/* The text may lie across two reads. */
		if (have > keep) {
			memmove(buf, buf + have - keep, keep);
			have = keep;
		}
	}
	sys_close(fd);
	return found;
}

bool mcast_members(const struct ipaddr *group)
{
	uint64_t now = clock_ns();
	bool members = true;
	char text[40];
	uint32_t i;

	pthread_mutex_lock(&mutex);
	for (i = 0; i < N_KEPT; i++)
		if (ipaddr_eq(&kept[i].group, group))
			break;
	if (i < N_KEPT && now < kept[i].until_ns) {
		members = kept[i].members;
	} else {
		if (i == N_KEPT) {
			i = next_kept;
			next_kept = (next_kept + 1) % N_KEPT;
		}
		group_text(group, text);
		members = file_has(ipaddr_is4(group) ? "/proc/thread-self/net/igmp" : "/proc/thread-self/net/igmp6", text);
		kept[i].group = *group;
		kept[i].members = members;
		kept[i].until_ns = now + KEEP_NS;
	}
	pthread_mutex_unlock(&mutex);
	return members;
}

void mcast_after_fork(void)
{
	pthread_mutex_init(&mutex, NULL);
}
