"""From ring to spool, and the visits that are cut out on the way.

Two kinds of threads meet here under one lock: the sniff loop brings blocks, and the control socket's
connections begin and end visits.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from hostkit import sentinel
from hostkit.sentinel import Kind
from hostkit.spool_format import Header, pack
from tap.block import Block
from tap.spool import Spool
from tap.visits import LinkSlice, LinkState, Passage, Sighting

END_TIMEOUT_S = 2.0


class Refused(ValueError):
    """A visit cannot be begun or ended; the text says why."""


class Ring(Protocol):
    """What the recorder asks of a link's ring."""

    interface: str

    def drops(self) -> int:
        """Frames dropped since this was last asked."""


class Sender(Protocol):
    """What puts a sentinel on a link."""

    def send(self, frame: bytes) -> None:
        """Put one frame on the link. Raises OSError."""


@dataclass(frozen=True, slots=True)
class LinkStatus:
    """What the tap has done on one link since its session began."""

    interface: str
    packets: int
    dropped: int
    spool_bytes: int


@dataclass(slots=True)
class _Link:
    ring: Ring
    sender: Sender
    sequence: int = 0
    frames: int = 0
    drops: int = 0
    drops_at_last_block: int = 0
    unwritten: int = 0
    failing: bool = False
    awaited: dict[bytes, tuple[Passage, Kind]] = field(default_factory=dict)


class Recorder:
    """Writes each block to the spool and answers for the visits. All methods may be called from any thread."""

    def __init__(self, rings: Mapping[str, Ring], senders: Mapping[str, Sender], spool: Spool) -> None:
        self.started_ns = time.time_ns()  # also the session's name in the spool
        self._links = {name: _Link(ring, senders[name]) for name, ring in rings.items()}
        self._spool = spool
        self._visits: dict[str, dict[str, Passage]] = {}
        self._changed = threading.Condition()

    def take(self, block: Block) -> None:
        """Write one block to the spool and hand it back to the kernel."""
        with self._changed:
            link = self._links[block.link]
            link.drops += link.ring.drops()
            link.frames += block.frames
            header = Header(
                length=block.length,
                frames=block.frames,
                session=self.started_ns,
                sequence=link.sequence,
                total_frames=link.frames,
                total_drops=link.drops,
                drops_before=link.drops_at_last_block,
                unwritten=link.unwritten,
                first_ns=block.first_ns,
                last_ns=block.last_ns,
            )
            link.sequence += 1
            link.drops_at_last_block = link.drops
            written = self._spool.append(block.link, pack(header), block.used) is not None
            if link.failing or not written:
                self._note_unwritten(block.link, written)
            if link.awaited and written:
                self._look_for_sentinels(block)
            block.hand_back()

    def begin(self, visit: str) -> int:
        """Mark the begin of `visit` on every link and keep what follows; the time (ns) when all marks were sent.

        Raises Refused.
        """
        with self._changed:
            if visit in self._visits:
                raise Refused(f"visit {visit!r} has begun already")
            self._spool.protect(visit)
            self._visits[visit] = {name: Passage(self._state(name)) for name in self._links}
            self._await(visit, Kind.BEGIN)
        self._send(Kind.BEGIN, visit)
        return time.time_ns()

    def end(self, visit: str) -> dict[str, LinkSlice]:
        """Mark the end of `visit`, wait until every link's mark is in the spool or known lost, and judge.

        Raises Refused.
        """
        with self._changed:
            if visit not in self._visits:
                raise Refused(f"visit {visit!r} has not begun, or has ended already")
            self._await(visit, Kind.END)
        self._send(Kind.END, visit)
        with self._changed:
            passages = self._visits[visit]
            self._changed.wait_for(lambda: all(p.has_seen(Kind.END) for p in passages.values()), END_TIMEOUT_S)
            overrun = visit in self._spool.overrun
            slices = {name: passage.slice(self._state(name), overrun) for name, passage in passages.items()}
            self._forget(visit)
            return slices

    def release(self, visit: str) -> None:
        """Nobody needs the visit's records any more, whether it has ended or not."""
        with self._changed:
            self._forget(visit)
            self._spool.release(visit)

    def status(self) -> dict[str, LinkStatus]:
        """Each link's counters now."""
        with self._changed:
            return {name: self._status(name) for name in self._links}

    def _status(self, name: str) -> LinkStatus:
        drops = self._state(name).drops
        link = self._links[name]
        return LinkStatus(link.ring.interface, link.frames, drops, self._spool.size(name))

    def _state(self, name: str) -> LinkState:
        link = self._links[name]
        link.drops += link.ring.drops()
        return LinkState(self._spool.position(name), link.drops, link.unwritten)

    def _send(self, kind: Kind, visit: str) -> None:
        for name, link in self._links.items():
            try:
                link.sender.send(sentinel.frame(kind, visit))
            except OSError as error:
                self.release(visit)
                raise Refused(f"link {name}: the sentinel could not be sent: {error}") from error

    def _await(self, visit: str, kind: Kind) -> None:
        for name, passage in self._visits[visit].items():
            self._links[name].awaited[sentinel.frame(kind, visit)] = (passage, kind)

    def _forget(self, visit: str) -> None:
        self._visits.pop(visit, None)
        for link in self._links.values():
            for kind in Kind:
                link.awaited.pop(sentinel.frame(kind, visit), None)

    def _look_for_sentinels(self, block: Block) -> None:
        link = self._links[block.link]
        for frame, (passage, kind) in list(link.awaited.items()):
            index = block.index_of(frame)
            if index is not None:
                sighting = Sighting(link.frames - block.frames + index, self._state(block.link))
                passage.sighted(kind, sighting)
                del link.awaited[frame]
                self._changed.notify_all()

    def _note_unwritten(self, name: str, written: bool) -> None:
        """Count a block that was not written, and say so when writing starts to fail and when it works again."""
        link = self._links[name]
        link.unwritten += not written
        if not written and not link.failing:
            print(f"tap: {name}: blocks are lost, the spool takes none: {self._spool.last_error}", file=sys.stderr)
        if written and link.failing:
            print(f"tap: {name}: the spool takes blocks again, {link.unwritten} lost so far", file=sys.stderr)
        link.failing = not written
