"""What the Writer puts into a file, read back and byte by byte, and what it refuses."""

from __future__ import annotations

import gzip
import io
from collections.abc import Callable
from ipaddress import IPv6Address
from pathlib import Path

import pytest

from observer.packet import Packet
from observer.pcapng import (
    Block,
    ByteOrder,
    DecryptionSecrets,
    EnhancedPacket,
    InterfaceDescription,
    InterfaceStatistics,
    NameRecord,
    NameResolution,
    Option,
    PcapngError,
    SectionHeader,
    SimplePacket,
    UnknownBlock,
    Writer,
    comment,
    encode_block,
    read_blocks,
    read_packets,
)

NOON = 1_700_000_000_000_000_001


def begun() -> tuple[io.BytesIO, Writer]:
    stream = io.BytesIO()
    writer = Writer(stream)
    writer.add_interface("home")
    return stream, writer


def read(stream: io.BytesIO, writer: Writer) -> list[Block]:
    """The finished capture's blocks, without the one that ends it."""
    writer.finish()
    *blocks, end = read_blocks(io.BytesIO(stream.getvalue()))
    assert isinstance(end, UnknownBlock)
    return blocks


def test_a_packets_bytes() -> None:
    stream, writer = begun()
    before = len(stream.getvalue())
    writer.write_packets([Packet(0x1_0000_0002, 0, b"\xaa\xbb\xcc", 5)])
    assert stream.getvalue()[before:] == bytes.fromhex(
        "06000000 24000000 00000000 01000000 02000000 03000000 05000000 aabbcc00 24000000"
    )


def test_everything_a_journey_holds() -> None:
    stream = io.BytesIO()
    names = [NameRecord.of("10.77.1.10", "client"), NameRecord.of(IPv6Address("2001:db8::1"), "host", "alias")]
    with Writer(stream, hardware="bridge", os="Linux", application="eightsteps") as writer:
        home, edge = writer.add_interface("home", "client to router"), writer.add_interface("edge", snaplen=100)
        writer.add_names(names)
        writer.add_secrets(b"CLIENT_RANDOM ...\n")
        writer.write_packets([Packet(NOON, home, b"1", 1), Packet(NOON, edge, b"22", 60)], {2: ["step 1", "DNS"]})
        writer.add_statistics(edge, NOON + 9, received=1, dropped=0, start_ns=NOON, end_ns=NOON + 9)
    header, first, second, resolution, secrets, one, two, statistics = read(stream, writer)
    assert isinstance(header, SectionHeader) and isinstance(first, InterfaceDescription)
    assert (header.hardware, header.os, header.application) == ("bridge", "Linux", "eightsteps")
    assert (first.name, first.description, first.link_type) == ("home", "client to router", 1)
    assert (first.snaplen, first.ticks_per_second) == (262_144, 10**9)
    assert isinstance(second, InterfaceDescription) and (second.name, second.snaplen) == ("edge", 100)
    assert resolution == NameResolution(tuple(names))
    assert (names[0].address, names[0].names) == (b"\x0a\x4d\x01\x0a", ("client",))
    assert (names[1].address[:4], names[1].names) == (b"\x20\x01\x0d\xb8", ("host", "alias"))
    assert secrets == DecryptionSecrets(0x544C534B, b"CLIENT_RANDOM ...\n")
    assert one == EnhancedPacket(0, NOON, b"1", 1)
    assert two == EnhancedPacket(1, NOON, b"22", 60, (comment("step 1"), comment("DNS")))
    assert isinstance(statistics, InterfaceStatistics)
    assert (statistics.interface_id, statistics.timestamp) == (1, NOON + 9)
    assert (statistics.received, statistics.dropped) == (1, 0)
    assert (statistics.start, statistics.end) == (NOON, NOON + 9)


def test_flags_and_comments_of_one_packet() -> None:
    stream, writer = begun()
    number = writer.write_packet(Packet(NOON, 0, b"data", 4), ["mark", "ß"], flags=0x21)
    *_, packet = read(stream, writer)
    assert isinstance(packet, EnhancedPacket)
    assert (number, writer.packets) == (1, 1)
    assert (packet.comments, packet.flags, packet.drop_count) == (("mark", "ß"), 0x21, None)


def test_comments_are_for_frame_numbers_of_the_file() -> None:
    stream, writer = begun()
    writer.write_packet(Packet(NOON, 0, b"", 0))
    writer.write_packets((Packet(NOON, 0, b"", 0) for _ in range(3)), {1: ["too late"], 3: ["here"]})
    assert [block.comments for block in read(stream, writer) if isinstance(block, EnhancedPacket)] == [
        (),
        (),
        ("here",),
        (),
    ]
    assert writer.packets == 4


def test_more_packets_than_fit_in_one_write() -> None:
    stream, writer = begun()
    packets = [Packet(NOON + n, 0, bytes(n % 1500), 1500) for n in range(3000)]
    writer.write_packets(iter(packets), {2999: ["last but one"]})
    writer.finish()
    assert list(read_packets(io.BytesIO(stream.getvalue()))) == packets


@pytest.mark.parametrize(
    "packet",
    [
        Packet(-1, 0, b"", 0),
        Packet(1 << 64, 0, b"", 0),
        Packet(NOON, 1, b"", 0),
        Packet(NOON, -1, b"", 0),
        Packet(NOON, 0, b"12", 1),
        Packet(NOON, 0, bytes(262_145), 262_145),
        Packet(NOON, 0, b"", 1 << 32),
    ],
)
def test_a_packet_that_no_file_can_hold(packet: Packet) -> None:
    stream, writer = begun()
    before = stream.getvalue()
    for write in (lambda: writer.write_packets([packet]), lambda: writer.write_packet(packet)):
        with pytest.raises(ValueError, match=r"^(packet|interface) "):
            write()
    assert (stream.getvalue(), writer.packets) == (before, 0)


def test_a_faulty_packet_takes_its_batch_with_it_and_no_more() -> None:
    stream, writer = begun()
    writer.write_packet(Packet(NOON, 0, b"kept", 4))
    with pytest.raises(ValueError, match="interface 7: add_interface has described 1 so far"):
        writer.write_packets([Packet(NOON, 0, b"lost", 4), Packet(NOON, 7, b"bad", 3)])
    writer.finish()
    assert [packet.data for packet in read_packets(io.BytesIO(stream.getvalue()))] == [b"kept"]
    assert writer.packets == 1


@pytest.mark.parametrize(
    ("refused", "reason"),
    [
        (lambda w: w.add_secrets(b"CLIENT_RANDOM ..."), "may be torn"),
        (lambda w: w.add_statistics(1, NOON), "interface 1"),
        (lambda w: w.add_statistics(0, -1), "InterfaceStatistics"),
        (lambda w: w.add_statistics(0, 0, dropped=-1), "not an unsigned number of 8 bytes"),
        (lambda w: w.add_interface("x" * 65536), "at most 65535"),
        (lambda w: w.add_interface("\ud800"), "surrogates not allowed"),
        (lambda w: w.add_interface("x", link_type=65536), "InterfaceDescription"),
        (lambda w: w.write_packet(Packet(NOON, 0, b"", 0), flags=1 << 32), "4 bytes"),
        (lambda w: w.add_names([NameRecord(0, b"")]), "would end the list"),
    ],
)
def test_what_no_block_can_hold(refused: Callable[[Writer], object], reason: str) -> None:
    stream, writer = begun()
    before = stream.getvalue()
    with pytest.raises(ValueError, match=reason):
        refused(writer)
    assert stream.getvalue() == before


def test_secrets_come_before_the_packets_they_decrypt() -> None:
    _, writer = begun()
    writer.write_packet(Packet(NOON, 0, b"", 0))
    with pytest.raises(ValueError, match="secrets after 1 packets"):
        writer.add_secrets(b"CLIENT_RANDOM ...\n")


@pytest.mark.parametrize(
    ("address", "names"), [("10.0.0.1", ()), ("10.0.0.1", ("",)), ("a host", ("x",)), ("::", ("\0",))]
)
def test_a_name_record_that_no_file_can_hold(address: str, names: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match=address):
        NameRecord.of(address, *names)


# ---------------------------------------------------------------- the section's end


def test_a_finished_capture_takes_nothing_more() -> None:
    stream, writer = begun()
    writer.finish()
    before = stream.getvalue()
    writer.finish()
    for add in (lambda: writer.add_interface("edge"), lambda: writer.write_packets([Packet(NOON, 0, b"", 0)])):
        with pytest.raises(ValueError, match="the capture is finished"):
            add()
    assert stream.getvalue() == before


def test_a_capture_that_was_not_finished_is_told() -> None:
    stream = io.BytesIO()
    with pytest.raises(ZeroDivisionError), Writer(stream):
        _ = 1 // 0
    with pytest.raises(PcapngError, match="expected the block that its header says it ends with, found end of file"):
        list(read_blocks(io.BytesIO(stream.getvalue())))


def test_captures_may_be_put_one_after_the_other() -> None:
    stream, writer = begun()
    writer.finish()
    whole = stream.getvalue()
    assert len(list(read_blocks(io.BytesIO(whole + whole)))) == 2 * len(list(read_blocks(io.BytesIO(whole))))


def test_a_stream_may_compress(tmp_path: Path) -> None:
    path = tmp_path / "home.pcapng.gz"
    with gzip.open(path, "wb") as stream, Writer(stream) as writer:
        writer.add_interface("home")
        writer.write_packet(Packet(NOON, 0, b"data", 4))
    with path.open("rb") as file:
        assert list(read_packets(file)) == [Packet(NOON, 0, b"data", 4)]


def test_a_short_write_is_not_swallowed() -> None:
    class Full(io.BytesIO):
        def write(self, data: object, /) -> int:
            return 5

    with pytest.raises(OSError, match="took 5 of 44 bytes"):
        Writer(Full())


# ---------------------------------------------------------------- single blocks


def test_a_section_header_names_its_byte_order() -> None:
    big = encode_block(SectionHeader(ByteOrder.BIG))
    assert big == bytes.fromhex("0a0d0d0a 0000001c 1a2b3c4d 0001 0000 ffffffffffffffff 0000001c")


@pytest.mark.parametrize(
    ("block", "reason"),
    [
        (UnknownBlock(9, b"123"), "UnknownBlock: a body of 3 bytes"),
        (SimplePacket(1 << 32, b""), "SimplePacket"),
        (EnhancedPacket(0, -1, b"", 0), "EnhancedPacket"),
        (EnhancedPacket(0, 0, b"", 0, (Option(2, b"12345"),)), "epb_flags: expected 4 bytes, found 5"),
        (EnhancedPacket(0, 0, b"", 0, (Option(2, b"1234"),) * 2), "epb_flags: a block has at most one"),
        (EnhancedPacket(0, 0, b"", 0, (Option(0, b""),)), "cannot stand in a list of options"),
        (EnhancedPacket(0, 0, b"", 0, (Option(99, bytes(65536)),)), "cannot stand in a list of options"),
    ],
)
def test_a_block_that_no_file_can_hold(block: Block, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        encode_block(block)
