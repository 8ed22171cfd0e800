/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * reason.h - why a socket is not accelerated: name, sentence with the cure
 *
 * One table makes the enum, the tools' text and the manual.
 */
#ifndef POSTERN_SOCK_REASON_H
#define POSTERN_SOCK_REASON_H

#define SOCK_REASONS(X)                                                                        \
	X(none,        "accelerated, or not decided yet")                                       \
	X(family,      "address family or socket type that is never accelerated")               \
	X(protocol,    "protocol other than TCP and UDP")                                       \
	X(option_off,  "switched off by EF_TCP=0, EF_UDP=0, EF_DONT_ACCELERATE=1 or onload_set_stackname()") \
	X(no_daemon,   "posternd is not running and could not be started: run as root once, or start posternd") \
	X(no_right,    "posternd refuses this user: join the group that it names (posternd --group)") \
	X(no_xdp,      "the kernel or the interface has no AF_XDP")                             \
	X(memlock,     "packet memory could not be locked: raise the memlock limit of posternd") \
	X(no_memory,   "no memory for the stack: lower EF_MAX_PACKETS")                         \
	X(loopback,    "loopback address: local traffic stays with the kernel")                 \
	X(local_dest,  "destination is an address of this host")                                \
	X(no_interface, "no accelerated interface has this address or route")                   \
	X(blacklisted, "interface excluded by EF_INTERFACE_WHITELIST or EF_INTERFACE_BLACKLIST") \
	X(if_kind,     "kind of interface that is not accelerated yet")                         \
	X(policy_route, "policy routing or several next hops: the kernel decides")              \
	X(no_route,    "no route: the kernel gives the error")                                  \
	X(xdp_foreign, "another XDP program is attached to the interface")                      \
	X(queue_busy,  "another user's stack has the interface's queues")                       \
	X(filter_taken, "another stack has this address and port")                              \
	X(filter_full, "no room for another filter")                                            \
	X(no_endpoint, "out of endpoints: raise EF_MAX_ENDPOINTS")                              \
	X(procs,       "too many processes share the stack")                                    \
	X(mcast_shared, "another subscriber of the multicast group needs the kernel")           \
	X(mcast_if,    "multicast interface is not accelerated")                                \
	X(sockopt,     "socket option that only the kernel can honour")                         \
	X(raw_syscall, "used by io_uring, AIO or another interface that bypasses the library")  \
	X(foreign_use, "inherited by a program that is not accelerated")                        \
	X(stack_dead,  "the stack was retired after a process died inside it")                  \
	X(daemon_error, "posternd answered with an error (see its log)")                        \
	X(resolver,    "socket of the name resolver")

enum sock_reason {
#define X(name, text) SOCK_REASON_##name,
	SOCK_REASONS(X)
#undef X
	SOCK_N_REASONS
};

const char *sock_reason_name(enum sock_reason r);
const char *sock_reason_text(enum sock_reason r);

#endif
