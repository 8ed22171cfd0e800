// SPDX-License-Identifier: BSD-2-Clause
/* AIO on sockets that are not accelerated yet, or can still be handed to the kernel; an io_uring is refused. */
#include "posix.h"

#include <aio.h>
#include <linux/aio_abi.h>
#include <sys/syscall.h>

/* Wait for a datagram with io_submit(IOCB_CMD_POLL), read it in the ordinary way. */
static void linux_aio(void)
{
	int fd = udp_bound(test_addr(0));
	struct iocb cb = { .aio_fildes = (uint32_t)fd, .aio_lio_opcode = IOCB_CMD_POLL, .aio_buf = POLLIN }, *v = &cb;
	struct io_event ev;
	aio_context_t ctx = 0;
	char buf[8] = "";

	accel(fd);
	out("io_setup %s", res(syscall(SYS_io_setup, 4, &ctx)));
	out("io_submit %s", res(syscall(SYS_io_submit, ctx, 1, &v)));
	say();
	out("io_getevents %s", res(syscall(SYS_io_getevents, ctx, 1, 1, &ev, NULL)));
	out("  %s", bits((unsigned)ev.res));
	out("recv %s", res(recv(fd, buf, sizeof(buf), MSG_DONTWAIT)));
	out("  %s", buf);
	syscall(SYS_io_destroy, ctx);
	close(fd);
}

static void posix_aio(void)
{
	struct addr a = test_addr(1);
	int fd = socket(family, SOCK_DGRAM, 0);
	char buf[8] = "";
	struct aiocb cb = { .aio_fildes = fd, .aio_buf = buf, .aio_nbytes = sizeof(buf) };
	const struct aiocb *v[1] = { &cb };

	out("aio_read %s", res(aio_read(&cb)));
	out("bind %s", res(bind(fd, SA(a))));
	say();
	out("aio_suspend %s", res(aio_suspend(v, 1, NULL)));
	out("  %s", res(aio_return(&cb)));
	close(fd);
}

void test(void)
{
	char params[120] = "";
	long rc;

	hear();
	linux_aio();
	posix_aio();
	rc = syscall(SYS_io_uring_setup, 4, params);
	out("io_uring: %s", under_library() && !(rc < 0 && errno == ENOSYS) ? "not refused" : "as it should");
}

void peer(void)
{
	int u = udp_bound(peer_addr(0));
	struct addr to;

	say();
	for (int i = 0; i < 2; i++) {
		hear();
		nap_ms(30);
		to = test_addr(i);
		sendto(u, "aio", 3, 0, SA(to));
	}
}
