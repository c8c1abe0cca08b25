"""The flows of every sealed segment in the spool, found out in the background, so that a search can pass segments over.

A segment is sealed once a newer one follows it: the tap never changes it again. Files and time are here; what a
segment's bytes say is segment_flows'.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from io import FileIO
from pathlib import Path

from hostkit.spool_format import segment_numbers, segment_path
from observer.flow import Flow
from observer.segment_flows import directions_in, may_hold

_LOOK_EVERY_S = 1.0
# A chunk holds Python's lock for 0.4 ms, which is what a visit waits for at most. With the pauses between them, for
# visits and the lab's other work, a spool of 2 GiB takes less than a minute and less than a tenth of a core.
_CHUNK = 256 * 1024
_PAUSE_S = 0.005


@dataclass(frozen=True, slots=True)
class _Known:
    """`flows` None: too many of them, or the file cannot be read. `file` tells it from another of the same name."""

    flows: bytes | None
    file: tuple[int, int, int] | None


class FlowIndex:
    """Of the spool in `folder`. One thread at a time builds; any may ask."""

    def __init__(self, folder: Path, links: Sequence[str], pause_s: float = _PAUSE_S) -> None:
        self._folder = folder
        self._links = links
        self._pause_s = pause_s
        self._known: dict[tuple[str, int], _Known] = {}

    def size_without(self, link: str, segment: int, flow: Flow) -> int | None:
        """The segment's size in bytes, if it is known to have no frame of `flow`. None: it has to be searched.

        Raises OSError for an address that is not dotted IPv4.
        """
        known = self._known.get((link, segment))
        if known is None or known.flows is None or may_hold(known.flows, flow):
            return None
        try:
            status = segment_path(self._folder, link, segment).stat()
        except FileNotFoundError:
            return None
        return status.st_size if _identity(status) == known.file else None

    def build_next(self) -> bool:
        """Forget the segments that are gone, and look through the newest that is sealed and not known; False: none."""
        sealed = self._sealed()
        for gone in self._known.keys() - set(sealed):
            del self._known[gone]
        wanted = next((segment for segment in sealed if segment not in self._known), None)
        if wanted is None:
            return False
        self._known[wanted] = self._looked_through(segment_path(self._folder, *wanted))
        return True

    def keep(self) -> None:
        """Build what is missing, for ever: for a thread of its own."""
        while True:
            if not self.build_next():
                time.sleep(_LOOK_EVERY_S)

    def _sealed(self) -> list[tuple[str, int]]:
        """The newest of each link first, then the second newest."""
        aged = [
            (age, link, number)
            for link in self._links
            for age, number in enumerate(reversed(self._segments(link)))
            if age > 0
        ]
        return [(link, number) for _, link, number in sorted(aged)]

    def _segments(self, link: str) -> list[int]:
        try:
            return segment_numbers(os.listdir(self._folder / link))
        except OSError:
            return []  # no tap yet; a visit, which needs the folder, says what is wrong with it

    def _looked_through(self, path: Path) -> _Known:
        try:
            with path.open("rb", buffering=0) as file:
                return _Known(directions_in(self._chunks(file)), _identity(os.fstat(file.fileno())))
        except OSError:
            return _Known(None, None)  # swept meanwhile; or it cannot be read, which a search of it will say

    def _chunks(self, file: FileIO) -> Iterator[bytes]:
        while chunk := file.read(_CHUNK):
            yield chunk
            time.sleep(self._pause_s)


def _identity(status: os.stat_result) -> tuple[int, int, int]:
    return status.st_ino, status.st_size, status.st_mtime_ns
