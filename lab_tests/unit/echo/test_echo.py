"""What is sent comes back, over both transports."""

from __future__ import annotations

import asyncio
import socket

from echo.service import EchoDatagrams, echo_stream

HERE = "127.0.0.1"


def test_a_datagram_comes_back_to_its_sender() -> None:
    async def ask() -> bytes:
        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_datagram_endpoint(EchoDatagrams, local_addr=(HERE, 0))
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.setblocking(False)
            await loop.sock_connect(client, transport.get_extra_info("sockname"))
            await loop.sock_sendall(client, b"once")
            reply = await asyncio.wait_for(loop.sock_recv(client, 100), 5)
        transport.close()
        await asyncio.sleep(0)  # one turn of the loop: the transport closes its socket in it
        return reply

    assert asyncio.run(ask()) == b"once"


def test_a_streams_bytes_come_back_in_order_and_the_end_is_answered() -> None:
    sent = bytes(range(256)) * 2000

    async def ask() -> bytes:
        server = await asyncio.start_server(echo_stream, HERE, 0)
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        writer.write(sent)
        writer.write_eof()
        reply = await asyncio.wait_for(reader.read(), 10)
        writer.close()
        await writer.wait_closed()
        server.close()
        await server.wait_closed()
        return reply

    assert asyncio.run(ask()) == sent
