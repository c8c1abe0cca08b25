"""Several visits of the same resources, say under HTTP/1.1, 2 and 3, as waterfalls on one time line. Pure.

All times are read from frames on the client's own link. Every request is named with its frame in the journey.pcapng
of its visit.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from observer.connections import connections
from observer.messages import Frame
from observer.page import page, text
from observer.steps import Journey
from observer.style import Style, milliseconds
from observer.topology import Topology
from observer.waterfall import Row, Timeline, waterfall
from observer.waterfall_text import Scale

_BOLD, _DIM, _YELLOW = "1", "2", "33"
_MOST_ROUND_TRIPS = 100


@dataclass(frozen=True, slots=True)
class Contender:
    """One visit of a comparison. `round_trip_ns` is that of its TCP handshake; QUIC's has work of TLS in it."""

    visit: str
    label: str
    rows: tuple[Row, ...]
    round_trip_ns: int | None
    complete: bool

    @staticmethod
    def of(journey: Journey, frames: Sequence[Frame], topology: Topology, label: str | None = None) -> Contender:
        """A visit as told from `frames`; its label is the HTTP version that it spoke."""
        rows = waterfall(journey, frames, topology)
        own = {row.connection for row in rows}
        trips = [c.round_trip_ns for c in connections(frames) if str(c.client) in own and c.round_trip_ns]
        spoken = ", ".join(dict.fromkeys(row.version for row in rows)) or f"HTTP/{journey.visit.http}"
        return Contender(journey.visit.id, label or spoken, rows, min(trips, default=None), journey.complete)

    @property
    def connections(self) -> int:
        return len({row.connection for row in self.rows if row.connection})

    @property
    def answered(self) -> int:
        return sum(row.status is not None for row in self.rows)

    @property
    def most_at_once(self) -> int:
        """How many requests were under way together, from request to last byte, at the busiest moment."""
        spans = [(row.asked_ns, row.end_ns) for row in self.rows if row.asked_ns is not None]
        # A request that begins as another ends was not under way together with it.
        changes = sorted([(end, -1) for _, end in spans] + [(start, 1) for start, _ in spans])
        most = now = 0
        for _, change in changes:
            now += change
            most = max(most, now)
        return most

    @property
    def opened_ns(self) -> int | None:
        """Enter to the first request: name, connection and secret."""
        return min((row.asked_ns for row in self.rows if row.asked_ns is not None), default=None)

    @property
    def transfer_ns(self) -> int | None:
        """First request to the last byte of all."""
        if self.opened_ns is None:
            return None
        return max(row.end_ns for row in self.rows) - self.opened_ns

    @property
    def end_ns(self) -> int | None:
        """Enter to the last byte of all."""
        return max((row.end_ns for row in self.rows), default=None)


@dataclass(frozen=True, slots=True)
class Comparison:
    """Visits side by side, in the order given."""

    contenders: tuple[Contender, ...]

    @property
    def rows(self) -> tuple[Row, ...]:
        return tuple(row for contender in self.contenders for row in contender.rows)

    @property
    def round_trip_ns(self) -> int | None:
        """The way there and back, by the quickest TCP handshake of all: the visits took the same way."""
        trips = (contender.round_trip_ns for contender in self.contenders)
        return min((trip for trip in trips if trip is not None), default=None)

    def round_trips(self, contender: Contender) -> float | None:
        """How many round trips the contender's transfer lasted."""
        if contender.transfer_ns is None or not self.round_trip_ns:
            return None
        return contender.transfer_ns / self.round_trip_ns

    def words(self, contender: Contender) -> str:
        """One contender in a sentence."""
        if contender.transfer_ns is None or contender.opened_ns is None:
            return "no request was sent"
        trips = self.round_trips(contender)
        asked = sum(row.asked_ns is not None for row in contender.rows)
        unanswered = f", {asked - contender.answered} without an answer" if contender.answered < asked else ""
        # Far more of them say nothing: then it was not the distance that took the time.
        counts = trips is not None and trips < _MOST_ROUND_TRIPS
        lasted = f" = {trips:.1f} round trips of {milliseconds(self.round_trip_ns)}" if counts else ""
        return (
            f"{_counted(asked, 'request')} on {_counted(contender.connections, 'connection')}, "
            f"at most {contender.most_at_once} at once{unanswered}; "
            f"{milliseconds(contender.opened_ns)} until the first, then {milliseconds(contender.transfer_ns)}{lasted}"
        )

    def resources(self) -> tuple[tuple[str, tuple[Row | None, ...]], ...]:
        """Each resource with its row in every contender; None where a contender did not ask for it.

        What was asked for several times is a resource as many times.
        """
        found: dict[tuple[str, int], list[Row | None]] = {}
        for place, contender in enumerate(self.contenders):
            times: dict[str, int] = {}
            for row in contender.rows:
                times[row.label] = times.get(row.label, 0) + 1
                here = found.setdefault((row.label, times[row.label]), [None] * len(self.contenders))
                here[place] = row
        return tuple((label, tuple(rows)) for (label, _), rows in found.items())


def comparison(told: Iterable[tuple[Journey, Sequence[Frame]]], topology: Topology) -> Comparison:
    """Compare visits, each a journey with the frames it was told from."""
    return Comparison(tuple(Contender.of(journey, frames, topology) for journey, frames in told))


def comparison_text(compared: Comparison, style: Style) -> str:
    """A waterfall for each contender, all on one time line; ends in a newline."""
    scale = Scale.of(compared.rows, style)
    lines = [scale.legend()]
    for contender in compared.contenders:
        lines += ["", style.paint(f"{contender.label}", _BOLD)]
        lines += [f"  {part}" for part in style.wrapped(compared.words(contender), used=2)]
        if not contender.complete:
            lines.append(style.paint("  its capture is incomplete: there may have been more", _YELLOW))
        lines += [scale.axis(), *map(scale.line, contender.rows)]
        lines.append(style.paint(f"  captures/{contender.visit}/journey.pcapng", _DIM))
    return "\n".join(lines) + "\n"


def comparison_html(compared: Comparison) -> str:
    """A page with a row for each resource and a column for each contender, all on one time line."""
    timeline = Timeline.of(compared.rows, None)
    heads = "".join(_head(compared, contender, timeline) for contender in compared.contenders)
    body = "".join(
        f'<tr><th scope="row">{text(label)}</th>{"".join(_cell(row, timeline) for row in rows)}</tr>'
        for label, rows in compared.resources()
    )
    title = " against ".join(contender.label for contender in compared.contenders) or "nothing to compare"
    return page(
        title,
        f"<article><header><h1>{text(title)}</h1></header><section>{timeline.legend()}"
        '<div class="wide"><table class="compared"><caption>The same resources, one time line from Enter on, as the '
        "client's own link saw them; #n is frame n of the visit's journey.pcapng.</caption>"
        f'<thead><tr><th scope="col">resource</th>{heads}</tr></thead><tbody>{body}</tbody></table></div></section>'
        "</article>",
    )


def _head(compared: Comparison, contender: Contender, timeline: Timeline) -> str:
    warning = "" if contender.complete else '<small class="unknown">its capture is incomplete</small>'
    return (
        f'<th scope="col">{text(contender.label)}<small>{text(compared.words(contender))}</small>{warning}'
        f"<small>captures/{text(contender.visit)}</small>{timeline.axis()}</th>"
    )


def _cell(row: Row | None, timeline: Timeline) -> str:
    if row is None:
        return "<td>not asked for</td>"
    answer = "no answer" if row.status is None else str(row.status)
    frame = "" if row.request_frame is None else f" #{row.request_frame}"
    took = milliseconds(row.end_ns - row.start_ns)
    return f"<td>{timeline.bar(row)}<small>{answer}, at {milliseconds(row.start_ns)}, took {took}{frame}</small></td>"


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
