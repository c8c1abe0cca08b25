"""The key schedule of TLS 1.2: pre-master secret and both randoms give the master secret, that gives the keys. Pure.

RFC 5246, 5 (PRF), 6.3 (keys), 7.4.9 (Finished), 8.1 (master secret); RFC 7627 (extended master secret).
"""

from __future__ import annotations

from dataclasses import dataclass

from glassbox.intermediate import defined_in
from glassbox.keyschedule.hashes import Hash

MASTER_SECRET_LENGTH = 48  # bytes, RFC 5246, 8.1
VERIFY_DATA_LENGTH = 12  # bytes, RFC 5246, 7.4.9
_KEYS = "RFC 5246, 6.3"


def p_hash(hash_: Hash, secret: bytes, seed: bytes, length: int) -> bytes:
    """P_hash, RFC 5246, 5."""
    output, a = b"", seed
    while len(output) < length:
        a = hash_.hmac(secret, a)
        output += hash_.hmac(secret, a + seed)
    return output[:length]


def prf(hash_: Hash, secret: bytes, label: str, seed: bytes, length: int) -> bytes:
    """PRF, RFC 5246, 5."""
    return p_hash(hash_, secret, label.encode() + seed, length)


def master_secret(hash_: Hash, pre_master_secret: bytes, client_random: bytes, server_random: bytes) -> bytes:
    """RFC 5246, 8.1."""
    return prf(hash_, pre_master_secret, "master secret", client_random + server_random, MASTER_SECRET_LENGTH)


def extended_master_secret(hash_: Hash, pre_master_secret: bytes, session_hash: bytes) -> bytes:
    """RFC 7627, 4: bound to all messages up to ClientKeyExchange, not to the randoms alone."""
    return prf(hash_, pre_master_secret, "extended master secret", session_hash, MASTER_SECRET_LENGTH)


@dataclass(frozen=True, slots=True)
class KeyBlock:
    """The key block, cut in the order of RFC 5246, 6.3. Without a MAC (AEAD suites) the first two are empty."""

    client_write_mac_key: bytes = defined_in(_KEYS)
    server_write_mac_key: bytes = defined_in(_KEYS)
    client_write_key: bytes = defined_in(_KEYS)
    server_write_key: bytes = defined_in(_KEYS)
    client_write_iv: bytes = defined_in(_KEYS)
    server_write_iv: bytes = defined_in(_KEYS)


@dataclass(frozen=True, slots=True)
class KeyLengths:
    """Bytes per direction; `iv` is the part of the nonce that is never sent."""

    mac_key: int
    key: int
    iv: int


def key_block(hash_: Hash, master: bytes, client_random: bytes, server_random: bytes, lengths: KeyLengths) -> KeyBlock:
    """RFC 5246, 6.3. Here the server's random comes first."""
    cuts = [length for length in (lengths.mac_key, lengths.key, lengths.iv) for _ in ("client", "server")]
    block = prf(hash_, master, "key expansion", server_random + client_random, sum(cuts))
    parts = []
    for length in cuts:
        parts.append(block[:length])
        block = block[length:]
    return KeyBlock(*parts)


def verify_data(hash_: Hash, master: bytes, label: str, transcript_hash: bytes) -> bytes:
    """The content of Finished, RFC 5246, 7.4.9; `label` is "client finished" or "server finished"."""
    return prf(hash_, master, label, transcript_hash, VERIFY_DATA_LENGTH)
