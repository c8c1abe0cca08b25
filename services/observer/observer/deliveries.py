"""When bytes that arrived could be used: what comes after a hole waits until the hole is filled. Pure.

TCP hands its bytes on in order, whatever they belong to (RFC 9293, section 3.4), so HTTP/2's streams all share one
order; in QUIC each stream has an order of its own (RFC 9000, section 2.2). What was sent is read from the sender's
link, what arrived from the receiver's: behind a hole a dissector sees no HTTP/2 frames.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from heapq import heappop, heappush

from observer.connections import Connection
from observer.messages import Frame, StreamData

_H2_DATA, _H2_HEADERS = 0, 1  # RFC 9113, section 6
_SEQUENCE_SPACE = 1 << 32
# UDP's header, the shortest of a QUIC packet and of a STREAM frame, the tag of its AEAD (RFC 9001, section 5.3).
_LEAST_AROUND = 8 + 2 + 2 + 16


@dataclass(frozen=True, slots=True)
class Piece:
    """Bytes `start` to `end` of one ordered sequence, as they arrived with `frame`; `streams` have data in them."""

    start: int
    end: int
    frame: Frame
    streams: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Delivery:
    """A stream's data that arrived with one frame and could be used once another had come."""

    stream: int
    arrived: Frame
    usable: Frame

    @property
    def waited_ns(self) -> int:
        return self.usable.time_ns - self.arrived.time_ns


def tcp_deliveries(sent: Connection, received: Connection) -> tuple[Delivery, ...]:
    """What the server sent on HTTP/2 streams over `sent`, the connection on its own link, as it reached `received`.

    A stream has data in a segment if one of its frames ends there.
    """
    streams_of = {start: _http2_streams(frame) for start, _, frame in _segments(sent) if any(_http2_streams(frame))}
    pieces = [Piece(start, end, frame, streams_of.get(start, ())) for start, end, frame in _segments(received)]
    return tuple(in_order(pieces))


def quic_deliveries(sent: Connection, received: Connection) -> tuple[Delivery, ...]:
    """What the server sent on HTTP/3's request streams over `sent`, as it reached `received`."""
    offsets = _offsets(sent)
    pieces: dict[int, list[Piece]] = defaultdict(list)
    for frame, data in _stream_frames(received):
        end = _end(frame, data, offsets.get(data.stream, ()))
        pieces[data.stream].append(Piece(data.offset, end, frame, (data.stream,)))
    found = [delivery for own in pieces.values() for delivery in in_order(own)]
    return tuple(sorted(found, key=lambda delivery: delivery.arrived.time_ns))


def whole_streams(connection: Connection) -> Mapping[int, Frame]:
    """The frame with which all that the server sent on a request stream was there, its end (FIN) included; none for a
    stream that has a hole or no end."""
    offsets = _offsets(connection)
    pieces: dict[int, list[Piece]] = defaultdict(list)
    for frame, data in _stream_frames(connection):
        # The end takes a place of its own: it may come again, or later, with bytes that were there without it.
        end = _end(frame, data, offsets[data.stream]) + data.last
        pieces[data.stream].append(Piece(data.offset, end, frame, (data.stream,) if data.last else ()))
    found: dict[int, Frame] = {}
    for own in pieces.values():
        for delivery in in_order(own):
            found.setdefault(delivery.stream, delivery.usable)
    return found


def in_order(pieces: Iterable[Piece]) -> Iterator[Delivery]:
    """Deliveries of one sequence from byte 0 on, whose pieces are given as they arrived; those that never became
    usable are left out."""
    reached = 0
    waiting: list[tuple[int, int, Piece]] = []  # a heap: by their first byte, then as they arrived
    for place, piece in enumerate(pieces):
        if piece.end <= reached:
            continue  # a copy of what was there already
        heappush(waiting, (piece.start, place, piece))
        while waiting and waiting[0][0] <= reached:
            held = heappop(waiting)[2]
            reached = max(reached, held.end)
            yield from (Delivery(stream, held.frame, piece.frame) for stream in held.streams)


def _segments(connection: Connection) -> Iterator[tuple[int, int, Frame]]:
    """The server's segments with their first byte and the one after the last, counted from its first one."""
    assert len(connection.opening) > 1 and connection.opening[1].tcp, "the connection's start was not seen"
    first = connection.opening[1].tcp.sequence_number + 1  # SYN takes one number (RFC 9293, section 3.4)
    for frame in connection.frames:
        if frame.tcp and frame.tcp.length and connection.from_server(frame):
            start = (frame.tcp.sequence_number - first) % _SEQUENCE_SPACE
            yield start, start + frame.tcp.length, frame


def _http2_streams(frame: Frame) -> tuple[int, ...]:
    typed = zip(frame.http2_frame_types, frame.http2_stream_ids, strict=True)
    return tuple(dict.fromkeys(stream for kind, stream in typed if kind in (_H2_DATA, _H2_HEADERS)))


def _stream_frames(connection: Connection) -> Iterator[tuple[Frame, StreamData]]:
    """The server's STREAM frames on streams that clients opened for requests (RFC 9114, section 6.1)."""
    for frame in connection.frames:
        if frame.quic and frame.quic.stream_data and connection.from_server(frame):
            yield from ((frame, data) for data in frame.quic.stream_data if data.stream % 4 == 0)


def _offsets(connection: Connection) -> Mapping[int, Sequence[int]]:
    """Where the pieces of each request stream begin, in order."""
    found: dict[int, set[int]] = defaultdict(set)
    for _, data in _stream_frames(connection):
        found[data.stream].add(data.offset)
    return {stream: sorted(offsets) for stream, offsets in found.items()}


def _end(frame: Frame, data: StreamData, offsets: Sequence[int]) -> int:
    """The byte after the last; without a length of its own, where a piece that was ever sent begins: the next one, but
    for those that a datagram of this length reaches beyond, for they repeat parts of this one."""
    if data.length is not None:
        return data.offset + max(data.length, 1)  # an empty frame that ends the stream is something, too
    after = bisect_right(offsets, data.offset)
    room = frame.udp.length - _LEAST_AROUND if frame.udp else 0
    reach = max(bisect_right(offsets, data.offset + room) - 1, after)
    return offsets[reach] if reach < len(offsets) else data.offset + 1
