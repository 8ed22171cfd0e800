#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Java NIO: selectors, non-blocking connect, half-close.  Java opens IPv6 sockets for IPv4.
. "$(dirname "$(readlink -f "$0")")/lib.sh"

needs() { missing java javac; }
prepare() { javac -d "$TMP/classes" "$here/NioEcho.java"; }

once() {
	PORT=$((PORT + 1))
	server tcp $PORT java -Xshare:auto -cp "$TMP/classes" NioEcho server $B4 $PORT || return
	client java -Xshare:auto -cp "$TMP/classes" NioEcho client $B4 $PORT 20 "$(long 10000000 200000)" || return
	CMD_NAME=java4 client java -Djava.net.preferIPv4Stack=true -cp "$TMP/classes" NioEcho client $B4 $PORT 5 100000 |
		sed 's/^\(.\) /\1 ipv4-/' || return
	server_alive
}

programs_main "$@"
