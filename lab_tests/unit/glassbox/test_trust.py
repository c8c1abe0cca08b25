"""Which chains are accepted, and with which alert the others are refused."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from glassbox.alerts import AlertDescription, TlsFault
from glassbox.signatures import MALFORMED
from glassbox.trust import chain_check
from pki.catalogue import CATALOGUE
from pki.profile import Identity, issue

NOW = datetime(2030, 5, 1, 12, 0, tzinfo=UTC)
SITE = "parseltongue.co.in"


@pytest.fixture(scope="module")
def made() -> dict[str, Identity]:
    found: dict[str, Identity] = {}
    for row in CATALOGUE:
        found[row.name] = issue(row, found, NOW)
    return found


def chain(identity: Identity) -> tuple[bytes, ...]:
    return tuple(each.public_bytes(Encoding.DER) for each in (identity.certificate, *identity.sent))


def roots(made: dict[str, Identity]) -> list[x509.Certificate]:
    return [made["root"].certificate]


@pytest.mark.parametrize(("row", "name"), [("site", SITE), ("site", f"www.{SITE}"), ("weak", f"weak.{SITE}")])
def test_good_chains_are_accepted(made: dict[str, Identity], row: str, name: str) -> None:
    chain_check(roots(made), name, NOW)(chain(made[row]))


@pytest.mark.parametrize(
    ("row", "alert"),
    [
        ("unknown-ca", AlertDescription.UNKNOWN_CA),
        ("self-signed", AlertDescription.UNKNOWN_CA),
        ("incomplete", AlertDescription.UNKNOWN_CA),
        ("expired", AlertDescription.CERTIFICATE_EXPIRED),
        ("not-yet-valid", AlertDescription.CERTIFICATE_EXPIRED),
        ("wrong-name", AlertDescription.BAD_CERTIFICATE),
        ("constrained", AlertDescription.BAD_CERTIFICATE),
        ("wrong-usage", AlertDescription.UNSUPPORTED_CERTIFICATE),
    ],
)
def test_each_fault_has_its_alert(made: dict[str, Identity], row: str, alert: AlertDescription) -> None:
    with pytest.raises(TlsFault, match=r"^Certificate: ") as refusal:
        chain_check(roots(made), f"{row}.{SITE}", NOW)(chain(made[row]))
    assert refusal.value.alert == alert


def test_what_is_no_certificate_is_a_bad_one(made: dict[str, Identity]) -> None:
    with pytest.raises(TlsFault) as refusal:
        chain_check(roots(made), SITE, NOW)((b"no certificate",))
    assert refusal.value.alert == AlertDescription.BAD_CERTIFICATE


@pytest.mark.filterwarnings("ignore:Parsed a serial number")  # cryptography will refuse those, too, one day
@pytest.mark.parametrize("row", ["site", "self-signed"])
def test_whichever_byte_of_a_certificate_is_damaged_the_refusal_is_an_alert(
    made: dict[str, Identity], row: str
) -> None:
    """Some parts of a certificate are read only when they are looked at, and then raise what they like."""
    leaf, *others = chain(made[row])
    check = chain_check([*roots(made), made["self-signed"].certificate], f"{row}.{SITE}", NOW)
    for at in range(len(leaf)):
        for mask in (0x01, 0x0F, 0x80):
            damaged = bytearray(leaf)
            damaged[at] ^= mask
            with pytest.raises(TlsFault, match=r"^Certificate: "):
                check((bytes(damaged), *others))


def in_its_name(leaf: bytes) -> bytes:
    """A BIT STRING for text, in issuer and subject."""
    return leaf.replace(b"\x0c\x0eeightsteps lab", b"\x03\x0e\0ightsteps lab")


def in_its_subject_alternative_name(leaf: bytes) -> bytes:
    """An x400Address for a dNSName."""
    at = leaf.index(SITE.encode(), leaf.index(b"\x55\x1d\x11")) - 2
    return leaf[:at] + b"\xa3" + leaf[at + 1 :]


def in_its_version(leaf: bytes) -> bytes:
    return leaf.replace(b"\xa0\3\2\1\2", b"\xa0\3\2\1\3", 1)


def in_an_extension_that_comes_twice(leaf: bytes) -> bytes:
    """subjectKeyIdentifier for authorityKeyIdentifier."""
    return leaf.replace(b"\x55\x1d\x23", b"\x55\x1d\x0e", 1)


@pytest.mark.parametrize(
    ("damage", "raised"),
    [
        (in_its_version, x509.InvalidVersion),
        (in_its_name, TypeError),
        (in_its_subject_alternative_name, x509.UnsupportedGeneralNameType),
        (in_an_extension_that_comes_twice, x509.DuplicateExtension),
        (lambda leaf: leaf[:-1], ValueError),
    ],
)
def test_whatever_cryptography_raises_for_a_malformed_certificate_is_an_alert(
    made: dict[str, Identity], damage: Callable[[bytes], bytes], raised: type[Exception]
) -> None:
    """No exception of `MALFORMED` is there in vain."""
    leaf, *others = chain(made["site"])
    assert damage(leaf) != leaf
    with pytest.raises(TlsFault, match=r"^Certificate: ") as refusal:
        chain_check(roots(made), SITE, NOW)((damage(leaf), *others))
    assert refusal.value.alert == AlertDescription.BAD_CERTIFICATE
    assert type(refusal.value.__cause__) is raised
    assert raised in MALFORMED


@pytest.mark.parametrize("name", [f"{SITE}.", "a..b", "a_b.example", ""])
def test_what_no_certificate_can_name_is_told_before_there_is_one(made: dict[str, Identity], name: str) -> None:
    with pytest.raises(ValueError, match="invalid domain name"):
        chain_check(roots(made), name, NOW)


def test_an_address_is_looked_for_in_the_certificate(made: dict[str, Identity]) -> None:
    with pytest.raises(TlsFault, match="no matching subjectAltName") as refusal:
        chain_check(roots(made), "10.77.3.10", NOW)(chain(made["site"]))
    assert refusal.value.alert == AlertDescription.BAD_CERTIFICATE
