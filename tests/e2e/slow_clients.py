# SPDX-License-Identifier: Apache-2.0 OR MIT
"""Clients that mean no good: python slow_clients.py MODE HOST PORT COUNT. They come again when they are cut off.

drip: a request that comes byte by byte, and never ends.
flood: a header of 100 MB, as fast as it is taken.
silent: a connection and nothing else.
"""

import asyncio
import resource
import sys

MODE, HOST, PORT, COUNT = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
FLOOD_BYTES = 100_000_000


async def drip(reader, writer):
    writer.write(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nX-Slow: ")
    while not reader.at_eof():
        writer.write(b"x")
        await writer.drain()
        await asyncio.sleep(1)


async def flood(_reader, writer):
    writer.write(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nX-Large: ")
    part = b"x" * 65536
    for _ in range(FLOOD_BYTES // len(part)):
        writer.write(part)
        await writer.drain()


async def silent(reader, _writer):
    await reader.read()


async def client(index):
    while True:
        try:
            reader, writer = await asyncio.open_connection(HOST, PORT)
        except OSError:
            await asyncio.sleep(0.1)
            continue
        if index == COUNT - 1:
            print("ready", flush=True)
        try:
            await {"drip": drip, "flood": flood, "silent": silent}[MODE](reader, writer)
        except OSError:
            pass
        writer.close()
        await asyncio.sleep(0.5)


async def main():
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    clients = []
    for index in range(COUNT):
        clients.append(asyncio.create_task(client(index)))
        if index % 50 == 0:
            await asyncio.sleep(0.01)
    await asyncio.gather(*clients)


asyncio.run(main())
