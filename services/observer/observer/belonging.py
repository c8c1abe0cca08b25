"""Whose frame is it, and does it open its connection: what the spool's search asks of each frame that it comes across.

Only of IPv4 without options, whose headers carry addresses and ports as 12 bytes in a row: a spool can be searched for
those at memory speed.
"""

from __future__ import annotations

import socket
from collections.abc import Iterable, Sequence
from functools import lru_cache

from observer.flow import IPV4, Flow, Transport, network_header_at, sequence_distance

_WITHOUT_OPTIONS = 0x45  # version 4, header of five words
_FRAGMENT_OFFSET = 0x1FFF
_QUIC_INITIAL = 0xC0
_TCP_SYN, _TCP_ACK = 0x02, 0x10
# In bytes: more than is ever under way here. The sequence numbers of another connection are as near once in 128.
_NEAR = 1 << 24


@lru_cache(1024)
def headers_of(flow: Flow) -> tuple[bytes, bytes]:
    """Addresses and ports as the two directions' headers carry them: 12 bytes in a row when IP has no options.

    Raises OSError for an address that is not dotted IPv4.
    """
    low, high = ((socket.inet_aton(end.address), (end.port or 0).to_bytes(2, "big")) for end in (flow.low, flow.high))
    return low[0] + high[0] + low[1] + high[1], high[0] + low[0] + high[1] + low[1]


def belongs(frame: bytes, flow: Flow) -> bool:
    """Whether `frame` is of that flow, in either direction.

    Fragments after the first carry no ports, and IP options move them: such frames are not recognised.
    """
    ip = _ipv4_at(frame)
    if ip is None or len(frame) < ip + 24 or frame[ip] != _WITHOUT_OPTIONS or frame[ip + 9] != flow.transport:
        return False
    word = frame[ip + 6] << 8 | frame[ip + 7]
    return not word & _FRAGMENT_OFFSET and frame[ip + 12 : ip + 24] in headers_of(flow)


def opening(frame: bytes, flow: Flow) -> bytes | None:
    """What tells the connection that `frame` opens: the SYN's sequence number, QUIC's version; None if it opens none.

    A retransmitted SYN has the same sequence number (RFC 9293, 3.4); a new connection on the same ports has another.
    QUIC: a long header with the fixed bit and type Initial (RFC 9000, 17.2.2).
    """
    ip = _ipv4_at(frame)
    if ip is None:
        return None
    if flow.transport is Transport.TCP:
        is_syn = len(frame) >= ip + 40 and frame[ip + 33] & (_TCP_SYN | _TCP_ACK) == _TCP_SYN
        return frame[ip + 24 : ip + 28] if is_syn else None
    payload = frame[ip + 28 :]
    is_initial = payload[:1] and payload[0] & 0xF0 == _QUIC_INITIAL and any(payload[1:5])
    return payload[1:5] if is_initial else None


def opened_at(flow: Flow, frames: Iterable[bytes]) -> int | None:
    """Which of a flow's frames opens its newest connection: the first of a row of retransmitted SYNs, say."""
    openings: Sequence[bytes | None] = [opening(frame, flow) for frame in frames]
    newest = next((mark for mark in reversed(openings) if mark is not None), None)
    return None if newest is None else openings.index(newest)


def goes_on(flow: Flow, earlier: Sequence[bytes], frame: bytes) -> bool:
    """Whether a flow's `frame` can be of the connection that its `earlier` frames are of: those ends may have had one
    before, and a client that moves in mid-connection comes without a SYN. Told by TCP's sequence numbers (RFC 9293,
    section 3.4); of QUIC nothing tells."""
    if flow.transport is not Transport.TCP:
        return True
    spoke = next((before for before in reversed(earlier) if _sender(before) == _sender(frame)), None)
    return spoke is None or abs(sequence_distance(_sequence(spoke), _sequence(frame))) < _NEAR


def _sender(frame: bytes) -> bytes:
    ip = network_header_at(frame)
    return frame[ip + 12 : ip + 16] + frame[ip + 20 : ip + 22]


def _sequence(frame: bytes) -> int:
    ip = network_header_at(frame)
    return int.from_bytes(frame[ip + 24 : ip + 28])


def _ipv4_at(frame: bytes) -> int | None:
    at = network_header_at(frame)
    return at if frame[at - 2 : at] == IPV4 else None
