"""Records are found in a stream however it is cut, repeated or out of order."""

from __future__ import annotations

import random
from ipaddress import IPv4Address
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from middlebox.packet import NO_FLAGS, Packet, Protocol, TcpFlags
from middlebox.tls_records import Part, RecordStream


def at(sequence_number: int, flags: TcpFlags = NO_FLAGS) -> Packet:
    here = IPv4Address("10.77.3.10")
    return Packet(Protocol.TCP, here, 443, here, 51000, 7, sequence_number % 2**32, 20, 40, 40, flags)


def record(length: int) -> bytes:
    return b"\x17\x03\x03" + length.to_bytes(2) + bytes(length)


def opened(initial: int = 0) -> RecordStream:
    stream = RecordStream()
    stream.take(at(initial, TcpFlags.SYN), b"")
    return stream


@given(
    st.lists(st.integers(min_value=0, max_value=30), min_size=1, max_size=8),
    st.integers(min_value=0, max_value=2**32 - 1),
    st.data(),
)
def test_every_byte_belongs_to_its_record_however_the_stream_is_cut(
    lengths: list[int], initial: int, draw: st.DataObject
) -> None:
    whole = b"".join(record(length) for length in lengths)
    cuts = sorted({0, len(whole), *draw.draw(st.lists(st.integers(min_value=0, max_value=len(whole))))})
    begins = [sum(5 + length for length in lengths[:place]) for place in range(len(lengths))]
    stream = opened(initial)

    found = []
    for start, end in pairwise(cuts):
        for part in stream.take(at(initial + 1 + start), whole[start:end]):
            assert start + part.start == begins[part.number - 1]
            if part.end is not None:
                assert part.end - part.start == 5 + lengths[part.number - 1]
            if part.begins_here:
                found.append(part.number)

    assert found == list(range(1, len(lengths) + 1))


@given(st.integers(min_value=0, max_value=1000))
def test_segments_in_any_order_and_repeated_leave_the_numbering_right(seed: int) -> None:
    whole = b"".join(record(length) for length in range(10))
    pieces = [(start, whole[start : start + 7]) for start in range(0, len(whole), 7)]
    shuffled = [*pieces, *pieces[:3]]
    random.Random(seed).shuffle(shuffled)
    stream = opened()
    for start, piece in shuffled:
        stream.take(at(1 + start), piece)

    assert stream.take(at(1 + len(whole)), record(3)) == (Part(11, 0, 8),)


def test_bytes_sent_again_are_not_counted_but_new_ones_behind_them_are() -> None:
    stream = opened()
    first, second = record(2), record(3)
    stream.take(at(1), first)

    assert stream.take(at(1), first) == ()
    assert stream.take(at(1), first + second) == (Part(2, 7, 15),)


def test_a_connection_that_was_open_before_is_counted_from_its_next_record() -> None:
    stream = RecordStream()

    assert stream.take(at(500), b"the middle of something") == ()
    assert stream.take(at(900), record(2)) == (Part(1, 0, 7),)


def test_what_is_no_tls_holds_no_records() -> None:
    stream = opened()

    assert stream.take(at(1), b"HTTP/1.1 200 OK\r\n") == ()
    assert stream.take(at(18), record(2)) == ()
