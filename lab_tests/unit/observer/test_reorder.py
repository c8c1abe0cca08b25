"""Links' packets become one stream in the order of time, each link's own order kept."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from observer.packet import Packet
from observer.reorder import ReorderWindow


def packet(time_ns: int, link: int, name: bytes = b"") -> Packet:
    return Packet(time_ns, link, name, len(name))


def test_what_arrives_late_still_goes_out_in_order() -> None:
    window = ReorderWindow()
    window.add([packet(10, 0), packet(30, 0)])
    assert [p.time_ns for p in window.due(20)] == [10]
    window.add([packet(20, 1), packet(25, 1)])
    assert [(p.time_ns, p.interface_id) for p in window.due(100)] == [(20, 1), (25, 1), (30, 0)]


def test_what_is_not_due_is_held() -> None:
    window = ReorderWindow()
    window.add([packet(10, 0)])
    assert (window.due(10), len(window)) == ([], 1)
    assert (len(window.due(11)), len(window)) == (1, 0)


def test_what_comes_after_its_time_goes_out_at_once() -> None:
    window = ReorderWindow()
    window.add([packet(50, 0)])
    window.due(60)
    window.add([packet(40, 1)])
    assert [p.time_ns for p in window.due(60)] == [40]


@given(st.lists(st.lists(st.integers(0, 20)), max_size=4), st.lists(st.integers(0, 25)))
def test_nothing_is_lost_and_a_link_keeps_its_order(links: list[list[int]], looks: list[int]) -> None:
    sent = [[packet(t, n, bytes([i])) for i, t in enumerate(sorted(times))] for n, times in enumerate(links)]
    window, out = ReorderWindow(), list[Packet]()
    for number, link in enumerate(sent):
        window.add(link)
        out += window.due(looks[number] if number < len(looks) else 0)
    out += window.due(1 << 63)
    for number, link in enumerate(sent):
        assert [p for p in out if p.interface_id == number] == link
