// SPDX-License-Identifier: BSD-2-Clause
/*
 * xdp_wake.c - the doorbells of AF_XDP
 *
 * The two system calls of the data path.  Copy mode transmits inside the
 * sendto(), so it is needed each time; zero-copy drivers ask for it by
 * XDP_RING_NEED_WAKEUP, and ask for the receive one after they ran dry.
 * Decides nothing about when: xdp_ring.h does.
 */
#include "nic/nic.h"

#include <sys/socket.h>

/* Tell a driver that ran out of frames that there are some again. */
__cold void xdp_rx_wake(struct vi *vi)
{
	/* Nothing to take yet: the driver would only go to sleep once more. */
	if (__atomic_load_n(vi->fill.consumer, __ATOMIC_RELAXED) == vi->shm->fill_prod)
		return;
	/* No error matters: a device that is gone says so on transmission. */
	(void)recvfrom(vi->fd, NULL, 0, MSG_DONTWAIT, NULL, NULL);
}

/* One sendto() sends at most 32 frames in copy mode and says EAGAIN when more
 * remain, but also when the socket's send buffer, the completion ring or the
 * device is full: then the consumer has not moved, and another call at once
 * would not help. */
int xdp_tx_wake(struct vi *vi)
{
	struct vi_shm *sh = vi->shm;
	uint32_t before, after = __atomic_load_n(vi->tx.consumer, __ATOMIC_RELAXED);
	uint32_t rounds = (vi->tx.mask >> 5) + 2;
	int saved = errno, rc = 0;

	do {
		before = after;
		sh->tx_kicks++;
		rc = 0;
		if (sendto(vi->fd, NULL, 0, MSG_DONTWAIT, NULL, 0) >= 0)
			break;
		rc = -errno;
		if (rc == -EINTR)
			continue;
		/* EBUSY: the device dropped a frame, which will complete. */
		if (rc != -EAGAIN && rc != -EBUSY && rc != -ENOBUFS && rc != -ENOMEM)
			break;
		after = __atomic_load_n(vi->tx.consumer, __ATOMIC_RELAXED);
		if (after == before)
			break;
	} while (--rounds);

	errno = saved;
	switch (rc) {
	case 0:
		return 0;
	case -EAGAIN:
	case -EBUSY:
	case -ENOBUFS:
	case -ENOMEM:
	case -EINTR:
		/* The rest leaves with the next kick. */
		__atomic_store_n(&sh->tx_unkicked, 1, __ATOMIC_RELAXED);
		return 0;
	case -ENXIO:
	case -ENODEV:
	case -EBADF:
		__atomic_fetch_or(&sh->flags, VI_F_DOWN, __ATOMIC_RELAXED);
		break;
	}
	sh->tx_errors++;
	__atomic_store_n(&sh->tx_unkicked, 1, __ATOMIC_RELAXED);
	return rc == -ENETDOWN ? rc : -ENXIO;
}
