"""Files that grow while one reads: the spool's links, the origins' key logs, the visits' folders.

Each follower begins with what is there when it is made and gives what has come since it was last asked. Nothing here
waits: who asks decides how often.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from hostkit import sentinel
from hostkit.spool_format import HEADER_SIZE, FormatError, Position
from observer.flow import Flow
from observer.keylog import Secret
from observer.keys import opening_secrets, parsed, whole_lines
from observer.slicing import flows_in
from observer.spool import Damage, Packet, Slice, Spool, packets_in

_FURTHEST_BACK = 64 * 1024 * 1024  # bytes of spool looked through for a connection's start, while a person waits


@dataclass(frozen=True, slots=True)
class Arrived:
    """What one link brought: `earlier` is the past of connections that were open before, `losses` what is missing."""

    packets: tuple[Packet, ...]
    earlier: tuple[Packet, ...]
    losses: tuple[str, ...]


class LinkFollower:
    """One link's frames, sentinels left out."""

    def __init__(self, spool: Spool, link: str) -> None:
        self._spool = spool
        self._link = link
        self._position = spool.end(link)
        self._known: set[Flow] = set()

    def new(self) -> Arrived:
        """Raises OSError."""
        packets: list[Packet] = []
        earlier: list[Packet] = []
        losses: list[str] = []
        parts = self._spool.since(self._link, self._position)
        for number, part in enumerate(parts):
            if isinstance(part, Damage):
                if number == len(parts) - 1:
                    break  # the tap may be writing it: look again
                losses.append(f"{self._link}: {part}")
                self._position = Position(part.position.segment + 1, 0)
                continue
            try:
                found = [p for p in packets_in(self._link, part.block) if sentinel.recognise(p.data) is None]
            except FormatError as error:
                found = []
                losses.append(f"{self._link}: {Damage(part.position, str(error))}")
            dropped = part.header.total_drops - part.header.drops_before
            losses += [f"{self._link}: the kernel dropped {dropped} frames"] if dropped else []
            earlier += self._past(part.position, found)
            packets += found
            end = part.position.offset + HEADER_SIZE + part.header.length
            self._position = Position(part.position.segment, end)
        return Arrived(tuple(packets), tuple(earlier), tuple(losses))

    def _past(self, position: Position, packets: Iterable[Packet]) -> Iterator[Packet]:
        """TLS can only be read from a connection's first byte on: what was open before is fetched, once."""
        for flow, opened in flows_in(packets).items():
            if not opened and flow not in self._known:
                history = self._spool.earlier(flow, Slice(self._link, position, (), (), 0, ()), _FURTHEST_BACK)
                yield from history.packets if history.start_seen else ()
            self._known.add(flow)


class KeyLogFollower:
    """The secrets that the origins log from now on, each of their files read no further than its last whole line."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._read = {path: len(whole_lines(path)) for path in folder.glob("*.log")}

    def new(self) -> tuple[Secret, ...]:
        """Raises OSError, KeyLogError (a ValueError)."""
        found: list[Secret] = []
        for path in sorted(self._folder.glob("*.log")):
            at = self._read.get(path, 0)
            lines = whole_lines(path, at)
            self._read[path] = at + len(lines)
            found += parsed(lines.decode("ascii"))
        return tuple(found)

    def of_earlier(self, packets: Iterable[Packet]) -> tuple[Secret, ...]:
        """The secrets logged before, of connections whose handshakes are among `packets`."""
        frames = b"".join(packet.data for packet in packets)
        return opening_secrets(self._folder, frames) if frames else ()


class VisitFollower:
    """The secrets of clients, as visits end from now on: their folders appear whole (captures.py)."""

    def __init__(self, captures: Path) -> None:
        self._captures = captures
        self._known = set(self._folders())

    def new(self) -> tuple[Secret, ...]:
        """Raises OSError, KeyLogError (a ValueError)."""
        ended = [path for path in self._folders() if path not in self._known]
        self._known.update(ended)
        logs = (path / "keys.log" for path in ended)
        return tuple(secret for log in logs if log.exists() for secret in parsed(log.read_text(encoding="ascii")))

    def _folders(self) -> list[Path]:
        return sorted(path for path in self._captures.glob("[0-9]*"))
