"""K1 to K4: the whole visit, where its time goes, what a second one leaves out, and that nothing was lost."""

from __future__ import annotations

from typing import Any

import pytest

from captured import Captured
from conversation import conversation
from experiment import Experiment
from live_lab import SITE, Lab, Visited
from observer.connections import Connection
from observer.exchanges import exchanges
from observer.messages import Frame, HandshakeType, TcpFlags
from observer.steps import Conservation, Conserved, Fate, Irregularity
from observer.topology import LINKS
from observer.transit import Passage, transit_of

EIGHT = ["DNS", "TCP", "TLS", "request", "processing", "response", "rendering", "connection kept open"]
FRONT = ("home", "internet", "edge")
OVER_TCP = """
    ...
    client   -> resolver  DNS? A parseltongue.co.in
    ...
    resolver -> client    DNS: {balancer}
    ...
    client   -> balancer  SYN
    balancer -> client    SYN ACK
    client   -> balancer  ACK
    ...
    client   -> balancer  ClientHello
    ...
    balancer -> client    ServerHello
    ...
    client   -> balancer  Finished
    ...
    client   -> balancer  GET /
    ...
    balancer -> client    200
    ...
"""
OVER_QUIC = """
    ...
    client   -> resolver  DNS? A parseltongue.co.in
    ...
    resolver -> client    DNS: {balancer}
    ...
    client   -> balancer  ClientHello
    ...
    balancer -> client    ServerHello
    ...
    client   -> balancer  Finished
    ...
    client   -> balancer  GET /
    ...
    balancer -> client    200
    ...
"""


def forget_names(lab: Lab) -> None:
    """Begin the resolver again: nothing in its cache."""
    lab.container("resolver").restart(timeout=2)
    lab.wait_until_healthy("resolver")


def cited(visited: Visited, step: dict[str, Any]) -> list[Frame]:
    return [visited.frame(evidence) for evidence in step["evidence"]]


# ---------------------------------------------------------------- K1


@pytest.mark.claim("K1")
@pytest.mark.parametrize(
    ("program", "http"), [("curl", "1.1"), ("curl", "2"), ("curl", "3"), ("browser", "2")], ids=lambda value: f"{value}"
)
def test_a_visit_is_eight_steps_in_order(lab: Lab, experiment: Experiment, program: str, http: str) -> None:
    """Which of the eight steps does a first visit show, in which order, on which frames?"""
    forget_names(lab)
    visited = lab.visit(http=http, with_=program)
    assert visited.exit_code == 0, visited.journey["visit"]["error"]
    experiment.asked(f"{SITE} with {program} over HTTP/{http}, the resolver's cache empty")

    missing = {name for name, absent in (("TCP", http == "3"), ("rendering", program == "curl")) if absent}
    steps = visited.journey["steps"]
    assert [step["name"] for step in steps] == EIGHT
    assert {step["name"] for step in steps if step["status"] != "seen"} == missing
    begun = 0
    for step in steps:
        if step["name"] in missing:
            assert step["status"] == "absent", "looked for in a complete capture"
            continue
        frames = cited(visited, step)
        assert frames, f"{step['name']} rests on nothing"
        assert min(f.time_ns for f in frames) >= begun, f"{step['name']} begins before the step before it"
        begun = min(f.time_ns for f in frames)
        experiment.saw(f"step {step['number']}, {step['name']}: {step['summary']}", visited, frames)

    walked = {lookup["asked_of"] for lookup in steps[0]["facts"]["walk"]}
    assert walked == {"ns-root", "ns-in", "ns-site"}, "the resolver began at the root"
    script = OVER_QUIC if http == "3" else OVER_TCP
    balancer = lab.topology.address("balancer", "edge")
    told = conversation(visited.on("home"), lab.topology).reads(script.format(balancer=balancer))
    experiment.saw("the same order, read from home's frames message by message", visited, [u.frame for u in told])


@pytest.mark.claim("K1")
def test_a_browsers_own_clock_agrees_with_the_frames(lab: Lab, experiment: Experiment) -> None:
    """Rendering is on no link: does what the browser says of it fit what the frames show?"""
    visited = lab.visit(http="2", with_="browser")
    assert visited.exit_code == 0, visited.journey["visit"]["error"]
    experiment.asked(f"{SITE} with Chromium, whose Navigation Timing is laid beside the frames")
    visit, rendering = visited.journey["visit"], visited.step("rendering")
    own = {name: visit["enter_ns"] + ns for name, ns in rendering["facts"].items() if name.endswith("_ns") and ns}

    request = visited.frame(next(e for e in visited.step("request")["evidence"] if e["link"] == "home"))
    last = visited.frame(rendering["evidence"][0])
    rounding_ns = 200_000  # the browser tells its moments in tenths of a millisecond, Enter's included
    assert own["request_start_ns"] <= request.time_ns + rounding_ns, "it said so before the link carried it"
    assert last.time_ns <= own["response_end_ns"] + rounding_ns, "the link carried it before it said so"
    assert own["response_end_ns"] <= own["dom_content_loaded_ns"] <= own["load_ns"]
    early_ms, late_ms = (
        (request.time_ns - own["request_start_ns"]) / 1e6,
        (own["response_end_ns"] - last.time_ns) / 1e6,
    )
    experiment.saw(
        f"the request left {early_ms:.1f} ms after the browser's requestStart, the page's last byte came "
        f"{late_ms:.1f} ms before its responseEnd",
        visited,
        [request, last],
    )
    fetched = [visited.frame(evidence) for evidence in rendering["evidence"][1:]]
    assert fetched, "the page has a style sheet and a picture"
    assert all(frame.time_ns > last.time_ns - rendering["duration_ns"] for frame in fetched)
    assert rendering["duration_ns"] > 0
    experiment.saw(
        f"{len(fetched)} more resources were asked for; first paint "
        f"{(own['first_contentful_paint_ns'] - last.time_ns) / 1e6:.1f} ms after the page's last byte",
        visited,
        fetched,
    )


# ---------------------------------------------------------------- K2


def through(visited: Captured, lab: Lab, frame: Frame) -> list[Passage]:
    """The hosts that the packet of `frame` went through, in order, from its first link to its last."""
    passages = transit_of(visited.frames, lab.topology).passages
    chain = [p for p in passages if p.entered.number == frame.number]
    while following := [p for p in passages if chain and p.entered.number == chain[-1].left.number]:
        chain += following
    return chain


@pytest.mark.claim("K2")
def test_every_nanosecond_between_request_and_response_is_accounted_for(lab: Lab, experiment: Experiment) -> None:
    """Where did the time between the request and the first byte of the response go, link by link, host by host?"""
    visited = lab.visit(http="1.1")
    assert visited.exit_code == 0
    experiment.asked(f"{SITE} over HTTP/1.1")
    wanted = visited.step("request")["facts"]["request_id"]
    found = {e.link: e for e in visited.exchanges("home") if e.request_id == wanted}
    for link in LINKS[1:]:
        found |= {e.link: e for e in visited.exchanges(link) if e.request_id == wanted}
    assert tuple(found) == LINKS
    waited = {}
    for link, exchange in found.items():
        assert exchange.response_start is not None
        waited[link] = exchange.response_start.time_ns - exchange.request_frame.time_ns
    assert waited["home"] > waited["internet"] > waited["edge"] > waited["backend"] > 0, "each hop adds to the wait"

    answer = found["edge"].response_start
    assert answer is not None
    out, back = through(visited, lab, found["home"].request_frame), through(visited, lab, answer)
    assert [p.host for p in out] == ["router", "isp"]
    assert [p.host for p in back] == ["isp", "router"]
    inside = {host: sum(p.inside_ns for p in (*out, *back) if p.host == host) for host in ("router", "isp")}
    assert waited["home"] == inside["router"] + inside["isp"] + waited["edge"], "to the nanosecond"
    balancer = waited["edge"] - waited["backend"]
    frames = [f for e in found.values() for f in (e.request_frame, e.response_start) if f]
    experiment.saw(
        f"the client waited {waited['home'] / 1e6:.3f} ms: {inside['router'] / 1e6:.3f} in router, "
        f"{inside['isp'] / 1e6:.3f} in isp, {balancer / 1e6:.3f} in balancer, {waited['backend'] / 1e6:.3f} "
        "at the origin",
        visited,
        frames,
    )
    for step in visited.journey["steps"]:
        if step["status"] == "seen":
            spans = ", ".join(f"{s['link']} {s['duration_ns'] / 1e6:.3f}" for s in step["on_links"])
            assert {s["link"] for s in step["on_links"]} == {e["link"] for e in step["evidence"]}
            experiment.saw(
                f"{step['name']}: {(step['duration_ns'] or 0) / 1e6:.3f} ms; as the links saw it: {spans}",
                visited,
                cited(visited, step),
            )
    first, last = visited.step("DNS")["start_ns"], visited.step("connection kept open")["start_ns"]
    # How many milliseconds is the machine's business.
    assert last - first < 1_000_000_000, "from the first packet to the last byte: milliseconds, not seconds"


@pytest.mark.claim("K2")
def test_time_that_is_put_in_is_found_where_it_was_put(lab: Lab, experiment: Experiment) -> None:
    """If the isp holds every packet for 25 ms, does the journey say isp, and how much?"""
    with lab.faults("delay every packet between client and balancer by 25 ms"):
        far = lab.visit(http="1.1")
    near = lab.visit(http="1.1")
    assert (far.exit_code, near.exit_code) == (0, 0)
    experiment.asked(f"{SITE} twice, once with the isp holding each packet for 25 ms")
    held, usual = (in_hosts(visited, "TCP") for visited in (far, near))
    assert held["isp"] >= 3 * 25_000_000, "three packets open a connection"
    # No bound in milliseconds for the rest: that would be a verdict on the machine the lab runs on.
    assert held["isp"] > max(held["router"], usual["router"], usual["isp"])
    trip, usual_trip = (visited.step("TCP")["facts"]["round_trip_ns"] for visited in (far, near))
    assert trip >= 50_000_000
    assert trip > usual_trip
    experiment.saw(
        f"the three packets that open the connection were inside isp for {held['isp'] / 1e6:.1f} ms together, inside "
        f"router for {held['router'] / 1e6:.2f}; SYN to SYN ACK took {trip / 1e6:.1f} ms",
        far,
        cited(far, far.step("TCP")),
    )
    experiment.control(
        f"without the delay: {usual['isp'] / 1e6:.2f} ms inside isp", near, cited(near, near.step("TCP"))
    )
    median_held, median_usual = (median_inside(visited, lab, "isp") for visited in (far, near))
    assert median_held >= 25_000_000
    assert median_held > median_usual


def median_inside(visited: Visited, lab: Lab, host: str) -> int:
    """Nanoseconds that half of the packets through `host` took at most."""
    (crossing,) = [c for c in visited.conservation(lab.topology).crossings if c.host == host]
    assert crossing.median_ns is not None
    return crossing.median_ns


def in_hosts(visited: Visited, step: str) -> dict[str, int]:
    return {inside["host"]: inside["inside_ns"] for inside in visited.step(step)["inside"]}


# ---------------------------------------------------------------- K3


def opens(frame: Frame) -> bool:
    """Whether a frame belongs to what a first visit begins with: DNS, a SYN, a ClientHello."""
    syn = bool(frame.tcp and frame.tcp.flags & TcpFlags.SYN)
    return bool(frame.dns or syn or (frame.tls and HandshakeType.CLIENT_HELLO in frame.tls.handshake))


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
    experiment.saw("TCP had to shake hands again", recording, resumed.opening)
    if tls == "1.3":
        hello = resumed.server_hello
        assert hello is not None and hello[1].uses_psk
        experiment.saw("the server took the client's pre-shared key", recording, hello[0])
    experiment.myth(
        "a resumed session continues the old connection",
        "the frames say: a new SYN and a new ClientHello; only certificate and its signature are left out",
    )


@pytest.mark.claim("K3")
def test_a_browser_resumes_its_session_on_a_further_connection(lab: Lab, experiment: Experiment) -> None:
    """A browser opens more connections over HTTP/1.1: does each have to show a certificate?"""
    visited = lab.visit(f"{SITE} {SITE}login", http="1.1", with_="browser")
    assert visited.exit_code == 0, visited.journey["visit"]["error"]
    experiment.asked(f"{SITE} and then {SITE}login with Chromium over HTTP/1.1")
    full, *further = (c for c in visited.opened("home") if exchanges(c))
    assert further, "one connection was enough: nothing to resume"
    for connection in further:
        assert any(connection.from_server(f) for f in connection.finished), "decrypted to the end of the handshake"
        assert carrying(connection, HandshakeType.CERTIFICATE) == []
        experiment.saw("a further connection's handshake has no Certificate", visited, connection.finished)
    certificate = carrying(full, HandshakeType.CERTIFICATE)
    assert certificate
    experiment.control("the first connection's has one", visited, certificate)


def carrying(connection: Connection, kind: HandshakeType) -> list[Frame]:
    return [f for f in connection.frames if f.tls and kind in f.tls.handshake]


# ---------------------------------------------------------------- K4


def broken(found: Conservation) -> list[tuple[Fate, str]]:
    return [(i.fate, i.host) for i in found.irregularities]


def shown(captured: Captured, irregularity: Irregularity) -> list[Frame]:
    numbers = [e.frame for e in (irregularity.entered, irregularity.left) if e]
    return [captured.frames[number - 1] for number in numbers]


@pytest.mark.claim("K4")
@pytest.mark.parametrize(
    ("program", "http"), [("curl", "1.1"), ("curl", "2"), ("curl", "3"), ("browser", "2")], ids=lambda value: f"{value}"
)
def test_every_packet_of_a_visit_is_found_on_the_next_link(
    lab: Lab, experiment: Experiment, program: str, http: str
) -> None:
    """Did the capture miss anything, and did every packet that entered router or isp come out of it?"""
    visited = lab.visit(http=http, with_=program)
    assert visited.exit_code == 0
    experiment.asked(f"{SITE} with {program} over HTTP/{http}")
    assert [(c.link, c.dropped, c.complete) for c in visited.capture] == [(link, 0, True) for link in LINKS]

    transit, found = transit_of(visited.frames, lab.topology), visited.conservation(lab.topology)
    assert found.conserved is Conserved.YES, found.summary
    assert found.irregularities == ()
    assert visited.journey["conservation"]["conserved"] == "yes"
    assert visited.journey["conservation"]["summary"] == found.summary
    followed = {f.number for p in transit.passages for f in (p.entered, p.left)}
    crossing = [f for link in ("home", "edge") for f in visited.since_begun(link) if f.ttl is not None]
    assert crossing
    assert [f.number for f in crossing if f.number not in followed] == [], "each IP packet of home and edge"
    experiment.saw(f"all {len(crossing)} packets of home and edge: {found.summary}", visited, crossing)

    own = {i.host: i.address for i in lab.topology.interfaces if i.link == "internet"}
    outward = [p for p in transit.passages if p.entered.link == "home"]
    assert outward
    assert {p.left.source for p in outward} == {own["router"]}, "the router put its own address in"
    assert {(p.entered.ttl or 0) - (p.left.ttl or 0) for p in transit.passages} == {1}
    assert all(p.entered.hardware_source != p.left.hardware_source for p in transit.passages)
    experiment.saw(
        f"{len(outward)} packets left router with its address, another hardware address, TTL one less",
        visited,
        [f for p in outward for f in (p.entered, p.left)],
    )


@pytest.mark.claim("K4")
@pytest.mark.parametrize(
    ("sentence", "http", "fate"),
    [
        ("drop the 3rd data segment from balancer to client", "1.1", Fate.LOST),
        ("drop the 4th data segment from client to balancer", "1.1", Fate.LOST),
        ("drop the 3rd QUIC packet from balancer to client", "3", Fate.LOST),
        ("duplicate the 2nd data segment from balancer to client", "1.1", Fate.DUPLICATED),
        ("flip one byte in the 3rd QUIC packet from balancer to client", "3", Fate.ALTERED),
    ],
)
def test_what_the_middlebox_did_to_a_packet_is_found_and_nothing_else(
    lab: Lab, experiment: Experiment, sentence: str, http: str, fate: Fate
) -> None:
    """Does the check notice one packet that really was tampered with, and that one alone?"""
    with lab.recording(sentence) as recording, lab.faults(sentence) as faults:
        answer = recording.visit(f"{SITE}bytes/40000", http=http)
    assert answer["exit_code"] == 0, answer["error"]
    experiment.asked(f"{SITE}bytes/40000 over HTTP/{http}, and of the isp: {sentence}")
    (touched,) = faults.touched(recording)
    found = recording.conservation(lab.topology)
    assert found.conserved is Conserved.NO
    assert broken(found) == [(fate, "isp")], found.summary
    (irregularity,) = found.irregularities
    assert shown(recording, irregularity)[0] == touched.arrived, "the very frame that the middlebox says it touched"
    experiment.saw(f"{irregularity.packet}: {fate.value} in isp", recording, shown(recording, irregularity))
    (router,) = [c for c in found.crossings if c.host == "router"]
    assert router.passed_on == router.entered > 0
    client = lab.topology.address("client", "home")
    others = [f for f in recording.since_begun("home") if f.ttl is not None and client in (f.source, f.destination)]
    experiment.control(f"all {router.passed_on} that entered router left it", recording, others)


@pytest.mark.claim("K4")
def test_packets_held_back_or_overtaken_are_not_lost(lab: Lab, experiment: Experiment) -> None:
    """Does the check keep apart what comes late from what does not come?"""
    sentence = "swap the 3rd and 4th data segments from balancer to client"
    with lab.recording(sentence) as recording, lab.faults(sentence) as faults:
        answer = recording.visit(f"{SITE}bytes/40000", http="1.1")
    assert answer["exit_code"] == 0, answer["error"]
    experiment.asked(f"{SITE}bytes/40000, and of the isp: {sentence}")
    found = recording.conservation(lab.topology)
    assert found.conserved is Conserved.YES, found.summary
    (isp,) = [c for c in found.crossings if c.host == "isp"]
    assert isp.overtook >= 1
    moved = faults.touched(recording)
    experiment.saw(
        f"overtaken in isp: {isp.overtook} of its {isp.passed_on} packets went before an earlier one; all arrived",
        recording,
        [f for touched in moved for f in (touched.arrived, *touched.sent)],
    )


@pytest.mark.claim("K4")
def test_packets_that_end_at_a_router_are_told_as_such(lab: Lab, experiment: Experiment) -> None:
    """Are packets for the router itself, and those whose time to live ends there, told from lost ones?"""
    with lab.recording("a traceroute, and a datagram to the router") as recording:
        lab.ask_client("POST /traceroute", {"to": lab.topology.address("balancer", "edge")})
        router = lab.topology.address("router", "home")
        lab.ask_client("POST /datagrams", {"to": router, "port": 9, "payload": "00", "timeout_s": 0.2})
    experiment.asked("a traceroute to the balancer, and a datagram to the router's own address")
    found = recording.conservation(lab.topology)
    assert found.conserved is Conserved.YES, found.summary
    fates: dict[str, set[Fate]] = {i.host: set() for i in found.irregularities}
    for irregularity in found.irregularities:
        fates[irregularity.host].add(irregularity.fate)
        experiment.saw(
            f"{irregularity.packet}: {irregularity.host}: {irregularity.fate.value}",
            recording,
            shown(recording, irregularity),
        )
    assert fates == {"router": {Fate.EXPIRED, Fate.FOR_THE_HOST}, "isp": {Fate.EXPIRED}}
    went_on = [p.entered for p in transit_of(recording.frames, lab.topology).passages]
    assert went_on
    experiment.control("the others went on", recording, went_on)
