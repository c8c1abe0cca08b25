"""A visit in parts: redirects that were followed, further URLs; and whose lookups were whose."""

from __future__ import annotations

from dataclasses import replace

import pytest

from golden_visits import Golden, golden
from observer.connections import connections
from observer.exchanges import exchanges
from observer.messages import Frame
from observer.scene import asks_for
from observer.steps import (
    DnsFacts,
    Journey,
    KeptOpenFacts,
    Occasion,
    RequestFacts,
    ResponseFacts,
    StepName,
    ToldApart,
)
from written_captures import Written

SITE = "https://parseltongue.co.in"


def asked_again(visit: Golden, path: str, *, later_ns: int = 10**6) -> Golden:
    """The HTTP/2 visit with its request and response once more on the next stream, for another path."""
    last = max(f.time_ns for f in visit.frames if f.link == "home" and (f.http or f.ended_streams))
    copies = []
    for frame in visit.frames:
        if frame.link != "backend" and (frame.http or frame.ended_streams):
            messages = tuple(
                replace(
                    m,
                    stream=(m.stream or 0) + 2,
                    path=path if m.is_request else None,
                    headers=tuple(h for h in m.headers if h[0] != "x-request-id"),
                )
                for m in frame.http
            )
            ended = tuple(s + 2 for s in frame.ended_streams)
            moved = last + later_ns + frame.time_ns - visit.visit.started_ns
            copies.append(replace(frame, time_ns=moved, http=messages, ended_streams=ended))
    frames = sorted([*visit.frames, *copies], key=lambda f: f.time_ns)
    return replace(visit, frames=tuple(replace(f, number=n) for n, f in enumerate(frames, start=1)))


def redirecting(visit: Golden, location: str) -> Golden:
    """The visit whose first response is a 302."""

    def change(frame: Frame) -> Frame:
        if frame.link == "backend" or not any(m.status and m.stream == 1 for m in frame.http):
            return frame
        return replace(
            frame,
            http=tuple(
                replace(m, status=302, headers=(*m.headers, ("location", location))) if m.stream == 1 else m
                for m in frame.http
            ),
        )

    return visit.changed(change)


def parts(told: Journey) -> list[tuple[Occasion, str]]:
    return [(part.occasion, part.visit.url) for part in told.chain]


def test_an_ordinary_visit_has_one_part(any_visit: Golden) -> None:
    told = any_visit.journey()
    assert parts(told) == [(Occasion.ENTER, any_visit.visit.url)]
    assert told.then is None


def test_a_redirect_that_was_followed_begins_another_part() -> None:
    told = redirecting(asked_again(golden("2"), "/login"), "/login?next=account").journey()
    assert parts(told) == [
        (Occasion.ENTER, f"{SITE}/"),
        (Occasion.REDIRECT, f"{SITE}/login?next=account"),
    ]
    first, second = told.chain
    assert first.step(StepName.RENDERING).summary == "a redirect has nothing to render"
    assert [r.path for r in first.resources] == ["/"]
    assert [r.path for r in second.resources] == ["/login"]
    starts = [part.step(StepName.REQUEST).start_ns for part in told.chain]
    assert starts == sorted(starts, key=lambda start: start or 0), "all parts count from one Enter"


def test_a_redirect_that_was_not_followed_is_named_in_the_response() -> None:
    told = redirecting(golden("2"), "https://elsewhere.example/").journey()
    assert len(told.chain) == 1
    assert told.step(StepName.RESPONSE).summary.endswith("redirects to https://elsewhere.example/")


@pytest.mark.parametrize("location", ["http://[host]/", "http://a]b/", "//[host/"])
def test_a_redirect_to_what_is_no_url_leads_nowhere(location: str) -> None:
    told = redirecting(asked_again(golden("2"), "/login"), location).journey()
    assert len(told.chain) == 1
    response = told.step(StepName.RESPONSE)
    assert isinstance(response.facts, ResponseFacts)
    assert (response.facts.status, response.facts.redirected_to) == (302, None)
    assert ("location", location) in response.facts.headers


@pytest.mark.parametrize(
    ("target", "host", "url", "expected"),
    [
        ("/a?b", "ex.example", "http://ex.example/a", True),
        ("/a", "EX.example.:80", "http://ex.example/a", True),
        ("/a", "[2001:db8::1]:80", "http://[2001:db8::1]/a", True),
        ("/a", "[2001:db8::1]", "http://[2001:db8::2]/a", False),
        ("http://ex.example/a", "proxy.example", "http://ex.example/a", True),
        ("/b", "ex.example", "http://ex.example/a", False),
        ("/a", "ex.example", "https://ex.example/a", False),
        ("/a", "host", "http://[host]/a", False),
        ("/a", "[host]", "http://host/a", False),
    ],
)
def test_a_request_is_for_a_url_if_its_target_and_host_say_so(target: str, host: str, url: str, expected: bool) -> None:
    (connection,) = connections(Written().opens(40001, 0).asks(40001, 1, host, target).frames())
    assert asks_for(exchanges(connection)[0], url) is expected


def test_another_url_on_the_kept_connection_has_no_dns_tcp_or_tls() -> None:
    visit = asked_again(golden("2"), "/account")
    visit = replace(visit, visit=replace(visit.visit, more_urls=(f"{SITE}/account",)))
    first, second = visit.journey().chain
    assert second.occasion is Occasion.NEXT_URL
    statuses = {step.name: step.status.value for step in second.steps}
    assert {statuses[name] for name in (StepName.DNS, StepName.TCP, StepName.TLS)} == {"absent"}
    assert statuses[StepName.REQUEST] == statuses[StepName.RESPONSE] == "seen"
    assert "was open already" in second.step(StepName.TCP).summary
    assert first.step(StepName.TCP).status.value == first.step(StepName.TLS).status.value == "seen", "the control"
    trips = [part.step(StepName.REQUEST).facts for part in (first, second)]
    assert [facts.round_trips_before for facts in trips if isinstance(facts, RequestFacts)] == [2, 0]
    kept = first.step(StepName.KEPT_OPEN)
    assert isinstance(kept.facts, KeptOpenFacts)
    assert kept.facts.closed_by is None
    assert kept.summary == "and used again, for GET /account"


def test_a_further_url_that_was_never_asked_for_is_told_as_absent() -> None:
    visit = golden("2")
    told = replace(visit, visit=replace(visit.visit, more_urls=(f"{SITE}/never",))).journey()
    assert [part.step(StepName.REQUEST).status.value for part in told.chain] == ["seen", "absent"]


# ---------------------------------------------------------------- whose lookup


def another_asks(visit: Golden, *, later_ns: int, port: int = 1111, connects: bool = True) -> Golden:
    """The visit beside that of another program of the client, which asks the same name and opens a connection, both a
    moment later (or, if negative, earlier)."""
    client = visit.topology.address("client", "home")
    copies = []
    for frame in visit.frames:
        if frame.link == "home" and frame.dns and frame.udp and client in (frame.source, frame.destination):
            ends = {"source_port": port} if frame.source == client else {"destination_port": port}
            datagram = replace(frame.udp, **ends)
            dns = replace(frame.dns, id=frame.dns.id ^ 1)
            copies.append(replace(frame, time_ns=frame.time_ns + later_ns, udp=datagram, dns=dns))
        elif connects and frame.link == "home" and frame.tcp and not frame.tls and not frame.tcp.length:
            segment = replace(frame.tcp, stream=999, sequence_number=frame.tcp.sequence_number ^ 1)
            outward = frame.source == client
            segment = replace(segment, source_port=port) if outward else replace(segment, destination_port=port)
            copies.append(replace(frame, time_ns=frame.time_ns + later_ns, tcp=segment))
    frames = sorted([*visit.frames, *copies], key=lambda f: f.time_ns)
    return replace(visit, frames=tuple(replace(f, number=n) for n, f in enumerate(frames, start=1)))


def dns(visit: Golden) -> DnsFacts:
    facts = visit.journey().step(StepName.DNS).facts
    assert isinstance(facts, DnsFacts)
    return facts


def asked_times(visit: Golden) -> list[int]:
    return [lookup.start_ns for lookup in dns(visit).lookups]


def test_alone_all_lookups_are_the_visits_own(any_visit: Golden) -> None:
    assert dns(any_visit).told_apart is ToldApart.ALONE
    assert len(dns(any_visit).lookups) == 2


@pytest.mark.parametrize("later_ns", [20_000, -20_000])
def test_two_programs_lookups_are_told_apart_by_the_order_of_their_connections(later_ns: int) -> None:
    alone = golden("2")
    beside = another_asks(alone, later_ns=later_ns)
    facts = dns(beside)
    assert facts.told_apart is ToldApart.ORDER
    assert asked_times(beside) == asked_times(alone)
    assert "told apart by order" in beside.journey().step(StepName.DNS).summary


def test_an_answer_that_came_too_late_is_anothers() -> None:
    alone = golden("2")
    opened = next(f for f in alone.frames if f.link == "home" and f.tcp)
    answered = max(f.time_ns for f in alone.frames if f.link == "home" and f.dns)
    beside = another_asks(alone, later_ns=opened.time_ns - answered + 1000)
    assert dns(beside).told_apart is ToldApart.ANSWERED
    assert asked_times(beside) == asked_times(alone)


def test_without_a_connection_nobody_can_tell_and_the_journey_says_so() -> None:
    failed = another_asks(golden("2"), later_ns=20_000).without(lambda f: f.link == "home" and f.tcp is not None)
    failed = replace(failed, visit=replace(failed.visit, client_randoms=(), local_ports=(), exit_code=7))
    assert dns(failed).told_apart is ToldApart.UNDECIDED
    assert len(dns(failed).lookups) == 4
    assert "do not tell which was whose" in failed.journey().step(StepName.DNS).summary
