"""Visits of the same resources side by side: on one time line, with the figures that tell versions apart."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from golden_visits import Golden, golden
from observer.comparison import Comparison, Contender, comparison, comparison_html, comparison_text
from observer.style import Style
from observer.waterfall import Phase, PhaseName, Row
from observer.waterfall_text import Scale, waterfall_text

MS = 1_000_000


def row(path: str, asked: int, end: int, connection: str = "10.0.0.1:1000", first: int | None = None) -> Row:
    """A resource that was asked for at `asked` ms; `first`: when its connection began to open."""
    opening = () if first is None else (Phase(PhaseName.CONNECT, first * MS, asked * MS),)
    waiting = (Phase(PhaseName.WAIT, asked * MS, (end - 1) * MS), Phase(PhaseName.RECEIVE, (end - 1) * MS, end * MS))
    return Row(f"GET {path}", "HTTP/2", 200, "origin-1", connection, asked, (*opening, *waiting))


def contender(label: str, *rows: Row, round_trip: int | None = 50) -> Contender:
    return Contender("visit", label, rows, None if round_trip is None else round_trip * MS, True)


ONE_BY_ONE = contender("HTTP/1.1", row("/a", 100, 150, first=50), row("/b", 150, 200), row("/c", 200, 250))
TOGETHER = contender("HTTP/2", row("/a", 100, 150, first=50), row("/b", 101, 151), row("/c", 102, 152))
OVER_QUIC = contender("HTTP/3", row("/a", 60, 110, first=10), row("/c", 61, 112), round_trip=None)
ALL = Comparison((ONE_BY_ONE, TOGETHER, OVER_QUIC))


def test_requests_are_under_way_one_at_a_time_or_together() -> None:
    assert (ONE_BY_ONE.most_at_once, TOGETHER.most_at_once, OVER_QUIC.most_at_once) == (1, 3, 2)


def test_a_transfer_is_counted_in_round_trips() -> None:
    assert [ALL.round_trips(c) for c in ALL.contenders] == [3.0, 1.04, 1.04]
    assert ALL.words(ONE_BY_ONE) == (
        "3 requests on 1 connection, at most 1 at once; 100.00 ms until the first, "
        "then 150.00 ms = 3.0 round trips of 50.00 ms"
    )


def test_without_a_tcp_handshake_there_is_no_round_trip_to_count_in() -> None:
    alone = Comparison((OVER_QUIC,))
    assert alone.round_trips(OVER_QUIC) is None
    assert "round trip" not in alone.words(OVER_QUIC)


def test_a_round_trip_that_is_next_to_nothing_is_no_measure() -> None:
    near = Comparison((replace(ONE_BY_ONE, round_trip_ns=100_000),))
    assert near.round_trips(near.contenders[0]) == 1500
    assert "round trip" not in near.words(near.contenders[0])


def test_connections_are_counted() -> None:
    assert contender("two", row("/a", 1, 3), row("/b", 1, 3, connection="10.0.0.1:1001")).connections == 2


def test_a_request_without_an_answer_is_said() -> None:
    silent = contender("HTTP/2", replace(row("/a", 1, 3), status=None), row("/b", 1, 3))
    assert "2 requests on 1 connection, at most 2 at once, 1 without an answer" in Comparison((silent,)).words(silent)


def test_a_visit_that_asked_for_nothing_is_no_division_by_zero() -> None:
    nothing = Comparison((contender("HTTP/2"),))
    assert nothing.words(nothing.contenders[0]) == "no request was sent"
    assert "no request was sent" in comparison_text(nothing, Style())
    assert "no request was sent" in comparison_html(nothing)


def test_a_resource_stands_beside_itself_under_the_other_versions() -> None:
    found = dict(ALL.resources())
    assert [r and r.asked_ns for r in found["GET /b"]] == [150 * MS, 101 * MS, None]
    twice = Comparison((contender("HTTP/2", row("/a", 1, 3), row("/a", 5, 8)), contender("HTTP/3", row("/a", 2, 4))))
    assert [[r and r.request_frame for r in rows] for _, rows in twice.resources()] == [[1, 2], [5, None]]


def test_all_waterfalls_share_one_time_line() -> None:
    lines = comparison_text(ALL, Style(width=100)).splitlines()
    bars = {name: [line for line in lines if line.startswith(f"  GET {name} ")] for name in ("/a", "/b", "/c")}
    assert [len(found) for found in bars.values()] == [3, 2, 3]
    ends = [len(line) for line in bars["/c"]]
    assert ends[0] == 100, "the last of all ends at the right margin"
    assert ends[1] < ends[0] and ends[2] < ends[1]


@pytest.mark.parametrize("width", [60, 80, 110, 200])
@pytest.mark.parametrize("ascii", [False, True], ids=["unicode", "ascii"])
def test_no_line_is_wider_than_asked(width: int, ascii: bool) -> None:
    for line in comparison_text(ALL, Style(width=width, ascii=ascii)).splitlines():
        assert len(line) <= width
        assert line.isascii() or not ascii


def test_each_column_shows_the_phase_that_fills_most_of_it() -> None:
    two_phases = Row(
        "GET /", "HTTP/2", 200, None, None, 1, (Phase(PhaseName.DNS, 0, 50), Phase(PhaseName.WAIT, 50, 100))
    )
    scale = Scale(Style(), 100, 5, 10)
    assert scale.line(two_phases).endswith("   ░░░░░─────")
    assert Scale(Style(ascii=True), 100, 5, 10).line(two_phases).endswith("   ddddd-----")
    assert Scale(Style(), 100_000, 5, 10).line(two_phases).endswith("   ░"), "shorter than a column is one column"


def test_colours_stand_for_phases_only_where_asked() -> None:
    assert "\x1b[" not in comparison_text(ALL, Style())
    assert "\x1b[32m" in comparison_text(ALL, Style(colour=True))


def test_golden_visits_compare(any_visit: Golden) -> None:
    told = [(golden(version), version) for version in ("1.1", "2", "3")]
    compared = comparison([(visit.journey(), visit.frames) for visit, _ in told], any_visit.topology)
    assert [c.label for c in compared.contenders] == ["HTTP/1.1", "HTTP/2", "HTTP/3"]
    assert [c.round_trip_ns is None for c in compared.contenders] == [False, False, True]
    assert [(c.answered, c.connections, c.most_at_once) for c in compared.contenders] == [(1, 1, 1)] * 3
    page = comparison_html(compared)
    assert page.count('<svg class="bar"') == 6
    assert re.findall(r"#\d+", page), "each request is named with its frame"


def test_a_visits_own_waterfall_can_be_drawn_too(any_visit: Golden) -> None:
    (contender,) = comparison([(any_visit.journey(), any_visit.frames)], any_visit.topology).contenders
    lines = waterfall_text(contender.rows, Style(width=80)).splitlines()
    assert len(lines) == 3 and "GET / 200" in lines[2]
    assert waterfall_text((), Style()) == ""


def test_markup_in_a_path_stays_text() -> None:
    page = comparison_html(Comparison((contender("HTTP/2", row("/<script>", 1, 3)),)))
    assert "<script>" not in page and "&lt;script&gt;" in page


def test_an_incomplete_capture_is_said() -> None:
    partial = Comparison((replace(TOGETHER, complete=False),))
    assert "incomplete" in comparison_text(partial, Style()) and "incomplete" in comparison_html(partial)
    assert "incomplete" not in comparison_text(ALL, Style()) + comparison_html(ALL)
