"""A visit as a browser's network panel shows it: what each resource waited for, and how long. Pure.

Times are integer nanoseconds since Enter, all read from frames on the client's own link.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from urllib.parse import urlsplit

from observer.connections import Connection
from observer.exchanges import Exchange
from observer.lookups import lookups_by, name_of_host
from observer.messages import Frame
from observer.scene import Scene, same, scene_of
from observer.steps import Journey, RenderingFacts, Status, StepName
from observer.style import milliseconds
from observer.topology import Topology


class PhaseName(Enum):
    """What passed between two phases on the wire is STALLED: the client was busy with itself."""

    STALLED = "stalled"
    DNS = "DNS"
    CONNECT = "connect"
    TLS = "TLS"
    WAIT = "wait"
    RECEIVE = "receive"


@dataclass(frozen=True, slots=True)
class Phase:
    name: PhaseName
    start_ns: int
    end_ns: int

    @property
    def duration_ns(self) -> int:
        return self.end_ns - self.start_ns


@dataclass(frozen=True, slots=True)
class Row:
    """One resource. Its phases follow each other without gap or overlap, so their durations add up to the whole.

    Name resolution and handshakes count for the first request that needed them; later ones on the same connection
    only wait and receive. `request_frame` is None if no request was sent; the row then says how far it came.
    """

    label: str
    version: str
    status: int | None
    origin: str | None
    connection: str | None
    request_frame: int | None
    phases: tuple[Phase, ...]

    @property
    def start_ns(self) -> int:
        return self.phases[0].start_ns

    @property
    def end_ns(self) -> int:
        return self.phases[-1].end_ns

    @property
    def asked_ns(self) -> int | None:
        """When the request was sent; None if none was."""
        return next((phase.start_ns for phase in self.phases if phase.name is PhaseName.WAIT), None)

    def took_ns(self, name: PhaseName) -> int | None:
        """How long all phases `name` took together; None if there was none."""
        found = [phase.duration_ns for phase in self.phases if phase.name is name]
        return sum(found) if found else None


_Span = tuple[PhaseName, int, int]


def waterfall(
    journey: Journey, frames: Sequence[Frame], topology: Topology, first: Connection | None = None
) -> tuple[Row, ...]:
    """The visit's resources in the order of their requests; a visit without a request has one row, or none.

    `first` is the visit's one connection, where that is known.
    """
    scene = scene_of(journey.visit, frames, journey.capture, topology, first)
    if not scene.mine:
        return _unrequested(scene, journey)
    rows = []
    begun: list[Connection] = []
    resolved: set[str] = set()
    for exchange in sorted(scene.mine, key=lambda e: e.request_frame.number):
        spans: list[_Span] = []
        if not any(same(exchange.connection, other) for other in begun):
            begun.append(exchange.connection)
            spans = [*_resolution(scene, exchange, resolved), *_handshakes(scene, exchange.connection)]
        rows.append(_row(scene, exchange, [*spans, *_transfer(scene, exchange)]))
    return tuple(rows)


def phases(spans: Iterable[_Span]) -> tuple[Phase, ...]:
    """Spans in order as phases without gap or overlap: a gap is STALLED, an overlap belongs to the earlier one."""
    found: list[Phase] = []
    for name, start_ns, end_ns in spans:
        cursor = found[-1].end_ns if found else start_ns
        if start_ns > cursor:
            found.append(Phase(PhaseName.STALLED, cursor, start_ns))
        start_ns = max(start_ns, cursor)
        found.append(Phase(name, start_ns, max(start_ns, end_ns)))
    return tuple(found)


def _row(scene: Scene, exchange: Exchange, spans: Sequence[_Span]) -> Row:
    request, response = exchange.request, exchange.response
    return Row(
        label=f"{request.method} {request.path}",
        version=f"HTTP/{request.version.value}",
        status=response.status if response else None,
        origin=response.header("x-origin") if response else None,
        connection=str(exchange.connection.client),
        request_frame=exchange.request_frame.number,
        phases=phases(spans),
    )


def _unrequested(scene: Scene, journey: Journey) -> tuple[Row, ...]:
    step = journey.step(StepName.DNS)
    spans: list[_Span] = []
    if step.status is Status.SEEN and step.start_ns is not None:
        spans.append((PhaseName.DNS, step.start_ns, step.start_ns + (step.duration_ns or 0)))
    if scene.connection and _opened_now(scene, scene.connection):
        spans += _handshakes(scene, scene.connection)
    if not spans:
        return ()
    client = str(scene.connection.client) if scene.connection else None
    label = f"{urlsplit(journey.visit.url).path or '/'} (no request was sent)"
    return (Row(label, f"HTTP/{journey.visit.http}", None, None, client, None, phases(spans)),)


def _resolution(scene: Scene, exchange: Exchange, resolved: set[str]) -> list[_Span]:
    """The questions about the request's host before its connection, unless an earlier row has them."""
    connection = exchange.connection
    host = name_of_host(exchange.request.authority or "")
    if host in resolved:
        return []
    resolved.add(host)
    opened = connection.frames[0].time_ns
    asked = [
        lookup
        for lookup in lookups_by(scene.frames, connection.client.address, connection.link)
        if lookup.question.name.rstrip(".").lower() == host and scene.visit.started_ns <= lookup.query.time_ns <= opened
    ]
    if not asked:
        return []
    last = max((lookup.response or lookup.query).time_ns for lookup in asked)
    end_ns = min(last, opened) - scene.visit.enter_ns  # a client may connect before its last answer is in
    return [(PhaseName.DNS, scene.since_enter(asked[0].query), end_ns)]


def _handshakes(scene: Scene, connection: Connection) -> list[_Span]:
    if not _opened_now(scene, connection):
        return []
    spans: list[_Span] = []
    opening = connection.opening
    if opening:
        spans.append((PhaseName.CONNECT, scene.since_enter(opening[0]), scene.since_enter(opening[-1])))
    hello = connection.client_hello
    if hello:
        finished = next((f for f in connection.finished if connection.from_client(f)), None)
        request = next((f for f in connection.frames if f.http), None)
        end = finished or request or connection.frames[-1]
        spans.append((PhaseName.TLS, scene.since_enter(hello[0]), scene.since_enter(end)))
    return spans


def _transfer(scene: Scene, exchange: Exchange) -> list[_Span]:
    sent = scene.since_enter(exchange.request_start)
    if exchange.response_start is None or exchange.response_end is None:
        return [(PhaseName.WAIT, sent, scene.visit.ended_ns - scene.visit.enter_ns)]
    first, last = scene.since_enter(exchange.response_start), scene.since_enter(exchange.response_end)
    return [(PhaseName.WAIT, sent, first), (PhaseName.RECEIVE, first, last)]


def _opened_now(scene: Scene, connection: Connection) -> bool:
    """Whether the connection was opened in this visit, and not kept from an earlier one."""
    return connection.frames[0].time_ns >= scene.visit.started_ns


@dataclass(frozen=True, slots=True)
class Timeline:
    """Draws rows to one scale, from Enter to the last of their ends and of the browser's own moments.

    Everything drawn is numbers and words of our own: nothing from the wire needs escaping here.
    """

    span_ns: int
    moments: tuple[tuple[str, int], ...]

    @staticmethod
    def of(rows: Sequence[Row], rendering: RenderingFacts | None) -> Timeline:
        named = (
            ("document parsed", rendering.dom_content_loaded_ns if rendering else None),
            ("first paint", rendering.first_contentful_paint_ns if rendering else None),
            ("loaded", rendering.load_ns if rendering else None),
        )
        moments = tuple((name, at) for name, at in named if at is not None)
        return Timeline(max([1, *(row.end_ns for row in rows), *(at for _, at in moments)]), moments)

    def axis(self) -> str:
        """The scale: round times from Enter on, as SVG."""
        labels = "".join(f'<text x="{self._at(at)}" y="12">{at / 1e6:g} ms</text>' for at in ticks(self.span_ns))
        return f'<svg class="bar" role="img"><title>Time since Enter</title>{labels}</svg>'

    def legend(self) -> str:
        """What the colours stand for, as HTML."""
        words = "".join(f'<span class="{_class(name)}">{name.value}</span>' for name in PhaseName)
        marks = "".join(
            f'<span class="mark mark{n}">{name} at {milliseconds(at)}</span>'
            for n, (name, at) in enumerate(self.moments)
        )
        return f'<p class="legend">{words}{marks}</p>'

    def bar(self, row: Row) -> str:
        """One row's phases, as SVG."""
        grid = "".join(_line("grid", self._at(at)) for at in ticks(self.span_ns))
        marks = "".join(_line(f"mark{n}", self._at(at)) for n, (_, at) in enumerate(self.moments))
        title = f"from {milliseconds(row.start_ns)} to {milliseconds(row.end_ns)} after Enter"
        bars = "".join(self._phase(phase) for phase in row.phases)
        return f'<svg class="bar" role="img"><title>{title}</title>{grid}{bars}{marks}</svg>'

    def _phase(self, phase: Phase) -> str:
        place = 'y="9" height="4"' if phase.name is PhaseName.STALLED else 'y="4" height="14"'
        tip = f"{phase.name.value}: {milliseconds(phase.duration_ns)} from {milliseconds(phase.start_ns)}"
        width = f"{phase.duration_ns / self.span_ns:.3%}"
        return (
            f'<rect class="{_class(phase.name)}" x="{self._at(phase.start_ns)}" width="{width}" {place}>'
            f"<title>{tip}</title></rect>"
        )

    def _at(self, time_ns: int) -> str:
        return f"{time_ns / self.span_ns:.3%}"


def _line(name: str, at: str) -> str:
    return f'<line class="{name}" x1="{at}" x2="{at}" y1="0" y2="100%"/>'


def ticks(span_ns: int) -> range:
    """Four to nine round times that fit into `span_ns` with a label to their right."""
    power: int = 10 ** (len(str(span_ns)) - 1)
    step = next((s for s in (2 * power, power, power // 2) if span_ns // max(s, 1) >= 3), power // 5)
    step = max(step, 1)
    return range(0, span_ns - step // 2, step)


def _class(name: PhaseName) -> str:
    return f"phase {name.value.lower()}"
