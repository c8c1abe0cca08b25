"""`make explain`: the journeys in a capture made anywhere, told from its frames alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from enum import Enum
from pathlib import Path
from urllib.parse import quote, urlsplit

from observer.connections import Connection, connections
from observer.dissect import DissectionError
from observer.document import journey_json
from observer.exchanges import REQUEST_ID, all_exchanges, exchanges
from observer.frame_ladder import frame_ladder
from observer.journey import journey
from observer.ladder import ladder
from observer.lookups import lookups_by
from observer.messages import Frame
from observer.report import reports
from observer.scene import same
from observer.steps import Journey, LinkCapture, Visit
from observer.style import Style
from observer.topology import Topology
from observer.transit import transit_of
from observer.tshark import dissect_file

# Section Header Block; pcap in microseconds and nanoseconds, in both byte orders.
_CAPTURES = (b"\x0a\x0d\x0d\x0a", b"\xd4\xc3\xb2\xa1", b"\xa1\xb2\xc3\xd4", b"\x4d\x3c\xb2\xa1", b"\xa1\xb2\x3c\x4d")
_GZIP = b"\x1f\x8b"
_NOBODY_COUNTED = "made elsewhere: nobody counted what was lost"


class Form(Enum):
    """How journeys are told."""

    LADDER = "ladder"
    FRAMES = "frames"
    JSON = "json"
    HTML = "html"


def explain(capture: Path, keys: Path | None, topology: Topology, style: Style, form: Form) -> Iterator[str]:
    """Each journey of the file, or all on one HTML page; a line that says so if there is none.

    Raises:
        DissectionError: the file is no capture, or tshark could not read it to its end.
        OSError: the file cannot be read.
    """
    with capture.open("rb") as file:
        magic = file.read(4)
    if magic not in _CAPTURES and magic[:2] != _GZIP:
        raise DissectionError(f"no capture: expected pcapng or pcap (gzip, too), found one that starts with {magic!r}")
    frames = list(dissect_file(capture, keys, {}))
    told = journeys(frames, topology)
    if form is Form.HTML:
        yield reports(told, frames, topology)
        return
    for number, found in enumerate(told):
        if form is Form.JSON:
            yield journey_json(found, topology)
        elif form is Form.FRAMES:
            during = [f for f in frames if found.visit.started_ns <= f.time_ns <= found.visit.ended_ns]
            yield ("\n" if number else "") + frame_ladder(during, found, topology, style)
        else:
            yield ("\n" if number else "") + ladder(found, style)
    if not told and form is not Form.JSON:
        yield f"{len(frames)} frames, no connection that a client opened among them: no journey to tell\n"


def journeys(frames: Sequence[Frame], topology: Topology) -> list[Journey]:
    """One journey for each connection that a client opened, told from the link that saw it first. Pure.

    A connection that only carries another's requests onward, by their ids, is part of that one's journey.
    """
    found = connections(frames)
    behind = _behind_others(found)
    transit = transit_of(frames, topology)
    known: set[str] = set()
    told: list[Journey] = []
    for connection in found:
        mine = connection.identity is None or connection.identity not in known
        known.add(connection.identity or "")
        if mine and not any(same(connection, other) for other in behind):
            visit = _visit(connection, frames, len(told) + 1)
            told.append(journey(visit, frames, _capture(frames, connection), topology, connection, transit))
    return told


def _behind_others(found: Sequence[Connection]) -> list[Connection]:
    """The connections that carry requests with an id that another connection's response has shown."""
    paired = list(all_exchanges(found))
    shown = {e.response.header(REQUEST_ID) for e in paired if e.response} - {None}
    return [
        e.connection
        for e in paired
        if e.request.header(REQUEST_ID) in shown and not (e.response and e.response.header(REQUEST_ID))
    ]


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
        url=_url("https" if hello else "http", host or str(connection.server), path),
        program="an unknown client",
        http=exchange.request.version.value if exchange else "?",
        tls=None,
        started_ns=enter_ns,
        enter_ns=enter_ns,
        ended_ns=connection.frames[-1].time_ns,
        exit_code=0,
        error="",
    )


def _url(scheme: str, host: str, path: str) -> str:
    """As the client must have been given it; a name off the wire that no URL can hold is percent-encoded."""
    url = f"{scheme}://{host}{path}"
    try:
        urlsplit(url)
    except ValueError:
        return f"{scheme}://{quote(host)}{quote(path)}"
    return url


def _capture(frames: Sequence[Frame], connection: Connection) -> tuple[LinkCapture, ...]:
    links = dict.fromkeys([connection.link, *(frame.link for frame in frames)])
    return tuple(
        LinkCapture(link, sum(frame.link == link for frame in frames), 0, False, (_NOBODY_COUNTED,)) for link in links
    )
