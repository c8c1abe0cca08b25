"""The sockets of a DNS server: UDP and TCP on one port, handed to one function that answers.

The function gets a message, its sender's address and the transport, and returns octets (sent at once), None
(no answer at all) or an awaitable of either. UDP is drained straight in the event loop's callback, so that an
answer known at once costs two system calls and no task.

RFC 1035 4.2, RFC 7766 (TCP: several queries per connection, answered in order).
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
import struct
import traceback
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import Enum
from typing import Any

from hostkit.dns_query import HEADER, OUR_PAYLOAD, Rcode, bare_error

PORT = 53
_RECEIVE_BUFFER = 4 * 1024 * 1024  # octets wished for; the kernel's rmem_max decides
_TRIES = 10
_DATAGRAMS_PER_TURN = 256  # then TCP and the awaited answers get theirs


class Transport(Enum):
    UDP = "UDP"
    TCP = "TCP"


Answer = bytes | None
AnswerFunction = Callable[[bytes, str, Transport], "Answer | Awaitable[Answer]"]


@dataclass(frozen=True, slots=True)
class Limits:
    """What a server spends at most on those who ask."""

    connections: int = 64
    idle_s: float = 10.0  # for one whole query to arrive, or one answer to leave (RFC 7766 6.2.3)
    answers_awaited: int = 1000  # datagrams over that are dropped, as in a full receive buffer


class DnsSockets:
    """Both sockets, from `open` to `close`, within a running event loop."""

    def __init__(self, answer: AnswerFunction, limits: Limits | None = None) -> None:
        self._answer = answer
        self._limits = limits or Limits()
        self._awaited: set[asyncio.Future[Answer]] = set()
        self._connections: set[asyncio.Task[None]] = set()
        self._udp: socket.socket | None = None
        self._tcp: asyncio.Server | None = None

    async def open(self, address: str, port: int = PORT) -> int:
        """Bind and listen; the port is returned, for those who asked for port 0. Raises OSError."""
        self._udp, tcp = _bound(address, port)
        self._tcp = await asyncio.start_server(self._accepted, sock=tcp)
        asyncio.get_running_loop().add_reader(self._udp.fileno(), self._drain, self._udp)
        number: int = self._udp.getsockname()[1]
        return number

    async def close(self) -> None:
        """Stop answering: what is still awaited and every connection ends now."""
        if self._udp is not None:
            asyncio.get_running_loop().remove_reader(self._udp.fileno())
            self._udp.close()
        if self._tcp is not None:
            self._tcp.close()
        running: list[asyncio.Future[Any]] = [*self._awaited, *self._connections]
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)

    def _drain(self, udp: socket.socket) -> None:
        # The resolver's answers per second are decided here, so names are looked up once and calls are few.
        receive, send, answer_to = udp.recvfrom, udp.sendto, self._answer
        # The socket itself blocks: a full send buffer then slows the server down instead of losing answers.
        at_once, transport = socket.MSG_DONTWAIT, Transport.UDP
        for _ in range(_DATAGRAMS_PER_TURN):
            try:
                # A query longer than we announce is cut here, and malformed for want of the rest.
                wire, sender = receive(OUR_PAYLOAD, at_once)
            except BlockingIOError:
                return
            try:
                answer = answer_to(wire, sender[0], transport)
            except Exception as fault:  # noqa: BLE001 - a server must outlive one bad query; logged there
                answer = _failure(wire, fault)
            if isinstance(answer, bytes):
                try:
                    send(answer, sender)
                except OSError:
                    continue  # undeliverable: no route back, or source port 0
            elif answer is not None:
                self._send_later(udp, answer, wire, sender)

    def _send_later(self, udp: socket.socket, answer: Awaitable[Answer], wire: bytes, sender: tuple[str, int]) -> None:
        if len(self._awaited) >= self._limits.answers_awaited:
            if asyncio.iscoroutine(answer):
                answer.close()
            return
        future = asyncio.ensure_future(answer)
        self._awaited.add(future)
        future.add_done_callback(lambda done: self._awaited_answer_came(done, udp, wire, sender))

    def _awaited_answer_came(
        self, done: asyncio.Future[Answer], udp: socket.socket, wire: bytes, sender: tuple[str, int]
    ) -> None:
        self._awaited.discard(done)
        if done.cancelled():
            return
        fault = done.exception()
        answer = done.result() if fault is None else _failure(wire, fault)
        if answer is not None:
            with contextlib.suppress(OSError):  # undeliverable, or this server was closed in the meantime
                udp.sendto(answer, sender)

    async def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None  # start_server runs this function as a task
        try:
            if len(self._connections) < self._limits.connections:
                self._connections.add(task)
                await self._converse(reader, writer)
        except (EOFError, TimeoutError, ConnectionError):
            pass  # the ordinary ends of a conversation: closed, idle, reset
        except asyncio.CancelledError:
            pass  # close() said so
        finally:
            self._connections.discard(task)
            writer.close()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        sender = writer.get_extra_info("peername")[0]
        while True:
            async with asyncio.timeout(self._limits.idle_s):
                (length,) = struct.unpack("!H", await reader.readexactly(2))
                wire = await reader.readexactly(length)
            try:
                answer = self._answer(wire, sender, Transport.TCP)
                if isinstance(answer, Awaitable):
                    answer = await answer
            except Exception as fault:  # noqa: BLE001 - a server must outlive one bad query; logged there
                answer = _failure(wire, fault)
            if answer is None:
                return
            async with asyncio.timeout(self._limits.idle_s):
                writer.write(struct.pack("!H", len(answer)) + answer)
                await writer.drain()


def _bound(address: str, port: int) -> tuple[socket.socket, socket.socket]:
    """A UDP and a TCP socket on the same port. Port 0 is one that both find free: hence the tries."""
    for tries_left in reversed(range(_TRIES if port == 0 else 1)):
        udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        tcp = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        try:
            tcp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            tcp.bind((address, port))
            udp.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER)
            udp.bind((address, tcp.getsockname()[1]))
        except OSError:
            udp.close()
            tcp.close()
            if not tries_left:
                raise
        else:
            return udp, tcp
    raise AssertionError("the last try returns or raises")


def _failure(wire: bytes, fault: BaseException) -> bytes:
    """SERVFAIL for a query on which the server itself failed, and the traceback in its log: it must outlive that."""
    traceback.print_exception(fault)
    return bare_error(wire.ljust(HEADER.size, b"\x00"), Rcode.SERVFAIL)


def serve(answer: AnswerFunction, address: str, *, on_hangup: Callable[[], None] | None = None) -> None:
    """Answer on address:53 until SIGTERM or SIGINT; `on_hangup` is called at each SIGHUP. Raises OSError."""
    asyncio.run(_serve(answer, address, on_hangup))


async def _serve(answer: AnswerFunction, address: str, on_hangup: Callable[[], None] | None) -> None:
    loop = asyncio.get_running_loop()
    told_to_stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, told_to_stop.set)
    if on_hangup is not None:
        loop.add_signal_handler(signal.SIGHUP, on_hangup)
    sockets = DnsSockets(answer)
    try:
        await sockets.open(address)
        await told_to_stop.wait()
    finally:
        await sockets.close()
