"""Each proving frame carries, step by step, what it itself shows, in words and numbers."""

from __future__ import annotations

from dataclasses import replace

from golden_visits import Golden
from observer.frame_words import comments_of, words
from observer.messages import Alert, DnsMessage, Frame, HandshakeType, TcpFlags, TlsMessages
from observer.steps import Evidence, Step, StepName
from observer.topology import NO_LAB


def comments(visit: Golden, link: str) -> list[str]:
    said = comments_of(visit.journey(), visit.frames, visit.topology)
    return [line for number in sorted(said) if visit.frames[number - 1].link == link for line in said[number]]


def test_exactly_the_cited_frames_are_commented_once_for_each_step(any_visit: Golden) -> None:
    cited = {(e.frame, step.number) for step in any_visit.journey().steps for e in step.evidence}
    said = comments_of(any_visit.journey(), any_visit.frames, any_visit.topology)
    assert {(n, int(line[5])) for n, lines in said.items() for line in lines} == cited
    assert all(
        line.startswith("step ") and len(line) > len("step 1, DNS: x") for lines in said.values() for line in lines
    )


def test_a_visit_reads_as_a_story_at_the_client(http2_visit: Golden) -> None:
    told = comments(http2_visit, "home")
    assert told[0] == (
        "step 1, DNS: client asks resolver over UDP for the A record of parseltongue.co.in, "
        "and wants the final answer (id 49031)"
    )
    assert "parseltongue.co.in A 10.77.3.10, good for 300 s" in told[2]
    assert told[4:7] == [
        "step 2, TCP: client wants to talk to balancer, port 58366 to port 443: it counts from 3459150658, "
        "and takes at most 1460 bytes a segment (SYN)",
        "step 2, TCP: balancer agrees and expects byte 3459150659 next: it counts from 4059692959 itself, "
        "and takes at most 1460 bytes a segment (SYN, ACK)",
        "step 2, TCP: client expects byte 4059692960 next: the connection is open (ACK)",
    ]
    assert told[7] == (
        "step 3, TLS: the client offers 2 versions (TLS 1.3, TLS 1.2), 30 suites, 8 groups, "
        "a key share for X25519MLKEM768, x25519, the protocols h2, http/1.1, "
        "and asks for parseltongue.co.in (ClientHello)"
    )
    assert "picks TLS 1.3, TLS_AES_256_GCM_SHA384, group x25519 (ServerHello)" in told[8]
    assert "sends 2 certificates, 1033 bytes: the first is parseltongue.co.in's" in told[8]
    assert told[10] == (
        "step 4, request: client asks balancer: GET / at parseltongue.co.in, over HTTP/2 on stream 1, with 2 headers"
    )
    assert told[-1] == "step 8, connection kept open: client closes the connection: GOAWAY (no new streams)"


def test_behind_nat_a_translators_address_stands_for_the_client(http2_visit: Golden) -> None:
    assert "step 3, TLS: isp (for the client) seals all that was said so far (Finished)" in comments(
        http2_visit, "edge"
    )


def test_the_origins_own_time_is_said(http2_visit: Golden) -> None:
    assert "step 5, processing: origin-1 answers 200, 0.82 ms after it was asked" in comments(http2_visit, "backend")


def test_a_frame_that_has_no_more_to_say_keeps_the_evidences_words(http2_visit: Golden) -> None:
    bare = Frame(1, 0, "home", 60, "eth", "", "a", "b")
    for name in StepName:
        step = http2_visit.journey().step(name)
        assert words(step, Evidence("home", 1, "as shown"), bare, NO_LAB) == "as shown"


def frame(**layers: object) -> Frame:
    return replace(Frame(1, 0, "eth0", 60, "eth", "", "10.0.0.1", "10.0.0.2"), **layers)  # type: ignore[arg-type]


def told(http2_visit: Golden, name: StepName, **layers: object) -> str:
    step: Step = http2_visit.journey().step(name)
    return words(step, Evidence("eth0", 1, "as shown"), frame(**layers), NO_LAB)


def test_refusals_are_told_by_name_and_number(http2_visit: Golden) -> None:
    alert = TlsMessages(alerts=(Alert(2, 48),))
    assert told(http2_visit, StepName.TLS, tls=alert) == "10.0.0.1 sends the alert unknown_ca (48)"
    reset = next(f.tcp for f in http2_visit.frames if f.tcp)
    assert reset is not None
    reset = replace(reset, source_port=443, flags=TcpFlags.RST | TcpFlags.ACK)
    assert told(http2_visit, StepName.TCP, tcp=reset) == "10.0.0.1 refuses: nobody listens on port 443 (RST)"


def test_names_that_are_not_there_and_answers_that_do_not_fit(http2_visit: Golden) -> None:
    answer = DnsMessage(7, True, "no.in", "A", 3, True, False, False)
    assert told(http2_visit, StepName.DNS, dns=answer) == "10.0.0.1 answers 10.0.0.2: NXDOMAIN for no.in (id 7)"
    cut = replace(answer, response_code=0, truncated=True)
    assert "too long for UDP, ask again over TCP" in told(http2_visit, StepName.DNS, dns=cut)


def test_a_handshake_message_unheard_of_is_passed_over(http2_visit: Golden) -> None:
    strange = TlsMessages(handshake=(99, HandshakeType.FINISHED))
    assert told(http2_visit, StepName.TLS, tls=strange) == "10.0.0.1 seals all that was said so far (Finished)"
    assert told(http2_visit, StepName.TLS, tls=TlsMessages(handshake=(99,))) == "as shown"
