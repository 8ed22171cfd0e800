#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# sockperf: ping-pong, under load and throughput over UDP and TCP; blocking,
# non-blocking and each way to wait for several sockets.
. "$(dirname "$(readlink -f "$0")")/lib.sh"

ONE_SIDED_SHORTER=1
needs() { missing sockperf; }

# variant NAME server-options -- client-words; the client's figures become facts
variant() {
	local name=$1 what=$2 s=() out lost
	shift 2
	while [ "$1" != -- ]; do s+=("$1"); shift; done
	shift
	PORT=$((PORT + 1))
	case " ${s[*]} " in
	*" -f "*)
		echo U:$B4:$PORT > "$RUN/feed-udp"
		echo T:$B4:$PORT > "$RUN/feed-tcp"
		cat "$RUN/feed-udp" "$RUN/feed-tcp" > "$RUN/feed"
		server udp $PORT sockperf server "${s[@]}" "$RUN/feed" || return ;;
	*" --tcp "*) server tcp $PORT sockperf server -i $B4 -p $PORT "${s[@]}" || return ;;
	*) server udp $PORT sockperf server -i $B4 -p $PORT "${s[@]}" || return ;;
	esac
	case " $* " in
	*" -F "*) set -- -f "$RUN/feed-${name%%-*}" "$@" ;;
	*) set -- -i $B4 -p $PORT "$@" ;;
	esac
	out=$(client sockperf "$what" -t "$(long 5 1)" "$@") || { echo "$out" >> "$LOG"; return 1; }
	server_alive
	end_servers
	if [ "$what" = throughput ]; then
		grep -q 'Summary: Message Rate is' <<< "$out" || { bad "$name: no summary"; echo "$out" >> "$LOG"; return 1; }
		echo "~ $name $(sed -n 's/.*Message Rate is \([0-9]*\).*/\1/p' <<< "$out" | head -1)"
	else
		lost=$(sed -n 's/.*# dropped messages = \([0-9]*\);.*/\1/p' <<< "$out" | head -1)
		grep -q 'percentile 50.000' <<< "$out" || { bad "$name: no latency"; echo "$out" >> "$LOG"; return 1; }
		echo "~ $name $(sed -n 's/.*percentile 50.000 = *//p' <<< "$out" | head -1)us"
		[ "$what" != ping-pong ] || echo "= $name.lost ${lost:-none}"
	fi
	echo "= $name done"
}

once() {
	variant udp-pingpong ping-pong -- &&
	variant tcp-pingpong ping-pong --tcp -- --tcp &&
	variant udp-underload under-load -- --mps 2000 &&
	variant tcp-throughput throughput --tcp -- --tcp -m 512 || return
	# the rest with both ends alike
	[ "$MODE" = both ] || [ "$MODE" = kernel ] || return 0
	variant tcp-underload under-load --tcp -- --tcp --mps 2000 &&
	variant udp-throughput throughput -- -m 512 &&
	variant udp-nonblocked ping-pong --nonblocked -- --nonblocked &&
	variant tcp-nonblocked ping-pong --tcp --nonblocked -- --tcp --nonblocked || return
	local m
	for m in epoll poll select; do
		variant udp-$m ping-pong -F $m -f -- -F $m &&
		variant tcp-$m ping-pong -F $m -f -- -F $m || return
	done
}

programs_main "$@"
