"""QUIC packets are told apart by their headers; whatever else comes is no reason to fail."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from middlebox.quic_packets import PacketType, QuicPacket, packets


def long_header(kind: PacketType, body: bytes, *, token: bytes = b"") -> bytes:
    """RFC 9000, section 17.2, the length as a two-byte integer."""
    start = bytes([0xC0 | kind << 4]) + b"\0\0\0\1" + b"\x04dcid" + b"\x02sc"
    token_part = bytes([len(token)]) + token if kind is PacketType.INITIAL else b""
    return start + token_part + (0x4000 | len(body)).to_bytes(2) + body


def test_initial_handshake_and_short_header_share_a_datagram() -> None:
    initial = long_header(PacketType.INITIAL, bytes(30), token=b"token")
    handshake = long_header(PacketType.HANDSHAKE, bytes(20))
    short = b"\x41 to the end"

    assert packets(initial + handshake + short) == (
        QuicPacket(PacketType.INITIAL, 0, len(initial)),
        QuicPacket(PacketType.HANDSHAKE, len(initial), len(initial + handshake)),
        QuicPacket(PacketType.ONE_RTT, len(initial + handshake), len(initial + handshake + short)),
    )


def test_padding_behind_a_packet_is_none() -> None:
    initial = long_header(PacketType.INITIAL, bytes(30))

    assert packets(initial + bytes(100)) == (QuicPacket(PacketType.INITIAL, 0, len(initial)),)


def test_retry_and_foreign_versions_take_the_whole_datagram() -> None:
    negotiation = b"\x80\0\0\0\0" + bytes(10)

    assert packets(b"\xf0\0\0\0\1" + bytes(40)) == (QuicPacket(PacketType.RETRY, 0, 45),)
    assert packets(negotiation) == (QuicPacket(PacketType.UNKNOWN, 0, 15),)


def test_a_header_cut_short_is_no_packet() -> None:
    whole = long_header(PacketType.INITIAL, b"", token=b"token")

    assert all(packets(whole[:length]) == () for length in range(1, len(whole)) if length >= 5)


@given(st.binary(max_size=100))
def test_anything_is_cut_into_packets_that_lie_in_it_one_after_the_other(payload: bytes) -> None:
    at = 0
    for packet in packets(payload):
        assert at == packet.start < packet.end <= len(payload)
        at = packet.end
