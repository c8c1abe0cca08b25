"""OpenSSL's session tickets, opened with the keys they were sealed under (RFC 5077, 4, which they follow).

    key_name[16] iv[16] AES-256-CBC(session) HMAC-SHA256(all before)[32]

The session inside is OpenSSL's SSL_SESSION, a DER SEQUENCE: version, TLS version, cipher suite, session id, master
secret (for TLS 1.3 the PSK), and more that does not matter here.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC

from glassbox.keyschedule.hashes import Hash

_NAME, _IV, _MAC = 16, 16, 32  # bytes
_OCTET_STRING, _SEQUENCE = 0x04, 0x30  # DER


@dataclass(frozen=True, slots=True)
class TicketKey:
    """One key of a file as HAProxy reads it: 80 bytes."""

    name: bytes
    aes_key: bytes
    hmac_key: bytes

    @classmethod
    def read(cls, key: bytes) -> TicketKey:
        if len(key) != 80:
            raise ValueError(f"ticket key: expected 80 bytes, found {len(key)}")
        return cls(key[:16], key[16:48], key[48:])


@dataclass(frozen=True, slots=True)
class Session:
    """What a ticket keeps for the server."""

    version: int
    suite: int
    secret: bytes


def open_ticket(ticket: bytes, keys: Iterable[TicketKey]) -> Session:
    """Raises ValueError when none of the keys sealed it, or what it holds is no session."""
    key = next((key for key in keys if key.name == ticket[:_NAME]), None)
    if key is None:
        raise ValueError("ticket: sealed under none of these keys")
    if not hmac.compare_digest(Hash.SHA256.hmac(key.hmac_key, ticket[:-_MAC]), ticket[-_MAC:]):
        raise ValueError("ticket: its HMAC is not this key's")
    decryptor = Cipher(AES(key.aes_key), CBC(ticket[_NAME : _NAME + _IV])).decryptor()
    padded = decryptor.update(ticket[_NAME + _IV : -_MAC]) + decryptor.finalize()
    return _session(padded[: -padded[-1]])


def _session(der: bytes) -> Session:
    ((tag, content),) = _elements(der)
    if tag != _SEQUENCE:
        raise ValueError(f"session: expected a SEQUENCE, found tag {tag:#04x}")
    (_, _), (_, version), (_, suite), (_, _), (kind, secret), *_ = _elements(content)
    if kind != _OCTET_STRING:
        raise ValueError(f"session: master secret: expected an OCTET STRING, found tag {kind:#04x}")
    return Session(int.from_bytes(version), int.from_bytes(suite), secret)


def _elements(der: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    while at < len(der):
        tag, length = der[at], der[at + 1]
        at += 2
        if length & 0x80:
            size = length & 0x7F
            length = int.from_bytes(der[at : at + size])
            at += size
        yield tag, der[at : at + length]
        at += length
