"""What one visit's steps are told from: its frames, grouped, and which of them are its own. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from observer.connections import Connection, connections
from observer.exchanges import Exchange, JoinedBy, all_exchanges, behind_balancer, on_every_link
from observer.messages import Frame
from observer.steps import Evidence, Facts, LinkCapture, Status, Step, StepName, Visit
from observer.topology import Topology

_NUMBERS = {name: number for number, name in enumerate(StepName, start=1)}


@dataclass(frozen=True, slots=True)
class Scene:
    """Everything a step is told from: one visit's frames, grouped, and who is who.

    `connection` is the visit's first connection as the client's own link saw it, `exchange` its first request there;
    either is None if the visit did not get that far, or nobody saw it.
    """

    visit: Visit
    topology: Topology
    capture: tuple[LinkCapture, ...]
    frames: tuple[Frame, ...]
    connections: tuple[Connection, ...]
    exchanges: tuple[Exchange, ...]
    connection: Connection | None
    exchange: Exchange | None
    mine: tuple[Exchange, ...]

    def since_enter(self, frame: Frame) -> int:
        return frame.time_ns - self.visit.enter_ns

    def name(self, address: str) -> str:
        return self.topology.name(address)

    def front(self) -> list[Exchange]:
        """The exchange on every link between client and balancer."""
        return on_every_link(self.exchange, self.exchanges, self.connections) if self.exchange else []

    def back(self) -> tuple[list[Exchange], JoinedBy]:
        """The balancer's attempts for the exchange."""
        if self.exchange is None:
            return [], JoinedBy.TIME
        return behind_balancer(self.exchange, self.exchanges)

    def not_seen(self, name: StepName, why: str) -> Step:
        """A step without frames: absent from a complete capture, unknown in any other."""
        incomplete = [f"{link.link}: {'; '.join(link.reasons)}" for link in self.capture if not link.complete]
        if not incomplete:
            return self.not_done(name, why)
        summary = f"not seen, and the capture is incomplete ({', '.join(incomplete)})"
        return Step(_NUMBERS[name], name, Status.UNKNOWN, summary)

    def not_done(self, name: StepName, why: str) -> Step:
        """A step that did not happen, whatever the capture holds."""
        return Step(_NUMBERS[name], name, Status.ABSENT, why)

    def seen(
        self, name: StepName, summary: str, first: Frame, last: Frame | None, facts: Facts, evidence: list[Evidence]
    ) -> Step:
        """A step that frames show, from `first` to `last`; None: its end was not seen."""
        duration = None if last is None else last.time_ns - first.time_ns
        return self.told(name, summary, self.since_enter(first), duration, facts, evidence)

    def told(
        self,
        name: StepName,
        summary: str,
        start_ns: int,
        duration_ns: int | None,
        facts: Facts,
        evidence: list[Evidence],
    ) -> Step:
        return Step(_NUMBERS[name], name, Status.SEEN, summary, start_ns, duration_ns, facts, tuple(evidence))


def scene_of(visit: Visit, frames: Sequence[Frame], capture: Sequence[LinkCapture], topology: Topology) -> Scene:
    """Group the frames and find what belongs to the visit on its client's own link."""
    grouped = connections(frames)
    own_link = min((c for c in grouped), key=lambda c: c.frames[0].time_ns).link if grouped else None
    home = capture[0].link if topology.interfaces and capture else own_link
    candidates = [c for c in grouped if c.link == home and _belongs(c, visit)]
    paired = tuple(all_exchanges(grouped))
    mine = tuple(e for e in paired if any(e.connection is c or same(e.connection, c) for c in candidates))
    wanted = urlsplit(visit.url).path or "/"
    exchange = next((e for e in mine if (e.request.path or "").split("?")[0] == wanted), mine[0] if mine else None)
    connection = exchange.connection if exchange else next(iter(candidates), None)
    return Scene(visit, topology, tuple(capture), tuple(frames), grouped, paired, connection, exchange, mine)


def same(one: Connection, other: Connection) -> bool:
    """Whether two are one connection on one link."""
    return (one.link, one.transport, one.number) == (other.link, other.transport, other.number)


def _belongs(connection: Connection, visit: Visit) -> bool:
    """Whether the visit opened this connection: by its ClientHello's random, which the client logged with its
    keys, or by the local ports it reported; a visit that reported neither gets what began in its time."""
    hello = connection.client_hello
    if hello and hello[1].random in visit.client_randoms:
        return True
    if connection.client.port in visit.local_ports:
        return True
    if visit.client_randoms or visit.local_ports:
        return False
    return visit.started_ns <= connection.frames[0].time_ns <= visit.ended_ns
