#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# redis-server: one and fifty clients, pipelined, a big value, BGSAVE (fork) under load.
. "$(dirname "$(readlink -f "$0")")/lib.sh"

needs() { missing redis-server redis-benchmark redis-cli; }

bench() {	# NAME options...
	local name=$1 out
	shift
	out=$(client redis-benchmark -h $B4 -p $PORT --csv "$@") || return
	echo "= $name $(grep -c '^"[GSI]' <<< "$out")"
	echo "~ $name $(awk -F'"' 'END { print int($4) }' <<< "$out")"
}

cli() { client redis-cli -h $B4 -p $PORT "$@"; }

once() {
	local i
	PORT=$((PORT + 1))
	server tcp $PORT redis-server --bind $B4 --port $PORT --save "" --dir "$RUN" --protected-mode no --io-threads 1 || return
	bench one -c 1 -n "$(long 50000 2000)" -t set,get &&
	bench fifty -c 50 -n "$(long 500000 20000)" -t set,get &&
	bench pipelined -c 50 -n "$(long 1000000 50000)" -P 16 -t set,get || return

	# a known content, by a pipe of 5,000 commands
	for i in $(seq 5000); do printf 'SET key:%d value-%d-of-this-key\r\n' "$i" $((i * 7919)); done > "$RUN/commands"
	echo "= pipe $(client redis-cli -h $B4 -p $PORT --pipe < "$RUN/commands" | tail -1 | tr ' ' _)"
	echo "= get $(cli GET key:4711)"
	# a value of 3 MB, up and down
	head -c 3000000 /dev/zero | tr '\0' 'x' > "$RUN/big"
	echo "= big-up $(client redis-cli -h $B4 -p $PORT -x SET big < "$RUN/big")"
	echo "= big-down $(cli --raw GET big | md5sum | cut -d' ' -f1)"

	# a child that saves while the parent serves
	( client redis-benchmark -h $B4 -p $PORT -c 20 -n "$(long 500000 30000)" -t incr --csv > "$RUN/load" || exit 1 ) &
	local load=$!
	sleep 0.1
	echo "= bgsave $(cli BGSAVE | tr ' ' _)"
	wait $load || bad "load while saving failed"
	for i in $(seq 50); do
		cli INFO persistence | tr -d '\r' > "$RUN/info" || return
		grep -q '^rdb_bgsave_in_progress:0' "$RUN/info" && break
		sleep 0.1
	done
	echo "= saved $(sed -n 's/^rdb_last_bgsave_status://p' "$RUN/info")"
	echo "= load-lines $(wc -l < "$RUN/load")"
	[ -s "$RUN/dump.rdb" ] || bad "nothing was saved"
	echo "= counter $(cli GET counter:__rand_int__)"
	server_alive
}

programs_main "$@"
