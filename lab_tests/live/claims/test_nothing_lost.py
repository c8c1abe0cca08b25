"""K4: that nothing was lost, and that the check would notice."""

from __future__ import annotations

import pytest

from captured import Captured
from experiment import Experiment
from live_lab import SITE, Lab
from observer.messages import Frame
from observer.steps import Conservation, Conserved, Fate, Irregularity
from observer.topology import LINKS
from observer.transit import transit_of


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
