"""JSON over HTTP for the agents on the control network.

An agent is a table from "METHOD /path" to a function that takes the request's JSON object and returns
the answer's. A function refuses bad input by raising `BadRequest`; the caller gets its text with
status 400. Anything else that escapes is the agent's own fault: status 500, the traceback in its log.
"""

from __future__ import annotations

import json
import socket
import sys
import traceback
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

JsonObject = Mapping[str, Any]
Handler = Callable[[JsonObject], JsonObject]

PORT = 8000
LARGEST_REQUEST = 16 * 1024 * 1024  # bytes


class BadRequest(ValueError):
    """The request cannot be carried out as asked; the text says what to change."""


def server(handlers: Mapping[str, Handler], address: str, port: int = PORT) -> ThreadingHTTPServer:
    """An HTTP server on address:port, bound and listening, that answers from `handlers` once served."""

    class AgentHandler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def setup(self) -> None:
            super().setup()
            # Header and body leave in two writes; Nagle would hold the second for a delayed ACK.
            self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

        def do_GET(self) -> None:
            status, answer = answer_to(handlers, f"{self.command} {self.path}", self._body())
            payload = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(payload)))
            self.end_headers()
            self.wfile.write(payload)

        do_POST = do_PUT = do_DELETE = do_GET

        def _body(self) -> bytes:
            length = int(self.headers.get("Content-Length") or 0)
            return self.rfile.read(min(length, LARGEST_REQUEST))

        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing: what an agent does is seen on the links."""

    return _AgentServer((address, port), AgentHandler)


class _AgentServer(ThreadingHTTPServer):
    def handle_error(self, request: Any, client_address: Any) -> None:
        """A caller that hangs up has its reasons; anything else is worth a traceback."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


def answer_to(handlers: Mapping[str, Handler], route: str, body: bytes) -> tuple[int, JsonObject]:
    """The status and JSON object that answer a request for `route` ("POST /visits") with `body`."""
    handler = handlers.get(route)
    if handler is None:
        return 404, {"error": f"no such request: {route}; known: {', '.join(sorted(handlers))}"}
    try:
        request = json.loads(body or b"{}")
    except (ValueError, RecursionError) as fault:
        return 400, {"error": f"{route}: the body is not JSON: {fault}"}
    if not isinstance(request, dict):
        return 400, {"error": f"{route}: expected a JSON object, found {type(request).__name__}"}
    try:
        return 200, handler(request)
    except BadRequest as refusal:
        return 400, {"error": str(refusal)}
    except Exception as fault:  # noqa: BLE001 - the agent must outlive one bad request
        traceback.print_exc()
        return 500, {"error": f"{route}: {type(fault).__name__}: {fault}"}
