"""Classic pcap (draft-ietf-opsawg-pcap), read as if it were pcapng with one section and one interface."""

from __future__ import annotations

import struct
from collections.abc import Iterator

from observer.pcapng.blocks import Block, EnhancedPacket, InterfaceDescription, SectionHeader
from observer.pcapng.encode import LARGEST_BLOCK
from observer.pcapng.options import ByteOrder, InterfaceOption, Option
from observer.pcapng.source import Source

_MICROSECONDS, _NANOSECONDS = 0xA1B2C3D4, 0xA1B23C4D
_MODIFIED = 0xA1B2CD34  # a long gone patch of libpcap: its packet records have another header

_FORMATS = {
    struct.pack(order.value + "I", magic): (order, magic)
    for order in ByteOrder
    for magic in (_MICROSECONDS, _NANOSECONDS, _MODIFIED)
}
_HEADER, _RECORD = 24, 16  # bytes


def is_classic(magic: bytes) -> bool:
    """Whether a file that begins so is classic pcap."""
    return magic[:4] in _FORMATS


def read_classic(source: Source) -> Iterator[Block]:
    """The file's header, then one block per packet record. Raises PcapngError."""
    header = source.take(_HEADER)
    order, magic = _FORMATS[header[:4]]
    if len(header) < _HEADER:
        raise source.cut("File Header", _HEADER, len(header))
    if magic == _MODIFIED:
        raise source.error(
            "Magic Number", 0, "a1b2c3d4 or a1b23c4d", "a1b2cd34 (not supported: rewrite it with editcap)"
        )
    yield SectionHeader(order)
    interface = _interface(header, order, magic, source)
    yield interface
    yield from _packets(source, struct.Struct(order.value + "IIII"), interface.ticks_per_second)


def _interface(header: bytes, order: ByteOrder, magic: int, source: Source) -> InterfaceDescription:
    major, minor, _, _, snaplen, link = struct.unpack_from(order.value + "HHIIII", header, 4)
    if (major, minor) != (2, 4):
        raise source.error("Major and Minor Version", 4, "2.4", f"{major}.{minor}")
    if link >> 16 & 0x0BFF:
        raise source.error("LinkType", 20, "reserved bits that are 0", f"{link:#010x}")
    options = [Option(InterfaceOption.IF_TSRESOL, b"\x09")] if magic == _NANOSECONDS else []
    if link >> 26 & 1:  # the P bit: the upper four bits count the Frame Check Sequence in units of 2 bytes
        options.append(Option(InterfaceOption.IF_FCSLEN, bytes([(link >> 28) * 2])))
    return InterfaceDescription(link & 0xFFFF, snaplen, tuple(options))


def _packets(source: Source, record: struct.Struct, ticks_per_second: int) -> Iterator[EnhancedPacket]:
    source.block, source.start = 2, source.offset
    while head := source.take(_RECORD):
        if len(head) < _RECORD:
            raise source.cut("Packet Record", _RECORD, len(head))
        seconds, fraction, captured, original_length = record.unpack(head)
        if fraction >= ticks_per_second:
            raise source.error("Timestamp", 4, f"less than {ticks_per_second} in a second", str(fraction))
        if captured > LARGEST_BLOCK:
            raise source.error("Captured Packet Length", 8, f"at most {LARGEST_BLOCK}", str(captured))
        data = source.take(captured)
        if len(data) < captured:
            raise source.cut("Packet Data", captured, len(data))
        yield EnhancedPacket(0, seconds * ticks_per_second + fraction, data, original_length)
        source.block += 1
        source.start = source.offset
