"""A: two parties, one question, one answer - on each link, over each version of HTTP."""

from __future__ import annotations

import re
from collections.abc import Iterable

import pytest

from dialogue import PLAIN, SITE, ask
from experiment import Experiment
from frame_bytes import FrameBytes
from live_lab import Lab, Recording
from observer.connections import Connection, Endpoint
from observer.exchanges import Exchange, all_exchanges
from observer.messages import Frame
from observer.topology import LINKS
from push_settings import PushSettings

FRONT = ("home", "internet", "edge")
VERSIONS = ("1.1", "2", "3")
SETTINGS, PUSH_PROMISE = 4, 5  # RFC 9113, sections 6.5 and 6.6
EMPTY_LINE = b"\r\n\r\n"


def shown(exchange: Exchange) -> tuple[Frame, ...]:
    """The frames of its request and of its response's first and last byte."""
    frames = (exchange.request_frame, exchange.response_start, exchange.response_end)
    return tuple(frame for frame in frames if frame)


def in_order(frames: Iterable[Frame]) -> bool:
    times = [frame.time_ns for frame in frames]
    return times == sorted(times)


def on(recording: Recording, link: str) -> list[Connection]:
    """The connections of `link` whose start the capture holds."""
    return [c for c in recording.connections if c.link == link and c.identity is not None]


def first_words(connection: Connection) -> Frame | None:
    """The first frame that carries anything for the other side, whoever sent it; None if nothing was said."""
    return next((f for f in connection.frames if f.quic or (f.tcp and f.tcp.length)), None)


def receiver(frame: Frame) -> Endpoint:
    ports = frame.tcp or frame.udp
    assert ports is not None
    return Endpoint(frame.destination, ports.destination_port)


def servers(lab: Lab, link: str) -> set[Endpoint]:
    """Where somebody listens on `link`, by the lab's configuration and not by what was captured."""
    if link == "backend":
        return {Endpoint(lab.topology.address(host, link), 8443) for host in ("origin-1", "origin-2")}
    names = {Endpoint(lab.topology.address(host, "internet"), 53) for host in ("ns-root", "ns-in", "ns-site")}
    return {Endpoint(lab.topology.address("balancer", "edge"), 443), *(names if link == "internet" else ())}


@pytest.mark.claim("A1")
@pytest.mark.parametrize("http", VERSIONS)
def test_the_client_speaks_first_on_every_link(lab: Lab, experiment: Experiment, http: str) -> None:
    """Who opens each connection, and does any response come before its request or without one?"""
    with lab.recording(f"who speaks first, over HTTP/{http}") as recording:
        recording.visit([f"{SITE}/", f"{SITE}/bytes/5000"], http=http)

    experiment.asked(f"GET / and GET /bytes/5000 over HTTP/{http}")
    client, balancer = (lab.topology.address(*end) for end in (("client", "home"), ("balancer", "backend")))
    for link in LINKS:
        connections, exchanges = on(recording, link), recording.exchanges(link)
        assert connections and exchanges, f"{link}: nothing was said"
        # Not by who sent the SYN: that is what makes somebody a client in `connections`.
        said = [first_words(connection) for connection in recording.opened(link)]
        began = [frame for frame in said if frame is not None]
        assert began or link == "backend", f"{link}: no connection was opened"  # there it may be a kept one
        assert [frame for frame in began if receiver(frame) not in servers(lab, link)] == [], f"{link}: a server began"
        assert [frame for frame in began if frame.source in {s.address for s in servers(lab, link)}] == []
        assert {c.client.address for c in connections} <= {
            *(client, balancer),
            *(lab.topology.address(*nat) for nat in (("router", "internet"), ("isp", "edge"))),
            *(lab.topology.address("resolver", "internet"),),
        }
        if began:
            experiment.saw(f"{link}: the first words of each connection went to its server", recording, began)
        own = [exchange for exchange in exchanges if exchange.request_id]  # the others are health checks
        assert [len(shown(exchange)) for exchange in own] == [3, 3], f"{link}: not two requests with whole responses"
        assert all(in_order(shown(exchange)) for exchange in exchanges), f"{link}: a response before its request"
        experiment.saw(
            f"{link}: {len(exchanges)} requests, each before its response",
            recording,
            [frame for exchange in exchanges for frame in shown(exchange)],
        )
        answered = {e.response_frame.number for e in all_exchanges(connections) if e.response_frame}
        unasked = [frame for frame in responses(recording, link) if frame.number not in answered]
        assert unasked == [], f"{link}: a response that nobody asked for"
        experiment.control(f"{link}: the responses, each with its request", recording, responses(recording, link))


@pytest.mark.claim("A1")
def test_no_server_pushes_what_was_not_asked_for(lab: Lab, experiment: Experiment) -> None:
    """Does a server that speaks HTTP/2 send a browser what the page needs before the browser asks, and may it?"""
    with lab.recording("a page and what it needs") as recording:
        recording.visit(f"{SITE}/", http="2", with_="browser")
        recording.visit(f"{SITE}/", http="2")

    experiment.asked("Chromium opens / over HTTP/2, and curl does")
    needed = [exchange for exchange in recording.exchanges("home") if exchange.request.path != "/"]
    assert {"/static/site.css", "/static/path.svg"} <= {exchange.request.path for exchange in needed}
    experiment.saw("style sheet and picture were asked for", recording, [e.request_frame for e in needed])
    promised, settled = (
        [frame for frame in recording.frames if kind in frame.http2_frame_types] for kind in (PUSH_PROMISE, SETTINGS)
    )
    assert promised == []
    experiment.saw("no frame is a PUSH_PROMISE", recording, promised)
    experiment.control("the same search finds both sides' SETTINGS", recording, settled)
    settings = PushSettings(recording, "home")
    clients = {exchange.connection.number: exchange.connection for exchange in recording.exchanges("home")}
    said = [settings.of_client(connection) for connection in clients.values()]
    assert len(said) > 1 and all([value for _, value in own] == [0] for own in said), "a client lets the server push"
    experiment.saw(
        "nor might it be: the SETTINGS of Chromium and of curl have ENABLE_PUSH = 0, and then a server must not push "
        "(RFC 9113, section 6.5.2)",
        recording,
        [frame for own in said for frame, _ in own],
    )
    experiment.myth(
        "since HTTP/2 the server sends by itself what the page will need",
        "nothing was pushed: what the page needs came after it was asked for. HTTP/2 has server push (RFC 9113, "
        "section 8.4), and both clients here forbid it",
    )


def responses(recording: Recording, link: str) -> list[Frame]:
    """The frames of `link` with a final response (RFC 9110, section 15.2: 1xx are not final)."""
    statuses = ((f, {message.status or 0 for message in f.http}) for f in recording.since_begun(link))
    return [frame for frame, found in statuses if max(found, default=0) >= 200]


@pytest.mark.claim("A1")
def test_names_are_asked_for_before_they_are_told(lab: Lab, experiment: Experiment) -> None:
    """Does every DNS response follow a query with its id and name, on both links that carry DNS?"""
    lab.container("resolver").restart(timeout=2)  # nothing in its cache: it has to ask itself
    lab.wait_until_healthy("resolver")
    with lab.recording("a name nobody knows yet") as recording:
        recording.visit(f"{SITE}/")

    experiment.asked("GET / while the resolver's cache is empty")
    for link in ("home", "internet"):
        messages = [(frame, frame.dns) for frame in recording.since_begun(link) if frame.dns]
        answers = [(frame, dns) for frame, dns in messages if dns.is_response]
        assert answers, f"{link}: no DNS response"
        for frame, dns in answers:
            asked = [
                query
                for query, question in messages
                if not question.is_response
                and (question.id, question.name, question.type) == (dns.id, dns.name, dns.type)
                and (query.source, query.destination) == (frame.destination, frame.source)
            ]
            assert asked and in_order([asked[0], frame]), f"{link}: {dns.name} was told unasked"
        experiment.saw(f"{link}: {len(answers)} answers, each after its query", recording, [f for f, _ in messages])


@pytest.mark.claim("A2")
def test_a_request_is_readable_text(lab: Lab, experiment: Experiment) -> None:
    """Can somebody on the path read method, path, version and Host in the frames' own bytes?"""
    with lab.recording("a request in the clear, and one over TLS") as recording:
        ask(recording, "GET", "/bytes/48?reader=anybody", ("Accept", "text/plain"), site=PLAIN)
        ask(recording, "GET", "/bytes/48?reader=nobody", ("Accept", "text/plain"), http="1.1")

    experiment.asked("GET /bytes/48 over plain HTTP/1.1 from plain.parseltongue.co.in, and over HTTPS")
    raw = FrameBytes(recording)
    texts = set()
    for link in FRONT:
        plain, encrypted = recording.exchanges(link)
        text = raw.tcp_payload(plain.request_frame)
        request_line, *fields, empty, content = text.decode("ascii").split("\r\n")
        assert request_line == "GET /bytes/48?reader=anybody HTTP/1.1"
        assert (fields[0], empty, content) == ("Host: plain.parseltongue.co.in", "", "")
        assert all(re.fullmatch(r"[!-9;-~]+: [ -~]*", field) for field in fields), fields
        texts.add(text)
        experiment.saw(f"{link}: {request_line} / {fields[0]}", recording, plain.request_frame)
        hidden = raw.sent_by_client(encrypted)
        assert hidden and b"reader=" not in hidden and b"GET " not in hidden
    assert len(texts) == 1, "somebody on the path changed it"
    edge = recording.exchanges("edge")[1]
    assert edge.request.path == "/bytes/48?reader=nobody"
    experiment.saw("over TLS the same bytes hold neither the method nor the path", recording, edge.request_frame)
    experiment.control(
        "the same search finds both in the clear", recording, [recording.exchanges("edge")[0].request_frame]
    )


@pytest.mark.claim("A3")
def test_a_response_is_a_status_line_headers_an_empty_line_and_a_body(lab: Lab, experiment: Experiment) -> None:
    """Do the server's bytes read as status line, header fields, one empty line, and the content?"""
    size = 4000  # more than one segment
    with lab.recording("a response in the clear") as recording:
        ask(recording, "GET", f"/bytes/{size}", site=PLAIN)

    experiment.asked(f"GET /bytes/{size} over plain HTTP/1.1")
    raw = FrameBytes(recording)
    for link in FRONT:
        (exchange,) = recording.exchanges(link)
        sent = raw.sent_by_server(exchange)
        head, empty_line, body = sent.partition(EMPTY_LINE)
        status_line, *fields = head.decode("ascii").split("\r\n")
        assert re.fullmatch(r"HTTP/1\.1 200 [ -~]+", status_line), status_line
        assert empty_line == EMPTY_LINE
        headers = dict(field.split(": ", 1) for field in fields)
        assert headers["content-type"] == "text/plain; charset=us-ascii"
        assert int(headers["content-length"]) == size == len(body)
        assert body == b"".join(b"%015d\n" % offset for offset in range(0, size, 16))
        carrying = [
            f for f in exchange.connection.frames if exchange.connection.from_server(f) and f.tcp and f.tcp.length
        ]
        assert len(carrying) > 1
        experiment.saw(
            f"{link}: {status_line}, {len(fields)} fields, an empty line, {len(body)} bytes of body in "
            f"{len(carrying)} segments",
            recording,
            carrying,
        )


@pytest.mark.claim("A4")
@pytest.mark.parametrize("http", VERSIONS)
def test_a_request_has_one_response_and_both_are_found_on_all_four_links(
    lab: Lab, experiment: Experiment, http: str
) -> None:
    """Is each request there once on every link, with one response, recognised through both NATs and the balancer?"""
    paths = [f"/bytes/{size}" for size in (100, 200, 300)]
    with lab.recording(f"three requests followed over HTTP/{http}") as recording:
        recording.visit([f"{SITE}{path}" for path in paths], http=http)

    experiment.asked(f"GET {', '.join(paths)} over HTTP/{http} on one connection")
    home = recording.exchanges("home")
    assert [exchange.request.path for exchange in home] == paths
    ids = [exchange.request_id for exchange in home]
    assert None not in ids and len(set(ids)) == len(ids)
    for front in home:
        same = {link: with_id(recording, link, front.request_id) for link in LINKS}
        assert {link: len(found) for link, found in same.items()} == dict.fromkeys(LINKS, 1)
        followed = [same[link][0] for link in LINKS]
        # The balancer ends the client's connection: ISN or connection id as far as edge, its request id from there on.
        assert len({exchange.connection.identity for exchange in followed[:3]}) == 1
        assert followed[3].connection.identity != front.connection.identity
        assert len({exchange.connection.client.address for exchange in followed[:3]}) == 3, "NAT changed nothing"
        assert {(e.request.method, e.request.path) for e in followed} == {("GET", front.request.path)}
        assert {e.response.status for e in followed if e.response} == {200}
        assert followed[3].request.header("x-request-id") == front.request_id
        requests, answers = ([getattr(e, at) for e in followed] for at in ("request_frame", "response_end"))
        assert in_order(requests) and in_order(reversed(answers)), "the answer comes back the way the question went"
        experiment.saw(
            f"{front.request.path}: one request and one response on each link, outward and back, by "
            f"{front.connection.identity} and request id {front.request_id}",
            recording,
            requests + answers,
        )


def with_id(recording: Recording, link: str, request_id: str | None) -> list[Exchange]:
    return [exchange for exchange in recording.exchanges(link) if exchange.request_id == request_id]
