"""What the experiments on HTTP's versions share: one connection, a far-away server, and visits side by side."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from live_lab import Lab, Recording
from observer.client_answer import client_report
from observer.comparison import Comparison, comparison, comparison_html, comparison_text
from observer.connections import Connection
from observer.exchanges import Exchange, exchanges
from observer.journey import journey
from observer.keys import parsed
from observer.lab import ask_agent
from observer.steps import LinkCapture
from observer.style import Style
from observer.topology import LINKS

Fault = dict[str, Any]

ONE_WAY_MS = 25
FAR_AWAY: Fault = {"kind": "delay", "delay_ms": ONE_WAY_MS, "match": {"both_ways": True}}
"""Every packet that the isp forwards is held for 25 ms: a round trip of 50 ms to everything behind it."""


@contextmanager
def faults(lab: Lab, *wanted: Fault) -> Iterator[None]:
    """These faults in the isp's middlebox, and none afterwards."""
    isp = lab.topology.address("isp", "control")
    ask_agent("isp", isp, "POST /faults", {"faults": list(wanted)}, 10)
    try:
        yield
    finally:
        ask_agent("isp", isp, "DELETE /faults", {}, 10)


def touched(lab: Lab) -> list[dict[str, Any]]:
    """The packets that the faults in force have touched so far."""
    report = ask_agent("isp", lab.topology.address("isp", "control"), "GET /faults", {}, 10)
    return list(report["touches"])


@dataclass(frozen=True)
class Asked:
    """One visit of a recording: how it was asked for, and what the client said."""

    http: str
    urls: tuple[str, ...]
    answer: dict[str, Any]

    def one_connection(self, recording: Recording, link: str = "home") -> Connection:
        """The visit's connection on `link`; fails if its requests took more than one."""
        randoms = {secret.client_random for secret in parsed(self.answer["keylog"])}
        own = [
            c
            for c in recording.connections
            if c.link == link and c.client_hello and c.client_hello[1].random in randoms and exchanges(c)
        ]
        assert len(own) == 1, f"HTTP/{self.http}: {len(own)} connections carried requests on {link}, expected one"
        assert len(exchanges(own[0])) == len(self.urls), (
            f"{len(exchanges(own[0]))} requests, {len(self.urls)} asked for"
        )
        return own[0]


def ask(recording: Recording, http: str, urls: Sequence[str], **options: Any) -> Asked:
    """Have curl ask for `urls` with one process: one after the other under 1.1, else all at once."""
    answer = recording.visit(list(urls), http=http, parallel=http != "1.1", **options)
    assert answer["exit_code"] == 0, answer["error"]
    return Asked(http, tuple(urls), answer)


def times(number: int) -> str:
    return {1: "once", 2: "twice"}.get(number, f"{number} times")


def ended(exchange: Exchange) -> int:
    """When the exchange's response was complete. Fails for one that never was."""
    assert exchange.response_end is not None, f"{exchange.request.path} got no whole response"
    return exchange.response_end.time_ns


def side_by_side(lab: Lab, recording: Recording, visits: Sequence[Asked]) -> Comparison:
    """The visits' waterfalls on one time line, also put into the recording's folder: comparison.txt and .html."""
    capture = [LinkCapture(link, len(recording.since_begun(link)), 0, True, ()) for link in LINKS]
    told = []
    for visit in visits:
        secrets = parsed(visit.answer["keylog"])
        report, _ = client_report(recording.folder.name, visit.urls[0], visit.http, None, visit.answer, secrets)
        told.append((journey(report, recording.frames, capture, lab.topology), recording.frames))
    compared = comparison(told, lab.topology)
    (recording.folder / "comparison.txt").write_text(comparison_text(compared, Style(width=120)), encoding="utf-8")
    (recording.folder / "comparison.html").write_text(comparison_html(compared), encoding="utf-8")
    return compared
