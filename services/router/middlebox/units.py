"""What positions count: "the 3rd data segment", "every SYN", "the 5th TLS record". Pure."""

from __future__ import annotations

from enum import Enum

from middlebox.packet import Packet, Protocol, TcpFlags

_OPENING_OR_CLOSING = TcpFlags.SYN | TcpFlags.FIN | TcpFlags.RST


class Unit(Enum):
    """A countable thing on the wire; the value is its name in sentences and in JSON.

    TLS records and QUIC packets are counted within one direction of one connection, everything else over all of them.
    """

    PACKET = "packet"
    DATA_PACKET = "data packet"
    SEGMENT = "segment"
    DATA_SEGMENT = "data segment"
    DATAGRAM = "datagram"
    DATA_DATAGRAM = "data datagram"
    SYN = "SYN"
    """A connection's first segment (RFC 9293, section 3.5)."""
    SYN_ACK = "SYN ACK"
    """The second one."""
    ACK = "bare ACK"
    """An acknowledgment and nothing else."""
    FIN = "FIN"
    RST = "RST"
    TLS_RECORD = "TLS record"
    """RFC 8446, section 5.1: also where it shares a segment with others, or needs several."""
    QUIC_PACKET = "QUIC packet"
    """RFC 9000, section 12.2: also where it shares a datagram with others."""
    QUIC_INITIAL = "QUIC Initial"

    @property
    def protocol(self) -> Protocol | None:
        """The transport such a thing comes in; None where any will do."""
        return _PROTOCOLS.get(self)

    @property
    def within_connection(self) -> bool:
        return self in (Unit.TLS_RECORD, Unit.QUIC_PACKET, Unit.QUIC_INITIAL)

    def covers(self, packet: Packet) -> bool:
        """Is `packet` one, or, for what is counted within a connection, may it hold any?"""
        if self.protocol not in (None, packet.protocol):
            return False
        if self in _FLAGS:
            among, exactly = _FLAGS[self]
            return packet.flags & among == exactly and not (self is Unit.ACK and packet.payload_length)
        return bool(packet.payload_length) or self not in _WITH_PAYLOAD


_PROTOCOLS = {
    **dict.fromkeys((Unit.SEGMENT, Unit.DATA_SEGMENT, Unit.TLS_RECORD), Protocol.TCP),
    **dict.fromkeys((Unit.SYN, Unit.SYN_ACK, Unit.ACK, Unit.FIN, Unit.RST), Protocol.TCP),
    **dict.fromkeys((Unit.DATAGRAM, Unit.DATA_DATAGRAM, Unit.QUIC_PACKET, Unit.QUIC_INITIAL), Protocol.UDP),
}
_WITH_PAYLOAD = frozenset({Unit.DATA_PACKET, Unit.DATA_SEGMENT, Unit.DATA_DATAGRAM, Unit.TLS_RECORD})
_FLAGS = {
    Unit.SYN: (TcpFlags.SYN | TcpFlags.ACK, TcpFlags.SYN),
    Unit.SYN_ACK: (TcpFlags.SYN | TcpFlags.ACK, TcpFlags.SYN | TcpFlags.ACK),
    Unit.ACK: (_OPENING_OR_CLOSING | TcpFlags.ACK, TcpFlags.ACK),
    Unit.FIN: (TcpFlags.FIN, TcpFlags.FIN),
    Unit.RST: (TcpFlags.RST, TcpFlags.RST),
}
"""Per unit: of these flags, exactly those."""
