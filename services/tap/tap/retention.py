"""Which segment the spool gives up first. Pure: the spool does the deleting."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Segment:
    """One segment file that is no longer written to: its number and its size in bytes."""

    number: int
    size: int


def first_to_go(segments: Mapping[str, Sequence[Segment]], protected_from: Mapping[str, int]) -> tuple[str, int] | None:
    """The oldest segment of the fullest link that still has one to give, as (link, number); None when there is none.

    `segments` has each link's closed segments, oldest first. A link named in `protected_from` keeps that segment
    and all later ones.
    """
    by_size = sorted(segments, key=lambda link: sum(segment.size for segment in segments[link]), reverse=True)
    for link in by_size:
        if segments[link] and segments[link][0].number < protected_from.get(link, segments[link][0].number + 1):
            return link, segments[link][0].number
    return None
