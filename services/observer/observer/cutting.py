"""Where in a capture file the bytes of a piece of it stand: see `pieces`."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from itertools import chain
from typing import IO

from observer.capture_file import BlockPlace, CaptureStream, blocks_in

_CHUNK = 1 << 20  # bytes copied at a time
_END = -1

Span = tuple[int, int]  # from and to, in bytes of the uncompressed file; to -1 is to its end


class Cutter:
    """Goes through an open capture file, `size` packets at a time. The first so many are behind it from the start."""

    def __init__(self, file: CaptureStream, size: int) -> None:
        self._file = file
        self._size = size
        self._blocks = blocks_in(file)
        self._ahead: BlockPlace | None = None  # the first packet of the piece to come
        self._end = 0  # where the last whole block ends
        self._at_end = False  # whether a piece went to the end of the file
        self._others: list[Span] = []  # all blocks so far that are no packets
        self._carried: dict[int, Span] = {}  # the packets that the last piece began with, by number
        self._first = 1  # the number of its own first packet
        self._begins, self._ends = array("Q"), array("Q")  # where its own packets stand
        self._pass()

    @property
    def more(self) -> bool:
        """Whether anything is left to tell: a packet, or bytes that are no block: tshark says what they are."""
        return self._ahead is not None or (not self._at_end and bool(self._read(self._end, 1)))

    def piece(self, carried: Sequence[int]) -> tuple[list[Span], int]:
        """Where the next piece stands, and how many packets of its own it has.

        It makes a capture file by itself: all blocks so far that are no packets, and the packets `carried` over.
        """
        begin = self._ahead.offset if self._ahead else self._end
        self._carried = {number: self._place(number) for number in carried}
        past = [span for span in (*self._others, *self._carried.values()) if span[0] < begin]
        self._first += len(self._begins)
        self._pass()
        self._at_end = self._ahead is None
        return [*_joined(sorted(past)), (begin, self._ahead.offset if self._ahead else _END)], len(self._begins)

    def copy(self, spans: Sequence[Span], out: IO[bytes]) -> None:
        """Write these bytes of the file. Raises OSError, and what reading a compressed file raises."""
        for begin, end in spans:
            at = begin
            while chunk := self._read(at, _CHUNK if end == _END else min(_CHUNK, end - at)):
                out.write(chunk)
                at += len(chunk)

    def _pass(self) -> None:
        """Go on to the first packet after the next `size`."""
        self._begins, self._ends = array("Q"), array("Q")
        coming = chain([self._ahead] if self._ahead else [], self._blocks)
        self._ahead = None
        for place in coming:
            span = (place.offset, place.offset + place.length)
            if not place.is_packet:
                self._others[-1:] = _joined([*self._others[-1:], span])
            elif len(self._begins) == self._size:
                self._ahead = place
                return
            else:
                self._begins.append(span[0])
                self._ends.append(span[1])
            self._end = span[1]

    def _place(self, number: int) -> Span:
        own = number - self._first
        return (self._begins[own], self._ends[own]) if own >= 0 else self._carried[number]

    def _read(self, offset: int, size: int) -> bytes:
        self._file.seek(offset)
        return self._file.read(size)


def _joined(spans: Sequence[Span]) -> list[Span]:
    """Those that touch, together."""
    found: list[Span] = []
    for begin, end in spans:
        if found and found[-1][1] == begin:
            found[-1] = (found[-1][0], end)
        else:
            found.append((begin, end))
    return found
