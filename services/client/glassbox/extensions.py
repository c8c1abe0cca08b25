"""The contents of the extensions that the glass box writes or reads (RFC 8446, 4.2)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from glassbox.alerts import AlertDescription, TlsFault
from glassbox.messages import Extension, Extensions, find
from glassbox.presentation import Reader, uint, vector


def _list(values: Iterable[int], size: int = 2) -> bytes:
    return b"".join(uint(value, size) for value in values)


def server_name(name: str) -> bytes:
    """RFC 6066, 3."""
    return vector(2, uint(0, 1) + vector(2, name.encode()))


def supported_versions(versions: Iterable[int]) -> bytes:
    return vector(1, _list(versions))


def supported_groups(groups: Iterable[int]) -> bytes:
    return vector(2, _list(groups))


def signature_algorithms(schemes: Iterable[int]) -> bytes:
    return vector(2, _list(schemes))


def alpn(protocols: Iterable[str]) -> bytes:
    """RFC 7301, 3.1."""
    return vector(2, b"".join(vector(1, name.encode()) for name in protocols))


def read_alpn(content: bytes) -> str:
    """The one protocol that a server chose."""
    reader = Reader(content, "application_layer_protocol_negotiation")
    names = Reader(reader.vector(2, "protocol_name_list", 2), "application_layer_protocol_negotiation")
    reader.finish()
    name = names.vector(1, "protocol_name", 1)
    names.finish()
    return name.decode("ascii", "replace")


def key_shares(shares: Iterable[tuple[int, bytes]]) -> bytes:
    """In ClientHello."""
    return vector(2, b"".join(key_share(group, public) for group, public in shares))


def key_share(group: int, public_value: bytes) -> bytes:
    """In ServerHello."""
    return uint(group, 2) + vector(2, public_value)


def read_key_shares(content: bytes) -> tuple[tuple[int, bytes], ...]:
    reader = Reader(content, "key_share")
    entries, found = Reader(reader.vector(2, "client_shares"), "key_share"), []
    while entries.left:
        found.append((entries.uint(2, "group"), entries.vector(2, "key_exchange", 1)))
    reader.finish()
    return tuple(found)


def read_key_share(content: bytes) -> tuple[int, bytes]:
    reader = Reader(content, "key_share")
    found = reader.uint(2, "group"), reader.vector(2, "key_exchange", 1)
    reader.finish()
    return found


def read_numbers(content: bytes, what: str, size: int = 2) -> tuple[int, ...]:
    """A vector of two-byte numbers, its length in `size` bytes."""
    reader = Reader(content, what)
    listed = Reader(reader.vector(size, "list"), what)
    reader.finish()
    found = []
    while listed.left:
        found.append(listed.uint(2, "number"))
    return tuple(found)


def read_psk_modes(content: bytes) -> tuple[int, ...]:
    """RFC 8446, 4.2.9."""
    reader = Reader(content, "psk_key_exchange_modes")
    modes = reader.vector(1, "ke_modes", 1)
    reader.finish()
    return tuple(modes)


def pre_shared_key(identity: bytes, obfuscated_age: int, binder: bytes) -> bytes:
    """One identity and its binder (RFC 8446, 4.2.11)."""
    return vector(2, vector(2, identity) + uint(obfuscated_age, 4)) + vector(2, vector(1, binder))


def binders_length(binder_length: int) -> int:
    """Bytes at the end of a ClientHello with one binder which the binder does not cover (RFC 8446, 4.2.11.2)."""
    return 2 + 1 + binder_length


@dataclass(frozen=True, slots=True)
class PskOffer:
    """What stands in a ClientHello's pre_shared_key: the first identity and its binder."""

    identity: bytes
    obfuscated_age: int
    binder: bytes


def read_pre_shared_key(content: bytes) -> PskOffer:
    reader = Reader(content, "pre_shared_key")
    identities = Reader(reader.vector(2, "identities"), "pre_shared_key: identities")
    identity, age = identities.vector(2, "identity", 1), identities.uint(4, "obfuscated_ticket_age")
    binders = Reader(reader.vector(2, "binders"), "pre_shared_key: binders")
    reader.finish()
    return PskOffer(identity, age, binders.vector(1, "binder", 32))


def only(extensions: Extensions, offered: Sequence[int], allowed: Iterable[int], what: str) -> None:
    """Raises TlsFault for an extension that was not offered, or that does not belong into this message.

    RFC 8446, 4.2: unsupported_extension for the one, illegal_parameter for the other.
    """
    allowed = set(allowed)
    for type, _ in extensions:
        if type not in offered and type != Extension.COOKIE:
            raise TlsFault(AlertDescription.UNSUPPORTED_EXTENSION, f"{what}: extension {type}, which was not offered")
        if type not in allowed:
            raise TlsFault(AlertDescription.ILLEGAL_PARAMETER, f"{what}: extension {type} does not belong there")


def required(extensions: Extensions, type: Extension, what: str) -> bytes:
    """The extension's content. Raises TlsFault(missing_extension)."""
    content = find(extensions, type)
    if content is None:
        raise TlsFault(AlertDescription.MISSING_EXTENSION, f"{what}: {type.name.lower()} is missing")
    return content
