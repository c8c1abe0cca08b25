"""A journey as one HTML page: verdict, ladder, waterfall, steps with facts and evidence. Pure.

All that came from the wire passes `text` on its way in.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from enum import Enum
from typing import Any

from observer.answers import answers, frames_of
from observer.connections import Connection
from observer.frame_ladder import Message
from observer.ladder_svg import SvgLadder, said
from observer.messages import Frame
from observer.page import page, text
from observer.steps import (
    Attempt,
    Conservation,
    Journey,
    Lookup,
    Occasion,
    ResponseFacts,
    Status,
    Step,
    StepName,
)
from observer.style import milliseconds
from observer.summary import CaptureSummary
from observer.topology import Topology
from observer.waterfall import PhaseName, Row, Timeline, waterfall


def report(journey: Journey, frames: Sequence[Frame], topology: Topology) -> str:
    """The page for one journey and those that followed it. `frames` are those it was told from, all links together."""
    return reports(journey.chain, frames, topology)


def reports(journeys: Sequence[Journey], frames: Sequence[Frame], topology: Topology) -> str:
    """One page for all journeys that were told from `frames`."""
    return page_of([Source(journey, frames) for journey in journeys], topology)


@dataclasses.dataclass(frozen=True, slots=True)
class Source:
    """A journey and what it was told from: its frames, and its one connection, where that is known."""

    journey: Journey
    frames: Sequence[Frame]
    first: Connection | None = None


def page_of(sources: Sequence[Source], topology: Topology, capture: CaptureSummary | None = None) -> str:
    """One page for all journeys, and for the `capture` they are in."""
    title = sources[0].journey.visit.url if sources else "no journey"
    articles = [_article(source, topology) for source in sources]
    if not articles and not (capture and capture.further_connections):
        articles = ["<p>No TCP or QUIC connection among the frames: no journey to tell.</p>"]
    before, after = (_summary(capture), _further(capture, len(articles))) if capture else ("", "")
    return page(title, "\n".join(part for part in (before, *articles, after) if part))


def _summary(capture: CaptureSummary) -> str:
    remarks = "".join(f"<li>{text(remark)}</li>" for remark in capture.remarks)
    return (
        f"<section><h2>{text(capture.file)}</h2><p>{text(capture.contents)}</p>"
        f"{f'<ul>{remarks}</ul>' if remarks else ''}</section>"
    )


def _further(capture: CaptureSummary, journeys: int) -> str:
    """The connections that have no article, a line each."""
    lines = "".join(f"<li>{text(line)}</li>" for line in capture.further_connections)
    number = len(capture.further_connections)
    heading = f"{number:,} more connections" if journeys else f"{number:,} connections"
    return f"<section><h2>{heading}, in a line each</h2><ul>{lines}</ul></section>" if lines else ""


def _article(source: Source, topology: Topology) -> str:
    journey, frames = source.journey, source.frames
    visit = journey.visit
    drawn = SvgLadder.of(journey, frames, topology)
    state = "failed" if visit.exit_code else "whole" if journey.complete else "partial"
    begins = journey.occasion is Occasion.ENTER
    why = "" if begins else f"{journey.occasion.value}: "
    # What is told of the visit as a whole stands with its first part.
    parts = [
        f"<header><h1>{why}{text(visit.url)}</h1>",
        f'<p class="verdict {state}">{text(verdict(journey))}</p>{_answers(journey)}</header>',
        _waterfall(journey, waterfall(journey, frames, topology, source.first)) if begins else "",
        drawn.html(),
        _steps(drawn),
        f"{_capture(journey)}{_hosts(topology)}" if begins else "",
        f"<footer>Visit {text(visit.id)}. Times count from Enter; #n is frame n of journey.pcapng.</footer>",
    ]
    return f"<article>{''.join(parts)}</article>"


def verdict(journey: Journey) -> str:
    """The whole visit in a sentence or three, as text."""
    visit = journey.visit
    response, asked = journey.step(StepName.RESPONSE), journey.step(StepName.REQUEST)
    facts = response.facts
    if isinstance(facts, ResponseFacts) and response.start_ns is not None and response.duration_ns is not None:
        server = f" from {facts.server}" if facts.server else ""
        end = milliseconds(response.start_ns + response.duration_ns)
        told = f"{facts.status}{server}; the last byte came {end} after Enter"
    else:
        told = "Asked, and no whole response seen" if asked.status is Status.SEEN else "No request seen"
    failed = f" The client failed: {visit.error or f'exit code {visit.exit_code}'}." if visit.exit_code else ""
    counts = [(s, sum(step.status is s for step in journey.steps)) for s in Status]
    steps = ", ".join(f"{count} {status.value}" for status, count in counts if count)
    capture = "complete" if journey.complete else "incomplete"
    client = f"{visit.program}, HTTP/{visit.http}"
    return f"{told}. Client: {client}.{failed} Of the eight steps {steps}; capture {capture}."


def _answers(journey: Journey) -> str:
    """What people ask first, each with the frames it rests on."""
    items = "".join(
        f'<div class="{"known" if answer.known else "unanswered"}"><dt>{text(answer.question)}</dt>'
        f"<dd>{text(answer.told)}<small>{text(frames_of(answer.evidence))}</small></dd></div>"
        for answer in answers(journey)
    )
    return f'<dl class="answers">{items}</dl>'


_PHASES = (PhaseName.DNS, PhaseName.CONNECT, PhaseName.TLS, PhaseName.WAIT, PhaseName.RECEIVE)


def _waterfall(journey: Journey, rows: Sequence[Row]) -> str:
    if not rows:
        return ""
    timeline = Timeline.of(rows, journey.visit.rendering)
    heads = "".join(f'<th scope="col" class="number">{name.value}</th>' for name in _PHASES)
    body = "".join(_waterfall_row(row, timeline) for row in rows)
    return (
        f'<section><h2>Waterfall</h2>{timeline.legend()}<div class="wide"><table class="waterfall">'
        "<caption>Milliseconds, as the client's own link saw them; start and time line count from Enter.</caption>"
        '<thead><tr><th scope="col">resource</th><th scope="col">answer</th><th scope="col" class="number">start</th>'
        f'{heads}<th scope="col" class="number">all</th><th scope="col" class="time">{timeline.axis()}</th></tr>'
        f"</thead><tbody>{body}</tbody></table></div></section>"
    )


def _waterfall_row(row: Row, timeline: Timeline) -> str:
    numbers = "".join(f'<td class="number">{_short(row.took_ns(name))}</td>' for name in _PHASES)
    answer = "no answer" if row.status is None else f"{row.status}{f' {row.origin}' if row.origin else ''}"
    how = f"{row.version}{f' from {row.connection}' if row.connection else ''}"
    asked = "" if row.request_frame is None else f" #{row.request_frame}"
    return (
        f'<tr><th scope="row">{text(row.label)}<small>{text(how)}{asked}</small></th>'
        f'<td class="answer">{text(answer)}</td>'
        f'<td class="number">{_short(row.start_ns)}</td>{numbers}<td class="number">'
        f'{_short(row.end_ns - row.start_ns)}</td><td class="time">{timeline.bar(row)}</td></tr>'
    )


def _short(time_ns: int | None) -> str:
    return "-" if time_ns is None else f"{time_ns / 1e6:.2f}"


def _steps(drawn: SvgLadder) -> str:
    rows = "".join(
        f'<tr class="step{step.number}"><th scope="row"><b>{step.number}</b> {text(step.name.value)}'
        f'<small class="{step.status.value}">{step.status.value}</small></th>'
        f'<td class="number">{_short(step.start_ns)}</td><td class="number">{_short(step.duration_ns)}</td>'
        f"<td>{text(step.summary)}{_value(step.facts) if step.facts else ''}{_whereabouts(step)}</td>"
        f"<td>{_evidence(step, group, drawn.topology)}</td></tr>"
        for step, group in drawn.steps
    )
    heads = '<th scope="col">step</th><th scope="col" class="number">at</th><th scope="col" class="number">took</th>'
    return (
        '<section><h2>The eight steps</h2><table class="steps"><caption>Times in milliseconds, the first since Enter.'
        f'</caption><thead><tr>{heads}<th scope="col">what was seen</th><th scope="col">frames that prove it</th></tr>'
        f"</thead><tbody>{rows}</tbody></table></section>"
    )


def _whereabouts(step: Step) -> str:
    """Where the step's time went: as each link saw it, and inside the hosts that passed its packets on."""
    links = ", ".join(f"{span.link} {milliseconds(span.duration_ns)}" for span in step.on_links)
    hosts = ", ".join(f"{inside.host} {milliseconds(inside.inside_ns)}" for inside in step.inside)
    told = [f"first to last frame on {links}" if links else "", f"inside {hosts}" if hosts else ""]
    return f"<p>{text('; '.join(part for part in told if part))}</p>" if any(told) else ""


def _evidence(step: Step, group: Sequence[Message], topology: Topology) -> str:
    """The step's messages, each with its frames on every link that they are cited on."""
    items = ""
    for message in group:
        cited = (frame for frame in message.frames if frame.number not in message.uncited)
        frames = " ".join(f"<b>{text(frame.link)} #{frame.number}</b>" for frame in cited)
        items += f"<li>{frames} {text(said(step, message, topology))}</li>"
    return f"<ul>{items}</ul>" if items else "none"


def _value(value: Any, name: str = "") -> str:
    """A fact as HTML; what ends in _ns is a time."""
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int) and name.endswith("_ns"):
        return milliseconds(value)
    if isinstance(value, Lookup):
        took = milliseconds(value.duration_ns)
        return text(
            f"{value.asked_by} asked {value.asked_of} over {value.over}: {value.name} {value.type}? "
            f"{value.outcome}, {took}"
        )
    if isinstance(value, Attempt):
        how = "new connection" if value.new_connection else "connection kept from before"
        return text(
            f"{value.origin}: {value.status or 'no answer'}, {milliseconds(value.duration_ns)}, {how}, "
            f"{value.tls_version or 'its handshake was not seen'}"
        )
    if dataclasses.is_dataclass(value):
        items = (
            f"<div><dt>{field.name.removesuffix('_ns').replace('_', ' ')}</dt>"
            f"<dd>{_value(getattr(value, field.name), field.name)}</dd></div>"
            for field in dataclasses.fields(value)
        )
        return f"<dl>{''.join(items)}</dl>"
    if isinstance(value, tuple):
        return _values(value)
    return text(value.value if isinstance(value, Enum) else value)


def _values(values: tuple[Any, ...]) -> str:
    if not values:
        return "none"
    pairs = all(isinstance(value, tuple) and len(value) == 2 for value in values)
    items = [f"{text(value[0])}: {text(value[1])}" if pairs else _value(value) for value in values]
    return f"<ul>{''.join(f'<li>{item}</li>' for item in items)}</ul>" if len(items) > 1 or pairs else items[0]


def _capture(journey: Journey) -> str:
    rows = "".join(
        f'<tr><th scope="row">{text(link.link)}</th><td class="number">{link.packets}</td>'
        f'<td class="number">{link.dropped}</td>'
        f"<td>{'complete' if link.complete else text('incomplete: ' + '; '.join(link.reasons))}</td></tr>"
        for link in journey.capture
    )
    return (
        "<section><h2>The capture</h2><table><caption>A link is complete if both marks of the visit were recorded and "
        'nothing was dropped between them.</caption><thead><tr><th scope="col">link</th><th scope="col" class="number">'
        'frames</th><th scope="col" class="number">dropped</th><th scope="col">verdict</th></tr></thead>'
        f"<tbody>{rows}</tbody></table>{_conservation(journey.conservation)}</section>"
    )


def _conservation(conservation: Conservation) -> str:
    """What the forwarding hosts did with the packets that entered them; nothing where none forwarded."""
    if not conservation.crossings:
        return ""
    rows = "".join(
        f'<tr><th scope="row">{text(i.packet)}</th><td>{text(i.host)}</td><td>{text(i.fate.value)}</td><td>'
        + "; ".join(f"{text(e.link)} #{e.frame} {text(e.shows)}" for e in (i.entered, i.left) if e)
        + "</td></tr>"
        for i in conservation.irregularities
    )
    table = f"<table><tbody>{rows}</tbody></table>" if rows else ""
    return f"<p>Conservation: {text(conservation.summary)}.</p>{table}"


def _hosts(topology: Topology) -> str:
    if not topology.captured():
        return ""
    rows = "".join(
        f'<tr><th scope="row">{text(i.host)}</th><td>{text(i.link)}</td><td>{text(i.address)}</td></tr>'
        for i in topology.captured()
    )
    return (
        '<section><h2>The hosts</h2><table><thead><tr><th scope="col">host</th><th scope="col">link</th>'
        f'<th scope="col">address</th></tr></thead><tbody>{rows}</tbody></table></section>'
    )
