"""What comes goes back: RFC 862."""

from __future__ import annotations

import asyncio
from typing import cast

PORT = 7
_CHUNK = 65_536  # bytes


class EchoDatagrams(asyncio.DatagramProtocol):
    """Each datagram goes back to where it came from."""

    _transport: asyncio.DatagramTransport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)  # which Python 3.11's does not inherit from

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self._transport.sendto(data, addr)


async def echo_stream(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Send bytes back until the peer has no more."""
    try:
        while data := await reader.read(_CHUNK):
            writer.write(data)
            await writer.drain()
        writer.close()
        await writer.wait_closed()
    except ConnectionError:  # the peer broke off: there is nobody to echo to
        writer.close()
