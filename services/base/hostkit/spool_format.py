"""The spool: what the tap writes for every link and the observer reads back.

A link's spool is a row of segment files, `<spool>/<link>/<number>.blocks`. A segment is a row of records,
and a record is one header of ours followed by the used part of one kernel block, exactly as the
TPACKET_V3 ring held it (Linux Documentation/networking/packet_mmap.rst; linux/if_packet.h). Frames are
taken apart only when somebody asks for them, so the tap's work does not grow with their number.

The header is little-endian. The kernel's block keeps the byte order of the machine that recorded it: a
spool is read where it was written.
"""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

MAGIC = b"8SPL"
VERSION = 1

# magic, version, header size, block length, frames in the block, session, sequence, frames so far,
# drops so far, drops before, unwritten blocks, first and last frame's time, CRC-32 of all that.
_HEADER = struct.Struct("<4sHHIIQQQQQQQQI")
HEADER_SIZE = _HEADER.size

# struct tpacket_block_desc: version, offset to private area, then tpacket_hdr_v1: status, frames, offset of the
# first frame, used bytes of the block from its start, sequence, time of opening (s, ns), time of the last frame.
BLOCK_DESCRIPTOR = struct.Struct("=IIIIIIQIIII")
# struct tpacket3_hdr: offset to the next frame (0 in the last), time (s, ns), bytes kept, bytes on the wire, status,
# offset of the Ethernet header, of the network header, receive hash, VLAN tag, VLAN tag protocol.
FRAME_HEADER = struct.Struct("=IIIIIIHHIIH10x")
TPACKET_V3 = 2  # enum tpacket_versions counts from 0
STATUS_VLAN_VALID = 1 << 4
STATUS_VLAN_TPID_VALID = 1 << 6

_SEGMENT_NAME = re.compile(r"(\d{8,})\.blocks")


class FormatError(ValueError):
    """Bytes that are not what the spool's format says; the text names what was found and what was expected."""


@dataclass(frozen=True, slots=True, order=True)
class Position:
    """A place in one link's spool: a segment's number and a byte offset in it. Later frames have higher positions.

    The end of one segment and the start of the next are the same place under two names.
    """

    segment: int
    offset: int


@dataclass(frozen=True, slots=True)
class Header:
    """What the tap knew when it took a block from the kernel. Counters are the link's, since the session began."""

    length: int  # bytes of the block that follow this header
    frames: int  # in this block
    session: int  # the tap's start, CLOCK_REALTIME ns: counters and sequence restart when it changes
    sequence: int  # of blocks taken from the kernel, from 0; a number left out is a block that was not written
    total_frames: int  # in all blocks up to and with this one, unwritten ones included
    total_drops: int  # frames the kernel had dropped when this block was taken
    drops_before: int  # the same when the previous block was taken
    unwritten: int  # blocks before this one that the disk did not take
    first_ns: int  # CLOCK_REALTIME of the first frame
    last_ns: int  # CLOCK_REALTIME of the last frame


def pack(header: Header) -> bytes:
    """The HEADER_SIZE bytes that stand for `header`, its own CRC-32 last."""
    fields = (
        header.length,
        header.frames,
        header.session,
        header.sequence,
        header.total_frames,
        header.total_drops,
        header.drops_before,
        header.unwritten,
        header.first_ns,
        header.last_ns,
    )
    packed = _HEADER.pack(MAGIC, VERSION, HEADER_SIZE, *fields, 0)[:-4]
    return packed + zlib.crc32(packed).to_bytes(4, "little")


def unpack(data: bytes | memoryview, offset: int = 0) -> Header:
    """The header at `offset` of `data`.

    Raises FormatError when it is cut short, is no header, is of another version, or fails its CRC.
    """
    if len(data) - offset < HEADER_SIZE:
        raise FormatError(f"record header cut short: {max(len(data) - offset, 0)} bytes of {HEADER_SIZE}")
    magic, version, size, *fields, checksum = _HEADER.unpack_from(data, offset)
    if magic != MAGIC:
        raise FormatError(f"no record header: starts with {magic.hex()}, expected {MAGIC.hex()}")
    if version != VERSION or size != HEADER_SIZE:
        raise FormatError(f"record header of version {version}, {size} bytes; this is version {VERSION}, {HEADER_SIZE}")
    computed = zlib.crc32(memoryview(data)[offset : offset + HEADER_SIZE - 4])
    if computed != checksum:
        raise FormatError(f"record header damaged: CRC-32 {computed:08x}, recorded {checksum:08x}")
    return Header(*fields)


def segment_path(spool: Path, link: str, number: int) -> Path:
    """The file that holds segment `number` of `link`."""
    return spool / link / f"{number:08d}.blocks"


def segment_numbers(names: Iterable[str]) -> list[int]:
    """The numbers of the segment files among `names`, oldest first; other files are passed over."""
    return sorted(int(found.group(1)) for name in names if (found := _SEGMENT_NAME.fullmatch(name)))
