"""An origin that breaks HTTP itself: below Flask and WSGI, on the connection.

/garbage answers with bytes that are no HTTP; /hangup closes the connection without a byte. With ?origin=<name> only
that origin does so, and the other answers 200.
"""

from __future__ import annotations

import errno
from collections.abc import Iterable
from typing import TYPE_CHECKING
from urllib.parse import parse_qs

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

GARBAGE = b"\x8b\x1fthis is no HTTP\r\n\r\n"


class Misbehaviour:
    """WSGI middleware: spoils the connection of a request that asks for it, hands all others to `app`."""

    def __init__(self, app: WSGIApplication, origin: str) -> None:
        self._app = app
        self._origin = origin

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        path = environ["PATH_INFO"]
        if path not in ("/garbage", "/hangup"):
            return self._app(environ, start_response)
        wanted = parse_qs(environ.get("QUERY_STRING", "")).get("origin", [self._origin])
        if self._origin not in wanted:
            return self._app(environ, start_response)
        if path == "/garbage":
            environ["gunicorn.socket"].sendall(GARBAGE)
        # gunicorn takes this for a client that went away: it closes the connection and sends nothing.
        raise BrokenPipeError(errno.EPIPE, f"{path} was asked for")
