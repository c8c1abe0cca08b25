"""Steps 4 to 8: the request travels, is worked on, answered and shown, and the connection stays. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from observer.connections import closing_words
from observer.exchanges import Exchange
from observer.legs import redirected_to
from observer.messages import Frame
from observer.registries import TLS_VERSIONS, name_of
from observer.round_trips import before_first_request, first_request
from observer.scene import Scene, same
from observer.steps import (
    Attempt,
    Evidence,
    KeptOpenFacts,
    Occasion,
    ProcessingFacts,
    RequestFacts,
    ResponseFacts,
    Step,
    StepName,
    TimeInside,
)


def request_step(scene: Scene) -> Step:
    exchange = scene.exchange
    if exchange is None:
        return scene.not_seen(StepName.REQUEST, "no request was sent")
    front, (back, _) = scene.front(), scene.back()
    request = exchange.request
    facts = RequestFacts(
        version=f"HTTP/{request.version.value}",
        method=request.method or "",
        path=request.path or "",
        authority=request.authority or "",
        request_id=exchange.request_id,
        round_trips_before=_round_trips_before(scene, exchange),
        headers=request.headers,
    )
    words = f"{facts.method} {facts.path}"
    evidence = [shown for e in [*front, *back[:1]] for shown in _request_evidence(e, words)]
    last = back[0].request_frame if back else front[-1].request_frame
    trips = facts.round_trips_before
    waited = f", after {trips} round trip{'s' if trips > 1 else ''}" if trips else ""
    summary = f"{words} over {facts.version}{waited}"
    step = scene.seen(StepName.REQUEST, summary, exchange.request_start, last, facts, evidence)
    return (
        replace(step, inside=_inside_balancer(front[-1].request_start, back[0].request_start, back[0], scene))
        if back
        else step
    )


def _request_evidence(exchange: Exchange, words: str) -> list[Evidence]:
    """The request, where it is shown, which is where it ends; if it began before, that too."""
    shown = Evidence(exchange.link, exchange.request_frame.number, words)
    if exchange.request_start is exchange.request_frame:
        return [shown]
    return [Evidence(exchange.link, exchange.request_start.number, f"{words}, the first byte"), shown]


def _inside_balancer(entered: Frame, left: Frame, attempt: Exchange, scene: Scene) -> tuple[TimeInside, ...]:
    """How long a message was inside the host that passed it from one connection to the other."""
    return (TimeInside(scene.name(attempt.connection.client.address), 1, left.time_ns - entered.time_ns),)


def _round_trips_before(scene: Scene, exchange: Exchange) -> int | None:
    if scene.was_open:
        return 0
    first = first_request(exchange.connection)
    return before_first_request(exchange.connection) if first is exchange.request_frame else 0


def processing_step(scene: Scene) -> Step:
    back, joined_by = scene.back()
    answered = [attempt for attempt in back if attempt.response_start]
    if not answered or scene.exchange is None:
        if back:
            return scene.not_seen(StepName.PROCESSING, f"{_origins(scene, back)} did not answer", anywhere=True)
        return scene.not_seen(StepName.PROCESSING, "no request reached an origin", anywhere=True)
    final = answered[-1]
    assert final.response_start is not None
    origin_ns = final.response_start.time_ns - final.asked.time_ns
    near = scene.front()[-1]
    inside = near.response_start.time_ns - near.asked.time_ns if near.response_start else origin_ns
    facts = ProcessingFacts(
        origin=scene.name(final.connection.server.address),
        joined_by=joined_by.value,
        attempts=tuple(_attempt(scene, attempt) for attempt in back),
        origin_ns=origin_ns,
        balancer_ns=inside - origin_ns,
    )
    evidence = []
    for attempt, told in zip(back, facts.attempts, strict=True):
        evidence.append(Evidence(attempt.link, attempt.asked.number, f"the request reaches {told.origin}"))
        if attempt.response_start:
            evidence.append(
                Evidence(attempt.link, attempt.response_start.number, f"{told.origin} answers {told.status}")
            )
        elif broken := _broke_off(attempt):
            evidence.append(Evidence(attempt.link, broken.number, f"{told.origin} ends the connection instead"))
    failed = ", ".join(_how_it_failed(attempt) for attempt in facts.attempts[:-1])
    tries = f", attempt {len(back)} ({failed})" if len(back) > 1 else ""
    summary = f"{facts.origin}{tries}, found by {joined_by.value}"
    return scene.seen(StepName.PROCESSING, summary, final.asked, final.response_start, facts, evidence)


def _how_it_failed(attempt: Attempt) -> str:
    if attempt.broke_off_with:
        return f"{attempt.origin} broke off with {' '.join(attempt.broke_off_with)}"
    return f"{attempt.origin} answered {attempt.status}" if attempt.status else f"{attempt.origin} did not answer"


def _origins(scene: Scene, back: Sequence[Exchange]) -> str:
    return ", ".join(dict.fromkeys(scene.name(attempt.connection.server.address) for attempt in back))


def _attempt(scene: Scene, attempt: Exchange) -> Attempt:
    hello = attempt.connection.server_hello
    start, end = attempt.asked, attempt.response_start
    return Attempt(
        origin=scene.name(attempt.connection.server.address),
        status=attempt.response.status if attempt.response else None,
        start_ns=scene.since_enter(start),
        duration_ns=None if end is None else end.time_ns - start.time_ns,
        new_connection=attempt.connection.frames[0].time_ns >= scene.visit.started_ns,
        tls_version=name_of(hello[1].version, TLS_VERSIONS) if hello else None,
        broke_off_with=closing_words(broken) if (broken := _broke_off(attempt)) else (),
    )


def _broke_off(attempt: Exchange) -> Frame | None:
    """The frame by which the server ended the connection after this request, without an answer to it."""
    if attempt.response_start:
        return None
    connection, asked = attempt.connection, attempt.request_frame.number
    return next((f for f in connection.closing if f.number > asked and connection.from_server(f)), None)


def response_step(scene: Scene) -> Step:
    exchange = scene.exchange
    if exchange is None or exchange.response_start is None:
        return scene.not_seen(StepName.RESPONSE, "no response came")
    if exchange.response is None:
        if not scene.is_complete((scene.own_link,)):
            return scene.not_seen(StepName.RESPONSE, "it began and did not end")
        began = Evidence(exchange.link, exchange.response_start.number, "a response begins")
        return scene.not_done(StepName.RESPONSE, "it began and did not end", [began])
    response = exchange.response
    length = response.header("content-length")
    facts = ResponseFacts(
        status=response.status or 0,
        content_type=response.header("content-type"),
        content_length=int(length) if length and length.isdigit() else None,
        server=response.header("x-origin"),
        redirected_to=redirected_to(scene.visit.url, exchange),
        headers=response.headers,
    )
    answered = [attempt for attempt in scene.back()[0] if attempt.response_start]
    evidence = [
        Evidence(e.link, e.response_start.number, f"{e.response.status if e.response else '?'}, the first byte")
        for e in [*answered[-1:], *reversed(scene.front())]
        if e.response_start
    ]
    if exchange.response_end:
        evidence.append(Evidence(exchange.link, exchange.response_end.number, "the last byte"))
    first = (answered[-1].response_start if answered else None) or exchange.response_start
    size = f", {facts.content_length} bytes" if facts.content_length is not None else ""
    kind = f", {facts.content_type}" if facts.content_type else ""
    broken = "" if exchange.response_end else "; it broke off"
    onward = f", redirects to {facts.redirected_to}" if facts.redirected_to else ""
    summary = f"{facts.status}{kind}{size}{onward}{broken}"
    step = scene.seen(StepName.RESPONSE, summary, first, exchange.response_end, facts, evidence)
    near = scene.front()[-1].response_start
    if answered and answered[-1].response_start and near:
        step = replace(step, inside=_inside_balancer(answered[-1].response_start, near, answered[-1], scene))
    return step


def rendering_step(scene: Scene) -> Step:
    """The one step no link carries: known from the browser's own clock, and from the resources it fetched."""
    rendering = scene.visit.rendering
    end = scene.exchange.response_end if scene.exchange else None
    if scene.led_on_by is Occasion.REDIRECT:
        return scene.not_done(StepName.RENDERING, "a redirect has nothing to render")
    if rendering is None:
        return _not_rendered(scene)
    if end is None:
        return scene.not_seen(StepName.RENDERING, "there was nothing to render")
    later = [e for e in scene.mine if e is not scene.exchange]
    evidence = [Evidence(end.link, end.number, "the page is there")]
    evidence += [Evidence(e.link, e.request_frame.number, f"fetches {e.request.path}") for e in later]
    done = [moment for moment in (rendering.load_ns, rendering.first_contentful_paint_ns) if moment is not None]
    duration = max(done) - scene.since_enter(end) if done else None
    painted = rendering.first_contentful_paint_ns
    paint = "painted nothing" if painted is None else f"first painted {painted / 1e6:.1f} ms after Enter"
    summary = f"{rendering.program} fetched {len(later)} more resources and {paint}"
    return scene.told(StepName.RENDERING, summary, scene.since_enter(end), duration, rendering, evidence)


def _not_rendered(scene: Scene) -> Step:
    if scene.visit.program.startswith(("curl", "glassbox")):
        return scene.not_done(StepName.RENDERING, f"{scene.visit.program} does not render")
    if scene.visit.exit_code:
        return scene.not_done(StepName.RENDERING, f"{scene.visit.program} gave up: {scene.visit.error}")
    return scene.unknown(StepName.RENDERING, "no link carries it, and this client's own word is missing")


def kept_open_step(scene: Scene) -> Step:
    exchange = scene.exchange
    if exchange is None or exchange.response_end is None:
        return scene.not_seen(StepName.KEPT_OPEN, "there was no answered request after which to keep it open")
    connection = exchange.connection
    requests = [e for e in scene.mine if same(e.connection, connection)]
    last = max((e.response_end for e in requests if e.response_end), key=lambda f: f.time_ns)
    if scene.following and same(scene.following.connection, connection):
        return _used_again(scene, scene.following, last, len(requests))
    end = next((f for f in connection.closing if f.time_ns >= last.time_ns), None)
    closer = None
    if end is not None:
        closer = scene.name((connection.client if connection.from_client(end) else connection.server).address)
    facts = KeptOpenFacts(
        requests=len(requests),
        closed_by=closer,
        closed_with=closing_words(end) if end else (),
        idle_ns=end.time_ns - last.time_ns if end else None,
        backend_kept=_backend_kept(scene),
    )
    evidence = [Evidence(last.link, last.number, "the response ends, the connection stays")]
    if end is not None:
        shows = f"{closer} ends it: {', '.join(facts.closed_with)}"
        if connection.from_server(end) and _said_close(exchange, last, end):
            why = f"{closer} closed it with the response ({', '.join(facts.closed_with)})"
            return scene.not_done(StepName.KEPT_OPEN, why, [Evidence(end.link, end.number, shows)])
        evidence.append(Evidence(end.link, end.number, shows))
    return scene.seen(StepName.KEPT_OPEN, _kept_open_summary(facts), last, end, facts, evidence)


def _used_again(scene: Scene, following: Exchange, last: Frame, requests: int) -> Step:
    """The connection stayed, and carried the visit's next part."""
    again = following.request_frame
    words = f"{following.request.method} {following.request.path}"
    facts = KeptOpenFacts(requests, None, (), again.time_ns - last.time_ns, _backend_kept(scene))
    evidence = [
        Evidence(last.link, last.number, "the response ends, the connection stays"),
        Evidence(again.link, again.number, f"it is used again: {words}"),
    ]
    return scene.seen(StepName.KEPT_OPEN, f"and used again, for {words}", last, again, facts, evidence)


def _said_close(exchange: Exchange, last: Frame, end: Frame) -> bool:
    """Whether the server announced the end in its response, or ended with its very last frame."""
    said = exchange.response.header("connection") if exchange.response else None
    return end is last or (said or "").lower() == "close"


def _kept_open_summary(facts: KeptOpenFacts) -> str:
    closed = "still open"
    if facts.closed_by:
        # A host's name, or an address where there is none.
        who = facts.closed_by if facts.closed_by[0].isdigit() or ":" in facts.closed_by else f"the {facts.closed_by}"
        closed = f"until {who} closed it ({', '.join(facts.closed_with)})"
    back = {True: "; the balancer keeps its own to the origin", False: "; the balancer's own was closed", None: ""}
    return closed + back[facts.backend_kept]


def _backend_kept(scene: Scene) -> bool | None:
    back, _ = scene.back()
    if not back or not scene.is_complete((back[-1].link,)):
        return None
    return not back[-1].connection.closing
