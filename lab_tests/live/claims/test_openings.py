"""E4 and E7: what a first visit waits for under each version, and how the version is chosen."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from captured import Captured
from experiment import Experiment
from live_lab import SITE, Lab
from observer.connections import Connection, Transport
from observer.exchanges import exchanges
from observer.messages import Frame, HandshakeType, QuicPacketType
from observer.round_trips import before_first_request, first_request
from versions import FAR_AWAY, ROUND_TRIP_NS, times

SITE_NAME = "parseltongue.co.in"
QUIC_SITE = "https://quic.parseltongue.co.in/"
"""The lab's second HTTP/3 server (services/quic): it allows early data."""
_EARLY_DATA, _PRE_SHARED_KEY = 42, 41  # RFC 8446, section 4.2


@dataclass(frozen=True)
class Opening:
    """One way to open a connection and send a first request, and the round trips that it should wait for."""

    name: str
    connection: Connection
    expected: int

    @property
    def frames(self) -> list[Frame]:
        """From the connection's first frame to its first request: only those that carry something."""
        last = first_request(self.connection)
        assert last is not None, f"{self.name}: no request was seen"
        said = (f for f in self.connection.frames if f.number <= last.number)
        return [f for f in said if f is last or f in self.connection.opening or (f.tls and f.tls.handshake)]

    def lasted(self, round_trip_ns: int) -> float:
        return (self.frames[-1].time_ns - self.frames[0].time_ns) / round_trip_ns


def opened(recording: Captured, transport: Transport) -> list[Connection]:
    """The client's connections that carried requests, in order."""
    return [c for c in recording.opened("home") if c.transport is transport and exchanges(c)]


def is_resumed(connection: Connection) -> bool:
    """Whether the server proved itself without a certificate (RFC 8446, section 2.2; RFC 5246, section 7.3)."""
    assert any(connection.from_server(f) for f in connection.finished), "the server's Finished could not be read"
    return not any(f.tls and f.tls.certificates for f in connection.frames)


@pytest.mark.claim("E4")
def test_a_first_visit_over_quic_needs_one_round_trip_fewer_than_tcp_and_tls_1_3(
    lab: Lab, experiment: Experiment
) -> None:
    """How often does a client wait for the server before it can send its first request, under each handshake?"""
    # In one run curl keeps its sessions: the second request, on a connection of its own, resumes the first one's.
    twice, close = [f"{SITE}bytes/1", f"{SITE}bytes/2"], [["Connection", "close"]]
    with lab.faults(FAR_AWAY), lab.recording("six ways to open a connection, 50 ms away") as recording:
        for answer in (
            recording.visit(twice, http="1.1", tls="1.2", headers=close),
            recording.visit(twice, http="1.1", tls="1.3", headers=close),
            recording.visit(f"{SITE}bytes/1", http="3", with_="aioquic", again="resumed"),
        ):
            assert answer["exit_code"] == 0, answer["error"]
    experiment.asked(
        "TCP + TLS 1.2, TCP + TLS 1.3 and QUIC, each by a first visit and a resumed one; the isp holds packets for "
        "25 ms each way"
    )
    over_tcp, over_quic = opened(recording, Transport.TCP), opened(recording, Transport.QUIC)
    assert (len(over_tcp), len(over_quic)) == (4, 2)
    assert [is_resumed(c) for c in (*over_tcp, *over_quic)] == [False, True] * 3
    ways = [
        Opening("TCP + TLS 1.2", over_tcp[0], 3),
        Opening("TCP + TLS 1.2, resumed", over_tcp[1], 2),
        Opening("TCP + TLS 1.3", over_tcp[2], 2),
        Opening("TCP + TLS 1.3, resumed", over_tcp[3], 2),
        Opening("QUIC", over_quic[0], 1),
        Opening("QUIC, resumed", over_quic[1], 1),
    ]
    round_trip_ns = min(c.round_trip_ns for c in over_tcp if c.round_trip_ns)
    counted = {}
    for way in ways:
        counted[way.name] = before_first_request(way.connection)
        assert counted[way.name] == way.expected, f"{way.name}: {counted[way.name]} round trips"
        experiment.saw(
            f"{way.name}: the client waited {times(way.expected)} before its first request, which left after "
            f"{way.lasted(round_trip_ns):.1f} round trips",
            recording,
            way.frames,
        )
        assert way.lasted(ROUND_TRIP_NS) >= way.expected, "quicker than the way allows"
    assert counted["QUIC"] == (counted["TCP + TLS 1.3"] or 0) - 1

    datagrams = [f for f in over_quic[0].frames if f.udp and not f.tcp]
    assert len(datagrams) == len(over_quic[0].frames)
    experiment.saw("QUIC: every frame of the connection is a UDP datagram", recording, datagrams)
    experiment.myth(
        "a resumed TLS 1.3 session saves a round trip",
        "the frames say: under TLS 1.2 it does; under 1.3 it saves the certificate, not a wait, and only early data "
        "(0-RTT) saves that",
    )


@pytest.mark.claim("E4")
def test_resumed_quic_with_early_data_waits_for_nobody(lab: Lab, experiment: Experiment) -> None:
    """Can a resumed QUIC connection carry its first request in its first flight?"""
    with lab.faults(FAR_AWAY), lab.recording("early data to a server that allows it") as recording:
        answer = recording.visit(f"{QUIC_SITE}bytes/1", http="3", with_="aioquic", again="early")
    assert answer["exit_code"] == 0, answer["error"]
    experiment.asked(f"{QUIC_SITE}bytes/1 over QUIC, then again over a resumed connection, the request as early data")
    first, second = opened(recording, Transport.QUIC)
    assert before_first_request(first) == 1

    allowed = [f for f in tickets(first) if f.tls and _EARLY_DATA in f.tls.extensions]
    assert allowed
    experiment.saw("the first connection's session ticket allows early data", recording, allowed)
    early = first_request(second)
    assert early is not None and early.quic is not None
    assert QuicPacketType.ZERO_RTT in early.quic.packet_types
    assert before_first_request(second) == 0
    experiment.saw("the second connection's first flight carries the request in a 0-RTT packet", recording, early)

    accepted = second.server_hello
    assert accepted is not None and accepted[0].tls is not None
    assert _EARLY_DATA in accepted[0].tls.extensions
    (exchange,) = exchanges(second)
    assert exchange.response_start is not None
    assert client_handshake_after(second, early, exchange.response_start) == []
    experiment.saw(
        "the server took it (early_data in EncryptedExtensions) and answered before the client's handshake was over",
        recording,
        [accepted[0], exchange.response_start],
    )


def tickets(connection: Connection) -> list[Frame]:
    """The server's frames with a session ticket."""
    ticket = HandshakeType.NEW_SESSION_TICKET
    return [f for f in connection.frames if f.tls and ticket in f.tls.handshake and connection.from_server(f)]


def client_handshake_after(connection: Connection, early: Frame, end: Frame) -> list[Frame]:
    """The client's Finished between its early request and `end`."""
    return [
        f
        for f in connection.frames
        if early.number < f.number < end.number
        and connection.from_client(f)
        and f.tls
        and HandshakeType.FINISHED in f.tls.handshake
    ]


@pytest.mark.claim("E4")
def test_early_data_to_the_balancer_is_tried_and_left_unread(lab: Lab, experiment: Experiment) -> None:
    """Does HAProxy take a request in early data over QUIC?"""
    with lab.recording("early data to the balancer") as recording:
        answer = recording.visit(f"{SITE}bytes/1", http="3", with_="aioquic", again="early")
    assert answer["exit_code"] == 0, answer["error"]
    experiment.asked(f"{SITE}bytes/1 over QUIC, then again over a resumed connection, the request as early data")
    first, second = opened(recording, Transport.QUIC)
    given = tickets(first)
    assert given, "no session ticket was seen: nothing to judge"
    early = [f for f in second.frames if f.quic and QuicPacketType.ZERO_RTT in f.quic.packet_types]
    assert early, "the client sent no early data: nothing was tried"
    accepted = second.server_hello
    assert accepted is not None and accepted[0].tls is not None
    if any(f.tls and _EARLY_DATA in f.tls.extensions for f in (*given, accepted[0])):
        pytest.fail("HAProxy takes early data now: this verdict is out of date")
    assert is_resumed(second)
    asked = [f for f in second.frames if any(message.is_request for message in f.http)]
    answered = [f for f in second.frames if any(message.status for message in f.http)]
    experiment.saw("its ticket resumes the session but does not allow early data", recording, [*given, accepted[0]])
    experiment.saw("the request went out in a 0-RTT packet all the same", recording, early)
    experiment.saw(
        "it was answered only after the client had sent it again in a 1-RTT packet", recording, [*asked[1:], *answered]
    )
    assert answered and asked[-1].number < answered[0].number
    experiment.unsupported(
        "HAProxy's QUIC on OpenSSL's compatibility layer (limited-quic) has no 0-RTT: its tickets do not allow early "
        "data, and what was sent so was not read"
    )


@pytest.mark.claim("E7")
@pytest.mark.parametrize(
    ("http", "tls", "offered", "chosen"),
    [
        ("1.1", "1.2", ("http/1.1",), "http/1.1"),
        ("1.1", "1.3", ("http/1.1",), "http/1.1"),
        ("2", "1.2", ("h2", "http/1.1"), "h2"),
        ("2", "1.3", ("h2", "http/1.1"), "h2"),
        ("3", None, ("h3",), "h3"),
    ],
)
def test_alpn_chooses_the_version_inside_the_handshake(
    lab: Lab, experiment: Experiment, http: str, tls: str | None, offered: tuple[str, ...], chosen: str
) -> None:
    """Where do client and server agree on the version, and does that cost a message of its own?"""
    with lab.recording(f"the choice of HTTP/{http}") as recording:
        answer = recording.visit(f"{SITE}bytes/1", http=http, tls=tls)
    assert answer["exit_code"] == 0, answer["error"]
    experiment.asked(f"{SITE}bytes/1 over HTTP/{http}" + (f" and TLS {tls}" if tls else ""))
    (connection,) = opened(recording, Transport.QUIC if http == "3" else Transport.TCP)
    hello = connection.client_hello
    assert hello is not None and hello[1].protocols == offered
    experiment.saw(f"the ClientHello offers {', '.join(offered)}", recording, hello[0])

    told = [f for f in connection.frames if f.tls and f.tls.selected_protocol]
    assert told and told[0].tls is not None and told[0].tls.selected_protocol == chosen
    carrier = HandshakeType.SERVER_HELLO if tls == "1.2" else HandshakeType.ENCRYPTED_EXTENSIONS
    assert carrier in told[0].tls.handshake
    experiment.saw(f"the server chooses {chosen} in its {words(carrier)}", recording, told[0])

    asked = first_request(connection)
    assert asked is not None
    assert {message.version.value for message in asked.http} == {http}
    assert not any(message.header("upgrade") for f in connection.frames for message in f.http)
    experiment.saw(f"the first request is HTTP/{http} already, and no message asks for an upgrade", recording, asked)
    experiment.myth(
        "a connection begins as HTTP/1.1 and is upgraded to HTTP/2",
        "the frames say: the version is settled before the first request, within messages that TLS sends anyway",
    )


def words(kind: HandshakeType) -> str:
    return "".join(word.title() for word in kind.name.split("_"))


@pytest.mark.claim("E7")
def test_alt_svc_announces_http_3_and_a_browser_goes_over_to_it(lab: Lab, experiment: Experiment) -> None:
    """How does a client that knows only TCP learn of HTTP/3, and does it then use it?"""
    urls = [f"{SITE}bytes/{n}" for n in (10, 20, 30)]
    with lab.recording("a browser that follows Alt-Svc") as recording:
        followed = recording.visit(urls, http="2", with_="browser", alt_svc=True)
        stayed = recording.visit(urls[:2], http="2", with_="browser")
    assert (followed["exit_code"], stayed["exit_code"]) == (0, 0), (followed["error"], stayed["error"])
    experiment.asked("three pages in one Chromium that may use QUIC, two in another that may not; neither is told to")
    over_tcp, over_quic = opened(recording, Transport.TCP), opened(recording, Transport.QUIC)
    assert over_quic, "no request went over QUIC"

    first = exchanges(over_tcp[0])[0]
    assert first.response is not None and first.response_frame is not None
    announced = first.response.header("alt-svc")
    assert announced is not None and announced.startswith('h3=":443"')
    assert first.response_frame.number < over_quic[0].frames[0].number
    experiment.saw(f"the first response, over HTTP/2, says Alt-Svc: {announced}", recording, first.response_frame)
    experiment.saw("only then did Chromium open a QUIC connection", recording, over_quic[0].frames[0])

    later = [e for e in exchanges(over_quic[0]) if (e.request.path or "").startswith("/bytes/")]
    assert later, "no page was asked for over HTTP/3"
    experiment.saw(f"and asked for {later[0].request.path} over HTTP/3", recording, [e.request_frame for e in later])

    other = [c for c in over_tcp if c.frames[0].number > over_quic[0].frames[-1].number]
    unmoved = [e for c in other for e in exchanges(c) if (e.request.path or "").startswith("/bytes/")]
    assert len(unmoved) == 2
    experiment.control(
        "the Chromium without QUIC saw the same header and stayed with HTTP/2",
        recording,
        [f for e in unmoved for f in (e.request_frame, e.response_frame) if f],
    )
    home = recording.since_begun("home")
    records = [f for f in home if f.dns and f.dns.is_response and f.dns.type == "HTTPS" and f.dns.name == SITE_NAME]
    assert records and not any(record.type == "HTTPS" for f in records if f.dns for record in f.dns.answers)
    experiment.saw("asked for the site's HTTPS record, the resolver says that there is none", recording, records)
    experiment.myth(
        "browsers try HTTP/3 first",
        "the frames say: over TCP first, and over QUIC once a response has announced it. An HTTPS record (RFC 9460) "
        "could have announced it before any connection: this zone has none",
    )


@pytest.mark.claim("E7")
def test_curl_goes_over_to_http_3_if_it_keeps_what_alt_svc_said(lab: Lab, experiment: Experiment) -> None:
    """A first visit over HTTP/2 is told of HTTP/3: does a client that writes that down make its second one over it?"""
    urls = [f"{SITE}bytes/{n}" for n in (11, 12)]
    with lab.recording("curl, with and without a memory for Alt-Svc") as recording:
        followed = recording.visit(urls, http="2", alt_svc=True)
        stayed = recording.visit(urls, http="2")
    assert (followed["exit_code"], stayed["exit_code"]) == (0, 0), (followed["error"], stayed["error"])
    experiment.asked("curl --alt-svc FILE asks for /bytes/11, then /bytes/12; so does a curl without that option")
    first, second = opened(recording, Transport.TCP)
    (over_quic,) = opened(recording, Transport.QUIC)
    (told,), (moved,), unmoved = exchanges(first), exchanges(over_quic), exchanges(second)
    assert told.response and told.response_frame and moved.response_frame
    announced = told.response.header("alt-svc")
    assert announced and announced.startswith('h3=":443"')
    assert told.response_frame.number < over_quic.frames[0].number
    experiment.saw(f"/bytes/11 over HTTP/2; its response says Alt-Svc: {announced}", recording, told.response_frame)
    assert (told.request.path, moved.request.path) == ("/bytes/11", "/bytes/12")
    experiment.saw(
        "then a QUIC connection to the same address and port, and /bytes/12 over HTTP/3",
        recording,
        [over_quic.frames[0], moved.request_frame, moved.response_frame],
    )
    assert [e.request.path for e in unmoved] == ["/bytes/11", "/bytes/12"]
    assert all(e.response and e.response.header("alt-svc") == announced for e in unmoved)
    experiment.control(
        "the curl that keeps nothing got the same header, and asked for both on its one HTTP/2 connection",
        recording,
        [f for e in unmoved for f in (e.request_frame, e.response_frame) if f],
    )
