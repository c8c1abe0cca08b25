"""The isp's faults, as tests put them in force: for a `with` block, and with the frames they touched afterwards."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Self

from captured import Captured
from observer.messages import Frame

Ask = Callable[[str, dict[str, Any]], dict[str, Any]]
End = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Touch:
    """One packet that a fault acted on, in the addresses of the internet link: the client is the router's there."""

    sentence: str
    action: str
    """dropped, lost, delayed, flipped, corrupted, duplicated, held, released alone, replaced."""
    time_ns: int
    source: End
    destination: End
    identification: int
    sequence_number: int | None


@dataclass(frozen=True, slots=True)
class Touched:
    """A touched packet as the links show it: the frame that reached the isp, and those it sent on (none if it took
    the packet away, two if it duplicated it)."""

    touch: Touch
    arrived: Frame
    sent: tuple[Frame, ...]


class Faults:
    """Faults in force while the `with` block runs, counting from its begin; taken away at its end, whatever happens."""

    def __init__(self, ask: Ask, sentences: tuple[str, ...], clients_address: str) -> None:
        self._ask = ask
        self._sentences = sentences
        self._client = clients_address
        self._report: dict[str, Any] = {}

    def __enter__(self) -> Self:
        self._ask("POST /faults", {"faults": list(self._sentences)})
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self._report = self._ask("GET /faults", {})
        finally:
            self._ask("DELETE /faults", {})

    @property
    def matched(self) -> tuple[int, ...]:
        """How many each sentence looked at."""
        return tuple(fault["matched"] for fault in self.report["faults"])

    @property
    def touches(self) -> tuple[Touch, ...]:
        """Everything that was done, in order."""
        sentences = [fault["sentence"] for fault in self.report["faults"]]
        return tuple(
            Touch(
                sentence=sentences[touch["fault"]],
                action=touch["action"],
                time_ns=touch["time_ns"],
                source=_end(touch["from"]),
                destination=_end(touch["to"]),
                identification=touch["identification"],
                sequence_number=touch["sequence_number"],
            )
            for touch in self.report["touches"]
        )

    @property
    def report(self) -> dict[str, Any]:
        assert self._report, "the faults are still in force: look at what they did after the `with` block"
        return self._report

    def touched(self, captured: Captured, action: str | None = None) -> list[Touched]:
        """The touched packets as frames of `captured`; with `action`, those that it was done to. Fails if there is
        none, or a frame is not there."""
        touches = [touch for touch in self.touches if action in (None, touch.action)]
        assert touches, f"no packet was {action or 'touched'}, {self.matched} were looked at by {self._sentences}"
        return [self._found(touch, captured.frames) for touch in touches]

    def _found(self, touch: Touch, frames: list[Frame]) -> Touched:
        before, behind = ("internet", "edge") if touch.source[0] == self._client else ("edge", "internet")
        same = [frame for frame in frames if _is(frame, touch)]
        arrived = [frame for frame in same if frame.link == before and frame.time_ns <= touch.time_ns]
        assert arrived, f"the capture has no frame on {before} for {touch}"
        sent = [frame for frame in same if frame.link == behind and frame.time_ns >= arrived[-1].time_ns]
        return Touched(touch, arrived[-1], tuple(sent))


def _is(frame: Frame, touch: Touch) -> bool:
    """Is `frame` a copy of the packet? Of its ends the isp translates the client's alone."""
    ports = frame.tcp or frame.udp
    return (
        ports is not None
        and frame.identification == touch.identification
        and (frame.tcp.sequence_number if frame.tcp else None) == touch.sequence_number
        and (touch.source in _ends(frame) or touch.destination in _ends(frame))
    )


def _ends(frame: Frame) -> tuple[End, ...]:
    ports = frame.tcp or frame.udp
    return ((frame.source, ports.source_port), (frame.destination, ports.destination_port)) if ports else ()


def _end(told: dict[str, Any]) -> End:
    return told["address"], told["port"]
