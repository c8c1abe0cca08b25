"""An HTTP server on the isp for traffic that is redirected to it, over TLS or in the clear."""

from __future__ import annotations

import socket
import ssl
import sys
import threading
from contextlib import suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import IPv4Address

from attack.overheard import LARGEST_BODY, Ear

_PATIENCE_S = 10.0
Headers = list[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Response:
    """What to answer."""

    status: int
    headers: Headers
    body: bytes


class Listener(ThreadingHTTPServer):
    """Serves from construction to `end`; requests are overheard, then answered by `respond`. Raises OSError."""

    daemon_threads = False  # `server_close` waits for those that are none
    timeout = 0  # for `handle_request`, which `end` uses
    name = "listener"

    def __init__(self, address: IPv4Address, port: int, ear: Ear, tls: ssl.SSLContext | None = None) -> None:
        self._ear = ear
        self._tls = tls
        self._lock = threading.Lock()
        self._connections: set[socket.socket] = set()
        self._ending = False
        self._none_waits = False
        super().__init__((str(address), port), _Handler)
        self._thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self._thread.start()

    def end(self) -> None:
        """Whoever connected until now is heard out, as far as their words have arrived; then nobody is any more."""
        self.shutdown()
        self._thread.join()
        while not self._none_waits:
            self.handle_request()
        with self._lock:
            self._ending = True
            for connection in self._connections:
                _read_no_more(connection)
        self.server_close()

    def handle_timeout(self) -> None:
        self._none_waits = True

    def respond(self, method: str, path: str, headers: Headers, body: bytes) -> Response:
        raise NotImplementedError

    def finish_request(self, request: socket.socket | tuple[bytes, socket.socket], client_address: object) -> None:
        """In the connection's own thread: the TLS handshake must not hold up others."""
        assert isinstance(request, socket.socket)
        assert isinstance(client_address, tuple)
        request.settimeout(_PATIENCE_S)
        if self._tls is None:
            self._converse(request, client_address)
            return
        try:
            secured = self._tls.wrap_socket(request, server_side=True)
        except (OSError, ssl.SSLError) as fault:
            self._ear.hear(self.name, client_address[:2], "handshake failed", str(fault))
            return
        with secured:
            self._converse(secured, client_address)

    def _converse(self, connection: socket.socket, client_address: tuple[str, int]) -> None:
        with self._lock:
            self._connections.add(connection)
            if self._ending:
                _read_no_more(connection)
        try:
            super().finish_request(connection, client_address)
        finally:
            with self._lock:
                self._connections.discard(connection)

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that breaks off, as one does that dislikes a certificate, is worth a line, not a traceback."""
        assert isinstance(client_address, tuple)
        self._ear.hear(self.name, client_address[:2], "connection broke", str(sys.exception()))

    def overhear(self, client_address: tuple[str, int], request: str) -> None:
        self._ear.hear(self.name, client_address, "request", request)


def _read_no_more(connection: socket.socket) -> None:
    """Let who waits for a next request find the end after what has arrived; an answer may still be written."""
    with suppress(OSError):  # the client was first
        socket.socket.shutdown(connection, socket.SHUT_RD)  # SSLSocket's own would write in the clear from now on


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Listener

    def do_GET(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        headers = list(self.headers.items())
        lines = [f"{self.command} {self.path}", *(f"{name}: {value}" for name, value in headers)]
        seen = body[:LARGEST_BODY].decode("utf-8", "replace")
        host, port = self.client_address[:2]
        self.server.overhear((str(host), port), "\n".join([*lines, "", seen]))
        response = self.server.respond(self.command, self.path, headers, body)
        self.send_response_only(response.status)
        for name, value in response.headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(response.body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(response.body)

    do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = do_GET

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing: what was asked is in the report."""
