"""Who answered: what the client asked, and what the balancer asked an origin for it, if anything."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from captured import Captured
from observer.exchanges import Exchange
from observer.messages import Frame
from observer.topology import Topology


@dataclass(frozen=True, slots=True)
class Attempt:
    """One time that the balancer asked an origin."""

    origin: str
    exchange: Exchange

    @property
    def status(self) -> int | None:
        """None: no response came, or what came was none."""
        return self.exchange.response.status if self.exchange.response else None


@dataclass(frozen=True, slots=True)
class Answer:
    """One exchange of the client's on home, and the balancer's attempts for it on backend, by their request id."""

    front: Exchange
    attempts: tuple[Attempt, ...]

    @property
    def status(self) -> int | None:
        return self.front.response.status if self.front.response else None

    @property
    def tried(self) -> tuple[str, ...]:
        """The origins asked, one for each attempt."""
        return tuple(attempt.origin for attempt in self.attempts)

    def header(self, name: str) -> str | None:
        """A header of the client's response, by its name in lower case."""
        return self.front.response.header(name) if self.front.response else None

    @property
    def frames(self) -> tuple[Frame, ...]:
        """Requests and responses, on home and on backend; what broke off shows its first frame."""
        exchanges = (self.front, *(attempt.exchange for attempt in self.attempts))
        shown = (frame for e in exchanges for frame in (e.request_frame, e.response_frame or e.response_start))
        return tuple(frame for frame in shown if frame)


def sent_away(captured: Captured, path: str) -> list[Exchange]:
    """The client's requests for `path` that the balancer answered with the end of their stream alone (RST_STREAM).

    It does so when the origin hangs up on a connection that was kept from earlier requests: it takes the end for that
    of an idle connection, and leaves it to the client to ask again, which curl does.
    """
    return [e for e in captured.exchanges("home") if e.request.path == path and e.response is None]


def answers(captured: Captured, topology: Topology, path: str, *, without: Sequence[Exchange] = ()) -> list[Answer]:
    """The client's requests for `path` (with its query, if it has one), in order. Fails if there is none."""
    behind = captured.exchanges("backend")
    found = []
    for front in captured.exchanges("home"):
        if front.request.path == path and front not in without:
            assert front.request_id, f"{path}: a response without the balancer's request id"
            own = [exchange for exchange in behind if exchange.request_id == front.request_id]
            attempts = tuple(Attempt(topology.name(e.connection.server.address), e) for e in own)
            found.append(Answer(front, attempts))
    assert found, f"nobody asked for {path}: this test looked at nothing"
    return found


def answer(captured: Captured, topology: Topology, path: str, *, without: Sequence[Exchange] = ()) -> Answer:
    """The only one."""
    (only,) = answers(captured, topology, path, without=without)
    return only


def health_checks(captured: Captured, topology: Topology, origin: str) -> list[Exchange]:
    """The balancer's questions to `origin`, to learn whether it is well."""
    return [
        exchange
        for exchange in captured.exchanges("backend")
        if exchange.request.path == "/health" and topology.name(exchange.connection.server.address) == origin
    ]
