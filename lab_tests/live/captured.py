"""What was captured, as tests look at it: a visit with its journey, and what all captures have."""

from __future__ import annotations

import atexit
import json
from abc import ABC, abstractmethod
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import jsonschema

from observer.connections import Connection, connections
from observer.conservation import conservation
from observer.document import schema
from observer.exchanges import Exchange, all_exchanges
from observer.messages import Frame
from observer.steps import Conservation, LinkCapture
from observer.topology import LINKS, Topology
from observer.transit import transit_of
from observer.tshark import WarmTshark


@cache
def _tshark() -> WarmTshark:
    found = WarmTshark()
    atexit.register(found.close)
    return found


def dissected(path: Path) -> list[Frame]:
    """Every frame of a capture file, in order, by the command that the observer uses; the next tshark starts meanwhile.

    Raises DissectionError.
    """
    try:
        return _tshark().dissect(path.read_bytes())
    finally:
        _tshark().warm_up()


class Captured(ABC):
    """A folder in captures/: the frames of every link over some time, as everybody gets them."""

    @property
    @abstractmethod
    def folder(self) -> Path: ...

    @property
    @abstractmethod
    def began_ns(self) -> int:
        """Nanoseconds since 1970. Frames from before are the past of connections that were used again."""

    @property
    @abstractmethod
    def capture(self) -> tuple[LinkCapture, ...]:
        """The tap's word on each link."""

    def conservation(self, topology: Topology) -> Conservation:
        """What became of every packet that entered a forwarding host."""
        return conservation(transit_of(self.frames, topology), self.capture, topology.name)

    @cached_property
    def frames(self) -> list[Frame]:
        """Every frame, numbered as in journey.pcapng, dissected with nothing but what the files hold.

        Where QUIC runs, from the links' own files: in one file with all links, Wireshark mixes up the copies of a QUIC
        connection. Otherwise all at once, which costs one start of tshark instead of four.
        """
        together = dissected(self.folder / "journey.pcapng")
        assert together, f"{self.folder} holds no frames: this test looked at nothing"
        if not any(frame.protocols.endswith("quic") or ":quic:" in frame.protocols for frame in together):
            return together
        with ThreadPoolExecutor() as pool:
            by_link = list(pool.map(lambda link: dissected(self.folder / f"{link}.pcapng"), LINKS))
        found = sorted((frame for frames in by_link for frame in frames), key=lambda frame: frame.time_ns)
        return [replace(frame, number=number) for number, frame in enumerate(found, start=1)]

    def on(self, link: str) -> list[Frame]:
        """All frames of `link`, the past of its connections included. Fails if there is none."""
        found = [frame for frame in self.frames if frame.link == link]
        assert found, f"no frame on {link}: this test looked at nothing"
        return found

    def since_begun(self, link: str) -> list[Frame]:
        """The frames of `link` from this time itself; there may be none."""
        return [frame for frame in self.frames if frame.link == link and frame.time_ns >= self.began_ns]

    @cached_property
    def connections(self) -> tuple[Connection, ...]:
        """Every TCP and QUIC connection of every link."""
        return connections(self.frames)

    def opened(self, link: str) -> list[Connection]:
        """The connections of `link` that began in this time, in order.

        The others are there with their past, because they still said something: what counts or picks connections would
        take one of an earlier test for one of its own.
        """
        return [c for c in self.connections if c.link == link and c.frames[0].time_ns >= self.began_ns]

    def exchanges(self, link: str) -> list[Exchange]:
        """The requests sent on `link` in this time, each with its response; health checks are among them on backend."""
        own = (connection for connection in self.connections if connection.link == link)
        found = (exchange for exchange in all_exchanges(own) if exchange.request_frame.time_ns >= self.began_ns)
        return sorted(found, key=lambda exchange: exchange.request_frame.time_ns)


class Visited(Captured):
    """One visit's folder, with its journey."""

    def __init__(self, folder: Path, exit_code: int) -> None:
        self._folder = folder
        self.exit_code = exit_code

    @property
    def folder(self) -> Path:
        return self._folder

    @property
    def capture(self) -> tuple[LinkCapture, ...]:
        return link_captures(self.journey["capture"])

    @property
    def began_ns(self) -> int:
        return int(self.journey["visit"]["started_ns"])

    @cached_property
    def journey(self) -> dict[str, Any]:
        document = json.loads((self.folder / "journey.json").read_text(encoding="utf-8"))
        _journeys().validate(document)
        told: dict[str, Any] = document["journey"]
        return told

    def step(self, name: str) -> dict[str, Any]:
        return next(step for step in self.journey["steps"] if step["name"] == name)

    def frame(self, evidence: dict[str, Any]) -> Frame:
        """The frame that a step cites, by link and number."""
        cited: Frame = self.frames[evidence["frame"] - 1]
        assert (cited.number, cited.link) == (evidence["frame"], evidence["link"])
        return cited


@cache
def _journeys() -> jsonschema.Draft202012Validator:
    """What every journey.json follows, whichever test looks at it."""
    return jsonschema.Draft202012Validator(schema())


def link_captures(told: Iterable[dict[str, Any]]) -> tuple[LinkCapture, ...]:
    """The tap's word on each link, from the observer's JSON."""
    return tuple(LinkCapture(**(link | {"reasons": tuple(link["reasons"])})) for link in told)
