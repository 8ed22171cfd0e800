#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# iperf3: one and eight streams, each direction and both, UDP, IPv6.
. "$(dirname "$(readlink -f "$0")")/lib.sh"

ONE_SIDED_SHORTER=1
needs() { missing iperf3 python3; }

variant() {
	local name=$1 addr=$2 words
	shift 2
	PORT=$((PORT + 1))
	server tcp $PORT iperf3 -s -1 -p $PORT || return
	client iperf3 -c $addr -p $PORT -t "$(long 10 1)" -J "$@" > "$RUN/$name.json" ||
		{ "$here/../../bench/table" iperf-error "$RUN/$name.json" >> "$LOG"; end_servers; return 1; }
	words=$("$here/../../bench/table" iperf "$RUN/$name.json") || { bad "$name: no result"; return 1; }
	end_servers
	set -- $words
	echo "= $name done"
	echo "~ $name ${1#gbit=}G"
	# a stream that stands still ends as well; on no machine is it this slow
	awk -v g="${1#gbit=}" 'BEGIN { exit !(g > 0.02) }' || bad "$name: only ${1#gbit=} Gbit/s"
}

once() {
	variant tcp $B4 &&
	variant tcp-reverse $B4 -R &&
	variant tcp-8 $B4 -P 8 &&
	variant udp $B4 -u -b 100M -l 1400 || return
	# the rest with both ends alike
	[ "$MODE" = both ] || [ "$MODE" = kernel ] || [ -n "$LONG" ] || return 0
	variant tcp-bidir $B4 --bidir &&
	variant udp-reverse $B4 -u -b 100M -l 1400 -R &&
	variant tcp-ip6 $B6
}

programs_main "$@"
