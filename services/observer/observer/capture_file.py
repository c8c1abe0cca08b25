"""How a capture file ends, told from its blocks: whether its writer finished it, and what it counted as lost.

tshark reads a file's frames and says when one is cut; a file that was cut exactly between two blocks is only shorter.
That can be told where the writer says where it ends (this project's files do), and suspected where it usually does:
dumpcap, and so Wireshark and tshark, end a capture with statistics of each interface. Classic pcap has no end.
"""

from __future__ import annotations

import gzip
import io
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from observer.pcapng import BlockType, InterfaceStatistics, PcapngError, SectionHeader, read_blocks
from observer.pcapng.options import SectionOption

_PCAPNG = b"\x0a\x0d\x0d\x0a"  # Section Header Block
# pcap in microseconds and nanoseconds, in both byte orders
_CLASSIC = (b"\xd4\xc3\xb2\xa1", b"\xa1\xb2\xc3\xd4", b"\x4d\x3c\xb2\xa1", b"\xa1\xb2\x3c\x4d")
_GZIP = b"\x1f\x8b"
_LITTLE_ENDIAN = b"\x4d\x3c\x2b\x1a"
_PACKETS = (int(BlockType.ENHANCED_PACKET), int(BlockType.SIMPLE_PACKET), int(BlockType.PACKET))
_ENDS_WITH_STATISTICS = ("dumpcap", "wireshark", "tshark")
_LARGEST_TO_READ = 1 << 24  # bytes of one block that is no packet: its length may be damaged


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


def ending(path: Path) -> Ending:
    """Look through the file's blocks, without reading its packets.

    Raises:
        NoCaptureError: it is no capture, or cut where its writer says that more has to come.
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        magic = file.read(4)
        file.seek(0)
        if magic[:2] != _GZIP:
            return _ending(file, magic)
        try:
            with gzip.open(file) as unpacked:
                magic = unpacked.read(4)
                unpacked.seek(0)
                return _ending(unpacked, magic)
        except (EOFError, gzip.BadGzipFile, zlib.error) as fault:
            raise NoCaptureError(f"damaged gzip data: {fault}") from fault


def _ending(file: IO[bytes] | gzip.GzipFile, magic: bytes) -> Ending:
    if magic in _CLASSIC:
        return Ending(None, "classic pcap has no end mark: nobody can tell whether packets are missing there")
    if magic != _PCAPNG:
        raise NoCaptureError(_no_capture(magic))
    try:
        blocks = list(read_blocks(io.BytesIO(_without_packets(file))))
    except PcapngError as fault:
        raise NoCaptureError(str(fault)) from fault
    drops = [block.dropped for block in blocks if isinstance(block, InterfaceStatistics)]
    counted = [dropped for dropped in drops if dropped is not None]
    application = next((_application(b) for b in reversed(blocks) if isinstance(b, SectionHeader)), "")
    doubt = None
    if not drops and application.lower().startswith(_ENDS_WITH_STATISTICS):
        doubt = f"{application} ends a capture with statistics, and there are none: it was cut or its writer killed"
    elif not drops:
        doubt = "no statistics stand at its end: nobody can tell whether packets are missing there"
    return Ending(sum(counted) if counted else None, doubt)


def _application(section: SectionHeader) -> str:
    return next((o.value.decode(errors="replace") for o in section.options if o.code == SectionOption.SHB_USERAPPL), "")


def _without_packets(file: IO[bytes] | gzip.GzipFile) -> bytes:
    """The file's blocks other than packets. A block that cannot be one ends it: tshark tells what is wrong there."""
    kept = []
    order = "<"
    while len(head := file.read(8)) == 8:
        if head[:4] == _PCAPNG:
            order = "<" if (magic := file.read(4)) == _LITTLE_ENDIAN else ">"
            head += magic
        kind, length = struct.unpack(f"{order}II", head[:8])
        if length < 12 or length % 4:
            break
        if kind in _PACKETS:
            file.seek(length - len(head), io.SEEK_CUR)
        elif length > _LARGEST_TO_READ or len(rest := file.read(length - len(head))) < length - len(head):
            break
        else:
            kept.append(head + rest)
    return b"".join(kept)
