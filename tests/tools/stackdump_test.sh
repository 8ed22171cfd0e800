#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# onload_stackdump on the command line, and on a real stack: daemon, keeper and program.
#
#   pt-dump-PID-a                      pt-dump-PID-b
#   [ onload, posternd ] vda ----- vdb [ a client on the kernel ]
#   10.77.0.1                          10.77.0.2
. "${0%/*}/lib.sh"
dump() { "$POSTERN" stackdump "$@"; }

case_ "usage"
try 0 dump --help
out_has "usage: onload_stackdump"
try 2 dump --nosuch
try 2 dump 1:x
try 1 dump nosuchstack
err_has "no stack and no command 'nosuchstack'"
case_ "texts need no stack"
try 0 dump describe_stats
out_has "drop_udp_rcvbuf"
out_has "UDP receive buffer full"
out_has "rx_nodesc_drop_cnt"
try 0 dump doc
out_has "local traffic stays with the kernel"

[ $fails = 0 ] || exit 1
bin=${POSTERN%/src/tools/*}
if [ "$(id -u)" != 0 ] || ! ip netns list > /dev/null 2>&1; then
	echo "the rest needs root and ip netns"
	exit 77
fi
for f in "$bin/src/preload/libonload.so" "$bin/src/ctld/posternd" "$bin/src/keeper/postern-keeper"; do
	[ -e "$f" ] || { echo "the rest needs $f"; exit 77; }
done
# not a wrapper of it: the program itself must be what is started
python=$(python3 -c 'import sys; print(sys.executable)') || { echo "the rest needs python3"; exit 77; }

a=pt-dump-$$-a
b=pt-dump-$$-b
cleanup() {
	for n in $a $b; do
		for p in $(ip netns pids $n 2> /dev/null); do
			kill -9 "$p" 2> /dev/null
		done
	done
	ip netns del $a 2> /dev/null
	ip netns del $b 2> /dev/null
	rm -rf "$tmp"
}
trap cleanup EXIT
ip netns add $a && ip netns add $b && ip link add vda netns $a type veth peer name vdb netns $b ||
	{ echo "no network namespaces here"; exit 77; }
ip -n $a addr add 10.77.0.1/24 dev vda
ip -n $b addr add 10.77.0.2/24 dev vdb
ip -n $a link set lo up
ip -n $a link set vda up
ip -n $b link set vdb up
dump() { ip netns exec $a "$POSTERN" stackdump "$@"; }
# await SECONDS command...
await() {
	n=$(($1 * 10))
	shift
	while [ $n -gt 0 ]; do
		"$@" && return 0
		n=$((n - 1))
		sleep 0.1
	done
	bad "waited in vain: $*"
	return 1
}

case_ "no stack"
try 0 dump
[ "$(cat "$tmp/out")" = "no stacks in this network namespace; start a program under onload" ] || bad "other words"
[ -z "$(ip netns pids $a)" ] || bad "a daemon was started"

cat > "$tmp/server.py" <<'X'
import socket, time
l = socket.socket()
l.bind(("10.77.0.1", 5000))
l.listen(5)
u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
u.bind(("10.77.0.1", 5001))
k = socket.socket()
try:
    k.connect(("127.0.0.1", 1))
except OSError:
    pass
n = socket.socket()
print("ready", flush=True)
c, _ = l.accept()
c.recv(5)
c.send(b"x" * 1000)
time.sleep(60)
X
cat > "$tmp/client.py" <<'X'
import socket, time
s = socket.create_connection(("10.77.0.1", 5000), 10)
s.send(b"hello")
n = 0
while n < 1000:
    n += len(s.recv(1000))
s.send(b"7 bytes")
u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for i in range(3):
    u.sendto(b"d" * 100, ("10.77.0.1", 5001))
time.sleep(0.3)
print("done", flush=True)
time.sleep(60)
X
case_ "set up"
ip netns exec $a env EF_POLL_USEC=0 "$POSTERN" onload "$python" "$tmp/server.py" > "$tmp/server" 2> "$tmp/server.err" &
server=$!
await 20 grep -q ready "$tmp/server"
ip netns exec $b "$python" "$tmp/client.py" > "$tmp/client" 2>&1 &
await 20 grep -q done "$tmp/client"

case_ "list"
try 0 dump
grep -q "^#stack-id" "$tmp/out" || bad "no head"
grep -Eq "^1 +- +$server$" "$tmp/out" || bad "no line of stack 1 with pid $server"
case_ "netstat"
try 0 dump netstat
# what the engine was told and has not been polled for since may lag: the keeper polls
grep -Eq "^TCP +0 +5 10.77.0.1:5000 +0.0.0.0:0 +LISTEN" "$tmp/out" || bad "no listener"
grep -Eq "^TCP +7 +0 10.77.0.1:5000 +10.77.0.2:[0-9]+ +ESTABLISHED" "$tmp/out" || bad "no connection with 7 bytes unread"
grep -Eq "^UDP +[0-9]{3,} +0 10.77.0.1:5001 +0.0.0.0:0" "$tmp/out" || bad "no UDP socket with datagrams"
case_ "why"
try 0 dump why "$server"
[ "$(grep -c "TCP accelerated" "$tmp/out")" = 2 ] || bad "not two TCP sockets accelerated"
grep -q "UDP accelerated" "$tmp/out" || bad "UDP not accelerated"
grep -q "TCP kernel .*loopback: loopback address" "$tmp/out" || bad "no reason of the loopback socket"
grep -q "TCP undecided" "$tmp/out" || bad "no undecided socket"
try 1 dump why 1
case_ "dump"
try 0 dump lots
out_has "bytes=1000 bytes_acked=1000"
out_has "rx_nodesc_drop_cnt=0"
out_has "mode=copy/"
out_has "tcp_passive_opens: 1"
out_has "EF_POLL_USEC=0"
case_ "sockets by name"
try 0 dump '1:0'
out_has "LISTEN"
[ "$(grep -cE '^(TCP|UDP)' "$tmp/out")" = 1 ] || bad "more than one socket"
case_ "JSON"
for c in list stacks lots netstat vi_info stats more_stats opts env processes threads filters why; do
	try 0 dump --json $c
	python3 -c 'import json, sys; json.load(open(sys.argv[1]))' "$tmp/out" 2> "$tmp/err" || bad "$c is no JSON"
done

case_ "without the daemon"
for p in $(ip netns pids $a); do
	[ "$(cat /proc/"$p"/comm)" != posternd ] || kill -9 "$p"
done
sleep 0.2
try 0 dump netstat
out_has "10.77.0.1:5001"
case_ "after the program"
kill -9 $server
wait $server 2> /dev/null
try 0 dump
grep -q " $server" "$tmp/out" && bad "lists a dead process"

done_
