"""The QUIC packets of one datagram (RFC 9000; version 2: RFC 9369)."""

from __future__ import annotations

from observer.dissect.fields import Fields, unescaped
from observer.messages import QuicClose, QuicPackets, QuicPacketType, StreamData

# RFC 9369, section 3.2: the types of version 1 under other numbers.
_VERSION_2_TYPES = (QuicPacketType.RETRY, QuicPacketType.INITIAL, QuicPacketType.ZERO_RTT, QuicPacketType.HANDSHAKE)
_STREAM, _STREAM_BITS, _HAS_OFFSET, _HAS_LENGTH, _IS_LAST = 0x08, 0x07, 0x04, 0x02, 0x01


def quic_packets(fields: Fields) -> QuicPackets | None:
    if not fields.has("quic.connection.number") or not fields.has("udp.stream") or fields.quotes_another:
        return None
    long_headers = tuple(QuicPacketType(number) for number in fields.numbers("quic.long.packet_type"))
    long_headers += tuple(_VERSION_2_TYPES[number] for number in fields.numbers("quic.long.packet_type_v2"))
    short_headers = (QuicPacketType.ONE_RTT,) * len(fields.all("quic.short"))
    return QuicPackets(
        connection=fields.number("quic.connection.number") or 0,
        packet_types=long_headers + short_headers,
        frame_types=fields.numbers("quic.frame_type"),
        stream_ids=fields.numbers("quic.stream.stream_id"),
        destination_connection_id=fields.first("quic.dcid"),
        source_connection_id=fields.first("quic.scid"),
        packet_numbers=fields.numbers("quic.packet_number"),
        stream_data=stream_data(fields),
        close=_close(fields),
    )


def stream_data(fields: Fields) -> tuple[StreamData, ...]:
    """The STREAM frames: the low bits of a frame's type say whether it has an offset and a length (RFC 9000, 19.8)."""
    if not fields.has("quic.stream.stream_id"):
        return ()
    types = [kind for kind in fields.numbers("quic.frame_type") if kind & ~_STREAM_BITS == _STREAM]
    offsets, lengths = iter(fields.numbers("quic.stream.offset")), iter(fields.numbers("quic.stream.length"))
    return tuple(
        StreamData(
            stream,
            next(offsets, 0) if kind & _HAS_OFFSET else 0,
            next(lengths, None) if kind & _HAS_LENGTH else None,
            bool(kind & _IS_LAST),
        )
        for stream, kind in zip(fields.numbers("quic.stream.stream_id"), types, strict=False)
    )


def _close(fields: Fields) -> QuicClose | None:
    reason = unescaped(fields.first("quic.cc.reason_phrase") or "")
    if (code := fields.number("quic.cc.error_code")) is not None:
        return QuicClose(code, False, reason)
    code = fields.number("quic.cc.error_code.app")
    return None if code is None else QuicClose(code, True, reason)
