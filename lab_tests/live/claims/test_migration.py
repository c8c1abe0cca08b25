"""E6: a connection whose client gets another address or port in mid-conversation."""

from __future__ import annotations

import json

import pytest

from experiment import Experiment
from live_lab import SITE, Lab, Recording
from observer.connections import Connection, Endpoint, Transport
from observer.exchanges import exchanges
from observer.messages import Frame, TcpFlags

HOST = "parseltongue.co.in"
QUIC_SITE = f"https://quic.{HOST}/"
"""The lab's second HTTP/3 server (services/quic), which lets connections move."""
_PATH_CHALLENGE, _PATH_RESPONSE = 0x1A, 0x1B  # RFC 9000, sections 19.17 and 19.18
_DISABLE_ACTIVE_MIGRATION = 0x0C  # RFC 9000, section 18.2

MOVES = pytest.mark.parametrize("change", ["port", "address"])


def sender(frame: Frame) -> Endpoint:
    ports = frame.tcp or frame.udp
    assert ports is not None
    return Endpoint(frame.source, ports.source_port)


def receiver(frame: Frame) -> Endpoint:
    ports = frame.tcp or frame.udp
    assert ports is not None
    return Endpoint(frame.destination, ports.destination_port)


def carries(frame: Frame, kind: int) -> bool:
    return frame.quic is not None and kind in frame.quic.frame_types


def quic_connection(recording: Recording, link: str) -> Connection:
    """The one QUIC connection that was opened on `link` meanwhile."""
    found = [c for c in recording.opened(link) if c.transport is Transport.QUIC]
    assert len(found) == 1, f"{len(found)} QUIC connections on {link}, expected one"
    return found[0]


def client_ends(connection: Connection) -> list[Endpoint]:
    """Where the client's datagrams came from, in order of first sight."""
    return list(dict.fromkeys(sender(f) for f in connection.frames if f.quic and sender(f) != connection.server))


@pytest.mark.claim("E6")
@MOVES
def test_a_quic_connection_goes_on_from_another_end(lab: Lab, experiment: Experiment, change: str) -> None:
    """A client asks, changes its port or address, and asks again: does its QUIC connection go on?"""
    with lab.recording(f"a QUIC connection whose client changes its {change}", moving=True) as recording:
        answer = recording.visit(f"{QUIC_SITE}bytes/1000", http="3", with_="aioquic", again=change, timeout_s=10)
    assert answer["exit_code"] == 0, answer["error"]
    experiment.asked(f"{QUIC_SITE}bytes/1000, then the same over the same connection from another {change}")
    home, edge = quic_connection(recording, "home"), quic_connection(recording, "edge")
    ends = client_ends(home)
    assert len(ends) == 2
    before, after = ends
    assert (before.address != after.address) == (change == "address")
    assert before.port != after.port or change == "address"

    moved = [f for f in home.frames if f.quic and sender(f) == after]
    hellos = [f for f in home.frames if f.tls and f.tls.client_hello]
    assert len(hellos) == 1
    experiment.saw(f"one ClientHello, from {before}: one handshake for all that follows", recording, hellos)
    assert moved[0].quic and hellos[0].quic
    known = {f.quic.destination_connection_id for f in home.frames if f.quic and sender(f) == before}
    assert moved[0].quic.destination_connection_id not in known
    experiment.saw(
        f"then packets of the same connection from {after}, under another connection id, so that nobody on the way can "
        "tell that they belong together (RFC 9000, section 9.5)",
        recording,
        moved[0],
    )

    challenges = [f for f in home.frames if carries(f, _PATH_CHALLENGE) and receiver(f) == after]
    responses = [f for f in home.frames if carries(f, _PATH_RESPONSE) and sender(f) == after]
    assert challenges and responses and challenges[0].number < responses[0].number
    experiment.saw(
        "the server asks whether somebody is there (PATH_CHALLENGE), and gets the answer (PATH_RESPONSE)",
        recording,
        [challenges[0], responses[0]],
    )

    first, second = exchanges(home)
    assert (first.response and first.response.status, second.response and second.response.status) == (200, 200)
    assert second.response_frame is not None
    assert (sender(first.request_frame), sender(second.request_frame)) == (before, after)
    assert receiver(second.response_frame) == after
    experiment.saw(
        "the second request from the new end is answered to the new end",
        recording,
        [second.request_frame, second.response_frame],
    )
    seen_by_server = client_ends(edge)
    assert len(seen_by_server) == 2
    experiment.saw(
        f"behind both NATs the server saw the client move from {seen_by_server[0]} to {seen_by_server[1]}",
        recording,
        [next(f for f in edge.frames if f.quic and sender(f) == end) for end in seen_by_server],
    )


def twin(lab: Lab, recording: Recording, after: str, *, same_port: bool) -> dict[str, object]:
    """The client's TCP connection taken to `after` in mid-conversation; what its program said."""
    before = lab.topology.address("client", "home")
    command = ["python3", "-m", "client.tcp_twin", HOST, "/bytes/1000", before, after]
    # Root, for this command alone: the kernel lets nobody else take a connection apart (TCP_REPAIR).
    code, output = lab.container("client").exec_run([*command, *(["same-port"] if same_port else [])], user="0")
    assert code == 0, output.decode()
    said: dict[str, object] = json.loads(output)
    recording.add_keys(str(said["keylog"]))
    return said


@pytest.mark.claim("E6")
@MOVES
def test_a_tcp_connection_breaks_when_its_client_moves(lab: Lab, experiment: Experiment, change: str) -> None:
    """The same with TCP: the connection goes over to another end, whole and unchanged. Does the server go on?"""
    home = lab.topology.address("client", "home")
    after = home if change == "port" else lab.topology.address("client-second", "home")
    with lab.recording(f"a TCP connection whose client changes its {change}", moving=True) as recording:
        said = twin(lab, recording, after, same_port=change == "address")
    with lab.recording("a TCP connection taken apart and put together at the same end") as untouched:
        stayed = twin(lab, untouched, home, same_port=True)
    experiment.asked(f"/bytes/1000 over TCP, then the connection's state moved to another {change}, and asked again")
    assert (said["first"], said["second"]) == (200, None)

    old, new = parts(recording)
    assert (old.client.address != new.client.address) == (change == "address")
    experiment.saw(
        f"the next segment of the same connection, by its sequence and acknowledgment numbers, comes from {new.client} "
        f"instead of {old.client}",
        recording,
        continuation(old, new),
    )
    assert len(exchanges(old)) == 1 and not exchanges(new)
    experiment.saw(
        "the balancer knows no connection with that end and answers RST: a TCP connection is its two addresses and two "
        "ports (RFC 9293, section 3.10.7.1)",
        recording,
        resets(lab, recording, new),
    )
    assert (stayed["first"], stayed["second"]) == (200, 200)
    # Not the one before it, whose server may still be sending again what nobody acknowledges any more.
    unmoved = next(c for c in untouched.opened("home") if c.client_hello)
    answered = exchanges(unmoved)
    assert len(answered) == 2 and answered[1].response_frame is not None
    experiment.control(
        "taken apart and put together at its old end the connection goes on: it is the other end that breaks it",
        untouched,
        [answered[1].request_frame, answered[1].response_frame],
    )


def parts(recording: Recording) -> tuple[Connection, Connection]:
    """The moved TCP connection on home, which a capture shows as two: from its old end, and from its new one."""
    own = [c for c in recording.opened("home") if c.transport is Transport.TCP]
    old = next(c for c in own if c.client_hello)
    return old, next(c for c in own if c is not old and c.server == old.server)


def first_data(connection: Connection) -> Frame:
    return next(f for f in connection.frames if f.tcp and f.tcp.length)


def continuation(old: Connection, new: Connection) -> list[Frame]:
    """The old end's last segment and the new end's first. Fails if the second does not go on where the first ended."""
    last, first = [f for f in old.frames if old.from_client(f) and f.tcp][-1], first_data(new)
    answer = [f.tcp for f in old.frames if old.from_server(f) and f.tcp and f.tcp.length][-1]
    assert last.tcp and first.tcp
    assert not any(f.tcp and f.tcp.flags & TcpFlags.SYN for f in new.frames)
    assert first.tcp.sequence_number == last.tcp.sequence_number + last.tcp.length
    assert first.tcp.acknowledgment_number == answer.sequence_number + answer.length
    return [last, first]


def resets(lab: Lab, recording: Recording, new: Connection) -> list[Frame]:
    """All that the balancer said to the new end, on each link on the way. Fails if that was not RST alone."""
    balancer = lab.topology.address("balancer", "edge")
    moving = first_data(new).tcp
    assert moving is not None
    # Its number is the same on every link, its sender is not: both NATs put their own end in.
    moved = {
        f.link: sender(f)
        for f in recording.frames
        if f.tcp and f.tcp.length and f.tcp.sequence_number == moving.sequence_number and f.destination == balancer
    }
    assert moved["home"] == new.client
    answers = [f for f in recording.frames if f.tcp and f.source == balancer and receiver(f) == moved.get(f.link)]
    assert all(f.tcp and f.tcp.flags & TcpFlags.RST for f in answers), "the balancer said something else to the new end"
    assert {f.link for f in answers} == {"edge", "internet", "home"}
    return answers


@pytest.mark.claim("E6")
@MOVES
def test_the_balancer_does_not_let_a_quic_connection_move(lab: Lab, experiment: Experiment, change: str) -> None:
    """Does HAProxy go on with a QUIC connection whose client moved?"""
    with lab.recording(
        f"a QUIC connection to the balancer whose client changes its {change}", moving=True
    ) as recording:
        answer = recording.visit(f"{SITE}bytes/1000", http="3", with_="aioquic", again=change, timeout_s=2)
    experiment.asked(f"{SITE}bytes/1000, then the same over the same connection from another {change}")
    edge = quic_connection(recording, "edge")
    forbidden = [
        f
        for f in edge.frames
        if f.tls and edge.from_server(f) and _DISABLE_ACTIVE_MIGRATION in f.tls.transport_parameters
    ]
    before, after = client_ends(edge)
    asked = [f for f in edge.frames if sender(f) == after and any(m.is_request for m in f.http)]
    answered = [f for f in edge.frames if receiver(f) == after and any(m.status for m in f.http)]
    challenges = [f for f in edge.frames if carries(f, _PATH_CHALLENGE)]
    if answered or challenges or not forbidden:
        pytest.fail("HAProxy lets QUIC connections move now: this verdict is out of date")
    assert asked, "the request from the new end did not reach the balancer: nothing was tried"
    assert answer["exit_code"] != 0
    experiment.saw("its handshake says so: transport parameter disable_active_migration", recording, forbidden)
    experiment.saw("asked from the new end it sends neither PATH_CHALLENGE nor an answer", recording, asked)
    (first, *_) = exchanges(edge)
    assert first.response_frame is not None and receiver(first.response_frame) == before
    experiment.control("from the old end the same request was answered", recording, first.response_frame)
    experiment.unsupported(
        "HAProxy 3.0 announces disable_active_migration and drops what comes from another end; quic.parseltongue.co.in "
        "shows what QUIC itself does"
    )
