"""The blocks of a pcapng file, as values (draft-ietf-opsawg-pcapng, 4).

What a block has is kept as it stands in the file: timestamps in the interface's own units, options in their order,
unknown ones included. Properties interpret them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from ipaddress import IPv4Address, IPv6Address, ip_address

from observer.pcapng.options import (
    ByteOrder,
    InterfaceOption,
    Option,
    OptionCode,
    PacketOption,
    SectionOption,
    StatisticsOption,
)

UNSPECIFIED = -1  # Section Length of a section whose end was not known when it was begun
NANOSECONDS = 1_000_000_000


class LinkType(IntEnum):
    """LinkType codes that the lab writes (draft-ietf-opsawg-pcaplinktype). A file may have any other number."""

    ETHERNET = 1


class SecretsType(IntEnum):
    """Secrets Type codes (draft, 4.7). A file may have others."""

    TLS_KEY_LOG = 0x544C534B


class NameRecordType(IntEnum):
    """nrb_record types (draft, 4.5). A file may have others."""

    END = 0
    IPV4 = 1
    IPV6 = 2
    EUI48 = 3
    EUI64 = 4


# Bytes of address that a name record begins with; a record of another type has none that we know of.
ADDRESS_LENGTHS = {NameRecordType.IPV4: 4, NameRecordType.IPV6: 16, NameRecordType.EUI48: 6, NameRecordType.EUI64: 8}


class _WithOptions:
    """What every block that can carry options has in common."""

    __slots__ = ()
    options: tuple[Option, ...]

    @property
    def comments(self) -> tuple[str, ...]:
        """The block's comments, in order."""
        return tuple(option.text for option in self.options if option.code == OptionCode.OPT_COMMENT)

    def option(self, code: int) -> Option | None:
        """The first option with that code."""
        return next((option for option in self.options if option.code == code), None)

    def _text(self, code: int) -> str | None:
        option = self.option(code)
        return None if option is None else option.text

    def _number(self, code: int) -> int | None:
        option = self.option(code)
        return None if option is None else option.number


@dataclass(frozen=True, slots=True)
class SectionHeader(_WithOptions):
    """Section Header Block (draft, 4.1).

    `section_length` is in bytes, without this block, and -1 where not specified. Do not rely on it: Wireshark's
    programs copy it from the file that they read to the one that they write.
    """

    byte_order: ByteOrder = ByteOrder.LITTLE
    version: tuple[int, int] = (1, 0)
    section_length: int = UNSPECIFIED
    options: tuple[Option, ...] = ()

    @property
    def hardware(self) -> str | None:
        """shb_hardware: what the section was made on."""
        return self._text(SectionOption.SHB_HARDWARE)

    @property
    def os(self) -> str | None:
        """shb_os: the operating system it was made with."""
        return self._text(SectionOption.SHB_OS)

    @property
    def application(self) -> str | None:
        """shb_userappl: the program that wrote it."""
        return self._text(SectionOption.SHB_USERAPPL)


@dataclass(frozen=True, slots=True)
class InterfaceDescription(_WithOptions):
    """Interface Description Block (draft, 4.2). `snaplen` is in bytes; 0 means no limit."""

    link_type: int
    snaplen: int
    options: tuple[Option, ...] = ()

    @property
    def name(self) -> str | None:
        """if_name: what the interface was called where it was captured."""
        return self._text(InterfaceOption.IF_NAME)

    @property
    def description(self) -> str | None:
        """if_description, in words."""
        return self._text(InterfaceOption.IF_DESCRIPTION)

    @property
    def ticks_per_second(self) -> int:
        """if_tsresol: the units of the interface's timestamps; microseconds when it is missing."""
        resolution = self._number(InterfaceOption.IF_TSRESOL)
        if resolution is None:
            return 1_000_000
        return 1 << (resolution & 0x7F) if resolution & 0x80 else 10**resolution

    @property
    def offset_s(self) -> int:
        """if_tsoffset: whole seconds to add to each of the interface's timestamps."""
        option = self.option(InterfaceOption.IF_TSOFFSET)
        return 0 if option is None else int.from_bytes(option.value, "little", signed=True)

    def clock(self) -> Callable[[int], int]:
        """What turns a timestamp of this interface into nanoseconds since the epoch; finer ones are rounded down."""
        ticks_per_second, offset_ns = self.ticks_per_second, self.offset_s * NANOSECONDS
        if NANOSECONDS % ticks_per_second == 0:
            tick_ns = NANOSECONDS // ticks_per_second
            return lambda timestamp: timestamp * tick_ns + offset_ns
        return lambda timestamp: timestamp * NANOSECONDS // ticks_per_second + offset_ns


@dataclass(frozen=True, slots=True)
class EnhancedPacket(_WithOptions):
    """Enhanced Packet Block (draft, 4.3). `timestamp` is in units of its interface, lengths are in bytes."""

    interface_id: int
    timestamp: int
    data: bytes
    original_length: int
    options: tuple[Option, ...] = ()

    @property
    def flags(self) -> int | None:
        """epb_flags: the link-layer flags word."""
        return self._number(PacketOption.EPB_FLAGS)

    @property
    def drop_count(self) -> int | None:
        """epb_dropcount: packets lost on this interface since its last packet."""
        return self._number(PacketOption.EPB_DROPCOUNT)


@dataclass(frozen=True, slots=True)
class ObsoletePacket(_WithOptions):
    """Packet Block (draft, appendix A): what there was before the Enhanced one. `drops_count` 65535 means unknown."""

    interface_id: int
    drops_count: int
    timestamp: int
    data: bytes
    original_length: int
    options: tuple[Option, ...] = ()


@dataclass(frozen=True, slots=True)
class SimplePacket:
    """Simple Packet Block (draft, 4.4): of the section's first interface, and without a time."""

    original_length: int
    data: bytes


@dataclass(frozen=True, slots=True)
class NameRecord:
    """One record of a Name Resolution Block: an address and its names, as bytes."""

    record_type: int
    value: bytes

    @classmethod
    def of(cls, address: str | IPv4Address | IPv6Address, *names: str) -> NameRecord:
        """The record that gives an IP address these names, one or more. Raises ValueError for what it cannot hold."""
        parsed = ip_address(address)
        if not names or not all(names) or any("\0" in name for name in names):
            raise ValueError(
                f"names of {address}: expected at least one, none empty or with a zero byte, found {names}"
            )
        record_type = NameRecordType.IPV4 if parsed.version == 4 else NameRecordType.IPV6
        return cls(record_type, parsed.packed + b"".join(name.encode() + b"\0" for name in names))

    @property
    def address(self) -> bytes:
        """The address's bytes in network order; none in a record of unknown type."""
        return self.value[: self._address_length]

    @property
    def names(self) -> tuple[str, ...]:
        """The names, where the record is of a known type."""
        texts = self.value[self._address_length :].split(b"\0")[:-1] if self._address_length else []
        return tuple(text.decode(errors="replace") for text in texts)

    @property
    def _address_length(self) -> int:
        return next((length for kind, length in ADDRESS_LENGTHS.items() if kind == self.record_type), 0)


@dataclass(frozen=True, slots=True)
class NameResolution(_WithOptions):
    """Name Resolution Block (draft, 4.5), without the record that ends its list."""

    records: tuple[NameRecord, ...]
    options: tuple[Option, ...] = ()


@dataclass(frozen=True, slots=True)
class InterfaceStatistics(_WithOptions):
    """Interface Statistics Block (draft, 4.6). Times are in units of its interface."""

    interface_id: int
    timestamp: int
    options: tuple[Option, ...] = ()

    @property
    def received(self) -> int | None:
        """isb_ifrecv: packets received since the capture began."""
        return self._number(StatisticsOption.ISB_IFRECV)

    @property
    def dropped(self) -> int | None:
        """isb_ifdrop: packets lost since the capture began."""
        return self._number(StatisticsOption.ISB_IFDROP)

    @property
    def start(self) -> int | None:
        """isb_starttime: when the capture began."""
        return self._time(StatisticsOption.ISB_STARTTIME)

    @property
    def end(self) -> int | None:
        """isb_endtime: when the capture ended."""
        return self._time(StatisticsOption.ISB_ENDTIME)

    def _time(self, code: int) -> int | None:
        option = self.option(code)
        if option is None:
            return None
        return int.from_bytes(option.value[:4], "little") << 32 | int.from_bytes(option.value[4:], "little")


@dataclass(frozen=True, slots=True)
class DecryptionSecrets(_WithOptions):
    """Decryption Secrets Block (draft, 4.7)."""

    secrets_type: int
    data: bytes
    options: tuple[Option, ...] = ()


@dataclass(frozen=True, slots=True)
class CustomBlock:
    """Custom Block (draft, 4.8). `body` is data and options, which only the number's owner can tell apart."""

    copyable: bool
    enterprise_number: int
    body: bytes


@dataclass(frozen=True, slots=True)
class UnknownBlock:
    """A block of a type not known here, kept as it is; numbers in `body` are in its section's byte order."""

    block_type: int
    body: bytes


Block = (
    SectionHeader
    | InterfaceDescription
    | EnhancedPacket
    | ObsoletePacket
    | SimplePacket
    | NameResolution
    | InterfaceStatistics
    | DecryptionSecrets
    | CustomBlock
    | UnknownBlock
)

# A section of ours promises to end with a block of a local type, so that one cut between two blocks can be told from a
# whole one. Section Length says as much, but Wireshark's programs copy it into files for which it is wrong; a local
# option and a local block they leave out.
END_PROMISED = Option(0xB508, b"8STEPS")
END_OF_SECTION = UnknownBlock(0x8000B508, b"")
