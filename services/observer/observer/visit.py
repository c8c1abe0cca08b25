"""One visit from Enter to its capture folder: mark, visit, mark, slice, dissect, tell, write."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from observer import captures
from observer.client_answer import client_report, with_more_urls
from observer.dissecting import frames_of
from observer.flow_index import FlowIndex
from observer.journey import journey
from observer.keylog import Secret
from observer.keys import origin_secrets, parsed
from observer.lab import RefusedError, ask_agent
from observer.messages import Frame
from observer.section import Section
from observer.slicing import Recording
from observer.spool import Spool
from observer.steps import Journey, Visit
from observer.stopwatch import Phase, Stopwatch
from observer.topology import LINKS, Topology
from observer.tshark import WarmTshark

SITE = "https://parseltongue.co.in/"
HTTP_VERSIONS = ("1.1", "2", "3")
TLS_VERSIONS = ("1.2", "1.3")
PROGRAMS = ("curl", "browser", "glassbox")
TIMEOUT_S = 60


@dataclass(frozen=True, slots=True)
class VisitRequest:
    """What to visit and how; `tls` None lets the client choose. `more_urls` come after `url`, by the same run of the
    program, or with `parallel` all at once; `follow`: go where redirects point, which a browser does anyway."""

    url: str = SITE
    http: str = "2"
    tls: str | None = None
    program: str = "curl"
    more_urls: tuple[str, ...] = ()
    follow: bool = False
    method: str = "GET"
    headers: tuple[tuple[str, str], ...] = ()
    body: str | None = None
    parallel: bool = False

    @staticmethod
    def from_json(request: Mapping[str, Any]) -> VisitRequest:
        """Read and check a request.

        Raises:
            ValueError: a value that no visit can have; the text says which and what it may be.
        """
        urls = str(request.get("url") or SITE).split()
        follow = bool(request.get("follow"))
        plain = [url for url in urls if _scheme(url) == "http"]
        only_plain = len(plain) == len(urls) and not follow
        program = _choice("WITH", request.get("with") or "curl", PROGRAMS)
        usual = "1.1" if only_plain or program == "glassbox" else "2"
        http = _choice("HTTP", request.get("http") or usual, HTTP_VERSIONS)
        tls = _choice("TLS", request["tls"], TLS_VERSIONS) if request.get("tls") else None
        if plain and (http == "3" or (only_plain and http != "1.1")):
            secure = plain[0].replace("http:", "https:", 1)
            raise ValueError(f"HTTP={http} needs TLS in practice: ask for {secure}")
        if http == "3" and tls == "1.2":
            raise ValueError("HTTP=3 TLS=1.2: QUIC carries TLS 1.3 only (RFC 9001); leave TLS out")
        body = request.get("body")
        method = str(request.get("method") or ("GET" if body is None else "POST"))
        headers = _headers(str(request.get("headers") or ""))
        return VisitRequest(urls[0], http, tls, program, tuple(urls[1:]), follow, method, headers, body)


def _headers(text: str) -> tuple[tuple[str, str], ...]:
    """The header fields in "Name: value | Name: value". The client checks what they are."""
    lines = [line.strip() for line in text.split("|") if line.strip()]
    for line in lines:
        if ":" not in line:
            raise ValueError(f"HEADERS={line}: expected Name: value, several with | between them")
    return tuple((name.strip(), value.strip()) for name, _, value in (line.partition(":") for line in lines))


def _scheme(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(f"URL={url}: expected http://NAME/... or https://NAME/...")
    return parts.scheme


def _choice(name: str, value: Any, known: tuple[str, ...]) -> str:
    if value not in known:
        raise ValueError(f"{name}={value}: expected {', '.join(known[:-1])} or {known[-1]}")
    return str(value)


@dataclass(frozen=True, slots=True)
class Done:
    """A visit that was told and written. `phases` are what that took, from the last sentinel to the whole folder."""

    journey: Journey
    folder: Path
    frames: tuple[Frame, ...]
    phases: tuple[Phase, ...] = ()


@dataclass(frozen=True, slots=True)
class Places:
    """Where the observer finds what it needs, inside its container."""

    tap: str = "/run/tap/tap.sock"
    spool: Path = Path("/spool")
    keys: Path = Path("/keys")
    captures: Path = Path("/captures")


class EvidenceError(RuntimeError):
    """What a visit left behind could not be read; the text says what and where."""


class Names:
    """Names for what is captured: the time of Enter, to the millisecond; two in one millisecond get two."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._last = ""

    def next(self) -> str:
        with self._lock:
            while True:
                now_ns = time.time_ns()
                seconds = time.strftime("%Y%m%d-%H%M%S", time.gmtime(now_ns // 1_000_000_000))
                name = f"{seconds}.{now_ns // 1_000_000 % 1000:03d}"
                if name != self._last:
                    self._last = name
                    return name


class Observer:
    """Performs visits, several at a time if asked; each gets its own marks and its own folder."""

    def __init__(self, topology: Topology, places: Places) -> None:
        self._topology = topology
        self._places = places
        self._index = FlowIndex(places.spool, LINKS)
        self._spool = Spool(places.spool, self._index)
        self._tshark = WarmTshark()
        self.names = Names()

    @property
    def captures(self) -> Path:
        return self._places.captures

    @property
    def topology(self) -> Topology:
        return self._topology

    @property
    def own_address(self) -> str:
        return self._topology.address("observer", "control")

    def warm_up(self) -> None:
        self._tshark.warm_up()

    def keep_index(self) -> None:
        """Keep the index of the spool's flows up to date, for ever: for a thread of its own."""
        self._index.keep()

    def visit(self, request: VisitRequest) -> Done:
        """Perform `request` and write its folder.

        Raises:
            RefusedError: the client refuses the request.
            LabError: a service that the visit needs does not answer.
            EvidenceError: spool, key logs or capture could not be read.
            OSError: the folder could not be written.
        """
        name = self.names.next()
        with self.section(name) as section:
            answer = self._send_client(name, request)
            watch = Stopwatch()
            try:
                with watch.phase("slice"):
                    recordings = section.end()
                return self._tell_of(name, request, answer, recordings, watch)
            except RefusedError:
                raise
            except ValueError as fault:  # of the spool, the key logs, tshark's lines: each names its place
                raise EvidenceError(f"visit {name}: {fault}") from fault

    def section(self, name: str) -> Section:
        """Begin a section of the links' time. Raises LabError."""
        return Section(name, self._places.tap, self._spool)

    def secrets_of(self, recordings: Iterable[Recording]) -> tuple[Secret, ...]:
        """What the origins logged for the recorded connections. Raises KeyLogError (a ValueError)."""
        return origin_secrets(self._places.keys, recordings)

    def _tell_of(
        self,
        name: str,
        request: VisitRequest,
        answer: dict[str, Any],
        recordings: tuple[Recording, ...],
        watch: Stopwatch,
    ) -> Done:
        client_secrets = parsed(answer["keylog"])
        told, client_files = client_report(name, request.url, request.http, request.tls, answer, client_secrets)
        follows = request.follow or request.program == "browser"
        # What was asked for all at once has no parts that follow each other: it is told as one visit's resources.
        parts = () if request.parallel else request.more_urls
        told = with_more_urls(told, parts, follows)
        with watch.phase("keys"):
            secrets = client_secrets + self.secrets_of(recordings)
        return self._tell(told, client_files, recordings, secrets, watch)

    def _tell(
        self,
        visit: Visit,
        client_files: Mapping[str, bytes],
        recordings: tuple[Recording, ...],
        secrets: tuple[Secret, ...],
        watch: Stopwatch,
    ) -> Done:
        with watch.phase("dissect"):
            frames = frames_of(recordings, secrets, self._topology, self._tshark.dissect)
        with watch.phase("tell"):
            told = journey(visit, frames, [recording.capture for recording in recordings], self._topology)
        with watch.phase("write"):
            folder = captures.write(
                self._places.captures, told, frames, recordings, secrets, self._topology, client_files
            )
        return Done(told, folder, tuple(frames), watch.phases)

    def _send_client(self, name: str, request: VisitRequest) -> dict[str, Any]:
        wanted = {
            "id": name,
            "urls": [request.url, *request.more_urls],
            "with": request.program,
            "http": request.http,
            "tls": request.tls,
            "method": request.method,
            "headers": [list(header) for header in request.headers],
            "body": request.body,
            "timeout_s": TIMEOUT_S / 2,
            "follow": request.follow,
            "parallel": request.parallel,
        }
        address = self._topology.address("client", "control")
        return ask_agent("client", address, "POST /visits", wanted, TIMEOUT_S)
