/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * posix.h - frame of the programs that compare us with the kernel
 *
 * A program defines test(), which runs in namespace a, and peer(), which always
 * runs on the kernel in namespace b.  What both print must not depend on whether
 * test() runs under the library.  run.sh starts them and compares.
 */
#ifndef POSTERN_TESTS_POSIX_H
#define POSTERN_TESTS_POSIX_H

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

void test(void);
void peer(void);

extern int family;		/* AF_INET or AF_INET6 */
extern char **prog_argv;

/* Addresses; @port counts from 0 within the program's own range. */
struct addr {
	struct sockaddr_storage ss;
	socklen_t len;
};
struct addr test_addr(int port);
struct addr peer_addr(int port);
struct addr any_addr(int port);
#define SA(a) ((struct sockaddr *)&(a).ss), (a).len

/* Printed names: "test:0", "peer:?" (a port of the kernel's choice), "any:1". */
const char *addr_name(const void *sa, socklen_t len);

/* One line of the comparison. */
void out(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* "N" or the name of errno, of the call that has just returned @rc. */
const char *res(long rc);
/* poll(2) bits by name. */
const char *bits(unsigned events);

/* The two sides in step: say() lets the other's hear() go on. */
void say(void);
void hear(void);

/* Under the library this socket must be accelerated, or the test shows nothing. */
void accel(int fd);
bool under_library(void);

/* Sockets that must work for the test to go on. */
int tcp_listen(struct addr a);
int tcp_connect(struct addr a);
int tcp_accept(int listener);
int udp_bound(struct addr a);
/* A connection with the peer; test() and peer() both call it. */
int tcp_pair_test(int port);
int tcp_pair_peer(int port);

void send_all(int fd, const void *buf, size_t n);
void recv_all(int fd, void *buf, size_t n);
void nonblock(int fd, bool on);
/* Wait until @fd polls with one of @events; for what takes a moment on the wire. */
void await(int fd, short events);
void nap_ms(int ms);
long now_ms(void);
__attribute__((noreturn)) void die(const char *what);

#endif
