"""What one visit's steps are told from: its frames, grouped, and which of them are its own. Pure."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

from observer.connections import Connection, connections
from observer.exchanges import Exchange, JoinedBy, all_exchanges, behind_balancer, on_every_link
from observer.lookups import name_of_host
from observer.messages import Frame, HttpMessage
from observer.sealed import Sealed, sealed
from observer.steps import Evidence, Facts, LinkCapture, Occasion, Status, Step, StepName, Visit, why_incomplete
from observer.topology import Topology

_INSIDE_TLS = (StepName.REQUEST, StepName.PROCESSING, StepName.RESPONSE, StepName.KEPT_OPEN)
_ABSOLUTE = re.compile("[a-z][a-z0-9+.-]*://", re.IGNORECASE)  # RFC 3986, section 3.1
_PORTS = {"http": 80, "https": 443}
_NUMBERS = {name: number for number, name in enumerate(StepName, start=1)}


@dataclass(frozen=True, slots=True)
class Scene:
    """Everything a step is told from: one visit's frames, grouped, and who is who.

    `connection` is the visit's first connection as the client's own link saw it, `exchange` its first request there;
    either is None if the visit did not get that far, or nobody saw it. A visit may have several parts (legs.py);
    this one began at `begun_ns`, on `occasion`, and the visit went on with the request `following`, `led_on_by` what.
    `closed` is what of the connection could not be decrypted, where somebody counted more frames than there are here.
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
    begun_ns: int
    closed: Sealed | None = None
    occasion: Occasion = Occasion.ENTER
    following: Exchange | None = None
    led_on_by: Occasion | None = None

    @property
    def was_open(self) -> bool:
        """Whether the connection was open before this part of the visit began."""
        return self.connection is not None and self.connection.frames[0].time_ns < self.begun_ns

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
        asked = self.name(self.exchange.connection.server.address)
        known = bool(self.topology.interfaces)
        return behind_balancer(
            self.exchange, self.exchanges, lambda e: known and self.name(e.connection.client.address) == asked
        )

    @property
    def undecrypted(self) -> Sealed:
        """What of the visit's connection stayed closed: no keys, or wrong ones."""
        return self.closed or sealed(self.connection.frames if self.connection else ())

    @property
    def own_link(self) -> str:
        """The client's own link: where a visit is seen first."""
        return self.connection.link if self.connection else next((link.link for link in self.capture), "")

    def is_complete(self, links: Collection[str] | None = None) -> bool:
        """Whether these links (None: all) were captured completely."""
        asked = [link for link in self.capture if links is None or link.link in links]
        return bool(asked) and all(link.complete for link in asked)

    def not_seen(self, name: StepName, why: str, *, anywhere: bool = False) -> Step:
        """A step without frames: absent if the link it had to be on was captured completely, else unknown.

        That link is the client's own; `anywhere`: it could have been on any.
        """
        if name in _INSIDE_TLS and (closed := self.undecrypted):
            return self.unknown(name, f"could not be decrypted on {self.own_link}: {closed}")
        links = None if anywhere else (self.own_link,)
        if self.is_complete(links):
            return self.not_done(name, why)
        incomplete = why_incomplete(link for link in self.capture if links is None or link.link in links)
        return self.unknown(
            name, f"not seen, and the capture is incomplete ({' / '.join(incomplete) or 'there is none'})"
        )

    def unknown(self, name: StepName, why: str) -> Step:
        return Step(_NUMBERS[name], name, Status.UNKNOWN, why)

    def not_done(self, name: StepName, why: str, evidence: Sequence[Evidence] = ()) -> Step:
        """A step that did not happen; `evidence` are the frames that show why."""
        return Step(_NUMBERS[name], name, Status.ABSENT, why, evidence=tuple(evidence))

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


def scene_of(
    visit: Visit,
    frames: Sequence[Frame],
    capture: Sequence[LinkCapture],
    topology: Topology,
    first: Connection | None = None,
    closed: Sealed | None = None,
) -> Scene:
    """Group the frames and find what belongs to the visit on its client's own link.

    `first` is the visit's one connection, where that is known; otherwise the first link of `capture` is the client's.
    `closed` is as in `journey`.
    """
    grouped = connections(frames)
    if first is not None:
        candidates = [c for c in grouped if same(c, first)]
    else:
        home = capture[0].link if capture else ""
        candidates = [c for c in grouped if c.link == home and _belongs(c, visit, frames)]
    paired = tuple(all_exchanges(grouped))
    mine = tuple(
        sorted(
            (e for e in paired if any(same(e.connection, c) for c in candidates)),
            key=lambda e: e.request_frame.time_ns,
        )
    )
    exchange = next((e for e in mine if asks_for(e, visit.url)), mine[0] if mine else None)
    connection = exchange.connection if exchange else next(iter(candidates), None)
    begun_ns = visit.started_ns
    return Scene(
        visit, topology, tuple(capture), tuple(frames), grouped, paired, connection, exchange, mine, begun_ns, closed
    )


def asks_for(exchange: Exchange, url: str) -> bool:
    """Whether this is a request for `url`: its path and host, and encrypted as the scheme says."""
    connection, request = exchange.connection, exchange.request
    try:
        wanted = urlsplit(url)
        asked = urlsplit(target_url(request, wanted.scheme, request.authority or wanted.netloc))
    except ValueError:
        return False
    encrypted = connection.client_hello is not None
    return (
        request.path is not None
        and (asked.path or "/") == (wanted.path or "/")
        and name_of_host(asked.netloc) == name_of_host(wanted.netloc)
        and (connection.identity is None or encrypted == (wanted.scheme == "https"))
    )


def target_url(request: HttpMessage, scheme: str, authority: str) -> str:
    """What a request is for (RFC 9112, section 3.3): a target in absolute form is that itself, whatever else was said;
    authority and asterisk form have no path."""
    target = request.path or "/"
    if _ABSOLUTE.match(target):
        return target
    return f"{scheme}://{authority}{target if target.startswith('/') else '/'}"


def same(one: Connection, other: Connection) -> bool:
    """Whether two are one connection on one link."""
    return (one.link, one.transport, one.number) == (other.link, other.transport, other.number)


def _belongs(connection: Connection, visit: Visit, frames: Sequence[Frame]) -> bool:
    """Whether the visit opened this connection: by its ClientHello's random, which the client logged with its keys,
    or by the local port that the client reported. A connection whose client logged no keys and reported no port (a
    browser's plain HTTP, a connection that was refused) belongs if it began in the visit's time and was for its host.
    """
    hello = connection.client_hello
    if hello and hello[1].random in visit.client_randoms:
        return True
    if connection.client.port in visit.local_ports:
        return True
    # Of a chain of redirects curl reports the last connection's port; one in plain text before it has no random either.
    led_here = visit.follows and hello is None
    if (visit.local_ports and not led_here) or (hello and visit.client_randoms):
        return False
    return visit.started_ns <= connection.frames[0].time_ns <= visit.ended_ns and _is_for(connection, visit, frames)


def _is_for(connection: Connection, visit: Visit, frames: Sequence[Frame]) -> bool:
    """Whether the connection asks for the URL's host: by name, or where nothing was said, by address and port."""
    url = urlsplit(visit.url)
    host = name_of_host(url.netloc)
    named = {name_of_host(hello[1].server_name or "") for hello in [connection.client_hello] if hello}
    named |= {name_of_host(m.authority or "") for f in connection.frames for m in f.http if m.is_request}
    if named:
        return host in named
    addresses = {r.data for f in frames if f.dns and f.dns.name.rstrip(".").lower() == host for r in f.dns.answers}
    return connection.server.address in addresses | {host} and connection.server.port == _port(url)


def _port(url: SplitResult) -> int | None:
    try:
        return url.port or _PORTS.get(url.scheme)
    except ValueError:  # no number of a port
        return None
