"""The login cookie. Secure (RFC 6265 section 4.1.2.5) wherever the client came over TLS."""

from __future__ import annotations

from flask import Flask, request
from flask.sessions import SecureCookieSessionInterface


class SessionCookie(SecureCookieSessionInterface):
    """Flask's signed cookie. The balancer always asks over TLS, so only its Forwarded tells how the client came."""

    def get_cookie_secure(self, app: Flask) -> bool:
        # The balancer writes the header itself, proto first, and removes any that a client sent.
        client_scheme = request.headers.get("Forwarded", "").partition(";")[0]
        return client_scheme != "proto=http"
