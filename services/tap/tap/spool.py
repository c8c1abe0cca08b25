"""The spool on disk: segments written one after the other, and the oldest given up when the limit is near.

Nothing that is on disk is ever changed. A new session starts new segments behind the old ones, so a
position names one record for good.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable
from pathlib import Path

from hostkit.spool_format import HEADER_SIZE, Position, segment_numbers, segment_path
from tap.retention import Segment, first_to_go

LARGEST_SEGMENT = 16 * 1024 * 1024  # bytes
_SEGMENTS_IN_SPOOL = 64
_SMALLEST_SEGMENT = 1024 * 1024
_FOLDER_MODE, _FILE_MODE = 0o750, 0o640  # the observer reads as a member of the group


class Spool:
    """Records of all links under one folder, `limit` bytes together, and up to twice that while visits need it.

    `append` does not raise for a disk that is full or broken: the caller leaves a gap in the sequence, and goes on.
    """

    def __init__(self, folder: Path, links: Iterable[str], limit: int) -> None:
        """Take over what earlier sessions left in `folder` and open a new segment for each of `links`.

        Raises OSError when the folder cannot be written.
        """
        self._folder = folder
        self._limit = limit
        self._segment_size = max(min(LARGEST_SEGMENT, limit // _SEGMENTS_IN_SPOOL), _SMALLEST_SEGMENT)
        self._closed = {entry.name: _segments_in(entry) for entry in sorted(folder.iterdir()) if entry.is_dir()}
        self._protected: dict[str, dict[str, int]] = {}
        self._current: dict[str, _Current] = {}
        self.overrun: set[str] = set()  # visits whose protected segments had to go all the same
        self.last_error = ""  # a text: the error itself would keep the ring's memory in use through its traceback
        for link in links:
            self._adopt(link)
        self._make_room()

    def append(self, link: str, header: bytes, block: memoryview) -> Position | None:
        """Write one record; the position behind it, or None when it could not be written."""
        try:
            self._write(link, header, block)
        except OSError as error:
            self.last_error = str(error)
            if error.errno != errno.ENOSPC or not self._give_up_one():
                return None
            try:
                self._write(link, header, block)
            except OSError:
                return None
        return self.position(link)

    def position(self, link: str) -> Position:
        """Where the next record of `link` will stand, or just before it if that opens a new segment."""
        current = self._current[link]
        return Position(current.number, current.size)

    def size(self, link: str) -> int:
        """Bytes that `link` takes up on disk."""
        return self._current[link].size + sum(segment.size for segment in self._closed[link])

    def protect(self, visit: str) -> None:
        """Keep everything written from now on until `release`: a visit has begun."""
        self._protected[visit] = {link: current.number for link, current in self._current.items()}

    def release(self, visit: str) -> None:
        """The visit's slice has been read, or nobody wants it any more."""
        self._protected.pop(visit, None)
        self.overrun.discard(visit)

    def close(self) -> None:
        """Close the segments being written."""
        for current in self._current.values():
            current.close()

    def _adopt(self, link: str) -> None:
        """Open the first segment of this session behind those that earlier ones wrote, and drop their empty ones."""
        folder = self._folder / link
        folder.mkdir(mode=_FOLDER_MODE, exist_ok=True)
        earlier = self._closed.get(link, [])
        self._current[link] = _Current(self._folder, link, earlier[-1].number + 1 if earlier else 0)
        for segment in earlier:
            if segment.size == 0:
                segment_path(self._folder, link, segment.number).unlink()
        self._closed[link] = [segment for segment in earlier if segment.size]

    def _write(self, link: str, header: bytes, block: memoryview) -> None:
        current = self._current[link]
        if current.size + HEADER_SIZE + len(block) > self._segment_size:
            self._roll(link)
        current.write(header, block)

    def _roll(self, link: str) -> None:
        current = self._current[link]
        full = Segment(current.number, current.size)
        current.open(current.number + 1)
        self._closed[link].append(full)
        self._make_room()

    def _make_room(self) -> None:
        """Delete until each link's current segment can fill up within the limit, or until visits hold all the rest."""
        wanted = self._segment_size * len(self._current)
        while self._closed_size() + wanted > self._limit:
            if self._give_up_one():
                continue
            if self._closed_size() + wanted <= 2 * self._limit or not self._protected:
                return
            visit = next(iter(self._protected))  # the oldest
            del self._protected[visit]
            self.overrun.add(visit)

    def _give_up_one(self) -> bool:
        """Delete the segment whose turn it is; False when visits hold them all."""
        victim = first_to_go(self._closed, self._protected_from())
        if victim is None:
            return False
        link, number = victim
        segment_path(self._folder, link, number).unlink(missing_ok=True)
        del self._closed[link][0]
        return True

    def _closed_size(self) -> int:
        return sum(segment.size for segments in self._closed.values() for segment in segments)

    def _protected_from(self) -> dict[str, int]:
        first: dict[str, int] = {}
        for visit in self._protected.values():
            for link, number in visit.items():
                first[link] = min(number, first.get(link, number))
        return first


class _Current:
    """The segment that a link's records are written to."""

    def __init__(self, folder: Path, link: str, number: int) -> None:
        self._folder, self._link = folder, link
        self._file = -1
        self.open(number)

    def open(self, number: int) -> None:
        """Go over to segment `number`, which must be new. The old one stays in use when that fails (OSError)."""
        path = segment_path(self._folder, self._link, number)
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, _FILE_MODE)
        self.close()
        self._file, self.number, self.size = file, number, 0

    def write(self, header: bytes, block: memoryview) -> None:
        """Append one record. When it does not fit on the disk, what was written of it is taken back (OSError)."""
        wanted = len(header) + len(block)
        try:
            written = os.writev(self._file, [header, block])
            if written != wanted:
                raise OSError(errno.ENOSPC, f"only {written} of {wanted} bytes fitted")
        except OSError:
            os.ftruncate(self._file, self.size)
            raise
        self.size += wanted

    def close(self) -> None:
        """Close the file, if one is open."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1


def _segments_in(folder: Path) -> list[Segment]:
    numbers = segment_numbers(entry.name for entry in folder.iterdir())
    return [Segment(number, segment_path(folder.parent, folder.name, number).stat().st_size) for number in numbers]
