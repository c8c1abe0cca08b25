"""Reading whole files: blocks written out by hand after the draft, and files that Wireshark's own tools have made."""

from __future__ import annotations

import gzip
import io
from pathlib import Path

import pytest

from observer.packet import Packet
from observer.pcapng import (
    Block,
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
    SecretsType,
    SectionHeader,
    SimplePacket,
    UnknownBlock,
    encode_block,
    read_blocks,
    read_packets,
)

GOLDEN = Path(__file__).parent / "golden"

LITTLE_ENDIAN = bytes.fromhex(
    "0a0d0d0a 1c000000 4d3c2b1a 0100 0000 ffffffffffffffff 1c000000"  # Section Header
    "01000000 20000000 0100 0000 00000400 0900 0100 09000000 0000 0000 20000000"  # Interface Description, tsresol 9
    "06000000 2c000000 00000000 01000000 02000000 03000000 05000000 aabbcc00 0100 0200 68690000 2c000000"  # no endofopt
)
BIG_ENDIAN = bytes.fromhex(
    "0a0d0d0a 0000001c 1a2b3c4d 0001 0000 ffffffffffffffff 0000001c"
    "00000001 00000020 0001 0000 00040000 0009 0001 09000000 0000 0000 00000020"
    "00000006 0000002c 00000000 00000001 00000002 00000003 00000005 aabbcc00 0001 0002 68690000 0000002c"
)


def blocks(data: bytes) -> list[Block]:
    return list(read_blocks(io.BytesIO(data)))


def golden(name: str) -> list[Block]:
    with (GOLDEN / name).open("rb") as file:
        return list(read_blocks(file))


def packets_of(name: str) -> list[Packet]:
    with (GOLDEN / name).open("rb") as file:
        return list(read_packets(file))


@pytest.mark.parametrize(("data", "order"), [(LITTLE_ENDIAN, ByteOrder.LITTLE), (BIG_ENDIAN, ByteOrder.BIG)])
def test_both_byte_orders_read_the_same(data: bytes, order: ByteOrder) -> None:
    header, interface, packet = blocks(data)
    assert header == SectionHeader(order, (1, 0), -1)
    assert interface == InterfaceDescription(1, 0x40000, (Option(9, b"\x09"),))
    assert packet == EnhancedPacket(0, 0x1_0000_0002, b"\xaa\xbb\xcc", 5, (Option(1, b"hi"),))


def test_sections_of_both_byte_orders_may_follow_each_other() -> None:
    assert blocks(LITTLE_ENDIAN + BIG_ENDIAN) == blocks(LITTLE_ENDIAN) + blocks(BIG_ENDIAN)


def test_interfaces_are_numbered_through_all_sections() -> None:
    assert [packet.interface_id for packet in read_packets(io.BytesIO(LITTLE_ENDIAN + BIG_ENDIAN))] == [0, 1]


def test_numbers_in_options_of_a_big_endian_section_are_read() -> None:
    idb = "0001 0000 00000000 000e 0008 fffffffffffffffe 0000 0000"  # if_tsoffset -2
    isb = "00000000 00000000 00000007 0002 0008 0000000100000002 0005 0008 0000000000000003 0000 0000"
    data = BIG_ENDIAN[:28] + hand_made("00000001", idb) + hand_made("00000005", isb)
    _, interface, statistics = blocks(data)
    assert isinstance(interface, InterfaceDescription) and interface.offset_s == -2
    assert isinstance(statistics, InterfaceStatistics)
    assert (statistics.timestamp, statistics.start, statistics.dropped) == (7, 0x1_0000_0002, 3)
    assert (statistics.received, statistics.end) == (None, None)


def hand_made(block_type: str, body: str) -> bytes:
    """A big-endian block."""
    content = bytes.fromhex(body)
    length = (12 + len(content)).to_bytes(4, "big")
    return bytes.fromhex(block_type) + length + content + length


@pytest.mark.parametrize(
    ("resolution", "timestamp", "time_ns"),
    [
        (None, 1_500_000, 1_500_000_000),
        (b"\x09", 5, 5),
        (b"\x00", 3, 3_000_000_000),
        (b"\x0c", 1_999, 1),  # picoseconds, rounded down
        (b"\x8a", 512, 500_000_000),  # 2**-10 s
    ],
)
def test_timestamps_become_nanoseconds(resolution: bytes | None, timestamp: int, time_ns: int) -> None:
    options = () if resolution is None else (Option(9, resolution),)
    file = stream_of(SectionHeader(), InterfaceDescription(1, 0, options), EnhancedPacket(0, timestamp, b"", 0))
    assert [packet.time_ns for packet in read_packets(file)] == [time_ns]


def test_an_interfaces_time_offset_is_added() -> None:
    interface = InterfaceDescription(1, 0, (Option(14, (100).to_bytes(8, "little")),))
    assert [p.time_ns for p in read_packets(stream_of(SectionHeader(), interface, EnhancedPacket(0, 7, b"", 0)))] == [
        100 * 10**9 + 7000
    ]


def test_each_interface_has_its_own_clock() -> None:
    file = stream_of(
        SectionHeader(),
        InterfaceDescription(1, 0),
        InterfaceDescription(1, 0, (Option(9, b"\x09"),)),
        EnhancedPacket(1, 5, b"", 0),
        ObsoletePacket(0, 0, 5, b"", 0),
    )
    assert [packet.time_ns for packet in read_packets(file)] == [5, 5000]


def stream_of(*file: Block) -> io.BytesIO:
    return io.BytesIO(b"".join(encode_block(block) for block in file))


def test_unknown_blocks_options_and_records_are_kept() -> None:
    file = (
        SectionHeader(options=(Option(0x8001, b"local"),)),
        UnknownBlock(0x80000001, b"left as it is..."),
        CustomBlock(False, 32473, b"body"),
        NameResolution((NameRecord(99, b"?"),), (Option(77, b""),)),
    )
    assert tuple(read_blocks(stream_of(*file))) == file


def test_a_minor_version_of_2_is_read_as_0() -> None:
    assert blocks(encode_block(SectionHeader(version=(1, 2)))) == [SectionHeader(version=(1, 2))]


def test_a_simple_packet_is_as_long_as_the_snaplen_says() -> None:
    file = (SectionHeader(), InterfaceDescription(1, 5), SimplePacket(60, b"12345"))
    assert tuple(read_blocks(stream_of(*file))) == file


def test_a_simple_packet_has_no_time_to_give_a_packet() -> None:
    packets = read_packets(stream_of(SectionHeader(), InterfaceDescription(1, 0), SimplePacket(1, b"x")))
    with pytest.raises(
        PcapngError, match="block 3, offset 48: Block Type: expected a packet with a time, found a Simple"
    ):
        next(packets)


def test_an_original_length_below_the_captured_one_is_corrected_in_packets() -> None:
    file = (SectionHeader(), InterfaceDescription(1, 0), EnhancedPacket(0, 0, b"1234", 2))
    assert tuple(read_blocks(stream_of(*file))) == file
    assert [packet.original_length for packet in read_packets(stream_of(*file))] == [4]


def test_text_ends_at_a_zero_byte_and_need_not_be_utf_8() -> None:
    interface = InterfaceDescription(1, 0, (Option(2, b"eth0\0junk"), Option(3, b"caf\xe9")))
    assert (interface.name, interface.description) == ("eth0", "caf\ufffd")


def test_an_absent_option_is_none() -> None:
    assert InterfaceDescription(1, 0).name is None
    assert SectionHeader().application is None
    assert EnhancedPacket(0, 0, b"", 0).flags is None


# ---------------------------------------------------------------- files made by Wireshark's tools, version 4.4.18
# (Only the names of the machine and its kernel were overwritten, by others of the same length.)

TIMES = (1704164645_123456780, 1704164646_123456781)
LENGTHS = (47, 54)


def test_text2pcaps_file() -> None:
    header, interface, *packets = golden("text2pcap.pcapng")
    assert isinstance(header, SectionHeader)
    assert header.comments == ("Generated from input file dump.txt.",)
    assert header.application is not None and header.application.startswith("Text2pcap")
    assert isinstance(interface, InterfaceDescription)
    assert (interface.link_type, interface.snaplen, interface.name, interface.ticks_per_second) == (
        1,
        262144,
        "eth0",
        10**9,
    )
    assert len(packets) == 2


@pytest.mark.parametrize("name", ["text2pcap.pcapng", "text2pcap.pcapng.gz", "nanoseconds.pcap"])
def test_the_same_packets_in_three_formats(name: str) -> None:
    packets = packets_of(name)
    assert tuple(packet.time_ns for packet in packets) == TIMES
    assert tuple(packet.original_length for packet in packets) == LENGTHS
    assert packets[0].data.endswith(b"query")


def test_classic_pcap_in_microseconds() -> None:
    packets = packets_of("microseconds.pcap")
    assert [packet.time_ns for packet in packets] == [time // 1000 * 1000 for time in TIMES]
    assert [packet.data for packet in packets] == [packet.data for packet in packets_of("text2pcap.pcapng")]


def test_editcaps_cut_packets() -> None:
    packets = packets_of("cut_packets.pcapng")
    assert [(len(packet.data), packet.original_length) for packet in packets] == [(40, 47), (40, 54)]


def test_editcaps_secrets_and_comments() -> None:
    file = golden("secrets_and_comments.pcapng")
    (secrets,) = (block for block in file if isinstance(block, DecryptionSecrets))
    assert secrets.secrets_type == SecretsType.TLS_KEY_LOG
    assert secrets.data == b"CLIENT_RANDOM " + b"ab" * 32 + b" " + b"cd" * 48 + b"\n"
    assert [block.comments for block in file if isinstance(block, EnhancedPacket)] == [
        ("the question",),
        ("the first step",),
    ]


def test_mergecaps_interfaces_have_different_resolutions() -> None:
    packets = packets_of("two_interfaces.pcapng")
    assert [(packet.interface_id, packet.time_ns % 1000) for packet in packets] == [(1, 0), (0, 780), (1, 0), (0, 781)]


def test_dumpcaps_statistics() -> None:
    *_, packet, statistics = golden("dumpcap_statistics.pcapng")
    assert isinstance(packet, EnhancedPacket) and isinstance(statistics, InterfaceStatistics)
    assert (statistics.received, statistics.dropped) == (2, 0)
    assert statistics.comments == ("Counters provided by dumpcap",)
    # Against the draft, dumpcap counts microseconds here, whatever the interface's resolution is.
    assert statistics.start is not None and statistics.end is not None
    assert statistics.start < packet.timestamp // 1000 < statistics.end <= statistics.timestamp


def test_a_gzip_file_of_two_members_is_one_file() -> None:
    whole = (GOLDEN / "text2pcap.pcapng").read_bytes()
    packed = gzip.compress(whole[:100]) + gzip.compress(whole[100:]) + bytes(512)
    assert blocks(packed) == blocks(whole)


def test_gzip_data_that_grows_a_thousandfold() -> None:
    packets = [EnhancedPacket(0, number, bytes(1400), 1400) for number in range(3000)]
    file = stream_of(SectionHeader(), InterfaceDescription(1, 0), *packets).getvalue()
    packed = gzip.compress(file)
    assert len(packed) * 100 < len(file)
    assert blocks(packed)[2:] == packets


def test_a_stream_may_hand_out_single_bytes() -> None:
    class Dripping(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            return super().read(min(1, size or 0))

    assert list(read_blocks(Dripping(LITTLE_ENDIAN))) == blocks(LITTLE_ENDIAN)
    packed = gzip.compress(LITTLE_ENDIAN)
    assert list(read_blocks(Dripping(packed))) == blocks(LITTLE_ENDIAN)


def test_memory_stays_bounded() -> None:
    class Endless:
        """A file of many blocks that counts what is asked of it before its first block is handed out."""

        def __init__(self) -> None:
            self.handed_out = 0
            self.head = LITTLE_ENDIAN[:60]

        def read(self, size: int, /) -> bytes:
            data = self.head or LITTLE_ENDIAN[60:] * (size // 44)
            self.head = b""
            self.handed_out += len(data)
            return data

    endless = Endless()
    packets = read_packets(endless)
    for _ in range(10):
        next(packets)
    assert endless.handed_out < 1 << 20
