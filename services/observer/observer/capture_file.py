"""How a capture file ends, told from its blocks: whether its writer finished it, and what it counted as lost.

tshark reads a file's frames and says when one is cut; a file that was cut exactly between two blocks is only shorter.
That can be told where the writer says where it ends (this project's files do), and suspected where it usually does:
dumpcap, and so Wireshark and tshark, end a capture with statistics of each interface. Classic pcap has no end.
"""

from __future__ import annotations

import gzip
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import IO, NamedTuple

from observer.pcapng import BlockType, InterfaceStatistics, PcapngError, SectionHeader, read_blocks

_PCAPNG = b"\x0a\x0d\x0d\x0a"  # Section Header Block
# pcap in microseconds and nanoseconds, in both byte orders
_CLASSIC = {b"\xd4\xc3\xb2\xa1": "<", b"\xa1\xb2\xc3\xd4": ">", b"\x4d\x3c\xb2\xa1": "<", b"\xa1\xb2\x3c\x4d": ">"}
_CLASSIC_HEADER = 24  # bytes
_GZIP = b"\x1f\x8b"
_ORDERS = {b"\x4d\x3c\x2b\x1a": "<", b"\x1a\x2b\x3c\x4d": ">"}  # Byte-Order Magic
# What tshark counts as a frame: packets, and what others put where packets would stand, which this project reads past:
# systemd's journal and sysdig's events (draft-ietf-opsawg-pcapng, section 11.1).
_PACKETS = {int(BlockType.ENHANCED_PACKET), int(BlockType.SIMPLE_PACKET), int(BlockType.PACKET)}
_FRAMES = _PACKETS | {0x00000009, 0x00000204, 0x00000208, 0x00000216, 0x00000221, 0x00000222, 0x00000223}
_ENDS_WITH_STATISTICS = ("dumpcap", "wireshark", "tshark")
_LARGEST_TO_READ = 1 << 24  # bytes of one block that is no packet: its length may be damaged

CaptureStream = IO[bytes] | gzip.GzipFile


class NoCaptureError(ValueError):
    """The file is no capture, or one that its own writer did not finish."""


@dataclass(frozen=True, slots=True)
class Ending:
    """How a capture file ends. `dropped` is what its writer counted as lost, None if it counted nothing; `doubt` says
    why the file may be a shorter one than it was, None if there is no reason to think so."""

    dropped: int | None
    doubt: str | None


def check_beginning(path: Path) -> None:
    """Raises NoCaptureError for a file that does not begin as captures do, OSError for one that cannot be read."""
    with path.open("rb") as file:
        magic = file.read(4)
    if magic != _PCAPNG and magic not in _CLASSIC and magic[:2] != _GZIP:
        raise NoCaptureError(_no_capture(magic))


def _no_capture(magic: bytes) -> str:
    return f"no capture: expected pcapng or pcap (gzip, too), found one that starts with {magic!r}"


class BlockPlace(NamedTuple):
    """Where one block of a capture file is, in bytes of the uncompressed file. In classic pcap the file's header and
    each packet's record count as one.

    A tuple, unlike the other types here: a file has millions.
    """

    offset: int
    length: int
    is_packet: bool


@contextmanager
def unpacked(path: Path) -> Iterator[CaptureStream]:
    """A capture file open for reading, as if it were not compressed.

    Raises:
        NoCaptureError: what was read of it is damaged gzip data.
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        magic = file.read(2)
        file.seek(0)
        if magic != _GZIP:
            yield file
            return
        try:
            with gzip.open(file) as stream:
                yield stream
        except (EOFError, gzip.BadGzipFile, zlib.error) as fault:
            raise NoCaptureError(f"damaged gzip data: {fault}") from fault


def blocks_in(file: CaptureStream) -> Iterator[BlockPlace]:
    """Where the file's blocks are, in order, without reading its packets; whoever asks may read elsewhere in between.

    Only whole blocks are told. One that is cut, or cannot be one, ends it without a word: tshark says what is wrong
    there.

    Raises:
        NoCaptureError: it is neither pcapng nor classic pcap.
    """
    return (place for place, _ in _walk(file, 0))


def ending(path: Path) -> Ending:
    """Look through the file's blocks, without reading its packets, with one of them in memory at a time.

    Raises:
        NoCaptureError: it is no capture, or cut where its writer says that more has to come.
        OSError: it cannot be read.
    """
    with unpacked(path) as file:
        return ending_of(file)


def ending_of(file: CaptureStream) -> Ending:
    """The same of an open file that is not compressed. Raises NoCaptureError."""
    if file.read(4) in _CLASSIC:
        return Ending(None, "classic pcap has no end mark: nobody can tell whether packets are missing there")
    dropped: int | None = None
    statistics, application = False, ""
    try:
        for block in read_blocks(_WithoutPackets(file)):
            if isinstance(block, SectionHeader):
                application = block.application or ""
            elif isinstance(block, InterfaceStatistics):
                statistics = True
                if block.dropped is not None:
                    dropped = (dropped or 0) + block.dropped
    except PcapngError as fault:
        raise NoCaptureError(str(fault)) from fault
    doubt = None
    if not statistics and application.lower().startswith(_ENDS_WITH_STATISTICS):
        doubt = f"{application} ends a capture with statistics, and there are none: it was cut or its writer killed"
    elif not statistics:
        doubt = "no statistics stand at its end: nobody can tell whether packets are missing there"
    return Ending(dropped, doubt)


class _WithoutPackets:
    """A pcapng file's blocks other than packets, as a stream that reads the next one when it is asked for more."""

    def __init__(self, file: CaptureStream) -> None:
        found = _walk(file, _LARGEST_TO_READ)
        # Nothing at all would be told as an empty file.
        if (first := next(found, None)) is None:
            raise NoCaptureError("no capture: expected a whole Section Header Block, found one that is cut or damaged")
        self._blocks = chain([first], found)

    def read(self, _size: int, /) -> bytes:
        return next((block for _, block in self._blocks if block), b"")


def _walk(file: CaptureStream, largest_to_read: int) -> Iterator[tuple[BlockPlace, bytes]]:
    """Every block's place; with its bytes if it is pcapng's, no packet, and not larger than that."""
    file.seek(0)
    magic = file.read(4)
    if order := _CLASSIC.get(magic):
        return ((place, b"") for place in _classic_blocks(file, struct.Struct(f"{order}8xI4x")))
    if magic != _PCAPNG:
        raise NoCaptureError(_no_capture(magic))
    return _pcapng_blocks(file, largest_to_read)


def _pcapng_blocks(file: CaptureStream, largest_to_read: int) -> Iterator[tuple[BlockPlace, bytes]]:
    at, words = 0, struct.Struct("<II")
    head = _read_at(file, 0, 8)
    while len(head) == 8:
        begun = head
        if head[:4] == _PCAPNG:
            begun += (magic := _read_at(file, at + 8, 4))
            if magic not in _ORDERS:
                return
            words = struct.Struct(f"{_ORDERS[magic]}II")
        kind, length = words.unpack(head)
        if length < 12:
            return
        size = -(-length // 4) * 4  # blocks stand at whole words, also behind one that says otherwise
        is_packet = kind in _FRAMES
        # Forward only: each step back in a compressed file unpacks it again from its beginning. What ends a block is
        # read with the next one's head: half as many calls.
        if is_packet or size > largest_to_read or size > length:
            block, last = b"", _read_at(file, at + size - 4, 12)
        else:
            block = begun + _read_at(file, at + len(begun), length - len(begun))
            last = block[-4:] + file.read(8) if len(block) == length else b""
        if last[:4] != head[4:]:
            return
        yield BlockPlace(at, size, is_packet), block
        at += size
        head = last[4:]


def _classic_blocks(file: CaptureStream, record: struct.Struct) -> Iterator[BlockPlace]:
    at, length = 0, _CLASSIC_HEADER
    while len(_read_at(file, at + length - 1, 1)) == 1:
        yield BlockPlace(at, length, at > 0)
        at += length
        if len(head := _read_at(file, at, record.size)) < record.size:
            return
        length = record.size + record.unpack(head)[0]


def _read_at(file: CaptureStream, offset: int, size: int) -> bytes:
    file.seek(offset)
    return file.read(size)
