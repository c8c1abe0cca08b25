"""A visit's slice: what lies between its sentinels, and every reason why that may not be all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hostkit import sentinel
from hostkit.sentinel import Kind
from hostkit.spool_format import HEADER_SIZE, Position
from observer.spool import Damage, Record, Slice, Spool, records_in, slice_of

BEGIN, END = sentinel.frame(Kind.BEGIN, "visit"), sentinel.frame(Kind.END, "visit")
START = Position(0, 0)
A, B, C = b"a" * 60, b"b" * 70, b"c" * 80


def cut(*records: bytes) -> Slice:
    return slice_of("home", "visit", START, records_in(b"".join(records), 0))


def data(part: Slice) -> list[bytes]:
    return [packet.data for packet in part.packets]


@pytest.fixture
def rows(build: Any) -> Any:
    """Records with the given frames, numbered from 0."""

    def build_rows(*blocks: Sequence[bytes]) -> list[bytes]:
        return [build.record(build.facts(number), frames) for number, frames in enumerate(blocks)]

    return build_rows


def test_a_slice_is_what_lies_between_the_sentinels(rows: Any) -> None:
    part = cut(*rows([A, BEGIN, B], [C], [A, END, B]))
    assert data(part) == [B, C, A]
    assert part.complete
    assert part.dropped == 0


def test_the_frames_before_the_begin_sentinel_are_the_lead_in(rows: Any) -> None:
    part = cut(*rows([A, B], [C, BEGIN, A, END]))
    assert [packet.data for packet in part.lead_in] == [A, B, C]
    assert data(part) == [A]


def test_a_visit_within_one_block_has_a_slice(rows: Any) -> None:
    assert data(cut(*rows([A, BEGIN, B, END, C]))) == [B]


def test_a_visit_on_a_silent_link_has_an_empty_complete_slice(rows: Any) -> None:
    part = cut(*rows([BEGIN], [END]))
    assert part.begin_ns is not None
    assert part.end_ns is not None
    assert replace(part, begin_ns=None, end_ns=None) == Slice("home", START, (), (), 0, ())


def test_another_visits_sentinels_neither_cut_nor_appear(rows: Any) -> None:
    others = sentinel.frame(Kind.BEGIN, "other"), sentinel.frame(Kind.END, "other")
    assert data(cut(*rows([BEGIN, A, others[0], B], [others[1], C, END]))) == [A, B, C]


def test_a_frame_that_carries_a_sentinel_is_a_frame(rows: Any) -> None:
    decoy = bytes(14) + END
    assert data(cut(*rows([BEGIN, decoy, END]))) == [decoy]


def test_a_lost_begin_sentinel_is_said_and_the_frames_are_kept(rows: Any) -> None:
    part = cut(*rows([A, B], [C, END]))
    assert data(part) == [A, B, C]
    assert part.reasons == ("begin sentinel is not in the spool",)


def test_a_lost_end_sentinel_is_said_and_the_frames_are_kept(rows: Any) -> None:
    part = cut(*rows([BEGIN, A], [B]))
    assert data(part) == [A, B]
    assert part.reasons == ("end sentinel is not in the spool",)


def test_an_empty_spool_lacks_both_sentinels() -> None:
    assert cut().reasons == ("begin sentinel is not in the spool", "end sentinel is not in the spool")


def test_drops_between_the_sentinels_are_counted(build: Any) -> None:
    facts = build.facts
    part = cut(
        build.record(facts(5, drops=10, drops_before=10), [BEGIN]),
        build.record(facts(6, drops=14, drops_before=10), [A]),
        build.record(facts(7, drops=15, drops_before=14), [END]),
    )
    assert (part.dropped, part.complete) == (5, False)
    assert part.reasons == ("the kernel dropped 5 frames",)


def test_drops_seen_with_the_first_block_count_too(build: Any) -> None:
    """The ring was full while the begin sentinel waited in it: the counter rose before its block was taken."""
    part = cut(build.record(build.facts(5, drops=3, drops_before=0), [BEGIN, A, END]))
    assert part.dropped == 3


def test_drops_before_and_after_the_visit_do_not_count(build: Any) -> None:
    facts = build.facts
    part = cut(
        build.record(facts(5, drops=10, drops_before=10), [BEGIN, END]),
        build.record(facts(6, drops=14, drops_before=10), [A]),
    )
    assert part.complete


def test_a_gap_in_the_sequence_is_said(build: Any) -> None:
    part = cut(build.record(build.facts(5), [BEGIN]), build.record(build.facts(8), [A, END]))
    assert data(part) == [A]
    assert part.reasons == ("blocks 6 to 7 are not in the spool",)


def test_a_restart_of_the_tap_is_said(build: Any) -> None:
    part = cut(build.record(build.facts(5), [BEGIN, A]), build.record(build.facts(0, session=2), [B, END]))
    assert data(part) == [A, B]
    assert part.reasons == ("the tap was restarted in between",)


def test_a_block_that_makes_no_sense_is_said_and_its_good_frames_are_kept(rows: Any) -> None:
    first, second = bytearray(rows([BEGIN, A, B])[0]), rows([C], [END])[1]
    first[HEADER_SIZE + 48 : HEADER_SIZE + 52] = bytes(4)  # the chain of frames ends after the first
    part = cut(bytes(first), second)
    assert not part.complete
    assert part.reasons == ("segment 0 offset 0: the chain of frames ends after 1 of 3",)


# ---------------------------------------------------------------- torn


def test_a_torn_tail_is_reported_wherever_the_tap_was_killed(rows: Any) -> None:
    whole, torn = rows([BEGIN, A], [B, END])
    for kept in range(1, len(torn)):
        *records, last = records_in(whole + torn[:kept], 3)
        assert [type(record) for record in records] == [Record]
        assert isinstance(last, Damage)
        assert last.position == Position(3, len(whole))
        part = cut(whole, torn[:kept])
        assert data(part) == [A]
        assert part.reasons[0] == "end sentinel is not in the spool"
        assert part.reasons[1].startswith(f"segment 0 offset {len(whole)}: ")


def test_a_segment_that_ends_with_a_record_is_not_torn(rows: Any) -> None:
    whole = b"".join(rows([BEGIN, A], [B, END]))
    assert [type(record) for record in records_in(whole, 0)] == [Record, Record]


@given(blocks=st.lists(st.lists(st.binary(min_size=14, max_size=80), min_size=1, max_size=4), max_size=6))
def test_every_record_is_found_at_its_position(build: Any, blocks: list[list[bytes]]) -> None:
    records = [build.record(build.facts(number), frames) for number, frames in enumerate(blocks)]
    found = list(records_in(b"".join(records), 4, 100))
    offsets = [100 + len(b"".join(records[:number])) for number in range(len(records))]
    assert [record.position for record in found] == [Position(4, offset) for offset in offsets]


# ---------------------------------------------------------------- files


@pytest.fixture
def spool(tmp_path: Path) -> Any:
    """A spool of one link, home, that has the given segments."""

    def write(segments: dict[int, bytes]) -> Spool:
        (tmp_path / "home").mkdir()
        for number, content in segments.items():
            (tmp_path / "home" / f"{number:08d}.blocks").write_bytes(content)
        return Spool(tmp_path)

    return write


def test_a_slice_runs_over_segments(spool: Any, rows: Any) -> None:
    one, two, three, four = rows([A], [BEGIN, A], [B], [C, END])
    reader = spool({6: one + two, 7: three, 8: four + one})
    part = reader.slice("home", "visit", Position(6, len(one)), Position(8, len(four)))
    assert data(part) == [A, B, C]
    assert part.complete


def test_a_slice_that_begins_at_the_end_of_a_segment_begins_in_the_next(spool: Any, rows: Any) -> None:
    one, two = rows([A], [BEGIN, B, END])
    part = spool({0: one, 1: two}).slice("home", "visit", Position(0, len(one)), Position(1, len(two)))
    assert data(part) == [B]
    assert part.complete


def test_records_outside_the_positions_are_not_looked_at(spool: Any, rows: Any) -> None:
    one, two, three = rows([BEGIN, C, END], [BEGIN, A], [END])
    reader = spool({0: one + two + three + b"torn"})
    part = reader.slice("home", "visit", Position(0, len(one)), Position(0, len(one + two + three)))
    assert data(part) == [A]
    assert part.complete


def test_a_recycled_segment_is_said(spool: Any, rows: Any) -> None:
    _, two = rows([BEGIN], [A, END])
    part = spool({1: two}).slice("home", "visit", Position(0, 0), Position(1, len(two)))
    assert data(part) == [A]
    assert part.reasons == (
        "begin sentinel is not in the spool",
        "segment 0 offset 0: the segment is not in the spool, or not any more",
    )


def test_a_segment_shorter_than_the_end_position_is_said(spool: Any, rows: Any) -> None:
    (one,) = rows([BEGIN, A])
    part = spool({0: one}).slice("home", "visit", Position(0, 0), Position(0, len(one) + 50))
    assert data(part) == [A]
    assert part.reasons[1] == f"segment 0 offset {len(one)}: the segment ends here, not at {len(one) + 50}"


def test_what_is_missing_behind_the_end_sentinel_does_not_matter(spool: Any, rows: Any) -> None:
    (one,) = rows([BEGIN, A, END])
    assert spool({0: one}).slice("home", "visit", Position(0, 0), Position(0, len(one) + 50)).complete


def test_a_position_that_is_no_records_start_is_said(spool: Any, rows: Any) -> None:
    (one,) = rows([BEGIN, A, END])
    part = spool({0: one}).slice("home", "visit", Position(0, 7), Position(0, len(one)))
    assert any("no record header" in reason for reason in part.reasons)


def test_an_end_before_the_begin_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="link home: the slice ends at"):
        Spool(tmp_path).slice("home", "visit", Position(1, 0), Position(0, 5))
