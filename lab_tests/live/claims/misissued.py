"""Names of the site whose certificate a client must refuse, one fault each (services/pki/pki/catalogue.py)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from captured import Captured
from observer.connections import Connection
from observer.messages import Frame
from observer.registries import ALERTS, name_of

DOMAIN = "parseltongue.co.in"


@dataclass(frozen=True, slots=True)
class Fault:
    """`alert`: the one that names the fault (RFC 8446, section 6.2). Where the RFC has none for it (another name, one
    out of bounds, a short key): OpenSSL's choice."""

    name: str
    what: str
    alert: str

    @property
    def host(self) -> str:
        return f"{self.name}.{DOMAIN}"

    @property
    def url(self) -> str:
        return f"https://{self.host}/"


FAULTS = (
    Fault("unknown-ca", "signed by a root nobody trusts", "unknown_ca"),
    Fault("self-signed", "signed by its own key", "unknown_ca"),
    Fault("wrong-name", "for another name", "bad_certificate"),
    Fault("expired", "ended yesterday", "certificate_expired"),
    Fault("not-yet-valid", "begins in 300 days", "certificate_expired"),  # "has expired or is not currently valid"
    Fault("incomplete", "intermediate not sent along", "unknown_ca"),
    Fault("revoked", "on its CA's revocation list", "certificate_revoked"),
    Fault("constrained", "its CA may not sign for this name", "certificate_unknown"),
    Fault("wrong-usage", "a client's certificate, not a server's", "unsupported_certificate"),
    Fault("weak-key", "its key is RSA with 1024 bits", "bad_certificate"),
)


def connections_to(captured: Captured, host: str, link: str) -> list[Connection]:
    """The connections opened on `link` whose ClientHello names `host` (RFC 6066, section 3)."""
    hellos = [(connection, connection.client_hello) for connection in captured.opened(link)]
    return [connection for connection, hello in hellos if hello and hello[1].server_name == host]


def connection_to(captured: Captured, host: str, link: str = "edge") -> Connection:
    """The one connection on `link` whose ClientHello names `host`."""
    found = connections_to(captured, host, link)
    assert len(found) == 1, f"{link}: expected one connection for {host}, found {len(found)}"
    return found[0]


def client_alerts(connection: Connection) -> list[tuple[str, Frame]]:
    """The alerts that the client sent, by name, without its goodbye (close_notify)."""
    return [
        (name_of(alert.description, ALERTS), frame)
        for frame in connection.frames
        if frame.tls and connection.from_client(frame)
        for alert in frame.tls.alerts
        if alert.description != 0
    ]


def requests(connection: Connection) -> list[Frame]:
    """The frames in which the client sent a request."""
    return [frame for frame in connection.frames for message in frame.http if message.is_request]


def outspoken(connections: Iterable[Connection]) -> list[Connection]:
    """Those on which the client shows what it makes of the server, by an alert or a request. On a busy machine Chromium
    opens one more in reserve, with a ClientHello, on which nothing else is said."""
    return [connection for connection in connections if client_alerts(connection) or requests(connection)]
