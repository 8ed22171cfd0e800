#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# nc: a file each way over TCP, IPv6, UDP, and a port scan (connect and close).
. "$(dirname "$(readlink -f "$0")")/lib.sh"

needs() { missing nc openssl; }
prepare() {
	head -c "$(long 200000000 8000001)" /dev/zero |
		openssl enc -aes-128-ctr -K 00112233445566778899aabbccddeeff -iv 02 > "$TMP/file"
}

once() {
	local udp_log
	PORT=$((PORT + 4))
	# server: to its standard output, which is its log
	server tcp $PORT nc -l $B4 $PORT || return
	client nc -N $B4 $PORT < "$TMP/file" > /dev/null || return
	server_ended || return
	echo "= up $(md5sum < "$RUN/01-nc.log" | cut -d' ' -f1)"
	: > "$RUN/01-nc.log"
	server tcp $((PORT + 1)) sh -c "exec nc -N -l $B6 $((PORT + 1)) < '$TMP/file'" || return
	echo "= ip6-down $(client nc -d $B6 $((PORT + 1)) | md5sum | cut -d' ' -f1)"
	server udp $((PORT + 2)) nc -u -l $B4 $((PORT + 2)) || return
	udp_log=$LOG
	echo 'one datagram' | client nc -u -w 1 $B4 $((PORT + 2)) || return
	echo "= udp $(tr ' ' . < "$udp_log")"
	server tcp $((PORT + 3)) nc -k -l $B4 $((PORT + 3)) || return
	client nc -z -w 2 $B4 $((PORT + 3)) || return
	echo "= open 0"
	echo "= closed $(run_in a - "$HC" nc -z -w 2 $B4 1 2> /dev/null; echo $?)"
}

programs_main "$@"
