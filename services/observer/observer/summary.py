"""A capture and its connections in few lines: what stands before the journeys, and instead of most of many. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from observer.capture_file import Ending
from observer.kept import Kept, Track
from observer.style import milliseconds


@dataclass(frozen=True, slots=True)
class CaptureSummary:
    """A capture file as a whole: what is in it, what is to know about it, and its connections without a journey.

    `remarks` say how the file ends, what is unusual in it and what was not kept; each further connection has a line.
    """

    file: str
    frames: int
    connections: int
    contents: str
    remarks: tuple[str, ...]
    further_connections: tuple[str, ...]


def summary(
    file: str, kept: Kept, remarks: Sequence[str], end: Ending, others: Sequence[Track], name: Callable[[str], str]
) -> CaptureSummary:
    """`remarks` are what was unusual, `others` the connections that have no journey; `name` names an address."""
    links = ", ".join(f"{link} {number:,}" for link, number in kept.per_link.items())
    return CaptureSummary(
        file,
        kept.total,
        len(kept.tracks),
        f"{kept.total:,} frames ({links or 'none'}), {len(kept.tracks):,} connections",
        (*_end(end), *remarks, *_unfinished(kept), *_bounds(kept)),
        tuple(line_of(track, name) for track in others),
    )


def header(told: CaptureSummary) -> Iterator[str]:
    """What the file is, how it ends, what is unusual in it, and what was not kept: what stands before the journeys."""
    yield f"{told.file}: {told.contents}"
    yield from (f"- {remark}" for remark in told.remarks)


def _end(end: Ending) -> Iterator[str]:
    if end.dropped is not None:
        yield f"its writer counted {end.dropped:,} frames lost"
    if end.doubt:
        yield end.doubt


def _unfinished(kept: Kept) -> Iterator[str]:
    late = sum(not track.opened for track in kept.tracks.values())
    still_open = sum(not track.closed_by for track in kept.tracks.values())
    unanswered = sum(track.requests > track.answers and not track.closed_by for track in kept.tracks.values())
    if late:
        yield f"{late:,} connections began before the capture did: what they agreed then is not in it"
    if still_open:
        waiting = f", {unanswered:,} of them in the middle of a request or its answer" if unanswered else ""
        yield f"{still_open:,} connections are open when the capture ends{waiting}"


def _bounds(kept: Kept) -> Iterator[str]:
    bounds = kept.bounds
    if kept.thin:
        yield f"more than {bounds.frames:,} frames to keep: of each connection only those that its story rests on were"
    if missed := sum(track.missed > 0 for track in kept.tracks.values()):
        yield f"{missed:,} connections had more frames than could be kept, and have a line instead of a story"
    if any(not track.followed for track in kept.tracks.values()):
        yield f"more than {bounds.stories:,} connections: those that began later have a line instead of a story"
    if kept.uncounted:
        yield f"more than {bounds.counted:,} connections: {kept.uncounted:,} frames of later ones are not told of"
    if kept.loose_missed:
        yield f"more than {bounds.loose:,} frames outside of connections: {kept.loose_missed:,} were not kept"


def line_of(track: Track, name: Callable[[str], str]) -> str:
    """One connection in one line."""
    connection = track.ends()
    client, server = (f"{name(end.address)}:{end.port}" for end in (connection.client, connection.server))
    duration = milliseconds(track.last_ns - track.first.time_ns)
    parts = [f"{track.count:,} frames, {track.bytes:,} bytes in {duration}"]
    if track.requests or track.statuses:
        answers = ", ".join(f"{number} x {status}" for status, number in sorted(track.statuses.items()))
        parts.append(f"{track.requests:,} requests ({answers or 'no answer'})")
    if sealed := track.seal.sealed:
        parts.append(str(sealed))
    if not track.opened:
        parts.append("began before the capture")
    parts.append(f"closed by {', '.join(track.closed_by)}" if track.closed_by else "open when the capture ends")
    return f"#{track.first.number} {client} -> {server} {track.key[1]}: {'; '.join(parts)}"
