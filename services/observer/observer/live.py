"""All links as one pcapng stream while they carry frames: what `make wireshark LIVE=1` shows.

The tap goes on as ever: the stream is read from its spool. TLS secrets stand in the stream as soon as they are known,
and open only what comes after them: an origin logs its own within the handshake, a client's arrive when its visit has
ended. So with a short hold a client's connections stay closed while they are shown; with a hold longer than the visit
everything is open, that much later.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from observer.captures import APPLICATION
from observer.following import KeyLogFollower, LinkFollower, VisitFollower
from observer.keylog import Secret, render
from observer.packet import Packet
from observer.pcapng import NameRecord, Writer
from observer.reorder import ReorderWindow
from observer.spool import Packet as LinkPacket
from observer.spool import Spool
from observer.topology import LINKS, Topology

# A kernel block is handed over 10 ms after its first frame and written at once; the rest is for busy machines.
SHORTEST_HOLD_NS = 50_000_000
LOOK_EVERY_S = 0.05

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Sources:
    """What a stream is made from."""

    spool: Path = Path("/spool")
    keys: Path = Path("/keys")
    captures: Path = Path("/captures")


class LiveStream:
    """Begins now: what the links carried before is not in it, but for the past of connections that go on.

    Raises OSError where a source cannot be read or the stream takes no more, ValueError for a key log that is none.
    """

    def __init__(self, sources: Sources, topology: Topology, stream: BinaryIO, say: Say, hold_ns: int) -> None:
        self._stream = stream
        self._say = say
        self._hold_ns = max(hold_ns, SHORTEST_HOLD_NS)
        spool = Spool(sources.spool)
        self._links = [LinkFollower(spool, link) for link in LINKS]
        self._origins = KeyLogFollower(sources.keys)
        self._visits = VisitFollower(sources.captures)
        self._window = ReorderWindow()
        self._written: set[Secret] = set()
        self._writer = Writer(stream, os="Linux", application=APPLICATION)
        for link in LINKS:
            self._writer.add_interface(link, f"bridge of {topology.lab}: every frame of this link")
        self._writer.add_names(NameRecord.of(i.address, i.host) for i in topology.captured())
        stream.flush()

    def run(self, goes_on: Callable[[float], bool]) -> None:
        """Write until `goes_on`, which is given seconds to wait, says no; then end the capture as a whole one."""
        going = True
        while going:
            going = goes_on(LOOK_EVERY_S)
            self.look(time.time_ns() - self._hold_ns if going else None)
        self._writer.finish()
        self._stream.flush()

    def look(self, before_ns: int | None) -> None:
        """Take in what is new, and write what the links carried before `before_ns`; None: all there is."""
        earlier = self._take_in()
        # After the frames: a secret that opens them was logged before they were seen, or is not there yet.
        self._add_secrets((*self._origins.of_earlier(earlier), *self._origins.new(), *self._visits.new()))
        self._writer.write_packets(self._window.due(1 << 63 if before_ns is None else before_ns))
        self._stream.flush()

    def _take_in(self) -> list[LinkPacket]:
        earlier: list[LinkPacket] = []
        for interface, link in enumerate(self._links):
            arrived = link.new()
            self._window.add(_packets(interface, (*arrived.earlier, *arrived.packets)))
            earlier += arrived.earlier
            for loss in arrived.losses:
                self._say(loss)
        return earlier

    def _add_secrets(self, secrets: Sequence[Secret]) -> None:
        new = tuple(dict.fromkeys(secret for secret in secrets if secret not in self._written))
        if new:
            self._written.update(new)
            self._writer.add_secrets(render(new).encode(), for_later_packets=True)


def _packets(interface: int, packets: Sequence[LinkPacket]) -> list[Packet]:
    return [Packet(packet.time_ns, interface, packet.data, packet.original_length) for packet in packets]
