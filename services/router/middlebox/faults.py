"""What the middlebox does to packets: the faults there are, and the decision for one packet.

Pure and deterministic: the same packets in the same order under the same faults meet the same fate, seeds included.
Positions count from 1 and per fault, over all connections, from the moment the fault was installed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from ipaddress import IPv4Address

from middlebox.packet import Packet, Protocol, with_byte_flipped

_64_BITS = (1 << 64) - 1


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
    """Which packets a fault looks at, in the addresses of the internet link: the client is the router's there."""

    protocol: Protocol | None = None
    source: Endpoint = ANYONE
    destination: Endpoint = ANYONE
    both_ways: bool = False
    """Also the packets that go from `destination` to `source`."""
    carries_data: bool = False
    """Only packets with a payload: no bare SYN, ACK or FIN."""

    def covers(self, packet: Packet) -> bool:
        if self.protocol not in (None, packet.protocol) or (self.carries_data and not packet.payload_length):
            return False
        sender = (packet.source, packet.source_port)
        receiver = (packet.destination, packet.destination_port)
        forth = self.source.covers(*sender) and self.destination.covers(*receiver)
        return forth or (self.both_ways and self.source.covers(*receiver) and self.destination.covers(*sender))


@dataclass(frozen=True, slots=True)
class Drop:
    """Drop the `nth` matching packet and those right after it, `count` in all."""

    match: Match
    nth: int = 1
    count: int = 1


@dataclass(frozen=True, slots=True)
class Lose:
    """Lose each matching packet with a chance of `percent`; which ones is settled by `seed` and their position."""

    match: Match
    percent: float
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Delay:
    """Hold each matching packet for `delay_ns`; packets keep their order."""

    match: Match
    delay_ns: int


@dataclass(frozen=True, slots=True)
class Flip:
    """XOR the payload byte at `offset` of the `nth` matching packet that has such a byte with `mask`."""

    match: Match
    offset: int
    nth: int = 1
    mask: int = 0xFF


Fault = Drop | Lose | Delay | Flip


class Action(StrEnum):
    """What was done to a packet."""

    DROPPED = "dropped"
    LOST = "lost"
    DELAYED = "delayed"
    FLIPPED = "flipped"


@dataclass(frozen=True, slots=True)
class Touch:
    """One fault (by its place in the list) acted on one packet."""

    fault: int
    action: Action


@dataclass(frozen=True, slots=True)
class Forward:
    """Send the packet on after `delay_ns`, as `data`."""

    data: bytes
    delay_ns: int = 0


@dataclass(frozen=True, slots=True)
class Discard:
    """Send nothing on."""


Verdict = Forward | Discard


@dataclass(frozen=True, slots=True)
class Decision:
    """The fate of one packet, what each fault has matched up to and including it, and who acted."""

    verdict: Verdict
    matched: tuple[int, ...]
    touches: tuple[Touch, ...] = field(default=())


def decide(data: bytes, packet: Packet, faults: Sequence[Fault], matched: Sequence[int]) -> Decision:
    """The fate of `packet`, whose bytes are `data`, when each of `faults` has matched `matched` packets so far.

    Faults act in the order given. A packet that one of them takes away is not seen by those after it; delays add up.
    """
    counts = list(matched)
    touches: list[Touch] = []
    delay_ns = 0
    for index, fault in enumerate(faults):
        if not _looks_at(fault, packet):
            continue
        counts[index] += 1
        action = _action(fault, position=counts[index])
        if action is None:
            continue
        touches.append(Touch(index, action))
        match fault:
            case Drop() | Lose():
                return Decision(Discard(), tuple(counts), tuple(touches))
            case Delay():
                delay_ns += fault.delay_ns
            case Flip():
                data = with_byte_flipped(data, packet, fault.offset, fault.mask)
    return Decision(Forward(data, delay_ns), tuple(counts), tuple(touches))


def _looks_at(fault: Fault, packet: Packet) -> bool:
    if not fault.match.covers(packet):
        return False
    return not isinstance(fault, Flip) or fault.offset < packet.payload_length


def _action(fault: Fault, position: int) -> Action | None:
    """What `fault` does to the packet it matches as number `position`."""
    match fault:
        case Drop():
            return Action.DROPPED if fault.nth <= position < fault.nth + fault.count else None
        case Lose():
            return Action.LOST if chance(fault.seed, position) * 100 < fault.percent else None
        case Delay():
            return Action.DELAYED
        case Flip():
            return Action.FLIPPED if position == fault.nth else None


def chance(seed: int, position: int) -> float:
    """A number in [0, 1) that looks random but depends on `seed` and `position` only (SplitMix64, the position-th)."""
    z = (seed + position * 0x9E3779B97F4A7C15) & _64_BITS
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & _64_BITS
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & _64_BITS
    return ((z ^ (z >> 31)) >> 11) / (1 << 53)
