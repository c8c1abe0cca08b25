"""Whether every packet that entered a forwarding host left it: once, whole, with a time to live one less. Pure.

What did not leave is told apart: a packet for the host itself, one whose time to live ended, one still inside when the
capture ended, one that a hole in the capture may have swallowed; what remains is lost.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from statistics import median_low

from observer.messages import Frame
from observer.steps import Conservation, Conserved, Crossing, Evidence, Fate, Irregularity, LinkCapture
from observer.transit import Forwarder, Passage, Transit

BROKEN = (Fate.LOST, Fate.DUPLICATED, Fate.ALTERED, Fate.WRONG_TTL, Fate.BEGUN)
_PATIENCE_NS = 1_000_000
"""How long a packet may be inside a host at the capture's end, if none was seen to be longer."""
_TOLD_IN_SUMMARY = 3

_Flow = tuple[str, str, int, str, int]
_Name = Callable[[str], str]


def conservation(transit: Transit, capture: Sequence[LinkCapture], name: _Name) -> Conservation:
    """Judge what `transit` found, with the tap's word on each link. `name` gives the host of an address."""
    window = _Window(transit, capture)
    passages = [p for p in transit.passages if window.has_begun(p.entered)]
    found = [_irregular(p, Fate.ALTERED, name) for p in passages if p.altered]
    found += [_irregular(p, Fate.WRONG_TTL, name) for p in passages if (p.entered.ttl or 0) - (p.left.ttl or 0) != 1]
    found += [_irregular(p, Fate.DUPLICATED, name) for p in transit.repeated if window.has_begun(p.entered)]
    for host, frame in transit.kept:
        if window.has_begun(frame):
            shown = Evidence(frame.link, frame.number, f"enters {host.name}")
            found.append(Irregularity(host.name, window.fate_of(host, frame), _words(frame, name), shown, None))
    for host, frame in transit.begun:
        if window.had_to_enter(host, frame):
            shown = Evidence(frame.link, frame.number, f"leaves {host.name}")
            found.append(Irregularity(host.name, Fate.BEGUN, _words(frame, name), None, shown))
    found.sort(key=_position)
    crossings = tuple(_crossing(host, passages, found, capture) for host in transit.hosts)
    conserved = _verdict(crossings, found, capture)
    return Conservation(conserved, _summary(crossings, found, passages, conserved), crossings, tuple(found))


class _Window:
    """What of a capture can be judged. A packet that entered a host before the capture began on every link may have
    left it unseen, one that entered just before the end, too."""

    def __init__(self, transit: Transit, capture: Sequence[LinkCapture]) -> None:
        self._begin_ns = max((link.begin_ns for link in capture if link.begin_ns is not None), default=0)
        self._ends_ns = {link.link: link.end_ns for link in capture if link.end_ns is not None}
        self._holes = {link.link for link in capture if not link.complete}
        self._patience_ns = {host.name: _PATIENCE_NS for host in transit.hosts}
        self._translated: dict[str, set[_Flow]] = {host.name: set() for host in transit.hosts}
        for passage in transit.passages:
            self._patience_ns[passage.host] = max(self._patience_ns[passage.host], passage.inside_ns)
            here, there = _flow(passage.entered), _flow(passage.left)
            self._translated[passage.host] |= {here, _reversed(here), there, _reversed(there)}

    def has_begun(self, frame: Frame) -> bool:
        return frame.time_ns >= self._begin_ns

    def fate_of(self, host: Forwarder, frame: Frame) -> Fate:
        """What became of a packet that entered `host` and did not leave it."""
        if (frame.ttl or 0) <= 1:
            return Fate.EXPIRED
        if self._is_own(host, frame.destination, frame):
            return Fate.FOR_THE_HOST
        others = set(host.links) - {frame.link}
        if others & self._holes:
            return Fate.UNKNOWN
        ends = [self._ends_ns[link] for link in others if link in self._ends_ns]
        if ends and min(ends) - frame.time_ns <= self._patience_ns[host.name]:
            return Fate.IN_FLIGHT
        return Fate.LOST

    def had_to_enter(self, host: Forwarder, frame: Frame) -> bool:
        """Whether a packet that left `host` is no packet of its own, and would have been seen to enter it."""
        if self._is_own(host, frame.source, frame) or (set(host.links) - {frame.link}) & self._holes:
            return False
        return frame.time_ns - self._patience_ns[host.name] > self._begin_ns

    def _is_own(self, host: Forwarder, address: str, frame: Frame) -> bool:
        """Whether a packet from or to an address of the host is its own, not one of a connection it translates."""
        return address in host.addresses and _flow(frame) not in self._translated[host.name]


def _flow(frame: Frame) -> _Flow:
    if ports := frame.tcp or frame.udp:
        kind = "TCP" if frame.tcp else "UDP"
        return (kind, frame.source, ports.source_port, frame.destination, ports.destination_port)
    return ("IP", frame.source, 0, frame.destination, 0)


def _reversed(flow: _Flow) -> _Flow:
    kind, source, source_port, destination, destination_port = flow
    return (kind, destination, destination_port, source, source_port)


def _irregular(passage: Passage, fate: Fate, name: _Name) -> Irregularity:
    entered, left = passage.entered, passage.left
    return Irregularity(
        host=passage.host,
        fate=fate,
        packet=_words(entered, name),
        entered=Evidence(entered.link, entered.number, f"enters {passage.host}, TTL {entered.ttl}"),
        left=Evidence(left.link, left.number, f"leaves {passage.host}, TTL {left.ttl}"),
    )


def _words(frame: Frame, name: _Name) -> str:
    """A packet in words: transport, ends, what it carries."""
    source, destination = name(frame.source), name(frame.destination)
    if tcp := frame.tcp:
        flags = " ".join(flag.name for flag in type(tcp.flags) if flag & tcp.flags and flag.name)
        ends = f"{source}:{tcp.source_port} to {destination}:{tcp.destination_port}"
        return f"TCP {ends}, {flags}, sequence number {tcp.sequence_number}, {tcp.length} bytes"
    if udp := frame.udp:
        carried = f", {frame.dns.name} {frame.dns.type}" if frame.dns else ""
        return f"UDP {source}:{udp.source_port} to {destination}:{udp.destination_port}, {udp.length} bytes{carried}"
    kind = f"ICMP type {frame.icmp.type}" if frame.icmp else "IP"
    return f"{kind} {source} to {destination}, frame of {frame.length} bytes"


def _position(found: Irregularity) -> int:
    shown = found.entered or found.left
    return shown.frame if shown else 0


def _crossing(
    host: Forwarder, passages: Iterable[Passage], found: Iterable[Irregularity], capture: Sequence[LinkCapture]
) -> Crossing:
    own = [p for p in passages if p.host == host.name]
    inside = [p.inside_ns for p in own]
    stayed = sum(i.host == host.name and i.left is None for i in found)
    return Crossing(
        host=host.name,
        links=tuple(link.link for link in capture if link.link in host.links),
        entered=len(own) + stayed,
        passed_on=len(own),
        overtook=_overtook(own),
        median_ns=median_low(inside) if inside else None,
        longest_ns=max(inside, default=None),
    )


def _overtook(passages: Iterable[Passage]) -> int:
    """How many packets left before one of their own connection and direction that had entered earlier."""
    latest: dict[_Flow, int] = {}
    overtaking = 0
    for passage in passages:
        flow = _flow(passage.entered)
        overtaking += passage.left.number < latest.get(flow, 0)
        latest[flow] = max(latest.get(flow, 0), passage.left.number)
    return overtaking


def _verdict(crossings: Sequence[Crossing], found: Iterable[Irregularity], capture: Sequence[LinkCapture]) -> Conserved:
    fates = {irregularity.fate for irregularity in found}
    if fates & set(BROKEN):
        return Conserved.NO
    if not any(c.passed_on for c in crossings) or Fate.UNKNOWN in fates or not all(link.complete for link in capture):
        return Conserved.UNKNOWN
    return Conserved.YES


def _summary(
    crossings: Sequence[Crossing], found: Sequence[Irregularity], passages: Sequence[Passage], conserved: Conserved
) -> str:
    if not crossings:
        return "no packet was seen on two links: nothing to compare"
    fates = {irregularity.fate for irregularity in found}
    onward = {p.left.number for p in passages}
    packets = sum(p.entered.number not in onward for p in passages)
    arrived = [f"{packets} packet{'s' if packets != 1 else ''} crossed {' and '.join(c.host for c in crossings)}"]
    arrived += ["all arrived"] if not fates & {Fate.LOST, Fate.IN_FLIGHT, Fate.UNKNOWN} else []
    arrived += ["TTL one less each time"] if Fate.WRONG_TTL not in fates else []
    inside = ", ".join(f"{c.median_ns / 1e6:.2f} ms median in {c.host}" for c in crossings if c.median_ns is not None)
    broken = [i for i in found if i.fate in BROKEN]
    explained = [i for i in found if i.fate not in BROKEN]
    undecided = "undecided: the capture has holes" if conserved is Conserved.UNKNOWN else ""
    parts = [_told(broken), ", ".join(arrived), inside, _counted(explained), undecided]
    return "; ".join(part for part in parts if part)


def _told(broken: Sequence[Irregularity]) -> str:
    """The first few by frame, the others counted."""
    first = [f"{i.packet} {i.fate.value} in {i.host} (frame {_position(i)})" for i in broken[:_TOLD_IN_SUMMARY]]
    rest = broken[_TOLD_IN_SUMMARY:]
    return "; ".join([*first, *([_counted(rest)] if rest else [])])


def _counted(found: Sequence[Irregularity]) -> str:
    counts: dict[tuple[str, str], int] = {}
    for irregularity in found:
        key = (irregularity.fate.value, irregularity.host)
        counts[key] = counts.get(key, 0) + 1
    return ", ".join(f"{count} in {host}: {fate}" for (fate, host), count in counts.items())
