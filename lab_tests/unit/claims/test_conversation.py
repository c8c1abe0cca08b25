"""Conversations: what frames say, and scripts that fit or do not."""

from __future__ import annotations

import pytest

from conversation import Misheard, conversation, said, script_lines
from golden_visits import VERSIONS, golden
from observer.messages import (
    Alert,
    DnsMessage,
    Frame,
    HandshakeType,
    HttpMessage,
    HttpVersion,
    TcpFlags,
    TcpSegment,
    TlsMessages,
)
from observer.topology import Interface, Topology

HOSTS = Topology("lab", (Interface("client", "home", "10.0.0.1"), Interface("balancer", "edge", "10.0.0.2")))


def frame(
    number: int, *, back: bool = False, flags: TcpFlags = TcpFlags.ACK, length: int = 0, **layers: object
) -> Frame:
    ends = ("10.0.0.2", "10.0.0.1") if back else ("10.0.0.1", "10.0.0.2")
    ports = (443, 40000) if back else (40000, 443)
    segment = TcpSegment(*ports, 0, number, 0, length, flags)
    return Frame(number, number, "home", 60, "", "", *ends, tcp=segment, **layers)  # type: ignore[arg-type]


def http(method: str | None, path: str | None, status: int | None) -> tuple[HttpMessage, ...]:
    return (HttpMessage(HttpVersion.HTTP_1, None, method, path, None, status, ()),)


VISIT = [
    frame(1, flags=TcpFlags.SYN),
    frame(2, back=True, flags=TcpFlags.SYN | TcpFlags.ACK),
    frame(3),
    frame(4, length=10, http=http("GET", "/", None)),
    frame(5, back=True),
    frame(6, back=True, length=1400),
    frame(7, back=True, length=1400),
    frame(8, back=True, length=10, http=http(None, None, 200)),
    frame(9, flags=TcpFlags.FIN | TcpFlags.ACK),
]


class TestWhatFramesSay:
    def test_a_bare_acknowledgement_is_heard_only_as_the_third_packet_of_a_handshake(self) -> None:
        assert [u.words for u in conversation(VISIT, HOSTS).utterances] == [
            *("SYN", "SYN ACK", "ACK", "GET /", "data", "200", "FIN"),
        ]

    def test_several_messages_of_a_frame_are_several_lines(self) -> None:
        tls = TlsMessages(handshake=(HandshakeType.SERVER_HELLO, HandshakeType.CERTIFICATE), alerts=(Alert(2, 48),))
        assert said(frame(1, length=9, tls=tls)) == ("ServerHello", "Certificate", "alert unknown_ca")

    def test_http2_frames_are_named_and_headers_are_the_message(self) -> None:
        asked = (HttpMessage(HttpVersion.HTTP_2, 1, "GET", "/x", None, None, ()),)
        assert said(frame(1, length=9, http=asked, http2_frame_types=(4, 1, 8))) == (
            "SETTINGS",
            "GET /x",
            "WINDOW_UPDATE",
        )

    def test_dns_questions_and_answers_name_type_and_outcome(self) -> None:
        question = DnsMessage(1, False, "a.example", "A", 0, False, False, True)
        refusal = DnsMessage(1, True, "a.example", "A", 3, False, False, True)
        assert said(frame(1, dns=question)) == ("DNS? A a.example",)
        assert said(frame(2, dns=refusal)) == ("DNS: NXDOMAIN",)

    @pytest.mark.parametrize("version", VERSIONS)
    def test_a_real_visit_is_heard_from_the_question_to_the_response(self, version: str) -> None:
        any_visit = golden(version)
        told = conversation([f for f in any_visit.frames if f.link == "home"], any_visit.topology)
        heard = told.reads("""
            ...
            client   -> resolver  DNS? A parseltongue.co.in
            ...
            resolver -> client    DNS: 10.*
            ...
            client   -> balancer  ClientHello
            ...
            balancer -> client    ServerHello
            ...
            client   -> balancer  GET /
            ...
            balancer -> client    200
            ...
        """)
        assert [u.frame.number for u in heard] == sorted(u.frame.number for u in heard)


class TestScripts:
    def test_the_lines_that_fit_are_returned_without_what_a_gap_stands_for(self) -> None:
        heard = conversation(VISIT, HOSTS).reads("""
            client -> balancer  SYN
            ...
            client -> balancer  GET *
            ...
            balancer -> client  200
            ...
        """)
        assert [u.frame.number for u in heard] == [1, 4, 8]

    def test_a_gap_may_be_empty(self) -> None:
        conversation(VISIT[:1], HOSTS).reads("...\nclient -> balancer  SYN\n...")

    @pytest.mark.parametrize(
        "script",
        [
            "client -> balancer  SYN",  # more was said
            "...\nbalancer -> client  200\n...\nclient -> balancer  GET /\n...",  # in another order
            "...\nbalancer -> client  GET /\n...",  # by somebody else
            "...\nclient -> balancer  GET /login\n...",  # something else
        ],
    )
    def test_anything_else_is_misheard(self, script: str) -> None:
        with pytest.raises(Misheard):
            conversation(VISIT, HOSTS).reads(script)

    def test_silence_fits_no_script(self) -> None:
        with pytest.raises(Misheard):
            conversation([], HOSTS).reads("...\nclient -> balancer  SYN\n...")

    def test_a_mismatch_shows_both_sides_with_frame_numbers(self) -> None:
        with pytest.raises(Misheard) as misheard:
            conversation(VISIT[:4], HOSTS).reads("""
                client   -> balancer  SYN
                balancer -> client    SYN ACK
                client   -> balancer  ACK
                client   -> balancer  ClientHello
            """)
        told = str(misheard.value).splitlines()
        assert any(line.startswith("! client   -> balancer  ClientHello") for line in told)
        assert any(line.startswith("! ") and line.endswith("4  client -> balancer  GET /") for line in told)
        assert sum(line.startswith("! ") for line in told) == 2, told

    @pytest.mark.parametrize("script", ["", "...", "client says hello", "client -> balancer"])
    def test_a_script_that_could_not_fail_or_be_read_is_refused(self, script: str) -> None:
        with pytest.raises(ValueError, match=r"script|expected"):
            script_lines(script)
