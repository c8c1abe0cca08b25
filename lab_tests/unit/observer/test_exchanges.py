"""Requests paired with their responses: in order, by stream, and in few passes however many there are."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

import observer
from golden_visits import golden
from observer.connections import Connection, connections
from observer.exchanges import Exchange, exchanges
from observer.explain import journeys
from observer.messages import (
    Frame,
    HttpMessage,
    HttpVersion,
    QuicPackets,
    QuicPacketType,
    StreamData,
    TcpFlags,
    TcpSegment,
    UdpDatagram,
)
from observer.steps import Journey, Status, StepName
from observer.topology import NO_LAB

PACKAGE = str(Path(observer.__file__).parent)


def request(path: str, stream: int | None = None) -> HttpMessage:
    version = HttpVersion.HTTP_1 if stream is None else HttpVersion.HTTP_2
    return HttpMessage(version, stream, "GET", path, "site", None, ())


def response(status: int, stream: int | None = None) -> HttpMessage:
    version = HttpVersion.HTTP_1 if stream is None else HttpVersion.HTTP_2
    return HttpMessage(version, stream, None, None, None, status, ())


class Talk:
    """One connection, written down frame by frame; frame 1 opens it. What is sent has one byte."""

    def __init__(self) -> None:
        self._frames: list[Frame] = []
        self._next = {True: 0xFFFFFFFF, False: 7}
        self._add(True, TcpFlags.SYN, ())

    def client(self, *messages: HttpMessage) -> Talk:
        return self._add(True, TcpFlags.ACK, messages)

    def server(self, *messages: HttpMessage, ends: tuple[int, ...] = ()) -> Talk:
        return self._add(False, TcpFlags.ACK, messages, ends)

    def skips(self, size: int, client: bool = True) -> Talk:
        """What comes next that way is behind a hole of that size; below 0 it was sent before."""
        self._next[client] += size
        return self

    def marked(self, lost_before: bool = False, retransmission: bool = False, cut: bool = False) -> Talk:
        """The last frame as the dissector marks it."""
        last = self._frames[-1]
        assert last.tcp
        tcp = replace(last.tcp, lost_before=lost_before, retransmission=retransmission)
        self._frames[-1] = replace(last, tcp=tcp, captured_length=50 if cut else last.length)
        return self

    def journey(self) -> Journey:
        (told,) = journeys(self._frames, NO_LAB)
        return told

    def connection(self, since: int = 0) -> Connection:
        (found,) = connections(self._frames[since:])
        return found

    def _add(
        self, client: bool, flags: TcpFlags, messages: tuple[HttpMessage, ...], ends: tuple[int, ...] = ()
    ) -> Talk:
        ports, ip = ((40000, 80), ("client", "server")) if client else ((80, 40000), ("server", "client"))
        number = len(self._frames) + 1
        segment = TcpSegment(*ports, 0, self._next[client], 0, 0 if flags & TcpFlags.SYN else 1, flags)
        self._next[client] = (self._next[client] + 1) % (1 << 32)
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


# ---------------------------------------------------------------- HTTP/1.1: messages in several frames


def starts(exchange: Exchange) -> tuple[int, int, int | None]:
    """Where one exchange begins, where its request is shown, where its answer is."""
    shown = exchange.response_frame
    return exchange.request_start.number, exchange.request_frame.number, shown.number if shown else None


def test_an_upload_begins_with_its_first_byte() -> None:
    talk = Talk().client().client().client(request("/a")).server(response(201)).client(request("/b"))
    assert [starts(e) for e in exchanges(talk.connection())] == [(2, 4, 5), (6, 6, None)]


def test_an_answer_that_comes_before_the_end_of_an_upload_is_its_answer() -> None:
    talk = Talk().client().server().server(response(401)).client(request("/a")).client(request("/b"))
    early, after = exchanges(talk.server(response(200)).connection())
    assert [starts(early), starts(after)] == [(2, 5, 4), (6, 6, 7)]
    assert numbers(early) == (5, 3, 4, 4)
    assert (early.asked.number, after.asked.number) == (2, 6)


def test_an_interim_answer_in_mid_upload_is_nobodys() -> None:
    talk = Talk().client().server(response(100)).client(request("/a")).server(response(200))
    assert [(*starts(e), *numbers(e)) for e in exchanges(talk.connection())] == [(2, 4, 5, 4, 5, 5, 5)]


def test_of_pipelined_requests_each_answer_begins_after_the_one_before() -> None:
    talk = Talk().client(request("/a")).client(request("/b"))
    talk.server().server().server(response(200)).server().server(response(404))
    assert [numbers(e) for e in exchanges(talk.connection())] == [(2, 4, 6, 6), (3, 7, 8, 8)]


def test_of_pipelined_requests_an_answer_that_broke_off_is_the_oldest_ones() -> None:
    talk = Talk().client(request("/a")).client(request("/b")).client(request("/c"))
    talk.server().server(response(200)).server()
    found = [numbers(e) for e in exchanges(talk.connection())]
    assert found == [(2, 5, 6, 6), (3, 7, None, None), (4, None, None, None)]


def test_an_answer_to_an_upload_from_before_the_capture_is_nobodys() -> None:
    talk = Talk().client().client().server(response(200)).client(request("/a")).server(response(404))
    found = [(*starts(e), e.response and e.response.status) for e in exchanges(talk.connection(since=2))]
    assert found == [(5, 5, 6, 404)]


def test_an_answer_to_an_upload_that_the_capture_has_not_all_of_is_nobodys() -> None:
    talk = Talk().client().skips(1).server(response(201)).client(request("/a")).marked(lost_before=True)
    assert [starts(e) for e in exchanges(talk.server(response(404)).connection())] == [(4, 4, 5)]
    talk = Talk().client().marked(cut=True).client().server(response(201)).client(request("/a"))
    assert [starts(e) for e in exchanges(talk.server(response(404)).connection())] == [(5, 5, 6)]


def test_an_upload_whose_missing_part_came_later_begins_with_its_first_byte() -> None:
    talk = Talk().client().skips(1).client().marked(lost_before=True)
    talk.skips(-2).client().marked(retransmission=True).skips(1).client(request("/a"))
    assert [starts(e) for e in exchanges(talk.server(response(200)).connection())] == [(2, 5, 6)]


def test_a_byte_sent_again_to_keep_the_connection_begins_nothing() -> None:
    talk = Talk().client(request("/a")).server(response(200)).skips(-1).client().client(request("/b"))
    talk.skips(-1, client=False).server().server(response(200))
    assert [(*starts(e), *numbers(e)) for e in exchanges(talk.connection())] == [
        (2, 2, 3, 2, 3, 3, 3),
        (5, 5, 7, 5, 7, 7, 7),
    ]


def test_a_frame_that_is_given_twice_has_no_other_message() -> None:
    once = Talk().client(request("/a")).server(response(200)).client(request("/b")).server(response(404)).connection()
    twice = replace(once, frames=tuple(frame for frame in once.frames for _ in range(2)))
    assert [numbers(e) for e in exchanges(twice)] == [(2, 3, 3, 3), (4, 5, 5, 5)]


@pytest.mark.parametrize("link", ["home", "backend"])
def test_bytes_of_the_handshake_begin_no_message_also_where_its_first_is_missing(link: str) -> None:
    frames = [f for f in golden("1.1").frames if f.link == link and not (f.tls and f.tls.client_hello)]
    found = [e for c in connections(frames) for e in exchanges(c)]
    assert found and all(e.request_start is e.request_frame for e in found)
    assert all(e.response_start and e.response_start.number > e.request_frame.number for e in found)


def test_with_101_the_connection_leaves_http() -> None:
    talk = Talk().client(request("/socket")).server(response(101)).server().client().server()
    assert [numbers(e) for e in exchanges(talk.connection())] == [(2, 3, 3, 3)]


def test_a_connection_that_left_http_has_its_answer_and_was_kept() -> None:
    told = Talk().client(request("/socket")).server(response(101)).server().client().server().journey()
    step = told.step(StepName.RESPONSE)
    assert (step.status, step.summary.partition(",")[0]) == (Status.SEEN, "101")
    assert told.step(StepName.KEPT_OPEN).status is Status.SEEN


def test_an_uploads_step_and_row_begin_with_its_first_byte() -> None:
    talk = Talk().client().client().client(request("/a")).server(response(201))
    step, (resource,) = talk.journey().step(StepName.REQUEST), talk.journey().resources
    assert (step.start_ns, step.duration_ns) == (1, 2)  # frame 1 is Enter, and one comes a nanosecond after another
    assert [(e.frame, e.shows) for e in step.evidence] == [(2, "GET /a, the first byte"), (4, "GET /a")]
    assert (resource.start_ns, resource.duration_ns, resource.request_frame) == (1, 3, 4)


def test_an_answer_in_mid_upload_takes_no_time_below_zero() -> None:
    told = Talk().client().server(response(401)).client().client(request("/a")).journey()
    (resource,) = told.resources
    assert (resource.status, resource.start_ns, resource.duration_ns) == (401, 1, 1)
    assert all((step.duration_ns or 0) >= 0 for step in told.steps)


# ---------------------------------------------------------------- streams


class Datagrams:
    """One HTTP/3 connection, written down datagram by datagram: a request, and pieces of the answer on its stream."""

    def __init__(self) -> None:
        self._frames: list[Frame] = []
        self._add(True, (), (replace(request("/a", 0), version=HttpVersion.HTTP_3),))

    def server(self, offset: int, length: int | None, last: bool = False, *, answers: bool = False) -> Datagrams:
        shown = (replace(response(200, 0), version=HttpVersion.HTTP_3),) if answers else ()
        return self._add(False, (StreamData(0, offset, length, last),), shown)

    def found(self) -> tuple[int | None, ...]:
        (connection,) = connections(self._frames)
        (exchange,) = exchanges(connection)
        return numbers(exchange)

    def _add(self, client: bool, data: tuple[StreamData, ...], messages: tuple[HttpMessage, ...]) -> Datagrams:
        ports, ip = ((40000, 443), ("client", "server")) if client else ((443, 40000), ("server", "client"))
        number = len(self._frames) + 1
        packets = QuicPackets(0, (QuicPacketType.ONE_RTT,), (), (), "aa", None, stream_data=data)
        ended = tuple(piece.stream for piece in data if piece.last)
        datagram = UdpDatagram(*ports, 1228)
        frame = Frame(number, number, "home", 1262, "", "", *ip, udp=datagram, quic=packets, http=messages)
        self._frames.append(replace(frame, ended_streams=ended))
        return self


def test_an_http_3_answer_ends_where_all_of_it_is_there() -> None:
    assert Datagrams().server(0, 100, answers=True).server(100, 50, last=True).found() == (1, 2, 2, 3)
    overtaken = Datagrams().server(100, 50, last=True).server(0, 100, answers=True)
    assert overtaken.found() == (1, 3, 3, 3)
    in_the_middle = Datagrams().server(0, 100, answers=True).server(200, 50, last=True).server(100, 100).server(0, 100)
    assert in_the_middle.found() == (1, 2, 2, 4)


def test_an_http_3_answer_without_an_end_broke_off() -> None:
    assert Datagrams().server(0, 100, answers=True).server(100, 50).found() == (1, 2, 2, None)


def test_the_end_of_an_http_3_answer_may_come_after_its_last_byte_or_again() -> None:
    assert Datagrams().server(0, 100, answers=True).server(100, 0, last=True).found() == (1, 2, 2, 3)
    assert Datagrams().server(0, 100, answers=True).server(0, 100, last=True).found() == (1, 2, 2, 3)
    again = Datagrams().server(0, 100, answers=True).server(100, 9, last=True).server(100, 9, last=True)
    assert again.found() == (1, 2, 2, 3)


def test_parts_sent_again_of_a_piece_without_a_length_do_not_put_off_the_end() -> None:
    talk = Datagrams().server(0, None, answers=True).server(1190, None, last=True).server(0, 600).server(600, 590)
    assert talk.found() == (1, 2, 2, 3)


def test_of_an_http_3_answer_that_the_capture_has_not_all_of_the_end_is_what_says_so() -> None:
    assert Datagrams().server(0, 100, answers=True).server(200, 50, last=True).found() == (1, 2, 2, 3)


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
