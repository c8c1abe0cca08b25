"""A journey as one HTML page: verdict, ladder, waterfall, steps with facts and evidence. Pure.

The page stands alone: styles and drawings are inside, and its own policy forbids it to load or run anything. All
that came from the wire passes `_text` on its way in.
"""

from __future__ import annotations

import dataclasses
import html
import re
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

from observer.frame_ladder import Hop, columns, hops
from observer.ladder import milliseconds
from observer.messages import Frame
from observer.steps import (
    Attempt,
    CertificateFacts,
    DnsFacts,
    Evidence,
    Journey,
    Lookup,
    ProcessingFacts,
    ResponseFacts,
    Status,
    Step,
    StepName,
    TcpFacts,
    TlsFacts,
)
from observer.topology import Topology
from observer.waterfall import Phase, PhaseName, Row, waterfall

_POLICY = "default-src 'none'; style-src 'unsafe-inline'"


def report(journey: Journey, frames: Sequence[Frame], topology: Topology) -> str:
    """The page for one journey. `frames` are those it was told from, all links together."""
    return reports([journey], frames, topology)


def reports(journeys: Sequence[Journey], frames: Sequence[Frame], topology: Topology) -> str:
    """One page for all journeys that were told from `frames`."""
    title = journeys[0].visit.url if journeys else "no journey"
    articles = [_article(journey, frames, topology) for journey in journeys]
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{_text(title)} - eightsteps</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n"
        + ("\n".join(articles) or "<p>No TCP or QUIC connection among the frames: no journey to tell.</p>")
        + "\n</body>\n</html>\n"
    )


def _article(journey: Journey, frames: Sequence[Frame], topology: Topology) -> str:
    visit = journey.visit
    state = "failed" if visit.exit_code else "whole" if journey.complete else "partial"
    parts = [
        f"<header><h1>{_text(visit.url)}</h1>",
        f'<p class="verdict {state}">{_text(verdict(journey))}</p>{_answers(journey)}</header>',
        _ladder(journey, frames, topology),
        _waterfall(journey, waterfall(journey, frames, topology)),
        _steps(journey),
        _capture(journey),
        _hosts(topology),
        f"<footer>Visit {_text(visit.id)}. Times count from Enter; #n is frame n of journey.pcapng.</footer>",
    ]
    return f"<article>{''.join(parts)}</article>"


def verdict(journey: Journey) -> str:
    """The whole visit in a sentence or three, as text."""
    visit = journey.visit
    response, asked = journey.step(StepName.RESPONSE), journey.step(StepName.REQUEST)
    facts = response.facts
    if isinstance(facts, ResponseFacts) and response.start_ns is not None and response.duration_ns is not None:
        server = f" from {facts.server}" if facts.server else ""
        told = f"{facts.status}{server}, whole {milliseconds(response.start_ns + response.duration_ns)} after Enter"
    else:
        told = "Asked, and no whole response seen" if asked.status is Status.SEEN else "No request seen"
    failed = f" The client failed: {visit.error or f'exit code {visit.exit_code}'}." if visit.exit_code else ""
    counts = [(s, sum(step.status is s for step in journey.steps)) for s in Status]
    steps = ", ".join(f"{count} {status.value}" for status, count in counts if count)
    capture = "complete" if journey.complete else "incomplete"
    with_ = f"{visit.program}, HTTP/{visit.http}"
    return f"{told}, with {with_}.{failed} Of the eight steps {steps}; capture {capture}."


def _answers(journey: Journey) -> str:
    """What people ask first, each with the frames it rests on."""
    dns, tcp, tls, work, response = (
        journey.step(name)
        for name in (StepName.DNS, StepName.TCP, StepName.TLS, StepName.PROCESSING, StepName.RESPONSE)
    )
    found: list[tuple[str, str, Step]] = []
    if isinstance(response.facts, ResponseFacts) and isinstance(work.facts, ProcessingFacts):
        found.append(("answered by", work.facts.origin, work))
    if isinstance(tls.facts, TlsFacts):
        found.append(("secured by", ", ".join(filter(None, (tls.facts.version, tls.facts.group))), tls))
    if isinstance(dns.facts, DnsFacts):
        found.append(("DNS took", milliseconds(dns.duration_ns), dns))
    if isinstance(tcp.facts, TcpFacts):
        found.append(("TCP took", milliseconds(tcp.duration_ns), tcp))
    if isinstance(tls.facts, TlsFacts):
        found.append(("TLS took", milliseconds(tls.duration_ns), tls))
    if isinstance(work.facts, ProcessingFacts):
        found.append(("the origin took", milliseconds(work.facts.origin_ns), work))
    items = [
        f"<div><dt>{_text(name)}</dt><dd>{_text(value)}<small>{_between(step.evidence)}</small></dd></div>"
        for name, value, step in found
    ]
    return f'<dl class="answers">{"".join(items)}</dl>' if items else ""


def _between(evidence: Sequence[Evidence]) -> str:
    numbers = sorted({item.frame for item in evidence})
    if not numbers:
        return ""
    return f"frame #{numbers[0]}" if len(numbers) == 1 else f"frames #{numbers[0]} to #{numbers[-1]}"


# The ladder. Lengths are in units of the drawings' own, which a page as wide as they are shows as CSS pixels.
_TIMES, _COLUMN, _WORDS = 78, 104, 300
_ROW, _LINE, _WRAP = 40, 14, 46


@dataclass(frozen=True, slots=True)
class Message:
    """What the evidence of a step says in the same words on several links: one message on its way.

    `uncited` are further copies of it, on links where no evidence names it, so that it is drawn from end to end.
    """

    shows: str
    frames: tuple[Frame, ...]
    uncited: frozenset[int] = frozenset()


def messages(step: Step, frames: Sequence[Frame], found: Mapping[int, Hop]) -> list[Message]:
    """The step's evidence, with each message's copies on consecutive links joined, in order of time.

    A copy has the same length and is handed on by the host that the last one was handed to.
    """
    by_number = {frame.number: frame for frame in frames}
    trails: list[tuple[str, list[Frame]]] = []
    for item in sorted(step.evidence, key=lambda e: e.frame):
        frame = by_number.get(item.frame)
        if frame is None:
            continue
        for shows, trail in trails:
            if shows == item.shows and _continues(trail, frame, found):
                trail.append(frame)
                break
        else:
            trails.append((item.shows, [frame]))
    return sorted((_whole(shows, trail, frames, found) for shows, trail in trails), key=lambda m: m.frames[0].number)


def _continues(trail: Sequence[Frame], frame: Frame, found: Mapping[int, Hop]) -> bool:
    return (
        frame.link not in {earlier.link for earlier in trail}
        and frame.length == trail[-1].length
        and found[frame.number].sender == found[trail[-1].number].receiver
    )


def _whole(shows: str, trail: list[Frame], frames: Sequence[Frame], found: Mapping[int, Hop]) -> Message:
    cited = {frame.number for frame in trail}
    alike = [f for f in frames if (f.info, f.length) == (trail[0].info, trail[0].length) and f.number not in cited]
    trail = list(trail)
    while len(onward := [f for f in alike if f.number > trail[-1].number and _continues(trail, f, found)]) == 1:
        trail += onward
    while len(before := [f for f in alike if f.number < trail[0].number and _precedes(f, trail, found)]) == 1:
        trail = before + trail
    return Message(shows, tuple(trail), frozenset(frame.number for frame in trail) - cited)


def _precedes(frame: Frame, trail: Sequence[Frame], found: Mapping[int, Hop]) -> bool:
    links = {later.link for later in trail}
    return frame.link not in links and found[frame.number].receiver == found[trail[0].number].sender


def _ladder(journey: Journey, frames: Sequence[Frame], topology: Topology) -> str:
    found = hops(frames, topology)
    told = {step: messages(step, frames, found) for step in journey.steps}
    hosts = columns((found[f.number] for group in told.values() for m in group for f in m.frames), topology)
    width = _TIMES + len(hosts) * _COLUMN + _WORDS
    names = "".join(f'<text class="host" x="{_x(i)}" y="20">{_text(host)}</text>' for i, host in enumerate(hosts))
    head = (
        f'<svg viewBox="0 0 {width} 30" role="img"><title>The hosts, from the client to the origins</title>'
        f'<desc>{_text(", ".join(hosts))}</desc><text class="gutter" x="{_TIMES - 12}" y="20">ms</text>{names}</svg>'
    )
    bands = "".join(
        f'<tr><td class="band step{step.number}">{_band_heading(step)}'
        f"{_band(step, group, hosts, found, journey, width) if group else ''}</td></tr>"
        for step, group in told.items()
    )
    return (
        "<section><h2>What crossed the links</h2>"
        "<p>Every message that proves a step, from host to host; a thin arrow is a copy that no step needs as proof."
        "</p>"
        f'<table class="ladder" role="presentation"><thead><tr><td>{head}</td></tr></thead>'
        f"<tbody>{bands}</tbody></table></section>"
    )


def _band_heading(step: Step) -> str:
    times = ""
    if step.start_ns is not None:
        times = f" <span>at {milliseconds(step.start_ns)}, took {milliseconds(step.duration_ns)}</span>"
    summary = step.summary if step.status is Status.SEEN else f"{step.status.value}: {step.summary}"
    return f"<h3><b>{step.number}</b> {_text(step.name.value)}{times}</h3><p>{_text(summary)}</p>"


def _band(
    step: Step, group: Sequence[Message], hosts: Sequence[str], found: Mapping[int, Hop], journey: Journey, width: int
) -> str:
    lifelines = f"<g class='life'>{''.join(f'<path d="M{_x(i)} 0V{_ROW * len(group)}"/>' for i in range(len(hosts)))}</g>"
    rows = [_row(message, n * _ROW, hosts, found, journey) for n, message in enumerate(group)]
    return (
        f'<svg viewBox="0 0 {width} {_ROW * len(group)}" role="img">'
        f"<title>Step {step.number}, {_text(step.name.value)}: {len(group)} messages</title>"
        f"<desc>{_text(step.summary)}</desc>{lifelines}{''.join(rows)}</svg>"
    )


def _row(message: Message, top: int, hosts: Sequence[str], found: Mapping[int, Hop], journey: Journey) -> str:
    first = message.frames[0]
    words = _TIMES + len(hosts) * _COLUMN + 8
    lines = textwrap.wrap(_clean(message.shows), _WRAP, max_lines=2, placeholder="…") or [""]
    texts = [
        f'<text x="{words}" y="{top + _LINE + n * _LINE - 2 * (len(lines) - 1)}">{_text(line)}</text>'
        for n, line in enumerate(lines)
    ]
    size = f'<text class="faint" x="{words}" y="{top + 12 + len(lines) * _LINE}">{first.length} bytes</text>'
    time = f"{(first.time_ns - journey.visit.enter_ns) / 1e6:.3f}"
    arrows = [
        _arrow(frame, found[frame.number], top, hosts, journey, frame.number in message.uncited)
        for frame in message.frames
    ]
    gutter = f'<text class="gutter" x="{_TIMES - 12}" y="{top + 24}">{time}</text>'
    return f"<g>{gutter}{''.join(arrows)}{''.join(texts)}{size}</g>"


def _arrow(frame: Frame, hop: Hop, top: int, hosts: Sequence[str], journey: Journey, uncited: bool) -> str:
    start = _x(hosts.index(hop.sender))
    end = start if hop.receiver is None else _x(hosts.index(hop.receiver))
    y, back, middle = top + 20, -7 if end > start else 7, (start + end) // 2
    time = f"{(frame.time_ns - journey.visit.enter_ns) / 1e6:.3f}"
    tip = (
        f"frame {frame.number} on {frame.link}: {hop.sender} to {hop.receiver or 'all'} "
        f"({frame.source} to {frame.destination}), {frame.length} bytes, {time} ms after Enter: {frame.info}"
    )
    return (
        f'<g class="arrow{" copy" if uncited else ""}"><title>{_text(tip)}</title>'
        f'<path d="M{start} {y}H{end + back}"/><path class="tip" d="M{end} {y}l{back} -4v8z"/>'
        f'<circle cx="{start}" cy="{y}" r="2.5"/>'
        f'<text x="{middle}" y="{y - 5}">{_text(frame.link)} #{frame.number}</text>'
        f'<text class="faint" x="{middle}" y="{y + 12}">{time}</text></g>'
    )


def _x(index: int) -> int:
    return _TIMES + index * _COLUMN + _COLUMN // 2


_PHASES = (PhaseName.DNS, PhaseName.CONNECT, PhaseName.TLS, PhaseName.WAIT, PhaseName.RECEIVE)


def _waterfall(journey: Journey, rows: Sequence[Row]) -> str:
    if not rows:
        return ""
    moments = _moments(journey)
    span = max([row.end_ns for row in rows] + [at for _, at in moments] + [1])
    legend = "".join(f'<span class="{_class(name)}">{name.value}</span>' for name in PhaseName)
    marks = "".join(
        f'<span class="mark mark{n}">{_text(name)} {milliseconds(at)}</span>' for n, (name, at) in enumerate(moments)
    )
    heads = "".join(f'<th scope="col" class="number">{name.value}</th>' for name in _PHASES)
    ticks = "".join(
        f'<text x="{at / span:.2%}" y="11">{label}</text>' for at, label in _ticks(span)
    )
    body = "".join(_waterfall_row(row, span, moments) for row in rows)
    return (
        f'<section><h2>Waterfall</h2><p class="legend">{legend}{marks}</p><table class="waterfall">'
        "<caption>Milliseconds, as the client's own link saw them; the last column shows them since Enter.</caption>"
        '<thead><tr><th scope="col">resource</th><th scope="col">answer</th><th scope="col" class="number">start</th>'
        f'{heads}<th scope="col" class="number">all</th><th scope="col" class="time"><svg class="bar" role="img">'
        f"<title>Time since Enter</title>{ticks}</svg></th></tr></thead><tbody>{body}</tbody></table></section>"
    )


def _moments(journey: Journey) -> list[tuple[str, int]]:
    rendering = journey.visit.rendering
    if rendering is None:
        return []
    named = (
        ("document parsed", rendering.dom_content_loaded_ns),
        ("first paint", rendering.first_contentful_paint_ns),
        ("loaded", rendering.load_ns),
    )
    return [(name, at) for name, at in named if at is not None]


def _ticks(span: int) -> list[tuple[int, str]]:
    """Four to nine round moments from 0 to `span`, with their labels."""
    step = 10 ** (len(str(span)) - 1)
    step = next(step // part for part in (1, 2, 5, 10) if span // max(step // part, 1) >= 4 or part == 10)
    step = max(step, 1)
    return [(at, f"{at / 1e6:g} ms") for at in range(0, span - step // 3, step)]


def _waterfall_row(row: Row, span: int, moments: Sequence[tuple[str, int]]) -> str:
    numbers = "".join(f'<td class="number">{_short(row.took_ns(name))}</td>' for name in _PHASES)
    bars = "".join(_bar(phase, span) for phase in row.phases)
    marks = "".join(
        f'<line class="mark{n}" x1="{at / span:.3%}" x2="{at / span:.3%}" y1="0" y2="100%"/>'
        for n, (_, at) in enumerate(moments)
    )
    answer = "no answer" if row.status is None else f"{row.status}{f' {row.origin}' if row.origin else ''}"
    asked = "" if row.request_frame is None else f" #{row.request_frame}"
    return (
        f'<tr><th scope="row">{_text(row.label)}<small>{_text(row.version)} from {_text(row.connection or "nowhere")}'
        f'{asked}</small></th><td>{_text(answer)}</td><td class="number">{_short(row.start_ns)}</td>{numbers}'
        f'<td class="number">{_short(row.end_ns - row.start_ns)}</td><td class="time"><svg class="bar" role="img">'
        f"<title>{_text(row.label)}: {milliseconds(row.start_ns)} to {milliseconds(row.end_ns)} after Enter</title>"
        f"{marks}{bars}</svg></td></tr>"
    )


def _bar(phase: Phase, span: int) -> str:
    height = ' y="9" height="4"' if phase.name is PhaseName.STALLED else ' y="4" height="14"'
    tip = f"{phase.name.value}: {milliseconds(phase.start_ns)} to {milliseconds(phase.end_ns)} after Enter"
    return (
        f'<rect class="{_class(phase.name)}" x="{phase.start_ns / span:.3%}" '
        f'width="{phase.duration_ns / span:.3%}"{height}><title>{tip}</title></rect>'
    )


def _class(name: PhaseName) -> str:
    return f"phase {name.value.lower()}"


def _short(time_ns: int | None) -> str:
    return "-" if time_ns is None else f"{time_ns / 1e6:.2f}"


def _steps(journey: Journey) -> str:
    rows = "".join(
        f'<tr class="step{step.number}"><th scope="row"><b>{step.number}</b> {_text(step.name.value)}'
        f'<small class="{step.status.value}">{step.status.value}</small></th>'
        f'<td class="number">{_short(step.start_ns)}</td><td class="number">{_short(step.duration_ns)}</td>'
        f"<td>{_text(step.summary)}{_value(step.facts) if step.facts else ''}</td><td>{_evidence(step.evidence)}</td></tr>"
        for step in journey.steps
    )
    heads = '<th scope="col">step</th><th scope="col" class="number">at</th><th scope="col" class="number">took</th>'
    return (
        '<section><h2>The eight steps</h2><table class="steps"><caption>Times in milliseconds, the first since Enter.'
        f'</caption><thead><tr>{heads}<th scope="col">what was seen</th><th scope="col">frames that prove it</th></tr>'
        f"</thead><tbody>{rows}</tbody></table></section>"
    )


def _evidence(evidence: Iterable[Evidence]) -> str:
    items = "".join(f"<li><b>{_text(e.link)} #{e.frame}</b> {_text(e.shows)}</li>" for e in evidence)
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
        return _text(
            f"{value.asked_by} asked {value.asked_of} over {value.over}: {value.name} {value.type}? "
            f"{value.outcome}, {took}"
        )
    if isinstance(value, Attempt):
        how = "new connection" if value.new_connection else "connection kept from before"
        return _text(
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
    return _text(value.value if isinstance(value, Enum) else value)


def _values(values: tuple[Any, ...]) -> str:
    if not values:
        return "none"
    pairs = all(isinstance(value, tuple) and len(value) == 2 for value in values)
    items = [f"{_text(value[0])}: {_text(value[1])}" if pairs else _value(value) for value in values]
    return f"<ul>{''.join(f'<li>{item}</li>' for item in items)}</ul>" if len(items) > 1 or pairs else items[0]


def _capture(journey: Journey) -> str:
    rows = "".join(
        f'<tr><th scope="row">{_text(link.link)}</th><td class="number">{link.packets}</td>'
        f'<td class="number">{link.dropped}</td>'
        f"<td>{'complete' if link.complete else _text('incomplete: ' + '; '.join(link.reasons))}</td></tr>"
        for link in journey.capture
    )
    return (
        "<section><h2>The capture</h2><table><caption>A link is complete if both marks of the visit were recorded and "
        'nothing was dropped between them.</caption><thead><tr><th scope="col">link</th><th scope="col" class="number">'
        'frames</th><th scope="col" class="number">dropped</th><th scope="col">verdict</th></tr></thead>'
        f"<tbody>{rows}</tbody></table></section>"
    )


def _hosts(topology: Topology) -> str:
    if not topology.captured():
        return ""
    rows = "".join(
        f'<tr><th scope="row">{_text(i.host)}</th><td>{_text(i.link)}</td><td>{_text(i.address)}</td></tr>'
        for i in topology.captured()
    )
    return (
        '<section><h2>The hosts</h2><table><thead><tr><th scope="col">host</th><th scope="col">link</th>'
        f'<th scope="col">address</th></tr></thead><tbody>{rows}</tbody></table></section>'
    )


def _clean(value: object) -> str:
    """Text that any encoding and any reader of HTML takes: no controls, no halves of surrogate pairs."""
    return re.sub(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]", "\ufffd", str(value))


def _text(value: object) -> str:
    """`value` as HTML text or attribute value that can be nothing else."""
    return html.escape(_clean(value), quote=True)
