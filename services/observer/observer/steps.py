"""The vocabulary of a journey: eight steps, each seen, absent or unknown, with facts and the frames that prove them.

Times are integer nanoseconds: `start_ns` since Enter, durations as they are.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum


class Status(Enum):
    """Absent and unknown differ: absent was looked for in a complete capture, unknown could not be looked for."""

    SEEN = "seen"
    ABSENT = "absent"
    UNKNOWN = "unknown"


class Occasion(Enum):
    """Why the client asked for a URL."""

    ENTER = "Enter"
    REDIRECT = "redirect"
    NEXT_URL = "next URL"


class ToldApart(Enum):
    """How a client's lookups were told from those of its other programs for the same name: frames name no program.

    In order of time: the program whose answer came first is taken to have connected first. Undecided: there is no such
    order, and the lookups told are those that could be meant.
    """

    ALONE = "no other asked"
    ANSWERED = "answered in time"
    ORDER = "in order of time"
    UNDECIDED = "undecided"


class StepName(Enum):
    DNS = "DNS"
    TCP = "TCP"
    TLS = "TLS"
    REQUEST = "request"
    PROCESSING = "processing"
    RESPONSE = "response"
    RENDERING = "rendering"
    KEPT_OPEN = "connection kept open"


@dataclass(frozen=True, slots=True)
class Evidence:
    """A frame, by its link and its number in journey.pcapng, and what it shows."""

    link: str
    frame: int
    shows: str


@dataclass(frozen=True, slots=True)
class Lookup:
    """One DNS question and its answer, as seen between two hosts."""

    asked_by: str
    asked_of: str
    name: str
    type: str
    outcome: str
    over: str
    start_ns: int
    duration_ns: int | None


@dataclass(frozen=True, slots=True)
class DnsFacts:
    name: str
    addresses: tuple[str, ...]
    ttl: int | None
    told_apart: ToldApart
    lookups: tuple[Lookup, ...]
    walk: tuple[Lookup, ...]


@dataclass(frozen=True, slots=True)
class TcpFacts:
    client: str
    server: str
    client_isn: int
    server_isn: int
    client_mss: int | None
    server_mss: int | None
    round_trip_ns: int | None


@dataclass(frozen=True, slots=True)
class CertificateFacts:
    subject: str
    names: tuple[str, ...]
    issuer: str
    not_after: str
    chain_length: int


@dataclass(frozen=True, slots=True)
class TlsFacts:
    version: str
    cipher_suite: str
    group: str | None
    protocol: str | None
    server_name: str | None
    resumed: bool
    certificate: CertificateFacts | None
    verdict: str


@dataclass(frozen=True, slots=True)
class RequestFacts:
    """`round_trips_before`: from the connection's first packet to this request, 0 on one that was open already."""

    version: str
    method: str
    path: str
    authority: str
    request_id: str | None
    round_trips_before: int | None
    headers: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Attempt:
    """One request of the balancer to an origin. `broke_off_with`: by what the origin ended the connection instead of
    answering; empty if it answered, or ended nothing."""

    origin: str
    status: int | None
    start_ns: int
    duration_ns: int | None
    new_connection: bool
    tls_version: str | None
    broke_off_with: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ProcessingFacts:
    """`origin_ns`: request to first byte of the response, on the backend link; `balancer_ns`: what the balancer
    added on the way in and out, on its edge and backend sides."""

    origin: str
    joined_by: str
    attempts: tuple[Attempt, ...]
    origin_ns: int
    balancer_ns: int


@dataclass(frozen=True, slots=True)
class ResponseFacts:
    status: int
    content_type: str | None
    content_length: int | None
    server: str | None
    redirected_to: str | None
    headers: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class RenderingFacts:
    """From the browser's own navigation and paint timing, since Enter. `request_start_ns` and `response_end_ns` are its
    word on what frames show, too."""

    program: str
    dom_content_loaded_ns: int | None
    first_contentful_paint_ns: int | None
    load_ns: int | None
    request_start_ns: int | None = None
    response_end_ns: int | None = None


@dataclass(frozen=True, slots=True)
class KeptOpenFacts:
    """`closed_by` is None while nobody closed the connection before the capture ended."""

    requests: int
    closed_by: str | None
    closed_with: tuple[str, ...]
    idle_ns: int | None
    backend_kept: bool | None


Facts = DnsFacts | TcpFacts | TlsFacts | RequestFacts | ProcessingFacts | ResponseFacts | RenderingFacts | KeptOpenFacts


@dataclass(frozen=True, slots=True)
class LinkSpan:
    """A step as one link saw it: its first cited frame there, since Enter, and how long until the last."""

    link: str
    start_ns: int
    duration_ns: int


@dataclass(frozen=True, slots=True)
class TimeInside:
    """How long a step's packets, those that it cites, were inside a host that passed them on, all together."""

    host: str
    packets: int
    inside_ns: int


@dataclass(frozen=True, slots=True)
class Step:
    """One of the eight. `summary` is the one line people read, and says why where a step is absent or unknown."""

    number: int
    name: StepName
    status: Status
    summary: str
    start_ns: int | None = None
    duration_ns: int | None = None
    facts: Facts | None = None
    evidence: tuple[Evidence, ...] = ()
    on_links: tuple[LinkSpan, ...] = ()
    inside: tuple[TimeInside, ...] = ()


@dataclass(frozen=True, slots=True)
class LinkCapture:
    """What the tap says of one link: complete means both sentinels seen and nothing dropped between them.

    The sentinels passed at `begin_ns` and `end_ns`, on the clock of the frames; None where there were none.
    """

    link: str
    packets: int
    dropped: int
    complete: bool
    reasons: tuple[str, ...] = ()
    begin_ns: int | None = None
    end_ns: int | None = None


def why_incomplete(capture: Iterable[LinkCapture]) -> list[str]:
    """The links that were not captured completely, and why: those with the same reasons together."""
    links: dict[tuple[str, ...], list[str]] = {}
    for link in capture:
        if not link.complete:
            links.setdefault(link.reasons, []).append(link.link)
    return [f"{', '.join(names)}: {'; '.join(reasons)}" for reasons, names in links.items()]


class Fate(Enum):
    """What became of a packet at a host that forwards, other than to leave it once, whole, its time to live one less.

    The first five break conservation; the others explain why a packet did not go on.
    """

    LOST = "lost"
    DUPLICATED = "duplicated"
    ALTERED = "altered"
    WRONG_TTL = "left with a time to live that is not one less"
    BEGUN = "left without having entered"
    FOR_THE_HOST = "addressed to the host itself"
    EXPIRED = "its time to live ended"
    IN_FLIGHT = "still inside when the capture ended"
    UNKNOWN = "not seen again, and the capture has holes"


@dataclass(frozen=True, slots=True)
class Irregularity:
    """One packet with such a fate: where it entered the host, and as which frame it left, if it did either."""

    host: str
    fate: Fate
    packet: str
    entered: Evidence | None
    left: Evidence | None


@dataclass(frozen=True, slots=True)
class Crossing:
    """What one forwarding host did: packets that entered it, that it passed on, how long they were inside, and how
    many overtook an earlier one of their connection."""

    host: str
    links: tuple[str, ...]
    entered: int
    passed_on: int
    overtook: int
    median_ns: int | None
    longest_ns: int | None


class Conserved(Enum):
    YES = "yes"
    NO = "no"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Conservation:
    """Whether each packet that entered a forwarding host left it, on the next link and with a time to live one less,
    or why it did not. `summary` is one line."""

    conserved: Conserved
    summary: str
    crossings: tuple[Crossing, ...]
    irregularities: tuple[Irregularity, ...]


@dataclass(frozen=True, slots=True)
class Visit:
    """What was asked for, and what the client itself said of it. Verdicts rest on frames, not on this.

    `more_urls` are those that the same run of the client asked for after `url`; `follows` says that it goes where
    redirects point. The client program ran from `started_ns` to `ended_ns`; `enter_ns` is when the person would have
    pressed Enter: a browser's navigation start, curl's own start. All are nanoseconds since 1970, on the clock of the
    frames.
    """

    id: str
    url: str
    program: str
    http: str
    tls: str | None
    started_ns: int
    enter_ns: int
    ended_ns: int
    exit_code: int
    error: str
    local_ports: tuple[int, ...] = ()
    client_randoms: tuple[bytes, ...] = ()
    rendering: RenderingFacts | None = None
    more_urls: tuple[str, ...] = ()
    follows: bool = False


@dataclass(frozen=True, slots=True)
class Resource:
    """One request of the visit and its response, as the client's link saw them."""

    method: str
    path: str
    status: int | None
    version: str
    origin: str | None
    start_ns: int
    duration_ns: int | None
    connection: str
    request_frame: int


@dataclass(frozen=True, slots=True)
class Journey:
    """One URL's eight steps, and `then` the journey that followed it, to where it was redirected or the next URL."""

    visit: Visit
    occasion: Occasion
    capture: tuple[LinkCapture, ...]
    steps: tuple[Step, ...]
    resources: tuple[Resource, ...]
    conservation: Conservation
    then: Journey | None = None

    @property
    def chain(self) -> tuple[Journey, ...]:
        """This journey and those that followed it, in order."""
        return (self, *(self.then.chain if self.then else ()))

    @property
    def complete(self) -> bool:
        return bool(self.capture) and all(link.complete for link in self.capture)

    def step(self, name: StepName) -> Step:
        return next(step for step in self.steps if step.name is name)
