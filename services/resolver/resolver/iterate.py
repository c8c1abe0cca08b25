"""The walk from the closest known servers down to the answer, as a generator without any I/O.

It yields `Ask` ("send this query to this server") and is sent what came of it: a `Response`, or None when nothing
usable came in time. It returns an `Outcome`. A walk that finds everything in the cache yields nothing at all.

RFC 1034 5.3.3; 9520 (work is bounded, failures are remembered). No QNAME minimisation (RFC 9156).
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from enum import Enum

from hostkit.dns_query import Name, Rcode, Type, name_to_text
from hostkit.dns_reply import RRset
from hostkit.dns_sockets import Transport
from resolver.bailiwick import Delegation, Finding, Negative, alias_target, learned
from resolver.cache import Cache
from resolver.messages import Question, Response

PATIENCE_S = (0.8, 1.6)  # for a server's first and second chance: with both gone a client's 5 s are not over
MAX_REFERRALS = 16  # zones on one way down
MAX_ALIASES = 12  # CNAMEs passed for one question
MAX_QUERIES = 40  # sent for one question, whatever it needs
MAX_DEPTH = 3  # name servers' names that need a walk to find a name server's address, and so on


@dataclass(frozen=True, slots=True)
class Ask:
    """Send `question` to `server` and wait `patience_s` for its response."""

    server: str
    question: Question
    patience_s: float
    transport: Transport = Transport.UDP
    edns: bool = True


@dataclass(frozen=True, slots=True)
class Outcome:
    """What to tell the client: RRsets in order, and the SOA of a negative answer; for the log, why there is none."""

    rcode: Rcode
    answer: tuple[RRset, ...] = ()
    authority: tuple[RRset, ...] = ()
    reason: str = ""


Walk = Generator[Ask, Response | None, Outcome]


class _NoHelp(Enum):
    SILENT = "no usable response in time"
    LAME = "a response, but none that a server of the zone would give"


class ResolutionFailed(Exception):
    """No answer can be had; the text says why."""


class Resolution:
    """The walks that one client's question needs, on one budget of queries."""

    def __init__(self, cache: Cache, hints: Delegation) -> None:
        self._cache = cache
        self._hints = hints
        self._queries_left = MAX_QUERIES
        self._depth = 0

    def resolve(self, question: Question) -> Walk:
        """Walk to the answer to `question`; SERVFAIL when there is none to be had."""
        if self._cache.failed(question):
            return Outcome(Rcode.SERVFAIL, reason="failed a moment ago")
        try:
            return (yield from self._follow(question))
        except ResolutionFailed as failure:
            self._cache.put_failure(question)
            return Outcome(Rcode.SERVFAIL, reason=str(failure))

    def _follow(self, question: Question) -> Walk:
        """From alias to alias, each looked up at its own place."""
        aliases: tuple[RRset, ...] = ()
        current = question
        while True:
            finding = self._remembered(current)
            if finding is None:
                finding = yield from self._descend(current)
            aliases += finding.aliases
            if isinstance(finding.end, Negative):
                soa = () if finding.end.soa is None else (finding.end.soa,)
                return Outcome(finding.end.rcode, aliases, soa)
            if finding.end is not None:
                return Outcome(Rcode.NOERROR, (*aliases, finding.end))
            current = Question(alias_target(aliases[-1]), question.rtype)
            if len(aliases) > MAX_ALIASES or any(current.name == alias.name for alias in aliases):
                raise ResolutionFailed(f"aliases go round, or number over {MAX_ALIASES}")

    def _remembered(self, question: Question) -> Finding | None:
        rrset = self._cache.rrset(question.name, question.rtype)
        if rrset is not None:
            return Finding(end=rrset)
        cname = self._cache.rrset(question.name, Type.CNAME)
        if cname is not None:
            return Finding(aliases=(cname,))
        negative = self._cache.negative(question.name, question.rtype)
        return None if negative is None else Finding(end=negative)

    def _remember(self, finding: Finding, rtype: int) -> None:
        for alias in finding.aliases:
            self._cache.put_rrset(alias)
        if isinstance(finding.end, Negative):
            self._cache.put_negative(finding.end, rtype)
        elif finding.end is not None:
            self._cache.put_rrset(finding.end)

    def _descend(self, question: Question) -> Generator[Ask, Response | None, Finding]:
        """From referral to referral, until a server has something to say about the question itself."""
        delegation = self._cache.closest_delegation(question.name) or self._hints
        for _ in range(MAX_REFERRALS):
            found = yield from self._ask_zone(delegation, question)
            if isinstance(found, Finding):
                self._remember(found, question.rtype)
                return found
            self._cache.put_delegation(found)
            delegation = found
        raise ResolutionFailed(f"more than {MAX_REFERRALS} referrals")

    def _ask_zone(
        self, delegation: Delegation, question: Question
    ) -> Generator[Ask, Response | None, Finding | Delegation]:
        """Ask the zone's servers one after the other; those that kept silent get a second chance."""
        silent: list[str] = []
        for name in (None, *delegation.unaddressed):  # None: the servers whose addresses came along
            servers = delegation.addresses if name is None else (yield from self._addresses_of(name))
            for server in servers:
                found = yield from self._ask_server(Ask(server, question, PATIENCE_S[0]), delegation.zone)
                if not isinstance(found, _NoHelp):
                    return found
                if found is _NoHelp.SILENT:
                    silent.append(server)
        for server in silent:
            found = yield from self._ask_server(Ask(server, question, PATIENCE_S[1]), delegation.zone)
            if not isinstance(found, _NoHelp):
                return found
        what = f"silent: {', '.join(silent)}" if silent else "all lame"
        raise ResolutionFailed(f"no server of {name_to_text(delegation.zone)} answers; {what}")

    def _ask_server(self, ask: Ask, zone: Name) -> Generator[Ask, Response | None, Finding | Delegation | _NoHelp]:
        response = yield from self._ask(ask)
        if response is None:
            return _NoHelp.SILENT
        return learned(response, zone, ask.question) or _NoHelp.LAME

    def _ask(self, ask: Ask) -> Generator[Ask, Response | None, Response | None]:
        """One server's response: without EDNS if it cannot do that, over TCP if UDP holds too little."""
        response = yield self._spend(ask)
        if response is not None and response.rcode in (Rcode.FORMERR, Rcode.NOTIMP):
            ask = Ask(ask.server, ask.question, ask.patience_s, edns=False)
            response = yield self._spend(ask)
        if response is not None and response.truncated:
            response = yield self._spend(Ask(ask.server, ask.question, ask.patience_s, Transport.TCP, ask.edns))
        return response

    def _spend(self, ask: Ask) -> Ask:
        if self._queries_left == 0:
            raise ResolutionFailed(f"not resolved with {MAX_QUERIES} queries")
        self._queries_left -= 1
        return ask

    def _addresses_of(self, server: Name) -> Generator[Ask, Response | None, tuple[str, ...]]:
        """Addresses of a name server that came without glue; none if they cannot be had."""
        if self._depth == MAX_DEPTH:
            return ()
        self._depth += 1
        outcome = yield from self.resolve(Question(server, Type.A))
        self._depth -= 1
        return tuple(str(data) for rrset in outcome.answer if rrset.rtype == Type.A for data in rrset.data)
