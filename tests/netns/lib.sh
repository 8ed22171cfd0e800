# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash
#
# Two network namespaces for a test, removed when the script that sources this ends:
#
#	pt-PID-a  10.88.0.1/24 fd00:88::1/64 ---- veth0 ---- veth0  10.88.0.2/24 fd00:88::2/64  pt-PID-b
#
# POSTERN_BUILD is Meson's build directory.  Exit status 77 means skipped.
NS_A=pt-$$-a NS_B=pt-$$-b
# shellcheck disable=SC2034
A4=10.88.0.1 B4=10.88.0.2 A6=fd00:88::1 B6=fd00:88::2
NET_PIDS=()
NET_TMP=

net_skip() { echo "skipped: $*" >&2; exit 77; }

net_up() {
	local n
	[ "$(id -u)" = 0 ] || net_skip "needs root"
	ip netns add "$NS_A" 2>/dev/null || net_skip "cannot make network namespaces"
	trap net_down EXIT
	trap 'exit 143' INT TERM HUP
	NET_TMP=$(mktemp -d)
	chmod 755 "$NET_TMP"
	ip netns add "$NS_B"
	ip link add veth0 netns "$NS_A" type veth peer name veth0 netns "$NS_B"
	ip -n "$NS_A" addr add $A4/24 dev veth0
	ip -n "$NS_B" addr add $B4/24 dev veth0
	ip -n "$NS_A" addr add $A6/64 dev veth0 nodad
	ip -n "$NS_B" addr add $B6/64 dev veth0 nodad
	for n in "$NS_A" "$NS_B"; do
		ip -n "$n" link set lo up
		ip -n "$n" link set veth0 up
		ip -n "$n" route add 224.0.0.0/4 dev veth0
	done
	for n in "$NS_A" "$NS_B"; do
		for _ in $(seq 100); do
			ip -n "$n" link show veth0 | grep -q 'state UP' && break
			sleep 0.02
		done
	done
}

# net_daemon NS: starts posternd there and waits until it serves
net_daemon() {
	ip netns exec "$1" "$POSTERN_BUILD/src/ctld/posternd" -f --log "$NET_TMP/posternd-$1.log" \
		--keeper "$POSTERN_BUILD/src/keeper/postern-keeper" &
	NET_PIDS+=($!)
	for _ in $(seq 100); do
		ip netns exec "$1" "$POSTERN_BUILD/src/ctld/posternd" --netns-check >/dev/null 2>&1 && return 0
		sleep 0.02
	done
	echo "posternd did not come up" >&2
	cat "$NET_TMP/posternd-$1.log" >&2
	return 1
}

net_down() {
	local n p
	trap '' INT TERM HUP
	for p in "${NET_PIDS[@]}"; do kill "$p" 2>/dev/null; done
	for n in "$NS_A" "$NS_B"; do
		for _ in $(seq 20); do
			[ -n "$(ip netns pids "$n" 2>/dev/null)" ] || break
			for p in $(ip netns pids "$n"); do kill "$p" 2>/dev/null; done
			sleep 0.05
		done
		for p in $(ip netns pids "$n" 2>/dev/null); do kill -9 "$p" 2>/dev/null; done
		ip netns del "$n" 2>/dev/null
	done
	[ -z "$NET_TMP" ] || rm -rf "$NET_TMP"
}
