"""Broken files: each is told by block, offset, field, what the format wants and what is there."""

from __future__ import annotations

import gzip
import io
import struct
from pathlib import Path

import pytest

from observer.pcapng import (
    ByteOrder,
    EnhancedPacket,
    InterfaceDescription,
    PcapngError,
    SectionHeader,
    encode_block,
    read_blocks,
)
from observer.pcapng.blocks import END_OF_SECTION, END_PROMISED

SHB = encode_block(SectionHeader())  # 28 bytes
IDB = encode_block(InterfaceDescription(1, 5))  # 20 bytes
AFTER_IDB = len(SHB + IDB)
GOLDEN = Path(__file__).parent / "golden"


def block(block_type: int, body: bytes, second_length: int | None = None) -> bytes:
    total = 12 + len(body)
    second = total if second_length is None else second_length
    return struct.pack("<II", block_type, total) + body + struct.pack("<I", second)


def words(*numbers: int) -> bytes:
    return struct.pack(f"<{len(numbers)}I", *numbers)


def halves(*numbers: int) -> bytes:
    return struct.pack(f"<{len(numbers)}H", *numbers)


def fault(data: bytes) -> PcapngError:
    with pytest.raises(PcapngError) as caught:
        list(read_blocks(io.BytesIO(data)))
    return caught.value


def told(data: bytes) -> tuple[int, int, str, str, str]:
    error = fault(data)
    return error.block, error.offset, error.field, error.expected, error.found


LIMIT = 134348832


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (b"", (1, 0, "magic number", "pcapng or pcap, plain or in gzip", "an empty file")),
        (IDB, (1, 0, "magic number", "pcapng or pcap, plain or in gzip", "01 00 00 00")),
        (b"GET /", (1, 5, "Block Type and Block Total Length", "8 bytes", "end of file after 5")),
        (SHB[:10], (1, 10, "Byte-Order Magic", "4 bytes", "end of file after 2")),
        (SHB[:20], (1, 20, "block of 28 bytes", "16 bytes", "end of file after 8")),
        (
            SHB[:8] + b"\0\0\0\0" + SHB[12:],
            (1, 8, "Byte-Order Magic", "1a 2b 3c 4d or 4d 3c 2b 1a", "00 00 00 00"),
        ),
        (encode_block(SectionHeader(version=(2, 0))), (1, 12, "Major and Minor Version", "1.0 or 1.2", "2.0")),
        (encode_block(SectionHeader(section_length=6)), (1, 16, "Section Length", "-1 or a multiple of 4", "6")),
        (encode_block(SectionHeader(section_length=-8)), (1, 16, "Section Length", "-1 or a multiple of 4", "-8")),
        (block(0x0A0D0D0A, words(0x1A2B3C4D, 1)), (1, 4, "Block Total Length", "at least 28", "20")),
        (SHB + words(1, 8), (2, 32, "Block Total Length", f"a multiple of 4 from 12 to {LIMIT}", "8")),
        (SHB + words(1, 22), (2, 32, "Block Total Length", f"a multiple of 4 from 12 to {LIMIT}", "22")),
        (SHB + words(1, 1 << 31), (2, 32, "Block Total Length", f"a multiple of 4 from 12 to {LIMIT}", "2147483648")),
        (SHB + block(9, b"1234", 20), (2, 40, "Block Total Length at the block's end", "16", "20")),
        (SHB + IDB[:-1], (2, 47, "block of 20 bytes", "12 bytes", "end of file after 11")),
        (SHB + block(1, words(1)), (2, 32, "Block Total Length", "at least 20", "16")),
    ],
)
def test_frame_of_blocks(data: bytes, error: tuple[int, int, str, str, str]) -> None:
    assert told(data) == error


@pytest.mark.parametrize(
    ("body", "at", "field", "found"),
    [
        (b"", 4, "Block Total Length", "12"),
        (words(1, 0, 0, 0, 0), 8, "Interface ID", "1"),
        (words(0, 0, 0, 5, 5) + b"data", 20, "Captured Packet Length", "5"),
        (words(0, 0, 0, 0, 0) + halves(1, 1), 30, "Option Length", "1"),
        (words(0, 0, 0, 0, 0) + halves(2, 2) + b"ab\0\0", 30, "Option Length", "2"),
        (words(0, 0, 0, 0, 0) + halves(0, 1), 30, "Option Length", "1"),
        (words(0, 0, 0, 0, 0) + halves(0, 0, 1, 0), 28, "opt_endofopt", "4 bytes"),
        (words(0, 0, 0, 0, 0) + (halves(2, 4) + b"flag") * 2, 36, "Option Type", "it again"),
        (words(0, 0, 0, 0, 0) + halves(2988, 3) + b"pen\0", 30, "Option Length", "3"),
    ],
)
def test_enhanced_packet(body: bytes, at: int, field: str, found: str) -> None:
    assert_told(body, 6, at, field, found)


@pytest.mark.parametrize(
    ("body", "at", "field", "found"),
    [
        (halves(7, 0) + words(0, 0, 0, 0), 8, "Interface ID", "7"),
        (halves(0, 0) + words(0, 0, 9, 9) + b"data", 20, "Captured Packet Length", "9"),
    ],
)
def test_obsolete_packet(body: bytes, at: int, field: str, found: str) -> None:
    assert_told(body, 2, at, field, found)


@pytest.mark.parametrize(
    ("body", "at", "field", "found"),
    [
        (words(60) + b"1234", 8, "Original Packet Length", "5"),  # the interface's snaplen is 5
        (words(3) + b"123\0more", 4, "Block Total Length", "24"),
    ],
)
def test_simple_packet(body: bytes, at: int, field: str, found: str) -> None:
    assert_told(body, 3, at, field, found)


def test_simple_packet_without_an_interface() -> None:
    assert fault(SHB + block(3, words(0))).expected == "an Interface Description Block before it"


@pytest.mark.parametrize(
    ("body", "at", "field", "found"),
    [
        (halves(99, 0), 12, "nrb_record_end", "end of block"),
        (halves(0, 4) + b"abcd", 10, "Record Value Length", "4"),
        (halves(1, 5) + b"\x7f\0\0\x01\0\0\0\0" + halves(0, 0), 10, "Record Value Length", "5"),
        (halves(1, 6) + b"\x7f\0\0\x01hi\0\0" + halves(0, 0), 12, "Record Value", "0x69"),
        (halves(1, 60) + b"\x7f\0\0\x01", 10, "Record Value Length", "60"),
    ],
)
def test_name_resolution(body: bytes, at: int, field: str, found: str) -> None:
    assert_told(body, 4, at, field, found)


@pytest.mark.parametrize(
    ("body", "at", "field", "found"),
    [
        (words(3, 0, 0), 8, "Interface ID", "3"),
        (words(0, 0, 0) + halves(4, 4) + b"1234", 22, "Option Length", "4"),
    ],
)
def test_interface_statistics(body: bytes, at: int, field: str, found: str) -> None:
    assert_told(body, 5, at, field, found)


def test_decryption_secrets() -> None:
    assert_told(words(0x544C534B, 5) + b"data", 10, 12, "Secrets Length", "5")


def assert_told(body: bytes, block_type: int, at: int, field: str, found: str) -> None:
    error = fault(SHB + IDB + block(block_type, body))
    assert (error.block, error.offset - AFTER_IDB, error.field, error.found) == (3, at, field, found)


def test_a_packet_before_its_interface_names_what_there_is() -> None:
    error = fault(SHB + encode_block(EnhancedPacket(0, 0, b"", 0)))
    assert str(error) == "block 2, offset 36: Interface ID: expected less than 0, the interfaces described, found 0"


# ---------------------------------------------------------------- sections that promise an end

PROMISING = encode_block(SectionHeader(options=(END_PROMISED,)))  # 44 bytes
END = encode_block(END_OF_SECTION)  # 12 bytes


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (PROMISING, (2, 44, "section", "the block that its header says it ends with", "end of file")),
        (PROMISING + SHB, (2, 44, "section", "the block that its header says it ends with", "another section")),
        (PROMISING + END + END, (3, 56, "section", "nothing more after the block that ends it", "another block")),
    ],
)
def test_a_promise_not_kept(data: bytes, error: tuple[int, int, str, str, str]) -> None:
    assert told(data) == error


@pytest.mark.parametrize("data", [PROMISING + END, PROMISING + END + SHB + IDB, SHB + END + IDB])
def test_a_promise_kept_or_never_made(data: bytes) -> None:
    assert list(read_blocks(io.BytesIO(data)))


def test_a_section_length_may_be_wrong_as_wiresharks_tools_leave_it() -> None:
    data = encode_block(SectionHeader(section_length=4)) + IDB
    assert len(list(read_blocks(io.BytesIO(data)))) == 2


# ---------------------------------------------------------------- classic pcap

HEADER = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1)
RECORD = struct.pack("<IIII", 1, 2, 3, 4) + b"abc"


@pytest.mark.parametrize("sign", ["<", ">"])
@pytest.mark.parametrize(("magic", "ticks"), [(0xA1B2C3D4, 10**6), (0xA1B23C4D, 10**9)])
def test_classic_pcap_in_its_four_forms(sign: str, magic: int, ticks: int) -> None:
    file = struct.pack(sign + "IHHiIII", magic, 2, 4, -3600, 6, 65535, 0x24000001)
    file += struct.pack(sign + "IIII", 1, 2, 3, 4) + b"abc"
    header, interface, packet = read_blocks(io.BytesIO(file))
    assert header == SectionHeader(ByteOrder(sign))
    assert isinstance(interface, InterfaceDescription)
    assert (interface.link_type, interface.snaplen, interface.ticks_per_second) == (1, 65535, ticks)
    assert [option.number for option in interface.options if option.code == 13] == [4]  # octets of FCS
    assert packet == EnhancedPacket(0, ticks + 2, b"abc", 4)


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (HEADER[:23], (1, 23, "File Header", "24 bytes", "end of file after 23")),
        (HEADER[:4] + halves(2, 3) + HEADER[8:], (1, 4, "Major and Minor Version", "2.4", "2.3")),
        (HEADER[:20] + words(0x08000001), (1, 20, "LinkType", "reserved bits that are 0", "0x08000001")),
        (HEADER + RECORD[:15], (2, 39, "Packet Record", "16 bytes", "end of file after 15")),
        (HEADER + RECORD + RECORD[:-1], (3, 61, "Packet Data", "3 bytes", "end of file after 2")),
        (HEADER + words(1, 10**6, 0, 0), (2, 28, "Timestamp", "less than 1000000 in a second", "1000000")),
        (HEADER + words(1, 0, 1 << 31, 0), (2, 32, "Captured Packet Length", f"at most {LIMIT}", "2147483648")),
    ],
)
def test_classic_pcap(data: bytes, error: tuple[int, int, str, str, str]) -> None:
    assert told(data) == error


def test_kuznetzovs_pcap_is_named() -> None:
    assert "editcap" in fault(words(0xA1B2CD34) + HEADER[4:]).found


# ---------------------------------------------------------------- compression


@pytest.mark.parametrize(
    ("magic", "program"),
    [("28b52ffd", "zstd -d"), ("04224d18", "lz4 -d"), ("fd377a585a00", "xz -d"), ("425a6839", "bzip2 -d")],
)
def test_other_compressions_say_what_to_do(magic: str, program: str) -> None:
    error = fault(bytes.fromhex(magic) + bytes(40))
    assert error.found.endswith(f"data (not supported: decompress it first, with {program})")


def test_compressed_text_is_no_capture() -> None:
    assert fault(gzip.compress(b"some text")).found == "73 6f 6d 65"


def test_gzip_data_cut_short() -> None:
    data = (GOLDEN / "text2pcap.pcapng.gz").read_bytes()
    for size in range(2, len(data)):
        assert fault(data[:size]).field == "gzip data"


def test_gzip_data_with_a_wrong_check_sum() -> None:
    data = bytearray((GOLDEN / "text2pcap.pcapng.gz").read_bytes())
    data[-8] ^= 1
    assert fault(bytes(data)).found == "Error -3 while decompressing data: incorrect data check"


def test_what_follows_gzip_data_is_not_ignored() -> None:
    assert fault(gzip.compress(SHB + IDB) + b"left over").field == "gzip data"


# ---------------------------------------------------------------- the error itself


def test_an_errors_fields_cannot_be_changed() -> None:
    error = fault(b"")
    with pytest.raises(AttributeError, match="offset of a PcapngError is read-only"):
        error.offset = 7
    error.add_note("but it can be annotated, and raised through anything that sets a traceback")
    assert error.offset == 0


def test_blocks_before_the_damage_are_yielded_first() -> None:
    blocks = read_blocks(io.BytesIO(SHB + IDB[:-1]))
    assert next(blocks) == SectionHeader()
    with pytest.raises(PcapngError):
        next(blocks)
