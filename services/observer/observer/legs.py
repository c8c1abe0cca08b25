"""The parts of one visit: a redirect that the client followed begins another, and so does each further URL. Pure.

Each part is told as a journey of its own, on the frames of the same capture.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, replace
from urllib.parse import urljoin

from observer.exchanges import Exchange
from observer.scene import Scene, asks_for
from observer.steps import Occasion

_REDIRECTS = (301, 302, 303, 307, 308)  # RFC 9110, section 15.4


@dataclass(frozen=True, slots=True)
class _Part:
    url: str
    exchange: Exchange | None
    occasion: Occasion


def legs(scene: Scene) -> tuple[Scene, ...]:
    """The visit of `scene` part by part; the scene itself, unchanged, if there is but one."""
    parts = list(_parts(scene))
    return tuple(_scene(scene, parts, at) for at in range(len(parts))) if len(parts) > 1 else (scene,)


def redirected_to(url: str, exchange: Exchange | None) -> str | None:
    """Where the response to a request for `url` sends its client (RFC 9110, section 10.2.2); None if nowhere, or to
    something that is no URL."""
    if exchange is None or exchange.response is None or exchange.response.status not in _REDIRECTS:
        return None
    location = exchange.response.header("location")
    try:
        return urljoin(url, location) if location else None
    except ValueError:
        return None


def _parts(scene: Scene) -> Iterator[_Part]:
    waiting = deque(scene.visit.more_urls)
    part = _Part(scene.visit.url, scene.exchange, Occasion.ENTER)
    last = scene.exchange
    while True:
        yield part
        last = part.exchange or last
        location = redirected_to(part.url, part.exchange)
        followed = _next(scene, location, last) if location else None
        if location and followed:
            part = _Part(location, followed, Occasion.REDIRECT)
        elif waiting:
            url = waiting.popleft()
            part = _Part(url, _next(scene, url, last), Occasion.NEXT_URL)
        else:
            return


def _next(scene: Scene, url: str, last: Exchange | None) -> Exchange | None:
    """The visit's first request for `url` after the response to its last one."""
    after = (last.response_start or last.request_frame).number if last else 0
    return next((e for e in scene.mine if e.request_frame.number > after and asks_for(e, url)), None)


def _scene(scene: Scene, parts: list[_Part], at: int) -> Scene:
    part, following = parts[at], parts[at + 1] if at + 1 < len(parts) else None
    bounds = [p.exchange.request_frame.number if p.exchange else None for p in parts]
    begins = bounds[at] if at else 0
    ends = next((bound for bound in bounds[at + 1 :] if bound is not None), None)
    mine = tuple(
        e
        for e in scene.mine
        if begins is not None and begins <= e.request_frame.number and (ends is None or e.request_frame.number < ends)
    )
    visit = scene.visit
    if at:
        visit = replace(visit, url=part.url, more_urls=())
    if part.exchange:
        visit = replace(visit, http=part.exchange.request.version.value)
    if following:
        visit = replace(visit, rendering=None)
    connection = part.exchange.connection if part.exchange else (scene.connection if not at else None)
    return replace(
        scene,
        visit=visit,
        connection=connection,
        exchange=part.exchange,
        mine=mine,
        begun_ns=_ended_ns(parts[at - 1], scene) if at else scene.begun_ns,
        occasion=part.occasion,
        following=following.exchange if following else None,
        led_on_by=following.occasion if following else None,
    )


def _ended_ns(part: _Part, scene: Scene) -> int:
    """When a part was over: with its response."""
    if part.exchange is None:
        return scene.begun_ns
    ended = part.exchange.response_end or part.exchange.response_start or part.exchange.request_frame
    return ended.time_ns
