"""TLS records in a TCP stream, found by their headers alone: which bytes of a segment belong to which record. Pure.

RFC 8446, section 5.1, and RFC 5246, section 6.2.1: type (1 byte), version (2), length (2), then that many bytes.
"""

from __future__ import annotations

from dataclasses import dataclass

from middlebox.packet import Packet, TcpFlags

HEADER_LENGTH = 5
_TYPES = range(20, 25)  # change_cipher_spec, alert, handshake, application_data, heartbeat
_MAJOR_VERSION = 3
_MOST_SEGMENTS_AHEAD = 64
_SEQUENCE_NUMBERS = 1 << 32


@dataclass(frozen=True, slots=True)
class Part:
    """Where a countable thing lies relative to a payload: it may begin before (`start` < 0) and end after it."""

    number: int
    start: int
    end: int | None
    """None while its length has not been seen."""

    @property
    def begins_here(self) -> bool:
        return self.start >= 0


class RecordStream:
    """One direction of one TCP connection, from its SYN on, or from the first segment that begins as a record does.

    What was sent before is not counted again; what comes ahead of its turn is counted in its turn, and not located.
    """

    def __init__(self) -> None:
        self._next: int | None = None
        """The sequence number due."""
        self._ahead: dict[int, bytes] = {}
        self._reader = _RecordReader()

    def take(self, packet: Packet, payload: bytes) -> tuple[Part, ...]:
        """The records of which `payload` holds bytes never sent before, numbered from 1."""
        sequence_number = packet.sequence_number
        if sequence_number is None:
            return ()
        if packet.flags & TcpFlags.SYN:
            self.__init__()  # type: ignore[misc]  # a new connection, all over
            self._next = (sequence_number + 1) % _SEQUENCE_NUMBERS
            return ()
        if self._next is None and looks_like_a_record(payload):
            self._next = sequence_number
        if self._next is None or not payload:
            return ()
        behind = _difference(self._next, sequence_number)
        if behind < 0:
            if len(self._ahead) < _MOST_SEGMENTS_AHEAD:
                self._ahead[sequence_number] = payload
            return ()
        parts = self._feed(payload[behind:])
        self._catch_up()
        return tuple(
            Part(part.number, part.start + behind, None if part.end is None else part.end + behind) for part in parts
        )

    def _feed(self, fresh: bytes) -> tuple[Part, ...]:
        assert self._next is not None
        self._next = (self._next + len(fresh)) % _SEQUENCE_NUMBERS
        return self._reader.feed(fresh)

    def _catch_up(self) -> None:
        while self._next is not None:
            due = [number for number in self._ahead if _difference(self._next, number) >= 0]
            if not due:
                return
            payload = self._ahead.pop(due[0])
            self._feed(payload[_difference(self._next, due[0]) :])


class _RecordReader:
    """Cuts a stream of bytes into records. What does not look like a record ends the reading for good."""

    def __init__(self) -> None:
        self._offset = 0
        self._number = 0
        self._start = 0
        self._end: int | None = 0
        self._header = b""
        self._foreign = False

    def feed(self, payload: bytes) -> tuple[Part, ...]:
        base, at, end = self._offset, self._offset, self._offset + len(payload)
        self._offset = end
        parts = []
        while at < end and not self._foreign:
            if at == self._end:
                self._start, self._end, self._header = at, None, b""
                self._number += 1
            if self._end is None:
                at = self._read_header(payload[at - base :], at)
                if self._foreign:
                    break
            parts.append(Part(self._number, self._start - base, None if self._end is None else self._end - base))
            if self._end is None:
                break
            at = min(end, self._end)
        return tuple(parts)

    def _read_header(self, rest: bytes, at: int) -> int:
        taken = rest[: HEADER_LENGTH - len(self._header)]
        self._header += taken
        if not looks_like_a_record(self._header):
            self._foreign = True
        elif len(self._header) == HEADER_LENGTH:
            self._end = self._start + HEADER_LENGTH + int.from_bytes(self._header[3:])
        return at + len(taken)


def looks_like_a_record(payload: bytes) -> bool:
    """Could these be a record's first bytes?"""
    return payload[:1] != b"" and payload[0] in _TYPES and payload[1:2] in (b"", bytes([_MAJOR_VERSION]))


def _difference(left: int, right: int) -> int:
    """How far `left` is after `right` in sequence numbers, which wrap (RFC 9293, section 3.4)."""
    distance = (left - right) % _SEQUENCE_NUMBERS
    return distance - _SEQUENCE_NUMBERS if distance >= _SEQUENCE_NUMBERS // 2 else distance
