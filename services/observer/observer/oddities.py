"""What is unusual about a capture: counted while it is read, told in sentences. Pure.

None of it stops a story from being told; all of it may be why one has holes.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass

from observer.dissect import own_layers
from observer.messages import Frame, QuicPacketType

_SENDERS = 10_000  # whose QUIC connection ids are remembered; of more, those that spoke last
_FAMILIAR = ("tcp", "udp", "icmp", "icmpv6", "arp", "ipv6.fraghdr", "data")


@dataclass(slots=True)
class _Count:
    number: int = 0
    first: int = 0

    def add(self, number: int) -> None:
        self.number += 1
        self.first = self.first or number


class Oddities:
    """Counts what no ordinary capture has, each with the first frame that shows it."""

    def __init__(self) -> None:
        self._counts: dict[str, _Count] = {}
        self._vlans: Counter[tuple[int, ...]] = Counter()
        self._unknown: Counter[str] = Counter()
        self._last_ns = 0
        self._connection_ids: OrderedDict[tuple[str, int, str, int], str] = OrderedDict()

    def add(self, frame: Frame) -> None:
        self.add_time(frame.number, frame.time_ns)
        if frame.tcp:
            self._add_tcp(frame)
        elif frame.quic:
            self._add_quic(frame)
        if frame.vlans:
            self._vlans[frame.vlans] += 1
        if frame.fragment_offset or frame.more_fragments:
            self._count("IP fragments; what they carry is told where the last one is", frame)
        if own_layers(frame.protocols).in_tunnel:
            self._count("frames in a tunnel; addresses are those inside", frame)
        if frame.malformed:
            self._count("frames break their protocol's rules", frame)
        if frame.captured_length is not None and frame.captured_length < frame.length:
            self._count("frames are in the file only with their beginning", frame)
        if frame.icmp and frame.icmp.about:
            self._count("ICMP errors", frame)
        if not (frame.tcp or frame.udp or frame.icmp or frame.fragment_offset or frame.more_fragments):
            self._add_unfamiliar(frame)

    def add_time(self, number: int, time_ns: int) -> None:
        if time_ns < self._last_ns:
            self._add("frames are earlier than the one before them: the file is not in the order of time", number)
        else:
            self._last_ns = time_ns

    def told(self) -> Iterator[str]:
        for words, count in self._counts.items():
            yield f"{count.number:,} {words} (first: frame {count.first})"
        for vlans, number in self._vlans.most_common():
            yield f"{number:,} frames in VLAN {' in '.join(map(str, vlans))}"
        for protocols, number in self._unknown.most_common(5):
            yield f"{number:,} frames of {protocols}, which no step is told from"

    def _count(self, words: str, frame: Frame) -> None:
        self._add(words, frame.number)

    def _add(self, words: str, number: int) -> None:
        self._counts.setdefault(words, _Count()).add(number)

    def _add_tcp(self, frame: Frame) -> None:
        assert frame.tcp
        if frame.tcp.retransmission:
            self._count("TCP retransmissions", frame)
        if frame.tcp.out_of_order:
            self._count("TCP segments out of order", frame)
        if frame.tcp.lost_before:
            self._count("TCP segments behind a hole: what is missing before them comes later, or not at all", frame)

    def _add_quic(self, frame: Frame) -> None:
        """A sender's new destination connection id, once the handshake's own are behind it (RFC 9000, section 5.1)."""
        assert frame.quic
        if frame.quic.packet_types != (QuicPacketType.ONE_RTT,) or frame.quic.destination_connection_id is None:
            return
        sender = (frame.link, frame.quic.connection, frame.source, frame.udp.source_port if frame.udp else 0)
        before = self._connection_ids.get(sender)
        if before is not None and before != frame.quic.destination_connection_id:
            self._count("changes of a QUIC connection id", frame)
        self._connection_ids[sender] = frame.quic.destination_connection_id
        self._connection_ids.move_to_end(sender)
        if len(self._connection_ids) > _SENDERS:
            self._connection_ids.popitem(last=False)

    def _add_unfamiliar(self, frame: Frame) -> None:
        layers = frame.protocols.split(":")
        if not any(layer in _FAMILIAR for layer in layers):
            self._unknown[":".join(layers[-2:])] += 1
