"""What happens to each packet under the faults in force.

Deterministic, without clock or sockets: the same packets in the same order under the same faults meet the same fate,
seeds included.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from middlebox.faults import Corrupt, Delay, Drop, Duplicate, Fault, Flip, Hold, Lose, Replace
from middlebox.packet import Flow, Packet, with_byte_flipped, with_damage, with_text_replaced
from middlebox.quic_packets import PacketType, packets
from middlebox.tls_records import Part, RecordStream
from middlebox.units import Unit

_64_BITS = (1 << 64) - 1
_MOST_CONNECTIONS = 4096
"""Whose records and QUIC packets are counted at a time; the oldest go first."""


class Action(StrEnum):
    """What was done to a packet."""

    DROPPED = "dropped"
    LOST = "lost"
    DELAYED = "delayed"
    FLIPPED = "flipped"
    CORRUPTED = "corrupted"
    DUPLICATED = "duplicated"
    HELD = "held"
    RELEASED = "released alone"
    """Held, and sent on because nothing came to overtake it."""
    REPLACED = "replaced"


@dataclass(frozen=True, slots=True)
class Touch:
    """One fault (by its place in the list) acted on one packet."""

    fault: int
    action: Action


Ticket = tuple[int, Flow | None]
"""Under which a packet is held: the fault that holds it, and, where positions are a connection's, the connection."""


@dataclass(frozen=True, slots=True)
class Forward:
    """Send the packet on, as `data`: `delay_ns` later, `copies` times more, or only when `held` is released."""

    data: bytes
    delay_ns: int = 0
    copies: int = 0
    held: Ticket | None = None


@dataclass(frozen=True, slots=True)
class Discard:
    """Send nothing on."""


Verdict = Forward | Discard


@dataclass(frozen=True, slots=True)
class Decision:
    """The fate of one packet, who acted, and which held packets follow behind it."""

    verdict: Verdict
    touches: tuple[Touch, ...] = ()
    releases: tuple[Ticket, ...] = ()


@dataclass(slots=True)
class _Fate:
    """A packet on its way through the faults."""

    packet: Packet
    data: bytes
    delay_ns: int = 0
    copies: int = 0
    held: Ticket | None = None
    gone: bool = False
    touches: list[Touch] = field(default_factory=list)
    releases: list[Ticket] = field(default_factory=list)

    @property
    def payload(self) -> bytes:
        return self.data[self.packet.payload_at : self.packet.end]

    def decision(self) -> Decision:
        verdict = Discard() if self.gone else Forward(self.data, self.delay_ns, self.copies, self.held)
        return Decision(verdict, tuple(self.touches), tuple(self.releases))


class Decider:
    """Decides the fate of one packet after another, and remembers what that takes: counts, and where streams stand."""

    def __init__(self, faults: Sequence[Fault] = ()) -> None:
        self.faults = tuple(faults)
        self._matched = [0] * len(self.faults)
        self._within: dict[tuple[int, Flow], int] = {}
        self._streams: dict[Flow, RecordStream] = {}
        self._of_records = [fault.match for fault in self.faults if fault.match.unit is Unit.TLS_RECORD]

    @property
    def matched(self) -> tuple[int, ...]:
        """What each fault has looked at, so far."""
        return tuple(self._matched)

    def decide(self, data: bytes, packet: Packet) -> Decision:
        """The fate of `packet`, whose bytes are `data`.

        Faults act in the order given. A packet that one of them takes away those after it do not see. Delays add up.
        """
        fate = _Fate(packet, data)
        records = self._records(packet, fate) if self._of_records else ()
        for index, fault in enumerate(self.faults):
            if not fault.match.covers(packet):
                continue
            parts = self._parts(index, fault.match.unit, fate, records)
            scope = packet.flow if fault.match.unit.within_connection else None
            self._matched[index] += sum(part.begins_here for part in parts)
            for part in parts:
                action = _apply(fault, part, fate, (index, scope))
                if action is None:
                    continue
                fate.touches.append(Touch(index, action))
                if fate.gone:
                    return fate.decision()
                if not isinstance(fault, Flip | Hold):
                    break  # done to the whole packet, however many records or QUIC packets it holds
        return fate.decision()

    def _records(self, packet: Packet, fate: _Fate) -> tuple[Part, ...]:
        """The packet's TLS records, if any fault counts them in this direction; it sees every segment there is."""
        if not any(match.goes_its_way(packet) for match in self._of_records):
            return ()
        stream = self._streams.setdefault(packet.flow, RecordStream())
        if len(self._streams) > _MOST_CONNECTIONS:
            del self._streams[next(iter(self._streams))]
        return stream.take(packet, fate.payload)

    def _parts(self, index: int, unit: Unit, fate: _Fate, records: tuple[Part, ...]) -> tuple[Part, ...]:
        """Where in the payload the units lie that fault `index` counts, and their positions."""
        if unit is Unit.TLS_RECORD:
            return records
        if not unit.within_connection:
            return (Part(self._matched[index] + 1, 0, fate.packet.payload_length),)
        wanted = [p for p in packets(fate.payload) if unit is not Unit.QUIC_INITIAL or p.type is PacketType.INITIAL]
        key = (index, fate.packet.flow)
        before = self._within.get(key, 0)
        self._within[key] = before + len(wanted)
        if len(self._within) > _MOST_CONNECTIONS:
            del self._within[next(iter(self._within))]
        return tuple(Part(before + place, p.start, p.end) for place, p in enumerate(wanted, start=1))


def _apply(fault: Fault, part: Part, fate: _Fate, ticket: Ticket) -> Action | None:
    """Let `fault` act on what it counted as `part`; what it did."""
    match fault:
        case Flip():
            return _flip(fault, part, fate)
        case _ if not part.begins_here:
            return None
        case Lose():
            fate.gone = chance(fault.seed, part.number) * 100 < fault.percent
            return Action.LOST if fate.gone else None
        case Hold():
            return _hold(fault, part, fate, ticket)
        case _:
            return _apply_to_packet(fault, fate) if part.number in fault.positions else None


def _apply_to_packet(fault: Drop | Delay | Corrupt | Duplicate | Replace, fate: _Fate) -> Action | None:
    match fault:
        case Drop():
            fate.gone = True
            return Action.DROPPED
        case Delay():
            fate.delay_ns += fault.delay_ns
            return Action.DELAYED
        case Corrupt():
            fate.data = with_damage(fate.data, fate.packet)
            return Action.CORRUPTED
        case Duplicate():
            fate.copies += 1
            return Action.DUPLICATED
        case Replace():
            if fault.old not in fate.payload:
                return None
            fate.data = with_text_replaced(fate.data, fate.packet, fault.old, fault.new)
            return Action.REPLACED


def _flip(fault: Flip, part: Part, fate: _Fate) -> Action | None:
    if part.number not in fault.positions or (fault.offset < 0 and part.end is None):
        return None
    at = (part.start if fault.offset >= 0 else part.end or 0) + fault.offset
    in_part = part.start <= at and (part.end is None or at < part.end)
    if not in_part or not 0 <= at < fate.packet.payload_length:
        return None
    fate.data = with_byte_flipped(fate.data, fate.packet, at, fault.mask)
    return Action.FLIPPED


def _hold(fault: Hold, part: Part, fate: _Fate, ticket: Ticket) -> Action | None:
    if part.number == fault.position:
        fate.held = ticket
        return Action.HELD
    if part.number == fault.position + fault.overtaken_by:
        fate.releases.append(ticket)
    return None


def chance(seed: int, position: int) -> float:
    """A number in [0, 1) that looks random but depends on `seed` and `position` only (SplitMix64, the position-th)."""
    z = (seed + position * 0x9E3779B97F4A7C15) & _64_BITS
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & _64_BITS
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & _64_BITS
    return ((z ^ (z >> 31)) >> 11) / (1 << 53)
