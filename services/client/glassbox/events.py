"""What a connection observed, in the past tense."""

from __future__ import annotations

from dataclasses import dataclass

from glassbox.alerts import AlertDescription, alert_name


@dataclass(frozen=True, slots=True)
class HandshakeCompleted:
    """Both Finished messages were right. Names as registered; `group` None when no Diffie-Hellman took place."""

    version: str
    suite: str
    group: str | None
    protocol: str | None
    """What ALPN chose."""
    is_resumed: bool
    certificates: tuple[bytes, ...]
    """DER, the end entity's first; empty in a resumed session."""


@dataclass(frozen=True, slots=True)
class Ticket:
    """What resumes a session: the identity goes over the wire, the secret never does."""

    version: int
    suite: int
    identity: bytes
    secret: bytes
    """TLS 1.3: the PSK (RFC 8446, 4.6.1). TLS 1.2: the master secret (RFC 5077)."""
    lifetime_s: int
    age_add: int = 0
    has_extended_master_secret: bool = False


@dataclass(frozen=True, slots=True)
class TicketReceived:
    ticket: Ticket


@dataclass(frozen=True, slots=True)
class DataReceived:
    data: bytes


@dataclass(frozen=True, slots=True)
class PeerClosed:
    """close_notify came: nothing was cut off."""


@dataclass(frozen=True, slots=True)
class ConnectionFailed:
    """A fatal alert went out (`by_us`) or came in, and the connection is over."""

    alert: int
    text: str
    by_us: bool

    def __str__(self) -> str:
        who = "sent" if self.by_us else "received"
        return f"{alert_name(self.alert)} {who}{f': {self.text}' if self.text else ''}"


Event = HandshakeCompleted | TicketReceived | DataReceived | PeerClosed | ConnectionFailed


def failed(alert: AlertDescription, text: str) -> ConnectionFailed:
    return ConnectionFailed(alert, text, by_us=True)
