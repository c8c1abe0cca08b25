"""DNS questions paired with their answers. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from observer.messages import DnsMessage, Frame, ResourceRecord
from observer.registries import DNS_RESPONSE_CODES
from observer.steps import Evidence, Lookup


@dataclass(frozen=True, slots=True)
class Resolution:
    """One question on one link and, if it came, its answer (RFC 1035, section 7.3: matched by id, name and type)."""

    query: Frame
    question: DnsMessage
    response: Frame | None
    answer: DnsMessage | None

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
    open_questions: list[tuple[Frame, DnsMessage]] = []
    answers: dict[int, tuple[Frame, DnsMessage]] = {}
    for frame in frames:
        if frame.dns is None or (link is not None and frame.link != link):
            continue
        if frame.dns.is_response:
            for query, question in open_questions:
                if query.number not in answers and _answers(frame, frame.dns, query, question):
                    answers[query.number] = (frame, frame.dns)
                    break
        elif asker in (None, frame.source):
            open_questions.append((frame, frame.dns))
    return [Resolution(query, question, *answers.get(query.number, (None, None))) for query, question in open_questions]


def _answers(frame: Frame, answer: DnsMessage, query: Frame, question: DnsMessage) -> bool:
    return (
        frame.link == query.link
        and (frame.source, frame.destination) == (query.destination, query.source)
        and _ports(frame) == _ports(query)[::-1]
        and (answer.id, answer.name.lower(), answer.type) == (question.id, question.name.lower(), question.type)
    )


def _ports(frame: Frame) -> tuple[int, int]:
    carrier = frame.udp or frame.tcp
    return (carrier.source_port, carrier.destination_port) if carrier else (0, 0)
