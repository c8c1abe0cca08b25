"""Carries a walk's queries to name servers and their responses back: the resolver's outgoing sockets.

RFC 5452 9.2: each query has a random ID and a socket of its own, whose source port the kernel draws at random.
RFC 7766 for TCP.
"""

from __future__ import annotations

import asyncio
import secrets
import socket
import struct

from hostkit.dns_sockets import PORT, Transport
from resolver.iterate import Ask
from resolver.messages import NotTheAnswer, Response, pack_query, read_response

_LARGEST_DATAGRAM = 4096  # octets; we announce 1232


async def ask_server(ask: Ask, port: int = PORT) -> Response | None:
    """The server's response to this query; None when nothing that is one came in time."""
    identifier = secrets.randbits(16)
    query = pack_query(ask.question, identifier, edns=ask.edns)
    exchange = _over_udp if ask.transport is Transport.UDP else _over_tcp
    try:
        async with asyncio.timeout(ask.patience_s):
            return await exchange(ask, query, identifier, port)
    except (OSError, EOFError):  # timed out, refused, unreachable, hung up: to the walk all are silence
        return None


async def _over_udp(ask: Ask, query: bytes, identifier: int, port: int) -> Response:
    loop = asyncio.get_running_loop()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        udp.setblocking(False)
        udp.connect((ask.server, port))  # the kernel now drops what comes from anybody else
        await loop.sock_sendall(udp, query)
        while True:
            wire = await loop.sock_recv(udp, _LARGEST_DATAGRAM)
            try:
                return read_response(wire, ask.question, identifier)
            except NotTheAnswer:
                continue  # RFC 5452 9.1: keep waiting, the real one may be behind a forged one


async def _over_tcp(ask: Ask, query: bytes, identifier: int, port: int) -> Response | None:
    reader, writer = await asyncio.open_connection(ask.server, port)
    try:
        writer.write(struct.pack("!H", len(query)) + query)
        (length,) = struct.unpack("!H", await reader.readexactly(2))
        return read_response(await reader.readexactly(length), ask.question, identifier)
    except NotTheAnswer:
        return None
    finally:
        writer.close()
