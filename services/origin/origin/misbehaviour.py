"""An origin that breaks HTTP itself: below Flask and WSGI, on the connection.

/garbage answers with bytes that are no HTTP; /hangup closes the connection without a byte; /cut breaks off within a
response, in its head or (?in=body) after a head that promised more. With ?origin=<name> only that origin does so, and
the other answers 200.
"""

from __future__ import annotations

import errno
from collections.abc import Iterable
from typing import TYPE_CHECKING
from urllib.parse import parse_qs

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

GARBAGE = b"\x8b\x1fthis is no HTTP\r\n\r\n"
HALF_A_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/pl"
HALF_A_BODY = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 1000\r\n\r\nless than was promised\n"


class Misbehaviour:
    """WSGI middleware: spoils the connection of a request that asks for it, hands all others to `app`."""

    def __init__(self, app: WSGIApplication, origin: str) -> None:
        self._app = app
        self._origin = origin

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        path = environ["PATH_INFO"]
        query = parse_qs(environ.get("QUERY_STRING", ""))
        sent = spoiled(path, query)
        if sent is None or self._origin not in query.get("origin", [self._origin]):
            return self._app(environ, start_response)
        if sent:
            environ["gunicorn.socket"].sendall(sent)
        # gunicorn takes this for a client that went away: it closes the connection and sends nothing.
        raise BrokenPipeError(errno.EPIPE, f"{path} was asked for")


def spoiled(path: str, query: dict[str, list[str]]) -> bytes | None:
    """What goes out in a response's place before the connection ends; None where `path` asks for no such thing."""
    match path:
        case "/garbage":
            return GARBAGE
        case "/hangup":
            return b""
        case "/cut":
            return HALF_A_BODY if query.get("in") == ["body"] else HALF_A_HEAD
    return None
