"""What a capture file holds: pcapng (draft-ietf-opsawg-pcapng) or classic pcap, plain or in gzip."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator

from observer.packet import Packet
from observer.pcapng.blocks import (
    END_OF_SECTION,
    END_PROMISED,
    Block,
    EnhancedPacket,
    InterfaceDescription,
    ObsoletePacket,
    SectionHeader,
    SimplePacket,
    UnknownBlock,
)
from observer.pcapng.classic import is_classic, read_classic
from observer.pcapng.decode import BODY_AT, Section, decode_block, decode_section_header
from observer.pcapng.encode import BYTE_ORDER_MAGIC, LARGEST_BLOCK
from observer.pcapng.error import PcapngError
from observer.pcapng.options import BlockType, ByteOrder
from observer.pcapng.source import InputStream, Source

_SECTION_HEADER = BlockType.SECTION_HEADER.to_bytes(4, "big")  # the same in both byte orders


def read_blocks(stream: InputStream) -> Iterator[Block]:
    """Everything in the file, in order, one block in memory at a time.

    A classic pcap file reads like a pcapng file with one section and one interface.

    Raises PcapngError, at once or while iterating, at the first thing that breaks the format: a file that is cut short
    is told by that alone, so what has been yielded counts only once the iteration has ended. (A cut exactly between two
    blocks can be told only in files of our Writer, whose sections have an end.)
    """
    return _blocks(Source(stream))


def read_packets(stream: InputStream) -> Iterator[Packet]:
    """The packets in the file, in order. Interfaces are numbered through the whole file, as Wireshark does.

    Where a packet's original length is less than its captured length (which the draft discourages), it is taken to be
    the same. Raises PcapngError as `read_blocks` does, and for a Simple Packet Block: it has no time.
    """
    source = Source(stream)
    clocks: list[Callable[[int], int]] = []  # of all interfaces so far
    first = 0  # interface of this section
    for block in _blocks(source):
        if isinstance(block, EnhancedPacket | ObsoletePacket):
            interface_id = first + block.interface_id
            yield Packet(
                clocks[interface_id](block.timestamp),
                interface_id,
                block.data,
                max(block.original_length, len(block.data)),
            )
        elif isinstance(block, InterfaceDescription):
            clocks.append(block.clock())
        elif isinstance(block, SectionHeader):
            first = len(clocks)
        elif isinstance(block, SimplePacket):
            raise source.error("Block Type", 0, "a packet with a time", "a Simple Packet Block, which has none")


def _blocks(source: Source) -> Iterator[Block]:
    if is_classic(source.magic):
        return read_classic(source)
    return _whole_sections(source, _pcapng_blocks(source))


def _whole_sections(source: Source, blocks: Iterator[Block]) -> Iterator[Block]:
    """The same blocks. A section that promised to end with a certain block has to keep to it."""
    end_due = ended = False
    for block in blocks:
        if isinstance(block, SectionHeader):
            if end_due:
                raise _unfinished(source, "another section")
            end_due, ended = END_PROMISED in block.options, False
        elif ended:
            raise source.error("section", 0, "nothing more after the block that ends it", "another block")
        elif end_due and isinstance(block, UnknownBlock) and block == END_OF_SECTION:
            end_due, ended = False, True
        yield block
    if end_due:
        raise _unfinished(source, "end of file")


def _unfinished(source: Source, found: str) -> PcapngError:
    return source.error("section", 0, "the block that its header says it ends with", found)


def _pcapng_blocks(source: Source) -> Iterator[Block]:
    section: Section | None = None
    while head := source.take(BODY_AT):
        if len(head) < BODY_AT:
            raise source.cut("Block Type and Block Total Length", BODY_AT, len(head))
        if head[:4] == _SECTION_HEADER:
            magic, section = _begin_section(source)
            yield decode_section_header(magic + _rest_of_body(source, section, head, len(magic)), section)
        elif section is not None:
            (block_type,) = section.word.unpack_from(head)
            yield decode_block(block_type, _rest_of_body(source, section, head), section)
        else:
            raise source.error("magic number", 0, "pcapng or pcap, plain or in gzip", head[:4].hex(" "))
        source.block += 1
        source.start = source.offset
    if section is None:
        raise source.error("magic number", 0, "pcapng or pcap, plain or in gzip", "an empty file")


def _begin_section(source: Source) -> tuple[bytes, Section]:
    """The byte order of a section is told by its Byte-Order Magic alone: needed to read even the block's length."""
    magic = source.take(4)
    for order in ByteOrder:
        if magic == struct.pack(order.value + "I", BYTE_ORDER_MAGIC):
            return magic, Section(source, order)
    if len(magic) < 4:
        raise source.cut("Byte-Order Magic", 4, len(magic))
    raise source.error("Byte-Order Magic", BODY_AT, "1a 2b 3c 4d or 4d 3c 2b 1a", magic.hex(" "))


def _rest_of_body(source: Source, section: Section, head: bytes, taken: int = 0) -> bytes:
    """The block's body after the bytes already taken from it; its two lengths are checked."""
    (total,) = section.word.unpack_from(head, 4)
    if total < 12 + taken or total % 4 or total > LARGEST_BLOCK:
        expected = f"a multiple of 4 from {12 + taken} to {LARGEST_BLOCK}"
        raise source.error("Block Total Length", 4, expected, str(total))
    wanted = total - BODY_AT - taken
    rest = source.take(wanted)
    if len(rest) < wanted:
        raise source.cut(f"block of {total} bytes", wanted, len(rest))
    if rest[-4:] != head[4:]:
        again = section.word.unpack_from(rest, wanted - 4)[0]
        raise source.error("Block Total Length at the block's end", total - 4, str(total), str(again))
    return rest[:-4]
