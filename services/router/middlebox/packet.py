"""IPv4 packets as the kernel hands them over: reading the fields faults look at, and changing a payload byte.

RFC 791 (IPv4), RFC 9293 (TCP), RFC 768 (UDP), RFC 1071 (the checksum). Bytes in, values or bytes out.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import IntEnum, IntFlag
from ipaddress import IPv4Address

_IPV4_HEADER = 20  # bytes without options
_TCP_HEADER = 20
_UDP_HEADER = 8
_MORE_FRAGMENTS_OR_OFFSET = 0x3FFF
_TCP_CHECKSUM_AT = 16
_UDP_CHECKSUM_AT = 6


class Protocol(IntEnum):
    """Transport protocols with ports, by their IPv4 protocol number."""

    TCP = 6
    UDP = 17


class TcpFlags(IntFlag):
    """RFC 9293, section 3.1; the two of ECN are left out."""

    FIN = 0x01
    SYN = 0x02
    RST = 0x04
    PSH = 0x08
    ACK = 0x10
    URG = 0x20


NO_FLAGS = TcpFlags(0)
_FLAGS = tuple(TcpFlags(number) for number in range(64))  # made once: making one takes a quarter of a dissection


class MalformedPacket(ValueError):
    """The bytes are not a whole IPv4 packet carrying TCP or UDP; the text names the field."""


Flow = tuple[Protocol, IPv4Address, int, IPv4Address, int]


@dataclass(frozen=True, slots=True)
class Packet:
    """The fields of one TCP segment or UDP datagram that faults match on or report."""

    protocol: Protocol
    source: IPv4Address
    source_port: int
    destination: IPv4Address
    destination_port: int
    identification: int
    sequence_number: int | None
    """TCP's; None for UDP."""
    transport_at: int
    """Bytes from the start of the packet to the TCP or UDP header."""
    payload_at: int
    end: int
    """Bytes from the start to the end of the IPv4 packet, which may be short of the buffer's."""
    flags: TcpFlags = NO_FLAGS
    """TCP's; none for UDP."""

    @property
    def flow(self) -> Flow:
        """Who sends to whom: one direction of a connection, for as long as its addresses and ports last."""
        return self.protocol, self.source, self.source_port, self.destination, self.destination_port

    @property
    def payload_length(self) -> int:
        return self.end - self.payload_at


def dissect(data: bytes) -> Packet:
    """Read the IPv4 packet in `data`. Raises MalformedPacket if it is cut short, a fragment, or neither TCP nor UDP."""
    if len(data) < _IPV4_HEADER:
        raise MalformedPacket(f"IPv4 header: expected at least {_IPV4_HEADER} bytes, found {len(data)}")
    version, header_length = data[0] >> 4, (data[0] & 0x0F) * 4
    if version != 4:
        raise MalformedPacket(f"IP version: expected 4, found {version}")
    total_length, identification, fragment, _ttl, number = struct.unpack_from("!HHHBB", data, 2)
    if header_length < _IPV4_HEADER or not header_length <= total_length <= len(data):
        raise MalformedPacket(
            f"IPv4 lengths: header {header_length} and packet {total_length} do not fit in {len(data)} bytes"
        )
    if fragment & _MORE_FRAGMENTS_OR_OFFSET:
        raise MalformedPacket("IPv4 fragment: its transport header cannot be judged")
    try:
        protocol = Protocol(number)
    except ValueError:
        raise MalformedPacket(f"IPv4 protocol: expected 6 (TCP) or 17 (UDP), found {number}") from None
    payload_at, sequence_number = _transport(data, protocol, header_length, total_length)
    source_port, destination_port = struct.unpack_from("!HH", data, header_length)
    return Packet(
        protocol=protocol,
        source=IPv4Address(data[12:16]),
        source_port=source_port,
        destination=IPv4Address(data[16:20]),
        destination_port=destination_port,
        identification=identification,
        sequence_number=sequence_number,
        transport_at=header_length,
        payload_at=payload_at,
        end=total_length,
        flags=_flags(data, protocol, header_length),
    )


def _flags(data: bytes, protocol: Protocol, start: int) -> TcpFlags:
    return _FLAGS[data[start + 13] & 0x3F] if protocol is Protocol.TCP else NO_FLAGS


def _transport(data: bytes, protocol: Protocol, start: int, end: int) -> tuple[int, int | None]:
    """Where the payload begins, and TCP's sequence number."""
    smallest = _TCP_HEADER if protocol is Protocol.TCP else _UDP_HEADER
    if end - start < smallest:
        raise MalformedPacket(f"{protocol.name} header: expected at least {smallest} bytes, found {end - start}")
    if protocol is Protocol.UDP:
        return start + _UDP_HEADER, None
    data_offset = (data[start + 12] >> 4) * 4
    if not _TCP_HEADER <= data_offset <= end - start:
        raise MalformedPacket(f"TCP data offset: {data_offset} does not fit in {end - start} bytes")
    return start + data_offset, int.from_bytes(data[start + 4 : start + 8])


def internet_checksum(data: bytes) -> int:
    """The ones' complement of the ones' complement sum of 16-bit words (RFC 1071); over a right checksum it is 0."""
    if len(data) % 2:
        data += b"\0"
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def transport_checksum(data: bytes, packet: Packet) -> int:
    """The checksum over the pseudo-header and the segment or datagram as they stand, checksum field included."""
    length = packet.end - packet.transport_at
    pseudo_header = data[12:20] + struct.pack("!BBH", 0, packet.protocol, length)
    return internet_checksum(pseudo_header + data[packet.transport_at : packet.end])


def with_byte_flipped(data: bytes, packet: Packet, offset: int, mask: int) -> bytes:
    """The same packet with the payload byte at `offset` XORed with `mask`, and the transport checksum made right.

    Raises IndexError if the payload has no byte there.
    """
    if not 0 <= offset < packet.payload_length:
        raise IndexError(f"payload offset {offset}: the payload has {packet.payload_length} bytes")
    changed = bytearray(data)
    changed[packet.payload_at + offset] ^= mask
    return _with_right_checksum(changed, packet)


def with_text_replaced(data: bytes, packet: Packet, old: bytes, new: bytes) -> bytes:
    """The same packet with `new` wherever its payload has `old`, as many bytes, and the transport checksum made right.

    Raises ValueError if the two differ in length: TCP counts every byte.
    """
    if len(old) != len(new):
        raise ValueError(f"{len(old)} bytes cannot become {len(new)}")
    changed = bytearray(data)
    changed[packet.payload_at : packet.end] = data[packet.payload_at : packet.end].replace(old, new)
    return _with_right_checksum(changed, packet)


def with_damage(data: bytes, packet: Packet) -> bytes:
    """The same packet with its last byte inverted and the checksum left as it was, which is now wrong."""
    changed = bytearray(data)
    changed[packet.end - 1] ^= 0xFF
    return bytes(changed)


def _with_right_checksum(changed: bytearray, packet: Packet) -> bytes:
    checksum_at = packet.transport_at + (_TCP_CHECKSUM_AT if packet.protocol is Protocol.TCP else _UDP_CHECKSUM_AT)
    unchecked = packet.protocol is Protocol.UDP and changed[checksum_at : checksum_at + 2] == b"\0\0"
    if not unchecked:  # RFC 768: zero says that the sender computed none
        struct.pack_into("!H", changed, checksum_at, 0)
        checksum = transport_checksum(bytes(changed), packet)
        if packet.protocol is Protocol.UDP:
            checksum = checksum or 0xFFFF  # RFC 768: a computed zero is sent as all ones
        struct.pack_into("!H", changed, checksum_at, checksum)
    return bytes(changed)
