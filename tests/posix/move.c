// SPDX-License-Identifier: BSD-2-Clause
/* sendfile and splice: offsets, ends, non-blocking, pipes both ways, errors. */
#include "posix.h"

#include <sys/mman.h>
#include <sys/sendfile.h>

enum { BIG = 400000 };

static int make_file(void)
{
	int f = memfd_create("file", 0);

	for (int i = 0; i < BIG; i += 4) {
		unsigned v = (unsigned)i * 2654435761u;

		if (write(f, &v, 4) != 4)
			die("write");
	}
	return f;
}

static void moved(const char *what, long rc, int f, const off_t *off)
{
	out("%s: %s, offset %ld, position %ld", what, res(rc), off ? (long)*off : -1, (long)lseek(f, 0, SEEK_CUR));
}

void test(void)
{
	int fd = tcp_pair_test(0), f = make_file(), p[2];
	off_t off = 1000, total = 0;
	char buf[64] = "";
	ssize_t n;

	if (pipe(p) < 0)
		die("pipe");
	lseek(f, 5, SEEK_SET);
	moved("with offset", sendfile(fd, f, &off, 3000), f, &off);
	moved("by position", sendfile(fd, f, NULL, 2000), f, NULL);
	off = BIG - 10;
	moved("over the end", sendfile(fd, f, &off, 100), f, &off);
	out("at the end %s", res(sendfile(fd, f, &off, 100)));
	off = -1;
	out("negative %s", res(sendfile(fd, f, &off, 100)));
	out("socket as source %s", res(sendfile(900, fd, NULL, 10)));
	out("bad source %s", res(sendfile(fd, 900, NULL, 10)));

	nonblock(fd, true);
	for (off = 0; off < BIG;) {
		n = sendfile(fd, f, &off, BIG - (size_t)off);
		if (n < 0 && errno == EAGAIN)
			await(fd, POLLOUT);
		else if (n <= 0)
			die("sendfile");
		else
			total += n;
	}
	out("non-blocking total %ld", (long)total);
	nonblock(fd, false);

	/* splice: pipe to socket */
	if (write(p[1], "through a pipe", 14) != 14)
		die("pipe");
	out("pipe to socket %s", res(splice(p[0], NULL, fd, NULL, 100, 0)));
	out("empty pipe %s", res(splice(p[0], NULL, fd, NULL, 100, SPLICE_F_NONBLOCK)));
	say();
	/* socket to pipe */
	await(fd, POLLIN);
	nap_ms(50);
	out("socket to pipe %s", res(splice(fd, NULL, p[1], NULL, 7, 0)));
	out("rest %s", res(splice(fd, NULL, p[1], NULL, 100, SPLICE_F_NONBLOCK)));
	n = read(p[0], buf, sizeof(buf));
	out("pipe has %zd", n);
	out("  %s", buf);
	nonblock(fd, true);
	out("nothing there %s", res(splice(fd, NULL, p[1], NULL, 100, SPLICE_F_NONBLOCK)));
	nonblock(fd, false);
	out("no pipe %s", res(splice(fd, NULL, f, NULL, 100, 0)));
	out("offset on a socket %s", res(splice(fd, &(off64_t){ 0 }, p[1], NULL, 100, 0)));
	say();
	/* a full pipe loses nothing */
	nonblock(p[1], true);
	total = 0;
	for (;;) {
		n = splice(fd, NULL, p[1], NULL, 65536, SPLICE_F_NONBLOCK | SPLICE_F_MOVE);
		if (n == 0)
			break;
		if (n < 0) {
			char drain[65536];

			if (errno != EAGAIN)
				die("splice");
			n = read(p[0], drain, sizeof(drain));
			for (ssize_t i = 0; i < n; i++)
				if (drain[i] != (char)((total + i) * 7))
					die("data differs");
			total += n;
		}
	}
	close(p[1]);
	while ((n = read(p[0], buf, sizeof(buf))) > 0) {
		for (ssize_t i = 0; i < n; i++)
			if (buf[i] != (char)((total + i) * 7))
				die("data differs");
		total += n;
	}
	out("spliced %ld", (long)total);
	close(fd);
}

void peer(void)
{
	int fd = tcp_pair_peer(0);
	static char all[3000 + 2000 + 10 + BIG + 14];
	static char block[500000];
	unsigned sum = 0;

	recv_all(fd, all, sizeof(all));
	for (size_t i = 0; i < sizeof(all); i++)
		sum = sum * 31 + (unsigned char)all[i];
	out("sum %u, last %.14s", sum, all + sizeof(all) - 14);
	hear();
	send_all(fd, "splice", 6);
	send_all(fd, "d bytes", 7);
	hear();
	for (size_t i = 0; i < sizeof(block); i++)
		block[i] = (char)(i * 7);
	send_all(fd, block, sizeof(block));
	close(fd);
}
