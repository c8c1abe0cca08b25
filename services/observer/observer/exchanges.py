"""HTTP requests paired with their responses, on each link and across the balancer. Pure."""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

from observer.connections import Connection, across_links
from observer.messages import Frame, HttpMessage, HttpVersion

REQUEST_ID = "x-request-id"
_NEVER = -1  # no frame's number: nothing ended the wait but the next request, or the connection


class JoinedBy(Enum):
    """How a request at the balancer's front was matched with one at its back."""

    REQUEST_ID = "request id"
    TIME = "time"


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request and its response on one link (RFC 9110, section 3.4).

    `response_start` and `response_end` are the first and the last frame of the final response, header section to
    the last byte of content; the dissector shows the message itself on `response_frame`. A response that broke off has
    no end, and over HTTP/1.1 nothing but a start.
    """

    connection: Connection
    request: HttpMessage
    request_frame: Frame
    response: HttpMessage | None
    response_frame: Frame | None
    response_start: Frame | None
    response_end: Frame | None

    @property
    def link(self) -> str:
        return self.connection.link

    @property
    def request_id(self) -> str | None:
        """The balancer's id: it stands in the response at the front and in the request at the back.

        In that order, because at the front the request has what the client calls it, if anything.
        """
        return (self.response.header(REQUEST_ID) if self.response else None) or self.request.header(REQUEST_ID)


def exchanges(connection: Connection) -> tuple[Exchange, ...]:
    """Pair the connection's requests with their responses: by stream where there are streams, else in order.

    A response goes to the oldest request before it that has none yet. One pass over the frames, whatever their number.
    """
    asked: list[tuple[Frame, HttpMessage]] = []
    answers: dict[int, tuple[Frame, HttpMessage]] = {}  # by the request's place in `asked`
    waiting: dict[int | None, deque[int]] = defaultdict(deque)
    for frame in connection.frames:
        for message in frame.http:
            if message.is_request and not message.is_trailer:
                # If the dissector did not say on which stream it came, nobody can say what answers it.
                if message.stream is not None or message.version is HttpVersion.HTTP_1:
                    waiting[message.stream].append(len(asked))
                asked.append((frame, message))
            elif not message.is_trailer and _is_final(message):
                queue = waiting[message.stream]
                if queue and asked[queue[0]][0].number < frame.number:
                    answers[queue.popleft()] = (frame, message)
    beginnings, endings = _Beginnings(connection), _endings(connection)
    return tuple(
        _exchange(connection, frame, request, answers.get(place), beginnings, endings)
        for place, (frame, request) in enumerate(asked)
    )


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
        key=lambda c: c.request_frame.time_ns,
    )
    if front.request_id is not None:
        return [c for c in candidates if c.request.header(REQUEST_ID) == front.request_id], JoinedBy.REQUEST_ID
    end = front.response_end.time_ns if front.response_end else float("inf")
    return [
        c
        for c in candidates
        if (c.request.method, c.request.path) == (front.request.method, front.request.path)
        and sent_by_its_server(c)
        and front.request_frame.time_ns <= c.request_frame.time_ns <= end
    ], JoinedBy.TIME


def _is_final(message: HttpMessage) -> bool:
    return message.status is None or message.status >= 200  # 1xx are interim, RFC 9110 section 15.2


def _exchange(
    connection: Connection,
    frame: Frame,
    request: HttpMessage,
    answer: tuple[Frame, HttpMessage] | None,
    beginnings: _Beginnings,
    endings: Mapping[int, Sequence[Frame]],
) -> Exchange:
    if answer is None:
        began = beginnings.of(frame, None) if request.stream is None else None
        return Exchange(connection, request, frame, None, None, began, None)
    shown, response = answer
    if response.stream is None:
        # HTTP/1.1: the dissector shows the response on the frame that completes it.
        return Exchange(connection, request, frame, response, shown, beginnings.of(frame, shown), shown)
    ends = endings.get(response.stream, ())
    at = bisect_left(ends, shown.number, key=lambda end: end.number)
    return Exchange(connection, request, frame, response, shown, shown, ends[at] if at < len(ends) else None)


def _endings(connection: Connection) -> Mapping[int, Sequence[Frame]]:
    """The server's frames that end each stream, in order."""
    found: dict[int, list[Frame]] = defaultdict(list)
    for frame in connection.frames:
        if frame.ended_streams and connection.from_server(frame):
            for stream in frame.ended_streams:
                found[stream].append(frame)
    return found


class _Beginnings:
    """The server's first byte after each HTTP/1.1 request, before the next, and after interim responses to it."""

    def __init__(self, connection: Connection) -> None:
        self._until: dict[tuple[int | None, int], Frame | None] = {}  # by the request's frame and one with messages
        first: Frame | None = None
        asked: int | None = None
        for frame in connection.frames:
            if frame.http:
                self._until[asked, frame.number] = first
            if any(message.is_request for message in frame.http):
                self._until[asked, _NEVER] = first
                asked, first = frame.number, None
            elif any(not _is_final(message) for message in frame.http):
                first = None
            elif first is None and connection.from_server(frame) and connection.carries_application_data(frame):
                first = frame
        self._until[asked, _NEVER] = first

    def of(self, request: Frame, shown: Frame | None) -> Frame | None:
        """The first byte of the response that the dissector shows on `shown`, which it is itself if none came before;
        without `shown` what came of a response that broke off."""
        last = self._until.get((request.number, _NEVER))
        return (self._until.get((request.number, shown.number), last) if shown else last) or shown
