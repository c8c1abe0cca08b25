"""The same packet recognised on every link it crosses, and the hosts that passed it on. Pure.

A host that forwards rewrites a packet's hardware addresses and lowers its time to live by one (RFC 1812, section
5.3.1); one that translates changes addresses, ports and the checksums that cover them as well (RFC 3022). What the
sender wrote otherwise stays: IPv4's identification, TCP's sequence and acknowledgment numbers, lengths, flags, and the
payload, to which the checksum, less what translation changes, stays a witness (RFC 1624). No packet is recognised by
its addresses.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from ipaddress import ip_address

from observer.messages import Frame
from observer.topology import Topology

_TCP, _UDP = 6, 17
_LARGEST = 0xFFFF  # sums of 16-bit words in ones' complement arithmetic are sums modulo this (RFC 1071, section 2)


@dataclass(frozen=True, slots=True)
class Attachment:
    """Where a host touches a link: its hardware address there."""

    link: str
    hardware: str


@dataclass(frozen=True, slots=True)
class Forwarder:
    """A host that passes packets from link to link. `addresses` are its own IP addresses, as far as they are known."""

    name: str
    attachments: frozenset[Attachment]
    addresses: frozenset[str]

    @property
    def links(self) -> tuple[str, ...]:
        return tuple(sorted({a.link for a in self.attachments}))


@dataclass(frozen=True, slots=True)
class Passage:
    """One packet through one host. `altered`: more of it changed than forwarding and translating change."""

    host: str
    entered: Frame
    left: Frame
    altered: bool = False

    @property
    def inside_ns(self) -> int:
        return self.left.time_ns - self.entered.time_ns


@dataclass(frozen=True)
class Transit:
    """What went through the forwarding hosts of a capture.

    `repeated` are passages of a packet that had left already: the host sent it twice. `kept` entered a host and were
    not seen to leave it, `begun` left one without having entered it; each with the host.
    """

    hosts: tuple[Forwarder, ...]
    passages: tuple[Passage, ...]
    repeated: tuple[Passage, ...]
    kept: tuple[tuple[Forwarder, Frame], ...]
    begun: tuple[tuple[Forwarder, Frame], ...]

    @cached_property
    def by_frame(self) -> Mapping[int, Sequence[Passage]]:
        """The passages that each frame shows, by its number: those of which it is either side."""
        found: dict[int, list[Passage]] = {}
        for passage in self.passages:
            for frame in (passage.entered, passage.left):
                found.setdefault(frame.number, []).append(passage)
        return found


def transit_of(frames: Sequence[Frame], topology: Topology) -> Transit:
    """Follow every IP packet in `frames` (in order of time) through the hosts that forward. Linear in the frames."""
    packets = [f for f in frames if f.ttl is not None and not _is_for_many(f.hardware_destination)]
    if len({f.link for f in packets}) < 2:
        return Transit((), (), (), (), ())
    hosts = forwarders(packets, topology)
    of_attachment = {attachment: host for host in hosts for attachment in host.attachments}
    entries: dict[str, list[Frame]] = defaultdict(list)
    exits: dict[str, list[Frame]] = defaultdict(list)
    for frame in packets:
        if receiver := of_attachment.get(Attachment(frame.link, frame.hardware_destination)):
            entries[receiver.name].append(frame)
        if sender := of_attachment.get(Attachment(frame.link, frame.hardware_source)):
            exits[sender.name].append(frame)
    parts = [_through(host, entries[host.name], exits[host.name]) for host in hosts]
    return Transit(
        hosts,
        tuple(sorted((p for part in parts for p in part.passages), key=lambda p: p.entered.number)),
        tuple(p for part in parts for p in part.repeated),
        tuple(k for part in parts for k in part.kept),
        tuple(b for part in parts for b in part.begun),
    )


def trace(frame: Frame) -> Hashable:
    """What a packet keeps on its way, through forwarding and translation."""
    return (*outline(frame), fingerprint(frame))


def outline(frame: Frame) -> tuple[Hashable, ...]:
    """The same without a word on the payload: what is left of `trace` if somebody changed that on the way."""
    common = (frame.identification, frame.fragment_offset)
    if tcp := frame.tcp:
        return ("TCP", tcp.sequence_number, tcp.acknowledgment_number, tcp.length, int(tcp.flags), *common)
    if udp := frame.udp:
        asked = (frame.dns.id, frame.dns.is_response) if frame.dns else ()
        return ("UDP", udp.length, *asked, *common)
    if icmp := frame.icmp:
        return ("ICMP", icmp.type, icmp.code, icmp.sequence_number, frame.length, *common)
    return ("IP", frame.length, *common)


def fingerprint(frame: Frame) -> int | None:
    """The checksum of what translation leaves alone: TCP's or UDP's own, less addresses and ports. None without one.

    Both are subtracted from the sum that the checksum is the complement of (RFC 1071, section 2; RFC 1624). It is the
    sender's word on the payload: damage that leaves the checksum as it was does not show here, but at the receiver.
    """
    if tcp := frame.tcp:
        checksum, ports, protocol = tcp.checksum, tcp.source_port + tcp.destination_port, _TCP
    elif udp := frame.udp:
        checksum, ports, protocol = udp.checksum or None, udp.source_port + udp.destination_port, _UDP
    else:
        return None
    if checksum is None:
        return None
    return (_LARGEST - checksum - _words(frame.source) - _words(frame.destination) - ports - protocol) % _LARGEST


@lru_cache(4096)
def _words(address: str) -> int:
    try:
        packed = ip_address(address).packed
    except ValueError:  # a frame that shows only hardware addresses: no translation to undo
        return 0
    return sum(int.from_bytes(packed[at : at + 2], "big") for at in range(0, len(packed), 2))


def _is_for_many(hardware: str) -> bool:
    """Whether this is a group address, broadcast included (IEEE 802, the first octet's lowest bit), or none."""
    return not hardware or bool(int(hardware[:2], 16) & 1)


# ---------------------------------------------------------------- who forwards


def forwarders(packets: Sequence[Frame], topology: Topology) -> tuple[Forwarder, ...]:
    """The hosts that pass packets on, found by what they passed: the attachment that a packet went into and the one it
    came out of, with its time to live one less, are one host's. A gateway that passed nothing is found by having been
    sent what is not for it."""
    groups = _Groups()
    seen: dict[Hashable, Frame] = {}
    for frame in packets:
        key = trace(frame)
        before = seen.get(key)
        if before and before.link != frame.link and before.ttl == (frame.ttl or 0) + 1:
            groups.join(
                Attachment(before.link, before.hardware_destination), Attachment(frame.link, frame.hardware_source)
            )
        seen[key] = frame
    owners = _owners(packets, topology)
    named: dict[str, set[Attachment]] = defaultdict(set)
    for group in groups.all():
        names = sorted({owners[a] for a in group if a in owners})
        named[names[0] if names else _by_elimination(group, named, topology)] |= group
    for attachment in _unheard_of(packets, groups, topology):
        name = owners.get(attachment) or _by_elimination({attachment}, named, topology)
        if len(_links_of(topology).get(name, ())) > 1:  # a host on one link may have more addresses than are known
            named[name].add(attachment)
    return tuple(
        Forwarder(name, frozenset(group), frozenset(i.address for i in topology.interfaces if i.host == name))
        for name, group in sorted(named.items(), key=lambda item: min(_order(a, topology) for a in item[1]))
    )


class _Groups:
    """Attachments joined into hosts, as a forest: each leads to its group's first."""

    def __init__(self) -> None:
        self._leads_to: dict[Attachment, Attachment] = {}

    def first(self, attachment: Attachment) -> Attachment:
        found = self._leads_to.setdefault(attachment, attachment)
        while found != self._leads_to[found]:
            found = self._leads_to[found]
        self._leads_to[attachment] = found
        return found

    def join(self, one: Attachment, other: Attachment) -> None:
        self._leads_to[self.first(other)] = self.first(one)

    def __contains__(self, attachment: Attachment) -> bool:
        return attachment in self._leads_to

    def all(self) -> Iterator[set[Attachment]]:
        found: dict[Attachment, set[Attachment]] = defaultdict(set)
        for attachment in self._leads_to:
            found[self.first(attachment)].add(attachment)
        yield from found.values()


def _owners(packets: Iterable[Frame], topology: Topology) -> dict[Attachment, str]:
    """Whose each attachment is, by the addresses of its link that it sends from."""
    known = {(i.link, i.address): i.host for i in topology.interfaces}
    return {
        Attachment(f.link, f.hardware_source): known[f.link, f.source] for f in packets if (f.link, f.source) in known
    }


def _unheard_of(packets: Iterable[Frame], groups: _Groups, topology: Topology) -> Iterator[Attachment]:
    """Attachments that were sent packets for addresses of other links, and of which nothing shows that they passed any
    on."""
    on_link = {(i.link, i.address) for i in topology.interfaces}
    if not on_link:
        return
    receivers = {Attachment(f.link, f.hardware_destination) for f in packets if (f.link, f.destination) not in on_link}
    for attachment in sorted(receivers, key=lambda a: (a.link, a.hardware)):
        if attachment not in groups:
            yield attachment


def _by_elimination(group: set[Attachment], named: dict[str, set[Attachment]], topology: Topology) -> str:
    """The one host on several links that could be meant and is not found yet; by hardware address if there is none."""
    links = {a.link for a in group}
    several = ((host, on) for host, on in _links_of(topology).items() if len(on) > 1)
    possible = [host for host, on in several if links <= on and host not in named]
    return possible[0] if len(possible) == 1 else min(a.hardware for a in group)


def _links_of(topology: Topology) -> dict[str, set[str]]:
    found: dict[str, set[str]] = defaultdict(set)
    for interface in topology.captured():
        found[interface.host].add(interface.link)
    return found


def _order(attachment: Attachment, topology: Topology) -> tuple[int, str]:
    links = list(dict.fromkeys(i.link for i in topology.captured()))
    return (links.index(attachment.link) if attachment.link in links else len(links), attachment.hardware)


# ---------------------------------------------------------------- through one host


def _through(host: Forwarder, entries: Sequence[Frame], exits: Sequence[Frame]) -> Transit:
    """Match what went into a host with what came out of it: first by all that a packet keeps, then, for what is left,
    without its payload. That second match rests on the identification, which senders may leave 0 (RFC 6864)."""
    whole = _match(host.name, entries, exits, trace, altered=False)
    in_doubt = [f for f in whole.kept if f.identification], [f for f in whole.begun if f.identification]
    rest = _match(host.name, *in_doubt, outline, altered=True)
    found = {p.entered.number for p in rest.passages}, {p.left.number for p in (*rest.passages, *rest.repeated)}
    return Transit(
        (host,),
        (*whole.passages, *rest.passages),
        (*whole.repeated, *rest.repeated),
        tuple((host, f) for f in whole.kept if f.number not in found[0]),
        tuple((host, f) for f in whole.begun if f.number not in found[1]),
    )


@dataclass(slots=True)
class _Matches:
    passages: list[Passage]
    repeated: list[Passage]
    kept: list[Frame]
    begun: list[Frame]


def _match(
    host: str, entries: Iterable[Frame], exits: Iterable[Frame], key: Callable[[Frame], Hashable], *, altered: bool
) -> _Matches:
    by_key: dict[Hashable, tuple[list[Frame], list[Frame]]] = defaultdict(lambda: ([], []))
    for frame in entries:
        by_key[key(frame)][0].append(frame)
    for frame in exits:
        by_key[key(frame)][1].append(frame)
    found = _Matches([], [], [], [])
    for entered, left in by_key.values():
        _match_alike(host, entered, left, found, altered=altered)
    found.kept.sort(key=lambda f: f.number)
    found.begun.sort(key=lambda f: f.number)
    return found


def _match_alike(host: str, entered: Sequence[Frame], left: Sequence[Frame], found: _Matches, *, altered: bool) -> None:
    """Pair packets that are alike. As many or more that left: in order, and what is over was sent twice. Fewer: some
    were lost, and each that left is taken for the last one before it, for the sender repeats what did not arrive."""
    some_lost = len(left) < len(entered)
    waiting: deque[Frame] = deque()
    last: Frame | None = None
    for leaves, frame in sorted([(False, f) for f in entered] + [(True, f) for f in left], key=lambda e: e[1].number):
        if not leaves:
            waiting.append(frame)
        elif waiting:
            last = waiting.pop() if some_lost else waiting.popleft()
            found.passages.append(Passage(host, last, frame, altered))
        elif last is not None:
            found.repeated.append(Passage(host, last, frame, altered))
        else:
            found.begun.append(frame)
    found.kept.extend(waiting)
