"""Fetching URLs with the glass box: the only part with sockets and a clock."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from enum import StrEnum
from urllib.parse import urlsplit

from cryptography import x509

from glassbox.client import connect
from glassbox.connection import Connection
from glassbox.events import (
    ConnectionFailed,
    DataReceived,
    Event,
    HandshakeCompleted,
    PeerClosed,
    Ticket,
    TicketReceived,
)
from glassbox.handshake import ChainCheck
from glassbox.http1 import Head, Headers, HttpFault, Response, request
from glassbox.intermediate import Intermediate
from glassbox.keylog import key_log
from glassbox.offer import Offer
from glassbox.trust import chain_check

_PORT = 443
_LARGEST_READ = 1 << 16  # bytes


class Connections(StrEnum):
    """How the URLs of an errand share connections."""

    SHARED = "shared"
    """One per host and port, kept as long as HTTP allows."""
    FRESH = "fresh"
    """One per URL, each with a full handshake."""
    RESUMED = "resumed"
    """One per URL, each resuming the session of the one before it."""


@dataclass(frozen=True, slots=True)
class Errand:
    """What to fetch, and how. `offer.server_name` is filled in per URL."""

    urls: tuple[str, ...]
    offer: Offer
    roots: Sequence[x509.Certificate]
    method: str = "GET"
    headers: Headers = ()
    body: bytes | None = None
    timeout_s: float = 30.0
    connections: Connections = Connections.SHARED
    check_chain: ChainCheck | None = None
    """Instead of path validation up to `roots`."""


@dataclass(slots=True)
class Fetched:
    """What came of one URL. Times are nanoseconds since the start of its transfer, 0 for what did not happen."""

    url: str
    head: Head | None = None
    body: bytes = b""
    local_port: int | None = None
    remote_address: str = ""
    remote_port: int = 0
    is_new_connection: bool = False
    looked_up_ns: int = 0
    connected_ns: int = 0
    secured_ns: int = 0
    requested_ns: int = 0
    first_byte_ns: int = 0
    total_ns: int = 0
    error: str = ""


@dataclass(frozen=True, slots=True)
class Opened:
    """One connection of an errand: how its handshake ended, and every value of its key schedule."""

    completed: HandshakeCompleted | None
    failure: ConnectionFailed | None
    intermediates: tuple[Intermediate, ...]
    keylog: str


class ErrandFault(Exception):
    """The errand came to no good end; the text says why."""


@dataclass(slots=True)
class _Line:
    """A TCP connection and the TLS connection on it."""

    key: tuple[str, int]
    socket: socket.socket
    tls: Connection
    deadline: float
    events: list[Event] = field(default_factory=list)
    ticket: Ticket | None = None
    is_usable: bool = True

    def exchange(self) -> list[Event]:
        """Send what waits, then take what comes. Raises ErrandFault, OSError."""
        self.flush()
        self.socket.settimeout(_left(self.deadline))
        happened = self.tls.receive(self.socket.recv(_LARGEST_READ))
        self.events += happened
        self.flush()
        for event in happened:
            match event:
                case TicketReceived(ticket):
                    self.ticket = ticket
                case ConnectionFailed():
                    self.is_usable = False
                    raise ErrandFault(str(event))
                case PeerClosed():
                    self.is_usable = False
        return happened

    def flush(self) -> None:
        self.socket.settimeout(_left(self.deadline))
        self.socket.sendall(self.tls.bytes_to_send())

    def close(self) -> None:
        """close_notify, FIN, and the peer's end."""
        try:
            self.tls.close()
            self.flush()
            self.socket.shutdown(socket.SHUT_WR)
            while data := self.socket.recv(_LARGEST_READ):
                self.events += self.tls.receive(data)
        except (OSError, ErrandFault) as fault:
            self.events.append(ConnectionFailed(0, f"while closing: {fault}", by_us=False))
        finally:
            self.socket.close()

    def opened(self) -> Opened:
        return Opened(
            completed=next((event for event in self.events if isinstance(event, HandshakeCompleted)), None),
            failure=next((event for event in self.events if isinstance(event, ConnectionFailed)), None),
            intermediates=self.tls.ledger.entries,
            keylog=key_log(self.tls.ledger),
        )


def fetch(errand: Errand) -> tuple[list[Fetched], list[Opened]]:
    """Carry out the errand, one URL after the other. What goes wrong is in `Fetched.error`."""
    runner = _Runner(errand)
    fetched = [runner.fetch(url) for url in errand.urls]
    runner.close()
    return fetched, runner.opened


class _Runner:
    def __init__(self, errand: Errand) -> None:
        self._errand = errand
        self._deadline = time.monotonic() + errand.timeout_s
        self._line: _Line | None = None
        self._tickets: dict[str, Ticket] = {}
        self.opened: list[Opened] = []

    def fetch(self, url: str) -> Fetched:
        fetched = Fetched(url)
        with _timed(fetched):
            parts = urlsplit(url)
            line = self._connected((parts.hostname or "", parts.port or _PORT), fetched)
            target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
            self._ask(line, target, parts.netloc, fetched)
        if self._errand.connections is not Connections.SHARED or fetched.error:
            self.close()
        return fetched

    def close(self) -> None:
        line, self._line = self._line, None
        if line is None:
            return
        line.close()
        if line.ticket is not None:
            self._tickets[line.key[0]] = line.ticket
        self.opened.append(line.opened())

    def _connected(self, key: tuple[str, int], fetched: Fetched) -> _Line:
        if self._line and (self._line.key != key or not self._line.is_usable):
            self.close()
        line = self._line or self._connect(key, fetched)
        self._line = line
        fetched.local_port = line.socket.getsockname()[1]
        fetched.remote_address, fetched.remote_port = line.socket.getpeername()
        if not fetched.is_new_connection:
            return line
        while not line.tls.is_open:
            line.exchange()
        fetched.secured_ns = time.monotonic_ns()
        return line

    def _connect(self, key: tuple[str, int], fetched: Fetched) -> _Line:
        errand, (host, port) = self._errand, key
        name = host.removesuffix(".")  # neither server_name (RFC 6066, 3) nor a certificate has the root's dot
        check = errand.check_chain or _chain_check(errand.roots, name)
        address = socket.getaddrinfo(host, port, socket.AF_INET, socket.SOCK_STREAM)[0][4]
        fetched.looked_up_ns = time.monotonic_ns()
        connected = socket.create_connection((str(address[0]), port), _left(self._deadline))
        connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        fetched.connected_ns = time.monotonic_ns()
        fetched.is_new_connection = True
        ticket = self._tickets.get(host) if errand.connections is Connections.RESUMED else None
        offer = replace(errand.offer, server_name=name, ticket=ticket)
        return _Line(key, connected, connect(offer, check), self._deadline)

    def _ask(self, line: _Line, target: str, host: str, fetched: Fetched) -> None:
        errand = self._errand
        fetched.requested_ns = time.monotonic_ns()
        line.tls.send(request(errand.method, target, host, errand.headers, errand.body))
        response = Response(errand.method)
        while not response.is_complete:
            for event in line.exchange():
                if isinstance(event, DataReceived):
                    fetched.first_byte_ns = fetched.first_byte_ns or time.monotonic_ns()
                    response.feed(event.data)
            if not line.is_usable and not response.is_complete:
                response.end()
        line.is_usable = line.is_usable and response.keeps_connection
        fetched.head, fetched.body = response.head, bytes(response.body)


def _chain_check(roots: Sequence[x509.Certificate], name: str) -> ChainCheck:
    """Raises ErrandFault."""
    try:
        return chain_check(roots, name, datetime.now(UTC))
    except ValueError as fault:
        raise ErrandFault(f"no certificate can be checked for {name!r}: {fault}") from fault


@contextmanager
def _timed(fetched: Fetched) -> Iterator[None]:
    """Keep what goes wrong inside as the transfer's error, and count its times from here."""
    started_ns = time.monotonic_ns()
    try:
        yield
    except TimeoutError:
        fetched.error = "not done within the visit's time"
    except (OSError, HttpFault, ErrandFault) as fault:
        fetched.error = str(fault)
    fetched.total_ns = time.monotonic_ns()
    for name in ("looked_up_ns", "connected_ns", "secured_ns", "requested_ns", "first_byte_ns", "total_ns"):
        moment = getattr(fetched, name)
        setattr(fetched, name, moment - started_ns if moment else 0)


def _left(deadline: float) -> float:
    """Seconds; raises TimeoutError when there are none."""
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left
