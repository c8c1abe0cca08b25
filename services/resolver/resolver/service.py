"""What the resolver answers to a client: from packed answers, from the cache, or after a walk.

No sockets here: the function that sends a walk's queries is handed in.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from ipaddress import IPv4Network

from hostkit.dns_query import CLASS_IN, META_TYPES, Query, Rcode, Type, error, judge, name_to_text
from hostkit.dns_reply import LARGEST_MESSAGE, Reply, minimal_any, pack
from hostkit.dns_sockets import Transport
from resolver.bailiwick import Delegation
from resolver.cache import Cache, Clock
from resolver.iterate import Ask, Outcome, Resolution, Walk
from resolver.messages import Question, Response
from resolver.packed import PackedAnswers

AskFunction = Callable[[Ask], Awaitable[Response | None]]


@dataclass(frozen=True, slots=True)
class Settings:
    """Whom to start from (addresses of root servers), and whom to answer."""

    root_servers: tuple[str, ...]
    clients: IPv4Network

    def __post_init__(self) -> None:
        if self.clients.prefixlen % 8:
            raise ValueError(f"clients: {self.clients} does not end at an octet (/8, /16 or /24)")

    @property
    def client_prefix(self) -> str:
        """What a client's address begins with, as text: comparing text is the fastest there is."""
        octets = str(self.clients.network_address).split(".")[: self.clients.prefixlen // 8]
        return "".join(f"{octet}." for octet in octets)


class Resolver:
    """Answers queries; give `answer` to a `DnsSockets`."""

    def __init__(self, settings: Settings, ask: AskFunction, clock: Clock) -> None:
        self._hints = Delegation((), settings.root_servers, (), ttl=0)
        self._client_prefix = settings.client_prefix
        self._ask = ask
        self._cache = Cache(clock)
        self._packed = PackedAnswers(clock)
        self._walks: dict[Question, asyncio.Task[Outcome]] = {}

    def forget(self) -> None:
        """Empty every cache: the next question is walked from the root."""
        self._cache.clear()
        self._packed.clear()

    def answer(self, wire: bytes, source: str, transport: Transport) -> bytes | Awaitable[bytes | None] | None:
        """Octets when the answer is known or there is none to be had; else something to await for it."""
        if not source.startswith(self._client_prefix):
            query = judge(wire)
            return error(query, Rcode.REFUSED) if isinstance(query, Query) else query
        packed = self._packed.answer(wire)
        if packed is not None:
            return packed
        query = judge(wire)
        if not isinstance(query, Query):
            return query
        if query.rclass != CLASS_IN or query.rtype in META_TYPES:
            return error(query, Rcode.REFUSED, recursion_available=True)
        if query.rtype == Type.ANY:
            any_reply = Reply(Rcode.NOERROR, (minimal_any(query.name),), recursion_available=True)
            return pack(query, any_reply, query.udp_limit if transport is Transport.UDP else LARGEST_MESSAGE)
        return self._look_up(wire, query, transport)

    def _look_up(self, wire: bytes, query: Query, transport: Transport) -> bytes | Awaitable[bytes]:
        question = Question(query.name, query.rtype)
        walk = Resolution(self._cache, self._hints).resolve(question)
        try:
            first = next(walk)
        except StopIteration as done:
            return self._tell(wire, query, transport, done.value)
        if not query.recursion_desired:
            walk.close()
            return error(query, Rcode.REFUSED, recursion_available=True)
        running = self._walks.get(question)
        if running is None:
            running = self._walks[question] = asyncio.ensure_future(self._go(question, walk, first))
            running.add_done_callback(lambda _: self._walks.pop(question, None))
        else:
            walk.close()
        return self._tell_later(wire, query, transport, running)

    async def _go(self, question: Question, walk: Walk, ask: Ask) -> Outcome:
        while True:
            response = await self._ask(ask)
            try:
                ask = walk.send(response)
            except StopIteration as done:
                outcome: Outcome = done.value
                if outcome.reason:
                    print(f"{name_to_text(question.name)}: {outcome.reason}", file=sys.stderr)
                return outcome

    async def _tell_later(
        self, wire: bytes, query: Query, transport: Transport, running: asyncio.Task[Outcome]
    ) -> bytes:
        # Shielded: others may be waiting for the same walk when this client's connection goes.
        return self._tell(wire, query, transport, await asyncio.shield(running))

    def _tell(self, wire: bytes, query: Query, transport: Transport, outcome: Outcome) -> bytes:
        reply = Reply(outcome.rcode, outcome.answer, outcome.authority, recursion_available=True)
        if transport is Transport.TCP:
            return pack(query, reply, LARGEST_MESSAGE)
        answer = pack(query, reply, query.udp_limit)
        self._packed.keep(wire, query, answer)
        return answer
