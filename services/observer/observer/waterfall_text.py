"""A waterfall in the terminal: each resource on a line, its phases as a bar on one common time line. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from observer.style import Style
from observer.waterfall import PhaseName, Row, ticks

_DIM = "2"
_UNICODE = {
    PhaseName.STALLED: "·",
    PhaseName.DNS: "░",
    PhaseName.CONNECT: "▒",
    PhaseName.TLS: "▓",
    PhaseName.WAIT: "─",
    PhaseName.RECEIVE: "█",
}
_ASCII = {
    PhaseName.STALLED: ".",
    PhaseName.DNS: "d",
    PhaseName.CONNECT: "c",
    PhaseName.TLS: "t",
    PhaseName.WAIT: "-",
    PhaseName.RECEIVE: "#",
}
# As in the HTML: cyan, yellow, magenta, green, blue.
_COLOUR = {
    PhaseName.STALLED: _DIM,
    PhaseName.DNS: "36",
    PhaseName.CONNECT: "33",
    PhaseName.TLS: "35",
    PhaseName.WAIT: "32",
    PhaseName.RECEIVE: "34",
}
_MOST_LABEL, _TIMES, _LEAST_BAR = 34, 24, 20


@dataclass(frozen=True, slots=True)
class Scale:
    """How columns stand for time: `columns` of them from Enter to `span_ns` after it, behind a label `label` wide."""

    style: Style
    span_ns: int
    label: int
    columns: int

    @staticmethod
    def of(rows: Sequence[Row], style: Style) -> Scale:
        """The scale on which all `rows` fit into the width of `style`."""
        longest = max((len(style.shown(_name(row))) for row in rows), default=0)
        label = min(longest, _MOST_LABEL, max(style.width - _TIMES - _LEAST_BAR, 8))
        columns = max(style.width - label - _TIMES, _LEAST_BAR)
        return Scale(style, max([1, *(row.end_ns for row in rows)]), label, columns)

    def legend(self) -> str:
        """What the bars' characters stand for."""
        words = (f"{self._painted(name, self._character(name))} {name.value}" for name in PhaseName)
        return "  " + "  ".join(words)

    def axis(self) -> str:
        """Round times since Enter over their columns."""
        line = [" "] * self.columns
        for at in ticks(self.span_ns):
            text, column = f"{at / 1e6:g}", self._column(at)
            if column + len(text) <= self.columns and not "".join(line[max(column - 1, 0) :]).strip():
                line[column : column + len(text)] = text
        heading = f"  {'':<{self.label}}{'at ms':>9}{'took ms':>10}   "
        return self.style.paint((heading + "".join(line)).rstrip(), _DIM)

    def line(self, row: Row) -> str:
        """One resource: what was asked, when, how long it took, and its phases."""
        name = self.style.shown(_name(row))
        if len(name) > self.label:
            name = name[: self.label - 1] + ("~" if self.style.ascii else "…")
        numbers = f"{row.start_ns / 1e6:>9.2f}{(row.end_ns - row.start_ns) / 1e6:>10.2f}"
        return f"  {name:<{self.label}}{numbers}   {self._bar(row)}"

    def _bar(self, row: Row) -> str:
        """Each column shows the phase that fills most of it; a resource shorter than a column still gets one."""
        first, last = self._column(row.start_ns), self._column(max(row.end_ns - 1, row.start_ns))
        runs = groupby(self._phase_in(row, column) for column in range(first, last + 1))
        bar = (self._painted(name, self._character(name) * len(tuple(run))) for name, run in runs)
        return " " * first + "".join(bar)

    def _phase_in(self, row: Row, column: int) -> PhaseName:
        start, end = column * self.span_ns // self.columns, (column + 1) * self.span_ns // self.columns

        def share(name: PhaseName) -> int:
            return sum(
                max(min(phase.end_ns, end) - max(phase.start_ns, start), 0)
                for phase in row.phases
                if phase.name is name
            )

        return max((phase.name for phase in row.phases), key=share)

    def _column(self, time_ns: int) -> int:
        return min(max(time_ns, 0) * self.columns // self.span_ns, self.columns - 1)

    def _character(self, name: PhaseName) -> str:
        return (_ASCII if self.style.ascii else _UNICODE)[name]

    def _painted(self, name: PhaseName, text: str) -> str:
        return self.style.paint(text, _COLOUR[name])


def waterfall_text(rows: Sequence[Row], style: Style) -> str:
    """A visit's waterfall, ready to print, ending in a newline; empty without rows."""
    if not rows:
        return ""
    scale = Scale.of(rows, style)
    return "\n".join([scale.legend(), scale.axis(), *map(scale.line, rows)]) + "\n"


def _name(row: Row) -> str:
    answer = "no answer" if row.status is None else str(row.status)
    return f"{row.label} {answer}"
