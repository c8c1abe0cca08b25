"""HTTP/1.1 on one connection: which answer belongs to which request, and where each of both began. Pure.

The dissector shows a message on the frame with its last byte. Answers come in the order of their requests (RFC 9112,
section 9.3), but a message may be shown long after it began, and a request even after its answer: a server need not
wait for the end of what it refuses (RFC 9110, section 7.5).
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from observer.connections import Connection
from observer.flow import sequence_distance
from observer.messages import Frame, HandshakeType, HttpMessage, HttpVersion, RecordType, TcpSegment

_SEQUENCE_SPACE = 1 << 32
_AFTERTHOUGHTS = {HandshakeType.NEW_SESSION_TICKET, HandshakeType.KEY_UPDATE}
_SWITCHING_PROTOCOLS = 101


def is_final(status: int) -> bool:
    """1xx are interim (RFC 9110, section 15.2), but with 101 a connection leaves HTTP: no other answer follows."""
    return status >= 200 or status == _SWITCHING_PROTOCOLS


@dataclass(frozen=True, slots=True)
class Shown:
    """A message, the frame with its first byte as far as that is known, and the one that the dissector shows it on."""

    message: HttpMessage
    begun: Frame
    shown: Frame


class InOrder:
    """Takes a connection's frames in order. `asked` are its requests, `answers` their final responses by place."""

    def __init__(self, connection: Connection) -> None:
        self.asked: list[Shown] = []
        self.answers: dict[int, Shown] = {}
        self._open: deque[int] = deque()
        self._last: int | None = None  # the number of the last frame
        self._early: Shown | None = None  # the answer to a request that is still being sent
        self._sent, self._answered = _Unshown(), _Unshown()
        self._client = (connection.client.address, connection.client.port)
        # Whether what the client sends now is known to be the beginning of a request.
        self._from_a_start = connection.identity is not None

    @property
    def waiting(self) -> int | None:
        """The place of the oldest request without an answer."""
        return self._open[0] if self._open else None

    def broken_off(self) -> Frame | None:
        """With which frame an answer began that is not shown: nothing of it can be told, but that it is `waiting`'s."""
        return self._answered.begun() if self._open else None

    def add(self, frame: Frame) -> None:
        if frame.number == self._last:
            return  # the same again, and no other message
        self._last = frame.number
        if frame.tcp and (frame.source, frame.tcp.source_port) == self._client:
            self._sent.add(frame)
        elif self._open or self._sent:
            self._answered.add(frame)
        for message in frame.http:
            if message.version is HttpVersion.HTTP_1 and message.is_request:
                self._take_request(message, frame)
            elif message.version is HttpVersion.HTTP_1 and message.status is not None:
                self._take_response(message, message.status, frame)

    def _take_request(self, message: HttpMessage, frame: Frame) -> None:
        asked = Shown(message, self._sent.begun() or frame, frame)
        self._sent.end(frame)
        early, self._early = self._early, None
        if early and asked.begun.number < early.shown.number:
            self.answers[len(self.asked)] = early
        else:
            self._open.append(len(self.asked))
        self.asked.append(asked)
        self._from_a_start = True

    def _take_response(self, message: HttpMessage, status: int, frame: Frame) -> None:
        answer = Shown(message, self._answered.begun() or frame, frame)
        self._answered.end(frame)
        if not is_final(status):
            return
        if self._open:
            self.answers[self._open.popleft()] = answer
        elif self._sent and self._from_a_start and self._early is None:
            self._early = answer
        else:  # to a request from before the capture: what was sent so far was its own
            self._sent.clear()
            self._from_a_start = True


class _Unshown:
    """What one side sent since the dissector last showed a message of its: segments that may have bytes of HTTP."""

    def __init__(self) -> None:
        self._frames: list[Frame] = []
        self._cut = False  # a frame was captured with its beginning only: no message is put together from it
        self._reached: int | None = None  # the sequence number after all that was shown

    def __bool__(self) -> bool:
        return bool(self._frames) and not self._cut

    def add(self, frame: Frame) -> None:
        tls = frame.tls
        if tls and not _AFTERTHOUGHTS.issuperset(tls.handshake):
            self.clear()  # what came before belonged to the handshake
        if tls and all(record.inner_type != RecordType.APPLICATION_DATA for record in tls.records):
            return
        if not _length(frame) or not self._is_new(frame):
            return
        self._frames.append(frame)
        self._cut = self._cut or (frame.captured_length is not None and frame.captured_length < frame.length)

    def begun(self) -> Frame | None:
        """The first frame that no hole divides from the last; None where nobody can tell."""
        if not self:
            return None
        unbroken: list[Frame] = []
        reached, base = 0, _sequence(self._frames[0])
        for frame in sorted(self._frames, key=lambda f: sequence_distance(base, _sequence(f))):
            start = sequence_distance(base, _sequence(frame))
            # Of a story whose frames were thinned there is more than is here: only the dissector knows of a hole.
            if unbroken and start > reached and frame.tcp and frame.tcp.lost_before:
                unbroken = []
            unbroken.append(frame)
            reached = max(reached, start + _length(frame))
        first_sent = (f for f in unbroken if f.tcp and not f.tcp.retransmission)
        return min(first_sent, key=lambda f: f.number, default=None)

    def end(self, frame: Frame) -> None:
        """A message is shown on `frame`: what comes after it is another's."""
        for seen in (*self._frames, frame):
            if seen.tcp and self._is_new(seen):
                self._reached = _end(seen.tcp)
        self.clear()

    def clear(self) -> None:
        self._frames = []
        self._cut = False

    def _is_new(self, frame: Frame) -> bool:
        """Whether not all that the frame has was there when a message was last shown."""
        return self._reached is None or (
            frame.tcp is not None and sequence_distance(self._reached, _end(frame.tcp)) > 0
        )


def _sequence(frame: Frame) -> int:
    return frame.tcp.sequence_number if frame.tcp else 0


def _length(frame: Frame) -> int:
    return frame.tcp.length if frame.tcp else 0


def _end(segment: TcpSegment) -> int:
    return (segment.sequence_number + segment.length) % _SEQUENCE_SPACE
