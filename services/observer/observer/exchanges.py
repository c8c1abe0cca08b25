"""HTTP requests paired with their responses, on each link and across the balancer. Pure."""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import Enum

from observer.connections import Connection, across_links
from observer.deliveries import whole_streams
from observer.http1_order import InOrder, is_final
from observer.messages import Frame, HttpMessage, HttpVersion

REQUEST_ID = "x-request-id"


class JoinedBy(Enum):
    """How a request at the balancer's front was matched with one at its back."""

    REQUEST_ID = "request id"
    TIME = "time"


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request and its response on one link (RFC 9110, section 3.4).

    The dissector shows the messages themselves on `request_frame` and `response_frame`; `request_start` has the first
    byte of the request. `response_start` and `response_end` are the first and the last frame of the final response,
    header section to the last byte of content. A response that broke off has no end, and over HTTP/1.1 nothing but a
    start.
    """

    connection: Connection
    request: HttpMessage
    request_start: Frame
    request_frame: Frame
    response: HttpMessage | None
    response_frame: Frame | None
    response_start: Frame | None
    response_end: Frame | None

    @property
    def link(self) -> str:
        return self.connection.link

    @property
    def asked(self) -> Frame:
        """From when on the answer was waited for: the request as it is shown, or its start if the answer came before
        all of it was sent."""
        start = self.response_start
        return self.request_start if start and start.number < self.request_frame.number else self.request_frame

    @property
    def request_id(self) -> str | None:
        """The balancer's id: it stands in the response at the front and in the request at the back.

        In that order, because at the front the request has what the client calls it, if anything.
        """
        return (self.response.header(REQUEST_ID) if self.response else None) or self.request.header(REQUEST_ID)


def exchanges(connection: Connection) -> tuple[Exchange, ...]:
    """Pair the connection's requests with their responses: by stream where there are streams, else in order.

    In the order in which the requests are shown. A few passes over the frames, whatever their number.
    """
    found = [*_in_order(connection), *_on_streams(connection)]
    return tuple(sorted(found, key=lambda exchange: exchange.request_frame.number))


def _in_order(connection: Connection) -> Iterator[Exchange]:
    """Those of HTTP/1.1."""
    if not any(message.version is HttpVersion.HTTP_1 for frame in connection.frames for message in frame.http):
        return
    order = InOrder(connection)
    for frame in connection.frames:
        order.add(frame)
    broken_off = order.broken_off()
    for place, asked in enumerate(order.asked):
        if answer := order.answers.get(place):
            response, frame = answer.message, answer.shown
            yield Exchange(connection, asked.message, asked.begun, asked.shown, response, frame, answer.begun, frame)
        else:
            begun = broken_off if place == order.waiting else None
            yield Exchange(connection, asked.message, asked.begun, asked.shown, None, None, begun, None)


def _on_streams(connection: Connection) -> Iterator[Exchange]:
    """Those of HTTP/2 and HTTP/3. A response goes to the oldest request before it on its stream that has none yet."""
    asked: list[tuple[Frame, HttpMessage]] = []
    answers: dict[int, tuple[Frame, HttpMessage]] = {}  # by the request's place in `asked`
    waiting: dict[int, deque[int]] = defaultdict(deque)
    for frame in connection.frames:
        for message in frame.http:
            if message.version is HttpVersion.HTTP_1 or message.is_trailer:
                continue
            if message.is_request:
                # If the dissector did not say on which stream it came, nobody can say what answers it.
                if message.stream is not None:
                    waiting[message.stream].append(len(asked))
                asked.append((frame, message))
            elif message.stream is not None and message.status is not None and is_final(message.status):
                queue = waiting[message.stream]
                if queue and asked[queue[0]][0].number < frame.number:
                    answers[queue.popleft()] = (frame, message)
    endings = _Endings(connection)
    for place, (frame, request) in enumerate(asked):
        shown, response = answers.get(place, (None, None))
        end = endings.of(response, shown) if response and shown else None
        yield Exchange(connection, request, frame, frame, response, shown, shown, end)


def all_exchanges(connections: Iterable[Connection]) -> Iterator[Exchange]:
    for connection in connections:
        yield from exchanges(connection)


def on_every_link(
    exchange: Exchange, candidates: Iterable[Exchange], connections: Iterable[Connection]
) -> list[Exchange]:
    """The same exchange on each link its connection crosses, in link order, `exchange` included."""
    same = {(c.link, c.transport, c.number) for c in across_links(exchange.connection, connections)}
    mates = [e for e in candidates if (e.link, e.connection.transport, e.connection.number) in same]
    position = [e for e in mates if e.link == exchange.link].index(exchange) if exchange in mates else 0
    found = []
    for link in dict.fromkeys(e.link for e in mates):
        on_link = [e for e in mates if e.link == link]
        if position < len(on_link):
            found.append(on_link[position])
    return sorted(found, key=lambda e: e.request_frame.time_ns)


def behind_balancer(
    front: Exchange, candidates: Iterable[Exchange], sent_by_its_server: Callable[[Exchange], bool]
) -> tuple[list[Exchange], JoinedBy]:
    """The attempts the balancer made at its back for `front`, first to last, and how they were recognised.

    Without a request id in the clear the join falls back to time: same method and path, sent by the host that
    `front` asked, begun after the request came in and before the response went out.
    """
    candidates = sorted(
        (c for c in candidates if c.connection.identity != front.connection.identity),
        key=lambda c: c.request_start.time_ns,
    )
    if front.request_id is not None:
        return [c for c in candidates if c.request.header(REQUEST_ID) == front.request_id], JoinedBy.REQUEST_ID
    end = front.response_end.time_ns if front.response_end else float("inf")
    return [
        c
        for c in candidates
        if (c.request.method, c.request.path) == (front.request.method, front.request.path)
        and sent_by_its_server(c)
        and front.request_start.time_ns <= c.request_start.time_ns <= end
    ], JoinedBy.TIME


class _Endings:
    """Where the server ended each stream."""

    def __init__(self, connection: Connection) -> None:
        self._said: dict[int, list[Frame]] = defaultdict(list)
        for frame in connection.frames:
            if frame.ended_streams and connection.from_server(frame):
                for stream in frame.ended_streams:
                    self._said[stream].append(frame)
        self._whole = whole_streams(connection) if self._said and connection.frames[0].quic else {}

    def of(self, response: HttpMessage, shown: Frame) -> Frame | None:
        """The frame with the last byte of a response; None if it broke off."""
        assert response.stream is not None, "a response that has a request has its stream"
        said = self._said.get(response.stream, ())
        if response.version is HttpVersion.HTTP_3:
            # QUIC's datagrams overtake each other: the end may come before the bytes that it is the end of. Where
            # the capture has not all of those, the end is not before what it does have.
            last = (said[0], shown, self._whole.get(response.stream, shown)) if said else ()
            return max(last, key=lambda frame: frame.number, default=None)
        at = bisect_left(said, shown.number, key=lambda end: end.number)
        return said[at] if at < len(said) else None
