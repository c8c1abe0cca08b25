"""Diffie-Hellman in the groups that the glass box speaks: a private value, a public value, a shared secret.

X25519 (RFC 7748) and P-256 (RFC 8422) are cryptography's. Finite fields are three-argument pow: g^x mod p is what the
lab explains, and nothing here protects anything.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, x25519

from glassbox.alerts import AlertDescription, TlsFault

Randomness = Callable[[int], bytes]
"""As many unpredictable bytes as asked for."""


class Group(IntEnum):
    """NamedGroup, RFC 8446, 4.2.7; in the order in which a client prefers them."""

    X25519 = 0x001D
    SECP256R1 = 0x0017
    FFDHE2048 = 0x0100


@dataclass(frozen=True, slots=True)
class FiniteField:
    """The multiplicative group modulo a prime, and a generator."""

    p: int
    g: int

    @property
    def length(self) -> int:
        """Bytes of the prime."""
        return (self.p.bit_length() + 7) // 8


# RFC 7919, A.1: 2^2048 - 2^1984 + (floor(2^1918 * e) + 560316) * 2^64 - 1
FFDHE2048 = FiniteField(
    int(
        "FFFFFFFFFFFFFFFFADF85458A2BB4A9AAFDC5620273D3CF1D8B9C583CE2D3695A9E13641146433FBCC939DCE249B3EF9"
        "7D2FE363630C75D8F681B202AEC4617AD3DF1ED5D5FD65612433F51F5F066ED0856365553DED1AF3B557135E7F57C935"
        "984F0C70E0E68B77E2A689DAF3EFE8721DF158A136ADE73530ACCA4F483A797ABC0AB182B324FB61D108A94BB2C8E3FB"
        "B96ADAB760D7F4681D4F42A3DE394DF4AE56EDE76372BB190B07A7C8EE0A6D709E02FCE1CDF7E2ECC03404CD28342F61"
        "9172FE9CE98583FF8E4F1232EEF28183C3FE3B1B4C6FAD733BB5FCBC2EC22005C58EF1837D1683B2C6F34A26C1B2EFFA"
        "886B423861285C97FFFFFFFFFFFFFFFF",
        16,
    ),
    2,
)
_SMALLEST_PRIME_BITS = 1024
_P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
_EXPONENT_LENGTH = 32  # bytes; RFC 7919, 5.2 asks for 225 bits at least


@dataclass(frozen=True, slots=True)
class KeyPair:
    """One side's ephemeral key: both values as bytes, the public one as it goes over the wire."""

    group: Group | FiniteField
    private_value: bytes
    public_value: bytes

    @property
    def name(self) -> str:
        if isinstance(self.group, Group):
            return self.group.name.lower()
        return f"finite field of {self.group.p.bit_length()} bits"

    def shared_secret(self, peer: bytes) -> bytes:
        """With the peer's public value. Raises TlsFault(illegal_parameter) for one that is no element to use.

        In a finite field it has the prime's length (RFC 8446, 7.4.1).
        """
        try:
            return _shared_secret(self.group, self.private_value, peer)
        except ValueError as fault:
            raise TlsFault(
                AlertDescription.ILLEGAL_PARAMETER, f"the peer's public value in {self.name}: {fault}"
            ) from fault


def generate(group: Group | FiniteField, randomness: Randomness) -> KeyPair:
    """A new ephemeral key."""
    if group is Group.X25519:
        return from_private(group, randomness(32))
    if group is Group.SECP256R1:
        scalar = int.from_bytes(randomness(48)) % (_P256_ORDER - 1) + 1
        return from_private(group, scalar.to_bytes(32))
    return from_private(group, b"\x80" + randomness(_EXPONENT_LENGTH - 1))


def from_private(group: Group | FiniteField, private_value: bytes) -> KeyPair:
    """The key with this private value: 32 bytes, or an exponent."""
    if group is Group.X25519:
        public = x25519.X25519PrivateKey.from_private_bytes(private_value).public_key().public_bytes_raw()
    elif group is Group.SECP256R1:
        key = ec.derive_private_key(int.from_bytes(private_value), ec.SECP256R1())
        public = key.public_key().public_bytes(
            serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint
        )
    else:
        field = _field(group)
        public = pow(field.g, int.from_bytes(private_value), field.p).to_bytes(field.length)
    return KeyPair(group, private_value, public)


def _shared_secret(group: Group | FiniteField, private_value: bytes, peer: bytes) -> bytes:
    if group is Group.X25519:
        # All zeros (a point of small order) raise ValueError, as RFC 7748, 6.1 has it.
        key = x25519.X25519PrivateKey.from_private_bytes(private_value)
        return key.exchange(x25519.X25519PublicKey.from_public_bytes(peer))
    if group is Group.SECP256R1:
        if peer[:1] != b"\x04":
            raise ValueError("expected an uncompressed point")
        point = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), peer)
        return ec.derive_private_key(int.from_bytes(private_value), ec.SECP256R1()).exchange(ec.ECDH(), point)
    field = _field(group)
    element = int.from_bytes(peer)
    if not 1 < element < field.p - 1:  # RFC 7919, 5.1
        raise ValueError("expected 1 < value < p - 1")
    return pow(element, int.from_bytes(private_value), field.p).to_bytes(field.length)


def _field(group: Group | FiniteField) -> FiniteField:
    return group if isinstance(group, FiniteField) else FFDHE2048


def check_field(field: FiniteField) -> None:
    """Raises TlsFault(insufficient_security) for a prime too short (RFC 7919, 5.1), or illegal_parameter."""
    if field.p.bit_length() < _SMALLEST_PRIME_BITS:
        text = f"a prime of {field.p.bit_length()} bits; at least {_SMALLEST_PRIME_BITS}"
        raise TlsFault(AlertDescription.INSUFFICIENT_SECURITY, f"ServerKeyExchange: dh_p: {text}")
    if not 1 < field.g < field.p - 1 or field.p % 2 == 0:
        raise TlsFault(AlertDescription.ILLEGAL_PARAMETER, "ServerKeyExchange: dh_g: no generator modulo dh_p")
