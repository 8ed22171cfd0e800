# SPDX-License-Identifier: BSD-2-Clause
#
# python_threads.py ADDRESS PORT THREADS N: http.client in threads, GET and POST over kept
# connections, each answer compared.  Prints facts for the test.
import hashlib
import http.client
import sys
import threading
import time

addr, port, threads, n = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
sums, errors = [''] * threads, []


def work(t):
    try:
        c = http.client.HTTPConnection(addr, port, timeout=10)
        h = hashlib.md5()
        for i in range(n):
            c.request('GET', '/small')
            h.update(c.getresponse().read())
            body = bytes([(t + i) % 256]) * (i * 3001 % 100000)
            c.request('POST', '/', body)
            if c.getresponse().read().decode() != hashlib.md5(body).hexdigest():
                raise RuntimeError('wrong sum')
        c.close()
        sums[t] = h.hexdigest()
    except Exception as e:
        errors.append(f'thread {t}: {e!r}')


t0 = time.time()
ts = [threading.Thread(target=work, args=(t,)) for t in range(threads)]
for x in ts:
    x.start()
for x in ts:
    x.join()
if errors:
    sys.exit('\n'.join(errors))
print(f'= answers {hashlib.md5("".join(sums).encode()).hexdigest()}')
print(f'~ requests/s {int(2 * threads * n / (time.time() - t0))}')
