"""What a client's handshake begins with once the version is known, and what both versions share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Any

from glassbox.alerts import AlertDescription, TlsFault
from glassbox.connection import Layer
from glassbox.events import Ticket
from glassbox.groups import Randomness
from glassbox.messages import Handshake, HandshakeType, ServerHello
from glassbox.offer import Hello
from glassbox.suites import CipherSuite
from glassbox.transcript import Transcript

ChainCheck = Callable[[tuple[bytes, ...]], None]
"""Accepts a chain (DER, the end entity's certificate first) or raises TlsFault with a certificate's alert."""


@dataclass(frozen=True, slots=True)
class Beginning:
    """Both hellos, and what came with them."""

    layer: Layer
    transcript: Transcript
    hello: Hello
    server_hello: ServerHello
    suite: CipherSuite
    ticket: Ticket | None
    check_chain: ChainCheck
    randomness: Randomness

    @property
    def offered_extensions(self) -> tuple[int, ...]:
        return tuple(type for type, _ in self.hello.client_hello.extensions)


_NAMES = {type.value: type.name.lower() for type in HandshakeType}
Handler = Callable[[Any, Handshake], Any]
"""Takes the player and the message, gives the state after it."""


def handler_for(table: dict[Any, dict[HandshakeType, Handler]], state: Enum, message: Handshake) -> Handler:
    """What a state machine does with a message. Raises TlsFault(unexpected_message) where the table has nothing."""
    expected = table[state]
    for type, handler in expected.items():
        if type == message.type:
            return handler
    names = " or ".join(type.name.lower() for type in expected) or "no handshake message"
    found = _NAMES.get(message.type, f"handshake message {message.type}")
    raise TlsFault(AlertDescription.UNEXPECTED_MESSAGE, f"expected {names}, found {found}")
