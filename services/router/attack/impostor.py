"""Answers in the balancer's place."""

from __future__ import annotations

import ssl
import tempfile
from ipaddress import IPv4Address
from pathlib import Path

from attack.certificates import make
from attack.listener import Headers, Listener, Response
from attack.overheard import Ear
from attack.redirection import HTTP_PORT, HTTPS_PORT

PAGE = b"<!doctype html><title>parseltongue.co.in</title><p>This page is the isp's. Please type your password.</p>\n"


class ImpostorServer(Listener):
    """For every path the same page. Raises OSError, CertificateFailed."""

    def __init__(self, address: IPv4Address, scheme: str, ear: Ear) -> None:
        self.name = f"impostor {scheme}"
        secure = scheme == "https"
        super().__init__(address, HTTPS_PORT if secure else HTTP_PORT, ear, _tls() if secure else None)

    def respond(self, method: str, path: str, headers: Headers, body: bytes) -> Response:
        return Response(200, [("Content-Type", "text/html"), ("Cache-Control", "no-store")], PAGE)


def _tls() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.TemporaryDirectory(prefix="impostor-") as folder:
        context.load_cert_chain(*make(Path(folder)))
    context.set_alpn_protocols(["http/1.1"])
    return context
