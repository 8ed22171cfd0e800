# SPDX-License-Identifier: BSD-2-Clause
"""The programs of faults.py: servers and clients whose every byte is checked.

Byte i of a stream is PATTERN[i % len(PATTERN)], in both directions.  Results are lines
of JSON on standard output.  Runs on the kernel and under the library alike.
"""
import json
import os
import random
import select
import signal
import socket
import sys
import threading
import time

PATTERN = random.Random(7).randbytes(65521)
TWICE = PATTERN * 6
CHUNK = 16384


def expected(off, n):
    off %= len(PATTERN)
    return TWICE[off:off + n]


def say(**kw):
    kw["at"] = time.monotonic()
    sys.stdout.write(json.dumps(kw) + "\n")
    sys.stdout.flush()


def send_stream(s, n, rate, res):
    off, start = 0, time.monotonic()
    try:
        while off < n:
            take = min(CHUNK, n - off)
            s.sendall(expected(off, take))
            off += take
            if rate:
                late = start + off / rate - time.monotonic()
                if late > 0:
                    time.sleep(late)
                elif late < -0.3:
                    start = time.monotonic() - off / rate
        s.shutdown(socket.SHUT_WR)
    except OSError as e:
        res.setdefault("err", type(e).__name__)
        res["errno"] = e.errno
    res["tx"] = off


def recv_stream(s, res, pause=0):
    off, last, gap, bad = 0, time.monotonic(), 0, None
    try:
        while True:
            d = s.recv(65536)
            now = time.monotonic()
            gap = max(gap, now - last)
            last = now
            if not d:
                break
            if d != expected(off, len(d)):
                bad = off
                break
            off += len(d)
            if pause:
                time.sleep(pause)
    except OSError as e:
        res.setdefault("err", type(e).__name__)
        res["errno"] = e.errno
    res.update(rx=off, gap_ms=round(gap * 1000), bad=bad, end=time.monotonic())


def duplex(s, n, rate):
    res = {}
    t = threading.Thread(target=send_stream, args=(s, n, rate, res), daemon=True)
    t.start()
    recv_stream(s, res)
    t.join(20)
    return res


def read_line(s):
    b = b""
    while not b.endswith(b"\n"):
        c = s.recv(1)
        if not c:
            return ""
        b += c
    return b.decode().strip()


def echo(s):
    while True:
        d = s.recv(65536)
        if not d:
            return
        s.sendall(d)


def serve_one(s):
    cmd = "?"
    try:
        cmd, *args = read_line(s).split() or ["?"]
        if cmd == "duplex":
            res = duplex(s, int(args[0]), int(args[1]))
        elif cmd == "sink":
            res = {}
            if args:
                time.sleep(float(args[0]))
            recv_stream(s, res, 0.01 if args else 0)
            s.sendall(b"%d %s\n" % (res["rx"], b"bad" if res["bad"] is not None else b"ok"))
        elif cmd == "source":
            res = {}
            send_stream(s, int(args[0]), 0, res)
            res["end"] = time.monotonic()
        elif cmd == "echo":
            res = {}
            echo(s)
        else:
            res = {"err": "nocmd"}
    except OSError as e:
        res = {"err": type(e).__name__, "errno": e.errno, "end": time.monotonic()}
    s.close()
    if cmd not in ("echo", "?"):
        say(cmd=cmd, **res)


def serve(port):
    u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    u.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    u.bind(("", port))

    def udp():
        while True:
            d, who = u.recvfrom(4096)
            try:
                u.sendto(d, who)
            except OSError:
                pass
    threading.Thread(target=udp, daemon=True).start()
    ls = socket.socket()
    ls.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    ls.bind(("", port))
    ls.listen(256)
    say(ready=port)
    emfile = 0
    while True:
        try:
            s, _ = ls.accept()
        except OSError as e:
            if e.errno not in (23, 24):
                say(accept=e.errno)
            emfile += 1
            time.sleep(0.02)
            continue
        threading.Thread(target=serve_one, args=(s,), daemon=True).start()


def dial(host, port, cmd, timeout=None):
    s = socket.socket()
    s.settimeout(timeout)
    s.connect((host, port))
    s.sendall(cmd.encode() + b"\n")
    return s


def c_duplex(host, port, n, rate, timeout=0):
    """One connection, n bytes each way."""
    n, rate = int(n), int(rate)
    s = dial(host, port, "duplex %d %d" % (n, rate), float(timeout) or None)
    say(begun=1)
    res = duplex(s, n, rate)
    s.close()
    say(**res)


def c_sink(host, port):
    """Sends for ever, gently: nothing comes back, so that its death is a FIN."""
    s = dial(host, port, "sink")
    say(begun=1)
    send_stream(s, 1 << 40, 2000000, {})


def c_hold(host, port):
    """Lets unread data pile up."""
    s = dial(host, port, "source %d" % (1 << 40))
    say(begun=1)
    signal.pause()
    s.close()


def c_hold_idle(host, port):
    """Sleeps on a connection without a word; when it ends, makes another."""
    s = dial(host, port, "echo")
    s.sendall(expected(0, 1000))
    d = b""
    while len(d) < 1000:
        d += s.recv(1000)
    say(begun=1)
    res = {}
    recv_stream(s, res)
    s.close()
    s = dial(host, port, "echo", 10)
    s.sendall(expected(0, 2000))
    d = b""
    while len(d) < 2000:
        d += s.recv(2000)
    res["bad"] = None if d == expected(0, 2000) else 0
    say(again=len(d), **res)


def c_udp(host, port, secs):
    """Datagrams to and fro: each answer is checked against what was sent."""
    u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    u.settimeout(0.3)
    end, n, got, bad, gap, last, errs = time.monotonic() + float(secs), 0, set(), 0, 0, time.monotonic(), 0
    say(begun=1)
    while time.monotonic() < end:
        n += 1
        msg = n.to_bytes(4, "big") + expected(n * 97, 600)
        try:
            u.sendto(msg, (host, port))
            while True:
                d, _ = u.recvfrom(4096)
                k = int.from_bytes(d[:4], "big")
                if d[4:] != expected(k * 97, 600):
                    bad += 1
                got.add(k)
                if k == n:
                    break
        except OSError as e:
            errs += not isinstance(e, TimeoutError)
        gap, last = max(gap, time.monotonic() - last), time.monotonic()
        time.sleep(0.005)
    say(sent=n, lost=n - len(got), bad=1 if bad else None, gap_ms=round(gap * 1000), errs=errs)


def c_fork(host, port, secs, how):
    """Parent and child share a stack.  The parent is to be stopped while it reads or works; the
    child's round trips are timed."""
    a, b = dial(host, port, "echo"), dial(host, port, "echo")
    u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    u.connect((host, port))
    pid = os.fork()
    if pid:
        say(begun=1, parent=os.getpid(), child=pid)
        off = 0
        if how == "recv":
            while a.recv(100):          # silence: sleeps, as the leader
                pass
        a.setblocking(how != "spin")
        while how == "spin":            # in and out of the stack's lock without end
            try:
                a.recv(100)
            except BlockingIOError:
                pass
        end = time.monotonic() + float(secs)
        while time.monotonic() < end:
            a.sendall(expected(off, 1000))
            d = b""
            while len(d) < 1000:
                c = a.recv(1000 - len(d))
                if not c:
                    say(bad=off, who="parent")
                    os._exit(1)
                d += c
            if d != expected(off, 1000):
                say(bad=off, who="parent")
                os._exit(1)
            off += 1000
        say(who="parent", rx=off, bad=None)
        os.waitpid(pid, 0)
        return
    off, gap, ugap, bad, last = 0, 0, 0, None, time.monotonic()
    u.settimeout(2)
    end = time.monotonic() + float(secs)
    while time.monotonic() < end and bad is None:
        t = time.monotonic()
        b.sendall(expected(off, 1000))
        d = b""
        while len(d) < 1000:
            d += b.recv(1000 - len(d))
        if d != expected(off, 1000):
            bad = off
        off += 1000
        gap = max(gap, time.monotonic() - t)
        t = time.monotonic()
        u.send(d)
        if u.recv(2000) != d:
            bad = off
        ugap = max(ugap, time.monotonic() - t)
        time.sleep(0.002)
    say(who="child", rx=off, bad=bad, gap_ms=round(gap * 1000), udp_gap_ms=round(ugap * 1000))
    os.kill(os.getppid(), signal.SIGCONT)
    if how != "work":
        os.kill(os.getppid(), signal.SIGTERM)
    os._exit(0)


def c_many(host, port, count, n, cmd, hold=0):
    """count connections at once, each n bytes there and the server's word back."""
    count, n = int(count), int(n)
    ok, errs, bad = 0, {}, None
    socks = []
    for i in range(count):
        try:
            socks.append(dial(host, port, cmd.replace("+", " "), 25))
        except OSError as e:
            errs[str(e.errno or type(e).__name__)] = errs.get(str(e.errno or type(e).__name__), 0) + 1

    def one(s):
        nonlocal ok, bad
        try:
            if cmd.startswith("sink"):
                send_stream(s, n, 0, {})
                line = read_line(s)
                if line != "%d ok" % n:
                    bad = line
                    return
            else:
                s.sendall(expected(0, n))
                d = b""
                while len(d) < n:
                    c = s.recv(n - len(d))
                    if not c:
                        raise ConnectionError
                    d += c
                if d != expected(0, n):
                    bad = "echo"
                    return
                time.sleep(float(hold))
            ok += 1
        except OSError as e:
            k = str(e.errno or type(e).__name__)
            errs[k] = errs.get(k, 0) + 1
        finally:
            s.close()
    ts = [threading.Thread(target=one, args=(s,)) for s in socks]
    for t in ts:
        t.start()
    for t in ts:
        t.join()
    say(ok=ok, errs=errs, bad=bad)


def c_again(host, port, secs):
    """A new connection every 50 ms, each with 2000 bytes checked."""
    end, ok, errs, bad, worst = time.monotonic() + float(secs), 0, {}, None, 0
    say(begun=1)
    while time.monotonic() < end:
        t = time.monotonic()
        try:
            s = dial(host, port, "echo", 10)
            s.sendall(expected(ok, 2000))
            d = b""
            while len(d) < 2000:
                c = s.recv(2000)
                if not c:
                    raise ConnectionError
                d += c
            if d != expected(ok, 2000):
                bad = ok
            s.close()
            ok += 1
        except OSError as e:
            k = str(e.errno or type(e).__name__)
            errs[k] = errs.get(k, 0) + 1
        worst = max(worst, time.monotonic() - t)
        time.sleep(0.05)
    say(ok=ok, errs=errs, bad=bad, gap_ms=round(worst * 1000))


def c_exec(host, port, left, fd=-1, off=0):
    """Becomes itself again left times: one connection survives each exec, one does not."""
    left, fd, off, bad = int(left), int(fd), int(off), None
    s = socket.socket(fileno=fd) if fd >= 0 else dial(host, port, "echo")
    lost = dial(host, port, "echo")
    poll = select.epoll()
    for c in (s, lost):
        poll.register(c, select.EPOLLIN)
        c.sendall(expected(off, 1000))
        d = b""
        while len(d) < 1000:
            if not poll.poll(10):
                say(left=left, bad="silence")
                sys.exit(1)
            d += c.recv(1000 - len(d))
        if d != expected(off, 1000):
            bad = off
    if bad is not None or not left:
        say(left=left, rx=off + 1000, bad=bad)
        signal.pause()
    os.set_inheritable(s.fileno(), True)
    os.execv(sys.executable, [sys.executable, sys.argv[0], "exec", host, str(port), str(left - 1),
                              str(s.detach()), str(off + 1000)])


def forward(dev_a, dev_b, loss, reorder, dup):
    """A wire that loses, doubles and reorders everything but ICMP and ARP."""
    rnd = random.Random(11)
    loss, reorder, dup = float(loss), float(reorder), float(dup)
    socks = {}
    for d in (dev_a, dev_b):
        s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
        s.setsockopt(socket.SOL_SOCKET, 33, 16 << 20)       # SO_RCVBUFFORCE
        s.bind((d, 3))
        s.setblocking(False)
        socks[s] = None
    x, y = socks
    socks[x], socks[y] = y, x
    held = {x: [], y: []}
    say(ready=1)

    def put(o, f):
        try:
            o.send(f)
        except OSError:
            pass
    while True:
        ready = select.select([x, y], [], [], 0.005)[0]
        for s in (x, y):
            o = socks[s]
            if s not in ready:
                for f in held[s]:
                    put(o, f)
                held[s].clear()
                continue
            for _ in range(64):
                try:
                    f, (_, _, kind, _, _) = s.recvfrom(70000)
                except OSError:
                    break
                if kind == socket.PACKET_OUTGOING:
                    continue
                if len(f) > 34 and f[12:14] == b"\x08\x00" and f[23] in (6, 17):
                    r = rnd.random()
                    if r < loss:
                        continue
                    if r < loss + reorder:
                        held[s].append(f)
                        continue
                    if r < loss + reorder + dup:
                        put(o, f)
                put(o, f)
                if len(held[s]) > 3:
                    put(o, held[s].pop(0))


if __name__ == "__main__":
    what, args = sys.argv[1], sys.argv[2:]
    if what == "serve":
        serve(int(args[0]))
    elif what == "forward":
        forward(*args)
    else:
        globals()["c_" + what](args[0], int(args[1]), *args[2:])
