"""From the page's own Performance entries (W3C Navigation, Resource and Paint Timing) to clock times. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

Json = Mapping[str, Any]

EXPRESSION = "JSON.stringify([performance.timeOrigin, performance.getEntries().map(entry => entry.toJSON())])"
"""To be evaluated in the page once it has been painted."""

_MOMENTS = (
    *("redirectStart", "redirectEnd", "fetchStart", "domainLookupStart", "domainLookupEnd"),
    *("connectStart", "secureConnectionStart", "connectEnd", "requestStart", "responseStart", "responseEnd"),
    *("domInteractive", "domContentLoadedEventStart", "domContentLoadedEventEnd", "domComplete"),
    *("loadEventStart", "loadEventEnd"),
)


class UnreadableEntries(ValueError):
    """The page returned something else than EXPRESSION yields."""


def read_rendering(text: str) -> dict[str, Any]:
    """{"time_origin": ns, "navigation": {...}, "resources": [{...}], "paint": {"first_paint": ns, ...}}.

    Moments are integer nanoseconds on CLOCK_REALTIME, good to 0.1 ms (the browser rounds them); one that did not
    happen is left out. Names are the specifications' in snake case. Raises UnreadableEntries.
    """
    try:
        time_origin, entries = json.loads(text)
        origin_ns = round(time_origin * 10) * 100_000
        navigations = [_timing(entry, origin_ns) for entry in entries if entry["entryType"] == "navigation"]
        return {
            "time_origin": origin_ns,
            "navigation": navigations[0] if navigations else None,
            "resources": [_timing(entry, origin_ns) for entry in entries if entry["entryType"] == "resource"],
            "paint": {
                _snake(entry["name"]): _moment(entry["startTime"], origin_ns)
                for entry in entries
                if entry["entryType"] == "paint"
            },
        }
    except (KeyError, TypeError, ValueError) as fault:
        raise UnreadableEntries(f"the page's timing: {type(fault).__name__}: {fault}") from fault


def _timing(entry: Json, origin_ns: int) -> dict[str, Any]:
    return {
        "url": entry["name"],
        "initiator_type": entry["initiatorType"],
        "next_hop_protocol": entry["nextHopProtocol"],
        "transfer_size": entry["transferSize"],
        "start_time": _moment(entry["startTime"], origin_ns),
        **{_snake(name): _moment(entry[name], origin_ns) for name in _MOMENTS if entry.get(name)},
    }


def _moment(milliseconds: float, origin_ns: int) -> int:
    return origin_ns + round(milliseconds * 10) * 100_000


def _snake(name: str) -> str:
    return re.sub(r"(?<=[a-z])([A-Z])", r"_\1", name).replace("-", "_").lower()
