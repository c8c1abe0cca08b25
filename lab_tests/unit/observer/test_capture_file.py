"""A capture file's blocks, told apart without reading its packets, and in memory that does not grow with them."""

from __future__ import annotations

import gzip
import io
import struct
import tracemalloc
from pathlib import Path

import pytest

from observer.capture_file import BlockPlace, NoCaptureError, blocks_in, ending, unpacked
from observer.pcapng import (
    Block,
    ByteOrder,
    DecryptionSecrets,
    EnhancedPacket,
    InterfaceDescription,
    InterfaceStatistics,
    ObsoletePacket,
    Option,
    SectionHeader,
    SimplePacket,
    encode_block,
    read_blocks,
)
from observer.pcapng.options import StatisticsOption

GOLDEN = Path(__file__).parent.parent / "pcapng" / "golden"
FOREIGN = Path(__file__).with_name("foreign")
CAPTURES = [*sorted(GOLDEN.iterdir()), *sorted(FOREIGN.glob("*.pcapng"))]
PACKETS = (EnhancedPacket, ObsoletePacket, SimplePacket)


def pcapng(order: ByteOrder, *blocks: Block) -> bytes:
    return b"".join(encode_block(block, order) for block in (SectionHeader(order), *blocks))


def classic(order: str, *captured: int) -> bytes:
    header = struct.pack(f"{order}IHHIIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1)
    return header + b"".join(struct.pack(f"{order}IIII", 1, 2, n, n) + bytes(n) for n in captured)


@pytest.mark.parametrize("path", CAPTURES, ids=lambda path: path.name)
def test_blocks_are_those_that_the_reader_reads_and_nothing_lies_between_them(path: Path) -> None:
    with unpacked(path) as file:
        places = list(blocks_in(file))
        file.seek(0)
        data = file.read()
    is_classic = path.suffix == ".pcap"  # read as a section and an interface, for which it has one header
    blocks = list(read_blocks(io.BytesIO(data)))[is_classic:]
    assert [place.is_packet for place in places] == [isinstance(block, PACKETS) for block in blocks]
    ends = [0, *(place.offset + place.length for place in places)]
    assert [place.offset for place in places] == ends[:-1]
    assert ends[-1] == len(data)


@pytest.mark.parametrize("order", list(ByteOrder))
def test_both_byte_orders_are_read_in_pcapng_also_one_after_the_other(order: ByteOrder) -> None:
    one = pcapng(order, InterfaceDescription(1, 0), SimplePacket(5, b"12345"))
    assert list(blocks_in(io.BytesIO(one))) == [
        BlockPlace(0, 28, False),
        BlockPlace(28, 20, False),
        BlockPlace(48, 24, True),
    ]
    other = pcapng(ByteOrder.BIG if order is ByteOrder.LITTLE else ByteOrder.LITTLE, InterfaceDescription(1, 0))
    assert [place.offset for place in blocks_in(io.BytesIO(one + other))] == [0, 28, 48, 72, 100]


@pytest.mark.parametrize("order", ["<", ">"])
def test_both_byte_orders_are_read_in_classic_pcap(order: str) -> None:
    assert list(blocks_in(io.BytesIO(classic(order, 5, 0, 60)))) == [
        BlockPlace(0, 24, False),
        BlockPlace(24, 21, True),
        BlockPlace(45, 16, True),
        BlockPlace(61, 76, True),
    ]


@pytest.mark.parametrize(
    "whole",
    [
        classic("<", 5, 0, 60),
        pcapng(ByteOrder.LITTLE, InterfaceDescription(1, 0), SimplePacket(5, b"12345"), DecryptionSecrets(1, b"123")),
    ],
    ids=["classic", "pcapng"],
)
def test_wherever_a_file_is_cut_the_blocks_that_are_whole_are_told(whole: bytes) -> None:
    places = list(blocks_in(io.BytesIO(whole)))
    assert len(places) == 4
    for length in range(4, len(whole)):
        cut = list(blocks_in(io.BytesIO(whole[:length])))
        assert cut == [place for place in places if place.offset + place.length <= length]


def test_a_length_that_its_blocks_end_contradicts_ends_the_blocks() -> None:
    whole = pcapng(ByteOrder.LITTLE, InterfaceDescription(1, 0), SimplePacket(5, b"12345"))
    damaged = whole[:-4] + b"\x1c\0\0\0"
    assert len(list(blocks_in(io.BytesIO(damaged)))) == 2


@pytest.mark.parametrize("data", [b"", b"\x0a\x0d", b"GET / HTTP/1.1"])
def test_what_is_no_capture_is_refused(data: bytes) -> None:
    with pytest.raises(NoCaptureError, match="expected pcapng or pcap"):
        list(blocks_in(io.BytesIO(data)))


def test_a_file_whose_first_block_is_cut_is_no_capture(tmp_path: Path) -> None:
    path = tmp_path / "cut.pcapng"
    path.write_bytes(pcapng(ByteOrder.LITTLE)[:-1])
    with pytest.raises(NoCaptureError, match="found one that is cut or damaged"):
        ending(path)


def test_between_two_blocks_the_file_may_be_read_elsewhere() -> None:
    file = io.BytesIO(classic(">", 5, 0, 60))
    found = []
    for place in blocks_in(file):
        file.seek(0)
        found.append(file.read(place.offset + place.length)[place.offset :])
    assert b"".join(found) == file.getvalue()


def test_what_an_interface_lost_is_added_up_over_sections(tmp_path: Path) -> None:
    section: list[Block] = [
        InterfaceDescription(1, 0),
        InterfaceStatistics(0, 0, (Option(StatisticsOption.ISB_IFDROP, (3).to_bytes(8, "little")),)),
    ]
    path = tmp_path / "two.pcapng"
    path.write_bytes(pcapng(ByteOrder.LITTLE, *section) + pcapng(ByteOrder.BIG, *section))
    assert ending(path).dropped == 6


@pytest.mark.parametrize("packed", [False, True])
def test_many_blocks_that_are_no_packets_do_not_fill_the_memory(packed: bool, tmp_path: Path) -> None:
    secrets = encode_block(DecryptionSecrets(1, bytes(1 << 20)), ByteOrder.LITTLE)
    path = tmp_path / "many.pcapng"
    with gzip.open(path, "wb", compresslevel=1) if packed else path.open("wb") as file:
        file.write(pcapng(ByteOrder.LITTLE))
        for _ in range(64):
            file.write(secrets)
    tracemalloc.start()
    try:
        assert ending(path).dropped is None
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most < 8 << 20, f"{most:,} bytes at most, for blocks of 1 MiB"
