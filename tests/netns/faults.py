#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""faults.py - what the stack does when processes die or stop, links go, and memory ends.

    pt-flt-PID-N-a 10.88.0.1 ---- veth0 ---- veth0 10.88.0.2 pt-flt-PID-N-b

Each case has such a pair of namespaces of its own (the lossy one has a third in the
middle), runs on one side accelerated (the peer on the kernel) and then on both, and
pings beside it.  Several cases run at once.  Arguments: names of cases, or none for
all; -l lists them.  POSTERN_BUILD is Meson's build directory.  Exit 0, 1, 77.
"""
import concurrent.futures
import json
import os
import queue
import re
import shlex
import signal
import subprocess
import sys
import tempfile
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
APP = os.path.join(HERE, "faults_app.py")
BUILD = os.path.realpath(os.environ.get("POSTERN_BUILD", os.path.join(HERE, "../../build/meson")))
LIB = os.path.join(BUILD, "src/preload/libonload.so")
TOOL = os.path.join(BUILD, "src/tools/postern")
DAEMON = os.path.join(BUILD, "src/ctld/posternd")
A, B = "10.88.0.1", "10.88.0.2"
WORKERS = int(os.environ.get("FAULTS_JOBS", "5"))
CASES = []
counter = iter(range(1000))


class Failed(Exception):
    pass


def need(cond, what):
    if not cond:
        raise Failed(what)


def sh(cmd, check=True):
    r = subprocess.run(shlex.split(cmd), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if check and r.returncode:
        raise Failed("%s: %s" % (cmd, r.stdout.strip()))
    return r.stdout


class Prog:
    """A program in a namespace, with its lines of JSON."""

    def __init__(self, net, side, fast, args, env=None, wrap=()):
        cmd = ["ip", "netns", "exec", net.ns[side], *wrap, "env"]
        cmd += ["%s=%s" % kv for kv in (env or {}).items()]
        if fast:
            cmd += ["LD_PRELOAD=" + LIB, "POSTERN_POSTERND=" + DAEMON]
        self.err = tempfile.TemporaryFile("w+")
        self.p = subprocess.Popen(cmd + [sys.executable, APP, *map(str, args)], stdin=subprocess.DEVNULL,
                                  stdout=subprocess.PIPE, stderr=self.err, text=True)
        self.pid, self.lines, self.name = self.p.pid, queue.Queue(), "%s %s" % (side, args[0])
        threading.Thread(target=self._read, daemon=True).start()
        net.progs.append(self)

    def _read(self):
        for line in self.p.stdout:
            self.lines.put(line)
        self.lines.put(None)

    def line(self, key=None, timeout=20):
        end = time.monotonic() + timeout
        while True:
            try:
                got = self.lines.get(timeout=max(0.01, end - time.monotonic()))
            except queue.Empty:
                raise Failed("%s says nothing for %d s" % (self.name, timeout))
            if got is None:
                raise Failed("%s ended with %s: %s" % (self.name, self.p.wait(), self.stderr()))
            d = json.loads(got)
            if key is None or key in d:
                return d

    def stderr(self):
        self.err.seek(0)
        return self.err.read()[-600:].strip()

    def stop(self):
        os.kill(self.pid, signal.SIGSTOP)

    def cont(self):
        os.kill(self.pid, signal.SIGCONT)

    def kill(self, sig=signal.SIGKILL):
        if self.p.poll() is None:
            os.kill(self.pid, sig)

    def end(self, timeout=5):
        """SIGTERM; how it ended."""
        self.kill(signal.SIGTERM)
        try:
            return self.p.wait(timeout)
        except subprocess.TimeoutExpired:
            state = sh("cat /proc/%d/status" % self.pid, False)
            self.kill()
            self.p.wait()
            raise Failed("%s does not end: %s" % (self.name, re.findall(r"State:.*", state)))


class Net:
    def __init__(self, lossy=None):
        self.id = "pt-flt-%d-%d" % (os.getpid(), next(counter))
        self.ns = {s: "%s-%s" % (self.id, s) for s in ("abm" if lossy else "ab")}
        self.progs, self.pinger = [], None
        for n in self.ns.values():
            sh("ip netns add " + n)
            sh("ip -n %s link set lo up" % n)
        if lossy:
            for s in "ab":
                sh("ip link add veth0 netns %s type veth peer name v%s netns %s" % (self.ns[s], s, self.ns["m"]))
                sh("ip netns exec %s sysctl -qw net.ipv6.conf.v%s.disable_ipv6=1" % (self.ns["m"], s))
                sh("ip -n %s link set v%s up" % (self.ns["m"], s))
        else:
            sh("ip link add veth0 netns %s type veth peer name veth0 netns %s" % (self.ns["a"], self.ns["b"]))
        for s, addr in (("a", A), ("b", B)):
            sh("ip -n %s addr add %s/24 dev veth0" % (self.ns[s], addr))
            sh("ip -n %s link set veth0 up" % self.ns[s])
        if lossy:
            Prog(self, "m", False, ["forward", "va", "vb", *lossy]).line("ready")

    def run(self, side, fast, *args, env=None, wrap=()):
        return Prog(self, side, fast, args, env, wrap)

    def serve(self, side, fast, env=None, wrap=()):
        p = self.run(side, fast, "serve", 7000, env=env, wrap=wrap)
        p.line("ready")
        return p

    def ping_start(self):
        self.pinger = subprocess.Popen(["ip", "netns", "exec", self.ns["a"], "ping", "-q", "-n", "-i", "0.1", "-W", "3", B],
                                       stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def ping_end(self):
        """(sent, lost)"""
        self.pinger.send_signal(signal.SIGINT)
        out = self.pinger.communicate(timeout=10)[0]
        m = re.search(r"(\d+) packets transmitted, (\d+) received", out)
        self.pinger = None
        return (int(m[1]), int(m[1]) - int(m[2])) if m else (0, 0)

    def pids(self, side, what=None):
        """Pids of posternd, holder or keeper there."""
        out = []
        for p in sh("ip netns pids " + self.ns[side], False).split():
            try:
                comm = open("/proc/%s/comm" % p).read().strip()
                cmd = open("/proc/%s/cmdline" % p).read()
            except OSError:
                continue
            kind = {"postern-hold": "holder", "posternd": "posternd", "postern-keeper": "keeper"}.get(comm)
            if kind is None and "postern" in cmd.split("\0")[0]:
                kind = comm
            if kind and (what is None or kind == what):
                out.append(int(p))
        return out

    def packets(self, side):
        out = sh("ip netns exec %s cat /proc/net/snmp /proc/net/dev" % self.ns[side])
        return (int(re.findall(r"^Ip: (\d.*)", out, re.M)[0].split()[2]),
                int(re.search(r"veth0: *\d+ +(\d+)", out)[1]))

    def accelerated_again(self, peer, port=7001):
        """A new program on side a passes the kernel by."""
        k, d = self.packets("a")
        p = self.run("a", True, "duplex", B, 7000, 2000000, 0)
        r = p.line("rx")
        need(r["rx"] == 2000000 and r["bad"] is None and "err" not in r, "new program: %s" % r)
        p.p.wait()
        k, d = self.packets("a")[0] - k, self.packets("a")[1] - d
        need(k < d / 5 + 50, "new program is not accelerated: kernel saw %d of %d packets; %s" % (k, d, p.stderr()))

    def netstat(self, side):
        """The lines of onload_stackdump netstat."""
        return sh("ip netns exec %s bash -c 'exec -a onload_stackdump %s netstat'" % (self.ns[side], TOOL)).splitlines()

    def down(self):
        notes = []
        if self.pinger:
            self.pinger.kill()
            self.pinger.wait()
        for p in self.progs:
            if p.p.poll() is None:
                p.kill(signal.SIGCONT)
                p.kill()
            p.p.wait()
            if p.p.returncode in (-11, -6, -7, -8, -4):
                notes.append("%s crashed with signal %d: %s" % (p.name, -p.p.returncode, p.stderr()))
        for s in self.ns:
            for sig in (signal.SIGCONT, signal.SIGTERM):
                for pid in self.pids(s):
                    try:
                        os.kill(pid, sig)
                    except OSError:
                        pass
        end = time.monotonic() + 3
        while any(self.pids(s) for s in self.ns) and time.monotonic() < end:
            time.sleep(0.05)
        for s in self.ns:
            left = self.pids(s)
            for pid in left:
                try:
                    os.kill(pid, signal.SIGKILL)
                except OSError:
                    pass
            if left:
                time.sleep(0.3)
            if not self.pids(s) and s != "m":
                for _ in range(20):
                    link = sh("ip -n %s -d link show dev veth0" % self.ns[s], False)
                    if "xdp" not in link:
                        break
                    time.sleep(0.1)
                else:
                    notes.append("an XDP program is left on side " + s)
        for n in self.ns.values():
            sh("ip netns del " + n, False)
        return notes


def case(loss=0, lossy=None, modes=("one", "both")):
    """loss: pings that may be lost.  The function's first line of doc is the case."""
    def deco(f):
        for m in modes:
            CASES.append((f.__name__ + "_" + m, f, m == "both", loss, lossy))
        return f
    return deco


def intact(r, n, who=""):
    need(r.get("bad") is None and r["rx"] == n and r["tx"] == n and "err" not in r, "%s: %s" % (who, r))


def transfer(net, both, secs, rate=2000000, env=None, **kw):
    """Both ways between a and b, with UDP beside it: (server, client, udp, bytes)."""
    n = int(secs * rate)
    srv = net.serve("b", both)
    cli = net.run("a", True, "duplex", B, 7000, n, rate, env=env, **kw)
    udp = net.run("a", True, "udp", B, 7000, secs)
    cli.line("begun")
    udp.line("begun")
    time.sleep(0.5)
    return srv, cli, udp, n


def finish(srv, cli, udp, n, udp_loss=0):
    r, s, u = cli.line("rx", 25), srv.line("cmd", 25), udp.line("sent", 25)
    intact(r, n, "client")
    intact(s, n, "server")
    need(u["bad"] is None, "udp corrupt: %s" % u)
    need(u["lost"] <= udp_loss, "udp lost: %s" % u)
    return "gap %d/%d ms, udp %d lost %d gap %d ms" % (r["gap_ms"], s["gap_ms"], u["sent"], u["lost"], u["gap_ms"])


# ---- the application dies ------------------------------------------------------------

def killed(net, both, what, reset):
    srv = net.serve("b", both)
    times = []
    for _ in range(3):
        cli = net.run("a", True, *([what, B, 7000] if what != "duplex" else [what, B, 7000, 1 << 30, 3000000]))
        cli.line("begun")
        time.sleep(0.6)
        t = time.monotonic()
        cli.kill()
        r = srv.line("cmd", 5)
        times.append((r["end"] - t) * 1000)
        need(r.get("bad") is None, "corrupt: %s" % r)
        need(times[-1] < 1000, "peer heard after %d ms: %s" % (times[-1], r))
        if reset is not None:
            need(("err" in r) == reset, "peer saw %s" % r)
    # Others may have the processors for a while, but not most times.
    need(sorted(times)[1] < 100, "peer heard late: %s" % times)
    return "peer heard after " + ", ".join("%.1f" % t for t in times) + " ms"


@case()
def kill_sender(net, both):
    return killed(net, both, "sink", False)


@case()
def kill_duplex(net, both):
    return killed(net, both, "duplex", None)


@case()
def kill_unread(net, both):
    return killed(net, both, "hold", True)


# ---- processes are stopped -----------------------------------------------------------

@case()
def stop_app(net, both):
    srv, cli, udp, n = transfer(net, both, 2.5)
    cli.stop()
    udp.stop()
    time.sleep(3)
    udp.cont()
    cli.cont()
    return finish(srv, cli, udp, n)


def stop_helper(net, both, what):
    srv, cli, udp, n = transfer(net, both, 4)
    again = net.run("a", True, "again", B, 7000, 3)
    again.line("begun")
    time.sleep(0.3)
    pids = [p for s in "ab" for p in net.pids(s, what)]
    need(pids, "no " + what)
    for p in pids:
        os.kill(p, signal.SIGSTOP)
    fresh = net.run("a", True, "again", B, 7000, 0.5)
    time.sleep(3)
    for p in pids:
        os.kill(p, signal.SIGCONT)
    out = finish(srv, cli, udp, n)
    r, f = again.line("ok", 15), fresh.line("ok", 15)
    need(r["bad"] is None and f["bad"] is None, "corrupt %s %s" % (r, f))
    need(f["ok"] > 0, "new program had no connection: %s" % f)
    gap = max(int(x) for x in re.search(r"gap (\d+)/(\d+)", out).groups())
    need(gap < 1000, "data did not flow on: " + out)
    return out + "; connections %d worst %d ms errors %s, new program %d worst %d ms %s" % (
        r["ok"], r["gap_ms"], r["errs"], f["ok"], f["gap_ms"], f["errs"])


@case()
def stop_posternd(net, both):
    return stop_helper(net, both, "posternd")


@case()
def stop_holder(net, both):
    return stop_helper(net, both, "holder")


@case()
def stop_keeper(net, both):
    return stop_helper(net, both, "keeper")


def stop_sharer(net, both, how, env, stops, length, bound):
    net.serve("b", both)
    cli = net.run("a", True, "fork", B, 7000, stops * (length + 0.05) + 1, how, env=env)
    cli.line("begun")
    time.sleep(0.4)
    for i in range(stops):
        cli.stop()
        time.sleep(length)
        cli.cont()
        time.sleep(0.03 + 0.0037 * (i % 5))
    said = [cli.line("who", 20) for _ in range(1 if how != "work" else 2)]
    for x in said:
        need(x["bad"] is None, "corrupt: %s" % x)
    r = [x for x in said if x["who"] == "child"][0]
    need(r["gap_ms"] <= bound and r["udp_gap_ms"] <= bound, "the other one stood still: %s" % r)
    return "other's worst round trip: TCP %d ms, UDP %d ms" % (r["gap_ms"], r["udp_gap_ms"])


@case()
def stop_sharer_leader(net, both):
    return stop_sharer(net, both, "recv", None, 1, 3, 300)


@case()
def stop_sharer_leader_often(net, both):
    return stop_sharer(net, both, "recv", None, 8, 0.25, 300)


@case()
def stop_sharer_working(net, both):
    return stop_sharer(net, both, "work", None, 10, 0.25, 300)


@case()
def stop_sharer_spinning(net, both):
    return stop_sharer(net, both, "spin", {"EF_POLL_USEC": "100000"}, 30, 0.15, 300)


# ---- a process becomes another program -----------------------------------------------

@case()
def exec_chain(net, both):
    """More programs than a stack has room for processes; what exec closes is closed."""
    net.serve("b", both)
    cli = net.run("a", True, "exec", B, 7000, 70)
    r = cli.line("left", 50)
    need(r["bad"] is None and r["left"] == 0 and r["rx"] == 71000, "%s" % r)
    time.sleep(0.3)
    socks = [x for x in net.netstat("a") if "ESTABLISHED" in x]
    need(len(socks) == 2, "open after all: %s" % socks)
    return "70 programs in one process"


# ---- processes of ours die -----------------------------------------------------------

def kill_helper(net, both, what):
    srv, cli, udp, n = transfer(net, both, 3)
    pids = [p for s in "ab" for p in net.pids(s, what)]
    need(pids, "no %s" % what)
    for p in pids:
        try:
            os.kill(p, signal.SIGKILL)
        except ProcessLookupError:      # it went with another
            pass
    time.sleep(0.5)
    out = finish(srv, cli, udp, n)
    net.accelerated_again(srv)
    return out


@case()
def kill_posternd(net, both):
    return kill_helper(net, both, "posternd")


@case()
def kill_holder(net, both):
    return kill_helper(net, both, "holder")


@case()
def kill_keeper(net, both):
    return kill_helper(net, both, "keeper")


@case(modes=("one",))
def kill_posternd_and_holder(net, both):
    """The filter goes with its last descriptor: what was connected gets an error, not silence."""
    srv, cli, udp, n = transfer(net, both, 4)
    for p in net.pids("a", "posternd") + net.pids("a", "holder"):
        os.kill(p, signal.SIGKILL)
    t = time.monotonic()
    r, s, u = cli.line("rx", 10), srv.line("cmd", 10), udp.line("sent", 10)
    for x in (r, s, u):
        need(x["bad"] is None, "corrupt: %s" % x)
    need("err" in r or r["rx"] == n, "client: %s" % r)
    need("err" in s or s["rx"] == n, "server: %s" % s)
    need(cli.p.wait(5) == 0, "client's status %s" % cli.p.returncode)
    took = r["at"] - t
    net.accelerated_again(srv)
    return "error %s after %.0f ms, udp lost %d of %d" % (r.get("err"), took * 1000, u["lost"], u["sent"])


@case(modes=("one",))
def kill_all_helpers(net, both):
    """Nobody of ours is left to say that the filter is gone: the application notices."""
    srv, cli, udp, n = transfer(net, both, 4)
    idle = net.run("a", True, "hold_idle", B, 7000)
    idle.line("begun")
    pids = [p for k in ("keeper", "holder", "posternd") for p in net.pids("a", k)]
    need(len(pids) == 3, "helpers: %s" % pids)
    for p in pids:
        os.kill(p, signal.SIGSTOP)
    for p in pids:
        os.kill(p, signal.SIGKILL)
    t = time.monotonic()
    r, s, u, i = cli.line("rx", 10), srv.line("cmd", 10), udp.line("sent", 10), idle.line("again", 10)
    for x in (r, s, u, i):
        need(x["bad"] is None, "corrupt: %s" % x)
    need("err" in r or r["rx"] == n, "client: %s" % r)
    need("err" in i, "idle client: %s" % i)
    need(i["again"] == 2000, "the program itself does not go on: %s" % i)
    net.accelerated_again(srv)
    return "error %s after %.0f ms, idle %s after %.0f ms" % (
        r.get("err"), (r["end"] - t) * 1000, i["err"], (i["end"] - t) * 1000)


# ---- links, neighbours, routes -------------------------------------------------------

@case(loss=100)
def link_down_up(net, both):
    srv, cli, udp, n = transfer(net, both, 3)
    sh("ip -n %s link set veth0 down" % net.ns["a"])
    time.sleep(1)
    sh("ip -n %s link set veth0 up" % net.ns["a"])
    return finish(srv, cli, udp, n, 400)


@case(loss=100)
def link_down_up_peer(net, both):
    srv, cli, udp, n = transfer(net, both, 3)
    sh("ip -n %s link set veth0 down" % net.ns["b"])
    time.sleep(1)
    sh("ip -n %s link set veth0 up" % net.ns["b"])
    return finish(srv, cli, udp, n, 400)


@case(loss=1000)
def link_deleted(net, both):
    srv = net.serve("b", both)
    timed = net.run("a", True, "duplex", B, 7000, 1 << 30, 2000000, 2)
    block = net.run("a", True, "duplex", B, 7000, 1 << 30, 2000000)
    udp = net.run("a", True, "udp", B, 7000, 2)
    for p in (timed, block, udp):
        p.line("begun")
    time.sleep(0.6)
    sh("ip -n %s link del veth0" % net.ns["b"])
    r = timed.line("rx", 10)
    need(r["bad"] is None and "err" in r, "%s" % r)
    need(timed.p.wait(5) == 0, "status %s" % timed.p.returncode)
    u = udp.line("sent", 10)
    need(udp.p.wait(5) == 0, "udp status %s" % udp.p.returncode)
    need(block.end() == -15, "the blocked one: %s" % block.p.returncode)
    need(srv.end() == -15, "server: %s" % srv.p.returncode)
    return "error %s, udp lost %d" % (r["err"], u["lost"])


@case(loss=100)
def neighbour_mac(net, both):
    sh("ip netns exec %s sysctl -qw net.ipv4.conf.veth0.arp_notify=1" % net.ns["b"])
    srv, cli, udp, n = transfer(net, both, 3.5)
    time.sleep(1.2)
    sh("ip -n %s link set veth0 address 02:00:00:00:77:01" % net.ns["b"])
    return finish(srv, cli, udp, n, 200)


@case(loss=100)
def route_removed(net, both):
    srv, cli, udp, n = transfer(net, both, 3)
    sh("ip -n %s route del 10.88.0.0/24 dev veth0" % net.ns["a"])
    time.sleep(1)
    sh("ip -n %s route add 10.88.0.0/24 dev veth0 src %s" % (net.ns["a"], A))
    return finish(srv, cli, udp, n, 600)


# ---- something runs out --------------------------------------------------------------

@case()
def out_of_packets(net, both):
    net.serve("b", True, env={"EF_MAX_PACKETS": "1024"})
    cli = net.run("a", both, "many", B, 7000, 50, 200000, "sink+1")
    r = cli.line("ok", 60)
    need(r["bad"] is None and r["ok"] == 50, "%s" % r)
    return "50 slow readers"


@case()
def out_of_fds(net, both):
    net.serve("b", True, wrap=("prlimit", "--nofile=64"))
    cli = net.run("a", both, "many", B, 7000, 100, 3000, "echo", 0.2)
    r = cli.line("ok", 60)
    need(r["bad"] is None and r["ok"] == 100, "%s" % r)
    return "100 connections with 64 descriptors"


@case()
def out_of_endpoints(net, both):
    net.serve("b", True, env={"EF_MAX_ENDPOINTS": "64"})
    cli = net.run("a", both, "many", B, 7000, 200, 3000, "echo", 0.2, env={"EF_MAX_ENDPOINTS": "64"})
    r = cli.line("ok", 60)
    need(r["bad"] is None and r["ok"] == 200, "%s" % r)
    return "200 connections with 64 endpoints"


# ---- a bad wire ----------------------------------------------------------------------

@case(lossy=("0.01", "0.02", "0.01"), modes=("both",))
def lossy_wire(net, both):
    t = time.monotonic()
    n = 20 << 20
    srv = net.serve("b", both)
    cli = net.run("a", True, "duplex", B, 7000, n, 0)
    r, s = cli.line("rx", 60), srv.line("cmd", 60)
    intact(r, n, "client")
    intact(s, n, "server")
    return "20 MiB each way in %.1f s" % (time.monotonic() - t)


# ---- the frame -----------------------------------------------------------------------

def run_case(c):
    name, f, both, loss, lossy = c
    t, net, why, note = time.monotonic(), None, [], ""
    try:
        net = Net(lossy)
        sh("ip netns exec %s ping -q -c 1 -W 3 %s" % (net.ns["a"], B))
        net.ping_start()
        note = f(net, both) or ""
        sent, lost = net.ping_end()
        if not f.__name__.startswith(("out_of", "link_deleted")):
            k, d = net.packets("a")
            k -= sent       # the pings are the kernel's
            if k > d / 3 + 50:
                why.append("not accelerated: kernel saw %d of %d packets" % (k, d))
        if lost > loss + 1:      # the last one may still be on its way
            why.append("%d of %d pings lost" % (lost, sent))
    except Failed as e:
        why.append(str(e))
    except Exception as e:
        why.append("%s: %s" % (type(e).__name__, e))
    finally:
        if net:
            if why and os.environ.get("FAULTS_KEEP"):
                print("kept: " + net.id, flush=True)
                time.sleep(float(os.environ["FAULTS_KEEP"]))
            try:
                why += net.down()
            except Failed as e:
                why.append("clean-up: %s" % e)
    print("%-32s %s (%.1f s) %s" % (name, "FAIL: " + "; ".join(why) if why else "pass", time.monotonic() - t, note), flush=True)
    return not why


def main():
    args = sys.argv[1:]
    if args == ["-l"]:
        print("\n".join(c[0] for c in CASES))
        return 0
    if os.getuid() or not os.path.exists(LIB):
        print("skipped: needs root, and the library in " + LIB)
        return 77
    probe = "pt-flt-%d-probe" % os.getpid()
    if subprocess.run(["ip", "netns", "add", probe], stderr=subprocess.DEVNULL).returncode:
        print("skipped: cannot make network namespaces")
        return 77
    sh("ip netns del " + probe)
    cases = [c for c in CASES if not args or any(a in c[0] for a in args)]
    with concurrent.futures.ThreadPoolExecutor(WORKERS) as ex:
        ok = list(ex.map(run_case, cases))
    left = [x for x in sh("ip netns list").split() if x.startswith("pt-flt-%d-" % os.getpid())]
    if left:
        print("FAIL: left behind: " + " ".join(left))
    print("%d of %d passed" % (sum(ok), len(ok)))
    return 0 if all(ok) and not left else 1


if __name__ == "__main__":
    sys.exit(main())
