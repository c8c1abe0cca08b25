"""What the middlebox can do to packets: the faults there are. Values only; `decisions` says what they do.

Positions count from 1, per fault, from the moment the faults were installed.
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address

from middlebox.packet import Packet
from middlebox.units import Unit

LAST_BYTE = -1


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One end of the traffic to match; None matches any."""

    address: IPv4Address | None = None
    port: int | None = None

    def covers(self, address: IPv4Address, port: int) -> bool:
        return self.address in (None, address) and self.port in (None, port)


ANYONE = Endpoint()


@dataclass(frozen=True, slots=True)
class Match:
    """What a fault looks at, in the addresses of the internet link: the client is the router's there."""

    unit: Unit = Unit.PACKET
    source: Endpoint = ANYONE
    destination: Endpoint = ANYONE
    both_ways: bool = False
    """Also what goes from `destination` to `source`."""

    def covers(self, packet: Packet) -> bool:
        return self.unit.covers(packet) and self.goes_its_way(packet)

    def goes_its_way(self, packet: Packet) -> bool:
        sender = (packet.source, packet.source_port)
        receiver = (packet.destination, packet.destination_port)
        forth = self.source.covers(*sender) and self.destination.covers(*receiver)
        return forth or (self.both_ways and self.source.covers(*receiver) and self.destination.covers(*sender))


@dataclass(frozen=True, slots=True)
class Positions:
    """The `first` matching one and those after it, `count` in all; None: all of them."""

    first: int = 1
    count: int | None = 1

    def __contains__(self, position: int) -> bool:
        return self.first <= position and (self.count is None or position < self.first + self.count)


FIRST = Positions()
EVERY = Positions(1, None)


@dataclass(frozen=True, slots=True)
class Drop:
    """Send nothing on."""

    match: Match
    positions: Positions = FIRST


@dataclass(frozen=True, slots=True)
class Lose:
    """Lose each with a chance of `percent`; which ones is settled by `seed` and their position."""

    match: Match
    percent: float
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Delay:
    """Send on `delay_ns` later; what is delayed alike keeps its order."""

    match: Match
    delay_ns: int
    positions: Positions = EVERY


@dataclass(frozen=True, slots=True)
class Flip:
    """XOR the byte at `offset` with `mask`, and make the transport checksum right again: only who looks deeper notices.

    `offset` counts from the payload's first byte, from the record's or QUIC packet's where those are the unit (a
    record's header has five); negative ones from the end. What has no such byte is counted, but left as it is.
    """

    match: Match
    positions: Positions = FIRST
    offset: int = LAST_BYTE
    mask: int = 0xFF


@dataclass(frozen=True, slots=True)
class Corrupt:
    """Damage a byte and leave the transport checksum as it was: the receiver's TCP or UDP throws the packet away."""

    match: Match
    positions: Positions = FIRST


@dataclass(frozen=True, slots=True)
class Duplicate:
    """Send it on, and a copy right behind it."""

    match: Match
    positions: Positions = FIRST


@dataclass(frozen=True, slots=True)
class Hold:
    """Reorder: hold the `position`-th back until `overtaken_by` more that match have passed."""

    match: Match
    position: int = 1
    overtaken_by: int = 1


@dataclass(frozen=True, slots=True)
class Replace:
    """Put `new` in the place of `old`, as long, wherever a packet's payload has it."""

    match: Match
    old: bytes
    new: bytes
    positions: Positions = EVERY


Fault = Drop | Lose | Delay | Flip | Corrupt | Duplicate | Hold | Replace
