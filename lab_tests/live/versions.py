"""What the experiments on HTTP's versions share: one connection, a far-away server, and visits side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from live_lab import Lab, Recording
from observer.client_answer import client_report
from observer.comparison import Comparison, comparison, comparison_html, comparison_text
from observer.connections import Connection
from observer.exchanges import Exchange, exchanges
from observer.journey import journey
from observer.keys import parsed
from observer.steps import LinkCapture
from observer.style import Style
from observer.topology import LINKS

FAR_AWAY = "delay 25 ms each way"
"""In the isp, for every packet that it forwards: a round trip of 50 ms to everything behind it."""
ROUND_TRIP_NS = 50_000_000
"""What a round trip then takes at the least; measured, it is what the machine had time for."""


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


def side_by_side(lab: Lab, recording: Recording, visits: Sequence[Asked]) -> tuple[Comparison, str]:
    """The visits' waterfalls on one time line, and drawn; in the recording's folder as comparison.txt and .html."""
    capture = [LinkCapture(link, len(recording.since_begun(link)), 0, True, ()) for link in LINKS]
    told = []
    for visit in visits:
        secrets = parsed(visit.answer["keylog"])
        report, _ = client_report(recording.folder.name, visit.urls[0], visit.http, None, visit.answer, secrets)
        told.append((journey(report, recording.frames, capture, lab.topology), recording.frames))
    compared = comparison(told, lab.topology)
    drawn = comparison_text(compared, Style(width=100))
    recording.attach("comparison.txt", drawn)
    recording.attach("comparison.html", comparison_html(compared))
    return compared, drawn
