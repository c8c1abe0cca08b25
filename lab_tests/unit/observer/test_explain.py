"""The journeys in a capture that nobody announced: found and told from the frames alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from golden_visits import Golden
from observer.dissect import DissectionError
from observer.explain import Form, explain, journeys
from observer.steps import Journey, StepName
from observer.style import Style
from observer.topology import NO_LAB


def of_the_page(told: list[Journey]) -> list[Journey]:
    return [found for found in told if any(resource.path == "/" for resource in found.resources)]


def test_one_request_over_four_links_is_one_journey(any_visit: Golden) -> None:
    (found,) = of_the_page(journeys(any_visit.frames, any_visit.topology))
    assert found.visit.url == "https://parseltongue.co.in/"
    assert found.visit.http == any_visit.visit.http
    assert found.step(StepName.PROCESSING).status.value == "seen"


def test_without_a_lab_addresses_stand_for_themselves(http2_visit: Golden) -> None:
    (found,) = of_the_page(journeys(http2_visit.frames, NO_LAB))
    balancer = http2_visit.topology.address("balancer", "edge")
    assert balancer in found.step(StepName.TCP).summary


def test_what_a_foreign_capture_does_not_show_is_unknown_never_absent(http2_visit: Golden) -> None:
    only_home = http2_visit.without(lambda frame: frame.link != "home")
    (found,) = journeys(only_home.frames, NO_LAB)
    assert found.step(StepName.PROCESSING).status.value == "unknown"
    assert "nobody counted" in found.step(StepName.PROCESSING).summary


def test_a_capture_without_connections_has_no_journey(http2_visit: Golden) -> None:
    assert journeys(http2_visit.without(lambda f: f.tcp is not None or f.quic is not None).frames, NO_LAB) == []


def test_a_file_that_is_no_capture_is_told_so(tmp_path: Path) -> None:
    letter = tmp_path / "letter.txt"
    letter.write_text("Dear tshark, this is no capture.")
    with pytest.raises(DissectionError, match="no capture: expected pcapng or pcap"):
        list(explain(letter, None, NO_LAB, Style(), Form.LADDER))
