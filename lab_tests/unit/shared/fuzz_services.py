"""The parsers of router, client, name servers and resolver under atheris: see `fuzzing`.

    python3 fuzz_services.py PARSER[,PARSER...] FOLDER [libFuzzer's options, such as -max_total_time=600 -seed=1]

A connection, a server and a walk take whatever comes and refuse nothing: there every exception is a finding.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable

import atheris

from fuzzing import refusing, run

with atheris.instrument_imports(include=["glassbox", "hostkit", "middlebox", "nameserver", "resolver"]):
    import asyncio
    from datetime import UTC, datetime
    from ipaddress import IPv4Address, IPv4Network

    from certified import NAME, certified
    from glassbox.alerts import TlsFault
    from glassbox.http1 import HttpFault, Response
    from glassbox.messages import (
        CertificateVerify,
        ClientHello,
        EphemeralParameters,
        NewSessionTicket,
        ServerHello,
        read_certificate_12,
        read_certificate_13,
        read_new_session_ticket_12,
    )
    from glassbox.records import ContentType
    from glassbox.server import accept
    from glassbox.suites import TLS_1_2, TLS_1_3
    from glassbox.trust import chain_check
    from hostkit.dns_query import Query, judge, name_from_text
    from hostkit.dns_reply import LARGEST_MESSAGE, pack
    from hostkit.dns_sockets import Transport
    from middlebox.decisions import Decider
    from middlebox.faults import Flip, Hold, Match
    from middlebox.packet import MalformedPacket, Packet, Protocol, TcpFlags, dissect
    from middlebox.quic_packets import packets
    from middlebox.tls_records import RecordStream
    from middlebox.units import Unit
    from nameserver.__main__ import ZONE_FOLDER, load
    from nameserver.authority import reply_to
    from resolver.bailiwick import Delegation
    from resolver.cache import Cache
    from resolver.iterate import Ask, Resolution
    from resolver.messages import NotTheAnswer, Question, read_response
    from resolver.messages import Response as Told
    from resolver.service import Resolver, Settings
    from service_inputs import WALKED, after_server_hello, always, client

# ---------------------------------------------------------------- router


def middlebox_packet(data: bytes) -> None:
    """Each unit of what the packet holds is found, flipped and held back."""
    packet = dissect(data)
    faults = [Flip(Match(unit), mask=1) for unit in Unit]
    Decider([*faults, Hold(Match(Unit.QUIC_PACKET))]).decide(data, packet)


def quic_packets(data: bytes) -> None:
    at = 0
    for packet in packets(data):
        assert packet.start == at < packet.end <= len(data)
        at = packet.end


def tls_records(data: bytes) -> None:
    """Records are counted as well in pieces of any length as at once. The first bytes say how long pieces are."""
    size, whole = int.from_bytes(data[:2]) or 1, data[2:]
    at_once, stream = _opened(), _opened()
    number = max((part.number for part in at_once.take(_segment(1), whole)), default=0)
    found = 0
    for at in range(0, len(whole), size):
        for part in stream.take(_segment(1 + at), whole[at : at + size]):
            assert part.number >= found and part.start < size
            found = part.number
    assert number <= found <= number + 1  # a piece may end where what is no record still looks like one


def _opened() -> RecordStream:
    stream = RecordStream()
    stream.take(_segment(0, TcpFlags.SYN), b"")
    return stream


def _segment(sequence_number: int, flags: TcpFlags = TcpFlags.ACK) -> Packet:
    here = IPv4Address("10.77.3.10")
    return Packet(Protocol.TCP, here, 443, here, 51000, 7, sequence_number, 20, 40, 40, flags)


# ---------------------------------------------------------------- client: the glass box


def tls_client_13(data: bytes) -> None:
    _received_by_client(TLS_1_3, data)


def tls_client_12(data: bytes) -> None:
    _received_by_client(TLS_1_2, data)


def _received_by_client(version: int, data: bytes) -> None:
    connection = client(version)
    for part in (data[: len(data) // 2], data[len(data) // 2 :], b""):
        connection.receive(part)
        connection.bytes_to_send()


def tls_flight_13(data: bytes) -> None:
    """Handshake messages under the right keys: what somebody with a certificate could send."""
    connection, layer = after_server_hello()
    layer.send(ContentType.HANDSHAKE, data)
    connection.receive(layer.take_bytes())


def tls_server_13(data: bytes) -> None:
    connection = accept(certified("ecdsa").identity, randomness=always(0x43))
    connection.receive(data)


_READERS = (
    ClientHello.read,
    ServerHello.read,
    read_certificate_12,
    read_certificate_13,
    CertificateVerify.read,
    NewSessionTicket.read,
    read_new_session_ticket_12,
    EphemeralParameters.read_ecdhe,
    EphemeralParameters.read_dhe,
)


def tls_messages(data: bytes) -> None:
    if data:
        _READERS[data[0] % len(_READERS)](data[1:])


_CHECK = chain_check([certified("ecdsa").certificate], NAME, datetime.now(UTC))


def certificates(data: bytes) -> None:
    """A chain of at least one, as a client's handshake gives it to the check."""
    _CHECK(read_certificate_13(data) or (b"",))


def http1_response(data: bytes) -> None:
    response = Response("GET")
    for at in range(0, len(data), 7):
        response.feed(data[at : at + 7])
    response.end()


# ---------------------------------------------------------------- name servers and resolver

_TEXTS = {path.name: path.read_text("ascii") for path in sorted(ZONE_FOLDER.iterdir())}
_ADDRESSES = dict.fromkeys(re.findall(r"\$\{(\w+)\}", "".join(_TEXTS.values())), "10.77.3.10")
_ZONES = load(list(_TEXTS), _ADDRESSES)


def nameserver(data: bytes) -> None:
    query = judge(data)
    if isinstance(query, Query):
        for limit in (query.udp_limit, LARGEST_MESSAGE):
            assert len(pack(query, reply_to(query, _ZONES), limit)) <= limit


class _Walker:
    """Answers a walk's questions with what was given: a length before each."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    async def __call__(self, ask: Ask) -> Told | None:
        return self.told(ask.question)

    def told(self, question: Question) -> Told | None:
        length = int.from_bytes(self._data[:2])
        wire, self._data = b"\0\7" + self._data[2 : 2 + length], self._data[2 + length :]
        try:
            return read_response(wire, question, 7)
        except NotTheAnswer:
            return None


def resolver_walk(data: bytes) -> None:
    walker = _Walker(data)
    root = Delegation((), ("10.77.2.4",), (), ttl=0)
    walk = Resolution(Cache(lambda: 0.0), root).resolve(Question(name_from_text(WALKED), 1))
    told: Told | None = None
    try:
        while True:
            told = walker.told(walk.send(told).question)
    except StopIteration:
        return


_LOOP = asyncio.new_event_loop()
_SETTINGS = Settings(("10.77.2.4",), IPv4Network("10.77.0.0/16"))


def resolver(data: bytes) -> None:
    """A client's query, again from what was kept, and over TCP. The rest is what servers tell."""
    _LOOP.run_until_complete(_resolved(data))


async def _resolved(data: bytes) -> None:
    length = int.from_bytes(data[:2])
    service = Resolver(_SETTINGS, _Walker(data[2 + length :]), lambda: 0.0)
    for transport in (Transport.UDP, Transport.UDP, Transport.TCP):
        answer = service.answer(data[2 : 2 + length], "10.77.1.10", transport)
        if isinstance(answer, Awaitable):
            await answer


_TARGETS = {
    **refusing((MalformedPacket,), middlebox_packet),
    **refusing((TlsFault,), tls_messages, certificates),
    **refusing((HttpFault,), http1_response),
    **refusing((), quic_packets, tls_records),
    **refusing((), tls_client_13, tls_client_12, tls_flight_13, tls_server_13),
    **refusing((), nameserver, resolver_walk, resolver),
}

if __name__ == "__main__":
    run(_TARGETS)
