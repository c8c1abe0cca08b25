"""K3: what a visit leaves out when it follows another one."""

from __future__ import annotations

import pytest

from experiment import Experiment
from live_lab import SITE, Lab
from observer.connections import Connection
from observer.exchanges import exchanges
from observer.messages import Frame, HandshakeType, TcpFlags
from observer.round_trips import before_first_request


def opens(frame: Frame) -> bool:
    """Whether a client begins with this frame what a first visit begins with: a DNS query, a SYN, a ClientHello. What
    it is answered may come late: Chromium does not wait for every answer to its DNS queries."""
    query = bool(frame.dns and not frame.dns.is_response)
    syn = bool(frame.tcp and frame.tcp.flags & TcpFlags.SYN and not frame.tcp.flags & TcpFlags.ACK)
    return bool(query or syn or (frame.tls and HandshakeType.CLIENT_HELLO in frame.tls.handshake))


@pytest.mark.claim("K3")
@pytest.mark.parametrize(
    ("program", "http"), [("curl", "1.1"), ("curl", "2"), ("curl", "3"), ("browser", "2")], ids=lambda value: f"{value}"
)
def test_a_second_visit_on_the_kept_connection_begins_with_its_request(
    lab: Lab, experiment: Experiment, program: str, http: str
) -> None:
    """What does the client send for a second page while its connection is kept?"""
    visited = lab.visit(f"{SITE} {SITE}bytes/1000", http=http, with_=program)
    assert visited.exit_code == 0, visited.journey["visit"]["error"]
    experiment.asked(f"{SITE} and then {SITE}bytes/1000, by one run of {program} over HTTP/{http}")
    first, second = (e for e in visited.exchanges("home") if e.request.path in ("/", "/bytes/1000"))
    assert first.response_end is not None
    assert second.response_end is not None
    ended = first.response_end.number
    later = [f for f in visited.on("home") if ended < f.number <= second.response_end.number]
    assert second.request_frame in later
    assert [f.number for f in later if opens(f)] == []
    experiment.saw("no DNS, no SYN, no ClientHello after the first response", visited, ())
    experiment.saw("the second request", visited, second.request_frame)
    before = [f for f in visited.on("home") if f.number < ended and opens(f)]
    assert {bool(f.dns) for f in before} == {True, False}
    experiment.control("the same search finds the first visit's DNS, handshake and hello", visited, before)

    told = visited.journey["then"]
    assert {s["name"] for s in told["steps"] if s["status"] == "absent"} >= {"DNS", "TCP", "TLS"}
    trips = [part["steps"][3]["facts"]["round_trips_before"] for part in (visited.journey, told)]
    assert trips == [1 if http == "3" else 2, 0]
    experiment.saw(f"round trips before the request: {trips[0]}, then {trips[1]}", visited, second.request_frame)


LEFT_OUT = {
    "1.2": (HandshakeType.SERVER_KEY_EXCHANGE, HandshakeType.SERVER_HELLO_DONE, HandshakeType.CLIENT_KEY_EXCHANGE),
    "1.3": (HandshakeType.CERTIFICATE_VERIFY,),
}
"""What a resumed handshake has not, beside the certificate."""
TOLD = {
    "1.2": "certificate and key exchange are left out, and with them a round trip: the keys are made of the old master "
    "secret and new randoms (RFC 5246, section 7.3)",
    "1.3": "only certificate and its signature are left out: keys are exchanged anew, and no wait is saved",
}


@pytest.mark.claim("K3")
@pytest.mark.parametrize("tls", ["1.2", "1.3"])
def test_a_resumed_session_skips_the_certificate(lab: Lab, experiment: Experiment, tls: str) -> None:
    """What does the server leave out when the client comes back with a session of before, on a new connection?"""
    with lab.recording(f"two connections of one TLS {tls} session") as recording:
        # curl keeps sessions within one run, and the server closes the first connection because it is asked to.
        answer = recording.visit([SITE, SITE], http="1.1", tls=tls, headers=[["Connection", "close"]])
    assert answer["exit_code"] == 0, answer["error"]
    experiment.asked(f"{SITE} twice by one run of curl over TLS {tls}, each time with Connection: close")
    full, resumed = (c for c in recording.opened("home") if exchanges(c))

    assert full.opening and resumed.opening, "both opened by TCP's handshake"
    certificates = {c: carrying(c, HandshakeType.CERTIFICATE) for c in (full, resumed)}
    assert any(resumed.from_server(f) for f in resumed.finished), "its handshake was decrypted to the end"
    assert certificates[resumed] == []
    experiment.saw(
        "the second handshake, from ServerHello to Finished, has no Certificate", recording, resumed.finished
    )
    assert certificates[full]
    assert any(f.tls and f.tls.certificates for f in certificates[full])
    experiment.control("the first handshake has one", recording, certificates[full])
    for kind in LEFT_OUT[tls]:
        assert carrying(resumed, kind) == []
        assert carrying(full, kind)
    waits = [before_first_request(connection) for connection in (full, resumed)]
    assert waits == ([3, 2] if tls == "1.2" else [2, 2])
    experiment.saw("TCP had to shake hands again", recording, resumed.opening)
    if tls == "1.3":
        hello = resumed.server_hello
        assert hello is not None and hello[1].uses_psk and hello[1].group is not None
        experiment.saw("the server took the client's pre-shared key, and sent a key share", recording, hello[0])
    experiment.myth(
        "a resumed session continues the old connection",
        f"the frames say: a new SYN and a new ClientHello; {TOLD[tls]}",
    )


@pytest.mark.claim("K3")
def test_a_browser_resumes_its_session_on_a_further_connection(lab: Lab, experiment: Experiment) -> None:
    """A browser opens more connections over HTTP/1.1: does each have to show a certificate?"""
    visited = lab.visit(f"{SITE} {SITE}login", http="1.1", with_="browser")
    assert visited.exit_code == 0, visited.journey["visit"]["error"]
    experiment.asked(f"{SITE} and then {SITE}login with Chromium over HTTP/1.1")
    full, *others = (c for c in visited.opened("home") if exchanges(c))
    tickets = [f for c in (full, *others) for f in carrying(c, HandshakeType.NEW_SESSION_TICKET) if c.from_server(f)]
    assert tickets, "no session ticket was seen: nothing to resume"
    first = min(ticket.time_ns for ticket in tickets)
    # On a busy machine Chromium opens a connection in reserve before it has a ticket, and may use it later.
    further = [c for c in others if c.client_hello and c.client_hello[0].time_ns > first]
    assert further, "no connection was opened after the first ticket had come: nothing was resumed"
    for connection in further:
        assert any(connection.from_server(f) for f in connection.finished), "decrypted to the end of the handshake"
        assert carrying(connection, HandshakeType.CERTIFICATE) == []
        experiment.saw("a further connection's handshake has no Certificate", visited, connection.finished)
    certificate = carrying(full, HandshakeType.CERTIFICATE)
    assert certificate
    experiment.control("the first connection's has one", visited, certificate)


def carrying(connection: Connection, kind: HandshakeType) -> list[Frame]:
    return [f for f in connection.frames if f.tls and kind in f.tls.handshake]
