"""Reading and changing IPv4 packets. They are built here from the RFCs' pictures, their checksums in another way."""

from __future__ import annotations

import struct
from ipaddress import IPv4Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from middlebox.packet import (
    MalformedPacket,
    Protocol,
    dissect,
    internet_checksum,
    transport_checksum,
    with_byte_flipped,
)

SOURCE, DESTINATION = IPv4Address("10.77.3.10"), IPv4Address("10.77.2.2")


def slow_checksum(data: bytes) -> int:
    """RFC 1071 said differently: the sum of the words modulo 65535."""
    padded = data + b"\0" * (len(data) % 2)
    total = sum(padded[at] * 256 + padded[at + 1] for at in range(0, len(padded), 2))
    return 0xFFFF - (total % 0xFFFF or (0xFFFF if total else 0))


def ipv4(
    protocol: int, segment: bytes, *, options: bytes = b"", identification: int = 7, fragment: int = 0x4000
) -> bytes:
    header_length = 20 + len(options)
    return (
        struct.pack(
            "!BBHHHBBH4s4s",
            *(0x40 | header_length // 4, 0, header_length + len(segment), identification, fragment, 63, protocol, 0),
            *(SOURCE.packed, DESTINATION.packed),
        )
        + options
        + segment
    )


def tcp(payload: bytes, *, options: bytes = b"", sequence_number: int = 0xDEADBEEF) -> bytes:
    offset = (20 + len(options)) // 4
    header = struct.pack("!HHIIBBHHH", 443, 51000, sequence_number, 1, offset << 4, 0x18, 500, 0, 0) + options
    pseudo = SOURCE.packed + DESTINATION.packed + struct.pack("!BBH", 0, 6, len(header) + len(payload))
    checksum = slow_checksum(pseudo + header + payload)
    return header[:16] + struct.pack("!H", checksum) + header[18:] + payload


def udp(payload: bytes, *, checked: bool = True) -> bytes:
    header = struct.pack("!HHHH", 53, 40000, 8 + len(payload), 0)
    pseudo = SOURCE.packed + DESTINATION.packed + struct.pack("!BBH", 0, 17, 8 + len(payload))
    checksum = slow_checksum(pseudo + header + payload) or 0xFFFF
    return header[:6] + struct.pack("!H", checksum if checked else 0) + payload


def test_a_tcp_segment_is_read() -> None:
    packet = dissect(ipv4(6, tcp(b"hello")))

    assert (packet.protocol, packet.source, packet.source_port) == (Protocol.TCP, SOURCE, 443)
    assert (packet.destination, packet.destination_port) == (DESTINATION, 51000)
    assert (packet.identification, packet.sequence_number, packet.payload_length) == (7, 0xDEADBEEF, 5)


def test_options_of_both_headers_are_stepped_over() -> None:
    data = ipv4(6, tcp(b"hello", options=b"\x01" * 12), options=b"\x01" * 8)

    assert data[dissect(data).payload_at :] == b"hello"


def test_a_udp_datagram_is_read() -> None:
    packet = dissect(ipv4(17, udp(b"query")))

    assert (packet.protocol, packet.source_port, packet.destination_port) == (Protocol.UDP, 53, 40000)
    assert (packet.sequence_number, packet.payload_length) == (None, 5)


def test_bytes_after_the_packet_are_not_payload() -> None:
    assert dissect(ipv4(6, tcp(b"hello")) + b"\0" * 6).payload_length == 5


@pytest.mark.parametrize("length", range(len(ipv4(6, tcp(b"")))))
def test_a_packet_cut_short_is_refused(length: int) -> None:
    with pytest.raises(MalformedPacket):
        dissect(ipv4(6, tcp(b""))[:length])


@pytest.mark.parametrize(
    ("data", "because"),
    [
        (b"\x60" + ipv4(6, tcp(b""))[1:], "IP version: expected 4, found 6"),
        (b"\x44" + ipv4(6, tcp(b""))[1:], "header 16"),
        (ipv4(1, b"\0" * 8), "found 1"),
        (ipv4(6, tcp(b""), fragment=0x2000), "fragment"),
        (ipv4(17, udp(b""), fragment=0x0001), "fragment"),
        (ipv4(6, b"\0" * 19), "TCP header: expected at least 20 bytes, found 19"),
        (ipv4(17, b"\0" * 7), "UDP header: expected at least 8 bytes, found 7"),
        (ipv4(6, tcp(b"")[:12] + b"\x40" + tcp(b"")[13:]), "data offset: 16"),
        (ipv4(6, tcp(b"")[:12] + b"\xf0" + tcp(b"")[13:]), "data offset: 60"),
    ],
)
def test_a_packet_that_cannot_be_judged_is_refused_with_the_field(data: bytes, because: str) -> None:
    with pytest.raises(MalformedPacket, match=because):
        dissect(data)


def test_rfc_1071_s_own_example() -> None:
    assert internet_checksum(bytes.fromhex("0001f203f4f5f6f7")) == 0xFFFF - 0xDDF2


@given(st.binary(max_size=200))
def test_the_checksum_agrees_with_its_other_definition(data: bytes) -> None:
    assert internet_checksum(data) == slow_checksum(data)


@pytest.mark.parametrize("segment", [(6, tcp(b"odd")), (17, udp(b"odd")), (6, tcp(b"even"))])
def test_over_a_right_packet_the_checksum_is_zero(segment: tuple[int, bytes]) -> None:
    data = ipv4(*segment)

    assert transport_checksum(data, dissect(data)) == 0


@given(st.sampled_from([6, 17]), st.binary(min_size=1, max_size=60), st.data())
def test_a_flipped_byte_changes_that_byte_and_leaves_a_right_checksum(
    protocol: int, payload: bytes, draw: st.DataObject
) -> None:
    offset = draw.draw(st.integers(0, len(payload) - 1))
    mask = draw.draw(st.integers(1, 255))
    data = ipv4(protocol, tcp(payload) if protocol == 6 else udp(payload))
    packet = dissect(data)

    changed = with_byte_flipped(data, packet, offset, mask)

    assert dissect(changed) == packet
    assert transport_checksum(changed, packet) == 0
    differing = [at for at, (before, after) in enumerate(zip(data, changed, strict=True)) if before != after]
    checksum_at = packet.transport_at + (16 if protocol == 6 else 6)
    assert set(differing) - {checksum_at, checksum_at + 1} == {packet.payload_at + offset}
    assert changed[packet.payload_at + offset] == payload[offset] ^ mask


def test_a_datagram_without_a_checksum_gets_none() -> None:
    data = ipv4(17, udp(b"query", checked=False))

    changed = with_byte_flipped(data, dissect(data), 0, 0xFF)

    assert changed[26:28] == b"\0\0"
    assert changed[28:] == bytes([ord("q") ^ 0xFF]) + b"uery"


@pytest.mark.parametrize("offset", [-1, 5])
def test_a_byte_that_is_not_there_cannot_be_flipped(offset: int) -> None:
    data = ipv4(6, tcp(b"hello"))

    with pytest.raises(IndexError, match="the payload has 5 bytes"):
        with_byte_flipped(data, dissect(data), offset, 0xFF)
