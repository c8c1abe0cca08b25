"""The page's own clock, turned into ours."""

from __future__ import annotations

import json
from typing import Any

import pytest

from client.rendering import UnreadableEntries, read_rendering

ORIGIN_MS = 1795401731821.2
ORIGIN_NS = 1_795_401_731_821_200_000


def entry(kind: str, name: str, start: float, **moments: float) -> dict[str, Any]:
    shared = {"initiatorType": "x", "nextHopProtocol": "h2", "transferSize": 300}
    return {"entryType": kind, "name": name, "startTime": start, "duration": 1.0, **shared, **moments}


def page(*entries: dict[str, Any]) -> str:
    return json.dumps([ORIGIN_MS, entries])


def test_moments_are_clock_times() -> None:
    rendering = read_rendering(
        page(
            entry("navigation", "https://a.in/", 0, domainLookupStart=9.5, loadEventEnd=278.7, redirectStart=0),
            entry("visibility-state", "visible", 0),
            entry("resource", "https://a.in/s.css", 137.4, responseEnd=167.2),
            entry("paint", "first-paint", 208.0),
            entry("paint", "first-contentful-paint", 208.5),
        )
    )

    assert rendering["time_origin"] == ORIGIN_NS
    assert rendering["navigation"]["domain_lookup_start"] == ORIGIN_NS + 9_500_000
    assert rendering["navigation"]["load_event_end"] == ORIGIN_NS + 278_700_000
    assert [resource["response_end"] - ORIGIN_NS for resource in rendering["resources"]] == [167_200_000]
    assert rendering["paint"] == {
        "first_paint": ORIGIN_NS + 208_000_000,
        "first_contentful_paint": ORIGIN_NS + 208_500_000,
    }


def test_what_did_not_happen_is_left_out() -> None:
    navigation = read_rendering(page(entry("navigation", "https://a.in/", 0, redirectStart=0)))["navigation"]

    assert navigation["start_time"] == ORIGIN_NS
    assert "redirect_start" not in navigation


def test_the_browsers_noise_below_a_tenth_of_a_millisecond_goes() -> None:
    paint = read_rendering(page(entry("paint", "first-paint", 35.10000000009313)))["paint"]

    assert paint == {"first_paint": ORIGIN_NS + 35_100_000}


@pytest.mark.parametrize("text", ["", "null", "{}", "[1]", '["x", []]', '[1, [{"entryType": "paint"}]]', "[1, 2]"])
def test_what_is_no_timing_is_refused(text: str) -> None:
    with pytest.raises(UnreadableEntries, match="the page's timing"):
        read_rendering(text)
