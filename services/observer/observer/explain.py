"""`make explain`: the journeys in a capture made anywhere, told from its frames alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from observer.connections import Connection, connections
from observer.document import journey_json
from observer.exchanges import exchanges
from observer.journey import journey
from observer.ladder import Style, ladder
from observer.lookups import lookups_by
from observer.messages import Frame
from observer.steps import Journey, LinkCapture, Visit
from observer.topology import NO_LAB
from observer.tshark import dissect_file

_NOBODY_COUNTED = "made elsewhere: nobody counted what was lost"


def explain(capture: Path, keys: Path | None, style: Style, as_json: bool) -> Iterator[str]:
    """Each journey of the file as text, a ladder or JSON; a line that says so if there is none.

    Raises:
        DissectionError: tshark could not read the file to its end.
    """
    frames = list(dissect_file(capture, keys, {}))
    told = journeys(frames)
    for number, found in enumerate(told):
        if as_json:
            yield journey_json(found, NO_LAB)
        else:
            yield ("\n" if number else "") + ladder(found, style)
    if not told and not as_json:
        yield f"{len(frames)} frames, no TCP or QUIC connection among them: no journey to tell\n"


def journeys(frames: Sequence[Frame]) -> list[Journey]:
    """One journey for each connection, told from the link that saw it first. Pure."""
    found: list[Journey] = []
    known: set[str] = set()
    for connection in connections(frames):
        if connection.identity is None or connection.identity not in known:
            if connection.identity is not None:
                known.add(connection.identity)
            found.append(
                journey(_visit(connection, frames, len(found) + 1), frames, _capture(frames, connection), NO_LAB)
            )
    return found


def _visit(connection: Connection, frames: Sequence[Frame], number: int) -> Visit:
    """What a client would have been asked for, read from what it sent."""
    hello = connection.client_hello
    exchange = next(iter(exchanges(connection)), None)
    host = (hello[1].server_name if hello else None) or (exchange.request.authority if exchange else None)
    opened = connection.frames[0]
    asked = [
        lookup.query.time_ns
        for lookup in lookups_by(frames, connection.client.address, opened.link)
        if lookup.question.name == host and lookup.query.time_ns <= opened.time_ns
    ]
    path = (exchange.request.path if exchange else None) or "/"
    enter_ns = min([opened.time_ns, *asked])
    return Visit(
        id=str(number),
        url=f"{'https' if hello else 'http'}://{host or connection.server}{path}",
        program="an unknown client",
        http=exchange.request.version.value if exchange else "?",
        tls=None,
        started_ns=enter_ns,
        enter_ns=enter_ns,
        ended_ns=connection.frames[-1].time_ns,
        exit_code=0,
        error="",
        local_ports=(connection.client.port,),
    )


def _capture(frames: Sequence[Frame], connection: Connection) -> tuple[LinkCapture, ...]:
    links = dict.fromkeys([connection.link, *(frame.link for frame in frames)])
    return tuple(
        LinkCapture(link, sum(frame.link == link for frame in frames), 0, False, (_NOBODY_COUNTED,)) for link in links
    )
