"""A journey says what the frames show: of real visits, and of the same visits doctored one thing at a time."""

from __future__ import annotations

from dataclasses import replace

import pytest

from golden_visits import Golden, golden
from observer.document import plain
from observer.messages import Alert, Frame, TcpFlags
from observer.steps import ProcessingFacts, StepName, TcpFacts, TlsFacts

SEEN_OVER_TCP = {
    "DNS": "seen",
    "TCP": "seen",
    "TLS": "seen",
    "request": "seen",
    "processing": "seen",
    "response": "seen",
    "rendering": "absent",
    "connection kept open": "seen",
}


def test_a_golden_visit_is_told_again_exactly_as_the_lab_told_it(any_visit: Golden) -> None:
    assert plain(any_visit.journey()) == any_visit.told


def test_every_cited_frame_exists_on_the_link_that_is_cited(any_visit: Golden) -> None:
    links = {frame.number: frame.link for frame in any_visit.frames}
    cited = [evidence for step in any_visit.journey().steps for evidence in step.evidence]
    assert cited
    assert [e for e in cited if links.get(e.frame) != e.link] == []


@pytest.mark.parametrize("version", ["1.1", "2"])
def test_over_tcp_seven_steps_are_seen(version: str) -> None:
    assert golden(version).statuses() == SEEN_OVER_TCP


def test_over_quic_there_is_no_tcp_step() -> None:
    assert golden("3").statuses() == SEEN_OVER_TCP | {"TCP": "absent"}


def is_syn_ack(frame: Frame) -> bool:
    return bool(frame.tcp and frame.tcp.flags & (TcpFlags.SYN | TcpFlags.ACK) == TcpFlags.SYN | TcpFlags.ACK)


def test_without_its_syn_ack_no_connection_was_opened(http2_visit: Golden) -> None:
    doctored = http2_visit.without(lambda f: f.link == "home" and is_syn_ack(f))
    assert doctored.statuses()["TCP"] == "absent"


def test_what_is_not_seen_in_an_incomplete_capture_is_unknown_not_absent(http2_visit: Golden) -> None:
    doctored = http2_visit.without(lambda f: f.link == "home" and is_syn_ack(f)).incomplete("home", "3 frames dropped")
    step = doctored.journey().step(StepName.TCP)
    assert step.status.value == "unknown"
    assert "home: 3 frames dropped" in step.summary


def test_what_is_seen_stays_seen_in_an_incomplete_capture(http2_visit: Golden) -> None:
    assert http2_visit.incomplete("backend", "no end sentinel").statuses() == SEEN_OVER_TCP


def test_a_visit_of_which_nothing_was_recorded_is_unknown_throughout(http2_visit: Golden) -> None:
    doctored = replace(http2_visit.without(lambda frame: True))
    for link in ("home", "internet", "edge", "backend"):
        doctored = doctored.incomplete(link, "the tap stopped")
    told = doctored.statuses()
    assert {told[name] for name in told if name != "rendering"} == {"unknown"}


def test_without_keys_the_handshake_is_told_and_the_request_is_not(http2_visit: Golden) -> None:
    def encrypted(frame: Frame) -> Frame:
        if frame.tls is None:
            return frame
        records = tuple(replace(r, inner_type=r.inner_type if r.type != 23 else None) for r in frame.tls.records)
        clear = frame.tls.client_hello or frame.tls.server_hello
        handshake = frame.tls.handshake[:1] if clear else ()
        hidden = replace(
            frame.tls, records=records, handshake=handshake, certificates=(), selected_protocol=None, alerts=()
        )
        return replace(frame, tls=hidden, http=(), http2_frame_types=(), ended_streams=())

    told = http2_visit.changed(encrypted).journey()
    facts = told.step(StepName.TLS).facts
    assert isinstance(facts, TlsFacts)
    assert (facts.version, facts.certificate) == ("TLS 1.3", None)
    assert facts.verdict == "not finished, or not decrypted"
    assert told.step(StepName.REQUEST).status.value == "unknown"


def test_an_answer_from_the_wrong_server_answers_nothing(http2_visit: Golden) -> None:
    def forged(frame: Frame) -> Frame:
        wrong = frame.link == "home" and frame.dns is not None and frame.dns.is_response
        return replace(frame, source="10.66.6.6") if wrong else frame

    facts = http2_visit.changed(forged).journey().step(StepName.DNS).facts
    assert facts is not None
    assert facts.addresses == ()  # type: ignore[union-attr]


def test_a_backend_request_of_another_id_is_not_this_visits(http2_visit: Golden) -> None:
    def other_id(frame: Frame) -> Frame:
        if frame.link != "backend" or not frame.http:
            return frame
        headers = tuple((n, "another" if n.lower() == "x-request-id" else v) for n, v in frame.http[0].headers)
        return replace(frame, http=(replace(frame.http[0], headers=headers),))

    assert http2_visit.changed(other_id).statuses()["processing"] == "absent"


def test_what_a_client_calls_its_request_does_not_lead_astray(http2_visit: Golden) -> None:
    def named(frame: Frame) -> Frame:
        if frame.link == "backend" or not any(message.is_request for message in frame.http):
            return frame
        own = (*frame.http[0].headers, ("x-request-id", "the client's own"))
        return replace(frame, http=(replace(frame.http[0], headers=own),))

    facts = http2_visit.changed(named).journey().step(StepName.PROCESSING).facts
    assert isinstance(facts, ProcessingFacts)
    assert (facts.origin, facts.joined_by) == ("origin-1", "request id")


def test_without_a_request_id_in_the_clear_the_balancer_is_joined_by_time_and_says_so(http2_visit: Golden) -> None:
    def no_id(frame: Frame) -> Frame:
        messages = tuple(
            replace(m, headers=tuple((n, v) for n, v in m.headers if n.lower() != "x-request-id")) for m in frame.http
        )
        return replace(frame, http=messages)

    facts = http2_visit.changed(no_id).journey().step(StepName.PROCESSING).facts
    assert isinstance(facts, ProcessingFacts)
    assert facts.joined_by == "time"


def test_another_clients_visit_at_the_same_time_is_not_told(http2_visit: Golden) -> None:
    stranger = replace(http2_visit, visit=replace(http2_visit.visit, client_randoms=(b"\0" * 32,), local_ports=(1,)))
    told = stranger.journey()
    assert told.resources == ()
    assert told.step(StepName.REQUEST).status.value == "absent"


def test_a_visit_that_failed_does_not_adopt_anothers_connection(http2_visit: Golden) -> None:
    failed = replace(
        http2_visit.visit,
        url="https://no-such-name.parseltongue.co.in/",
        client_randoms=(),
        local_ports=(),
        exit_code=6,
    )
    told = replace(http2_visit, visit=failed).statuses()
    assert {told[name] for name in ("DNS", "TCP", "TLS", "request", "processing", "response")} == {"absent"}


def test_a_response_that_broke_off_has_no_end_and_is_said_to(http2_visit: Golden) -> None:
    step = http2_visit.changed(lambda f: replace(f, ended_streams=())).journey().step(StepName.RESPONSE)
    assert step.summary.endswith("it broke off")
    assert step.duration_ns is None
    assert "the last byte" not in [evidence.shows for evidence in step.evidence]


def test_a_retry_on_an_older_connection_still_comes_second(http2_visit: Golden) -> None:
    told = http2_visit.journey()
    facts = told.step(StepName.PROCESSING).facts
    assert isinstance(facts, ProcessingFacts)
    backend = [f for f in http2_visit.frames if f.link == "backend" and any(m.is_request for m in f.http)]
    asked = next(f for f in backend if f.http[0].header("x-request-id"))
    connection = [
        f
        for f in http2_visit.frames
        if f.link == "backend" and f.tcp and asked.tcp and f.tcp.stream == asked.tcp.stream
    ]
    # The same request on another connection, which opened a second earlier, and was asked a millisecond later.
    older = [
        replace(
            f,
            number=f.number + 1000,
            time_ns=f.time_ns - (10**9 if not f.http else -(10**6)),
            tcp=replace(f.tcp, stream=999),
        )
        for f in connection
        if f.tcp
    ]
    both = replace(http2_visit, frames=tuple(sorted([*http2_visit.frames, *older], key=lambda f: f.time_ns)))
    again = both.journey().step(StepName.PROCESSING).facts
    assert isinstance(again, ProcessingFacts)
    starts = [attempt.start_ns for attempt in again.attempts]
    assert len(starts) == 2
    assert starts == sorted(starts)


def test_the_cache_is_only_credited_when_the_resolvers_links_were_seen_whole(http2_visit: Golden) -> None:
    silent = http2_visit.without(lambda f: f.link == "internet" and f.dns is not None)
    assert "from the resolver's cache" in silent.journey().step(StepName.DNS).summary
    assert "cache" not in silent.incomplete("internet", "drops").journey().step(StepName.DNS).summary
    unanswered = silent.without(lambda f: f.link == "home" and f.dns is not None and f.dns.is_response)
    assert "cache" not in unanswered.journey().step(StepName.DNS).summary


def test_a_refused_connection_names_and_cites_the_rst(http2_visit: Golden) -> None:
    def refused(frame: Frame) -> Frame:
        if frame.tcp and is_syn_ack(frame):
            return replace(frame, tcp=replace(frame.tcp, flags=TcpFlags.RST | TcpFlags.ACK))
        return frame

    def after_the_handshake(frame: Frame) -> bool:
        return bool(frame.link == "home" and frame.tcp and frame.tcp.flags & (TcpFlags.SYN | TcpFlags.RST) == 0)

    visit = replace(http2_visit.visit, client_randoms=(), local_ports=(), exit_code=7)
    doctored = replace(http2_visit.changed(refused).without(after_the_handshake), visit=visit)
    step = doctored.journey().step(StepName.TCP)
    assert (step.status.value, [e.shows for e in step.evidence]) == ("absent", ["RST"])
    assert "balancer refused" in step.summary


def test_a_refusal_in_the_handshake_cites_the_alert(http2_visit: Golden) -> None:
    finished = next(
        f
        for f in http2_visit.frames
        if f.link == "home"
        and f.tls
        and 20 in f.tls.handshake
        and f.source.endswith(".10")
        and f.tcp
        and f.tcp.destination_port == 443
    )

    def alerted(frame: Frame) -> Frame:
        if frame.number != finished.number or frame.tls is None:
            return frame
        return replace(frame, tls=replace(frame.tls, handshake=(), alerts=(Alert(2, 48),)))

    step = http2_visit.changed(alerted).journey().step(StepName.TLS)
    assert isinstance(step.facts, TlsFacts)
    assert step.facts.verdict == "refused by the client: unknown_ca"
    assert (step.evidence[-1].frame, step.evidence[-1].shows) == (finished.number, step.facts.verdict)


def test_after_a_retransmitted_syn_nobody_knows_the_round_trip(http2_visit: Golden) -> None:
    syn = next(f for f in http2_visit.frames if f.link == "home" and f.tcp and f.tcp.flags == TcpFlags.SYN)
    first = replace(syn, number=0, time_ns=syn.time_ns - 10**9)
    visit = replace(http2_visit.visit, started_ns=0)
    facts = replace(http2_visit, frames=(first, *http2_visit.frames), visit=visit).journey().step(StepName.TCP).facts
    assert isinstance(facts, TcpFacts)
    assert facts.round_trip_ns is None


def test_a_server_that_closes_much_later_kept_the_connection_until_then(http2_visit: Golden) -> None:
    client = http2_visit.topology.address("client", "home")
    quiet = http2_visit.without(
        lambda f: (
            f.link == "home" and f.source == client and bool(f.http2_frame_types == (7,) or (f.tls and f.tls.alerts))
        )
    )
    step = (
        quiet.changed(
            lambda f: (
                replace(f, time_ns=f.time_ns + 10**10)
                if f.link == "home" and f.tcp and f.tcp.flags & TcpFlags.FIN
                else f
            )
        )
        .journey()
        .step(StepName.KEPT_OPEN)
    )
    assert step.status.value == "seen"


def test_a_response_whose_end_the_capture_may_have_lost_is_unknown() -> None:
    def ends_response(frame: Frame) -> bool:
        return frame.link == "home" and any(m.status for m in frame.http)

    doctored = golden("1.1").without(ends_response).incomplete("home", "the kernel dropped 1 frames")
    assert doctored.statuses()["response"] == "unknown"
