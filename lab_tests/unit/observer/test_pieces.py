"""A long capture is read in pieces, each by a tshark of its own; its stories must not change by that."""

from __future__ import annotations

import gzip
import json
import struct
from collections.abc import Iterable, Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from foreign_captures import FOREIGN, foreign
from observer.capture_file import BlockPlace, blocks_in, unpacked
from observer.cutting import Cutter
from observer.dissect import AGGREGATOR, FIELDS, DissectionError
from observer.explain import Form, explain
from observer.kept import Bounds
from observer.pieces import Pieces
from observer.style import Style
from observer.topology import NO_LAB
from programs_here import needs_tshark

GOLDEN = Path(__file__).parent.parent / "pcapng" / "golden"
VISITS = Path(__file__).parent / "visits"
OF_CONNECTIONS = ("out-of-order", "quic-moved", "tls13-psk", "two-at-once")
CAPTURES = [*(FOREIGN / f"{name}.pcapng" for name in OF_CONNECTIONS)]
CAPTURES += [VISITS / visit / "edge.pcapng" for visit in ("http2", "http3")]
UNDIVIDED = 1_000_000


def told(path: Path, form: Form, size: int, carried: int = 50_000) -> str:
    return "".join(explain(path, None, NO_LAB, Style(), form, Bounds(piece=size, carried=carried)))


def third(path: Path) -> int:
    """How many packets a piece has when the file has three."""
    with unpacked(path) as file:
        return -(-sum(place.is_packet for place in blocks_in(file)) // 3)


def without_pieces(told_json: str) -> tuple[dict[str, Any], bool]:
    """What is told, and whether it says that the file was read in pieces."""
    document = json.loads(told_json)
    capture = document["capture"]
    remarks = [remark for remark in capture["remarks"] if "pieces of" not in remark]
    return document | {"capture": capture | {"remarks": remarks}}, len(remarks) < len(capture["remarks"])


# ---------------------------------------------------------------- whole files


@needs_tshark
@pytest.mark.parametrize("path", CAPTURES, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_the_stories_are_the_same_in_three_pieces(path: Path) -> None:
    whole, in_pieces = without_pieces(told(path, Form.JSON, UNDIVIDED))
    assert not in_pieces
    again, in_pieces = without_pieces(told(path, Form.JSON, third(path)))
    assert in_pieces
    assert again == whole


@needs_tshark
def test_a_packet_whose_fragments_are_in_two_pieces_is_put_together() -> None:
    whole, _ = without_pieces(told(FOREIGN / "fragments.pcapng", Form.JSON, UNDIVIDED))
    sizes = [frame.number - 1 for frame in foreign("fragments") if frame.fragment_offset]
    assert sizes
    for size in sizes:
        again, in_pieces = without_pieces(told(FOREIGN / "fragments.pcapng", Form.JSON, size))
        assert in_pieces
        assert again == whole


@needs_tshark
def test_every_frame_is_told_in_the_same_words() -> None:
    path = FOREIGN / "two-at-once.pcapng"
    lines = [line for line in told(path, Form.FRAMES, third(path)).splitlines() if "pieces of" not in line]
    assert lines == told(path, Form.FRAMES, UNDIVIDED).splitlines()


@needs_tshark
@pytest.mark.parametrize("name", ["microseconds.pcap", "text2pcap.pcapng.gz"])
def test_classic_pcap_and_compressed_files_are_cut_as_well(name: str) -> None:
    path = GOLDEN / name
    whole, _ = without_pieces(told(path, Form.JSON, UNDIVIDED))
    again, in_pieces = without_pieces(told(path, Form.JSON, third(path)))
    assert in_pieces
    assert again == whole


@needs_tshark
def test_a_connection_too_long_to_carry_over_is_told_as_two_and_the_summary_says_why() -> None:
    path = FOREIGN / "tls13-psk.pcapng"
    cut = json.loads(told(path, Form.JSON, 20, carried=5))
    assert any("there was no room in the next piece" in remark for remark in cut["capture"]["remarks"])
    assert any("connections began before the capture did" in remark for remark in cut["capture"]["remarks"])
    whole = json.loads(told(path, Form.JSON, 20))
    assert not any("no room" in remark or "began before" in remark for remark in whole["capture"]["remarks"])


@needs_tshark
@pytest.mark.parametrize("compressed", [False, True])
def test_a_file_cut_in_a_later_piece_is_an_error(tmp_path: Path, compressed: bool) -> None:
    data = (FOREIGN / "quic-moved.pcapng").read_bytes()
    last = max(place.offset for place in blocks_in(BytesIO(data)) if place.is_packet)
    whole, cut = tmp_path / "whole.pcapng", tmp_path / "cut.pcapng"
    whole.write_bytes(gzip.compress(data) if compressed else data)
    cut.write_bytes(gzip.compress(data[: last + 20]) if compressed else data[: last + 20])
    assert told(whole, Form.LADDER, third(whole))
    with pytest.raises(DissectionError, match=r"cut short|ends with"):
        told(cut, Form.LADDER, third(whole))


# ---------------------------------------------------------------- tshark's numbers and the file's


def values(**fields: str) -> list[str]:
    named = {name.replace("__", "."): value for name, value in fields.items()}
    assert set(named) <= set(FIELDS)
    return [named.get(name, "") for name in FIELDS]


def segment(number: int, stream: int, flags: str = "0x0010", port: str = "1", **more: str) -> list[str]:
    """A frame that passed number/100 s after 1970 began."""
    found = {"frame__number": str(number), "frame__time_epoch": f"{number / 100:.9f}", "ip__src": "192.0.2.1"}
    return values(**found, tcp__stream=str(stream), tcp__flags=flags, tcp__srcport=port, **more)


def numbers(pieces: Pieces, lines: list[list[str]]) -> Iterator[tuple[str, str]]:
    """The file's numbers of the frames that are new, and of their streams."""
    for line in lines:
        if pieces.take(line):
            yield line[FIELDS.index("frame.number")], line[FIELDS.index("tcp.stream")]


def test_a_later_piece_goes_on_with_the_files_own_numbers() -> None:
    pieces = Pieces(4, 100)
    first = [segment(1, 0, "0x0002"), segment(2, 1, "0x0002"), segment(3, 1), segment(4, 1)]
    assert list(numbers(pieces, first)) == [("1", "0"), ("2", "1"), ("3", "1"), ("4", "1")]
    pieces.turn()
    assert pieces.carried == (1, 2, 3, 4)
    second = [segment(n, s) for n, s in ((1, 0), (2, 1), (3, 1), (4, 1), (5, 2), (6, 0), (7, 1), (8, 2))]
    assert list(numbers(pieces, second)) == [("5", "2"), ("6", "0"), ("7", "1"), ("8", "2")]


def test_without_room_those_that_spoke_last_are_carried_over() -> None:
    pieces = Pieces(5, 3)
    lines = [segment(1, 0, "0x0002"), segment(2, 1, "0x0002"), segment(3, 2, "0x0002"), segment(4, 0), segment(5, 1)]
    assert len(list(numbers(pieces, lines))) == 5
    pieces.turn()
    assert pieces.carried == (2, 3, 5)  # not stream 0: with its two frames it would be four
    assert list(numbers(pieces, [segment(n, s) for n, s in ((1, 0), (2, 1), (3, 0), (4, 2))])) == [("6", "3")]
    assert any(remark.startswith("for 1 open connections there was no room") for remark in pieces.remarks())


def test_one_that_is_over_takes_no_room_from_one_that_is_open() -> None:
    pieces = Pieces(3, 2)
    lines = [segment(1, 0, "0x0002"), segment(2, 0), segment(3, 1, "0x0014")]
    assert len(list(numbers(pieces, lines))) == 3
    pieces.turn()
    assert pieces.carried == (1, 2)
    assert not any("no room" in remark for remark in pieces.remarks())


@pytest.mark.parametrize(
    ("closing", "carried"),
    [
        (["0x0011", "0x0011"], ()),
        (["0x0014"], ()),
        (["0x0011"], (1, 2)),  # closed on one side only
    ],
    ids=["both-ended-it", "reset", "half-closed"],
)
def test_a_connection_that_is_over_is_not_carried_over(closing: list[str], carried: tuple[int, ...]) -> None:
    pieces = Pieces(2_000, 5_000)
    own = [segment(1, 0, "0x0002"), *(segment(n, 0, flags, port=str(n)) for n, flags in enumerate(closing, start=2))]
    other = [segment(n, 1) for n in range(len(own) + 1, 2_001)]
    assert len(list(numbers(pieces, own + other))) == 2_000
    pieces.turn()
    assert tuple(n for n in pieces.carried if n <= len(own)) == carried


def test_what_comes_late_still_finds_its_connection() -> None:
    pieces = Pieces(3, 100)  # of which a twentieth is for those that are over
    assert len(list(numbers(pieces, [segment(1, 0, "0x0002"), segment(2, 0, "0x0014"), segment(3, 1)]))) == 3
    pieces.turn()
    assert pieces.carried == (1, 2, 3)


@pytest.mark.parametrize(
    ("words", "http", "told"),
    [
        ("[TCP Dup ACK 1#1] 80 > 1 [ACK]", "", "[TCP Dup ACK 1#1] 80 > 1 [ACK]"),
        ("80 > 1 [ACK] [TCP PDU reassembled in 3]", "", "80 > 1 [ACK] [TCP PDU reassembled in 4]"),
        ("Fragmented IP protocol [Reassembled in #2]", "", "Fragmented IP protocol [Reassembled in #3]"),
        ("Echo (ping) request  id=0x1 (reply in 3)", "", "Echo (ping) request  id=0x1 (reply in 4)"),
        ("[TCP Dup ACK 0#1] [TCP PDU reassembled in 9000]", "", "[TCP Dup ACK 0#1] [TCP PDU reassembled in 9000]"),
        ("HTTP/1.1 200 (reply in 3)", "20", "HTTP/1.1 200 (reply in 3)"),
        ("Dup ACK 3, request in 3", "", "Dup ACK 3, request in 3"),
    ],
)
def test_another_frame_that_tshark_names_has_the_files_number_too(words: str, http: str, told: str) -> None:
    pieces = Pieces(2, 100)
    assert len(list(numbers(pieces, [segment(1, 0), values(frame__number="2")]))) == 2
    pieces.turn()
    assert pieces.carried == (1,)
    line = segment(2, 0, _ws__col__info=words)
    line[FIELDS.index("len(http)")] = http
    assert list(numbers(pieces, [segment(1, 0), line])) == [("3", "0")]
    assert line[FIELDS.index("_ws.col.info")] == told


def fragment(number: int, offset: int, more: bool, identification: str = "0x0007") -> list[str]:
    named = {"ip__id": identification, "ip__frag_offset": str(offset), "ip__flags__mf": str(more)}
    named |= {"frame__number": str(number), "frame__time_epoch": f"{number / 10:.9f}"}
    return values(ip__src="192.0.2.1", ip__dst="192.0.2.2", **named)


def test_the_fragments_of_a_packet_stay_with_its_connection_however_long_ago_they_were() -> None:
    pieces = Pieces(3_000, 5_000)
    whole = segment(3, 0, ip__dst="192.0.2.2", ip__id="0x0007", ip__frag_offset="1480", ip__flags__mf="False")
    first = [fragment(1, 0, True), fragment(2, 0, True, "0x0008"), whole]
    rest = [segment(n, 1, "0x0014") for n in range(4, 3_000)]
    assert len(list(numbers(pieces, [*first, *rest, fragment(3_000, 0, True, "0x0009")]))) == 3_000
    pieces.turn()
    # Neither the packet that never became whole, long ago, nor a connection that was reset; but the newest fragment.
    assert [n for n in pieces.carried if n <= 3] == [1, 3]
    assert pieces.carried[-1] == 3_000
    again = [fragment(1, 0, True), whole]
    whole[FIELDS.index("frame.number")] = "2"
    assert list(numbers(pieces, again)) == []
    on = [segment(len(pieces.carried) + 1, 0)]
    assert list(numbers(pieces, on)) == [("3001", "0")]


def test_a_packet_in_a_packet_has_two_streams() -> None:
    pieces = Pieces(1, 100)
    both = f"0{AGGREGATOR}1"
    assert pieces.take(values(frame__number="1", tcp__stream=both, tcp__flags="0x0010"))
    pieces.turn()
    assert not pieces.take(values(frame__number="1", tcp__stream=both, tcp__flags="0x0010"))
    line = values(frame__number="2", tcp__stream=f"0{AGGREGATOR}2", tcp__flags="0x0010")
    assert pieces.take(line)
    # Only the outer one was known from its first frame on.
    assert line[FIELDS.index("tcp.stream")] == f"0{AGGREGATOR}3"


# ---------------------------------------------------------------- where they stand in the file


def bytes_of(data: bytes, places: Iterable[BlockPlace]) -> list[bytes]:
    return [data[place.offset : place.offset + place.length] for place in places]


@pytest.mark.parametrize("size", [1, 3, 1_000])
def test_the_packets_of_the_pieces_are_the_files(size: int) -> None:
    data = (FOREIGN / "two-at-once.pcapng").read_bytes()
    packets = bytes_of(data, (place for place in blocks_in(BytesIO(data)) if place.is_packet))
    cutter = Cutter(BytesIO(data), size)
    found = packets[:size]
    while cutter.more:
        spans, own = cutter.piece(())
        out = BytesIO()
        cutter.copy(spans, out)
        piece = out.getvalue()
        inside = bytes_of(piece, (place for place in blocks_in(BytesIO(piece)) if place.is_packet))
        assert len(inside) == own
        found += inside
    assert found == packets


def block(kind: int, length: int) -> bytes:
    """A block of that total length, which its author did not round up to whole words."""
    return struct.pack("<II", kind, length) + bytes(-(-length // 4) * 4 - 12) + struct.pack("<I", length)


@needs_tshark
@pytest.mark.parametrize("tail", [block(0xBAD, 13), b"no block at all"], ids=["odd-length", "no-block"])
def test_whatever_follows_the_last_packet_ends_the_story(tmp_path: Path, tail: bytes) -> None:
    path = tmp_path / "with-tail.pcapng"
    path.write_bytes((VISITS / "http2" / "home.tsv").with_suffix(".pcapng").read_bytes() + tail)
    outcomes = []
    for size in (UNDIVIDED, third(path)):
        try:
            outcomes.append(without_pieces(told(path, Form.JSON, size))[0])
        except DissectionError as fault:
            outcomes.append({"refused": str(fault).replace("Standard input", f'File "{path}"')})
    assert ("refused" in outcomes[0]) == ("refused" in outcomes[1])
    if "refused" not in outcomes[0]:
        assert outcomes[0] == outcomes[1]


def test_a_block_of_odd_length_is_stepped_over_as_tshark_steps_over_it() -> None:
    data = (FOREIGN / "two-at-once.pcapng").read_bytes()
    places = list(blocks_in(BytesIO(data)))
    at = places[len(places) // 2].offset
    with_odd = list(blocks_in(BytesIO(data[:at] + block(0xBAD, 13) + data[at:])))
    assert [place.is_packet for place in with_odd].count(True) == [place.is_packet for place in places].count(True)
    assert len(with_odd) == len(places) + 1


def test_a_piece_begins_with_all_blocks_that_are_no_packets_and_what_is_carried_over() -> None:
    data = (FOREIGN / "two-at-once.pcapng").read_bytes()
    places = list(blocks_in(BytesIO(data)))
    packets = [data[place.offset : place.offset + place.length] for place in places if place.is_packet]
    first = next(place for place in places if place.is_packet)
    before = b"".join(data[p.offset : p.offset + p.length] for p in places[: places.index(first)])
    cutter = Cutter(BytesIO(data), 4)
    for carried, begin in (((2, 3), 4), ((3, 6), 8)):
        out = BytesIO()
        spans, _ = cutter.piece(carried)
        cutter.copy(spans, out)
        past = b"".join(packets[number - 1] for number in carried)
        assert out.getvalue().startswith(before + past + packets[begin])
