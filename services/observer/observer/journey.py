"""From frames to a journey: the eight steps of one visit, each with its evidence. Pure.

A step is seen when frames show it. When none do, it is absent only if the link it had to be on was captured
completely; otherwise nobody can tell, and it is unknown.
"""

from __future__ import annotations

from collections.abc import Sequence

from observer import http_steps, opening_steps
from observer.connections import Connection
from observer.conservation import conservation
from observer.exchanges import Exchange
from observer.legs import legs
from observer.messages import Frame
from observer.scene import Scene, scene_of
from observer.sealed import Sealed
from observer.steps import Journey, LinkCapture, Resource, Step, Visit
from observer.topology import Topology
from observer.transit import Transit, transit_of
from observer.whereabouts import Whereabouts


def journey(
    visit: Visit,
    frames: Sequence[Frame],
    capture: Sequence[LinkCapture],
    topology: Topology,
    first: Connection | None = None,
    transit: Transit | None = None,
    closed: Sealed | None = None,
) -> Journey:
    """Tell `visit` from `frames` (in order of time, all links together) and the tap's word on each link.

    The first link of `capture` is the client's own. `first` is the visit's one connection, where that is known, and
    `transit` what went through forwarding hosts, where somebody has looked already; `closed` is what of it could not be
    decrypted, where somebody has counted more frames of it than there are here.
    """
    scene = scene_of(visit, frames, capture, topology, first, closed)
    transit = transit_of(frames, topology) if transit is None else transit
    whereabouts = Whereabouts(frames, transit, visit.enter_ns)
    conserved = conservation(transit, capture, topology.name)
    told: Journey | None = None
    for leg in reversed(legs(scene)):
        told = Journey(
            visit=leg.visit,
            occasion=leg.occasion,
            capture=leg.capture,
            steps=tuple(whereabouts.added_to(step) for step in _steps(leg)),
            resources=tuple(_resource(leg, exchange) for exchange in leg.mine),
            conservation=conserved,
            then=told,
        )
    assert told is not None, "a visit has at least one part"
    return told


def _steps(scene: Scene) -> tuple[Step, ...]:
    return (
        opening_steps.dns_step(scene),
        opening_steps.tcp_step(scene),
        opening_steps.tls_step(scene),
        http_steps.request_step(scene),
        http_steps.processing_step(scene),
        http_steps.response_step(scene),
        http_steps.rendering_step(scene),
        http_steps.kept_open_step(scene),
    )


def _resource(scene: Scene, exchange: Exchange) -> Resource:
    end = exchange.response_end
    return Resource(
        method=exchange.request.method or "",
        path=exchange.request.path or "",
        status=exchange.response.status if exchange.response else None,
        version=f"HTTP/{exchange.request.version.value}",
        origin=exchange.response.header("x-origin") if exchange.response else None,
        start_ns=scene.since_enter(exchange.request_start),
        duration_ns=None if end is None else end.time_ns - exchange.request_start.time_ns,
        connection=str(exchange.connection.client),
        request_frame=exchange.request_frame.number,
    )
