# SPDX-License-Identifier: BSD-2-Clause
#
# python_asyncio.py server ADDRESS PORT | client ADDRESS PORT CONNECTIONS N
# Streams echo by asyncio: each connection sends N messages of various lengths, reads
# them back and compares, then half-closes and sees the end.  UDP the same way on the same
# port, one message at a time.  The client prints facts for the test.
import asyncio
import hashlib
import sys
import time


async def on_stream(reader, writer):
    while True:
        data = await reader.read(65536)
        if not data:
            break
        writer.write(data)
        await writer.drain()
    writer.close()


class Echo(asyncio.DatagramProtocol):
    def connection_made(self, transport):
        self.transport = transport

    def datagram_received(self, data, addr):
        self.transport.sendto(data, addr)


async def server(addr, port):
    loop = asyncio.get_running_loop()
    await loop.create_datagram_endpoint(Echo, local_addr=(addr, port))
    s = await asyncio.start_server(on_stream, addr, port, backlog=256)
    async with s:
        await s.serve_forever()


async def one(addr, port, c, n):
    reader, writer = await asyncio.open_connection(addr, port)
    h = hashlib.md5()
    for i in range(n):
        msg = bytes([(c + i) % 251]) * (1 + (c * 131 + i * 977) % 9000)
        writer.write(msg)
        await writer.drain()
        back = await reader.readexactly(len(msg))
        if back != msg:
            raise RuntimeError('wrong echo')
        h.update(back)
    writer.write_eof()
    if await reader.read() != b'':
        raise RuntimeError('data after the end')
    writer.close()
    await writer.wait_closed()
    return h.hexdigest()


class Asker(asyncio.DatagramProtocol):
    def __init__(self):
        self.q = asyncio.Queue()

    def datagram_received(self, data, addr):
        self.q.put_nowait(data)


async def client(addr, port, conns, n):
    t0 = time.time()
    sums = await asyncio.gather(*(one(addr, port, c, n) for c in range(conns)))
    took = time.time() - t0
    print(f'= streams {hashlib.md5("".join(sums).encode()).hexdigest()}')
    print(f'~ messages/s {int(conns * n / took)}')
    loop = asyncio.get_running_loop()
    t, p = await loop.create_datagram_endpoint(Asker, remote_addr=(addr, port))
    for i in range(200):
        t.sendto(b'%d' % i)
        if await asyncio.wait_for(p.q.get(), 5) != b'%d' % i:
            raise RuntimeError('wrong datagram')
    t.close()
    print('= datagrams 200')


a = sys.argv
if a[1] == 'server':
    asyncio.run(server(a[2], int(a[3])))
else:
    asyncio.run(client(a[2], int(a[3]), int(a[4]), int(a[5])))
