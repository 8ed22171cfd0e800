# SPDX-License-Identifier: BSD-2-Clause
#
# memcached_load.py ADDRESS PORT THREADS N: each thread sets and gets N values of various
# lengths by the text protocol, in batches of "get" with several keys, and compares.
# The UDP protocol is tried with one thread's keys.  Prints facts for the test.
import socket
import struct
import sys
import threading
import time

addr, port, threads, n = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
good = [0] * threads
errors = []


def value(t, i):
    return (f'{t}:{i}:' * (1 + i % 200)).encode()


def work(t):
    s = socket.create_connection((addr, port), timeout=10)
    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    f = s.makefile('rb')
    for i in range(n):
        v = value(t, i)
        s.sendall(b'set k%d.%d 0 0 %d\r\n%s\r\n' % (t, i, len(v), v))
        if f.readline() != b'STORED\r\n':
            raise RuntimeError('not stored')
        if i % 10 == 9:
            s.sendall(b'get ' + b' '.join(b'k%d.%d' % (t, j) for j in range(i - 9, i + 1)) + b'\r\n')
            for j in range(i - 9, i + 1):
                head = f.readline().split()
                if head[0] != b'VALUE':
                    raise RuntimeError(f'answer: {head}')
                if f.read(int(head[3]) + 2)[:-2] != value(t, j):
                    raise RuntimeError('wrong value')
                good[t] += 1
            if f.readline() != b'END\r\n':
                raise RuntimeError('no END')
    s.close()


def guarded(t):
    try:
        work(t)
    except Exception as e:      # reported by the main thread
        errors.append(f'thread {t}: {e!r}')


t0 = time.time()
ts = [threading.Thread(target=guarded, args=(t,)) for t in range(threads)]
for t in ts:
    t.start()
for t in ts:
    t.join()
took = time.time() - t0
u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
u.settimeout(5)
udp = 0
for i in range(50):
    u.sendto(struct.pack('!HHHH', i, 0, 1, 0) + b'get k0.%d\r\n' % (i % 10), (addr, port))
    if u.recv(65535)[8:].startswith(b'VALUE'):
        udp += 1
if errors:
    sys.exit('\n'.join(errors))
print(f'= values {sum(good)}')
print(f'= udp {udp}')
print(f'~ operations/s {int(2 * sum(good) / took)}')
