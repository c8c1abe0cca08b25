"""Kernel blocks taken apart: by the reader into packets, and by the tap as far as it must."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hostkit import sentinel
from hostkit.sentinel import Kind
from hostkit.spool_format import FormatError
from observer.spool import Packet, packets_in
from tap.block import STATUS_AT, Block

ADDRESSES = bytes(range(12))


def packets(block: bytes) -> list[Packet]:
    return list(packets_in("home", memoryview(block)))


def ring_block(block: bytes, start: int = 0) -> tuple[Block, bytearray]:
    memory = bytearray(bytes(start) + block + bytes(100))
    return Block("home", memory, memoryview(memory), start), memory


@given(frames=st.lists(st.tuples(st.binary(min_size=14, max_size=200), st.integers(0, 2**32 * 10**9 - 1)), max_size=20))
def test_a_block_gives_its_frames_in_order_with_their_times(build: Any, frames: list[tuple[bytes, int]]) -> None:
    block = build.block([build.frame(data, time_ns) for data, time_ns in frames])
    assert packets(block) == [Packet("home", time_ns, len(data), data) for data, time_ns in frames]


def test_a_frame_larger_than_was_kept_says_so(build: Any) -> None:
    (packet,) = packets(build.block([build.frame(b"x" * 50, wire_length=9000)]))
    assert (len(packet.data), packet.original_length) == (50, 9000)


@pytest.mark.parametrize(("tpid", "written"), [(0x88A8, b"\x88\xa8"), (None, b"\x81\x00")])
def test_a_vlan_tag_that_the_kernel_took_out_is_put_back(build: Any, tpid: int | None, written: bytes) -> None:
    untagged = ADDRESSES + b"\x08\x00" + b"packet"
    (packet,) = packets(build.block([build.frame(untagged, vlan=0x6005, tpid=tpid)]))
    assert packet.data == ADDRESSES + written + b"\x60\x05" + b"\x08\x00packet"
    assert packet.original_length == len(untagged) + 4


def test_vlan_zero_with_priority_zero_is_a_tag_too(build: Any) -> None:
    (packet,) = packets(build.block([build.frame(ADDRESSES + b"\x08\x00", vlan=0)]))
    assert packet.data == ADDRESSES + b"\x81\x00\x00\x00\x08\x00"


def test_a_vlan_tag_of_more_than_sixteen_bits_is_refused(build: Any) -> None:
    with pytest.raises(FormatError, match="tag control information of 0x10000"):
        packets(build.block([build.frame(ADDRESSES + b"\x08\x00", vlan=0x10000)]))


def test_a_block_cut_short_anywhere_is_refused(build: Any) -> None:
    block = build.block([b"a" * 60, b"b" * 60])
    for kept in range(len(block)):
        with pytest.raises(FormatError):
            packets(block[:kept])


def test_a_block_whose_frames_pass_its_end_gives_those_before_and_is_refused(build: Any) -> None:
    block = bytearray(build.block([b"a" * 60, b"b" * 60, b"c" * 60]))
    second = 48 + int.from_bytes(block[48:52], "little")
    block[second + 12 : second + 16] = (10_000).to_bytes(4, "little")  # tp_snaplen
    frames = packets_in("home", memoryview(bytes(block)))
    assert next(frames).data == b"a" * 60
    with pytest.raises(FormatError, match="frame 2 of 3: 10000 bytes"):
        next(frames)


def test_a_chain_of_frames_that_ends_early_is_refused(build: Any) -> None:
    block = bytearray(build.block([b"a" * 60, b"b" * 60]))
    block[48:52] = bytes(4)  # tp_next_offset
    with pytest.raises(FormatError, match="ends after 1 of 2"):
        packets(bytes(block))


@given(damage=st.lists(st.tuples(st.integers(0, 400), st.integers(0, 255)), min_size=1, max_size=8))
def test_a_damaged_block_gives_packets_or_a_format_error_and_nothing_else(
    build: Any, damage: list[tuple[int, int]]
) -> None:
    block = bytearray(build.block([b"a" * 60, b"b" * 60]))
    for at, value in damage:
        block[at % len(block)] = value
    with suppress(FormatError):
        packets(bytes(block))


# ---------------------------------------------------------------- what the tap reads of a block


def test_the_tap_takes_length_count_and_times_from_the_block(build: Any) -> None:
    frames = [build.frame(b"a" * 60, 5_000_000_007), build.frame(b"b" * 60, 6_000_000_008)]
    block, _ = ring_block(build.block(frames), start=256)
    assert (block.frames, block.first_ns, block.last_ns) == (2, 5_000_000_007, 6_000_000_008)
    assert bytes(block.used) == build.block(frames)


def test_a_block_handed_back_is_the_kernels_again(build: Any) -> None:
    block, memory = ring_block(build.block([b"a" * 60]), start=64)
    assert memory[64 + STATUS_AT] == 1
    block.hand_back()
    assert memory[64 + STATUS_AT] == 0


@pytest.mark.parametrize("before", range(4))
def test_a_sentinel_is_found_by_its_place_among_the_frames(build: Any, before: int) -> None:
    mark = sentinel.frame(Kind.END, "visit")
    block, _ = ring_block(build.block([b"a" * 99] * before + [mark, b"z" * 60]), start=128)
    assert block.index_of(mark) == before


def test_a_sentinel_inside_another_frame_is_passed_over(build: Any) -> None:
    mark = sentinel.frame(Kind.END, "visit")
    decoy = b"HTTP " + mark + mark
    assert ring_block(build.block([decoy, b"a" * 60]))[0].index_of(mark) is None
    assert ring_block(build.block([decoy, b"a" * 60, mark]))[0].index_of(mark) == 2


def test_a_sentinel_in_the_block_behind_is_not_found(build: Any) -> None:
    mark = sentinel.frame(Kind.END, "visit")
    memory = bytearray(build.block([b"a" * 60]) + build.block([mark]))
    assert Block("home", memory, memoryview(memory), 0).index_of(mark) is None
