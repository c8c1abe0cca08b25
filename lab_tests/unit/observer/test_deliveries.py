"""Bytes behind a hole wait: all of them in TCP, those of the same stream in QUIC."""

from __future__ import annotations

import pytest

from golden_visits import golden
from observer.connections import Connection, connections
from observer.deliveries import Delivery, Piece, in_order, quic_deliveries, tcp_deliveries
from observer.messages import Frame

MS = 1_000_000


def frame(ms: int) -> Frame:
    return Frame(ms, ms * MS, "home", 100, "", "")


def told(deliveries: list[Delivery]) -> list[tuple[int, int, int]]:
    """Stream, arrived, usable, in ms."""
    return [(d.stream, d.arrived.number, d.usable.number) for d in deliveries]


def test_what_arrives_in_order_is_usable_at_once() -> None:
    pieces = [Piece(0, 10, frame(1), (1,)), Piece(10, 20, frame(2), (3,))]
    assert told(list(in_order(pieces))) == [(1, 1, 1), (3, 2, 2)]


def test_what_comes_after_a_hole_waits_until_it_is_filled() -> None:
    pieces = [
        Piece(0, 10, frame(1), (1,)),
        Piece(20, 30, frame(2), (3,)),
        Piece(30, 40, frame(3), (5,)),
        Piece(10, 20, frame(50), (1,)),
        Piece(40, 50, frame(51), (3,)),
    ]
    found = list(in_order(pieces))
    assert told(found) == [(1, 1, 1), (1, 50, 50), (3, 2, 50), (5, 3, 50), (3, 51, 51)]
    assert found[2].waited_ns == 48 * MS


def test_a_copy_of_what_was_there_changes_nothing() -> None:
    pieces = [Piece(0, 10, frame(1), (1,)), Piece(0, 10, frame(2), (1,)), Piece(5, 20, frame(3), (3,))]
    assert told(list(in_order(pieces))) == [(1, 1, 1), (3, 3, 3)]


def test_a_hole_that_is_never_filled_delivers_nothing_behind_it() -> None:
    assert list(in_order([Piece(10, 20, frame(1), (1,))])) == []


def test_ten_thousand_pieces_behind_a_hole_take_a_moment() -> None:
    pieces = [Piece(n, n + 1, frame(n), (1,)) for n in range(10_000, 0, -1)]
    found = list(in_order([*pieces, Piece(0, 1, frame(20_000), (1,))]))
    assert len(found) == 10_001
    assert {delivery.usable.number for delivery in found} == {20_000}


def front(version: str, link: str) -> Connection:
    frames = [f for f in golden(version).frames if f.link == link]
    return next(c for c in connections(frames) if any(m.is_request for f in c.frames for m in f.http))


@pytest.mark.parametrize("version", ["2", "3"])
def test_in_a_golden_visit_nobody_waited(version: str) -> None:
    deliveries = tcp_deliveries if version == "2" else quic_deliveries
    found = deliveries(front(version, "edge"), front(version, "home"))
    assert found
    assert {d.waited_ns for d in found} == {0}
