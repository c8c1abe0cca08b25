"""DNS questions paired with their answers. Pure."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from observer.connections import Connection
from observer.messages import DnsMessage, Frame, ResourceRecord
from observer.registries import DNS_RESPONSE_CODES
from observer.steps import Evidence, Lookup, ToldApart

IN_DOUBT = {
    ToldApart.ORDER: "; others asked then, too: told apart by order",
    ToldApart.UNDECIDED: "; others asked then, too, and frames do not tell which was whose",
}
"""What a summary says of lookups that were told apart by less than certain signs."""


@dataclass(frozen=True, slots=True)
class Resolution:
    """One question on one link and, if it came, its answer (RFC 1035, section 7.3: matched by id, name and type)."""

    query: Frame
    question: DnsMessage
    response: Frame | None
    answer: DnsMessage | None

    @property
    def port(self) -> int:
        """That of whoever asked."""
        return _ports(self.query)[0]

    @property
    def records(self) -> tuple[ResourceRecord, ...]:
        return self.answer.answers if self.answer else ()

    @property
    def outcome(self) -> str:
        return outcome(self.answer) if self.answer else "no answer"

    def evidence(self, name: Callable[[str], str]) -> list[Evidence]:
        shows = (
            f"{name(self.query.source)} asks {name(self.query.destination)}: {self.question.name} {self.question.type}?"
        )
        found = [Evidence(self.query.link, self.query.number, shows)]
        if self.response:
            found.append(Evidence(self.response.link, self.response.number, self.outcome))
        return found

    def told(self, name: Callable[[str], str], enter_ns: int) -> Lookup:
        return Lookup(
            asked_by=name(self.query.source),
            asked_of=name(self.query.destination),
            name=self.question.name,
            type=self.question.type,
            outcome=self.outcome,
            over="TCP" if self.query.tcp else "UDP",
            start_ns=self.query.time_ns - enter_ns,
            duration_ns=self.response.time_ns - self.query.time_ns if self.response else None,
        )


def name_of_host(authority: str) -> str:
    """The name in an authority (RFC 3986, section 3.2), without user and port, as names are compared: in lower case
    (RFC 4343) and without the root's dot."""
    host = authority.rpartition("@")[2]
    is_literal = host.startswith("[")
    return (host[1:].partition("]") if is_literal else host.partition(":"))[0].rstrip(".").lower()


def outcome(answer: DnsMessage) -> str:
    """What an answer says, in a word or a name: an address, an alias, a referral, no such name."""
    if answer.truncated:
        return "truncated"
    if answer.response_code:
        return DNS_RESPONSE_CODES.get(answer.response_code, f"RCODE{answer.response_code}")
    told = [r.data or r.type for r in answer.answers]
    if told:
        return ", ".join(told)
    zones = dict.fromkeys(r.name for r in answer.authorities if r.type == "NS")
    return f"referral to {', '.join(zones)}" if zones else "no such record"


def lookups_by(frames: Iterable[Frame], asker: str | None, link: str | None) -> list[Resolution]:
    """The questions that address `asker` (None: anyone) asked on `link` (None: any), with their answers, in order."""
    questions: list[tuple[Frame, DnsMessage]] = []
    unanswered: dict[_Question, deque[int]] = defaultdict(deque)
    answers: dict[int, tuple[Frame, DnsMessage]] = {}
    for frame in frames:
        if frame.dns is None or (link is not None and frame.link != link):
            continue
        if frame.dns.is_response:
            if waiting := unanswered.get(_question(frame, frame.dns)):
                answers[waiting.popleft()] = (frame, frame.dns)
        elif asker in (None, frame.source):
            unanswered[_question(frame, frame.dns)].append(frame.number)
            questions.append((frame, frame.dns))
    return [Resolution(query, question, *answers.get(query.number, (None, None))) for query, question in questions]


def own_lookups(
    possible: Sequence[Resolution], connection: Connection | None, others: Iterable[Connection], since_ns: int
) -> tuple[list[Resolution], ToldApart]:
    """Of a client's lookups for one name, all from before `connection` began, those of the program that opened it.

    A program asks each question from one port; the same question from two ports is two programs'. Those that were
    answered too late for `connection` are another's. Of the rest the n-th that was answered is taken to be that of
    the n-th connection to this server, if there are that many. Without a connection all remain.
    """
    by_question: dict[tuple[str, bool], dict[int, list[Resolution]]] = {}
    for found in possible:
        question = (found.question.type, found.query.tcp is not None)
        by_question.setdefault(question, {}).setdefault(found.port, []).append(found)
    if all(len(ports) == 1 for ports in by_question.values()):
        return list(possible), ToldApart.ALONE
    if connection is None:
        return list(possible), ToldApart.UNDECIDED
    began = connection.frames[0].time_ns
    earlier = [
        c
        for c in others
        if (c.link, c.client.address, c.server) == (connection.link, connection.client.address, connection.server)
        and since_ns <= c.frames[0].time_ns <= began
    ]
    by_port: dict[int, list[Resolution]] = {}
    for found in possible:
        by_port.setdefault(found.port, []).append(found)
    answered_ns = {port: _answered_ns(asked) for port, asked in by_port.items()}
    own: list[Resolution] = []
    ways = {ToldApart.ANSWERED}
    for ports in by_question.values():
        in_time = [port for port in ports if (answered_ns[port] or began + 1) <= began]
        candidates = sorted(in_time or ports, key=lambda port: answered_ns[port] or began)
        if len(candidates) > 1:
            ways.add(ToldApart.ORDER if len(earlier) <= len(candidates) else ToldApart.UNDECIDED)
        own += ports[candidates[min(len(earlier), len(candidates)) - 1]]
    way = next(w for w in (ToldApart.UNDECIDED, ToldApart.ORDER, ToldApart.ANSWERED) if w in ways)
    return sorted(own, key=lambda found: found.query.number), way


def _answered_ns(asked: Iterable[Resolution]) -> int | None:
    """When the last of these questions was answered; None while one was not."""
    times = [found.response.time_ns if found.response else None for found in asked]
    known = [time for time in times if time is not None]
    return max(known) if len(known) == len(times) else None


_Question = tuple[str, str, str, tuple[int, int], int, str, str]


def _question(frame: Frame, message: DnsMessage) -> _Question:
    """What a question and its answer have in common: link, asker, asked, ports, id, name and type."""
    asker, asked, ports = frame.source, frame.destination, _ports(frame)
    if message.is_response:
        asker, asked, ports = asked, asker, (ports[1], ports[0])
    return (frame.link, asker, asked, ports, message.id, message.name.lower(), message.type)


def _ports(frame: Frame) -> tuple[int, int]:
    carrier = frame.udp or frame.tcp
    return (carrier.source_port, carrier.destination_port) if carrier else (0, 0)
