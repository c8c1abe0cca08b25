"""One visit on one link, from the tap's side: what was known at its begin, what was seen, what follows. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from hostkit.sentinel import Kind
from hostkit.spool_format import Position


@dataclass(frozen=True, slots=True)
class LinkState:
    """Where a link's recording stands. Counters run since the session began."""

    position: Position
    drops: int  # frames the kernel dropped
    unwritten: int  # blocks that the disk did not take


@dataclass(frozen=True, slots=True)
class Sighting:
    """A sentinel has been recorded: its number among all frames of the session, and the link's state just after."""

    frame: int
    state: LinkState


@dataclass(frozen=True, slots=True)
class LinkSlice:
    """What the tap says of one link of a visit.

    The records from `begin` up to `end` hold both sentinels and everything between, if `complete`. `packets` is
    the frames between the sentinels, 0 when one was not seen. `reasons` says why a slice is not complete.
    """

    begin: Position
    end: Position
    packets: int
    dropped: int
    reasons: tuple[str, ...]

    @property
    def complete(self) -> bool:
        """Both sentinels are there and nothing between them was lost."""
        return not self.reasons


class Passage:
    """A visit on one link."""

    def __init__(self, begin: LinkState) -> None:
        """The visit begins: `begin` was read before its sentinel was sent."""
        self._begin = begin
        self._sightings: dict[Kind, Sighting] = {}

    def sighted(self, kind: Kind, sighting: Sighting) -> None:
        """The sentinel of that end of the visit has been recorded."""
        self._sightings[kind] = sighting

    def has_seen(self, kind: Kind) -> bool:
        """Whether the sentinel of that end has been recorded."""
        return kind in self._sightings

    def slice(self, now: LinkState, overrun: bool) -> LinkSlice:
        """The verdict. `now` stands in for the end when its sentinel was lost; `overrun`: records had to be deleted."""
        first, last = self._sightings.get(Kind.BEGIN), self._sightings.get(Kind.END)
        end = last.state if last else now
        dropped = end.drops - self._begin.drops
        unwritten = end.unwritten - self._begin.unwritten
        reasons = (
            (first is None, "begin sentinel was not recorded"),
            (last is None, "end sentinel was not recorded"),
            (dropped > 0, f"the kernel dropped {dropped} frames"),
            (unwritten > 0, f"{unwritten} blocks could not be written to the spool"),
            (overrun, "the visit outgrew the spool and its oldest records were deleted"),
        )
        return LinkSlice(
            begin=self._begin.position,
            end=end.position,
            packets=last.frame - first.frame - 1 if first and last else 0,
            dropped=dropped,
            reasons=tuple(text for holds, text in reasons if holds),
        )
