// SPDX-License-Identifier: BSD-2-Clause
/* FILE streams on sockets: fdopen, fprintf, fgets, getline, fread, fileno, feof, fclose; dprintf. */
#include "posix.h"

void test(void)
{
	int fd = tcp_pair_test(0);
	FILE *in = fdopen(fd, "r"), *to = fdopen(dup(fd), "w");
	char line[64], *text = NULL;
	size_t room = 0;

	if (!in || !to)
		die("fdopen");
	out("fileno %s", fileno(in) == fd ? "same" : "other");
	out("bad mode %s", fdopen(fd, "q") ? "ok" : res(-1));
	fprintf(to, "line %d\n", 1);
	fputs("line 2\n", to);
	out("fflush %s", res(fflush(to)));
	out("dprintf %s", res(dprintf(fd, "dprintf %d\n", 3)));
	out("fgets %s", fgets(line, sizeof(line), in) ? line : "none");
	out("getline %s", res(getline(&text, &room, in)));
	out("  %s", text);
	out("getc %c", getc(in));
	ungetc('Q', in);
	out("fread %zu", fread(line, 1, 5, in));
	out("  %.5s", line);
	out("ftell %s", res(ftell(in)));
	out("fseek %s", res(fseek(in, 0, SEEK_SET)));
	setvbuf(to, NULL, _IONBF, 0);
	fputs("unbuffered", to);
	say();
	out("at end %s, feof %d, ferror %d", fgets(line, sizeof(line), in) ? line : "none", !!feof(in), !!ferror(in));
	out("fclose %s", res(fclose(to)));
	out("fclose %s", res(fclose(in)));
	out("closed %s", res(send(fd, "x", 1, 0)));
	fd = tcp_pair_test(1);
	in = fdopen(fd, "r+");
	fprintf(in, "both\n");
	fflush(in);
	out("r+ %s", fgets(line, sizeof(line), in) ? line : "none");
	fclose(in);
	free(text);
}

void peer(void)
{
	char buf[64] = "";
	int fd = tcp_pair_peer(0);

	recv_all(fd, buf, 14 + 10);
	out("%s", buf);
	send_all(fd, "answer one\nanswer two\nABCDEFGH", 30 - 3);
	memset(buf, 0, sizeof(buf));
	recv_all(fd, buf, 10);
	out("%s", buf);
	hear();
	shutdown(fd, SHUT_WR);
	out("end %s", res(recv(fd, buf, 1, 0)));
	close(fd);
	fd = tcp_pair_peer(1);
	recv_all(fd, buf, 5);
	send_all(fd, buf, 5);
	out("end %s", res(recv(fd, buf, 1, 0)));
}
