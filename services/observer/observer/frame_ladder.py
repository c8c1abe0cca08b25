"""Every frame of a visit as a line: from which host to which, on which link, when, and what it says. Pure."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from observer.messages import Frame
from observer.steps import Journey, Step
from observer.style import Style, headings
from observer.topology import LINKS, Topology

_ARP_REQUEST = re.compile(r"^(?:Who has|Gratuitous ARP for|ARP Announcement for) \S+?\??(?: Tell (?P<teller>\S+))?$")
_ARP_REPLY = re.compile(r"^(?P<address>\S+) is at (?P<hardware>\S+)")


@dataclass(frozen=True, slots=True)
class Hop:
    """Who handed a frame to whom on its link, by name, or by address where no host of the lab has it.

    `receiver` is None if the frame was for everyone on the link.
    """

    sender: str
    receiver: str | None

    @property
    def hosts(self) -> tuple[str, ...]:
        return (self.sender,) if self.receiver is None else (self.sender, self.receiver)


def hops(frames: Iterable[Frame], topology: Topology) -> dict[int, Hop]:
    """The hop of each frame, by the frame's number.

    Frames show who wrote a packet, and for whom; on a link in between, the hosts that forward it are those that
    the way to its ends leads through.
    """
    frames = tuple(frames)
    neighbours = _Neighbours(topology, dict(_hardware_addresses(frames)))
    return {frame.number: neighbours.hop(frame) for frame in frames}


def columns(found: Iterable[Hop], topology: Topology) -> tuple[str, ...]:
    """The hosts that took part, in the order of the links that a request crosses; strangers last."""
    seen = tuple(dict.fromkeys(host for hop in found for host in hop.hosts))
    links_of = _links_of(topology)
    ordered: list[str] = []
    for link in LINKS:
        here = [host for host in seen if link in links_of.get(host, ()) and host not in ordered]
        # Behind the first link, the host that leads onward stands before those that only live there.
        ordered += sorted(here, key=lambda host: -len(links_of[host])) if ordered else here
    return (*ordered, *(host for host in seen if host not in ordered))


def frame_ladder(frames: Sequence[Frame], journey: Journey, topology: Topology, style: Style) -> str:
    """Every frame on a line, in order of time, no line wider than `style.width`; ends in a newline."""
    found = hops(frames, topology)
    drawing = _Drawing.of(frames, found, journey, topology, style)
    enter_ns = journey.visit.enter_ns
    past = [frame for frame in frames if frame.time_ns < enter_ns]
    lines = list(drawing.heading())
    if past:
        lines.append(drawing.divider(f"before Enter: {len(past)} frames, the past of what was open or still going on"))
        lines += [drawing.line(frame, found[frame.number]) for frame in past]
        lines.append(drawing.divider("Enter"))
    lines += [drawing.line(frame, found[frame.number]) for frame in frames if frame.time_ns >= enter_ns]
    return "\n".join(lines) + "\n"


def steps_of_frames(journey: Journey) -> dict[int, tuple[int, ...]]:
    """Which steps each cited frame proves, by the frame's number."""
    proved: dict[int, dict[int, None]] = {}
    for step in (step for part in journey.chain for step in part.steps):
        for evidence in step.evidence:
            proved.setdefault(evidence.frame, {})[step.number] = None
    return {frame: tuple(numbers) for frame, numbers in proved.items()}


@dataclass(frozen=True, slots=True)
class Message:
    """What the evidence of a step says in the same words on several links: one message on its way.

    `uncited` are further copies of it, on links where no evidence names it, so that it is drawn from end to end.
    """

    shows: str
    frames: tuple[Frame, ...]
    uncited: frozenset[int] = frozenset()


def messages(step: Step, frames: Sequence[Frame], found: Mapping[int, Hop]) -> list[Message]:
    """The step's evidence, with each message's copies on consecutive links joined, in order of time.

    A copy has the same length and is handed on by the host that the last one was handed to.
    """
    by_number = {frame.number: frame for frame in frames}
    trails: list[tuple[str, list[Frame]]] = []
    for item in sorted(step.evidence, key=lambda e: e.frame):
        frame = by_number.get(item.frame)
        if frame is None:
            continue
        for shows, trail in trails:
            if shows == item.shows and _continues(trail, frame, found):
                trail.append(frame)
                break
        else:
            trails.append((item.shows, [frame]))
    return sorted((_whole(shows, trail, frames, found) for shows, trail in trails), key=lambda m: m.frames[0].number)


def _continues(trail: Sequence[Frame], frame: Frame, found: Mapping[int, Hop]) -> bool:
    """Whether `frame` is the same packet, handed on: NAT (RFC 3022) rewrites one of its ends, never both."""
    last = trail[-1]
    return (
        frame.link not in {earlier.link for earlier in trail}
        and frame.length == last.length
        and (frame.source == last.source or frame.destination == last.destination)
        and found[frame.number].sender == found[last.number].receiver
    )


def _whole(shows: str, cited: list[Frame], frames: Sequence[Frame], found: Mapping[int, Hop]) -> Message:
    """The message with its copies before and behind the cited ones, as far as only one frame can be each copy."""
    numbers = {frame.number for frame in cited}
    alike = [f for f in frames if (f.info, f.length) == (cited[0].info, cited[0].length) and f.number not in numbers]
    trail = list(cited)
    while len(behind := [f for f in alike if f.number > trail[-1].number and _continues(trail, f, found)]) == 1:
        trail += behind
    while len(before := [f for f in alike if f.number < trail[0].number and _continues([f], trail[0], found)]) == 1:
        trail = before + trail
    return Message(shows, tuple(trail), frozenset(frame.number for frame in trail) - numbers)


def _hardware_addresses(frames: Iterable[Frame]) -> Iterator[tuple[str, str]]:
    """Which IP address each hardware address has, as ARP (RFC 826) says in these frames."""
    for frame in frames:
        if frame.protocols.endswith(":arp"):
            if reply := _ARP_REPLY.match(frame.info):
                yield reply["hardware"], reply["address"]
            elif (request := _ARP_REQUEST.match(frame.info)) and request["teller"]:
                yield frame.source, request["teller"]


def _links_of(topology: Topology) -> dict[str, tuple[str, ...]]:
    links: dict[str, tuple[str, ...]] = {}
    for interface in topology.captured():
        links[interface.host] = (*links.get(interface.host, ()), interface.link)
    return links


class _Neighbours:
    """Who is who on each link."""

    def __init__(self, topology: Topology, hardware: Mapping[str, str]) -> None:
        self._hosts = {interface.address: interface.host for interface in topology.captured()}
        self._links_of = _links_of(topology)
        self._hardware = hardware

    def hop(self, frame: Frame) -> Hop:
        source, destination = (self._hardware.get(end, end) or "?" for end in (frame.source, frame.destination))
        if _is_for_all(destination):
            return Hop(self._near(source, frame.link, ""), None)
        receiver = self._near(destination, frame.link, self._hosts.get(source, ""))
        return Hop(self._near(source, frame.link, receiver), receiver)

    def _near(self, address: str, link: str, other: str) -> str:
        """The host on `link` that has `address`, or that is the way to it; `other` is at the frame's other end."""
        host = self._hosts.get(address)
        if host is None:
            onward = [h for h, links in self._links_of.items() if link in links and len(links) > 1 and h != other]
            return onward[0] if len(onward) == 1 and _is_routed(address) else address
        if link in self._links_of[host]:
            return host
        return self._way(link, host) or host

    def _way(self, link: str, target: str) -> str | None:
        """The host on `link` behind which `target` is, by the fewest links."""
        reached = {host: host for host, links in self._links_of.items() if link in links}
        while target not in reached:
            known = {own: first for host, first in reached.items() for own in self._links_of[host] if own != link}
            more = {
                host: known[own]
                for host, links in self._links_of.items()
                for own in links
                if host not in reached and own in known
            }
            if not more:
                return None
            reached |= more
        return reached[target]


def _is_for_all(address: str) -> bool:
    if re.fullmatch(r"[0-9a-f]{2}(:[0-9a-f]{2}){5}", address):
        return bool(int(address[:2], 16) & 1)  # the group bit, IEEE 802
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return False
    return ip.is_multicast or address == "255.255.255.255"


def _is_routed(address: str) -> bool:
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return False
    return not (ip.is_link_local or ip.is_multicast or ip.is_unspecified)


_BOLD, _DIM, _GREEN = "1", "2", "32"
_WIDEST_COLUMN, _NARROWEST_COLUMN, _LEAST_INFO = 9, 4, 24


@dataclass(frozen=True, slots=True)
class _Drawing:
    """How wide everything is. `spacing` is 0 where the hosts have no room as columns: then they are named in words."""

    style: Style
    hosts: tuple[str, ...]
    steps: Mapping[int, str]
    enter_ns: int
    widths: tuple[int, ...]
    spacing: int
    hosts_width: int

    @staticmethod
    def of(
        frames: Sequence[Frame], found: Mapping[int, Hop], journey: Journey, topology: Topology, style: Style
    ) -> _Drawing:
        hosts = columns(found.values(), topology)
        steps = {frame: ",".join(map(str, numbers)) for frame, numbers in steps_of_frames(journey).items()}
        drawing = _Drawing(style, hosts, steps, journey.visit.enter_ns, (), 0, 0)
        cells = [_HEADINGS, *(drawing._cells(frame) for frame in frames)]
        widths = tuple(max(len(row[i]) for row in cells) for i in range(len(_HEADINGS)))
        room = style.width - sum(widths) - len(widths) - _LEAST_INFO
        spacing = min(room // max(len(hosts), 1), _WIDEST_COLUMN)
        if spacing < _NARROWEST_COLUMN:
            spacing = 0
        words = max((len(drawing._words(hop)) for hop in found.values()), default=0)
        hosts_width = spacing * len(hosts) if spacing else words
        return _Drawing(style, hosts, steps, journey.visit.enter_ns, widths, spacing, hosts_width)

    def heading(self) -> Iterator[str]:
        """Hosts' names over their columns, on as many lines as they need not to touch."""
        fixed = self._fixed(_HEADINGS)
        names = self._names() if self.spacing else ["from, to".ljust(self.hosts_width)]
        for number, line in enumerate(names, start=1):
            last = number == len(names)
            text = f"{fixed if last else ' ' * len(fixed)} {line}{' what it says' if last else ''}"
            yield self._joined([(text.rstrip(), _DIM)])

    def divider(self, text: str) -> str:
        dash = "-" if self.style.ascii else "─"
        return self._joined([(f"{dash * 2} {text} ".ljust(self.style.width, dash), _BOLD)])

    def line(self, frame: Frame, hop: Hop) -> str:
        proves = frame.number in self.steps
        past = frame.time_ns < self.enter_ns
        emphasis = _DIM if past or not proves else ""
        drawn = self._arrow(hop) if self.spacing else self._words(hop)
        info = self.style.shown(frame.info) or self.style.shown(frame.protocols.rpartition(":")[2])
        return self._joined(
            [
                (self._fixed(self._cells(frame)) + " ", emphasis),
                (drawn.ljust(self.hosts_width), _GREEN if proves else _DIM if past else ""),
                (f" {info}", emphasis),
            ]
        )

    def _cells(self, frame: Frame) -> tuple[str, ...]:
        time = f"{(frame.time_ns - self.enter_ns) / 1e6:.3f}"
        return str(frame.number), time, frame.link, str(frame.length), self.steps.get(frame.number, "")

    def _fixed(self, cells: Sequence[str]) -> str:
        number, time, link, length, step = (
            cell.ljust(width) if heading in ("link", "step") else cell.rjust(width)
            for cell, width, heading in zip(cells, self.widths, _HEADINGS, strict=True)
        )
        return f"{number} {time} {link} {length} {step}"

    def _names(self) -> list[str]:
        centres = [self._centre(index) for index in range(len(self.hosts))]
        lines = headings([self.style.shown(host) for host in self.hosts], centres, self.hosts_width)
        return [line.ljust(self.hosts_width) for line in lines]

    def _centre(self, index: int) -> int:
        return index * self.spacing + self.spacing // 2

    def _arrow(self, hop: Hop) -> str:
        node, dash, right, left, life = "o-><|" if self.style.ascii else "●─▶◀│"
        cells = [" "] * self.hosts_width
        for index in range(len(self.hosts)):
            cells[self._centre(index)] = life
        start = self._centre(self.hosts.index(hop.sender))
        if hop.receiver is not None:
            end = self._centre(self.hosts.index(hop.receiver))
            for position in range(min(start, end), max(start, end)):
                cells[position] = dash
            cells[end] = right if end > start else left
        cells[start] = node if hop.receiver is not None else "*"
        return "".join(cells)

    def _words(self, hop: Hop) -> str:
        return self.style.shown(f"{hop.sender} {'>' if self.style.ascii else '→'} {hop.receiver or 'all'}")

    def _joined(self, parts: Iterable[tuple[str, str]]) -> str:
        """The parts painted, cut at the width."""
        parts = [(text, code) for text, code in parts if text]
        whole = "".join(text for text, _ in parts).rstrip()
        ellipsis = "..." if self.style.ascii else "…"
        room = max(self.style.width, 20)
        if len(whole) > room:
            whole = whole[: room - len(ellipsis)] + ellipsis
        painted, at = [], 0
        for position, (text, code) in enumerate(parts):
            end = len(whole) if position == len(parts) - 1 else at + len(text)
            painted.append(self.style.paint(whole[at:end], code) if code else whole[at:end])
            at = end
        return "".join(painted)


_HEADINGS = ("frame", "ms", "link", "bytes", "step")
