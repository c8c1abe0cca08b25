"""What people ask first of a visit, each answer with the frames it rests on. Pure.

Which server answered, over which TLS version and group, how long DNS, TCP, TLS and the origin took, and the whole.
A question that the frames do not answer says so, with the reason.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from observer.steps import Evidence, Journey, ProcessingFacts, ResponseFacts, Status, Step, StepName, TlsFacts
from observer.style import milliseconds


@dataclass(frozen=True, slots=True)
class Answer:
    """`known` is False where there is a reason instead of an answer."""

    question: str
    told: str
    evidence: tuple[Evidence, ...]
    known: bool = True


def answers(journey: Journey) -> tuple[Answer, ...]:
    """Always the same questions, in the same order."""
    return (
        _server(journey),
        _secrecy(journey.step(StepName.TLS)),
        _duration("DNS took", journey.step(StepName.DNS)),
        _duration("TCP took", journey.step(StepName.TCP)),
        _duration("TLS took", journey.step(StepName.TLS)),
        _origin(journey.step(StepName.PROCESSING)),
        _whole(journey),
    )


def frames_of(evidence: Iterable[Evidence]) -> str:
    """Frames by link: "home #3, #28; internet #11"."""
    by_link: dict[str, list[int]] = {}
    for item in evidence:
        by_link.setdefault(item.link, []).append(item.frame)
    return "; ".join(
        f"{link} {', '.join(f'#{number}' for number in sorted(set(numbers)))}".lstrip()
        for link, numbers in by_link.items()
    )


def _server(journey: Journey) -> Answer:
    question = "answered by"
    response, work = journey.step(StepName.RESPONSE), journey.step(StepName.PROCESSING)
    if not isinstance(response.facts, ResponseFacts):
        return _unanswered(question, response)
    status = f"status {response.facts.status}"
    if isinstance(work.facts, ProcessingFacts):
        return Answer(question, f"{work.facts.origin}, {status}", (*work.evidence[-1:], *response.evidence[-1:]))
    if response.facts.server:  # its own word, in a header: where the backend link was not captured
        return Answer(question, f"{response.facts.server}, {status}", response.evidence[-1:])
    behind = "it asked no origin" if work.status is Status.ABSENT else "what stood behind it was not seen"
    return Answer(question, f"the server itself, {status}: {behind}", response.evidence[-1:])


def _secrecy(step: Step) -> Answer:
    question = "secured by"
    if not isinstance(step.facts, TlsFacts):
        return _unanswered(question, step)
    facts = step.facts
    told = ", ".join(filter(None, (facts.version, facts.group and f"group {facts.group}")))
    own = _on_own_link(step)
    # The hellos settle version and group (RFC 8446, section 4.1).
    return Answer(question, told, own[:2])


def _duration(question: str, step: Step) -> Answer:
    if step.status is not Status.SEEN:
        return _unanswered(question, step)
    own = _on_own_link(step)
    return Answer(question, milliseconds(step.duration_ns), tuple(dict.fromkeys((*own[:1], *own[-1:]))))


def _origin(step: Step) -> Answer:
    question = "the origin took"
    if not isinstance(step.facts, ProcessingFacts):
        return _unanswered(question, step)
    return Answer(question, milliseconds(step.facts.origin_ns), step.evidence[-2:])


def _whole(journey: Journey) -> Answer:
    question = "all of it took"  # Enter to the last byte
    step = journey.step(StepName.RESPONSE)
    if step.start_ns is None or step.duration_ns is None:
        return _unanswered(question, step)
    return Answer(question, milliseconds(step.start_ns + step.duration_ns), step.evidence[-1:])


def _on_own_link(step: Step) -> tuple[Evidence, ...]:
    """The step's frames on the client's own link, where it was seen first; a step's times are read there."""
    if not step.evidence:
        return ()
    first = min(step.evidence, key=lambda e: e.frame).link
    return tuple(sorted((e for e in step.evidence if e.link == first), key=lambda e: e.frame))


def _unanswered(question: str, step: Step) -> Answer:
    if step.status is Status.SEEN:
        return Answer(question, f"unknown: {step.summary}", step.evidence[-1:], known=False)
    return Answer(question, f"{step.status.value}: {step.summary}", step.evidence[-1:], known=False)
