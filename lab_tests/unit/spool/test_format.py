"""The spool's format: headers survive the way to disk and back, and nothing else passes for one."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hostkit.spool_format import (
    HEADER_SIZE,
    FormatError,
    Header,
    Position,
    pack,
    segment_numbers,
    segment_path,
    unpack,
)

u32, u64 = st.integers(0, 2**32 - 1), st.integers(0, 2**64 - 1)
headers = st.builds(
    Header,
    length=u32,
    frames=u32,
    session=u64,
    sequence=u64,
    total_frames=u64,
    total_drops=u64,
    drops_before=u64,
    unwritten=u64,
    first_ns=u64,
    last_ns=u64,
)
SOME = Header(1000, 3, 1_700_000_000_000_000_000, 7, 21, 2, 1, 4, 5, 6)


@given(headers)
def test_a_header_is_read_as_it_was_written(header: Header) -> None:
    assert unpack(pack(header)) == header


@given(headers, st.binary(max_size=50))
def test_a_header_is_found_at_its_offset(header: Header, before: bytes) -> None:
    assert unpack(before + pack(header) + b"block", len(before)) == header


def test_a_header_has_the_size_it_states() -> None:
    assert len(pack(SOME)) == HEADER_SIZE


@pytest.mark.parametrize("kept", range(HEADER_SIZE))
def test_a_header_cut_short_is_refused_with_both_numbers(kept: int) -> None:
    with pytest.raises(FormatError, match=f"{kept} bytes of {HEADER_SIZE}"):
        unpack(pack(SOME)[:kept])


@pytest.mark.parametrize("at", range(HEADER_SIZE))
@pytest.mark.parametrize("bit", [0, 7])
def test_a_header_with_one_flipped_bit_is_refused(at: int, bit: int) -> None:
    damaged = bytearray(pack(SOME))
    damaged[at] ^= 1 << bit
    with pytest.raises(FormatError):
        unpack(bytes(damaged))


def test_zeros_that_a_crash_left_are_no_header() -> None:
    with pytest.raises(FormatError, match="no record header"):
        unpack(bytes(HEADER_SIZE))


def test_an_offset_past_the_end_is_refused() -> None:
    with pytest.raises(FormatError, match="0 bytes of"):
        unpack(pack(SOME), HEADER_SIZE + 5)


def test_a_segment_has_a_name_that_sorts_by_number() -> None:
    assert segment_path(Path("/spool"), "home", 17) == Path("/spool/home/00000017.blocks")


def test_segments_are_listed_by_number_and_other_files_are_left_alone() -> None:
    names = ["00000002.blocks", "00000001.blocks", "100000000.blocks", "1.blocks", "00000003.blocks.old", "notes"]
    assert segment_numbers(names) == [1, 2, 100_000_000]


@given(st.lists(st.builds(Position, segment=st.integers(0, 5), offset=st.integers(0, 5)), min_size=2))
def test_positions_are_ordered_by_segment_then_offset(positions: list[Position]) -> None:
    assert sorted(positions) == sorted(positions, key=lambda position: (position.segment, position.offset))
