"""What a visit is and what it yields. Times are nanoseconds."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

from client.glass_request import Glass


class Program(StrEnum):
    """Who makes the visit."""

    CURL = "curl"
    BROWSER = "browser"
    PYTHON = "python"
    AIOQUIC = "aioquic"
    GLASSBOX = "glassbox"


class HttpVersion(StrEnum):
    """The HTTP version to speak; with TLS, ALPN offers 2 together with 1.1, and 3 stands alone."""

    HTTP_1_1 = "1.1"
    HTTP_2 = "2"
    HTTP_3 = "3"


class TlsVersion(StrEnum):
    """The one TLS version to offer."""

    TLS_1_2 = "1.2"
    TLS_1_3 = "1.3"


class Again(StrEnum):
    """aioquic: after all answers, ask for everything a second time, in one of these ways."""

    PORT = "port"
    """Over the same connection, from another local port."""
    ADDRESS = "address"
    """Over the same connection, from the client's second address."""
    RESUMED = "resumed"
    """Over a new connection that resumes the first one's TLS session."""
    EARLY = "early"
    """As RESUMED, with the requests as early data (0-RTT), whether or not the ticket allows it."""


Headers = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Visit:
    """One or more URLs fetched by one run of one program."""

    id: str
    urls: tuple[str, ...]
    program: Program = Program.CURL
    http: HttpVersion = HttpVersion.HTTP_2
    tls: TlsVersion | None = None
    method: str = "GET"
    headers: Headers = ()
    body: bytes | None = None
    timeout_s: float = 30.0
    follow: bool = False
    """curl: go where redirects point (a browser always does)."""
    parallel: bool = False
    """curl: all URLs at once, over one connection where HTTP/2 or 3 allows it; else one after the other."""
    cookies: bool = False
    """curl: keep what Set-Cookie says for the visit's later requests (RFC 6265, 5.3); a browser always does."""
    crl: bool = False
    """curl: refuse what is on the lab's certificate revocation lists (RFC 5280, 5). Browsers do not look there."""
    alt_svc: bool = False
    """curl, browser: begin with HTTP/2 and go over to HTTP/3 once a response announces it (Alt-Svc, RFC 7838)."""
    again: Again | None = None
    glassbox: Glass | None = None
    """Glass box: what its handshake offers, and how its URLs share connections."""
    trust: bool = True
    """Accept the lab's root CA, beside the public ones (browser) or instead (curl). Else only the public ones."""


@dataclass(frozen=True, slots=True)
class Timings:
    """From the start of the transfer to the end of each phase, cumulative, as curl counts; 0: it did not happen."""

    namelookup: int = 0
    connect: int = 0
    appconnect: int = 0
    pretransfer: int = 0
    starttransfer: int = 0
    total: int = 0


@dataclass(frozen=True, slots=True)
class Response:
    """One transfer as its program saw it; status 0: no response came, and `error` says why."""

    url: str
    status: int
    http_version: str
    """"1.0", "1.1", "2" or "3"; empty when no response came."""
    verify_result: int | None
    """curl: OpenSSL's X509_V_ code, 0 is good. Chromium: 0 when it calls the connection secure, else None."""
    local_port: int | None
    """None: Chromium does not tell."""
    remote_address: str
    remote_port: int
    timings_ns: Timings
    size_download: int
    """Bytes. curl counts the body, Chromium headers and body as they came over the wire."""
    num_connects: int
    """New connections this transfer needed: 0 on a kept one."""
    headers: Headers
    from_cache: bool = False
    error: str = ""


@dataclass(frozen=True, slots=True)
class Intermediate:
    """One value of the glass box's key schedule."""

    connection: int
    """Of the visit, counted from 1."""
    name: str
    section: str
    """Where it is defined: "RFC 8446, 7.1"."""
    value: str
    """Hexadecimal."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a visit. Clock times are CLOCK_REALTIME."""

    program: str
    started_ns: int
    ended_ns: int
    exit_code: int
    """The program's; for a browser 0 when every page loaded, else 1."""
    error: str
    keylog: str
    """NSS key log."""
    responses: tuple[Response, ...]
    still_closing: int
    """Connections whose closing handshake was not over when the wait for it ended."""
    screenshot: str | None = None
    """PNG, base64."""
    title: str | None = None
    """Of the page that the browser shows at the end; a warning page has one of its own."""
    rendering: dict[str, Any] | None = field(default=None)
    intermediates: tuple[Intermediate, ...] = ()


def as_json(outcome: Outcome) -> dict[str, Any]:
    """The answer to POST /visits."""
    return asdict(outcome)
