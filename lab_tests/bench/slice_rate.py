"""How long it takes to cut a visit out of a spool of 2 GiB, and to fetch the past of a connection that it continues.

    python3 slice_rate.py --folder /tmp [--mib 2048]

The spool is written here, by the tap's own writer, on one link: blocks as the kernel's ring fills them, full of other
connections' frames between the very hosts of the visit, and near the end a visit between its sentinels. Each case times
`slicing.record`: once for the first call (the spool was just written, so the page cache is as warm as memory allows),
then the median. Between the first cases and the others the index of the spool's flows is built, by what the observer's
thread does, with its pauses, and that is timed, too. Prints one JSON object.
"""

from __future__ import annotations

import argparse
import json
import os
import socket
import statistics
import struct
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

SERVICES = Path(__file__).resolve().parents[2] / "services"
sys.path[:0] = [str(SERVICES / name) for name in ("observer", "base", "tap")]

from hostkit import sentinel  # noqa: E402
from hostkit.sentinel import Kind  # noqa: E402
from hostkit.spool_format import BLOCK_DESCRIPTOR, FRAME_HEADER, TPACKET_V3, Header, Position, pack  # noqa: E402
from observer import slicing  # noqa: E402
from observer import spool as reading  # noqa: E402
from observer.flow import Flow  # noqa: E402
from observer.flow_index import FlowIndex  # noqa: E402
from observer.lab import LinkMarks  # noqa: E402
from tap.spool import Spool  # noqa: E402

LINK, VISIT = "home", "bench"
MIB = 1024 * 1024
BLOCK_SIZE = 256 * 1024  # as tap/ring.py asks the kernel for
FRAME_SIZE = 1400
VISIT_FRAMES = 200
BACKGROUND_BLOCKS = 16  # different ones, written in turn
BACKGROUND_FLOWS = 50
RUNS = 5
NEAR_MIB = 64  # of traffic between a connection's opening and the visit that continues it
TAIL_MIB = 8  # of traffic behind the visit

_HEADERS_SIZE = 14 + 20 + 20  # Ethernet, IPv4, TCP
_ETHERNET_AT = 82  # where the kernel puts it: behind tpacket3_hdr and sockaddr_ll, the IP header aligned
_CLIENT, _SERVER = "10.77.1.10", "10.77.3.10"
_NEW, _NEAR, _FAR = 50_001, 50_002, 50_003  # the client's ports
_FIRST_OTHER = 40_000
_SYN, _ACK, _SYN_ACK = 0x02, 0x10, 0x12


@dataclass(frozen=True, slots=True)
class Case:
    """What cutting one visit took, in milliseconds, and what came of it."""

    first_ms: float
    median_ms: float
    slowest_ms: float
    frames: int  # between the sentinels
    earlier: int  # frames from before, of the connection that the visit continues
    complete: bool
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Building:
    """What it takes to build the index of the whole spool: in the background, by the clock, and of one core's time."""

    segments: int
    seconds: float
    cpu_seconds: float


@dataclass(frozen=True, slots=True)
class Verdict:
    """`new`: the visit opens its connection. `near`, `far`: it was opened NEAR_MIB before, at the spool's beginning.

    `far_mib` is how much lies between that opening and the visit; `limit_mib` how much of it the observer searches.
    `near_at_once` and `far_at_once` are before there is an index, and `unlimited` is `far_at_once` without that limit.
    """

    spool_mib: int
    far_mib: int
    limit_mib: int
    index: Building
    new: Case
    near: Case
    far: Case
    near_at_once: Case
    far_at_once: Case
    unlimited: Case


# ---------------------------------------------------------------- frames


def tcp(port: int, flags: int, size: int, *, from_client: bool = True) -> bytes:
    """A frame of `size` bytes between the two hosts; its payload is random, as ciphertext is."""
    addresses = [socket.inet_aton(_CLIENT), socket.inet_aton(_SERVER)]
    ports = [port, 443]
    if not from_client:
        addresses.reverse()
        ports.reverse()
    ip = struct.pack("!BBHHHBBH", 0x45, 0, size - 14, 1, 0, 64, 6, 0) + b"".join(addresses)
    segment = struct.pack("!HHIIBBHHH", *ports, 1000, 0, 0x50, flags, 1000, 0, 0)
    return bytes(12) + b"\x08\x00" + ip + segment + os.urandom(size - _HEADERS_SIZE)


def opened(port: int) -> list[bytes]:
    """The handshake that opens a connection, and a first exchange."""
    handshake = [tcp(port, _SYN, 74), tcp(port, _SYN_ACK, 74, from_client=False), tcp(port, _ACK, 66)]
    return [*handshake, tcp(port, _ACK, 600), tcp(port, _ACK, FRAME_SIZE, from_client=False)]


def visit(port: int, *, opens: bool) -> list[bytes]:
    """A visit's frames between its sentinels, on a connection of the client's `port`."""
    begun = opened(port) if opens else []
    more = (tcp(port, _ACK, FRAME_SIZE, from_client=n % 4 == 0) for n in range(VISIT_FRAMES - len(begun)))
    return [sentinel.frame(Kind.BEGIN, VISIT), *begun, *more, sentinel.frame(Kind.END, VISIT)]


# ---------------------------------------------------------------- blocks and records


def block_of(frames: list[bytes]) -> bytes:
    """The used part of the block that the kernel would have filled with `frames` (linux/if_packet.h)."""
    now = divmod(time.time_ns(), 1_000_000_000)
    parts = []
    for number, data in enumerate(frames, start=1):
        size = -(-(_ETHERNET_AT + len(data)) // 8) * 8
        to_next = size if number < len(frames) else 0
        lengths = (len(data), len(data))
        header = FRAME_HEADER.pack(to_next, *now, *lengths, 1, _ETHERNET_AT, _ETHERNET_AT + 14, 0, 0, 0)
        parts.append((header.ljust(_ETHERNET_AT, b"\0") + data).ljust(size, b"\0"))
    body, start = b"".join(parts), BLOCK_DESCRIPTOR.size
    used = start + len(body)
    return BLOCK_DESCRIPTOR.pack(TPACKET_V3, start, 1, len(frames), start, used, 1, *now, *now) + body


def background() -> Iterator[tuple[bytes, int]]:
    """Full blocks of other connections' frames, and how many each holds; without end."""
    count = BLOCK_SIZE // (_ETHERNET_AT + FRAME_SIZE + 8)
    ports = [_FIRST_OTHER + n % BACKGROUND_FLOWS for n in range(count)]
    blocks = [
        block_of([tcp(port, _ACK, FRAME_SIZE, from_client=n % 4 == 0) for n, port in enumerate(ports)])
        for _ in range(BACKGROUND_BLOCKS)
    ]
    while True:
        yield from ((block, count) for block in blocks)


class Writer:
    """The tap's spool on one link, filled by hand."""

    def __init__(self, folder: Path, mib: int) -> None:
        self._spool = Spool(folder, [LINK], (mib + NEAR_MIB) * MIB)
        self._others = background()
        self._sequence = self._frames = 0
        self.written = 0  # bytes

    @property
    def position(self) -> Position:
        """Behind the last record."""
        return self._spool.position(LINK)

    def add(self, block: bytes, frames: int) -> None:
        """Append one record. Raises SystemExit when the disk does not take it."""
        self._frames += frames
        now = time.time_ns()
        header = pack(Header(len(block), frames, 1, self._sequence, self._frames, 0, 0, 0, now, now))
        self._sequence += 1
        if self._spool.append(LINK, header, memoryview(block)) is None:
            raise SystemExit(f"the spool could not be written: {self._spool.last_error}")
        self.written += len(header) + len(block)

    def add_frames(self, frames: list[bytes]) -> None:
        """Append frames, in as many blocks as they need."""
        held = BLOCK_SIZE // (_ETHERNET_AT + FRAME_SIZE + 8)
        for at in range(0, len(frames), held):
            part = frames[at : at + held]
            self.add(block_of(part), len(part))

    def fill(self, until: int) -> None:
        """Append other connections' traffic until so many bytes are written."""
        while self.written < until:
            self.add(*next(self._others))

    def close(self) -> None:
        """Close the segment being written."""
        self._spool.close()


# ---------------------------------------------------------------- measuring


class Unlimited(reading.Spool):
    """Looks for a connection's opening through the whole spool."""

    def earlier(self, flow: Flow, part: reading.Slice, limit: int = sys.maxsize) -> reading.History:
        """As Spool.earlier, with another default."""
        return super().earlier(flow, part, limit)


def measured(spool: reading.Spool, marks: LinkMarks) -> Case:
    times, cut = [], None
    for _ in range(1 + RUNS):
        began = time.monotonic_ns()
        cut = slicing.record(spool, VISIT, marks)
        times.append((time.monotonic_ns() - began) / 1e6)
    assert cut is not None
    if len(cut.packets) != VISIT_FRAMES:
        raise SystemExit(f"{len(cut.packets)} frames between the sentinels, not {VISIT_FRAMES}: nothing was measured")
    first, *others = (round(ms, 1) for ms in times)
    capture = cut.capture
    return Case(
        first_ms=first,
        median_ms=statistics.median(others),
        slowest_ms=max(others),
        frames=len(cut.packets),
        earlier=len(cut.earlier),
        complete=capture.complete,
        reasons=capture.reasons,
    )


def built(index: FlowIndex) -> Building:
    segments, began, cpu_began = 0, time.monotonic(), time.process_time()
    while index.build_next():
        segments += 1
    return Building(segments, round(time.monotonic() - began, 1), round(time.process_time() - cpu_began, 1))


def compared(folder: Path, mib: int) -> Verdict:
    """All cases in one spool. Their visits stand one behind the other; each is cut by its own marks."""
    out = Writer(folder, mib)
    out.add_frames(opened(_FAR))
    opened_behind = out.written
    out.fill((mib - TAIL_MIB - NEAR_MIB) * MIB)
    out.add_frames(opened(_NEAR))
    out.fill((mib - TAIL_MIB) * MIB)
    far_bytes = out.written - opened_behind
    marks = {}
    for port in (_NEW, _NEAR, _FAR):
        begin = out.position
        out.add_frames(visit(port, opens=port == _NEW))
        marks[port] = LinkMarks(LINK, begin, out.position)
    out.fill(mib * MIB)
    out.close()
    index = FlowIndex(folder, [LINK])
    spool = reading.Spool(folder, index)
    near_at_once, far_at_once = (measured(spool, marks[port]) for port in (_NEAR, _FAR))
    unlimited = measured(Unlimited(folder), marks[_FAR])
    building = built(index)
    new, near, far = (measured(spool, marks[port]) for port in (_NEW, _NEAR, _FAR))
    whole = {_NEW: 0, _NEAR: len(opened(_NEAR)), _FAR: len(opened(_FAR))}
    for case, port in ((new, _NEW), (near, _NEAR), (far, _FAR), (near_at_once, _NEAR), (unlimited, _FAR)):
        if not case.complete or case.earlier != whole[port]:
            raise SystemExit(f"not the whole past: {case}")
    sizes = out.written // MIB, far_bytes // MIB, reading.HISTORY_LIMIT // MIB
    return Verdict(*sizes, building, new, near, far, near_at_once, far_at_once, unlimited)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--folder", type=Path, required=True, help="where the spool goes, for as long as it is needed")
    parser.add_argument("--mib", type=int, default=2048)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        print(json.dumps(asdict(compared(Path(folder), options.mib)), indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
