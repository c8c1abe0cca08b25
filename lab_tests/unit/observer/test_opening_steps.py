"""Steps 1 to 3 of doctored visits: what ended a handshake, and what continued an earlier session."""

from __future__ import annotations

from dataclasses import replace

import pytest

from foreign_captures import foreign
from observer.explain import journeys
from observer.messages import Alert, Frame, HandshakeType, TlsRecord
from observer.steps import Journey, StepName, TlsFacts
from observer.topology import NO_LAB

UNRECOGNIZED_NAME = 112


def tls_facts(told: Journey) -> TlsFacts:
    facts = told.step(StepName.TLS).facts
    assert isinstance(facts, TlsFacts)
    return facts


def without_keys(frame: Frame) -> Frame:
    """As tshark would have typed it without keys: of TLS 1.2's handshake all but Finished."""
    if frame.tls is None:
        return frame
    clear = tuple(kind for kind in frame.tls.handshake if kind != HandshakeType.FINISHED)
    return replace(frame, tls=replace(frame.tls, handshake=clear, alerts=()), http=())


def first_connection(name: str) -> list[Frame]:
    frames = foreign(name)
    return [f for f in frames if f.tcp and f.tcp.stream == 0]


def alerting(frames: list[Frame], alert: Alert) -> list[Frame]:
    """The frames with this alert in front of the ServerHello."""
    return [
        replace(f, tls=replace(f.tls, records=(TlsRecord(21, 21), *f.tls.records), alerts=(alert,)))
        if f.tls and f.tls.server_hello
        else f
        for f in frames
    ]


@pytest.mark.parametrize("name", ["tls12-ticket", "tls12-session-id"])
def test_a_warning_after_which_the_handshake_goes_on_refuses_nothing(name: str) -> None:
    warned = alerting(first_connection(name), Alert(1, UNRECOGNIZED_NAME))
    (told,) = journeys(warned, NO_LAB)
    assert tls_facts(told).verdict == "accepted"
    (closed,) = journeys(
        alerting([without_keys(f) for f in first_connection(name)], Alert(1, UNRECOGNIZED_NAME)), NO_LAB
    )
    assert tls_facts(closed).verdict == "not finished, or not decrypted"


def test_a_fatal_alert_refuses_also_where_frames_of_the_handshake_follow() -> None:
    (told,) = journeys(alerting(first_connection("tls12-ticket"), Alert(2, UNRECOGNIZED_NAME)), NO_LAB)
    assert tls_facts(told).verdict == "refused by the server: unrecognized_name"


def test_a_warning_after_which_nothing_came_is_what_the_handshake_ended_with() -> None:
    frames = alerting(first_connection("tls12-ticket"), Alert(1, UNRECOGNIZED_NAME))
    end = next(place for place, frame in enumerate(frames) if frame.tls and frame.tls.server_hello)
    (told,) = journeys(frames[: end + 1], NO_LAB)
    assert tls_facts(told).verdict == "refused by the server: unrecognized_name"


def test_tls_1_3_knows_no_warnings() -> None:
    frames = foreign("tls13-psk")
    (told, _) = journeys(alerting(frames, Alert(1, UNRECOGNIZED_NAME)), NO_LAB)
    assert tls_facts(told).verdict == "refused by the server: unrecognized_name"


@pytest.mark.parametrize("name", ["tls12-ticket", "tls12-session-id"])
def test_that_a_tls_1_2_session_was_resumed_needs_no_keys(name: str) -> None:
    told = journeys([without_keys(frame) for frame in foreign(name)], NO_LAB)
    assert [tls_facts(journey).resumed for journey in told] == [False, True]
    assert "resumed, no certificate" in told[1].step(StepName.TLS).summary
