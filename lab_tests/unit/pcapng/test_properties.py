"""What holds for any file: writing and reading are inverse, and whatever is damaged raises PcapngError alone."""

from __future__ import annotations

import gzip
import io
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from observer.packet import Packet
from observer.pcapng import (
    Block,
    BlockType,
    ByteOrder,
    CustomBlock,
    DecryptionSecrets,
    EnhancedPacket,
    InterfaceDescription,
    InterfaceStatistics,
    NameRecord,
    NameResolution,
    ObsoletePacket,
    Option,
    PcapngError,
    SectionHeader,
    SimplePacket,
    UnknownBlock,
    Writer,
    encode_block,
    read_blocks,
    read_packets,
)
from observer.pcapng.options import RULES

# A shared machine is slow at times; and the checkout that the tests run in may be read-only.
unhurried = settings(deadline=None, database=None)

GOLDEN = Path(__file__).parent / "golden"
U16, U32, U64 = (st.integers(0, (1 << bits) - 1) for bits in (16, 32, 64))
DATA = st.binary(max_size=40)
KNOWN_TYPES = {int(kind) for kind in BlockType}


@st.composite
def option_lists(draw: st.DrawFn, block_type: BlockType) -> tuple[Option, ...]:
    """Known options with lengths that fit, unknown ones with any."""
    rules = RULES[block_type]
    codes = draw(st.lists(st.one_of(st.sampled_from(sorted(rules)), st.integers(1, 0xFFFF)), max_size=4))
    options: list[Option] = []
    for code in codes:
        rule = rules.get(code)
        if rule is not None and not rule.repeatable and any(option.code == code for option in options):
            continue
        low, high = (0, 20) if rule is None else (rule.length or rule.minimum, rule.length or 20)
        options.append(Option(code, draw(st.binary(min_size=low, max_size=high))))
    return tuple(options)


def records() -> st.SearchStrategy[NameRecord]:
    ipv4 = st.builds(NameRecord, st.just(1), st.binary(min_size=5, max_size=20).map(lambda value: value + b"\0"))
    return ipv4 | st.builds(NameRecord, st.integers(5, 0xFFFF), DATA)


def blocks_of_one_interface() -> st.SearchStrategy[Block]:
    zero = st.just(0)
    return st.one_of(
        st.builds(EnhancedPacket, zero, U64, DATA, U32, option_lists(BlockType.ENHANCED_PACKET)),
        st.builds(ObsoletePacket, zero, U16, U64, DATA, U32, option_lists(BlockType.PACKET)),
        DATA.map(lambda data: SimplePacket(len(data), data)),
        st.builds(InterfaceStatistics, zero, U64, option_lists(BlockType.INTERFACE_STATISTICS)),
        st.builds(InterfaceDescription, U16, U32, option_lists(BlockType.INTERFACE_DESCRIPTION)),
        st.builds(NameResolution, st.lists(records(), max_size=3).map(tuple), option_lists(BlockType.NAME_RESOLUTION)),
        st.builds(DecryptionSecrets, U32, DATA, option_lists(BlockType.DECRYPTION_SECRETS)),
        st.builds(CustomBlock, st.booleans(), U32, st.integers(0, 8).map(lambda size: bytes(size * 4))),
        st.builds(UnknownBlock, U32.filter(lambda kind: kind not in KNOWN_TYPES), st.just(b"body")),
    )


@st.composite
def sections(draw: st.DrawFn) -> list[Block]:
    order = draw(st.sampled_from(ByteOrder))
    header = SectionHeader(order, (1, draw(st.sampled_from((0, 2)))), -1, draw(option_lists(BlockType.SECTION_HEADER)))
    interface = InterfaceDescription(draw(U16), 0, draw(option_lists(BlockType.INTERFACE_DESCRIPTION)))
    body = [interface, *draw(st.lists(blocks_of_one_interface(), max_size=6))]
    if draw(st.booleans()):
        header = replace(header, section_length=sum(len(encode_block(block, order)) for block in body))
    return [header, *body]


FILES = st.lists(sections(), min_size=1, max_size=3).map(
    lambda found: [block for section in found for block in section]
)


def encoded(blocks: list[Block]) -> bytes:
    order = ByteOrder.LITTLE
    parts = []
    for block in blocks:
        order = block.byte_order if isinstance(block, SectionHeader) else order
        parts.append(encode_block(block, order))
    return b"".join(parts)


def read(data: bytes) -> list[Block]:
    return list(read_blocks(io.BytesIO(data)))


@unhurried
@given(FILES)
def test_any_file_written_reads_the_same_plain_and_in_gzip(blocks: list[Block]) -> None:
    data = encoded(blocks)
    assert read(data) == blocks
    assert read(gzip.compress(data)) == blocks


PACKETS = st.builds(
    lambda time_ns, interface_id, data, missing: Packet(time_ns, interface_id, data, len(data) + missing),
    U64,
    st.integers(0, 3),
    DATA,
    st.integers(0, 1500),
)


def captured(packets: list[Packet], comments: dict[int, list[str]]) -> bytes:
    stream = io.BytesIO()
    with Writer(stream, application="test") as writer:
        for name in ("home", "internet", "edge", "backend"):
            writer.add_interface(name)
        writer.add_secrets(b"CLIENT_RANDOM ...\n")
        writer.write_packets(packets, comments)
        writer.add_statistics(0, 9, received=len(packets), dropped=0)
    return stream.getvalue()


@unhurried
@given(
    st.lists(PACKETS), st.dictionaries(st.integers(1, 9), st.lists(st.text(st.characters(codec="utf-8")), max_size=2))
)
def test_any_packets_written_read_the_same(packets: list[Packet], comments: dict[int, list[str]]) -> None:
    data = captured(packets, comments)
    assert list(read_packets(io.BytesIO(data))) == packets
    found = [block.comments for block in read(data) if isinstance(block, EnhancedPacket)]
    wanted = [tuple(text.split("\0")[0] for text in comments.get(n, ())) for n in range(1, len(packets) + 1)]
    assert found == wanted


EXAMPLE = captured([Packet(1_700_000_000_000_000_000 + n, n % 4, bytes(n), 60) for n in range(6)], {3: ["a step"]})


def test_a_writers_file_cut_anywhere_is_told() -> None:
    for size in range(len(EXAMPLE)):
        with pytest.raises(PcapngError) as caught:
            read(EXAMPLE[:size])
        assert caught.value.offset <= size


@pytest.mark.parametrize("name", ["text2pcap.pcapng", "secrets_and_comments.pcapng", "two_interfaces.pcapng"])
def test_a_foreign_file_cut_inside_a_block_is_told(name: str) -> None:
    data = (GOLDEN / name).read_bytes()
    ends = set()
    end = 0
    for block in read(data):
        end += len(encode_block(block))
        ends.add(end)
    assert end == len(data)
    for size in set(range(len(data))) - ends:
        with pytest.raises(PcapngError):
            read(data[:size])


def test_classic_pcap_cut_inside_a_record_is_told() -> None:
    data = (GOLDEN / "microseconds.pcap").read_bytes()
    for size in set(range(len(data))) - {24, 24 + 16 + 47}:
        with pytest.raises(PcapngError):
            read(data[:size])


def fault_in(data: bytes, reader: Callable[[io.BytesIO], Iterator[object]]) -> PcapngError | None:
    """What is wrong with the file, if anything; an exception of another kind gets through."""
    try:
        for _ in reader(io.BytesIO(data)):
            pass
    except PcapngError as error:
        return error
    return None


def only_the_format_is_blamed(data: bytes) -> None:
    for reader in (read_blocks, read_packets):
        error = fault_in(data, reader)
        if error is not None:
            assert error.block >= 1 and error.offset >= 0
            assert error.field and error.expected and error.found


@pytest.mark.parametrize(
    "name",
    ["secrets_and_comments.pcapng", "two_interfaces.pcapng", "text2pcap.pcapng.gz", "microseconds.pcap"],
)
def test_any_byte_of_a_file_may_be_wrong(name: str) -> None:
    data = bytearray((GOLDEN / name).read_bytes())
    for at, right in enumerate(data):
        for wrong in (0x00, 0xFF, right ^ 0x01, right ^ 0x80):
            data[at] = wrong
            only_the_format_is_blamed(bytes(data))
        data[at] = right


@unhurried
@given(FILES, st.integers(0, 1 << 20), st.integers(1, 255))
def test_any_byte_of_any_file_may_be_wrong(blocks: list[Block], at: int, flip: int) -> None:
    data = bytearray(encoded(blocks))
    data[at % len(data)] ^= flip
    only_the_format_is_blamed(bytes(data))


BEGINNINGS = (
    b"",
    encode_block(SectionHeader()),
    encode_block(SectionHeader(ByteOrder.BIG)),
    encode_block(SectionHeader()) + encode_block(InterfaceDescription(1, 0)),
    b"\x1f\x8b\x08\x00",
    (GOLDEN / "nanoseconds.pcap").read_bytes()[:24],
)


@unhurried
@given(st.sampled_from(BEGINNINGS), st.binary(max_size=200))
def test_a_file_may_hold_anything(beginning: bytes, rest: bytes) -> None:
    only_the_format_is_blamed(beginning + rest)
