/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * base.h - the driver handle, where every ef_vi program begins
 *
 * Source compatible with ef_vi.  All calls of this library return 0 or a count
 * on success and a negative errno on failure, unless they say otherwise; none of
 * them sets errno.
 */
#ifndef ETHERFABRIC_BASE_H
#define ETHERFABRIC_BASE_H

#include <etherfabric/ef_vi.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Pages in which registered memory is counted: 4096 bytes. */
#define EF_VI_NIC_PAGE_SHIFT 12
#define EF_VI_NIC_PAGE_SIZE (1 << EF_VI_NIC_PAGE_SHIFT)

/**
 * ef_driver_open - open a handle for the calls that allocate
 * @dh_out: set to the handle, a file descriptor (close-on-exec)
 *
 * The descriptor can be polled for input, by poll(), select() or epoll: it is
 * readable after ef_vi_prime() when one of the VIs primed through it has an event.
 * Any number of objects may share a handle.  Any thread.
 *
 * Returns 0, -EMFILE, -ENFILE or -ENOMEM.  That no daemon (posternd) serves this
 * network namespace is found by the first call that needs it.
 */
int ef_driver_open(ef_driver_handle *dh_out);

/**
 * ef_driver_close - close a handle
 *
 * Frees what is still allocated through it: VIs (with their filters), protection
 * domains, memory registrations.  These must not be used any more.
 * Returns 0 or -EBADF.
 */
int ef_driver_close(ef_driver_handle dh);

#ifdef __cplusplus
}
#endif
#endif
