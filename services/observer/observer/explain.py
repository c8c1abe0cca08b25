"""`make explain`: the journeys in a capture made anywhere, told from its frames alone.

The frames are read once, as tshark types them out, and only what the stories need is kept (see `kept`): a file of any
size is told in the same memory. What was not kept, what is unusual, and what the file does not say stand before the
journeys.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from urllib.parse import quote, urlsplit

from observer.capture_file import Ending, NoCaptureError, check_beginning, ending
from observer.connections import Connection, connections
from observer.dissect import DissectionError, Glimpse
from observer.document import capture_json
from observer.exchanges import REQUEST_ID, Exchange, all_exchanges
from observer.frame_ladder import frame_ladder
from observer.journey import journey
from observer.kept import ORDINARY, Bounds, Kept, Key, Track, key_of
from observer.ladder import ladder
from observer.lookups import lookups_by
from observer.messages import Frame
from observer.oddities import Oddities
from observer.pieces import Pieces
from observer.report import page_of
from observer.steps import Journey, LinkCapture, Visit
from observer.style import Style
from observer.summary import CaptureSummary, header, summary
from observer.topology import Topology
from observer.transit import Transit, transit_of
from observer.tshark import glimpse_file

_NOBODY_COUNTED = "made elsewhere: nobody counted what was lost"
_NAME_FIRST_NS = 10_000_000_000  # how long before its connection a client may have asked for the name


class Form(Enum):
    """How journeys are told."""

    LADDER = "ladder"
    FRAMES = "frames"
    JSON = "json"
    HTML = "html"


@dataclass(frozen=True, slots=True)
class Story:
    """A journey and the frames it was told from."""

    journey: Journey
    frames: tuple[Frame, ...]


def explain(
    capture: Path, keys: Path | None, topology: Topology, style: Style, form: Form, bounds: Bounds = ORDINARY
) -> Iterator[str]:
    """The file as a whole, then each journey in it, piece by piece; as JSON one object, as HTML one page.

    Whatever the form, it says what was not kept, what is unusual, and that there is no journey if there is none.

    Raises:
        DissectionError: the file is no capture, or tshark could not read it to its end.
        OSError: the file cannot be read.
    """
    try:
        check_beginning(capture)
        with ThreadPoolExecutor(1) as pool:
            looking = pool.submit(ending, capture)
            kept, oddities, pieces = Kept(bounds), Oddities(), Pieces(bounds.piece, bounds.carried)
            read_into(kept, oddities, glimpse_file(capture, keys, kept.wants, pieces))
            end = looking.result()
    except NoCaptureError as fault:
        raise DissectionError(str(fault)) from fault
    stories, others = told(kept, topology, end)
    remarks = (*oddities.told(), *pieces.remarks())
    whole = summary(capture.name, kept, remarks, end, others, topology.name)
    if form is Form.HTML:
        yield page_of([(story.journey, story.frames) for story in stories], topology, whole)
    elif form is Form.JSON:
        yield capture_json(whole, (story.journey for story in stories), topology)
    else:
        yield from _text(whole, stories, topology, style, form)


def _text(
    whole: CaptureSummary, stories: Sequence[Story], topology: Topology, style: Style, form: Form
) -> Iterator[str]:
    yield "".join(f"{line}\n" for line in header(whole))
    for story in stories:
        yield "\n" + _drawn(story, topology, style, form)
    if whole.further_connections:
        yield f"\n{len(whole.further_connections):,} more connections, in a line each\n"
        yield from (f"{line}\n" for line in whole.further_connections)
    if not stories and not whole.further_connections:
        yield f"{whole.frames} frames, no connection that a client opened among them: no journey to tell\n"


def journeys(frames: Iterable[Frame], topology: Topology) -> list[Journey]:
    """One journey for each connection that a client opened, told from the link that saw it first. Pure.

    A connection that only carries another's requests onward, by their ids, is part of that one's journey.
    """
    kept = Kept(Bounds.none())
    read_into(kept, Oddities(), frames)
    return [story.journey for story in told(kept, topology, Ending(None, None))[0]]


def read_into(kept: Kept, oddities: Oddities, frames: Iterable[Frame | Glimpse]) -> None:
    """Take all frames; of those that `kept` does not want, a glimpse is enough."""
    for seen in frames:
        if isinstance(seen, Glimpse):
            kept.add_glimpse(seen)
            oddities.add_time(seen.number, seen.time_ns)
        else:
            kept.add(seen)
            oddities.add(seen)


def _drawn(story: Story, topology: Topology, style: Style, form: Form) -> str:
    if form is Form.LADDER:
        return ladder(story.journey, style)
    visit = story.journey.visit
    during = [f for f in story.frames if visit.started_ns <= f.time_ns <= visit.ended_ns]
    return frame_ladder(during, story.journey, topology, style)


def told(kept: Kept, topology: Topology, end: Ending) -> tuple[list[Story], list[Track]]:
    """The stories of the connections whose frames were kept, and the connections that have none. Pure."""
    whole = [track for track in kept.tracks.values() if track.followed and not track.missed]
    cast = _Cast(whole)
    transit = _transit(kept, whole, topology)
    stories: list[Story] = []
    for track in whole:
        if cast.plays_first(track):
            frames = kept.around(cast.of(track), _NAME_FIRST_NS)
            connection = cast.connection(track)
            visit = _visit(connection, cast.first_exchange(track), frames, len(stories) + 1)
            capture = _capture(kept, end, connection)
            stories.append(Story(journey(visit, frames, capture, topology, connection, transit), tuple(frames)))
    return stories, [track for track in kept.tracks.values() if not track.followed or track.missed]


class _Cast:
    """Which connections belong to one story: the same on every link, and those that carried its requests onward."""

    def __init__(self, tracks: Sequence[Track]) -> None:
        self._connections = {track.key: connections(track.frames)[0] for track in tracks}
        paired = list(all_exchanges(self._connections.values()))
        self._first = {key_of(exchange.connection): exchange for exchange in reversed(paired)}
        self._behind = {key_of(connection) for connection in _behind_others(paired)}
        self._mates: dict[str, list[Track]] = {}
        self._carriers: dict[str, list[Track]] = {}
        self._identities: dict[Key, str] = {}
        for track in tracks:
            identity = self._connections[track.key].identity or str(track.key)
            if any(mate.key[0] == track.key[0] for mate in self._mates.get(identity, ())):
                identity = str(track.key)  # another on the same link has it: see connections.across_links
            self._identities[track.key] = identity
            self._mates.setdefault(identity, []).append(track)
            for request_id in track.request_ids:
                self._carriers.setdefault(request_id, []).append(track)

    def connection(self, track: Track) -> Connection:
        return self._connections[track.key]

    def first_exchange(self, track: Track) -> Exchange | None:
        return self._first.get(track.key)

    def plays_first(self, track: Track) -> bool:
        """Whether the connection has a story of its own, and this is the link that saw it first."""
        return track.key not in self._behind and self._mates[self._identity(track)][0] is track

    def of(self, track: Track) -> list[Track]:
        found = {mate.key: mate for mate in self._mates[self._identity(track)]}
        for request_id in track.request_ids:
            for carrier in self._carriers[request_id]:
                found |= {mate.key: mate for mate in self._mates[self._identity(carrier)]}
        return list(found.values())

    def _identity(self, track: Track) -> str:
        return self._identities[track.key]


def _transit(kept: Kept, tracks: Sequence[Track], topology: Topology) -> Transit:
    """What went through forwarding hosts; nothing is said of that when not every frame was kept."""
    if len(kept.per_link) < 2 or kept.missed_any():
        return Transit((), (), (), (), ())
    frames = {(f.number, f.link): f for f in kept.loose}
    for track in tracks:
        frames |= {(f.number, f.link): f for f in track.frames}
    return transit_of(sorted(frames.values(), key=lambda frame: frame.number), topology)


def _behind_others(paired: Sequence[Exchange]) -> list[Connection]:
    """The connections that carry requests with an id that another connection's response has shown."""
    shown = {e.response.header(REQUEST_ID) for e in paired if e.response} - {None}
    return [
        e.connection
        for e in paired
        if e.request.header(REQUEST_ID) in shown and not (e.response and e.response.header(REQUEST_ID))
    ]


def _visit(connection: Connection, exchange: Exchange | None, frames: Sequence[Frame], number: int) -> Visit:
    """What a client would have been asked for, read from what it sent."""
    hello = connection.client_hello
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


def _capture(kept: Kept, end: Ending, connection: Connection) -> tuple[LinkCapture, ...]:
    counted = end.dropped is not None
    reasons = [f"made elsewhere: its writer counted {end.dropped} lost" if counted else _NOBODY_COUNTED]
    reasons += [end.doubt] if end.doubt else []
    links = dict.fromkeys([connection.link, *kept.per_link])
    return tuple(LinkCapture(link, kept.per_link[link], end.dropped or 0, False, tuple(reasons)) for link in links)
