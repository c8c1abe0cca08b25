"""The key schedule of TLS 1.3 (RFC 8446, 7), stage by stage as in the figure of section 7.1. Pure.

    0 or PSK -> early_secret -> binder_key, early secrets
    (EC)DHE  -> handshake_secret -> handshake traffic secrets
    0        -> master_secret -> application traffic secrets, exporter, resumption

Each stage is a value that holds all its intermediates; each intermediate names its section.
"""

from __future__ import annotations

from dataclasses import dataclass

from glassbox.intermediate import defined_in
from glassbox.keyschedule.hashes import Hash
from glassbox.presentation import uint, vector

_SCHEDULE = "RFC 8446, 7.1"
_TRAFFIC_KEYS = "RFC 8446, 7.3"
_FINISHED = "RFC 8446, 4.4.4"


def hkdf_expand_label(hash_: Hash, secret: bytes, label: str, context: bytes, length: int) -> bytes:
    """HKDF-Expand-Label, RFC 8446, 7.1."""
    hkdf_label = uint(length, 2) + vector(1, b"tls13 " + label.encode()) + vector(1, context)
    return hash_.hkdf_expand(secret, hkdf_label, length)


def derive_secret(hash_: Hash, secret: bytes, label: str, transcript_hash: bytes) -> bytes:
    """Derive-Secret, RFC 8446, 7.1, from the messages' Transcript-Hash instead of the messages."""
    return hkdf_expand_label(hash_, secret, label, transcript_hash, hash_.length)


@dataclass(frozen=True, slots=True)
class TrafficKeys:
    """What protects records in one direction, from that direction's traffic secret."""

    key: bytes = defined_in(_TRAFFIC_KEYS)
    iv: bytes = defined_in(_TRAFFIC_KEYS)


def traffic_keys(hash_: Hash, traffic_secret: bytes, key_length: int, iv_length: int = 12) -> TrafficKeys:
    """RFC 8446, 7.3."""
    return TrafficKeys(
        key=hkdf_expand_label(hash_, traffic_secret, "key", b"", key_length),
        iv=hkdf_expand_label(hash_, traffic_secret, "iv", b"", iv_length),
    )


def next_traffic_secret(hash_: Hash, traffic_secret: bytes) -> bytes:
    """After a KeyUpdate, RFC 8446, 7.2."""
    return hkdf_expand_label(hash_, traffic_secret, "traffic upd", b"", hash_.length)


def finished_key(hash_: Hash, base_key: bytes) -> bytes:
    """RFC 8446, 4.4.4; also a binder's key, from the binder_key (4.2.11.2)."""
    return hkdf_expand_label(hash_, base_key, "finished", b"", hash_.length)


def verify_data(hash_: Hash, key: bytes, transcript_hash: bytes) -> bytes:
    """The content of Finished, or a PSK binder, from a `finished_key`."""
    return hash_.hmac(key, transcript_hash)


@dataclass(frozen=True, slots=True)
class EarlyStage:
    """What is known before the first key exchange: from a PSK, or from zeros without one."""

    early_secret: bytes = defined_in(_SCHEDULE)
    derived_for_handshake: bytes = defined_in(_SCHEDULE)


def early_stage(hash_: Hash, psk: bytes | None = None) -> EarlyStage:
    zeros = bytes(hash_.length)
    early_secret = hash_.hkdf_extract(zeros, zeros if psk is None else psk)
    return EarlyStage(early_secret, derive_secret(hash_, early_secret, "derived", hash_.digest(b"")))


def binder_key(hash_: Hash, early: EarlyStage, *, external: bool = False) -> bytes:
    """RFC 8446, 7.1 and 4.2.11.2; a PSK is external or came with a ticket."""
    return derive_secret(hash_, early.early_secret, "ext binder" if external else "res binder", hash_.digest(b""))


@dataclass(frozen=True, slots=True)
class EarlyDataStage:
    """The secrets of 0-RTT data; `client_hello_hash` covers ClientHello alone."""

    client_early_traffic_secret: bytes = defined_in(_SCHEDULE)
    early_exporter_master_secret: bytes = defined_in(_SCHEDULE)


def early_data_stage(hash_: Hash, early: EarlyStage, client_hello_hash: bytes) -> EarlyDataStage:
    return EarlyDataStage(
        client_early_traffic_secret=derive_secret(hash_, early.early_secret, "c e traffic", client_hello_hash),
        early_exporter_master_secret=derive_secret(hash_, early.early_secret, "e exp master", client_hello_hash),
    )


@dataclass(frozen=True, slots=True)
class HandshakeStage:
    """From the shared secret (zeros where a PSK stands alone) and the hash of ClientHello to ServerHello."""

    handshake_secret: bytes = defined_in(_SCHEDULE)
    client_handshake_traffic_secret: bytes = defined_in(_SCHEDULE)
    server_handshake_traffic_secret: bytes = defined_in(_SCHEDULE)
    client_finished_key: bytes = defined_in(_FINISHED)
    server_finished_key: bytes = defined_in(_FINISHED)
    derived_for_master: bytes = defined_in(_SCHEDULE)
    master_secret: bytes = defined_in(_SCHEDULE)


def handshake_stage(
    hash_: Hash, early: EarlyStage, shared_secret: bytes | None, server_hello_hash: bytes
) -> HandshakeStage:
    zeros = bytes(hash_.length)
    secret = hash_.hkdf_extract(early.derived_for_handshake, zeros if shared_secret is None else shared_secret)
    client = derive_secret(hash_, secret, "c hs traffic", server_hello_hash)
    server = derive_secret(hash_, secret, "s hs traffic", server_hello_hash)
    derived = derive_secret(hash_, secret, "derived", hash_.digest(b""))
    return HandshakeStage(
        handshake_secret=secret,
        client_handshake_traffic_secret=client,
        server_handshake_traffic_secret=server,
        client_finished_key=finished_key(hash_, client),
        server_finished_key=finished_key(hash_, server),
        derived_for_master=derived,
        master_secret=hash_.hkdf_extract(derived, zeros),
    )


@dataclass(frozen=True, slots=True)
class ApplicationStage:
    """From the master secret and the hash of ClientHello to the server's Finished."""

    client_application_traffic_secret_0: bytes = defined_in(_SCHEDULE)
    server_application_traffic_secret_0: bytes = defined_in(_SCHEDULE)
    exporter_master_secret: bytes = defined_in(_SCHEDULE)


def application_stage(hash_: Hash, master_secret: bytes, server_finished_hash: bytes) -> ApplicationStage:
    return ApplicationStage(
        client_application_traffic_secret_0=derive_secret(hash_, master_secret, "c ap traffic", server_finished_hash),
        server_application_traffic_secret_0=derive_secret(hash_, master_secret, "s ap traffic", server_finished_hash),
        exporter_master_secret=derive_secret(hash_, master_secret, "exp master", server_finished_hash),
    )


def resumption_master_secret(hash_: Hash, master_secret: bytes, client_finished_hash: bytes) -> bytes:
    """RFC 8446, 7.1; the hash goes from ClientHello to the client's Finished."""
    return derive_secret(hash_, master_secret, "res master", client_finished_hash)


def resumption_psk(hash_: Hash, resumption_secret: bytes, ticket_nonce: bytes) -> bytes:
    """The PSK that a NewSessionTicket stands for, RFC 8446, 4.6.1."""
    return hkdf_expand_label(hash_, resumption_secret, "resumption", ticket_nonce, hash_.length)


def exporter(hash_: Hash, exporter_secret: bytes, label: str, context: bytes, length: int) -> bytes:
    """TLS-Exporter, RFC 8446, 7.5."""
    secret = derive_secret(hash_, exporter_secret, label, hash_.digest(b""))
    return hkdf_expand_label(hash_, secret, "exporter", hash_.digest(context), length)
