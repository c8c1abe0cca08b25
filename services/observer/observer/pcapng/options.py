"""Options: the type-length-value list that ends a block (draft-ietf-opsawg-pcapng, 3.5)."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum, IntEnum

MAX_VALUE = 0xFFFF  # bytes: Option Length has 16 bits


class ByteOrder(Enum):
    """Of a section's numbers; the value is `struct`'s sign for it."""

    LITTLE = "<"
    BIG = ">"


class BlockType(IntEnum):
    """Block Type codes (draft, IANA Considerations). A file may hold others: those are kept unread."""

    INTERFACE_DESCRIPTION = 0x00000001
    PACKET = 0x00000002
    SIMPLE_PACKET = 0x00000003
    NAME_RESOLUTION = 0x00000004
    INTERFACE_STATISTICS = 0x00000005
    ENHANCED_PACKET = 0x00000006
    DECRYPTION_SECRETS = 0x0000000A
    CUSTOM = 0x00000BAD
    CUSTOM_DO_NOT_COPY = 0x40000BAD
    SECTION_HEADER = 0x0A0D0D0A


class OptionCode(IntEnum):
    """Codes with the same meaning in every block."""

    OPT_ENDOFOPT = 0
    OPT_COMMENT = 1


class SectionOption(IntEnum):
    """Codes in a Section Header Block (draft, 4.1)."""

    SHB_HARDWARE = 2
    SHB_OS = 3
    SHB_USERAPPL = 4


class InterfaceOption(IntEnum):
    """Codes in an Interface Description Block (draft, 4.2)."""

    IF_NAME = 2
    IF_DESCRIPTION = 3
    IF_TSRESOL = 9
    IF_FCSLEN = 13
    IF_TSOFFSET = 14


class PacketOption(IntEnum):
    """Codes in an Enhanced Packet Block (draft, 4.3)."""

    EPB_FLAGS = 2
    EPB_DROPCOUNT = 4


class StatisticsOption(IntEnum):
    """Codes in an Interface Statistics Block (draft, 4.6)."""

    ISB_STARTTIME = 2
    ISB_ENDTIME = 3
    ISB_IFRECV = 4
    ISB_IFDROP = 5


@dataclass(frozen=True, slots=True)
class Option:
    """One option of a block. Numbers in a known option's value are little-endian here, whatever the file's order."""

    code: int
    value: bytes

    @property
    def text(self) -> str:
        """The value as UTF-8, as far as a zero byte; what is not UTF-8 is replaced by U+FFFD (draft, 3.5 and 3.6)."""
        return self.value.split(b"\0", 1)[0].decode(errors="replace")

    @property
    def number(self) -> int:
        """The value as one unsigned number."""
        return int.from_bytes(self.value, "little")


@dataclass(frozen=True, slots=True)
class OptionRule:
    """What the draft says of one option. `words` are the widths of the numbers its value begins with."""

    name: str
    length: int | None = None
    minimum: int = 0
    repeatable: bool = False
    words: tuple[int, ...] = ()

    def complaint(self, length: int) -> str:
        """Which length the value must have, when `length` is wrong; else nothing."""
        if self.length is not None:
            return "" if length == self.length else f"{self.length} bytes"
        return "" if length >= self.minimum else f"at least {self.minimum} bytes"


def _number(name: str, width: int) -> OptionRule:
    return OptionRule(name, length=width, words=(width,))


_ANYWHERE: Mapping[int, OptionRule] = {
    OptionCode.OPT_COMMENT: OptionRule("opt_comment", repeatable=True),
    2988: OptionRule("opt_custom (UTF-8)", minimum=4, repeatable=True, words=(4,)),
    2989: OptionRule("opt_custom (binary)", minimum=4, repeatable=True, words=(4,)),
    19372: OptionRule("opt_custom (UTF-8, do not copy)", minimum=4, repeatable=True, words=(4,)),
    19373: OptionRule("opt_custom (binary, do not copy)", minimum=4, repeatable=True, words=(4,)),
}

RULES: Mapping[int, Mapping[int, OptionRule]] = {
    BlockType.SECTION_HEADER: {
        **_ANYWHERE,
        SectionOption.SHB_HARDWARE: OptionRule("shb_hardware"),
        SectionOption.SHB_OS: OptionRule("shb_os"),
        SectionOption.SHB_USERAPPL: OptionRule("shb_userappl"),
    },
    BlockType.INTERFACE_DESCRIPTION: {
        **_ANYWHERE,
        InterfaceOption.IF_NAME: OptionRule("if_name"),
        InterfaceOption.IF_DESCRIPTION: OptionRule("if_description"),
        4: OptionRule("if_IPv4addr", length=8, repeatable=True),
        5: OptionRule("if_IPv6addr", length=17, repeatable=True),
        6: OptionRule("if_MACaddr", length=6),
        7: OptionRule("if_EUIaddr", length=8),
        8: _number("if_speed", 8),
        InterfaceOption.IF_TSRESOL: OptionRule("if_tsresol", length=1),
        10: OptionRule("if_tzone", length=4, words=(2, 2)),
        11: OptionRule("if_filter", minimum=1),
        12: OptionRule("if_os"),
        InterfaceOption.IF_FCSLEN: OptionRule("if_fcslen", length=1),
        InterfaceOption.IF_TSOFFSET: _number("if_tsoffset", 8),
        15: OptionRule("if_hardware"),
        16: _number("if_txspeed", 8),
        17: _number("if_rxspeed", 8),
    },
    BlockType.ENHANCED_PACKET: {
        **_ANYWHERE,
        PacketOption.EPB_FLAGS: _number("epb_flags", 4),
        3: OptionRule("epb_hash", minimum=1, repeatable=True),
        PacketOption.EPB_DROPCOUNT: _number("epb_dropcount", 8),
        5: _number("epb_packetid", 8),
        6: _number("epb_queue", 4),
        7: OptionRule("epb_verdict", minimum=1, repeatable=True),
        8: OptionRule("epb_processid_threadid", length=8, words=(4, 4)),
    },
    BlockType.PACKET: {
        **_ANYWHERE,
        2: _number("pack_flags", 4),
        3: OptionRule("pack_hash", minimum=1, repeatable=True),
    },
    BlockType.NAME_RESOLUTION: {
        **_ANYWHERE,
        2: OptionRule("ns_dnsname"),
        3: OptionRule("ns_dnsIP4addr", length=4),
        4: OptionRule("ns_dnsIP6addr", length=16),
    },
    BlockType.INTERFACE_STATISTICS: {
        **_ANYWHERE,
        StatisticsOption.ISB_STARTTIME: OptionRule("isb_starttime", length=8, words=(4, 4)),
        StatisticsOption.ISB_ENDTIME: OptionRule("isb_endtime", length=8, words=(4, 4)),
        StatisticsOption.ISB_IFRECV: _number("isb_ifrecv", 8),
        StatisticsOption.ISB_IFDROP: _number("isb_ifdrop", 8),
        6: _number("isb_filteraccept", 8),
        7: _number("isb_osdrop", 8),
        8: _number("isb_usrdeliv", 8),
    },
    BlockType.DECRYPTION_SECRETS: _ANYWHERE,
}


def comment(text: str) -> Option:
    """An opt_comment. Raises ValueError for text that is not UTF-8 or too long to be written."""
    return text_option(OptionCode.OPT_COMMENT, text)


def text_option(code: int, text: str) -> Option:
    """An option whose value is `text`. Raises ValueError for text that is not UTF-8 or too long to be written."""
    value = text.encode()
    if len(value) > MAX_VALUE:
        raise ValueError(f"option {code}: {len(value)} bytes of text, an option holds at most {MAX_VALUE}: shorten it")
    return Option(code, value)


def swapped(value: bytes, words: tuple[int, ...]) -> bytes:
    """`value` with each of the numbers it begins with, of these widths, in the other byte order."""
    swapped_words = []
    position = 0
    for width in words:
        swapped_words.append(value[position : position + width][::-1])
        position += width
    return b"".join(swapped_words) + value[position:]


def encode_options(options: Iterable[Option], block_type: int, order: ByteOrder) -> bytes:
    """The options as they stand in a block of that type, opt_endofopt included; nothing for no options.

    Raises ValueError for what a writer must not write: a wrong length, a repeated option, an end in the middle.
    """
    parts = []
    seen = set()
    for option in options:
        rule = RULES[block_type].get(option.code)
        length, value = len(option.value), option.value
        if option.code == OptionCode.OPT_ENDOFOPT or length > MAX_VALUE:
            raise ValueError(f"option {option.code} with {length} bytes: cannot stand in a list of options")
        if rule is not None:
            if wanted := rule.complaint(length):
                raise ValueError(f"{rule.name}: expected {wanted}, found {length}")
            if option.code in seen and not rule.repeatable:
                raise ValueError(f"{rule.name}: a block has at most one")
            if order is ByteOrder.BIG:
                value = swapped(value, rule.words)
        seen.add(option.code)
        parts.append(struct.pack(order.value + "HH", option.code, length) + value + bytes(-length % 4))
    return b"".join(parts) + bytes(4) if parts else b""
