"""ARP packets in Ethernet frames (RFC 826). Pure."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from ipaddress import IPv4Address

ETHERTYPE = 0x0806
BROADCAST = b"\xff" * 6
_PACKET = struct.Struct("!HHBBH6s4s6s4s")
_ETHERNET_HEADER = 14  # bytes
_ETHERNET, _IPV4 = 1, 0x0800
REQUEST, REPLY = 1, 2


@dataclass(frozen=True, slots=True)
class ArpPacket:
    """Who says to have which addresses, and whom it is said to."""

    operation: int
    sender_hardware: bytes
    sender: IPv4Address
    target_hardware: bytes
    target: IPv4Address


def frame(packet: ArpPacket, source: bytes, destination: bytes) -> bytes:
    """`packet` from `source` to `destination`, which need not be those in the packet."""
    return (
        destination
        + source
        + ETHERTYPE.to_bytes(2)
        + _PACKET.pack(
            *(_ETHERNET, _IPV4, 6, 4, packet.operation),
            *(packet.sender_hardware, packet.sender.packed, packet.target_hardware, packet.target.packed),
        )
    )


def parse(data: bytes) -> ArpPacket | None:
    """The ARP packet in an Ethernet frame; None if it holds none for IPv4."""
    if len(data) < _ETHERNET_HEADER + _PACKET.size or data[12:14] != ETHERTYPE.to_bytes(2):
        return None
    hardware, protocol, _, _, operation, *ends = _PACKET.unpack_from(data, _ETHERNET_HEADER)
    if (hardware, protocol) != (_ETHERNET, _IPV4):
        return None
    return ArpPacket(operation, ends[0], IPv4Address(ends[1]), ends[2], IPv4Address(ends[3]))
