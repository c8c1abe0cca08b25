"""HTTP/3 on aioquic: connections that may move, sessions that may be resumed with early data."""

from __future__ import annotations

import asyncio
from pathlib import Path

from aioquic.asyncio.protocol import QuicConnectionProtocol
from aioquic.asyncio.server import serve
from aioquic.h3.connection import H3Connection
from aioquic.h3.events import HeadersReceived
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.events import ProtocolNegotiated, QuicEvent
from aioquic.tls import SessionTicket

from quicsite.answers import answer


class SiteProtocol(QuicConnectionProtocol):
    """One client's connection."""

    _http: H3Connection | None = None

    def quic_event_received(self, event: QuicEvent) -> None:
        if isinstance(event, ProtocolNegotiated):
            self._http = H3Connection(self._quic)
        if self._http is None:
            return
        for message in self._http.handle_event(event):
            if isinstance(message, HeadersReceived):
                self._answer(self._http, message)

    def _answer(self, http: H3Connection, request: HeadersReceived) -> None:
        fields = {name.decode(): value.decode() for name, value in request.headers}
        method = fields.get(":method", "")
        found = answer(method, fields.get(":path", ""))
        headers = {
            ":status": str(found.status),
            "content-type": "text/plain",
            "content-length": str(len(found.body)),
            "cache-control": "no-store",
            **dict(found.fields),
        }
        encoded = [(name.encode(), value.encode()) for name, value in headers.items()]
        is_head = method == "HEAD"  # the same header fields, no content (RFC 9110, section 9.3.2)
        http.send_headers(request.stream_id, encoded, end_stream=is_head)
        if not is_head:
            http.send_data(request.stream_id, found.body, end_stream=True)
        self.transmit()


class Tickets:
    """Sessions that may be resumed once each (RFC 8446, section 8.1): a ticket used twice could be a replay.

    The oldest go when there are `most`: every connection brings one, and few are used.
    """

    def __init__(self, most: int = 1000) -> None:
        self._most = most
        self._kept: dict[bytes, SessionTicket] = {}

    def keep(self, ticket: SessionTicket) -> None:
        self._kept[ticket.ticket] = ticket
        if len(self._kept) > self._most:
            del self._kept[next(iter(self._kept))]

    def take(self, label: bytes) -> SessionTicket | None:
        return self._kept.pop(label, None)


async def serve_until(stopped: asyncio.Event, address: str, port: int, chain: Path, key: Path) -> None:
    """Serve until `stopped` is set. Raises OSError, and ValueError for a key or certificate that cannot be read."""
    configuration = QuicConfiguration(alpn_protocols=["h3"], is_client=False)
    configuration.load_cert_chain(chain, key)
    tickets = Tickets()
    server = await serve(
        address,
        port,
        configuration=configuration,
        create_protocol=SiteProtocol,
        session_ticket_fetcher=tickets.take,
        session_ticket_handler=tickets.keep,
    )
    try:
        await stopped.wait()
    finally:
        server.close()
