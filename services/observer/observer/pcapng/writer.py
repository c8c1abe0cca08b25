"""A capture, written as it comes: one section, little-endian, timestamps in nanoseconds."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping, Sequence
from types import TracebackType
from typing import Protocol, Self

from observer.packet import Packet
from observer.pcapng.blocks import (
    END_OF_SECTION,
    END_PROMISED,
    DecryptionSecrets,
    EnhancedPacket,
    InterfaceDescription,
    InterfaceStatistics,
    LinkType,
    NameRecord,
    NameResolution,
    SecretsType,
    SectionHeader,
)
from observer.pcapng.encode import encode_block
from observer.pcapng.options import (
    BlockType,
    InterfaceOption,
    Option,
    PacketOption,
    SectionOption,
    StatisticsOption,
    comment,
    text_option,
)

LARGEST_PACKET = 262_144  # bytes: more than this Wireshark refuses to read from Ethernet
_CHUNK = 1 << 20  # bytes of packets joined before they are handed to the stream

_TYPE = int(BlockType.ENHANCED_PACKET)
_EPB = struct.Struct("<IIIIIII").pack  # type, total length, interface, timestamp (high, low), captured, original
_TRAILERS = tuple(struct.Struct(f"<{padding}xI").pack for padding in (0, 3, 2, 1))  # by captured length modulo 4


class OutputStream(Protocol):
    """What a Writer needs of a stream: a file opened for writing (buffered), a pipe, `io.BytesIO`, `gzip.GzipFile`."""

    def write(self, data: bytes, /) -> int: ...


class Writer:
    """Writes a capture to `stream`, which stays the caller's: it is not closed, nor flushed.

    Interfaces, names and secrets come first, then packets in the order that frame numbers shall have, then statistics.
    The end of a `with` (or `finish`) writes the section's end: a file without it is not whole, and readers tell.

    Every method raises ValueError for what the format cannot hold, and whatever the stream raises.
    """

    def __init__(self, stream: OutputStream, *, hardware: str = "", os: str = "", application: str = "") -> None:
        self._stream = stream
        self._limits: list[int] = []
        self._packets = 0
        self._finished = False
        texts: dict[int, str] = {
            SectionOption.SHB_HARDWARE: hardware,
            SectionOption.SHB_OS: os,
            SectionOption.SHB_USERAPPL: application,
        }
        self._write(encode_block(SectionHeader(options=(*_texts(texts), END_PROMISED))))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if kind is None:
            self.finish()

    @property
    def packets(self) -> int:
        """How many packets have been written: the last one's frame number."""
        return self._packets

    def add_interface(
        self,
        name: str,
        description: str = "",
        *,
        link_type: int = LinkType.ETHERNET,
        snaplen: int = LARGEST_PACKET,
    ) -> int:
        """Describe an interface, and return the id that its packets shall have: 0, 1, 2... `snaplen` 0: no limit."""
        options = _texts({InterfaceOption.IF_NAME: name, InterfaceOption.IF_DESCRIPTION: description})
        nanoseconds = Option(InterfaceOption.IF_TSRESOL, b"\x09")
        self._write(encode_block(InterfaceDescription(link_type, snaplen, (*options, nanoseconds))))
        self._limits.append(snaplen or 0xFFFFFFFF)
        return len(self._limits) - 1

    def add_names(self, records: Iterable[NameRecord]) -> None:
        """Name addresses, so that Wireshark shows the names."""
        self._write(encode_block(NameResolution(tuple(records))))

    def add_secrets(
        self, data: bytes, secrets_type: int = SecretsType.TLS_KEY_LOG, *, for_later_packets: bool = False
    ) -> None:
        """Put in what decrypts the packets. Readers may use it only for packets after it (draft, 4.7).

        `for_later_packets`: the capture is written while it is made, and packets before this one have other secrets.
        """
        if self._packets and not for_later_packets:
            raise ValueError(f"secrets after {self._packets} packets would not decrypt them: add them before the first")
        if secrets_type == SecretsType.TLS_KEY_LOG and data and not data.endswith(b"\n"):
            raise ValueError("secrets: the key log's last line has no line end: it may be torn")
        self._write(encode_block(DecryptionSecrets(secrets_type, data)))

    def write_packet(self, packet: Packet, comments: Sequence[str] = (), flags: int | None = None) -> int:
        """Write one packet, with what there is to say about it, and return its frame number.

        `flags` is the flags word of draft section 4.3.1.
        """
        self._write(self._described(packet, comments, flags))
        self._packets += 1
        return self._packets

    def write_packets(self, packets: Iterable[Packet], comments: Mapping[int, Sequence[str]] | None = None) -> None:
        """Write many packets fast. `comments` are for single frames, by frame number; the first packet is frame 1."""
        comments = comments or {}
        number = self._packets
        blocks: list[bytes] = []
        pending = 0
        for packet in packets:
            number += 1
            block = self._described(packet, comments[number]) if number in comments else self._plain(packet)
            blocks.append(block)
            pending += len(block)
            if pending > _CHUNK:
                self._write(b"".join(blocks))
                self._packets = number
                blocks.clear()
                pending = 0
        self._write(b"".join(blocks))
        self._packets = number

    def add_statistics(
        self,
        interface_id: int,
        time_ns: int,
        *,
        received: int | None = None,
        dropped: int | None = None,
        start_ns: int | None = None,
        end_ns: int | None = None,
    ) -> None:
        """Say how many packets the interface received and lost between start and end, as counted at `time_ns`."""
        self._check_interface(interface_id)
        options = []
        if start_ns is not None:
            options.append(_time(StatisticsOption.ISB_STARTTIME, start_ns))
        if end_ns is not None:
            options.append(_time(StatisticsOption.ISB_ENDTIME, end_ns))
        if received is not None:
            options.append(_number(StatisticsOption.ISB_IFRECV, received, 8))
        if dropped is not None:
            options.append(_number(StatisticsOption.ISB_IFDROP, dropped, 8))
        self._write(encode_block(InterfaceStatistics(interface_id, time_ns, tuple(options))))

    def finish(self) -> None:
        """End the section. Nothing can be written after that."""
        if not self._finished:
            self._write(encode_block(END_OF_SECTION))
            self._finished = True

    def _plain(self, packet: Packet) -> bytes:
        time_ns, interface_id, data, original_length = packet
        captured = len(data)
        total = captured + 35 & ~3
        try:
            if captured > original_length or captured > self._limits[interface_id]:
                self._check(packet)
            head = _EPB(_TYPE, total, interface_id, time_ns >> 32, time_ns & 0xFFFFFFFF, captured, original_length)
            return head + data + _TRAILERS[captured & 3](total)
        except (struct.error, IndexError):
            self._check(packet)
            raise

    def _described(self, packet: Packet, comments: Sequence[str], flags: int | None = None) -> bytes:
        self._check(packet)
        options = tuple(comment(text) for text in comments)
        if flags is not None:
            options += (_number(PacketOption.EPB_FLAGS, flags, 4),)
        block = EnhancedPacket(packet.interface_id, packet.time_ns, packet.data, packet.original_length, options)
        return encode_block(block)

    def _check(self, packet: Packet) -> None:
        self._check_interface(packet.interface_id)
        captured, limit = len(packet.data), self._limits[packet.interface_id]
        if not 0 <= packet.time_ns < 1 << 64:
            raise ValueError(f"packet at {packet.time_ns} ns: a timestamp is not negative and has at most 64 bits")
        if captured > limit:
            raise ValueError(f"packet of {captured} bytes: its interface's snaplen is {limit}")
        if not captured <= packet.original_length < 1 << 32:
            raise ValueError(f"packet of {captured} bytes cannot have been {packet.original_length} bytes on the link")

    def _check_interface(self, interface_id: int) -> None:
        if not 0 <= interface_id < len(self._limits):
            raise ValueError(f"interface {interface_id}: add_interface has described {len(self._limits)} so far")

    def _write(self, data: bytes) -> None:
        if self._finished:
            raise ValueError("the capture is finished: nothing can be added to it")
        written = self._stream.write(data)
        if written != len(data):
            raise OSError(f"the stream took {written} of {len(data)} bytes: hand in a buffered one")


def _texts(texts: Mapping[int, str]) -> tuple[Option, ...]:
    return tuple(text_option(code, text) for code, text in texts.items() if text)


def _number(code: int, number: int, width: int) -> Option:
    if not 0 <= number < 1 << 8 * width:
        raise ValueError(f"option {code}: {number} is not an unsigned number of {width} bytes")
    return Option(code, number.to_bytes(width, "little"))


def _time(code: int, time_ns: int) -> Option:
    """Upper word first, as in a packet's timestamp (draft, 4.6)."""
    words = _number(code, time_ns, 8).value
    return Option(code, words[4:] + words[:4])
