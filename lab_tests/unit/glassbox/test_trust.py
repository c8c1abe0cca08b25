"""Which chains are accepted, and with which alert the others are refused."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from glassbox.alerts import AlertDescription, TlsFault
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
