"""Which connection an Ethernet frame belongs to, told from its headers alone, and quickly: for whole captures."""

from __future__ import annotations

from enum import Enum, IntEnum
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address
from typing import NamedTuple

_REMEMBERED = 65_536  # sightings kept, so that a flow's later frames cost no more than their bytes' comparison

_ETHERTYPE_AT, _UNTAGGED = 12, 14  # bytes into the frame: EtherType, and the network header if there is no VLAN tag
IPV4, _IPV6 = b"\x08\x00", b"\x86\xdd"
_VLAN_TAGS = frozenset((b"\x81\x00", b"\x88\xa8", b"\x91\x00"))  # IEEE 802.1Q, 802.1ad and what came before that

# IPv6 extension headers that a transport header may follow (RFC 8200, 4; RFC 4302)
_HOP_BY_HOP, _ROUTING, _FRAGMENT, _AUTHENTICATION, _DESTINATION = 0, 43, 44, 51, 60
_EXTENSIONS = (_HOP_BY_HOP, _ROUTING, _FRAGMENT, _AUTHENTICATION, _DESTINATION)

_MORE_FRAGMENTS, _FRAGMENT_OFFSET = 0x2000, 0x1FFF  # in IPv4's third word (RFC 791, 3.1)
_SYN, _ACK = 0x02, 0x10
_SYN_ACK = _SYN | _ACK
_SEQUENCE_SPACE = 1 << 32
_TCP_FLAGS_AT = 13  # bytes into the TCP header


class Transport(IntEnum):
    """Protocol numbers that a flow can have."""

    TCP = 6
    UDP = 17


_TCP, _UDP = int(Transport.TCP), int(Transport.UDP)  # an enum's members are slow to look up for every frame


class Fragment(Enum):
    """Whether a frame carries a whole IP packet. Only the first fragment has ports; a later one has none."""

    WHOLE = "whole"
    FIRST = "first"
    LATER = "later"


class Endpoint(NamedTuple):
    """An IP address as text, and a port; no port where the frame has none to show."""

    address: str
    port: int | None


class Flow(NamedTuple):
    """Both directions of a TCP connection or a UDP exchange. `low` has the lower address, then the lower port.

    A tuple, as Endpoint and Sighting are: it is looked up once per frame, and a dataclass takes five times as long to
    hash.
    """

    transport: Transport
    low: Endpoint
    high: Endpoint


class Sighting(NamedTuple):
    """What one frame shows of its flow. `syn` and `ack` are TCP's flags, False in UDP and in a later fragment."""

    flow: Flow
    sender: Endpoint
    syn: bool
    ack: bool
    fragment: Fragment


def sighting(frame: bytes) -> Sighting | None:
    """The flow that an Ethernet frame belongs to; VLAN tags are skipped.

    None for anything but TCP or UDP over IPv4 or IPv6, and for a frame too short for the headers that it begins.
    """
    if frame[_ETHERTYPE_AT:_UNTAGGED] == IPV4:  # nearly all
        return _in_ipv4(frame, _UNTAGGED)
    at = network_header_at(frame)
    ethertype = frame[at - 2 : at]
    if ethertype == IPV4:
        return _in_ipv4(frame, at)
    if ethertype == _IPV6:
        return _in_ipv6(frame, at)
    return None


def sequence_distance(start: int, end: int) -> int:
    """From one TCP sequence number to another, which may be before it (RFC 9293, section 3.4)."""
    half = _SEQUENCE_SPACE // 2
    return (end - start + half) % _SEQUENCE_SPACE - half


def network_header_at(frame: bytes) -> int:
    """Where an Ethernet frame's network header would begin, behind all VLAN tags. Its EtherType is just before that."""
    at = _UNTAGGED
    while frame[at - 2 : at] in _VLAN_TAGS:
        at += 4
    return at


def _in_ipv4(frame: bytes, at: int) -> Sighting | None:
    size = len(frame)
    if size < at + 20 or frame[at] >> 4 != 4:
        return None
    header_length = (frame[at] & 0x0F) << 2
    if header_length < 20:
        return None
    # Total Length leaves out Ethernet's padding. It is 0 in a frame of a sender that segments only later.
    end = at + (frame[at + 2] << 8 | frame[at + 3])
    if end > size or end == at:
        end = size
    word = frame[at + 6] << 8 | frame[at + 7]
    return _in_transport(
        frame,
        at + header_length,
        end,
        frame[at + 9],
        frame[at + 12 : at + 20],
        bool(word & _MORE_FRAGMENTS),
        bool(word & _FRAGMENT_OFFSET),
    )


def _in_ipv6(frame: bytes, at: int) -> Sighting | None:
    if len(frame) < at + 40 or frame[at] >> 4 != 6:
        return None
    payload_length = frame[at + 4] << 8 | frame[at + 5]
    end = min(len(frame), at + 40 + payload_length) if payload_length else len(frame)
    addresses = frame[at + 8 : at + 40]
    next_header = frame[at + 6]
    more = later = False
    at += 40
    while next_header in _EXTENSIONS and not later:
        if at + 8 > end:
            return None
        if next_header == _FRAGMENT:
            word = frame[at + 2] << 8 | frame[at + 3]  # offset, two reserved bits, M flag (RFC 8200, 4.5)
            more, later = bool(word & 1), bool(word >> 3)
        length = _extension_length(next_header, frame[at + 1])
        next_header = frame[at]
        at += length
    return _in_transport(frame, at, end, next_header, addresses, more, later)


def _extension_length(header: int, length_field: int) -> int:
    """In bytes. The field counts in units of its own for AH (RFC 4302, 2.2); a Fragment header has none."""
    if header == _FRAGMENT:
        return 8
    return (length_field + 2) * 4 if header == _AUTHENTICATION else (length_field + 1) * 8


def _in_transport(
    frame: bytes, at: int, end: int, protocol: int, addresses: bytes, more: bool, later: bool
) -> Sighting | None:
    """`more`: more fragments follow this one; `later`: it is not the first."""
    if protocol == _TCP:
        header_end = at + 20
    elif protocol == _UDP:
        header_end = at + 8
    else:
        return None
    if later:
        return _remembered(protocol, addresses, b"", 0, more, True) if at <= end else None
    if header_end > end:
        return None
    flags = frame[at + _TCP_FLAGS_AT] & _SYN_ACK if protocol == _TCP else 0
    return _remembered(protocol, addresses, frame[at : at + 4], flags, more, False)


@lru_cache(_REMEMBERED)
def _remembered(protocol: int, addresses: bytes, ports: bytes, flags: int, more: bool, later: bool) -> Sighting:
    half = len(addresses) // 2
    source = addresses[:half], ports[:2]
    destination = addresses[half:], ports[2:]
    sender = _endpoint(*source)
    low, high = (_endpoint(*end) for end in sorted((source, destination)))
    fragment = Fragment.LATER if later else Fragment.FIRST if more else Fragment.WHOLE
    return Sighting(Flow(Transport(protocol), low, high), sender, bool(flags & _SYN), bool(flags & _ACK), fragment)


def _endpoint(address: bytes, port: bytes) -> Endpoint:
    ip = IPv4Address(address) if len(address) == 4 else IPv6Address(address)
    return Endpoint(str(ip), int.from_bytes(port, "big") if port else None)
