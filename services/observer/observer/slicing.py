"""A visit's frames on one link, and before them the start of every connection it continued.

TLS and header compression can only be read from a connection's first byte on, and the balancer keeps its
connections to the origins from visit to visit. So what a slice finds running is fetched from the spool's past.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from observer.belonging import belongs, goes_on, opening
from observer.flow import Flow, Sighting, Transport, sighting
from observer.lab import LinkMarks
from observer.spool import History, Packet, Spool
from observer.steps import LinkCapture

_QUIC_PORT = 443


@dataclass(frozen=True, slots=True)
class Recording:
    """One link of one visit: `earlier` are the frames from before it, of connections that it uses."""

    link: str
    earlier: tuple[Packet, ...]
    packets: tuple[Packet, ...]
    capture: LinkCapture
    carries_quic: bool


def record(spool: Spool, visit: str, marks: LinkMarks, losses: tuple[str, ...] = ()) -> Recording:
    """Read one link's part of `visit` from the spool. What is missing is a reason in `capture`, not an error;
    `losses` are reasons that the caller knows of."""
    cut = spool.slice(marks.link, visit, marks.begin, marks.end)
    earlier: list[Packet] = []
    reasons = [*losses, *cut.reasons]
    for flow in flows_begun_before(cut.packets):
        history = _own_past(flow, spool.earlier(flow, cut), cut.packets)
        earlier += history.packets if history.start_seen else ()
        if not history.start_seen or history.reasons:
            # Without a whole past the connection stays closed to the dissector, and what it carried unseen.
            reasons.append(f"{_ends(flow)} was open before: {'; '.join(history.reasons)}")
    earlier.sort(key=lambda packet: packet.time_ns)
    capture = LinkCapture(
        marks.link, len(cut.packets), cut.dropped, not reasons, tuple(reasons), cut.begin_ns, cut.end_ns
    )
    return Recording(marks.link, tuple(earlier), cut.packets, capture, _carries_quic(cut.packets))


def _own_past(flow: Flow, history: History, packets: Iterable[Packet]) -> History:
    """The past of a flow as it goes on in `packets`; without one if what was found is another connection's."""
    first = next((packet.data for packet in packets if belongs(packet.data, flow)), None)
    if not history.start_seen or first is None or goes_on(flow, [p.data for p in history.packets], first):
        return history
    return History(history.link, (), False, ("no opening in the spool but that of another connection of these ends",))


def flows_begun_before(packets: Iterable[Packet]) -> list[Flow]:
    """The connections among `packets` whose first frame here does not open them."""
    return [found for found, opened in flows_in(packets).items() if not opened]


def flows_in(packets: Iterable[Packet]) -> dict[Flow, bool]:
    """The connections among `packets`, and whether the first frame of each opens it."""
    first: dict[Flow, bool] = {}
    for packet in packets:
        seen = sighting(packet.data)
        if seen is not None and (seen.flow.transport == Transport.TCP or _is_quic(seen.flow)):
            first.setdefault(seen.flow, _opens(packet, seen))
    return first


def _ends(flow: Flow) -> str:
    return f"{flow.low.address}:{flow.low.port} - {flow.high.address}:{flow.high.port}"


def _carries_quic(packets: Iterable[Packet]) -> bool:
    sightings = (sighting(packet.data) for packet in packets)
    return any(seen is not None and seen.flow.transport == Transport.UDP and _is_quic(seen.flow) for seen in sightings)


def _is_quic(found: Flow) -> bool:
    return _QUIC_PORT in (found.low.port, found.high.port)


def _opens(packet: Packet, seen: Sighting) -> bool:
    if seen.flow.transport == Transport.TCP:
        return seen.syn and not seen.ack
    return opening(packet.data, seen.flow) is not None
