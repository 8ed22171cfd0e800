/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * ext.h - what the Onload extensions need from the layer that knows descriptors
 */
#ifndef POSTERN_EXT_EXT_H
#define POSTERN_EXT_EXT_H

#include "sock/sock.h"

/* Set by preload/ at its start. */
extern struct sock *(*ext_find_sock)(int fd);	/* the socket of a descriptor, or NULL */
extern void (*ext_start)(void);			/* options are read after this */

#endif
