"""The transcript: all handshake messages so far, and their hash at any point (RFC 8446, 4.4.1)."""

from __future__ import annotations

from glassbox.keyschedule.hashes import Hash
from glassbox.messages import Handshake, HandshakeType


class Transcript:
    """Whole messages in order, whoever sent them."""

    def __init__(self) -> None:
        self._messages: list[bytes] = []

    def add(self, message: Handshake) -> None:
        self._messages.append(message.raw)

    def content(self) -> bytes:
        return b"".join(self._messages)

    def hash(self, hash_: Hash, more: bytes = b"") -> bytes:
        """The hash up to here, with `more` behind."""
        return hash_.digest(self.content() + more)

    def fold(self, hash_: Hash) -> None:
        """Put the first ClientHello's hash in its place, as a HelloRetryRequest demands."""
        folded = Handshake(HandshakeType.MESSAGE_HASH, hash_.digest(self.content()))
        self._messages = [folded.raw]
