"""Blocks as the kernel's ring holds them and records as the tap writes them, built by hand from linux/if_packet.h."""

from __future__ import annotations

import socket
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pytest

from hostkit.spool_format import Header, pack

MAC_AT = 82  # where the kernel puts the Ethernet header: behind tpacket3_hdr and sockaddr_ll, the IP header aligned
VLAN_VALID, TPID_VALID = 0x10, 0x40


@dataclass(frozen=True, slots=True)
class Frame:
    """A frame as the kernel describes it: `data` without the VLAN tag it has taken out."""

    data: bytes
    time_ns: int = 1_700_000_000_000_000_000
    vlan: int | None = None
    tpid: int | None = None
    wire_length: int | None = None


def build_block(frames: Sequence[Frame | bytes]) -> bytes:
    """The used part of one TPACKET_V3 block."""
    described = [frame if isinstance(frame, Frame) else Frame(frame) for frame in frames]
    body = b""
    for number, frame in enumerate(described):
        size = -(-(MAC_AT + len(frame.data)) // 8) * 8
        status = 1 | (VLAN_VALID if frame.vlan is not None else 0) | (TPID_VALID if frame.tpid is not None else 0)
        header = struct.pack(
            "=6I2H2I2H8x",
            0 if number == len(described) - 1 else size,
            frame.time_ns // 10**9,
            frame.time_ns % 10**9,
            len(frame.data),
            len(frame.data) if frame.wire_length is None else frame.wire_length,
            status,
            MAC_AT,
            MAC_AT + 14,
            0,
            frame.vlan or 0,
            frame.tpid or 0,
            0,
        )
        body += (header.ljust(MAC_AT, b"\0") + frame.data).ljust(size, b"\0")
    last = described[-1].time_ns if described else 0
    times = (0, 0, last // 10**9, last % 10**9)
    return struct.pack("=6IQ4I", 2, 48, 1, len(described), 48, 48 + len(body), 1, *times) + body


@dataclass(frozen=True, slots=True)
class Facts:
    """What a record's header says beside its block."""

    sequence: int
    session: int = 1
    drops: int = 0
    drops_before: int = 0
    unwritten: int = 0


def build_record(facts: Facts, frames: Sequence[Frame | bytes]) -> bytes:
    """A whole record: header and block."""
    block = build_block(frames)
    header = Header(
        length=len(block),
        frames=len(frames),
        session=facts.session,
        sequence=facts.sequence,
        total_frames=0,
        total_drops=facts.drops,
        drops_before=facts.drops_before,
        unwritten=facts.unwritten,
        first_ns=0,
        last_ns=0,
    )
    return pack(header) + block


@dataclass(frozen=True, slots=True)
class Builders:
    """What the tests build their input with."""

    frame: type[Frame] = Frame
    facts: type[Facts] = Facts
    block: Callable[[Sequence[Frame | bytes]], bytes] = build_block
    record: Callable[[Facts, Sequence[Frame | bytes]], bytes] = build_record


@pytest.fixture(scope="session")
def build() -> Builders:
    return Builders()


@pytest.fixture(scope="session")
def ipv4() -> Callable[..., bytes]:
    """An Ethernet frame with a TCP segment (flags, sequence number) or a UDP datagram in it."""

    def build_ipv4(
        source: tuple[str, int],
        destination: tuple[str, int],
        *,
        flags: int | None = None,
        sequence: int = 0,
        payload: bytes = b"",
        fragment: int = 0,
        options: bytes = b"",
    ) -> bytes:
        ports = struct.pack("!HH", source[1], destination[1])
        if flags is None:
            transport = ports + struct.pack("!HH", 8 + len(payload), 0) + payload
        else:
            transport = ports + struct.pack("!IIBBHHH", sequence, 0, 0x50, flags, 1000, 0, 0) + payload
        first = 0x45 + len(options) // 4
        size = 20 + len(options) + len(transport)
        protocol = 17 if flags is None else 6
        header = struct.pack("!BBHHHBBH", first, 0, size, 1, fragment, 64, protocol, 0)
        header += socket.inet_aton(source[0]) + socket.inet_aton(destination[0]) + options
        return bytes(12) + b"\x08\x00" + header + transport

    return build_ipv4
