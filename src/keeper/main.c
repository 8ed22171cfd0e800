// SPDX-License-Identifier: BSD-2-Clause
/*
 * main.c - postern-keeper: what the kernel would be to ordinary sockets
 *
 * Started by posternd, one for each stack, unprivileged.  Drives the stack
 * while no application does, so that ACKs and retransmissions leave in time,
 * and closes what dead processes left.  Costs a look every 10 ms while
 * connections are open, every 100 ms else.
 */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/clock.h"
#include "keeper/keeper.h"

#define DONE_WAIT_NS (30 * NSEC_PER_SEC)

static struct keeper keeper;

int keeper_watch(struct keeper *k, int fd, uint32_t kind, uint32_t index, uint32_t events)
{
	struct epoll_event ev = { .events = events, .data.u64 = (uint64_t)kind << 32 | index };

	return epoll_ctl(k->epfd, EPOLL_CTL_ADD, fd, &ev) < 0 ? -errno : 0;
}

static void handle(struct keeper *k, const struct epoll_event *ev)
{
	uint32_t index = (uint32_t)ev->data.u64;

	switch (ev->data.u64 >> 32) {
	case KEEPER_EV_CTL:
		conv_receive(k);
		break;
	case KEEPER_EV_PROC:
		reap_proc(k, index);
		break;
	case KEEPER_EV_XSK:
		drive_poll(k);
		break;
	case KEEPER_EV_DIAG:
		reap_diag(k);
		break;
	}
}

static bool finished(struct keeper *k)
{
	if (k->quit)
		return true;
	if (!reap_empty(k)) {
		k->done_said = false;
		return false;
	}
	if (k->n_proc_msgs == 0 && clock_ns() - k->started_ns < 10 * NSEC_PER_SEC)
		return false;
	if (k->ctl < 0)
		return true;
	if (!k->done_said) {
		struct kp_done done = { .n_proc_msgs = k->n_proc_msgs };

		conv_send(k, &done, KP_DONE, sizeof(done), 0);
		k->done_said = true;
		k->done_ns = clock_ns();
	}
	/* Nobody answers: posternd is gone, and only the holder keeps the pair open. */
	return clock_ns() - k->done_ns > DONE_WAIT_NS;
}

static int run(struct keeper *k)
{
	struct epoll_event ev[16];

	while (!finished(k)) {
		int ms = drive_tick(k), n;

		n = epoll_wait(k->epfd, ev, ARRAY_SIZE(ev), ms);
		if (n < 0 && errno != EINTR)
			return 1;
		for (int i = 0; i < n; i++)
			handle(k, &ev[i]);
	}
	return 0;
}

static void usage(FILE *f)
{
	fprintf(f, "usage: postern-keeper --fd N\n"
		   "Keeps one stack; started by posternd, which passes its end of a socket pair as N.\n");
}

int main(int argc, char **argv)
{
	static const struct option opts[] = {
		{ "fd", required_argument, NULL, 'f' },
		{ "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, 'V' },
		{ NULL, 0, NULL, 0 },
	};
	struct keeper *k = &keeper;
	int c;

	k->ctl = -1;
	k->diag = -1;
	for (int i = 0; i < STACK_MAX_PROCS; i++)
		k->procs[i].pidfd = -1;
	while ((c = getopt_long(argc, argv, "hV", opts, NULL)) != -1) {
		switch (c) {
		case 'f':
			k->ctl = atoi(optarg);
			break;
		case 'h':
			usage(stdout);
			return 0;
		case 'V':
			printf("postern-keeper %s\n", POSTERN_VERSION);
			return 0;
		default:
			usage(stderr);
			return 2;
		}
	}
	if (k->ctl < 0) {
		fprintf(stderr, "postern-keeper: --fd is missing; posternd starts me\n");
		return 2;
	}
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	signal(SIGINT, SIG_IGN);	/* a terminal's Ctrl-C is not for us */
	k->started_ns = clock_ns();
	k->epfd = epoll_create1(EPOLL_CLOEXEC);
	if (k->epfd < 0 || keeper_watch(k, k->ctl, KEEPER_EV_CTL, 0, EPOLLIN) < 0) {
		fprintf(stderr, "postern-keeper: descriptor %d: %s\n", k->ctl, strerror(errno));
		return 1;
	}
	return run(k);
}
