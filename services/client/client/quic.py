"""A visit made by aioquic: HTTP/3 by a client that can move to another port or address, resume, and send early data."""

from __future__ import annotations

import select
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib.metadata import version
from io import StringIO
from ipaddress import IPv4Address
from pathlib import Path
from urllib.parse import urlsplit

from aioquic.h3.connection import H3Connection
from aioquic.h3.events import DataReceived, HeadersReceived
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.connection import MAX_EARLY_DATA, QuicConnection
from aioquic.quic.events import ConnectionTerminated, HandshakeCompleted, StreamReset
from aioquic.tls import SessionTicket

from client.visit import Again, Outcome, Response, Timings, Visit

_PORT = 443
_LARGEST_DATAGRAM = 65_536


class QuicFailed(Exception):
    """The visit came to no good end; the text says how far it came."""


@dataclass(slots=True)
class Transfer:
    """One request and what has come back for it. Times are nanoseconds since the transfer's start."""

    url: str
    stream: int
    started_ns: int
    status: int = 0
    headers: tuple[tuple[str, str], ...] = ()
    size: int = 0
    first_byte_ns: int = 0
    total_ns: int = 0
    done: bool = False


@dataclass(frozen=True, slots=True)
class Quic:
    """How to run aioquic on this host."""

    version: str
    ca_file: Path
    """The lab's root certificate, PEM."""
    public_ca_file: Path
    home: IPv4Address
    second_home: IPv4Address

    def visit(self, visit: Visit) -> Outcome:
        """Carry out `visit`; a failure is told in the outcome."""
        keys = StringIO()
        started_ns = time.time_ns()
        transfers: list[tuple[Session, Transfer]] = []
        error = ""
        try:
            self._carry_out(visit, keys, transfers, time.monotonic() + visit.timeout_s)
        except (QuicFailed, OSError) as fault:
            error = f"aioquic: {fault}"
        responses = tuple(session.response(transfer) for session, transfer in transfers)
        return Outcome(self.version, started_ns, time.time_ns(), int(bool(error)), error, keys.getvalue(), responses, 0)

    def _carry_out(self, visit: Visit, keys: StringIO, transfers: list[tuple[Session, Transfer]], end: float) -> None:
        session = self._connect(visit, keys, None)
        try:
            transfers += session.fetch(visit.urls, end)
            if visit.again in (Again.PORT, Again.ADDRESS):
                session.move_to(self.second_home if visit.again is Again.ADDRESS else self.home)
                transfers += session.fetch(visit.urls, end)
        finally:
            session.close()
        if visit.again not in (Again.RESUMED, Again.EARLY):
            return
        if session.ticket is None:
            raise QuicFailed("the server gave no session ticket (RFC 8446, 4.6.1): there is nothing to resume")
        if visit.again is Again.EARLY:
            # What the ticket itself says is on the wire; here the server is put to the test whatever it said.
            session.ticket.max_early_data_size = MAX_EARLY_DATA
        else:
            session.ticket.max_early_data_size = None
        resumed = self._connect(visit, keys, session.ticket)
        try:
            transfers += resumed.fetch(visit.urls, end)
        finally:
            resumed.close()

    def _connect(self, visit: Visit, keys: StringIO, ticket: SessionTicket | None) -> Session:
        parts = urlsplit(visit.urls[0])
        ca_file = self.ca_file if visit.trust else self.public_ca_file
        configuration = QuicConfiguration(
            alpn_protocols=["h3"],
            cafile=str(ca_file),
            secrets_log_file=keys,
            server_name=parts.hostname,
            session_ticket=ticket,
        )
        started_ns = time.monotonic_ns()
        address = socket.getaddrinfo(parts.hostname, parts.port or _PORT, socket.AF_INET, socket.SOCK_DGRAM)[0][4]
        return Session(configuration, (str(address[0]), int(address[1])), self.home, started_ns)


@dataclass(slots=True)
class Session:
    """One QUIC connection and the socket it uses at the moment."""

    configuration: QuicConfiguration
    server: tuple[str, int]
    home: IPv4Address
    started_ns: int
    ticket: SessionTicket | None = None
    looked_up_ns: int = field(init=False)
    connected_ns: int = 0
    closed: str = ""
    transfers: dict[int, Transfer] = field(default_factory=dict)
    _connection: QuicConnection = field(init=False)
    _http: H3Connection = field(init=False)
    _socket: socket.socket = field(init=False)

    def __post_init__(self) -> None:
        self.looked_up_ns = time.monotonic_ns() - self.started_ns
        self._socket = _socket_at(self.home)
        self._connection = QuicConnection(configuration=self.configuration, session_ticket_handler=self._keep)
        self._connection.connect(self.server, time.monotonic())
        self._http = H3Connection(self._connection)

    def _keep(self, ticket: SessionTicket) -> None:
        self.ticket = ticket

    def fetch(self, urls: tuple[str, ...], end: float) -> list[tuple[Session, Transfer]]:
        """Ask for all `urls` at once and wait for the answers.

        Raises:
            QuicFailed: the connection ended, or monotonic time `end` came, before the last of them.
            OSError: the network refused a datagram.
        """
        # Requests wait for the handshake, unless this session may begin with early data.
        if not self._may_begin_early():
            self._run(lambda: bool(self.connected_ns), end)
        asked = [self._ask(url) for url in urls]
        self._run(lambda: all(transfer.done for transfer in asked), end)
        return [(self, transfer) for transfer in asked]

    def move_to(self, address: IPv4Address) -> None:
        """Go on from a new socket at `address`, with another of the server's connection ids (RFC 9000, section 9.5)."""
        self._socket.close()
        self._socket = _socket_at(address)
        self._connection.change_connection_id()

    def close(self) -> None:
        """Say CONNECTION_CLOSE and leave."""
        self._connection.close()
        self._send()
        self._socket.close()

    def response(self, transfer: Transfer) -> Response:
        handshake_ns = self.connected_ns
        return Response(
            url=transfer.url,
            status=transfer.status,
            http_version="3" if transfer.status else "",
            verify_result=0 if handshake_ns else None,
            local_port=None,
            remote_address=self.server[0],
            remote_port=self.server[1],
            timings_ns=Timings(
                namelookup=self.looked_up_ns,
                connect=handshake_ns,
                appconnect=handshake_ns,
                starttransfer=transfer.first_byte_ns,
                total=transfer.total_ns,
            ),
            size_download=transfer.size,
            num_connects=int(transfer is next(iter(self.transfers.values()))),
            headers=transfer.headers,
            error="" if transfer.done else self.closed or "no answer in time",
        )

    def _may_begin_early(self) -> bool:
        ticket = self.configuration.session_ticket
        return ticket is not None and ticket.max_early_data_size == MAX_EARLY_DATA

    def _ask(self, url: str) -> Transfer:
        parts = urlsplit(url)
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        stream = self._connection.get_next_available_stream_id()
        fields = {":method": "GET", ":scheme": "https", ":authority": parts.netloc, ":path": path}
        headers = [(name.encode(), value.encode()) for name, value in fields.items()]
        self._http.send_headers(stream, [*headers, (b"user-agent", b"aioquic")], end_stream=True)
        self.transfers[stream] = Transfer(url, stream, time.monotonic_ns())
        return self.transfers[stream]

    def _run(self, is_over: Callable[[], bool], end: float) -> None:
        self._send()
        while not is_over():
            if self.closed:
                raise QuicFailed(self.closed)
            now = time.monotonic()
            if now > end:
                raise QuicFailed("not done within the time allowed")
            timer = self._connection.get_timer()
            wait = min(end, timer if timer is not None else end) - now
            if select.select([self._socket], [], [], max(wait, 0))[0]:
                self._connection.receive_datagram(self._socket.recv(_LARGEST_DATAGRAM), self.server, time.monotonic())
            elif timer is not None and time.monotonic() >= timer:
                self._connection.handle_timer(time.monotonic())
            self._take_events()
            self._send()

    def _send(self) -> None:
        for datagram, address in self._connection.datagrams_to_send(time.monotonic()):
            self._socket.sendto(datagram, address)

    def _take_events(self) -> None:
        while event := self._connection.next_event():
            if isinstance(event, HandshakeCompleted):
                self.connected_ns = time.monotonic_ns() - self.started_ns
            elif isinstance(event, ConnectionTerminated):
                self.closed = f"the connection ended: {event.reason_phrase or hex(event.error_code)}"
            elif isinstance(event, StreamReset):
                self.closed = f"the server reset stream {event.stream_id}"
            for message in self._http.handle_event(event):
                if isinstance(message, HeadersReceived | DataReceived) and message.stream_id in self.transfers:
                    _note(self.transfers[message.stream_id], message)


def aioquic_version() -> str:
    """ "aioquic" and its number."""
    return f"aioquic {version('aioquic')}"


def _socket_at(address: IPv4Address) -> socket.socket:
    opened = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    opened.bind((str(address), 0))
    return opened


def _note(transfer: Transfer, message: HeadersReceived | DataReceived) -> None:
    since_ns = time.monotonic_ns() - transfer.started_ns
    if isinstance(message, HeadersReceived):
        fields = [(name.decode(), value.decode()) for name, value in message.headers]
        transfer.status = next(int(value) for name, value in fields if name == ":status")
        transfer.headers = tuple((name, value) for name, value in fields if not name.startswith(":"))
        transfer.first_byte_ns = since_ns
    else:
        transfer.size += len(message.data)
    if message.stream_ended:
        transfer.total_ns, transfer.done = since_ns, True
