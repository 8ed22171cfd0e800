/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * cp_client.h - the application's side of the conversation with posternd
 *
 * Blocking calls, a mutex inside; any thread; never with a stack lock held.
 * After fork() the child calls cp_client_reset() and connects anew: two
 * processes must not share one conversation.  A lost connection is made again
 * once; when the daemon is not there it is started (cp_client_start()).
 */
#ifndef POSTERN_CP_CP_CLIENT_H
#define POSTERN_CP_CP_CLIENT_H

#include "cp/cp_proto.h"

struct cp_client;	/* process-local */

/**
 * cp_client_open - connect, starting a daemon if there is none and we may
 * @start: path of the posternd program, or NULL never to start one
 * Returns 0, or -errno with one line in @why (96 bytes).
 */
int cp_client_open(struct cp_client **out, const char *start, char why[96]);
void cp_client_close(struct cp_client *c);
void cp_client_reset(struct cp_client *c);

/* Descriptor of the control-plane tables from HELLO; the client keeps it. */
int cp_client_tables_fd(const struct cp_client *c);

/* The conversation's descriptor (-1: there is none just now), to hear of its end; a
 * number that changes with it. */
int cp_client_fd(const struct cp_client *c);
uint32_t cp_client_gen(const struct cp_client *c);
/* Is the daemon at the other end?  One system call; true as well while a request is made. */
bool cp_client_alive(struct cp_client *c);
/* A daemon without memory of the one before, holder and filters gone: every cp_call()
 * gives -ESTALE.  Open another client, and its tables. */
bool cp_client_stale(const struct cp_client *c);

/**
 * cp_call - one request, one reply
 * @fds_in/@n_in: descriptors to pass (borrowed)
 * @fds_out/@n_out: room for received descriptors (close-on-exec; the caller's
 *                  to close); *n_out is their number afterwards
 * Returns the reply's rc, or -errno of the conversation.
 */
int cp_call(struct cp_client *c, const void *req, size_t req_len,
	    const int *fds_in, int n_in, void *rep, size_t rep_room,
	    int *fds_out, int *n_out);

#endif
