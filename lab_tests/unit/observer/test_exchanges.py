"""Requests paired with their responses: in order, by stream, and in one pass however many there are."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

import observer
from observer.connections import Connection, connections
from observer.exchanges import Exchange, exchanges
from observer.messages import Frame, HttpMessage, HttpVersion, TcpFlags, TcpSegment

PACKAGE = str(Path(observer.__file__).parent)


def request(path: str, stream: int | None = None) -> HttpMessage:
    version = HttpVersion.HTTP_1 if stream is None else HttpVersion.HTTP_2
    return HttpMessage(version, stream, "GET", path, "site", None, ())


def response(status: int, stream: int | None = None) -> HttpMessage:
    version = HttpVersion.HTTP_1 if stream is None else HttpVersion.HTTP_2
    return HttpMessage(version, stream, None, None, None, status, ())


class Talk:
    """One connection, written down frame by frame; frame 1 opens it."""

    def __init__(self) -> None:
        self._frames: list[Frame] = []
        self._add(True, TcpFlags.SYN, ())

    def client(self, *messages: HttpMessage) -> Talk:
        return self._add(True, TcpFlags.ACK, messages)

    def server(self, *messages: HttpMessage, ends: tuple[int, ...] = ()) -> Talk:
        return self._add(False, TcpFlags.ACK, messages, ends)

    def connection(self) -> Connection:
        (found,) = connections(self._frames)
        return found

    def _add(
        self, client: bool, flags: TcpFlags, messages: tuple[HttpMessage, ...], ends: tuple[int, ...] = ()
    ) -> Talk:
        ports, ip = ((40000, 80), ("client", "server")) if client else ((80, 40000), ("server", "client"))
        number = len(self._frames) + 1
        segment = TcpSegment(*ports, 0, 7, 0, 0 if flags & TcpFlags.SYN else 1, flags)
        frame = Frame(number, number, "home", 60, "", "", *ip, tcp=segment, http=messages, ended_streams=ends)
        self._frames.append(frame)
        return self


def numbers(exchange: Exchange) -> tuple[int | None, ...]:
    """The frames of one exchange: asked, first byte, shown, last byte."""
    frames = (exchange.request_frame, exchange.response_start, exchange.response_frame, exchange.response_end)
    return tuple(frame.number if frame else None for frame in frames)


def test_http_1_answers_go_to_requests_in_order() -> None:
    talk = Talk().client(request("/a")).server().server(response(200)).client(request("/b")).server(response(404))
    assert [numbers(e) for e in exchanges(talk.connection())] == [(2, 3, 4, 4), (5, 6, 6, 6)]


def test_pipelined_requests_are_answered_in_order_also_when_both_share_a_frame() -> None:
    talk = Talk().client(request("/a"), request("/b")).server(response(200), response(404))
    found = exchanges(talk.connection())
    assert [(e.request.path, e.response.status) for e in found if e.response] == [("/a", 200), ("/b", 404)]


def test_an_interim_response_is_not_the_answer_nor_its_first_byte() -> None:
    talk = Talk().client(request("/a")).server(response(103)).server().server(response(200))
    assert [numbers(e) for e in exchanges(talk.connection())] == [(2, 4, 5, 5)]


def test_an_answer_that_broke_off_over_http_1_has_a_start_and_no_more() -> None:
    assert [numbers(e) for e in exchanges(Talk().client(request("/a")).server().server().connection())] == [
        (2, 3, None, None)
    ]


def test_an_answer_to_a_request_from_before_the_capture_is_nobodys() -> None:
    talk = Talk().server(response(500)).client(request("/a")).server(response(200))
    assert [e.response.status for e in exchanges(talk.connection()) if e.response] == [200]


def test_streams_are_answered_in_any_order_and_end_where_their_server_ends_them() -> None:
    talk = Talk().client(request("/a", 1), request("/b", 3), request("/c", 5)).client(request("/d", 7))
    talk.server(response(200, 3)).server(response(200, 1), ends=(3,)).server(response(204, 7), ends=(7, 1))
    found = {e.request.path: numbers(e) for e in exchanges(talk.connection())}
    assert found == {"/a": (2, 5, 5, 6), "/b": (2, 4, 4, 5), "/c": (2, None, None, None), "/d": (3, 6, 6, 6)}


def kept_alive(requests: int) -> Talk:
    talk = Talk()
    for number in range(requests):
        talk.client(request(f"/{number}")).server().server(response(200))
    return talk


def pipelined(requests: int) -> Talk:
    talk = Talk()
    for number in range(requests):
        talk.client(request(f"/{number}"))
    for _ in range(requests):
        talk.server(response(200))
    return talk


def on_streams(requests: int) -> Talk:
    talk = Talk()
    for number in range(requests):
        talk.client(request(f"/{number}", 2 * number + 1))
    for number in reversed(range(requests)):
        talk.server(response(200, 2 * number + 1)).server(ends=(2 * number + 1,))
    return talk


def unanswered(requests: int) -> Talk:
    talk = Talk()
    for number in range(requests):
        talk.client(request(f"/{number}"))
    return talk


def steps(work: Callable[[], object]) -> int:
    """How many lines of the observer's own code run during `work`: what a clock would say on a machine of its own."""
    count = 0

    def trace(frame: FrameType, event: str, _: Any) -> Any:
        nonlocal count
        count += event == "line"
        return trace if frame.f_code.co_filename.startswith(PACKAGE) else None

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        work()
    finally:
        sys.settrace(before)
    return count


@pytest.mark.parametrize("talk", [kept_alive, pipelined, on_streams, unanswered])
def test_thousands_of_requests_on_one_connection_take_steps_in_proportion(talk: Callable[[int], Talk]) -> None:
    few, many = talk(1000).connection(), talk(4000).connection()
    assert len(exchanges(many)) == 4000
    for_few, for_many = steps(lambda: exchanges(few)), steps(lambda: exchanges(many))
    assert for_few > 1000
    assert for_many < 4.1 * for_few
