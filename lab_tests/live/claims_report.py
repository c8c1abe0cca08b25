"""Claims, their verdicts and how a person reads them. Pure."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from experiment import Cited, Experiment, Verdict

_CLAIM = re.compile(r"^- \*\*(?P<id>[A-Z]\d+)\*\* (?P<text>.+)$")
_SECTION = re.compile(r"^## (?P<letter>[A-Z])\. (?P<title>.+)$")
_FRAMES_SHOWN = 12  # numbers of one observation; more are counted
_WIDTH = 118


@dataclass(frozen=True, slots=True)
class Claim:
    id: str
    section: str
    text: str


@dataclass(frozen=True, slots=True)
class Decision:
    """What one test said of the claims it carries. `reason`: why it failed, or why it is unsupported."""

    test: str
    verdict: Verdict
    reason: str
    experiment: Experiment


def read_claims(text: str) -> tuple[Claim, ...]:
    """The claims of CLAIMS.md, in its order. Raises ValueError for an id that stands there twice, or for none."""
    claims: dict[str, Claim] = {}
    section = ""
    for line in text.splitlines():
        if heading := _SECTION.match(line):
            section = f"{heading['letter']}. {heading['title']}"
        elif found := _CLAIM.match(line):
            if found["id"] in claims:
                raise ValueError(f"claim {found['id']} stands twice in CLAIMS.md")
            claims[found["id"]] = Claim(found["id"], section, found["text"])
    if not claims:
        raise ValueError("CLAIMS.md holds no claim: lines begin with - **A1**")
    return tuple(claims.values())


def verdict_of(claim: Claim, decisions: Iterable[Decision]) -> Verdict:
    """A claim fails if one of its tests fails; it holds if one holds and none fails."""
    found = {decision.verdict for decision in decisions if claim.id in decision.experiment.claims}
    for verdict in (Verdict.FAILS, Verdict.HOLDS, Verdict.UNSUPPORTED):
        if verdict in found:
            return verdict
    return Verdict.UNTESTED


def table(claims: Sequence[Claim], decisions: Sequence[Decision]) -> str:
    """Every claim with its verdict, its tests and their evidence; ends in a newline."""
    lines = []
    section = ""
    for claim in claims:
        if claim.section != section:
            section = claim.section
            lines += ["", section]
        lines += _row(claim, decisions)
    return "\n".join([*lines, "", summary(claims, decisions), ""])


def summary(claims: Sequence[Claim], decisions: Sequence[Decision]) -> str:
    """One line: how many claims hold, fail, are unsupported, or have no test here."""
    verdicts = [verdict_of(claim, decisions) for claim in claims]
    counted = [f"{verdicts.count(verdict)} {verdict.value}" for verdict in Verdict if verdict in verdicts]
    return f"{len(claims)} claims: {', '.join(counted)}"


def detail(claim: Claim, decisions: Sequence[Decision]) -> str:
    """One claim with all that its tests asked and saw; ends in a newline."""
    lines = [f"{claim.id}  {verdict_of(claim, decisions).value}", *_wrapped(claim.text, "    "), ""]
    for decision in decisions:
        if claim.id in decision.experiment.claims:
            lines += [*_told(decision), ""]
    return "\n".join(lines)


def _row(claim: Claim, decisions: Sequence[Decision]) -> Iterator[str]:
    yield from _wrapped(claim.text, f"  {claim.id.ljust(4)} {verdict_of(claim, decisions).value.ljust(11)}  ")
    for decision in decisions:
        if claim.id in decision.experiment.claims:
            mark = "" if decision.verdict is Verdict.HOLDS else f"  {decision.verdict.value}: {decision.reason}"
            yield from _wrapped(f"{decision.test}{mark}", " " * 20)
            shown = [cited for observation in decision.experiment.observations for cited in observation.cited]
            if shown:
                yield from _wrapped(_evidence(shown), " " * 22)


def _evidence(shown: Sequence[Cited]) -> str:
    """The first capture's frames, and how many more there are."""
    first = [cited for cited in shown if cited.folder == shown[0].folder]
    by_link: dict[str, set[int]] = {}
    for cited in first:
        for link, numbers in cited.numbers:
            by_link.setdefault(link, set()).update(numbers)
    told = "; ".join(f"{link} {_numbers(sorted(numbers))}" for link, numbers in by_link.items())
    others = len({cited.folder for cited in shown}) - 1
    more = f" and {others} more captures" if others > 1 else " and one more capture" if others else ""
    return f"{shown[0].folder}: {told}{more}"


def _told(decision: Decision) -> Iterator[str]:
    experiment = decision.experiment
    yield f"  {decision.test}"
    yield from _wrapped(experiment.question, "    question  ")
    for text in experiment.asks:
        yield from _wrapped(text, "    asked     ")
    for observation in experiment.observations:
        yield from _wrapped(observation.text, "    control   " if observation.control else "    saw       ")
        for cited in observation.cited:
            links = "; ".join(f"{link} {_numbers(numbers)}" for link, numbers in cited.numbers)
            yield from _wrapped(f"frames {links} of {cited.folder}/journey.pcapng", " " * 14)
            yield f"{' ' * 14}in Wireshark: {cited.display_filter}"  # in one line, to be copied
    for text in experiment.exhibits:
        yield textwrap.indent(text.strip("\n"), "      ")
    for popular, seen in experiment.myths:
        yield from _wrapped(f'"{popular}"', "    myth      ")
        yield from _wrapped(seen, "    but       ")
    if decision.reason:
        yield from _wrapped(decision.reason, f"    {decision.verdict.value.ljust(9)} ")


def _numbers(numbers: Sequence[int]) -> str:
    shown = ", ".join(map(str, numbers[:_FRAMES_SHOWN]))
    return shown if len(numbers) <= _FRAMES_SHOWN else f"{shown} and {len(numbers) - _FRAMES_SHOWN} more"


def _wrapped(text: str, first: str) -> list[str]:
    return textwrap.wrap(text, _WIDTH, initial_indent=first, subsequent_indent=" " * len(first)) or [first.rstrip()]
