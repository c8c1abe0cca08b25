"""Diffie-Hellman: published values, and values that no peer may send."""

from __future__ import annotations

import os

import pytest

from glassbox.alerts import AlertDescription, TlsFault
from glassbox.groups import FFDHE2048, FiniteField, Group, check_field, from_private, generate

# RFC 7748, 6.1
ALICE = "77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a"
ALICE_PUBLIC = "8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a"
BOB = "5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb"
BOB_PUBLIC = "de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f"
SHARED = "4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742"


def test_x25519_as_published() -> None:
    alice, bob = (from_private(Group.X25519, bytes.fromhex(key)) for key in (ALICE, BOB))
    assert (alice.public_value.hex(), bob.public_value.hex()) == (ALICE_PUBLIC, BOB_PUBLIC)
    assert alice.shared_secret(bob.public_value).hex() == SHARED
    assert bob.shared_secret(alice.public_value).hex() == SHARED


def test_the_prime_is_the_one_that_rfc_7919_derives_from_e() -> None:
    guard = 64  # bits, for what the series' terms lose
    term = total = 1 << (1918 + guard)
    number = 0
    while term:
        number += 1
        term //= number
        total += term
    assert FFDHE2048.p == 2**2048 - 2**1984 + ((total >> guard) + 560316) * 2**64 - 1


@pytest.mark.parametrize("group", [*Group, FiniteField(FFDHE2048.p, 5)])
def test_two_fresh_keys_agree(group: Group | FiniteField) -> None:
    one, other = generate(group, os.urandom), generate(group, os.urandom)
    assert one.private_value != other.private_value
    assert one.shared_secret(other.public_value) == other.shared_secret(one.public_value)


@pytest.mark.parametrize(
    ("group", "peer"),
    [
        (Group.X25519, bytes(32)),
        (Group.X25519, bytes(31)),
        (Group.SECP256R1, b"\4" + bytes(64)),
        (Group.SECP256R1, b"\2" + bytes(32)),
        (Group.FFDHE2048, b"\1"),
        (Group.FFDHE2048, (FFDHE2048.p - 1).to_bytes(256)),
        (Group.FFDHE2048, FFDHE2048.p.to_bytes(256)),
    ],
)
def test_a_public_value_that_is_no_element_to_use_is_refused(group: Group, peer: bytes) -> None:
    with pytest.raises(TlsFault, match=f"public value in {group.name.lower()}") as refusal:
        generate(group, os.urandom).shared_secret(peer)
    assert refusal.value.alert == AlertDescription.ILLEGAL_PARAMETER


def test_a_short_prime_is_refused_and_so_is_a_generator_that_is_none() -> None:
    with pytest.raises(TlsFault, match="512 bits; at least 1024"):
        check_field(FiniteField((1 << 511) + 1, 2))
    with pytest.raises(TlsFault, match="no generator"):
        check_field(FiniteField(FFDHE2048.p, 1))
    check_field(FFDHE2048)
