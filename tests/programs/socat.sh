#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# socat: a file up and back through a forking TCP server, IPv6, UDP echo, and a relay.
. "$(dirname "$(readlink -f "$0")")/lib.sh"

needs() { missing socat openssl; }
prepare() {
	head -c "$(long 200000000 8000001)" /dev/zero |
		openssl enc -aes-128-ctr -K 00112233445566778899aabbccddeeff -iv 01 > "$TMP/file"
}

once() {
	local i out=
	PORT=$((PORT + 4))
	server tcp $PORT socat "TCP4-LISTEN:$PORT,bind=$B4,fork,reuseaddr" EXEC:md5sum || return
	for i in 1 2 3; do echo "= up$i $(client socat -t 5 - "TCP4:$B4:$PORT" < "$TMP/file" | cut -d' ' -f1)"; done
	server_alive
	server tcp $((PORT + 1)) socat -u "OPEN:$TMP/file" "TCP6-LISTEN:$((PORT + 1)),bind=[$B6],reuseaddr" || return
	echo "= ip6-down $(client socat -u "TCP6:[$B6]:$((PORT + 1))" - | md5sum | cut -d' ' -f1)"
	server udp $((PORT + 2)) socat "UDP4-RECVFROM:$((PORT + 2)),bind=$B4,fork" EXEC:cat || return
	for i in 1 2 3; do out=$out$(echo "datagram $i" | client socat -T 1 -t 0.5 - "UDP4:$B4:$((PORT + 2)),shut-none" | tr ' ' .); done
	echo "= udp $out"
	server_alive
}

programs_main "$@"
