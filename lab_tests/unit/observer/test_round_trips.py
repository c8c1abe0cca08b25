"""Round trips are counted by who waited for whom: on golden visits, and on openings written out message by message."""

from __future__ import annotations

import pytest

from golden_visits import golden
from observer.connections import Connection, connections
from observer.messages import (
    ClientHello,
    Frame,
    HandshakeType,
    HttpMessage,
    HttpVersion,
    QuicPackets,
    QuicPacketType,
    ServerHello,
    TcpFlags,
    TcpSegment,
    TlsMessages,
    UdpDatagram,
)
from observer.round_trips import before_first_request, of_exchanges

SYN, SYN_ACK, ACK = TcpFlags.SYN, TcpFlags.SYN | TcpFlags.ACK, TcpFlags.ACK
H = HandshakeType
CLIENT_HELLO = ClientHello(bytes(32), (0x0304,), (), None, (), (), (), False)
SERVER_HELLO = ServerHello(bytes(32), 0x0304, 0x1301, None, False)
RETRY_REQUEST = ServerHello(b"\xcf" * 32, 0x0304, 0x1301, None, False)
GET = HttpMessage(HttpVersion.HTTP_2, 1, "GET", "/", "site", None, ())


def tls(*handshake: int, hello: ServerHello | None = None) -> TlsMessages:
    first = CLIENT_HELLO if H.CLIENT_HELLO in handshake else None
    server = hello or (SERVER_HELLO if H.SERVER_HELLO in handshake else None)
    return TlsMessages(handshake=handshake, client_hello=first, server_hello=server)


def tcp(client: bool, flags: TcpFlags = ACK, said: TlsMessages | None = None, *, asks: bool = False) -> Frame:
    ports = (40000, 443) if client else (443, 40000)
    segment = TcpSegment(*ports, 0, 7, 0, 1 if said or asks else 0, flags)
    return _frame(client, tcp=segment, tls=said, http=(GET,) if asks else ())


def quic(client: bool, *types: QuicPacketType, said: TlsMessages | None = None, asks: bool = False) -> Frame:
    ports = (40000, 443) if client else (443, 40000)
    packets = QuicPackets(0, types, (), (), "aa", None)
    return _frame(client, udp=UdpDatagram(*ports), quic=packets, tls=said, http=(GET,) if asks else ())


def _frame(client: bool, **layers: object) -> Frame:
    source, destination = ("client", "server") if client else ("server", "client")
    frame = Frame(0, 0, "home", 60, "", "", source, destination)
    for name, value in layers.items():
        object.__setattr__(frame, name, value)
    return frame


def connection(*frames: Frame) -> Connection:
    for number, frame in enumerate(frames, start=1):
        object.__setattr__(frame, "number", number)
    (found,) = connections(frames)
    return found


OPENING = [tcp(True, SYN), tcp(False, SYN_ACK), tcp(True)]
FLIGHT_1_3 = tls(H.SERVER_HELLO, H.ENCRYPTED_EXTENSIONS, H.CERTIFICATE, H.CERTIFICATE_VERIFY, H.FINISHED)
Q = QuicPacketType


@pytest.mark.parametrize(("version", "expected"), [("1.1", 2), ("2", 2), ("3", 1)])
def test_a_golden_visit_waits_as_long_as_its_protocols_say(version: str, expected: int) -> None:
    visit = golden(version)
    found = next(c for c in connections(f for f in visit.frames if f.link == "home") if c.client_hello)
    assert before_first_request(found) == expected
    assert of_exchanges(found) == 1


def test_plain_http_waits_for_the_handshake_of_tcp_alone() -> None:
    assert before_first_request(connection(*OPENING, tcp(True, asks=True))) == 1


def test_tls_1_2_waits_twice_more() -> None:
    assert (
        before_first_request(
            connection(
                *OPENING,
                tcp(True, said=tls(H.CLIENT_HELLO)),
                tcp(False, said=tls(H.SERVER_HELLO, H.CERTIFICATE)),
                tcp(True),
                tcp(False, said=tls(H.SERVER_KEY_EXCHANGE, H.SERVER_HELLO_DONE)),
                tcp(True, said=tls(H.CLIENT_KEY_EXCHANGE, H.FINISHED)),
                tcp(False, said=tls(H.NEW_SESSION_TICKET, H.FINISHED)),
                tcp(True, asks=True),
            )
        )
        == 3
    )


def test_a_ticket_that_comes_before_the_request_holds_nobody_up() -> None:
    frames = [
        *OPENING,
        tcp(True, said=tls(H.CLIENT_HELLO)),
        tcp(False, said=FLIGHT_1_3),
        tcp(True, said=tls(H.FINISHED)),
        tcp(False, said=tls(H.NEW_SESSION_TICKET)),
        tcp(True, asks=True),
    ]
    assert before_first_request(connection(*frames)) == 2


def test_a_hello_retry_request_costs_a_round_trip() -> None:
    frames = [
        *OPENING,
        tcp(True, said=tls(H.CLIENT_HELLO)),
        tcp(False, said=tls(H.SERVER_HELLO, hello=RETRY_REQUEST)),
        tcp(True, said=tls(H.CLIENT_HELLO)),
        tcp(False, said=FLIGHT_1_3),
        tcp(True, said=tls(H.FINISHED)),
        tcp(True, asks=True),
    ]
    assert before_first_request(connection(*frames)) == 3


def test_quic_waits_once_even_if_the_server_repeats_itself() -> None:
    frames = [
        quic(True, Q.INITIAL, said=tls(H.CLIENT_HELLO)),
        quic(False, Q.INITIAL, Q.HANDSHAKE, said=FLIGHT_1_3),
        quic(True, Q.HANDSHAKE, said=tls(H.FINISHED)),
        quic(False, Q.HANDSHAKE, said=tls(H.FINISHED)),
        quic(True, Q.ONE_RTT, asks=True),
    ]
    assert before_first_request(connection(*frames)) == 1


def test_a_retry_packet_costs_a_round_trip() -> None:
    frames = [
        quic(True, Q.INITIAL, said=tls(H.CLIENT_HELLO)),
        quic(False, Q.RETRY),
        quic(True, Q.INITIAL, said=tls(H.CLIENT_HELLO)),
        quic(False, Q.INITIAL, Q.HANDSHAKE, said=FLIGHT_1_3),
        quic(True, Q.HANDSHAKE, Q.ONE_RTT, said=tls(H.FINISHED), asks=True),
    ]
    assert before_first_request(connection(*frames)) == 2


def test_a_request_among_early_data_waits_for_nobody() -> None:
    frames = [quic(True, Q.INITIAL, said=tls(H.CLIENT_HELLO)), quic(True, Q.ZERO_RTT, asks=True)]
    assert before_first_request(connection(*frames)) == 0


def test_without_its_start_or_a_request_nothing_is_said() -> None:
    assert before_first_request(connection(tcp(True, asks=True))) is None
    assert before_first_request(connection(*OPENING)) is None
