"""One block that the kernel's ring has handed over."""

from __future__ import annotations

import struct
from mmap import mmap

from hostkit.spool_format import BLOCK_DESCRIPTOR, FRAME_HEADER

UINT = struct.Struct("=I")
STATUS_AT, STATUS_KERNEL, STATUS_USER = 8, 0, 1  # who may use the block: hdr.bh1.block_status


class Block:
    """A block of `link` in the ring's memory, which is the kernel's again after `hand_back`."""

    __slots__ = ("_memory", "_start", "_view", "first_ns", "frames", "last_ns", "length", "link", "sniffed_on")

    def __init__(self, link: str, memory: mmap | bytearray, view: memoryview, start: int) -> None:
        """The block at `start` of the ring's `memory`; `view` is of the same memory."""
        self.link = link
        self.sniffed_on = ""  # scapy writes its label of the socket here
        self._memory, self._view, self._start = memory, view, start
        descriptor = BLOCK_DESCRIPTOR.unpack_from(memory, start)
        (_, _, _, self.frames, first_frame, self.length, _, _, _, last_s, last_ns) = descriptor
        # The descriptor's own first time is when the kernel opened the block, long before any frame on a quiet link.
        _, first_s, first_ns, *_ = FRAME_HEADER.unpack_from(memory, start + first_frame)
        self.first_ns = first_s * 1_000_000_000 + first_ns
        self.last_ns = last_s * 1_000_000_000 + last_ns

    @property
    def used(self) -> memoryview:
        """The used part of the block, descriptor included: no copy."""
        return self._view[self._start : self._start + self.length]

    def index_of(self, frame: bytes) -> int | None:
        """How many frames of the block come before one that starts with `frame`; None when there is no such frame."""
        end = self._start + self.length
        at = self._memory.find(frame, self._start, end)
        while at >= 0:
            if (index := self._index_of_frame_at(at)) is not None:
                return index
            at = self._memory.find(frame, at + 1, end)  # that was inside another frame's payload
        return None

    def hand_back(self) -> None:
        """Let the kernel fill the block again."""
        UINT.pack_into(self._memory, self._start + STATUS_AT, STATUS_KERNEL)

    def _index_of_frame_at(self, wanted: int) -> int | None:
        header = self._start + BLOCK_DESCRIPTOR.unpack_from(self._memory, self._start)[4]
        for index in range(self.frames):
            to_next, _, _, _, _, _, to_frame, *_ = FRAME_HEADER.unpack_from(self._memory, header)
            if header + to_frame == wanted:
                return index
            header += to_next
        return None
