"""The QUIC packets in a datagram, told apart by their headers, which are not encrypted where it matters. Pure.

RFC 9000, sections 12.2 and 17. Packet numbers and contents are the two ends' own business.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

_LONG_HEADER = 0x80
_FIXED_BIT = 0x40
_VERSION_1 = b"\x00\x00\x00\x01"


class PacketType(IntEnum):
    """RFC 9000, section 17.2, table 5; ONE_RTT has the short header and no type field."""

    INITIAL = 0
    ZERO_RTT = 1
    HANDSHAKE = 2
    RETRY = 3
    ONE_RTT = 4
    UNKNOWN = 5
    """Version negotiation, or a version that is not 1."""


@dataclass(frozen=True, slots=True)
class QuicPacket:
    """One packet, and where it lies in the datagram."""

    type: PacketType
    start: int
    end: int


def packets(payload: bytes) -> tuple[QuicPacket, ...]:
    """The packets coalesced in `payload`; padding and what is no QUIC at its end are left out."""
    found = []
    at = 0
    while at < len(payload):
        packet = _packet(payload, at)
        if packet is None:
            break
        found.append(packet)
        at = packet.end
    return tuple(found)


def _packet(payload: bytes, start: int) -> QuicPacket | None:
    end = len(payload)
    first = payload[start]
    if not first & _LONG_HEADER:
        return QuicPacket(PacketType.ONE_RTT, start, end) if first & _FIXED_BIT else None
    if payload[start + 1 : start + 5] != _VERSION_1:
        return QuicPacket(PacketType.UNKNOWN, start, end)
    kind = PacketType(first >> 4 & 3)
    if kind is PacketType.RETRY:
        return QuicPacket(kind, start, end)
    try:
        at = start + 5
        for _ in ("destination connection id", "source connection id"):
            at += 1 + payload[at]
        if kind is PacketType.INITIAL:
            token_length, at = _variable_length(payload, at)
            at += token_length
        length, at = _variable_length(payload, at)
    except IndexError:  # cut short
        return None
    return QuicPacket(kind, start, min(end, at + length))


def _variable_length(payload: bytes, at: int) -> tuple[int, int]:
    """The integer at `at` (RFC 9000, section 16) and what comes after it. Raises IndexError."""
    size = 1 << (payload[at] >> 6)
    if at + size > len(payload):
        raise IndexError(at)
    return int.from_bytes(payload[at : at + size]) & ((1 << (8 * size - 2)) - 1), at + size
