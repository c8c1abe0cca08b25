"""Blocks to bytes (draft-ietf-opsawg-pcapng, 3.1 and 4)."""

from __future__ import annotations

import struct
from functools import singledispatch

from observer.pcapng.blocks import (
    Block,
    CustomBlock,
    DecryptionSecrets,
    EnhancedPacket,
    InterfaceDescription,
    InterfaceStatistics,
    NameRecord,
    NameRecordType,
    NameResolution,
    ObsoletePacket,
    SectionHeader,
    SimplePacket,
    UnknownBlock,
)
from observer.pcapng.options import BlockType, ByteOrder, encode_options

BYTE_ORDER_MAGIC = 0x1A2B3C4D
LARGEST_BLOCK = 128 * 1024 * 1024 + 128 * 1024 + 32  # bytes: Wireshark's own limit, 128 MiB of packet and its options


def encode_block(block: Block, order: ByteOrder = ByteOrder.LITTLE) -> bytes:
    """The block as it stands in a section of that byte order. A Section Header Block names its order itself.

    Raises ValueError for a value that the format cannot hold.
    """
    if isinstance(block, SectionHeader):
        order = block.byte_order
    try:
        block_type, body = _body(block, order)
        total = 12 + len(body)
        if total > LARGEST_BLOCK:
            raise ValueError(f"{total} bytes, readers accept at most {LARGEST_BLOCK}")
        length = struct.pack(order.value + "I", total)
        return struct.pack(order.value + "I", block_type) + length + body + length
    except (struct.error, ValueError) as error:
        raise ValueError(f"{type(block).__name__}: {error}") from None


@singledispatch
def _body(block: Block, order: ByteOrder) -> tuple[int, bytes]:
    """The block's type and its body."""
    raise TypeError(f"not a block: {block!r}")


@_body.register
def _(block: SectionHeader, order: ByteOrder) -> tuple[int, bytes]:
    fixed = struct.pack(order.value + "IHHq", BYTE_ORDER_MAGIC, *block.version, block.section_length)
    return BlockType.SECTION_HEADER, fixed + encode_options(block.options, BlockType.SECTION_HEADER, order)


@_body.register
def _(block: InterfaceDescription, order: ByteOrder) -> tuple[int, bytes]:
    fixed = struct.pack(order.value + "HHI", block.link_type, 0, block.snaplen)
    options = encode_options(block.options, BlockType.INTERFACE_DESCRIPTION, order)
    return BlockType.INTERFACE_DESCRIPTION, fixed + options


@_body.register
def _(block: EnhancedPacket, order: ByteOrder) -> tuple[int, bytes]:
    fixed = struct.pack(order.value + "I", block.interface_id) + _packet(block, order)
    return BlockType.ENHANCED_PACKET, fixed + encode_options(block.options, BlockType.ENHANCED_PACKET, order)


@_body.register
def _(block: ObsoletePacket, order: ByteOrder) -> tuple[int, bytes]:
    fixed = struct.pack(order.value + "HH", block.interface_id, block.drops_count) + _packet(block, order)
    return BlockType.PACKET, fixed + encode_options(block.options, BlockType.PACKET, order)


@_body.register
def _(block: SimplePacket, order: ByteOrder) -> tuple[int, bytes]:
    return BlockType.SIMPLE_PACKET, struct.pack(order.value + "I", block.original_length) + _padded(block.data)


@_body.register
def _(block: NameResolution, order: ByteOrder) -> tuple[int, bytes]:
    records = b"".join(_record(record, order) for record in block.records) + bytes(4)
    return BlockType.NAME_RESOLUTION, records + encode_options(block.options, BlockType.NAME_RESOLUTION, order)


@_body.register
def _(block: InterfaceStatistics, order: ByteOrder) -> tuple[int, bytes]:
    fixed = struct.pack(order.value + "I", block.interface_id) + _timestamp(block.timestamp, order)
    return BlockType.INTERFACE_STATISTICS, fixed + encode_options(block.options, BlockType.INTERFACE_STATISTICS, order)


@_body.register
def _(block: DecryptionSecrets, order: ByteOrder) -> tuple[int, bytes]:
    fixed = struct.pack(order.value + "II", block.secrets_type, len(block.data)) + _padded(block.data)
    return BlockType.DECRYPTION_SECRETS, fixed + encode_options(block.options, BlockType.DECRYPTION_SECRETS, order)


@_body.register
def _(block: CustomBlock, order: ByteOrder) -> tuple[int, bytes]:
    block_type = BlockType.CUSTOM if block.copyable else BlockType.CUSTOM_DO_NOT_COPY
    return block_type, struct.pack(order.value + "I", block.enterprise_number) + _aligned(block.body)


@_body.register
def _(block: UnknownBlock, order: ByteOrder) -> tuple[int, bytes]:
    return block.block_type, _aligned(block.body)


def _packet(block: EnhancedPacket | ObsoletePacket, order: ByteOrder) -> bytes:
    lengths = struct.pack(order.value + "II", len(block.data), block.original_length)
    return _timestamp(block.timestamp, order) + lengths + _padded(block.data)


def _timestamp(timestamp: int, order: ByteOrder) -> bytes:
    """The upper word comes first, in either byte order (draft, 4.3)."""
    return struct.pack(order.value + "II", timestamp >> 32, timestamp & 0xFFFFFFFF)


def _record(record: NameRecord, order: ByteOrder) -> bytes:
    if record.record_type == NameRecordType.END:
        raise ValueError("a name record of type 0 would end the list")
    return struct.pack(order.value + "HH", record.record_type, len(record.value)) + _padded(record.value)


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 4)


def _aligned(body: bytes) -> bytes:
    if len(body) % 4:
        raise ValueError(f"a body of {len(body)} bytes: expected a multiple of 4, because nothing in it tells padding")
    return body
