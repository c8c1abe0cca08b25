"""K1 and K2: the whole visit, and where its time goes."""

from __future__ import annotations

from typing import Any

import pytest

from captured import Captured
from conversation import conversation
from experiment import Experiment
from live_lab import SITE, Lab, Visited
from observer.messages import Frame
from observer.topology import LINKS
from observer.transit import Passage, transit_of

EIGHT = ["DNS", "TCP", "TLS", "request", "processing", "response", "rendering", "connection kept open"]
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
