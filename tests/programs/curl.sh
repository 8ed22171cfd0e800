#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# curl: a file up to nginx and down again, checksums compared; several at once; IPv6.
. "$(dirname "$(readlink -f "$0")")/lib.sh"

needs() { missing curl nginx openssl md5sum; }

prepare() {
	# random content, so that a block in the wrong place shows
	head -c "$(long 1073741824 50331651)" /dev/zero |
		openssl enc -aes-128-ctr -K 00112233445566778899aabbccddeeff -iv 00 > "$TMP/file"
	[ -s "$TMP/file" ]
}

sum() { md5sum | cut -d' ' -f1; }

once() {
	local i pids=()
	PORT=$((PORT + 1))
	nginx_start $PORT || return
	ln "$TMP/file" "$RUN/www/file" && chmod 644 "$RUN/www/file"
	echo "= down $(client curl -sS --fail "http://$B4:$PORT/file" | sum)"
	echo "~ down $(client curl -sS --fail -o /dev/null -w '%{speed_download}' "http://$B4:$PORT/file" | awk '{ printf "%dMB/s", $1 / 1e6 }')"
	echo "~ up $(client curl -sS --fail -T "$TMP/file" -w '%{speed_upload}' "http://$B4:$PORT/up/file" | awk '{ printf "%dMB/s", $1 / 1e6 }')"
	echo "= up $(sum < "$RUN/www/up/file")"
	echo "= ip6 $(client curl -sS --fail "http://[$B6]:$PORT/file" | sum)"
	for i in 1 2 3 4; do
		client curl -sS --fail --range "$((i * 1000000))-$((i * 1000000 + 3999999))" -o "$RUN/part$i" "http://$B4:$PORT/file" &
		pids+=($!)
	done
	for i in "${pids[@]}"; do wait "$i" || bad "one of four at once failed"; done
	for i in 1 2 3 4; do echo "= part$i $(sum < "$RUN/part$i")"; done
	rm -f "$RUN"/part* "$RUN/www/up/file"
	server_alive
}

programs_main "$@"
