"""HTTP requests paired with their responses, on each link and across the balancer. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import Enum

from observer.connections import Connection, across_links
from observer.messages import Frame, HttpMessage, HttpVersion

REQUEST_ID = "x-request-id"


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
    """Pair the connection's requests with their responses: by stream where there are streams, else in order."""
    messages = [(frame, message) for frame in connection.frames for message in frame.http if not message.is_trailer]
    if connection.identity is None:
        # Its start was not seen: responses before the first request answer requests from before.
        first = next((n for n, (_, message) in enumerate(messages) if message.is_request), len(messages))
        messages = messages[first:]
    responses = [(frame, message) for frame, message in messages if not message.is_request and _is_final(message)]
    taken: set[int] = set()
    found = []
    for frame, request in messages:
        if request.is_request:
            position = _answer(frame, request, responses, taken)
            answer = None
            if position is not None:
                taken.add(position)
                answer = responses[position]
            found.append(_exchange(connection, frame, request, answer))
    return tuple(found)


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


def _answer(
    asked: Frame, request: HttpMessage, responses: list[tuple[Frame, HttpMessage]], taken: set[int]
) -> int | None:
    if request.stream is None and request.version is not HttpVersion.HTTP_1:
        return None  # the dissector did not say on which stream it came, so nobody can say what answers it
    for position, (shown, response) in enumerate(responses):
        if position not in taken and response.stream == request.stream and shown.number > asked.number:
            return position
    return None


def _exchange(
    connection: Connection, frame: Frame, request: HttpMessage, answer: tuple[Frame, HttpMessage] | None
) -> Exchange:
    if answer is None:
        began = _first_byte(connection, frame, None) if request.stream is None else None
        return Exchange(connection, request, frame, None, None, began, None)
    shown, response = answer
    if response.stream is None:
        # HTTP/1.1: the dissector shows the response on the frame that completes it.
        return Exchange(connection, request, frame, response, shown, _first_byte(connection, frame, shown), shown)
    ends = (
        f
        for f in connection.frames
        if f.number >= shown.number and connection.from_server(f) and response.stream in f.ended_streams
    )
    return Exchange(connection, request, frame, response, shown, shown, next(ends, None))


def _first_byte(connection: Connection, request: Frame, shown: Frame | None) -> Frame | None:
    """The server's first byte after an HTTP/1.1 request and after interim responses to it; `shown` if there is none."""
    first = None
    for frame in connection.frames:
        if frame.number <= request.number:
            continue
        if frame is shown or any(message.is_request for message in frame.http):
            break
        if any(not _is_final(message) for message in frame.http):
            first = None
        elif first is None and connection.from_server(frame) and connection.carries_application_data(frame):
            first = frame
    return first or shown
