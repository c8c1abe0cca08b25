"""How many round trips a connection took, counted from who had to wait for whom. Pure.

A round trip is over when the client sends something that it could not have sent before hearing from the server. Bare
acknowledgments, session tickets and settings hold nobody up and do not count; neither does the clock, so the count is
the same on a short link and a long one.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum

from observer.connections import Connection
from observer.exchanges import exchanges
from observer.messages import Frame, HandshakeType, QuicPacketType, TcpFlags

_AFTERTHOUGHTS = {HandshakeType.NEW_SESSION_TICKET, HandshakeType.KEY_UPDATE}
"""Sent when the handshake is over (RFC 8446, section 4.6). TLS 1.2's ticket travels with the server's Finished."""


class _Speaker(Enum):
    CLIENT = "client"
    SERVER = "server"


def before_first_request(connection: Connection) -> int | None:
    """The round trips from the connection's first frame to its first request.

    TCP takes one (RFC 9293, section 3.5), TLS 1.3 one more, TLS 1.2 two, QUIC one for both (RFC 9001, section 4);
    a request among early data waits for none (RFC 8446, section 2.3). None where the start or the request was not seen.
    """
    asked = first_request(connection)
    if asked is None or connection.identity is None:
        return None
    return _turns(_waited_for(connection, asked))


def first_request(connection: Connection) -> Frame | None:
    """The frame with the connection's first request."""
    return next((f for f in connection.frames if any(message.is_request for message in f.http)), None)


def of_exchanges(connection: Connection) -> int:
    """The round trips that the connection's requests and responses took: how often a request was sent, or the end
    reached, only after the responses before it had come.

    Ten resources asked for one after the other take ten, asked for at once one.
    """
    done = [e for e in exchanges(connection) if e.response_end is not None]
    marks = [(e.request_start.number, _Speaker.CLIENT) for e in done]
    marks += [(e.response_end.number, _Speaker.SERVER) for e in done if e.response_end]
    speakers = [speaker for _, speaker in sorted(marks, key=lambda mark: mark[0])]
    # The last response ends the last round trip: count as if another request followed it.
    return _turns(iter([*speakers, _Speaker.CLIENT])) if speakers else 0


def _turns(speakers: Iterator[_Speaker]) -> int:
    """How often the client speaks after the server."""
    turns, before = 0, _Speaker.CLIENT
    for speaker in speakers:
        if speaker is _Speaker.CLIENT and before is _Speaker.SERVER:
            turns += 1
        before = speaker
    return turns


def _waited_for(connection: Connection, last: Frame) -> Iterator[_Speaker]:
    """Who spoke, message by message, up to `last`; only messages the other side may have to wait for."""
    heard: set[object] = set()
    for frame in connection.frames:
        if frame.number >= last.number:
            break
        if connection.from_client(frame):
            if _opens(frame) or _handshake(frame):
                yield _Speaker.CLIENT
        # A server that repeats itself (QUIC has no field that says so) holds nobody up a second time.
        elif new := _server_words(frame) - heard:
            heard |= new
            yield _Speaker.SERVER
    yield _Speaker.CLIENT


def _opens(frame: Frame) -> bool:
    return bool(frame.tcp and frame.tcp.flags & TcpFlags.SYN)


def _handshake(frame: Frame) -> set[int]:
    return set(frame.tls.handshake) - _AFTERTHOUGHTS if frame.tls else set()


def _server_words(frame: Frame) -> set[object]:
    words: set[object] = set(_handshake(frame))
    if frame.tls and frame.tls.server_hello:
        words.add(frame.tls.server_hello.random)  # a HelloRetryRequest and the ServerHello after it differ in this
    if _opens(frame):
        words.add(TcpFlags.SYN)
    if frame.quic and QuicPacketType.RETRY in frame.quic.packet_types:
        words.add(QuicPacketType.RETRY.name)
    return words
