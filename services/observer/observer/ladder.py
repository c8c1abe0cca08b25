"""A journey as text: the eight steps, how far each reached, when, how long, and on which frames that rests. Pure."""

from __future__ import annotations

import textwrap
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass

from observer.steps import Evidence, Journey, Status, Step, StepName
from observer.topology import LINKS

_COLUMN = 9
_HOSTS = ("client", "router", "isp", "balancer", "origin")


@dataclass(frozen=True, slots=True)
class Style:
    """How to draw: `width` in columns; colour and Unicode only where the reader's terminal has them."""

    width: int = 110
    colour: bool = False
    ascii: bool = False

    def paint(self, text: str, code: str) -> str:
        return f"\x1b[{code}m{text}\x1b[0m" if self.colour and text else text

    def shown(self, text: str) -> str:
        """Foreign text that takes one column a character and steers no terminal."""
        if self.ascii:
            text = text.replace("→", "->").encode("ascii", "replace").decode()
        return "".join(c if c.isprintable() and _is_narrow(c) else "?" for c in text)

    def wrapped(self, text: str, used: int) -> list[str]:
        """The text on lines that leave `used` columns free."""
        return textwrap.wrap(_printable(text), max(self.width - used, 20))


def _is_narrow(character: str) -> bool:
    return unicodedata.east_asian_width(character) not in "WF" and not unicodedata.combining(character)


_BOLD, _DIM, _GREEN, _YELLOW, _RED = "1", "2", "32", "33", "31"
_COLOUR_OF = {Status.SEEN: _GREEN, Status.ABSENT: _DIM, Status.UNKNOWN: _RED}


def ladder(journey: Journey, style: Style) -> str:
    """The whole ladder, ready to print, ending in a newline."""
    lines = [*_heading(journey, style), ""]
    for step in journey.steps:
        lines += _rung(step, journey, style)
    lines += ["", *_capture_lines(journey, style)]
    return "\n".join(lines) + "\n"


def _heading(journey: Journey, style: Style) -> list[str]:
    visit = journey.visit
    title = f"{visit.url}  with {visit.program}, HTTP/{visit.http}"
    hosts = "".join(name.center(_COLUMN) for name in _HOSTS)
    columns = f"  {'step':<14}{'since Enter':>11}{'took':>12}  {hosts}"
    lines = [style.paint(_cut(title, style), _BOLD)]
    if visit.exit_code:
        lines.append(style.paint(_cut(f"the client failed: {visit.error}", style), _YELLOW))
    return [*lines, "", style.paint(_cut(columns, style).rstrip(), _DIM)]


def _rung(step: Step, journey: Journey, style: Style) -> list[str]:
    indent = " " * 16
    number = style.paint(str(step.number), _BOLD)
    name = style.paint(f"{_short(step.name):<12}", _COLOUR_OF[step.status])
    if step.status is not Status.SEEN:
        first, *more = style.wrapped(f"{step.status.value}: {step.summary}", used=len(indent))
        return [f"  {number} {name}{first}", *(indent + part for part in more)]
    times = f"{milliseconds(step.start_ns):>11}{milliseconds(step.duration_ns):>12}  "
    frames = _frames(step.evidence)
    lines = [f"  {number} {name}{times}{_reach(step, style)}".rstrip()]
    lines += [indent + part for part in style.wrapped(step.summary, used=len(indent))]
    lines += [
        indent + style.paint(part, _DIM) for part in style.wrapped(f"frames {frames}", used=len(indent)) if frames
    ]
    return lines


def _short(name: StepName) -> str:
    return "kept open" if name is StepName.KEPT_OPEN else name.value


def _reach(step: Step, style: Style) -> str:
    """A line from host to host over every link on which the step was seen; an arrow where it has a direction."""
    node, dash, right, left = "o-><" if style.ascii else "●─▶◀"
    links = {evidence.link for evidence in step.evidence}
    crossed = [index for index, link in enumerate(LINKS) if link in links]
    if not crossed:
        return ""
    first, last = crossed[0], crossed[-1] + 1
    cells = [" "] * (_COLUMN * len(_HOSTS))
    for position in range(_centre(first), _centre(last) + 1):
        cells[position] = dash
    for host in range(first, last + 1):
        cells[_centre(host)] = node
    if step.name is StepName.REQUEST:
        cells[_centre(last)] = right
    if step.name is StepName.RESPONSE:
        cells[_centre(first)] = left
    return "".join(cells).rstrip()


def _centre(host: int) -> int:
    return host * _COLUMN + _COLUMN // 2


def _frames(evidence: Iterable[Evidence]) -> str:
    by_link: dict[str, list[int]] = {}
    for item in evidence:
        by_link.setdefault(item.link, []).append(item.frame)
    return "; ".join(f"{link} {', '.join(map(str, sorted(set(numbers))))}" for link, numbers in by_link.items())


def _capture_lines(journey: Journey, style: Style) -> list[str]:
    counts = ", ".join(f"{link.link} {link.packets}" for link in journey.capture)
    if journey.complete:
        return [style.paint(f"  captured completely: {counts} frames, none dropped", _DIM)]
    bad = [f"{link.link}: {'; '.join(link.reasons)}" for link in journey.capture if not link.complete]
    return [style.paint(f"  {part}", _RED) for part in style.wrapped(f"capture incomplete: {' / '.join(bad)}", used=2)]


def milliseconds(time_ns: int | None) -> str:
    """A time in milliseconds with two decimals; a dash where there is none."""
    return "-" if time_ns is None else f"{time_ns / 1_000_000:.2f} ms"


def _printable(text: str) -> str:
    """A certificate's name or a path may hold a terminal's control sequences; here they stay characters."""
    return "".join(c if c.isprintable() else "\ufffd" for c in text)


def _cut(text: str, style: Style, used: int = 0) -> str:
    text = _printable(text)
    room = max(style.width - used, 20)
    ellipsis = "..." if style.ascii else "…"
    return text if len(text) <= room else text[: room - len(ellipsis)] + ellipsis
