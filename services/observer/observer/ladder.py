"""A journey as text: the eight steps, how far each reached, when, how long, and on which frames that rests. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from observer.answers import answers, frames_of
from observer.steps import (
    Conserved,
    DnsFacts,
    Journey,
    Occasion,
    ProcessingFacts,
    ResponseFacts,
    Status,
    Step,
    StepName,
    why_incomplete,
)
from observer.style import BOLD, DIM, GREEN, RED, YELLOW, Style, headings, milliseconds
from observer.topology import LINKS

_COLOUR_OF = {Status.SEEN: GREEN, Status.ABSENT: DIM, Status.UNKNOWN: RED}
_INDENT = 15
_TIMES = "{:>12}{:>12}  "
_WIDEST_COLUMN, _NARROWEST_COLUMN = 9, 6
_QUESTION, _WIDEST_ANSWER = 17, 44
_COLUMNS = 6


def ladder(journey: Journey, style: Style) -> str:
    """The whole ladder, ready to print, ending in a newline; no line is wider than the style's width."""
    lines: list[str] = []
    for part in journey.chain:
        drawing = _Drawing.of(part, style)
        lines += [*_title(part, style), "", *drawing.heading()]
        for step in part.steps:
            lines += drawing.rung(step)
        lines += ["", *_answers(part, style), ""]
    lines += [*_capture_lines(journey, style), *_conservation_lines(journey, style), *_onward(journey, style)]
    return "\n".join(lines) + "\n"


def _title(journey: Journey, style: Style) -> Iterator[str]:
    visit = journey.visit
    why = "" if journey.occasion is Occasion.ENTER else f"{journey.occasion.value}: "
    yield style.paint(style.cut(f"{why}{visit.url}  with {visit.program}, HTTP/{visit.http}"), BOLD)
    if visit.exit_code and journey.then is None:
        yield style.paint(style.cut(f"the client failed: {visit.error}"), YELLOW)


@dataclass(frozen=True, slots=True)
class _Drawing:
    """The columns of one ladder: `hosts` from the client to the origin, `spacing` apart; none where 0."""

    style: Style
    hosts: tuple[str, ...]
    spacing: int
    connected: frozenset[str]

    @staticmethod
    def of(journey: Journey, style: Style) -> _Drawing:
        cited = {evidence.link for step in journey.steps for evidence in step.evidence}
        room = style.width - _INDENT - len(_TIMES.format("", ""))
        spacing = min(room // _COLUMNS, _WIDEST_COLUMN)
        if spacing < _NARROWEST_COLUMN or cited.isdisjoint(LINKS):
            spacing = 0  # no room, or a capture from elsewhere, whose hosts nobody knows
        dns, work = journey.step(StepName.DNS).facts, journey.step(StepName.PROCESSING).facts
        resolver = dns.lookups[0].asked_of if isinstance(dns, DnsFacts) and dns.lookups else "resolver"
        # Who was asked is a balancer if it asked somebody else.
        server, origin = ("balancer", work.origin) if isinstance(work, ProcessingFacts) else ("server", "origin")
        hosts = ("client", "router", resolver, "isp", server, origin)
        response = {evidence.link for evidence in journey.step(StepName.RESPONSE).evidence}
        return _Drawing(style, tuple(map(style.shown, hosts)), spacing, frozenset(response - {"backend"}))

    def heading(self) -> Iterator[str]:
        fixed = f"  {'step':<{_INDENT - 2}}{_TIMES.format('since Enter', 'took')}"
        if not self.spacing:
            yield self.style.paint(fixed.rstrip(), DIM)
            return
        centres = [self._centre(index) for index in range(len(self.hosts))]
        *above, last = headings(list(self.hosts), centres, self.spacing * len(self.hosts))
        for line in above:
            yield self.style.paint(" " * len(fixed) + line, DIM)
        yield self.style.paint(fixed + last, DIM)

    def rung(self, step: Step) -> Iterator[str]:
        number = self.style.paint(str(step.number), BOLD)
        name = self.style.paint(f"{_short(step.name):<{_INDENT - 4}}", _COLOUR_OF[step.status])
        indent = " " * _INDENT
        frames = self.style.wrapped(f"frames: {frames_of(step.evidence)}", used=_INDENT) if step.evidence else []
        if step.status is Status.SEEN:
            times = _TIMES.format(milliseconds(step.start_ns), milliseconds(step.duration_ns))
            yield f"  {number} {name}{times}{self._reach(step)}".rstrip()
            told = self.style.wrapped(step.summary, used=_INDENT)
        else:
            first, *told = self.style.wrapped(f"{step.status.value}: {step.summary}", used=_INDENT)
            yield f"  {number} {name}{first}"
        yield from (indent + part for part in told)
        yield from (indent + self.style.paint(part, DIM) for part in frames)

    def _reach(self, step: Step) -> str:
        """A line from host to host over every link on which the step was seen; an arrow where it has a direction."""
        spans = self._spans(step)
        if not self.spacing or not spans:
            return ""
        node, dash, right, left = "o-><" if self.style.ascii else "●─▶◀"
        first, last = min(start for start, _ in spans), max(end for _, end in spans)
        cells = [" "] * (self.spacing * len(self.hosts))
        for position in range(self._centre(first), self._centre(last) + 1):
            cells[position] = dash
        for host in {end for span in spans for end in span}:
            cells[self._centre(host)] = node
        if step.name is StepName.REQUEST:
            cells[self._centre(last)] = right
        if step.name is StepName.RESPONSE:
            cells[self._centre(first)] = left
        return "".join(cells).rstrip()

    def _spans(self, step: Step) -> list[tuple[int, int]]:
        """From which column to which the step went, link by link."""
        if step.name is StepName.DNS and step.evidence:
            return [_HOME, _TO_RESOLVER]
        links = {evidence.link for evidence in step.evidence}
        if step.name is StepName.KEPT_OPEN and links:
            links |= self.connected  # its frames are cited on the client's own link, but it is kept to its other end
        return [_ENDS[link] for link in LINKS if link in links]

    def _centre(self, host: int) -> int:
        return host * self.spacing + self.spacing // 2


# Between which columns each link lies; on internet, the resolver stands beside the way to the isp.
_HOME, _TO_RESOLVER = (0, 1), (1, 2)
_ENDS = {"home": _HOME, "internet": (1, 3), "edge": (3, 4), "backend": (4, 5)}


def _short(name: StepName) -> str:
    return "kept open" if name is StepName.KEPT_OPEN else name.value


def _answers(journey: Journey, style: Style) -> Iterator[str]:
    """What people ask first, each answer with its frames beside it, or below where there is no room."""
    found = answers(journey)
    aligned = min(max((len(answer.told) for answer in found if answer.known), default=0), _WIDEST_ANSWER)
    for answer in found:
        question = f"  {answer.question:<{_QUESTION}}"
        first, *more = style.wrapped(answer.told, used=len(question))
        frames = f"   {frames_of(answer.evidence)}" if answer.evidence else ""
        beside = not more and len(question) + max(aligned, len(first)) + len(frames) <= style.width
        told = style.paint(first, BOLD if answer.known else DIM) + " " * (
            aligned - len(first) if beside and frames else 0
        )
        yield style.paint(question, DIM) + told + (style.paint(frames, DIM) if beside else "")
        yield from (" " * len(question) + style.paint(part, DIM) for part in more)
        if frames and not beside:
            below = style.wrapped(frames.strip(), used=len(question))
            yield from (" " * len(question) + style.paint(part, DIM) for part in below)


def _capture_lines(journey: Journey, style: Style) -> list[str]:
    counts = ", ".join(f"{link.link} {link.packets}" for link in journey.capture)
    if journey.complete:
        whole = style.wrapped(f"captured completely: {counts} frames, none dropped", used=2)
        return [style.paint(f"  {part}", DIM) for part in whole]
    bad = why_incomplete(journey.capture)
    return [style.paint(f"  {part}", RED) for part in style.wrapped(f"capture incomplete: {' / '.join(bad)}", used=2)]


def _conservation_lines(journey: Journey, style: Style) -> list[str]:
    conservation = journey.conservation
    if not conservation.crossings:
        return []  # one link: nothing went on to another
    colour = {Conserved.YES: DIM, Conserved.NO: RED, Conserved.UNKNOWN: YELLOW}[conservation.conserved]
    return [style.paint(f"  {part}", colour) for part in style.wrapped(f"conservation: {conservation.summary}", used=2)]


def _onward(journey: Journey, style: Style) -> list[str]:
    """What to type to go where the last response points, if the client did not."""
    last = journey.chain[-1]
    response = last.step(StepName.RESPONSE).facts
    if last.visit.follows or not isinstance(response, ResponseFacts) or not response.redirected_to:
        return []
    return [f"  {part}" for part in style.wrapped(f"redirected to {response.redirected_to}: FOLLOW=1 goes on", used=2)]
