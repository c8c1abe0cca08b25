"""What an experiment says while it runs: what was asked, what was seen and on which frames; and its verdict.

A test that decides a claim takes the fixture `experiment` and reports to it. Its verdict is the test's own outcome:
assertions decide, this records on what.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from enum import Enum
from itertools import groupby
from typing import NoReturn

from captured import Captured
from observer.messages import Frame


class Verdict(Enum):
    """What became of a claim. `unsupported`: the lab's parts cannot do what it takes, and the reason says which."""

    HOLDS = "holds"
    FAILS = "FAILS"
    UNSUPPORTED = "unsupported"
    UNTESTED = "untested"


class Unsupported(Exception):
    """Raised by `Experiment.unsupported`."""


@dataclass(frozen=True, slots=True)
class Cited:
    """Frames of one capture, by link and by their numbers in its journey.pcapng."""

    folder: str
    numbers: tuple[tuple[str, tuple[int, ...]], ...]

    @property
    def display_filter(self) -> str:
        """What shows exactly these frames in Wireshark: `frame.number in {3..9, 12}`."""
        return f"frame.number in {{{', '.join(_ranges(number for _, on_link in self.numbers for number in on_link))}}}"

    def __str__(self) -> str:
        return "; ".join(f"{link} {', '.join(map(str, numbers))}" for link, numbers in self.numbers)


@dataclass(frozen=True, slots=True)
class Observation:
    """Something seen, and the frames that show it. `control`: it shows that a negative beside it looked properly."""

    text: str
    control: bool
    cited: tuple[Cited, ...]


@dataclass(slots=True)
class Experiment:
    """One test's report on the claims that it decides."""

    claims: tuple[str, ...]
    question: str
    asks: list[str] = field(default_factory=list)
    observations: list[Observation] = field(default_factory=list)
    myths: list[tuple[str, str]] = field(default_factory=list)
    exhibits: list[str] = field(default_factory=list)

    def asked(self, text: str) -> None:
        """What was done."""
        self.asks.append(text)

    def saw(self, text: str, source: Captured, frames: Iterable[Frame] | Frame) -> None:
        """What was seen, on `frames` of `source`. A negative ("no frame on edge") cites none, and needs a control."""
        self.observations.append(Observation(text, False, _cited(source, frames)))

    def control(self, text: str, source: Captured, frames: Iterable[Frame] | Frame) -> None:
        """The positive control of a negative: the same search, where it finds something."""
        cited = _cited(source, frames)
        assert cited, f"the control found nothing: {text}"
        self.observations.append(Observation(text, True, cited))

    def exhibit(self, text: str) -> None:
        """Something to look at, of several lines: a table, a drawing."""
        self.exhibits.append(text)

    def myth(self, popular: str, seen: str) -> None:
        """A popular but wrong version of the claim, and what the frames say to it."""
        self.myths.append((popular, seen))

    def unsupported(self, reason: str) -> NoReturn:
        """End the test: the lab's parts cannot do what it takes."""
        raise Unsupported(reason)

    def shortcoming(self) -> str:
        """Why this report proves nothing, in a sentence; empty if it rests on frames, its negatives on a control."""
        if not any(observation.cited for observation in self.observations):
            return "this experiment cites no frame: it looked at nothing"
        negative = next((each.text for each in self.observations if not each.cited), None)
        if negative is not None and not any(observation.control for observation in self.observations):
            return f"{negative!r} cites no frame, and no control shows that the same search finds anything"
        return ""


def _ranges(numbers: Iterable[int]) -> Iterator[str]:
    """Each run of successive numbers as Wireshark writes one: `3..9`, or `12`."""
    for _, run in groupby(enumerate(sorted(set(numbers))), lambda placed: placed[1] - placed[0]):
        successive = [number for _, number in run]
        yield str(successive[0]) if len(successive) == 1 else f"{successive[0]}..{successive[-1]}"


def _cited(source: Captured, frames: Iterable[Frame] | Frame) -> tuple[Cited, ...]:
    frames = [frames] if isinstance(frames, Frame) else list(frames)
    by_link: dict[str, dict[int, None]] = {}
    for frame in frames:
        by_link.setdefault(frame.link, {})[frame.number] = None
    if not by_link:
        return ()
    numbers = tuple((link, tuple(sorted(on_link))) for link, on_link in by_link.items())
    return (Cited(f"captures/{source.folder.name}", numbers),)
