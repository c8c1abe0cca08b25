"""The resolver's outgoing sockets against a scripted server on the loopback (RFC 5452, 7766)."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable

from dnslib import RR, DNSRecord

from hostkit.dns_query import name_from_text
from hostkit.dns_sockets import DnsSockets, Transport
from resolver.iterate import Ask
from resolver.messages import Question, Response
from resolver.upstream import ask_server

HOST = "127.0.0.1"
QUESTION = Question(name_from_text("a.in."), 1)


def address(wire: bytes, octet: int = 1) -> bytes:
    record = DNSRecord.parse(wire).reply(ra=0)
    record.add_answer(*RR.fromZone(f"a.in. 300 IN A 192.0.2.{octet}"))
    return bytes(record.pack())


def conversation(
    answer: Callable[[bytes, str, Transport], bytes | None], hold: Callable[[int], Awaitable[Response | None]]
) -> Response | None:
    async def run() -> Response | None:
        sockets = DnsSockets(answer)
        port = await sockets.open(HOST, 0)
        try:
            return await hold(port)
        finally:
            await sockets.close()

    return asyncio.run(run())


def ask(transport: Transport = Transport.UDP, patience_s: float = 2.0) -> Ask:
    return Ask(HOST, QUESTION, patience_s, transport)


def test_a_response_is_brought_back_over_udp_and_over_tcp() -> None:
    for transport in Transport:
        used: list[Transport] = []

        def answer(wire: bytes, _source: str, by: Transport, used: list[Transport] = used) -> bytes:
            used.append(by)
            return address(wire)

        response = conversation(answer, lambda port, by=transport: ask_server(ask(by), port))  # type: ignore[misc]
        assert response is not None
        assert (str(response.answer[0].data[0]), used) == ("192.0.2.1", [transport])


def test_every_query_has_an_id_and_a_port_of_its_own() -> None:
    ids: set[bytes] = set()

    def answer(wire: bytes, _source: str, _by: Transport) -> bytes:
        ids.add(wire[:2])
        return address(wire)

    async def hold(port: int) -> None:
        for _ in range(20):
            assert await ask_server(ask(), port) is not None

    conversation(answer, hold)
    assert len(ids) > 15


def test_silence_and_a_closed_port_are_none() -> None:
    for transport in Transport:
        silent = conversation(lambda *_: None, lambda port, by=transport: ask_server(ask(by, 0.05), port))  # type: ignore[misc]
        assert silent is None
    with socket.socket() as unused:
        unused.bind((HOST, 0))
        for transport in Transport:
            assert asyncio.run(ask_server(ask(transport), unused.getsockname()[1])) is None


def test_a_malformed_response_over_tcp_is_none() -> None:
    assert conversation(lambda *_: b"rubbish", lambda port: ask_server(ask(Transport.TCP), port)) is None


def test_forged_responses_before_the_real_one_are_passed_over() -> None:
    async def run() -> Response | None:
        loop = asyncio.get_running_loop()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
            server.setblocking(False)
            server.bind((HOST, 0))
            asking = asyncio.ensure_future(ask_server(ask(), server.getsockname()[1]))
            wire, client = await loop.sock_recvfrom(server, 512)
            wrong_id = bytes((wire[0] ^ 1,)) + wire[1:]
            for forged in (address(wrong_id, 66), b"", b"rubbish", wire, address(wire)[:-1]):
                await loop.sock_sendto(server, forged, client)
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
                stranger.sendto(address(wire, 66), client)  # everything right, but from another port
            await loop.sock_sendto(server, address(wire), client)
            return await asking

    response = asyncio.run(run())
    assert response is not None
    assert str(response.answer[0].data[0]) == "192.0.2.1"
