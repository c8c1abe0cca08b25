"""What must be made, given what exists and now. No files, no clock."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from pki.catalogue import Row
from pki.profile import Identity, extensions, subject


@dataclass(frozen=True, slots=True)
class Unusable:
    """Files that hold no identity; `why` is one line."""

    why: str


@dataclass(frozen=True, slots=True)
class Decision:
    """Make the row's key and certificate, because of `why`; with None keep what is there."""

    row: Row
    why: str | None


Found = Identity | Unusable


def plan(rows: Iterable[Row], found: Mapping[str, Found], now: datetime) -> list[Decision]:
    """One decision per row, in the order given: issuers must come first.

    Whatever hangs on a certificate that is made anew is made anew too: its signature and its chain would not fit.
    """
    made: set[str] = set()
    decisions = []
    for row in rows:
        above = [name for name in dict.fromkeys((row.issuer, *row.sends)) if name in made]
        why = f"{above[0]} is new" if above else _fault(row, found, now)
        if why is not None:
            made.add(row.name)
        decisions.append(Decision(row, why))
    return decisions


def _fault(row: Row, found: Mapping[str, Found], now: datetime) -> str | None:
    """Why the row's files cannot stay; None if they can. Issuer and sent rows are known to be good."""
    own = found[row.name]
    if isinstance(own, Unusable):
        return own.why
    issuer = own if row.is_self_signed else found[row.issuer]
    assert isinstance(issuer, Identity)
    certificate = own.certificate
    if certificate.public_key() != own.key.public_key():
        return "the key is not the certificate's"
    if not _signed_by(certificate, issuer.certificate):
        return f"not signed by this {row.issuer}"
    if (own.key.key_size if isinstance(own.key, rsa.RSAPrivateKey) else None) != row.rsa_bits:
        return "the key is of another kind or size"
    if certificate.subject != subject(row) or _extensions_of(certificate) != extensions(
        row, own.key.public_key(), issuer.key.public_key()
    ):
        return "not what the catalogue describes"
    sent = [found[name] for name in row.sends]
    if list(own.sent) != [each.certificate for each in sent if isinstance(each, Identity)]:
        return "the chain in its file is another"
    return validity_fault(row, certificate.not_valid_before_utc, certificate.not_valid_after_utc, now)


def validity_fault(row: Row, not_before: datetime, not_after: datetime, now: datetime) -> str | None:
    """Why these dates are not, or soon will not be, on the side of now that the row wants them."""
    if row.ends <= timedelta():  # meant to be expired
        return None if not_after < now else "not expired, as it should be"
    if row.starts > timedelta():  # meant to be not yet valid
        return None if not_before - now >= row.renew_before else "valid, or soon, as it should not be"
    if now < not_before:
        return f"not valid before {not_before:%Y-%m-%d %H:%M}"
    if now >= not_after:
        return f"expired {not_after:%Y-%m-%d %H:%M}"
    if not_after - now < row.renew_before:
        return f"expires soon, {not_after:%Y-%m-%d %H:%M}"
    return None


def revocation_fault(
    lists: Iterable[x509.CertificateRevocationList],
    expected: Mapping[str, tuple[Identity, frozenset[int]]],
    now: datetime,
    renew_before: timedelta,
) -> str | None:
    """Why crl.pem cannot stay. `expected`: per issuing row its identity and the serial numbers it revokes."""
    remaining = list(lists)
    if len(remaining) != len(expected):
        return f"holds {len(remaining)} lists instead of {len(expected)}"
    for crl, (name, (issuer, serials)) in zip(remaining, expected.items(), strict=True):
        key = issuer.certificate.public_key()
        assert isinstance(key, ec.EllipticCurvePublicKey)
        if not crl.is_signature_valid(key):
            return f"the list of {name} is not signed by this {name}"
        if {entry.serial_number for entry in crl} != serials:
            return f"the list of {name} revokes other certificates"
        if crl.next_update_utc is None or crl.next_update_utc - now < renew_before:
            return f"the list of {name} runs out"
    return None


def _signed_by(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(issuer)
    except (InvalidSignature, ValueError, TypeError):
        return False
    return True


def _extensions_of(certificate: x509.Certificate) -> list[tuple[x509.ExtensionType, bool]]:
    return [(extension.value, extension.critical) for extension in certificate.extensions]
