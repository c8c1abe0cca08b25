"""The spool's only reader: a visit's slice of each link, and the earlier frames of one connection.

`packets_in`, `records_in` and the folding of records into a Slice or a History work on bytes; `Spool` adds
the files. What is missing or damaged is never an error and never a silently shorter capture: it is a reason
in the result. The format is hostkit.spool_format's.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from hostkit import sentinel
from hostkit.sentinel import Kind
from hostkit.spool_format import (
    BLOCK_DESCRIPTOR,
    FRAME_HEADER,
    HEADER_SIZE,
    MAGIC,
    STATUS_VLAN_TPID_VALID,
    STATUS_VLAN_VALID,
    FormatError,
    Header,
    Position,
    segment_numbers,
    segment_path,
    unpack,
)
from observer.belonging import belongs, headers_of, opened_at
from observer.flow import Flow
from observer.flow_index import FlowIndex

HISTORY_LIMIT = 256 * 1024 * 1024  # bytes of spool searched for one connection's earlier frames

_RESTARTED = "the tap was restarted in between"

_DOT1Q = 0x8100  # IEEE 802.1Q customer tag


@dataclass(frozen=True, slots=True)
class Packet:
    """One frame as it went over `link`, VLAN tag put back. `time_ns` is the kernel's CLOCK_REALTIME.

    `original_length` is its length on the link; `data` is shorter only if the frame was larger than a block.
    """

    link: str
    time_ns: int
    original_length: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Record:
    """A whole record of the spool: where it stands, its header, the kernel's block."""

    position: Position
    header: Header
    block: memoryview


@dataclass(frozen=True, slots=True)
class Damage:
    """Something that should be in the spool and cannot be read: where, and what was found there."""

    position: Position
    what: str

    def __str__(self) -> str:
        return f"segment {self.position.segment} offset {self.position.offset}: {self.what}"


@dataclass(frozen=True, slots=True)
class Slice:
    """One link of one visit: the frames between its sentinels, no sentinel among them.

    `lead_in` is the frames just before them: blocks are not cut. `dropped` is what the kernel dropped meanwhile.
    `reasons` says why a slice is not complete; its packets were on the link all the same, but what is not among them
    may have been, too. `begin_ns` and `end_ns` are when its sentinels passed, None for one that is missing.
    """

    link: str
    begin: Position
    lead_in: tuple[Packet, ...]
    packets: tuple[Packet, ...]
    dropped: int
    reasons: tuple[str, ...]
    begin_ns: int | None = None
    end_ns: int | None = None

    @property
    def complete(self) -> bool:
        """Both sentinels are there and nothing between them was lost."""
        return not self.reasons


@dataclass(frozen=True, slots=True)
class History:
    """A flow's frames before a slice, oldest first.

    `start_seen`: the first one opens the connection (TCP SYN, QUIC Initial). `reasons` names what may be missing
    after it, or, when the start was not seen, why it may not have been.
    """

    link: str
    packets: tuple[Packet, ...]
    start_seen: bool
    reasons: tuple[str, ...]


# ---------------------------------------------------------------- bytes


def packets_in(link: str, block: memoryview) -> Iterator[Packet]:
    """The frames of one kernel block, in order. Raises FormatError where the block stops making sense."""
    if len(block) < BLOCK_DESCRIPTOR.size:
        raise FormatError(f"block descriptor cut short: {len(block)} bytes of {BLOCK_DESCRIPTOR.size}")
    _, _, _, count, at, used, *_ = BLOCK_DESCRIPTOR.unpack_from(block)
    if used != len(block):
        raise FormatError(f"block of {len(block)} bytes says it uses {used}")
    for number in range(1, count + 1):
        if at + FRAME_HEADER.size > used:
            raise FormatError(f"frame {number} of {count}: header at {at} passes the block's end at {used}")
        to_next, s, ns, kept, original, status, to_frame, _, _, tci, tpid = FRAME_HEADER.unpack_from(block, at)
        start = at + to_frame
        if to_frame < FRAME_HEADER.size or start + kept > used:
            raise FormatError(f"frame {number} of {count}: {kept} bytes at {start} pass the block's end at {used}")
        data = bytes(block[start : start + kept])
        if status & STATUS_VLAN_VALID:
            if tci > 0xFFFF:  # linux/if_packet.h gives it 32 bits, IEEE 802.1Q 16
                raise FormatError(f"frame {number} of {count}: tag control information of {tci:#x}")
            tag = (tpid if status & STATUS_VLAN_TPID_VALID else _DOT1Q).to_bytes(2, "big") + tci.to_bytes(2, "big")
            data = data[:12] + tag + data[12:]
            original += len(tag)
        yield Packet(link, s * 1_000_000_000 + ns, original, data)
        if to_next == 0 and number < count:
            raise FormatError(f"the chain of frames ends after {number} of {count}")
        at += to_next


def records_in(data: bytes, segment: int, offset: int = 0) -> Iterator[Record | Damage]:
    """The records in `data`, which starts at `offset` of a segment. A torn or damaged one is the last thing given."""
    view, at = memoryview(data), 0
    while at < len(data):
        position = Position(segment, offset + at)
        try:
            header = unpack(view, at)
        except FormatError as error:
            yield Damage(position, str(error))
            return
        start, end = at + HEADER_SIZE, at + HEADER_SIZE + header.length
        if end > len(data):
            yield Damage(position, f"torn block: {len(data) - start} bytes of {header.length}")
            return
        yield Record(position, header, view[start:end])
        at = end


def slice_of(link: str, visit: str, begin: Position, parts: Iterable[Record | Damage]) -> Slice:
    """Fold the records that stand from `begin` on into the slice between the two sentinels of `visit`."""
    visit_hash = sentinel.visit_hash(visit)
    seen: dict[Kind, int] = {}
    lead_in: list[Packet] = []
    packets: list[Packet] = []
    losses = _Losses()
    for part in parts:
        losses.add(part)
        if isinstance(part, Damage):
            continue
        try:
            for packet in packets_in(link, part.block):
                mark = sentinel.recognise(packet.data)
                if mark is None:
                    packets.append(packet)
                elif mark.visit == visit_hash:
                    seen[mark.kind] = packet.time_ns
                    if mark.kind is Kind.END:
                        break
                    lead_in, packets = packets, []
        except FormatError as error:
            losses.reasons.append(str(Damage(part.position, str(error))))
        if Kind.END in seen:
            break
    missing = [f"{kind.name.lower()} sentinel is not in the spool" for kind in Kind if kind not in seen]
    return Slice(
        link,
        begin,
        tuple(lead_in),
        tuple(packets),
        losses.dropped,
        tuple(missing + losses.all_reasons()),
        seen.get(Kind.BEGIN),
        seen.get(Kind.END),
    )


def flow_frames(link: str, flow: Flow, data: bytes, segment: int) -> tuple[list[tuple[Record, Packet]], list[Damage]]:
    """The flow's frames in `data`, a segment from its start on, each with its record; and what could not be read.

    The bytes are searched at memory speed; only blocks with a hit are taken apart.
    """
    hits = sorted(at for needle in headers_of(flow) for at in _occurrences(data, needle))
    found: list[tuple[Record, Packet]] = []
    damage: list[Damage] = []
    searched = 0
    for at in hits:
        record = _record_around(data, at, segment) if at >= searched else None
        if record is None:
            continue
        searched = record.position.offset + HEADER_SIZE + record.header.length
        try:
            found += [(record, packet) for packet in packets_in(link, record.block) if belongs(packet.data, flow)]
        except FormatError as error:
            damage.append(Damage(record.position, str(error)))
    return found, damage


# ---------------------------------------------------------------- files


class Spool:
    """The tap's spool folder, read only. With an `index` the search for a flow passes over segments without it."""

    def __init__(self, folder: Path, index: FlowIndex | None = None) -> None:
        self._folder = folder
        self._index = index

    def slice(self, link: str, visit: str, begin: Position, end: Position) -> Slice:
        """The slice of `visit` on `link`; the tap's answer to `end` has the positions. Raises OSError, ValueError."""
        if end < begin:
            raise ValueError(f"link {link}: the slice ends at {end}, before it begins at {begin}")
        return slice_of(link, visit, begin, self._parts(link, begin, end))

    def end(self, link: str) -> Position:
        """Where the link's spool ends now. Raises OSError."""
        segments = self._segments(link)
        if not segments:
            return Position(0, 0)
        return Position(segments[-1], segment_path(self._folder, link, segments[-1]).stat().st_size)

    def since(self, link: str, position: Position) -> list[Record | Damage]:
        """What the link's spool holds from `position` on. Raises OSError."""
        return list(self._parts(link, position, self.end(link)))

    def earlier(self, flow: Flow, part: Slice, limit: int = HISTORY_LIMIT) -> History:
        """The flow's frames on the slice's link before its first packet, back to the one that opens the connection.

        Segments are searched from the newest backwards, until the opening is found or `limit` bytes have been searched.
        Raises OSError.
        """
        lead_in = [packet for packet in part.lead_in if belongs(packet.data, flow)]
        start = opened_at(flow, (packet.data for packet in lead_in))
        if start is not None:
            return History(part.link, tuple(lead_in[start:]), True, ())
        past = self._search(flow, part, limit)
        reasons = [str(what) for what in past.damage]
        if past.found:
            last = self._header_at(part.link, part.begin) or past.found[-1][0].header
            reasons += _losses_between(past.found[0][0].header, last)
        if not past.start_seen:
            reasons.insert(0, past.no_opening())
        packets = (*(packet for _, packet in past.found), *lead_in)
        return History(part.link, packets, past.start_seen, tuple(reasons))

    def _search(self, flow: Flow, part: Slice, limit: int) -> _Past:
        past = _Past()
        for segment in reversed([n for n in self._segments(part.link) if n <= part.begin.segment]):
            stop = part.begin.offset if segment == part.begin.segment else None
            size = self._index.size_without(part.link, segment, flow) if self._index else None
            if size is not None:
                past.passed_over += size if stop is None else stop
                continue
            past.limited = past.searched >= limit
            if past.limited:
                break
            try:
                data = self._read(part.link, segment, 0, stop)
            except FileNotFoundError:
                break  # the ring has come round since the folder was listed: older ones are gone, too
            past.searched += len(data)
            frames, past.damage[:0] = flow_frames(part.link, flow, data, segment)
            start = opened_at(flow, (packet.data for _, packet in frames))
            past.found[:0] = frames[start:]
            if start is not None:
                past.start_seen = True
                break
        return past

    def _parts(self, link: str, begin: Position, end: Position) -> Iterator[Record | Damage]:
        for segment in range(begin.segment, end.segment + 1):
            start = begin.offset if segment == begin.segment else 0
            stop = end.offset if segment == end.segment else None
            try:
                data = self._read(link, segment, start, stop)
            except FileNotFoundError:
                yield Damage(Position(segment, start), "the segment is not in the spool, or not any more")
                continue
            yield from records_in(data, segment, start)
            if stop is not None and start + len(data) < stop:
                yield Damage(Position(segment, start + len(data)), f"the segment ends here, not at {stop}")

    def _header_at(self, link: str, position: Position) -> Header | None:
        """The header of the first record at or after `position`, None when there is none yet."""
        for place in (position, Position(position.segment + 1, 0)):
            with suppress(FileNotFoundError, FormatError):
                return unpack(self._read(link, place.segment, place.offset, place.offset + HEADER_SIZE))
        return None

    def _segments(self, link: str) -> list[int]:
        return segment_numbers(os.listdir(self._folder / link))

    def _read(self, link: str, segment: int, start: int, stop: int | None) -> bytes:
        with segment_path(self._folder, link, segment).open("rb") as file:
            file.seek(start)
            return file.read(-1 if stop is None else stop - start)


@dataclass(slots=True)
class _Past:
    """What a search back from a slice has come to. `passed_over` bytes hold no frame of the flow, by the index."""

    found: list[tuple[Record, Packet]] = field(default_factory=list)
    damage: list[Damage] = field(default_factory=list)
    start_seen: bool = False
    searched: int = 0
    passed_over: int = 0
    limited: bool = False

    def no_opening(self) -> str:
        """Why the start was not seen."""
        of_them = f" ({self.searched} of them searched, in the others the connection has no frame)"
        extent = f"{self.searched + self.passed_over} bytes before the slice{of_them if self.passed_over else ''}"
        return f"no opening in {extent}: {'that is the limit' if self.limited else 'this is all that the spool holds'}"


# ---------------------------------------------------------------- losses


class _Losses:
    """What is missing in a row of records, by their own word: drops, gaps in the sequence, another session."""

    def __init__(self) -> None:
        self.dropped = 0
        self.reasons: list[str] = []
        self._last: Header | None = None

    def add(self, part: Record | Damage) -> None:
        if isinstance(part, Damage):
            self.reasons.append(str(part))
            return
        header, last = part.header, self._last
        self._last = header
        self.dropped += header.total_drops - header.drops_before
        if last is not None and last.session != header.session:
            self.reasons.append(_RESTARTED)
        elif last is not None and last.sequence + 1 != header.sequence:
            self.reasons.append(f"blocks {last.sequence + 1} to {header.sequence - 1} are not in the spool")

    def all_reasons(self) -> list[str]:
        return ([f"the kernel dropped {self.dropped} frames"] if self.dropped else []) + self.reasons


def _losses_between(first: Header, last: Header) -> list[str]:
    """What is missing from `first` up to `last`, by their counters: the records between need not be looked at."""
    if first.session != last.session:
        return [_RESTARTED]
    dropped, unwritten = last.drops_before - first.drops_before, last.unwritten - first.unwritten
    return ([f"the kernel dropped {dropped} frames"] if dropped else []) + (
        [f"{unwritten} blocks are not in the spool"] if unwritten else []
    )


# ---------------------------------------------------------------- search


def _occurrences(data: bytes, needle: bytes) -> Iterator[int]:
    at = data.find(needle)
    while at >= 0:
        yield at
        at = data.find(needle, at + 1)


def _record_around(data: bytes, at: int, segment: int) -> Record | None:
    """The whole record that the byte at `at` belongs to; None when that one is torn."""
    start = data.rfind(MAGIC, 0, at)
    while start >= 0:
        with suppress(FormatError):  # four bytes that look like a header's, inside a frame
            header = unpack(data, start)
            begin, end = start + HEADER_SIZE, start + HEADER_SIZE + header.length
            whole = begin <= at < end <= len(data)
            return Record(Position(segment, start), header, memoryview(data)[begin:end]) if whole else None
        start = data.rfind(MAGIC, 0, start)
    return None
