"""A DNS server's sockets on the loopback: UDP, TCP framing, and that nothing stops them (RFC 1035 4.2, 7766)."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Awaitable, Callable

import pytest

from hostkit.dns_query import Rcode
from hostkit.dns_sockets import DnsSockets, Limits, Transport

HOST = "127.0.0.1"
Conversation = Callable[[int], Awaitable[None]]


def answer(wire: bytes, source: str, transport: Transport) -> bytes | Awaitable[bytes | None] | None:
    """Replies with the transport and the message, later if it says so; "mute" is not answered, "fault" raises."""
    assert source == HOST
    text = wire[2:]
    if text == b"fault":
        raise RuntimeError("told to")
    if text == b"mute":
        return None
    reply = wire[:2] + transport.value.encode() + b" " + text
    return _later(reply) if text.startswith(b"later") else reply


async def _later(reply: bytes) -> bytes | None:
    await asyncio.sleep(0.01)
    if b"fault" in reply:
        raise RuntimeError("told to, later")
    return None if b"mute" in reply else reply


def served(conversation: Conversation, limits: Limits | None = None) -> None:
    """Hold `conversation` with a server, given its port."""

    async def run() -> None:
        sockets = DnsSockets(answer, limits)
        port = await sockets.open(HOST, 0)
        try:
            async with asyncio.timeout(5):
                await conversation(port)
        finally:
            await sockets.close()

    asyncio.run(run())


async def ask_over_udp(port: int, *messages: bytes, expected: int) -> list[bytes]:
    loop = asyncio.get_running_loop()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        udp.setblocking(False)
        udp.connect((HOST, port))
        for message in messages:
            await loop.sock_sendall(udp, message)
        return [await loop.sock_recv(udp, 4096) for _ in range(expected)]


def framed(message: bytes) -> bytes:
    return struct.pack("!H", len(message)) + message


async def read_framed(reader: asyncio.StreamReader) -> bytes:
    (length,) = struct.unpack("!H", await reader.readexactly(2))
    return await reader.readexactly(length)


def test_a_datagram_is_answered_at_once_or_when_its_answer_is_there() -> None:
    async def conversation(port: int) -> None:
        assert await ask_over_udp(port, b"idnow", expected=1) == [b"idUDP now"]
        assert await ask_over_udp(port, b"idlater", expected=1) == [b"idUDP later"]

    served(conversation)


def test_a_late_answer_does_not_hold_up_the_next_datagram() -> None:
    async def conversation(port: int) -> None:
        assert await ask_over_udp(port, b"1.later", b"2.now", expected=2) == [b"2.UDP now", b"1.UDP later"]

    served(conversation)


def test_a_burst_is_answered_to_the_last_datagram() -> None:
    async def conversation(port: int) -> None:
        messages = [struct.pack("!H", n) + b"now" for n in range(200)]
        assert await ask_over_udp(port, *messages, expected=200) == [m[:2] + b"UDP now" for m in messages]

    served(conversation)


def test_what_has_no_answer_gets_none_and_stops_nothing() -> None:
    async def conversation(port: int) -> None:
        assert await ask_over_udp(port, b"idmute", b"idlater mute", b"", b"idnow", expected=2) == [
            b"UDP ",
            b"idUDP now",
        ]

    served(conversation)


@pytest.mark.parametrize("fault", [b"fault", b"later fault"])
def test_a_fault_of_the_server_is_servfail_for_its_query_and_logged(
    fault: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    async def conversation(port: int) -> None:
        (reply,) = await ask_over_udp(port, b"id" + fault, expected=1)
        assert (reply[:2], reply[3] & 0xF) == (b"id", Rcode.SERVFAIL)
        assert await ask_over_udp(port, b"idnow", expected=1) == [b"idUDP now"]
        reader, writer = await asyncio.open_connection(HOST, port)
        writer.write(framed(b"id" + fault) + framed(b"idnow"))
        assert (await read_framed(reader))[3] & 0xF == Rcode.SERVFAIL
        assert await read_framed(reader) == b"idTCP now"
        writer.close()

    served(conversation)
    assert capsys.readouterr().err.count("RuntimeError: told to") == 2


def test_awaited_answers_over_the_limit_are_dropped() -> None:
    async def conversation(port: int) -> None:
        loop = asyncio.get_running_loop()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
            udp.setblocking(False)
            udp.connect((HOST, port))
            for message in (b"1.later", b"2.later", b"3.now"):
                await loop.sock_sendall(udp, message)
            assert [await loop.sock_recv(udp, 99) for _ in range(2)] == [b"3.UDP now", b"1.UDP later"]
            await loop.sock_sendall(udp, b"4.later")
            assert await loop.sock_recv(udp, 99) == b"4.UDP later"

    served(conversation, Limits(answers_awaited=1))


def test_several_queries_on_one_connection_are_answered_in_order() -> None:
    async def conversation(port: int) -> None:
        reader, writer = await asyncio.open_connection(HOST, port)
        writer.write(framed(b"1.later") + framed(b"2.now"))
        assert [await read_framed(reader) for _ in range(2)] == [b"1.TCP later", b"2.TCP now"]
        writer.close()

    served(conversation)


def test_a_query_that_arrives_octet_by_octet_is_answered() -> None:
    async def conversation(port: int) -> None:
        reader, writer = await asyncio.open_connection(HOST, port)
        for octet in framed(b"idnow"):
            writer.write(bytes((octet,)))
            await writer.drain()
            await asyncio.sleep(0)
        assert await read_framed(reader) == b"idTCP now"
        writer.close()

    served(conversation)


def test_a_connection_whose_message_has_no_answer_is_closed() -> None:
    async def conversation(port: int) -> None:
        reader, writer = await asyncio.open_connection(HOST, port)
        writer.write(framed(b"idmute"))
        assert await reader.read() == b""
        writer.close()

    served(conversation)


def test_a_connection_that_sends_half_a_query_is_closed_when_its_time_is_up() -> None:
    async def conversation(port: int) -> None:
        reader, writer = await asyncio.open_connection(HOST, port)
        writer.write(framed(b"idnow")[:-1])
        assert await reader.read() == b""
        writer.close()

    served(conversation, Limits(idle_s=0.05))


def test_a_connection_over_the_limit_is_closed_and_room_is_made_when_one_ends() -> None:
    async def conversation(port: int) -> None:
        reader, writer = await asyncio.open_connection(HOST, port)
        writer.write(framed(b"idnow"))
        assert await read_framed(reader) == b"idTCP now"
        refused, refused_writer = await asyncio.open_connection(HOST, port)
        assert await refused.read() == b""
        refused_writer.close()
        writer.close()
        answered = b""
        while not answered:  # the server needs a turn of its loop to see that the first is gone
            reader, writer = await asyncio.open_connection(HOST, port)
            writer.write(framed(b"idnow"))
            answered = await reader.read(9)
            writer.close()
        assert answered[2:] == b"idTCP n"

    served(conversation, Limits(connections=1))


def test_closing_ends_connections_and_awaited_answers() -> None:
    async def run() -> None:
        sockets = DnsSockets(answer)
        port = await sockets.open(HOST, 0)
        reader, writer = await asyncio.open_connection(HOST, port)
        writer.write(framed(b"idnow"))
        await read_framed(reader)
        async with asyncio.timeout(1):
            await sockets.close()
            assert await reader.read() == b""
        writer.close()
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection(HOST, port)

    asyncio.run(run())


def test_a_port_that_is_taken_is_an_error_and_leaves_no_socket_behind() -> None:
    async def run() -> None:
        for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM):
            with socket.socket(socket.AF_INET, kind) as taken:
                taken.bind((HOST, 0))
                sockets = DnsSockets(answer)
                with pytest.raises(OSError, match="Address already in use"):
                    await sockets.open(HOST, taken.getsockname()[1])
                await sockets.close()

    asyncio.run(run())
