"""Block bodies to blocks (draft-ietf-opsawg-pcapng, 4). What does not fit its field is an error, never a guess."""

from __future__ import annotations

import struct
from collections.abc import Callable

from observer.pcapng.blocks import (
    ADDRESS_LENGTHS,
    UNSPECIFIED,
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
from observer.pcapng.error import PcapngError
from observer.pcapng.options import RULES, BlockType, ByteOrder, Option, OptionCode, swapped
from observer.pcapng.source import Source

BODY_AT = 8  # bytes into the block: after Block Type and Block Total Length
_MINOR_VERSIONS = (0, 2)  # readers must take 2 for 0 (draft, 4.1)


class Section:
    """What the blocks of one section are read with: its byte order, the interfaces described so far, the position."""

    def __init__(self, source: Source, order: ByteOrder) -> None:
        self.order = order
        self.interfaces: list[InterfaceDescription] = []
        sign = order.value
        self.block_head = struct.Struct(sign + "II")
        self.half_words = struct.Struct(sign + "HH")
        self.word = struct.Struct(sign + "I")
        self.words = struct.Struct(sign + "III")
        self.packet_head = struct.Struct(sign + "IIIII")
        self.section_head = struct.Struct(sign + "IHHq")
        self.interface_head = struct.Struct(sign + "HHI")
        self._source = source

    def error(self, field: str, at: int, expected: str, found: object) -> PcapngError:
        """What is wrong with `field`, `at` bytes into the current block's body."""
        return self._source.error(field, BODY_AT + at, expected, str(found))

    def interface(self, interface_id: int) -> InterfaceDescription:
        """The interface that a block refers to by the first field of its body."""
        if interface_id >= len(self.interfaces):
            raise self.error(
                "Interface ID", 0, f"less than {len(self.interfaces)}, the interfaces described", interface_id
            )
        return self.interfaces[interface_id]


def decode_block(block_type: int, body: bytes, section: Section) -> Block:
    """The block of that type with that body. Raises PcapngError."""
    known = _DECODERS.get(block_type)
    if known is None:
        return UnknownBlock(block_type, body)
    decoder, fixed_length = known
    if len(body) < fixed_length:
        raise section.error("Block Total Length", -4, f"at least {12 + fixed_length}", 12 + len(body))
    return decoder(body, section)


def decode_section_header(body: bytes, section: Section) -> SectionHeader:
    """A Section Header Block. Raises PcapngError."""
    if len(body) < section.section_head.size:
        raise section.error("Block Total Length", -4, f"at least {12 + section.section_head.size}", 12 + len(body))
    _, major, minor, length = section.section_head.unpack_from(body)
    if major != 1 or minor not in _MINOR_VERSIONS:
        raise section.error("Major and Minor Version", 4, "1.0 or 1.2", f"{major}.{minor}")
    if length != UNSPECIFIED and (length < 0 or length % 4):
        raise section.error("Section Length", 8, "-1 or a multiple of 4", length)
    options = _options(body, section.section_head.size, BlockType.SECTION_HEADER, section)
    return SectionHeader(section.order, (major, minor), length, options)


def _interface_description(body: bytes, section: Section) -> InterfaceDescription:
    link_type, _, snaplen = section.interface_head.unpack_from(body)
    options = _options(body, 8, BlockType.INTERFACE_DESCRIPTION, section)
    interface = InterfaceDescription(link_type, snaplen, options)
    section.interfaces.append(interface)
    return interface


def _enhanced_packet(body: bytes, section: Section) -> EnhancedPacket:
    interface_id, high, low, captured, original_length = section.packet_head.unpack_from(body)
    section.interface(interface_id)
    end = _end_of_data(body, 20, captured, "Captured Packet Length", 12, section)
    options = _options(body, end, BlockType.ENHANCED_PACKET, section)
    return EnhancedPacket(interface_id, high << 32 | low, body[20 : 20 + captured], original_length, options)


def _obsolete_packet(body: bytes, section: Section) -> ObsoletePacket:
    _, high, low, captured, original_length = section.packet_head.unpack_from(body)
    interface_id, drops_count = section.half_words.unpack_from(body)
    section.interface(interface_id)
    end = _end_of_data(body, 20, captured, "Captured Packet Length", 12, section)
    options = _options(body, end, BlockType.PACKET, section)
    return ObsoletePacket(
        interface_id, drops_count, high << 32 | low, body[20 : 20 + captured], original_length, options
    )


def _simple_packet(body: bytes, section: Section) -> SimplePacket:
    """The captured length is not in the block: it follows from the first interface's SnapLen (draft, 4.4)."""
    if not section.interfaces:
        raise section.error("Simple Packet Block", 0, "an Interface Description Block before it", "none")
    (original_length,) = section.word.unpack_from(body)
    snaplen = section.interfaces[0].snaplen
    captured = min(original_length, snaplen) if snaplen else original_length
    end = _end_of_data(body, 4, captured, "Original Packet Length", 0, section)
    if end != len(body):
        raise section.error("Block Total Length", -4, f"{12 + end} for {captured} captured bytes", 12 + len(body))
    return SimplePacket(original_length, body[4 : 4 + captured])


def _name_resolution(body: bytes, section: Section) -> NameResolution:
    records: list[NameRecord] = []
    at = 0
    while True:
        if len(body) - at < 4:
            raise section.error("nrb_record_end", at, "a record that ends the list", "end of block")
        record_type, length = section.half_words.unpack_from(body, at)
        if record_type == NameRecordType.END:
            if length:
                raise section.error("Record Value Length", at + 2, "0 in nrb_record_end", length)
            return NameResolution(tuple(records), _options(body, at + 4, BlockType.NAME_RESOLUTION, section))
        end = _end_of_data(body, at + 4, length, "Record Value Length", at + 2, section)
        record = NameRecord(record_type, body[at + 4 : at + 4 + length])
        address_length = next((size for kind, size in ADDRESS_LENGTHS.items() if kind == record_type), None)
        if address_length is not None:
            if length < address_length + 2:
                raise section.error("Record Value Length", at + 2, f"at least {address_length + 2}", length)
            if record.value[-1]:
                raise section.error(
                    "Record Value", at + 4, "names that end with a zero byte", f"{record.value[-1]:#04x}"
                )
        records.append(record)
        at = end


def _interface_statistics(body: bytes, section: Section) -> InterfaceStatistics:
    interface_id, high, low = section.words.unpack_from(body)
    section.interface(interface_id)
    options = _options(body, 12, BlockType.INTERFACE_STATISTICS, section)
    return InterfaceStatistics(interface_id, high << 32 | low, options)


def _decryption_secrets(body: bytes, section: Section) -> DecryptionSecrets:
    secrets_type, length = section.block_head.unpack_from(body)
    end = _end_of_data(body, 8, length, "Secrets Length", 4, section)
    options = _options(body, end, BlockType.DECRYPTION_SECRETS, section)
    return DecryptionSecrets(secrets_type, body[8 : 8 + length], options)


def _custom(body: bytes, section: Section, copyable: bool) -> CustomBlock:
    return CustomBlock(copyable, section.word.unpack_from(body)[0], body[4:])


def _end_of_data(body: bytes, begin: int, length: int, field: str, field_at: int, section: Section) -> int:
    """Where data that begins there ends, padding included; the block has to hold it."""
    end = begin + (length + 3 & ~3)
    if end > len(body):
        raise section.error(field, field_at, f"at most the {len(body) - begin} bytes that the block has left", length)
    return end


def _options(body: bytes, at: int, block_type: BlockType, section: Section) -> tuple[Option, ...]:
    """The options from there to the end of the body (draft, 3.5)."""
    if at == len(body):
        return ()
    options: list[Option] = []
    rules = RULES[block_type]
    while at < len(body):
        code, length = section.half_words.unpack_from(body, at)
        if code == OptionCode.OPT_ENDOFOPT:
            if length:
                raise section.error("Option Length", at + 2, "0 in opt_endofopt", length)
            if at + 4 != len(body):
                raise section.error("opt_endofopt", at, "the end of the block after it", f"{len(body) - at - 4} bytes")
            break
        end = _end_of_data(body, at + 4, length, "Option Length", at + 2, section)
        value = body[at + 4 : at + 4 + length]
        if (rule := rules.get(code)) is not None:
            if wanted := rule.complaint(length):
                raise section.error("Option Length", at + 2, f"{wanted} in {rule.name}", length)
            if not rule.repeatable and any(option.code == code for option in options):
                raise section.error("Option Type", at, f"{rule.name} once", "it again")
            if section.order is ByteOrder.BIG:
                value = swapped(value, rule.words)
        options.append(Option(code, value))
        at = end
    return tuple(options)


# By block type: what reads its body, and how long the body is at least.
_DECODERS: dict[int, tuple[Callable[[bytes, Section], Block], int]] = {
    BlockType.INTERFACE_DESCRIPTION: (_interface_description, 8),
    BlockType.ENHANCED_PACKET: (_enhanced_packet, 20),
    BlockType.PACKET: (_obsolete_packet, 20),
    BlockType.SIMPLE_PACKET: (_simple_packet, 4),
    BlockType.NAME_RESOLUTION: (_name_resolution, 4),
    BlockType.INTERFACE_STATISTICS: (_interface_statistics, 12),
    BlockType.DECRYPTION_SECRETS: (_decryption_secrets, 8),
    BlockType.CUSTOM: (lambda body, section: _custom(body, section, True), 4),
    BlockType.CUSTOM_DO_NOT_COPY: (lambda body, section: _custom(body, section, False), 4),
}
