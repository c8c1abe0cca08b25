"""The ladder as HTML with drawings inside: hosts as columns, an arrow for each message, grouped by step. Pure.

Lengths are in units of the drawings' own, which a page as wide as they are shows as CSS pixels.
"""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from observer.frame_ladder import Hop, Message, columns, hops, messages
from observer.frame_words import words
from observer.messages import Frame
from observer.page import clean, text
from observer.steps import Evidence, Journey, Status, Step
from observer.style import milliseconds
from observer.topology import Topology

_TIMES, _COLUMN, _WORDS = 94, 92, 345
_ROW, _LINE, _WRAP, _LINES, _PAGE = 46, 13, 54, 8, 1280


@dataclass(frozen=True, slots=True)
class SvgLadder:
    """What is drawn: each step's messages over the columns of `hosts`."""

    enter_ns: int
    topology: Topology
    found: Mapping[int, Hop]
    steps: tuple[tuple[Step, tuple[Message, ...]], ...]
    hosts: tuple[str, ...]

    @staticmethod
    def of(journey: Journey, frames: Sequence[Frame], topology: Topology) -> SvgLadder:
        found = hops(frames, topology)
        steps = tuple((step, tuple(messages(step, frames, found))) for step in journey.steps)
        drawn = (found[frame.number] for _, group in steps for message in group for frame in message.frames)
        return SvgLadder(journey.visit.enter_ns, topology, found, steps, columns(drawn, topology))

    @property
    def width(self) -> int:
        return max(_TIMES + len(self.hosts) * _COLUMN + _WORDS, _PAGE)

    def html(self) -> str:
        """The whole ladder, as a section of a page."""
        bands = "".join(
            f'<tr><td class="band step{step.number}">{_heading(step)}'
            f"{''.join(self._row(step, message) for message in group)}</td></tr>"
            for step, group in self.steps
        )
        return (
            "<section><h2>What crossed the links</h2><p>Every message that proves a step, from host to host; a thin "
            'arrow is a copy that no step needs as proof.</p><table class="ladder" role="presentation">'
            f"<thead><tr><td>{self._head()}</td></tr></thead><tbody>{bands}</tbody></table></section>"
        )

    def _head(self) -> str:
        names = "".join(
            f'<text class="host" x="{_x(index)}" y="20">{text(host)}</text>' for index, host in enumerate(self.hosts)
        )
        return (
            f'<svg viewBox="0 0 {self.width} 30" role="img"><title>The hosts, from the client to the origins</title>'
            f"<desc>{text(', '.join(self.hosts))}</desc>"
            f'<text class="gutter" x="{_TIMES - 12}" y="20">since Enter</text>{names}'
            f'<text class="said" x="{self._said}" y="20">what it says</text></svg>'
        )

    def _row(self, step: Step, message: Message) -> str:
        """A drawing of its own for each message: between two of them a printer may turn the page."""
        first, told = message.frames[0], clean(said(step, message, self.topology))
        lines = textwrap.wrap(told, _WRAP, max_lines=_LINES, placeholder="…")
        above = min((len(lines) - 1) * _LINE // 2, _LINE)
        foot = max(_ROW, 24 - above + len(lines) * _LINE)
        texts = "".join(
            f'<text x="{self._said}" y="{24 - above + n * _LINE}">{text(line)}</text>' for n, line in enumerate(lines)
        )
        lifelines = "".join(f'<path d="M{_x(index)} 0V{foot}"/>' for index in range(len(self.hosts)))
        arrows = "".join(self._arrow(frame, frame.number in message.uncited) for frame in message.frames)
        return (
            f'<svg viewBox="0 0 {self.width} {foot}" role="img"><title>{text(told)}</title>'
            f'<g class="life">{lifelines}</g>'
            f'<text class="gutter" x="{_TIMES - 12}" y="20">{self._since(first)} ms</text>'
            f'<text class="gutter faint" x="{_TIMES - 12}" y="33">{first.length} bytes</text>{arrows}{texts}</svg>'
        )

    def _arrow(self, frame: Frame, uncited: bool) -> str:
        hop = self.found[frame.number]
        start = _x(self.hosts.index(hop.sender))
        end = start if hop.receiver is None else _x(self.hosts.index(hop.receiver))
        y, back, middle = 22, -7 if end > start else 7, (start + end) // 2
        tip = (
            f"frame {frame.number} on {frame.link}: {hop.sender} to {hop.receiver or 'all'} "
            f"({frame.source} to {frame.destination}), {frame.length} bytes, {self._since(frame)} ms after Enter: "
            f"{frame.info}"
        )
        return (
            f'<g class="arrow{" copy" if uncited else ""}"><title>{text(tip)}</title>'
            f'<path d="M{start} {y}H{end + back}"/><path class="tip" d="M{end} {y}l{back} -4v8z"/>'
            f'<circle cx="{start}" cy="{y}" r="2.5"/>'
            f'<text x="{middle}" y="{y - 5}">{text(frame.link)} #{frame.number}</text>'
            f'<text class="faint" x="{middle}" y="{y + 13}">{self._since(frame)}</text></g>'
        )

    def _since(self, frame: Frame) -> str:
        return f"{(frame.time_ns - self.enter_ns) / 1e6:.3f}"

    @property
    def _said(self) -> int:
        return _TIMES + len(self.hosts) * _COLUMN + 8


def said(step: Step, message: Message, topology: Topology) -> str:
    """What a message says, in the words of the first frame that is cited for it."""
    cited = next(frame for frame in message.frames if frame.number not in message.uncited)
    return words(step, Evidence(cited.link, cited.number, message.shows), cited, topology)


def _heading(step: Step) -> str:
    times = ""
    if step.start_ns is not None:
        times = f" <span>at {milliseconds(step.start_ns)}, took {milliseconds(step.duration_ns)}</span>"
    summary = step.summary if step.status is Status.SEEN else f"{step.status.value}: {step.summary}"
    return f"<h3><b>{step.number}</b> {text(step.name.value)}{times}</h3><p>{text(summary)}</p>"


def _x(index: int) -> int:
    return _TIMES + index * _COLUMN + _COLUMN // 2
