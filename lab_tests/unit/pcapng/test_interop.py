"""The oracle: Wireshark's own programs read what the Writer wrote, and see what was meant."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from observer.packet import Packet
from observer.pcapng import (
    DecryptionSecrets,
    EnhancedPacket,
    NameRecord,
    NameResolution,
    Writer,
    read_blocks,
    read_packets,
)
from programs_here import needs

pytestmark = needs("capinfos", "tshark")

NOON = 1_700_000_000_123_456_789
ETHERNET = bytes.fromhex("020000000002 020000000001 0800")
UDP = bytes.fromhex("4500001c0000400040110000 0a4d010a 0a4d0235 9c40003500080000")


@pytest.fixture
def capture(tmp_path: Path) -> Path:
    path = tmp_path / "journey.pcapng"
    with path.open("wb") as stream, Writer(stream, os="Linux", application="eightsteps") as writer:
        home, edge = writer.add_interface("home", "client to router"), writer.add_interface("edge")
        writer.add_names([NameRecord.of("10.77.1.10", "client"), NameRecord.of("10.77.2.53", "resolver", "dns")])
        writer.add_secrets(b"CLIENT_RANDOM " + b"ab" * 32 + b" " + b"cd" * 48 + b"\n")
        writer.write_packet(Packet(NOON, home, ETHERNET + UDP, 42), ["step 1: the question", "and more"])
        writer.write_packets(
            [Packet(NOON + n, edge, (ETHERNET + UDP)[: 42 - n % 3], 42) for n in range(1, 10)], {5: ["ß"]}
        )
        writer.add_statistics(home, NOON + 9, received=1, dropped=2, start_ns=NOON, end_ns=NOON + 9)
    return path


def output_of(*command: str) -> list[str]:
    finished = subprocess.run(command, capture_output=True, text=True, check=True)
    complaints = [line for line in finished.stderr.splitlines() if not line.startswith("Running as user")]
    assert not complaints
    return finished.stdout.splitlines()


def fields(capture: Path, *names: str, options: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    selected = [argument for name in names for argument in ("-e", name)]
    lines = output_of("tshark", "-r", str(capture), "-T", "fields", *selected, *options)
    return [tuple(line.split("\t")) for line in lines]


def test_capinfos_counts_what_was_written(capture: Path) -> None:
    report = "\n".join(output_of("capinfos", str(capture)))
    assert "Number of packets:   10" in report
    assert "Number of interfaces in file: 2" in report
    assert "Number of decryption secrets in file: 1" in report
    assert "Number of resolved IPv4 addresses in file: 3" in report
    assert "Capture application: eightsteps" in report
    assert "Time precision = nanoseconds (9)" in report
    assert "Number of stat entries = 1" in report


def test_tshark_sees_times_interfaces_lengths_and_comments(capture: Path) -> None:
    seen = fields(capture, "frame.time_epoch", "frame.interface_name", "frame.cap_len", "frame.len", "frame.comment")
    assert seen[0] == ("1700000000.123456789", "home", "42", "42", "step 1: the question,and more")
    assert seen[1] == ("1700000000.123456790", "edge", "41", "42", "")
    assert seen[4][4] == "ß"
    assert len(seen) == 10


def test_tshark_sees_the_names(capture: Path) -> None:
    assert fields(capture, "ip.src_host", "ip.dst_host", options=("-c", "1", "-N", "n"))[0] == ("client", "resolver")


@pytest.mark.parametrize("arguments", [(), ("-F", "pcapng"), ("-F", "nsecpcap")])
def test_a_file_that_editcap_wrote_anew_holds_the_same_packets(
    capture: Path, tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    copy = tmp_path / "copy"
    output_of("editcap", *arguments, str(capture), str(copy))
    with capture.open("rb") as ours, copy.open("rb") as theirs:
        wanted = [packet[:1] + packet[2:] for packet in read_packets(ours)]
        assert [packet[:1] + packet[2:] for packet in read_packets(theirs)] == wanted


def test_editcap_keeps_names_secrets_and_comments(capture: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy.pcapng"
    output_of("editcap", str(capture), str(copy))
    with copy.open("rb") as file:
        blocks = list(read_blocks(file))
    named = [record for block in blocks if isinstance(block, NameResolution) for record in block.records]
    assert {name for record in named for name in record.names} == {"client", "resolver", "dns"}
    assert [block.data[:13] for block in blocks if isinstance(block, DecryptionSecrets)] == [b"CLIENT_RANDOM"]
    assert [block.comments for block in blocks if isinstance(block, EnhancedPacket) and block.comments] == [
        ("step 1: the question", "and more"),
        ("ß",),
    ]
