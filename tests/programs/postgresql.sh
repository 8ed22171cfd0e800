#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# PostgreSQL and pgbench: forked backends, prepared statements, and the books balance.
. "$(dirname "$(readlink -f "$0")")/lib.sh"

bindir=$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -V | tail -1)
# the server refuses to run as root
as=(setpriv --reuid=postgres --regid=postgres --init-groups env "HOME=/tmp")
needs() {
	[ -n "$bindir" ] && [ -x "$bindir/postgres" ] || { echo "postgresql is not installed"; return; }
	id postgres > /dev/null 2>&1 || { echo "no user postgres"; return; }
	missing pgbench psql setpriv
}

prepare() {
	mkdir "$TMP/db" && chown postgres "$TMP/db" &&
		"${as[@]}" "$bindir/initdb" -D "$TMP/db/template" -A trust -N --no-locale -E UTF8 &&
		echo "host all all 10.77.0.0/24 trust" >> "$TMP/db/template/pg_hba.conf"
}

sql() { client psql -X -A -t -h $B4 -p $PORT -U postgres -c "$1" postgres; }

once() {
	local out
	PORT=$((PORT + 1))
	cp -a "$TMP/db/template" "$TMP/db/$MODE" || return
	# an unprivileged program cannot start the daemon itself, and needs the right to rings
	if [ "$HS" != kernel ] && [ -n "$ONLOAD" ]; then
		log_of posternd
		start_in b - kernel "$LOG" "$BUILD/bin/posternd" -f --group postgres
		sleep 0.5
	fi
	local launch=()
	case $HS in
	onload) launch=($ONLOAD) ;;
	spin) launch=(EF_POLL_USEC=100000 $ONLOAD) ;;
	esac
	log_of postgres
	# setpriv is not the program under test: the launcher comes after it
	start_in b - kernel "$LOG" "${as[@]}" "${launch[@]}" "$bindir/postgres" -D "$TMP/db/$MODE" -h $B4 -p $PORT -k "$TMP/db" \
		-c fsync=off -c autovacuum=off
	wait_port b tcp $PORT "$PID" || { bad "postgres did not come up"; return; }
	client pgbench -h $B4 -p $PORT -U postgres -i -q -s 1 postgres > /dev/null || return
	out=$(client pgbench -h $B4 -p $PORT -U postgres -c 4 -j 2 -t "$(long 2000 100)" -n -M prepared postgres) || return
	echo "~ transactions/s $(awk '/^tps/ { print int($3) }' <<< "$out")"
	echo "= processed $(sed -n 's/.*actually processed: //p' <<< "$out")"
	out=$(client pgbench -h $B4 -p $PORT -U postgres -c 4 -t "$(long 100 10)" -n -S -C postgres) || return
	echo "= connect-each $(sed -n 's/.*actually processed: //p' <<< "$out")"
	echo "= history $(sql 'select count(*) from pgbench_history')"
	echo "= balanced $(sql 'select (select sum(abalance) from pgbench_accounts) = (select sum(delta) from pgbench_history)')"
	echo "= rows $(sql 'select * from generate_series(1, 200000)' | md5sum | cut -d' ' -f1)"
	server_alive
}

programs_main "$@"
