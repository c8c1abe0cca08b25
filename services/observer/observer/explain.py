"""`make explain`: the journeys in a capture made anywhere, told from its frames alone.

The frames are read once, as tshark types them out, and only what the stories need is kept (see `kept`): a file of any
size is told in the same memory. What was not kept, what is unusual, and what the file does not say stand before the
journeys.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from enum import Enum
from itertools import dropwhile
from operator import not_
from pathlib import Path
from urllib.parse import quote, urlsplit

from observer.capture_file import Ending, NoCaptureError, check_beginning, ending
from observer.connections import Connection, Endpoint, connections
from observer.dissect import DissectionError, Glimpse
from observer.document import capture_json
from observer.exchanges import REQUEST_ID, Exchange, all_exchanges, exchanges
from observer.frame_ladder import frame_ladder
from observer.inquiries import NAME_FIRST_NS, opened_with
from observer.journey import journey
from observer.kept import ORDINARY, Bounds, Kept, Key, Track, key_of
from observer.ladder import ladder
from observer.lookups import IN_DOUBT, Resolution
from observer.messages import Frame
from observer.oddities import Oddities
from observer.pieces import Pieces
from observer.report import Source, page_of
from observer.scene import target_url
from observer.steps import DnsFacts, Journey, LinkCapture, Step, ToldApart, Visit
from observer.style import Style
from observer.summary import CaptureSummary, header, summary
from observer.topology import Topology
from observer.transit import Transit, transit_of
from observer.tshark import glimpse_file

_NOBODY_COUNTED = "made elsewhere: nobody counted what was lost"


class Form(Enum):
    """How journeys are told."""

    LADDER = "ladder"
    FRAMES = "frames"
    JSON = "json"
    HTML = "html"


@dataclass(frozen=True, slots=True)
class Story:
    """A journey, the frames it was told from, and which connection among them it is that of."""

    journey: Journey
    frames: tuple[Frame, ...]
    connection: Connection

    @property
    def sources(self) -> tuple[Source, ...]:
        """For its page: of the journey and of those that followed it."""
        return tuple(Source(part, self.frames, self.connection) for part in self.journey.chain)


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
        yield page_of([source for story in stories for source in story.sources], topology, whole)
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
    closed = kept.sealed()
    opened = opened_with(kept.loose, [*cast.named(), *_named_otherwise(kept)])
    stories: list[Story] = []
    for track in whole:
        if cast.plays_first(track):
            connection, lookups = cast.connection(track), opened[track.key]
            foreign = lookups.foreign_frames
            frames = [f for f in kept.around(cast.of(track), NAME_FIRST_NS) if f.number not in foreign]
            visit = _visit(connection, cast.first_exchange(track), lookups.own, len(stories) + 1)
            capture = _capture(kept, end, connection)
            found = journey(visit, frames, capture, topology, connection, transit, closed[track.key])
            stories.append(Story(_in_doubt(found, lookups.told_apart), tuple(frames), connection))
    return stories, [track for track in kept.tracks.values() if not track.followed or track.missed]


def _named_otherwise(kept: Kept) -> Iterator[tuple[Connection, str]]:
    """The connections that have no story because not all their frames were kept, with their servers' names."""
    for track in kept.tracks.values():
        if track.followed and track.missed and track.frames:
            (connection,) = connections(track.frames)
            yield connection, _server_name(connection, next(iter(exchanges(connection)), None))


def _in_doubt(told: Journey, told_apart: ToldApart) -> Journey:
    """With the word on how its lookups were told from others', whose frames are not among those it was told from."""

    def added(step: Step) -> Step:
        if not isinstance(step.facts, DnsFacts) or step.facts.told_apart is not ToldApart.ALONE:
            return step
        summary = f"{step.summary}{IN_DOUBT.get(told_apart, '')}"
        return replace(step, summary=summary, facts=replace(step.facts, told_apart=told_apart))

    return replace(told, steps=tuple(added(step) for step in told.steps))


class _Cast:
    """Which connections belong to one story: the same on every link, and those that carried its requests onward."""

    def __init__(self, tracks: Sequence[Track]) -> None:
        self._connections = {track.key: connections(track.frames)[0] for track in tracks}
        paired = list(all_exchanges(self._connections.values()))
        self._first = {key_of(exchange.connection): exchange for exchange in reversed(paired)}
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
        self._behind = _behind_others([(self._identities[key_of(e.connection)], e) for e in paired])

    def connection(self, track: Track) -> Connection:
        return self._connections[track.key]

    def named(self) -> Iterator[tuple[Connection, str]]:
        """Every connection with its server's name."""
        for key, connection in self._connections.items():
            yield connection, _server_name(connection, self._first.get(key))

    def first_exchange(self, track: Track) -> Exchange | None:
        return self._first.get(track.key)

    def plays_first(self, track: Track) -> bool:
        """Whether the connection has a story of its own, and this is the link that saw it first."""
        identity = self._identity(track)
        return identity not in self._behind and self._mates[identity][0] is track

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


def _behind_others(paired: Sequence[tuple[str, Exchange]]) -> set[str]:
    """Of exchanges with the identities of their connections: the connections that carry others' requests onward.

    A response shows the request's id at the front, so who shows any is behind nobody. Nor is a connection that carries
    a request without a front after one with: those before may have come in before the capture began.
    """
    answered = [(identity, e.response.header(REQUEST_ID)) for identity, e in paired if e.response]
    shown = {request_id for _, request_id in answered if request_id}
    fronts = {identity for identity, request_id in answered if request_id}
    carried: dict[tuple[str, Key], list[bool]] = {}
    for identity, e in paired:
        carried.setdefault((identity, key_of(e.connection)), []).append(e.request.header(REQUEST_ID) in shown)
    own = {identity for (identity, _), known in carried.items() if not any(known) or not all(dropwhile(not_, known))}
    return {identity for identity, _ in carried} - own - fronts


def _visit(connection: Connection, exchange: Exchange | None, lookups: Sequence[Resolution], number: int) -> Visit:
    """What a client would have been asked for, read from what it sent; Enter is the first of its own `lookups`."""
    enter_ns = min([connection.frames[0].time_ns, *(lookup.query.time_ns for lookup in lookups)])
    return Visit(
        id=str(number),
        url=_url(connection, exchange),
        program="an unknown client",
        http=exchange.request.version.value if exchange else "?",
        tls=None,
        started_ns=enter_ns,
        enter_ns=enter_ns,
        ended_ns=connection.frames[-1].time_ns,
        exit_code=0,
        error="",
    )


def _server_name(connection: Connection, exchange: Exchange | None) -> str:
    """What the client must have looked up."""
    return urlsplit(_url(connection, exchange)).hostname or ""


def _url(connection: Connection, exchange: Exchange | None) -> str:
    """As the client must have been given it; a name off the wire that no URL can hold is percent-encoded."""
    hello, request = connection.client_hello, exchange.request if exchange else None
    scheme = "https" if hello else "http"
    host = (hello[1].server_name if hello else None) or (request.authority if request else None)
    host = host or _authority(connection.server)
    url = target_url(request, scheme, host) if request else f"{scheme}://{host}/"
    try:
        urlsplit(url)
    except ValueError:
        scheme, _, rest = url.partition("://")
        return f"{scheme}://{quote(rest)}"
    return url


def _authority(server: Endpoint) -> str:
    """RFC 3986, section 3.2.2: an IPv6 address stands in brackets."""
    return f"[{server.address}]:{server.port}" if ":" in server.address else f"{server.address}:{server.port}"


def _capture(kept: Kept, end: Ending, connection: Connection) -> tuple[LinkCapture, ...]:
    counted = end.dropped is not None
    reasons = [f"made elsewhere: its writer counted {end.dropped} lost" if counted else _NOBODY_COUNTED]
    reasons += [end.doubt] if end.doubt else []
    links = dict.fromkeys([connection.link, *kept.per_link])
    return tuple(LinkCapture(link, kept.per_link[link], end.dropped or 0, False, tuple(reasons)) for link in links)
