"""Which segment the spool gives up first."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tap.retention import Segment, first_to_go

FULL, HALF = [Segment(3, 100), Segment(4, 100)], [Segment(7, 100)]


def test_the_oldest_of_the_fullest_link_goes_first() -> None:
    assert first_to_go({"home": HALF, "edge": FULL}, {}) == ("edge", 3)


def test_bytes_decide_and_not_the_number_of_segments() -> None:
    assert first_to_go({"home": FULL, "edge": [Segment(9, 201)]}, {}) == ("edge", 9)


def test_a_protected_segment_stays_and_the_next_fullest_link_gives() -> None:
    assert first_to_go({"home": HALF, "edge": FULL}, {"edge": 3}) == ("home", 7)


def test_what_is_older_than_the_protected_segment_may_go() -> None:
    assert first_to_go({"edge": FULL}, {"edge": 4}) == ("edge", 3)


def test_nothing_goes_when_visits_hold_everything() -> None:
    assert first_to_go({"home": HALF, "edge": FULL}, {"home": 0, "edge": 0}) is None
    assert first_to_go({"home": [], "edge": []}, {}) is None
    assert first_to_go({}, {}) is None


@given(
    sizes=st.dictionaries(st.sampled_from("abcd"), st.lists(st.integers(1, 100), max_size=5)),
    protected=st.dictionaries(st.sampled_from("abcd"), st.integers(0, 6)),
)
def test_no_protected_segment_ever_goes(sizes: dict[str, list[int]], protected: dict[str, int]) -> None:
    segments = {link: [Segment(number, size) for number, size in enumerate(row)] for link, row in sizes.items()}
    while (victim := first_to_go(segments, protected)) is not None:
        link, number = victim
        assert segments[link].pop(0).number == number
        assert number < protected.get(link, 100)
    for link, left in segments.items():
        assert all(segment.number >= protected.get(link, 100) for segment in left)
