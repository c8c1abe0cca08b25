"""The ladder tells every step in a line or more, and fits where it is drawn."""

from __future__ import annotations

from dataclasses import replace

import pytest

from golden_visits import Golden
from observer.ladder import ladder
from observer.style import Style, milliseconds
from observer.topology import NO_LAB


@pytest.mark.parametrize("width", [60, 80, 110, 200])
def test_no_line_is_wider_than_asked(any_visit: Golden, width: int) -> None:
    told = ladder(any_visit.journey(), Style(width=width))
    assert [line for line in told.splitlines() if len(line) > width] == []


@pytest.mark.parametrize("width", [77, 80, 110])
def test_the_hosts_stand_as_columns_and_dns_ends_at_the_resolver(http2_visit: Golden, width: int) -> None:
    told = ladder(http2_visit.journey(), Style(width=width)).splitlines()
    dns = next(line for line in told if line.startswith("  1 DNS"))
    resolver = next(line for line in told[:4] if "resolver" in line)
    assert resolver.index("resolver") <= dns.rindex("●") < resolver.index("resolver") + len("resolver")
    request = next(line for line in told if line.startswith("  4 request"))
    assert (request.count("●"), request[-1]) == (4, "▶"), "client, router, isp, balancer, and an arrow at the origin"


def test_what_people_ask_first_stands_with_its_frames(http2_visit: Golden) -> None:
    told = [line.split("  ") for line in ladder(http2_visit.journey(), Style()).splitlines()]
    words = [[word.strip() for word in line if word.strip()] for line in told]
    assert ["answered by", "origin-1, status 200", "backend #83; home #92"] in words
    assert ["secured by", "TLS 1.3, group x25519", "home #39, #49"] in words
    assert ["the origin took", "0.82 ms", "backend #82, #83"] in words


def test_a_capture_from_elsewhere_draws_no_hosts_that_it_does_not_know(http2_visit: Golden) -> None:
    elsewhere = http2_visit.changed(lambda frame: replace(frame, link="eth0"))
    capture = tuple(replace(link, link="eth0") for link in elsewhere.capture[:1])
    text = ladder(replace(elsewhere, capture=capture, topology=NO_LAB).journey(), Style())
    assert "client   router" not in text and "●" not in text
    assert "eth0 #" in text


def test_all_eight_steps_stand_in_order(any_visit: Golden) -> None:
    lines = ladder(any_visit.journey(), Style()).splitlines()
    assert [line.split()[0] for line in lines if line.strip()[:2] in {f"{n} " for n in range(1, 9)}] == list("12345678")


def test_ascii_is_ascii(any_visit: Golden) -> None:
    assert ladder(any_visit.journey(), Style(ascii=True)).isascii()


def test_colour_only_when_asked(any_visit: Golden) -> None:
    assert "\x1b[" not in ladder(any_visit.journey(), Style())
    assert "\x1b[" in ladder(any_visit.journey(), Style(colour=True))


def test_every_frame_that_a_step_cites_is_named(http2_visit: Golden) -> None:
    told = http2_visit.journey()
    text = ladder(told, Style(width=300))
    named = {
        (link, int(number))
        for line in text.splitlines()
        if line.strip().startswith("frames: ")
        for link, numbers in (part.split(" ", 1) for part in line.strip().removeprefix("frames: ").split("; "))
        for number in numbers.replace("#", "").split(", ")
    }
    assert named == {(evidence.link, evidence.frame) for step in told.steps for evidence in step.evidence}


def test_an_incomplete_capture_is_said(http2_visit: Golden) -> None:
    text = ladder(http2_visit.incomplete("edge", "end sentinel is not in the spool").journey(), Style())
    assert "capture incomplete: edge: end sentinel is not in the spool" in text
    assert "captured completely" not in text


def test_links_with_the_same_holes_are_said_together(http2_visit: Golden) -> None:
    told = http2_visit.journey()
    reasons = {"edge": ("2 frames lost",)}
    capture = tuple(
        replace(link, complete=False, reasons=reasons.get(link.link, ("nobody counted",))) for link in told.capture
    )
    text = ladder(replace(told, capture=capture), Style(width=200))
    assert "capture incomplete: home, internet, backend: nobody counted / edge: 2 frames lost\n" in text


def test_a_failed_client_is_said(http2_visit: Golden) -> None:
    failed = replace(http2_visit.visit, exit_code=7, error="Failed to connect")
    assert "the client failed: Failed to connect" in ladder(replace(http2_visit, visit=failed).journey(), Style())


def test_times_are_milliseconds() -> None:
    assert milliseconds(1_234_567) == "1.23 ms"
    assert milliseconds(None) == "-"
