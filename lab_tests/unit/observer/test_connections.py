"""Connections: who opened one, and whether it was refused, also where the capture began too late to see."""

from __future__ import annotations

import pytest

from observer.connections import Connection, connections
from observer.explain import journeys, read_into
from observer.kept import Bounds, Kept
from observer.messages import (
    ClientHello,
    Frame,
    HttpMessage,
    HttpVersion,
    ServerHello,
    TcpFlags,
    TcpSegment,
    TlsMessages,
    TlsRecord,
)
from observer.oddities import Oddities
from observer.steps import Status, StepName
from observer.summary import line_of
from observer.topology import NO_LAB

MS = 1_000_000
SYN, SYN_ACK, ACK, RST = TcpFlags.SYN, TcpFlags.SYN | TcpFlags.ACK, TcpFlags.ACK, TcpFlags.RST
CLIENT, SERVER = ("10.0.0.1", 40000), ("10.0.0.2", 50051)  # the server's port is the higher one, if nobody says else

REQUEST = HttpMessage(HttpVersion.HTTP_1, None, "GET", "/", "a.example", None, ())
RESPONSE = HttpMessage(HttpVersion.HTTP_1, None, None, None, None, 200, ())
CLIENT_HELLO = TlsMessages(
    (TlsRecord(22, 22),), (1,), ClientHello(b"\1" * 32, (0x0303,), (0xC02F,), "a.example", (), (), (), False)
)
SERVER_HELLO = TlsMessages((TlsRecord(22, 22),), (2,), None, ServerHello(b"\2" * 32, 0x0303, 0xC02F, None, False))


def sent(
    ms: int,
    client: bool,
    flags: TcpFlags = ACK,
    sequence: int = 0,
    acknowledged: int = 0,
    length: int = 0,
    *,
    tls: TlsMessages | None = None,
    http: tuple[HttpMessage, ...] = (),
    http2_frame_types: tuple[int, ...] = (),
    server_port: int = SERVER[1],
) -> Frame:
    """A segment of one connection, numbered by its time."""
    server = (SERVER[0], server_port)
    (source, source_port), (destination, port) = (CLIENT, server) if client else (server, CLIENT)
    segment = TcpSegment(source_port, port, 0, sequence, acknowledged, length, flags)
    return Frame(
        ms + 1,
        ms * MS,
        "home",
        60 + length,
        "eth:ethertype:ip:tcp",
        "",
        source,
        destination,
        tcp=segment,
        tls=tls,
        http=http,
        http2_frame_types=http2_frame_types,
    )


def one(*frames: Frame) -> Connection:
    (found,) = connections(frames)
    return found


# ---------------------------------------------------------------- refused


def test_a_reset_that_acknowledges_the_syn_refuses_it() -> None:
    refused = one(sent(0, True, SYN, 99), sent(5, False, RST | ACK, 0, 100))
    assert refused.refusal is refused.frames[1]


def test_so_does_one_that_acknowledges_what_came_with_the_syn() -> None:
    with_data = sent(0, True, SYN, 0xFFFFFFFF, 0, 10)
    for acknowledged, expected in ((0, True), (10, True), (11, False)):
        assert bool(one(with_data, sent(5, False, RST | ACK, 0, acknowledged)).refusal) is expected


@pytest.mark.parametrize(
    "answers",
    [
        [sent(5, False, RST | ACK, 0, 150)],
        [sent(5, False, RST, 700)],
        [sent(5, False, ACK, 501, 100, 20), sent(9, False, RST | ACK, 521, 100)],
    ],
    ids=["to-later-bytes", "to-nothing", "after-other-words"],
)
def test_a_later_reset_refuses_nothing_though_the_syn_ack_was_not_seen(answers: list[Frame]) -> None:
    assert one(sent(0, True, SYN, 99), *answers).refusal is None


def test_a_reset_at_the_end_of_a_connection_that_began_before_the_capture_is_no_refusal() -> None:
    frames = [
        sent(0, True, ACK, 100, 501, 40, http=(REQUEST,), server_port=80),
        sent(1, False, ACK, 501, 140, 40, http=(RESPONSE,), server_port=80),
        sent(60_000, False, RST | ACK, 541, 140, server_port=80),
    ]
    assert one(*frames).refusal is None
    (told,) = journeys(frames, NO_LAB)
    step = told.step(StepName.TCP)
    assert step.status is Status.UNKNOWN
    assert "refused" not in step.summary
    assert told.step(StepName.RESPONSE).summary.startswith("200")


# ---------------------------------------------------------------- who is who


def ends(connection: Connection) -> tuple[int, int]:
    return connection.client.port, connection.server.port


@pytest.mark.parametrize("client_first", [True, False], ids=["client-first", "server-first"])
@pytest.mark.parametrize(
    "telling",
    [
        sent(9, True, tls=CLIENT_HELLO),
        sent(9, False, tls=SERVER_HELLO),
        sent(9, True, http=(REQUEST,)),
        sent(9, False, http=(RESPONSE,)),
        sent(9, False, SYN_ACK),
        sent(9, False, http=(REQUEST,), http2_frame_types=(5,)),
    ],
    ids=["ClientHello", "ServerHello", "request", "response", "SYN-ACK", "promise"],
)
def test_who_is_the_client_is_told_by_what_one_side_says(telling: Frame, client_first: bool) -> None:
    is_promise = 5 in telling.http2_frame_types
    found = one(sent(0, client_first), telling, *[sent(10, False, http=(RESPONSE,))] * is_promise)
    assert ends(found) == (40000, 50051)


def test_where_nobody_says_anything_the_lower_port_is_the_servers() -> None:
    assert ends(one(sent(0, True))) == ends(one(sent(0, False))) == (50051, 40000)


def test_a_connection_in_a_line_has_its_client_though_its_first_frame_does_not_tell() -> None:
    kept = Kept(Bounds(stories=0))
    read_into(kept, Oddities(), [sent(0, False), sent(1, True), sent(2, True, http=(REQUEST,)), sent(3, False)])
    (track,) = kept.tracks.values()
    assert line_of(track, lambda address: address).startswith("#1 10.0.0.1:40000 -> 10.0.0.2:50051 TCP")
