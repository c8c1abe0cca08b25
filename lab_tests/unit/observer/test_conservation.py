"""Packets followed across links: of real visits, and of the same visits with one packet tampered with at a time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from golden_visits import Golden
from observer.connections import connections
from observer.conservation import BROKEN
from observer.messages import Frame, IcmpMessage
from observer.steps import Conservation, Conserved, Fate
from observer.transit import Passage, fingerprint, outline, trace, transit_of

FRONT = ("home", "internet", "edge")


def passages(visit: Golden) -> tuple[Passage, ...]:
    return transit_of(visit.frames, visit.topology).passages


def told(visit: Golden) -> Conservation:
    return visit.journey().conservation


def data_to_client(visit: Golden, link: str) -> Frame:
    """A packet with application bytes from the balancer, as `link` saw it."""
    balancer = visit.topology.address("balancer", "edge")
    return next(
        f
        for f in visit.frames
        if f.link == link
        and f.source == balancer
        and ((f.tcp and f.tcp.length > 100) or (f.udp and f.udp.source_port == 443 and f.udp.length > 100))
    )


def with_frames(visit: Golden, frames: list[Frame]) -> Golden:
    """The visit with other frames, in order of time and numbered again."""
    ordered = sorted(frames, key=lambda f: f.time_ns)
    return replace(visit, frames=tuple(replace(f, number=n) for n, f in enumerate(ordered, start=1)))


# ---------------------------------------------------------------- whole visits


def test_every_packet_of_a_real_visit_is_found_on_the_next_link(any_visit: Golden) -> None:
    found = told(any_visit)
    assert found.conserved is Conserved.YES
    assert found.irregularities == ()
    assert [(c.host, c.links) for c in found.crossings] == [
        ("router", ("home", "internet")),
        ("isp", ("internet", "edge")),
    ]
    assert all(c.entered == c.passed_on > 0 for c in found.crossings)
    assert found.summary.startswith(f"{found.crossings[0].passed_on} packets crossed router and isp, all arrived")


def test_every_ip_packet_that_reaches_the_edge_was_followed_from_home(any_visit: Golden) -> None:
    followed = {p.left.number for p in passages(any_visit)} | {p.entered.number for p in passages(any_visit)}
    crossing = [f for f in any_visit.frames if f.link in ("home", "edge") and f.ttl is not None]
    assert crossing
    assert [f.number for f in crossing if f.number not in followed] == []


def test_a_packet_is_recognised_though_its_addresses_changed(any_visit: Golden) -> None:
    """What the test itself compares is the connections' own identity, which the matching does not use."""
    identities = {
        f.number: c.identity for c in connections(any_visit.frames) for f in c.frames if c.identity is not None
    }
    compared = 0
    for passage in passages(any_visit):
        entered, left = passage.entered, passage.left
        assert (entered.source, entered.destination) != (left.source, left.destination)
        assert entered.link != left.link
        assert entered.ttl is not None and left.ttl == entered.ttl - 1
        if entered.number in identities and entered.tcp:
            compared += 1
            assert identities[entered.number] == identities[left.number]
    assert compared or not any(f.tcp and f.link == "home" for f in any_visit.frames)


def test_a_trace_names_one_packet_only(any_visit: Golden) -> None:
    for link in FRONT:
        traces = [trace(f) for f in any_visit.frames if f.link == link and f.ttl is not None]
        assert traces
        assert len(set(traces)) == len(traces)


def test_the_checksum_less_addresses_and_ports_survives_translation(any_visit: Golden) -> None:
    translated = [p for p in passages(any_visit) if p.entered.tcp or p.entered.udp]
    assert translated
    for passage in translated:
        carriers = [f.tcp or f.udp for f in (passage.entered, passage.left)]
        assert carriers[0] and carriers[1] and carriers[0].checksum != carriers[1].checksum, "the control"
        assert fingerprint(passage.entered) == fingerprint(passage.left) is not None


def test_steps_say_how_long_their_packets_were_inside_each_host(any_visit: Golden) -> None:
    request = next(s for s in any_visit.journey().steps if s.name.value == "request")
    assert [(i.host, i.packets) for i in request.inside] == [("router", 1), ("isp", 1), ("balancer", 1)]
    spans = {span.link: span for span in request.on_links}
    assert tuple(spans) == (*FRONT, "backend")
    *forwarding, _ = request.inside
    assert sum(i.inside_ns for i in forwarding) == spans["edge"].start_ns - spans["home"].start_ns
    assert sum(i.inside_ns for i in request.inside) == spans["backend"].start_ns - spans["home"].start_ns


# ---------------------------------------------------------------- one packet tampered with


@pytest.mark.parametrize(("gone", "host"), [("home", "router"), ("internet", "isp")])
def test_a_packet_that_does_not_leave_is_lost_in_the_host_it_entered(any_visit: Golden, gone: str, host: str) -> None:
    """Taken away from `gone` on, towards the client."""
    lost = data_to_client(any_visit, "edge")
    beyond = FRONT[: FRONT.index(gone) + 1]
    doctored = any_visit.without(lambda f: f.link in beyond and trace(f) == trace(lost))
    found = told(doctored)
    (loss,) = found.irregularities
    entered_on = FRONT[FRONT.index(gone) + 1]
    assert (found.conserved, loss.fate, loss.host) == (Conserved.NO, Fate.LOST, host)
    assert loss.entered and loss.entered.link == entered_on and loss.left is None
    assert trace(next(f for f in doctored.frames if f.number == loss.entered.frame)) == trace(lost)
    assert f"lost in {host}" in found.summary and "all arrived" not in found.summary


def test_a_loss_that_a_hole_in_the_capture_may_explain_is_unknown(any_visit: Golden) -> None:
    lost = data_to_client(any_visit, "home")
    found = told(any_visit.without(lambda f: f.number == lost.number).incomplete("home", "3 frames dropped"))
    assert found.conserved is Conserved.UNKNOWN
    assert [i.fate for i in found.irregularities] == [Fate.UNKNOWN]
    elsewhere = told(any_visit.without(lambda f: f.number == lost.number).incomplete("edge", "3 frames dropped"))
    assert [i.fate for i in elsewhere.irregularities] == [Fate.LOST], "home was captured whole"


def test_a_retransmission_is_another_packet(http2_visit: Golden) -> None:
    """The sender repeats a segment with a new identification: the first copy is lost, the second arrives."""
    lost = data_to_client(http2_visit, "edge")
    again = [
        replace(f, time_ns=f.time_ns + 10**6, identification=(f.identification or 0) + 1000)
        for f in http2_visit.frames
        if trace(f) == trace(lost)
    ]
    kept = [f for f in http2_visit.frames if f.link == "edge" or trace(f) != trace(lost)]
    found = told(with_frames(http2_visit, [*kept, *again]))
    assert [(i.fate, i.host) for i in found.irregularities] == [(Fate.LOST, "isp")]


def test_an_equal_retransmission_explains_the_exit_that_follows_it(http2_visit: Golden) -> None:
    """Linux sends every SYN, ACK with identification 0: with equal timestamps nothing tells two of them apart."""
    lost = data_to_client(http2_visit, "edge")
    late = [replace(f, time_ns=f.time_ns + 10**9) for f in http2_visit.frames if trace(f) == trace(lost)]
    kept = [f for f in http2_visit.frames if f.link == "edge" or trace(f) != trace(lost)]
    doctored = with_frames(http2_visit, [*kept, *late])
    (loss,) = told(doctored).irregularities
    assert loss.entered and doctored.frames[loss.entered.frame - 1].time_ns == lost.time_ns
    assert max(p.inside_ns for p in passages(doctored)) < 10**8


def test_a_packet_that_leaves_twice_was_duplicated(any_visit: Golden) -> None:
    once = data_to_client(any_visit, "internet")
    copies = [
        replace(f, time_ns=f.time_ns + 5000) for f in any_visit.frames if trace(f) == trace(once) and f.link != "edge"
    ]
    found = told(with_frames(any_visit, [*any_visit.frames, *copies]))
    assert [(i.fate, i.host) for i in found.irregularities] == [(Fate.DUPLICATED, "isp")]
    assert found.conserved is Conserved.NO


def test_a_packet_whose_payload_was_changed_is_found_and_said_to_be_altered(any_visit: Golden) -> None:
    flipped = data_to_client(any_visit, "edge")

    def change(frame: Frame) -> Frame:
        if frame.link == "edge" or trace(frame) != trace(flipped):
            return frame
        if frame.tcp:
            return replace(frame, tcp=replace(frame.tcp, checksum=((frame.tcp.checksum or 0) + 1000) % 0xFFFF))
        assert frame.udp
        return replace(frame, udp=replace(frame.udp, checksum=((frame.udp.checksum or 0) + 1000) % 0xFFFF))

    found = told(any_visit.changed(change))
    assert [(i.fate, i.host) for i in found.irregularities] == [(Fate.ALTERED, "isp")]


def test_a_time_to_live_that_is_not_one_less_is_told(any_visit: Golden) -> None:
    marked = data_to_client(any_visit, "home")
    found = told(any_visit.changed(lambda f: replace(f, ttl=(f.ttl or 0) + 1) if f.number == marked.number else f))
    (wrong,) = found.irregularities
    assert (wrong.fate, wrong.host) == (Fate.WRONG_TTL, "router")
    assert "TTL one less" not in found.summary


def test_a_packet_that_leaves_without_having_entered_was_begun_there(any_visit: Golden) -> None:
    forged = data_to_client(any_visit, "edge")
    found = told(any_visit.without(lambda f: f.number == forged.number))
    assert [(i.fate, i.host) for i in found.irregularities] == [(Fate.BEGUN, "isp")]


def test_packets_that_overtake_are_counted_and_break_nothing(any_visit: Golden) -> None:
    late = data_to_client(any_visit, "home")
    doctored = with_frames(
        any_visit, [replace(f, time_ns=f.time_ns + 10**8) if f.number == late.number else f for f in any_visit.frames]
    )
    found = told(doctored)
    assert found.conserved is Conserved.YES
    assert found.crossings[0].overtook > 0
    assert told(any_visit).crossings[0].overtook == 0, "the control"


# ---------------------------------------------------------------- what does not go on, and is not lost


def kept_only(visit: Golden, change: Callable[[Frame], Frame]) -> tuple[Fate, str]:
    """The fate of a copy of the client's first packet, changed, that enters the router and does not leave it."""
    first = next(f for f in visit.frames if f.link == "home" and f.ttl is not None)
    stray = change(replace(first, time_ns=first.time_ns + 1000, identification=(first.identification or 0) ^ 0x5555))
    (found,) = told(with_frames(visit, [*visit.frames, stray])).irregularities
    return found.fate, found.host


def test_a_packet_for_the_router_itself_is_not_lost(any_visit: Golden) -> None:
    router = any_visit.topology.address("router", "home")
    fate = kept_only(any_visit, lambda f: replace(f, destination=router))
    assert fate == (Fate.FOR_THE_HOST, "router")
    assert Fate.FOR_THE_HOST not in BROKEN
    assert kept_only(any_visit, lambda f: f) == (Fate.LOST, "router"), "the control: for another, it is lost"


def test_an_answer_to_the_routers_own_address_had_to_be_passed_on(any_visit: Golden) -> None:
    """On internet the client's packets bear the router's address, and so do the answers to them."""
    lost = data_to_client(any_visit, "internet")
    assert lost.destination == any_visit.topology.address("router", "internet")
    found = told(any_visit.without(lambda f: f.link == "home" and trace(f) == trace(lost)))
    assert [(i.fate, i.host) for i in found.irregularities] == [(Fate.LOST, "router")]


def test_a_packet_whose_time_to_live_ends_is_not_lost(any_visit: Golden) -> None:
    assert kept_only(any_visit, lambda f: replace(f, ttl=1)) == (Fate.EXPIRED, "router")


def test_a_packet_inside_when_the_capture_ends_is_in_flight(any_visit: Golden) -> None:
    outward = (p.entered for p in passages(any_visit) if p.entered.link == "home")
    last = max(outward, key=lambda f: f.time_ns)
    doctored = any_visit.without(lambda f: f.link != "home" and trace(f) == trace(last))

    def fates(end_ns: int) -> list[Fate]:
        capture = tuple(replace(c, end_ns=end_ns) for c in any_visit.capture)
        return [i.fate for i in told(replace(doctored, capture=capture)).irregularities]

    assert fates(last.time_ns + 1000) == [Fate.IN_FLIGHT]
    assert fates(last.time_ns + 10**9) == [Fate.LOST], "the control: there was time enough to leave"


def test_what_entered_before_the_capture_began_is_not_judged(any_visit: Golden) -> None:
    first = next(f for f in any_visit.frames if f.link == "home" and f.ttl is not None)
    onward = next(p.left for p in passages(any_visit) if p.entered.number == first.number)
    doctored = any_visit.without(lambda f: f.number == onward.number)
    begun = tuple(replace(c, begin_ns=first.time_ns + 1) for c in any_visit.capture)
    assert told(replace(doctored, capture=begun)).irregularities == ()
    assert [i.fate for i in told(doctored).irregularities] == [Fate.LOST], "the control"


# ---------------------------------------------------------------- who forwards


def test_a_gateway_that_passes_nothing_on_is_named_and_loses_everything(any_visit: Golden) -> None:
    doctored = any_visit.without(
        lambda f: f.link == "edge" or (f.link == "internet" and f.hardware_source[-5:] == "02:01")
    )
    found = told(
        doctored.without(lambda f: f.link == "home" and f.source == any_visit.topology.address("balancer", "edge"))
    )
    assert {(i.fate, i.host) for i in found.irregularities} == {(Fate.LOST, "isp")}


def test_a_host_with_an_address_that_nobody_knows_is_no_gateway(any_visit: Golden) -> None:
    """A client that took a second address is sent packets for it, and passes nothing on."""
    client = any_visit.topology.address("client", "home")
    second = ".".join(client.split(".")[2:] + client.split(".")[:2])  # as a checksum sees it, the same address

    def moved(frame: Frame) -> Frame:
        if frame.link != "home" or (not frame.tcp and not frame.quic):
            return frame
        source, destination = (second if end == client else end for end in (frame.source, frame.destination))
        return replace(frame, source=source, destination=destination)

    found = told(any_visit.changed(moved))
    assert found.conserved is Conserved.YES, found.summary
    assert [c.host for c in found.crossings] == ["router", "isp"]


def test_one_link_alone_has_nothing_to_compare(any_visit: Golden) -> None:
    found = told(any_visit.without(lambda f: f.link != "home"))
    assert (found.conserved, found.crossings) == (Conserved.UNKNOWN, ())


def test_without_names_hosts_are_told_by_their_hardware_addresses(any_visit: Golden) -> None:
    nameless = replace(any_visit, topology=replace(any_visit.topology, interfaces=()))
    transit = transit_of(nameless.frames, nameless.topology)
    assert len(transit.hosts) == 2
    assert len(transit.passages) == len(passages(any_visit))


def test_an_outline_leaves_the_payload_out(any_visit: Golden) -> None:
    frame = data_to_client(any_visit, "home")
    assert trace(frame) == (*outline(frame), fingerprint(frame))


def test_an_error_message_of_a_routers_own_did_not_have_to_enter_it(any_visit: Golden) -> None:
    """The isp tells the client that a time to live ended (RFC 792); the router translates that, as it has to."""
    isp, router = (any_visit.topology.address(host, "internet") for host in ("isp", "router"))
    client = any_visit.topology.address("client", "home")
    sent = next(p for p in passages(any_visit) if p.entered.link == "internet" and p.left.link == "home")

    def error(frame: Frame) -> Frame:
        bare = replace(frame, tcp=None, udp=None, dns=None, quic=None, tls=None, http=(), identification=4711)
        return replace(bare, icmp=IcmpMessage(11, 0))

    from_isp = next(f for f in any_visit.frames if f.link == "internet" and f.hardware_source[-5:] == "02:01")
    outer = error(replace(from_isp, source=isp, destination=router, ttl=64))
    inner = replace(
        sent.left, source=isp, destination=client, ttl=63, time_ns=outer.time_ns + 1000, length=outer.length
    )
    told_on = with_frames(any_visit, [*any_visit.frames, outer, error(inner)])
    assert told(told_on).irregularities == ()
    assert told(told_on).conserved is Conserved.YES
