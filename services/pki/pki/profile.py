"""Certificates and revocation lists in the form of RFC 5280, made from a row and keys. No files, no clock."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from pki.catalogue import Role, Row

PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey
PublicKey = ec.EllipticCurvePublicKey | rsa.RSAPublicKey
Extensions = list[tuple[x509.ExtensionType, bool]]  # value, critical

_PURPOSES = {Role.SERVER: ExtendedKeyUsageOID.SERVER_AUTH, Role.CLIENT: ExtendedKeyUsageOID.CLIENT_AUTH}
ORGANIZATION = "eightsteps lab"


@dataclass(frozen=True, slots=True)
class Identity:
    """A private key, its certificate and the certificates a server sends after it."""

    key: PrivateKey
    certificate: x509.Certificate
    sent: tuple[x509.Certificate, ...] = ()


def subject(row: Row) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, ORGANIZATION),
            x509.NameAttribute(NameOID.COMMON_NAME, row.common_name),
        ]
    )


def extensions(row: Row, public_key: PublicKey, issuer_key: PublicKey) -> Extensions:
    """The extensions a certificate of this row has, RFC 5280 section 4.2.

    There is no CRL distribution point: nothing in the lab serves plain HTTP for it, and no client here fetches one.
    """
    wanted: Extensions = [
        (x509.BasicConstraints(ca=row.role.is_ca, path_length=0 if row.role is Role.INTERMEDIATE else None), True),
        (_key_usage(row), True),
        (x509.SubjectKeyIdentifier.from_public_key(public_key), False),
        (x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key), False),
    ]
    if row.role in _PURPOSES:
        wanted.append((x509.ExtendedKeyUsage([_PURPOSES[row.role]]), False))
    if row.permitted:
        permitted = [x509.DNSName(name) for name in row.permitted]
        wanted.append((x509.NameConstraints(permitted_subtrees=permitted, excluded_subtrees=None), True))
    if row.dns_names:
        wanted.append((x509.SubjectAlternativeName([x509.DNSName(name) for name in row.dns_names]), False))
    return wanted


def _key_usage(row: Row) -> x509.KeyUsage:
    role = row.role
    return x509.KeyUsage(
        digital_signature=not role.is_ca,
        content_commitment=False,
        key_encipherment=row.rsa_bits is not None,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=role.is_ca,
        crl_sign=role.is_ca,
        encipher_only=False,
        decipher_only=False,
    )


def _private_key(row: Row) -> PrivateKey:
    if row.rsa_bits is None:
        return ec.generate_private_key(ec.SECP256R1())
    return rsa.generate_private_key(public_exponent=65_537, key_size=row.rsa_bits)


def issue(row: Row, made: dict[str, Identity], now: datetime) -> Identity:
    """A new key and certificate for `row`, signed by its issuer among `made` (by itself, if self-signed).

    A certificate never outlives its issuer. Raises KeyError when `made` lacks the issuer or a certificate to send.
    """
    key = _private_key(row)
    signer = None if row.is_self_signed else made[row.issuer]
    signing_key = signer.key if signer else key
    ends = now + row.ends
    if signer and ends > now:
        ends = min(ends, signer.certificate.not_valid_after_utc)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject(row))
        .issuer_name(signer.certificate.subject if signer else subject(row))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + row.starts)
        .not_valid_after(ends)
    )
    for value, critical in extensions(row, key.public_key(), signing_key.public_key()):
        builder = builder.add_extension(value, critical)
    return Identity(
        key, builder.sign(signing_key, hashes.SHA256()), tuple(made[name].certificate for name in row.sends)
    )


def revocation_list(
    issuer: Identity, revoked: Iterable[x509.Certificate], now: datetime, life: timedelta
) -> x509.CertificateRevocationList:
    """The issuer's CRL (RFC 5280 section 5). Its number is the time of making in seconds, which only grows."""
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(issuer.certificate.subject)
        .last_update(now)
        .next_update(now + life)
        .add_extension(x509.CRLNumber(int(now.timestamp())), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer.key.public_key()), critical=False)
    )
    for certificate in revoked:
        entry = x509.RevokedCertificateBuilder().serial_number(certificate.serial_number).revocation_date(now)
        builder = builder.add_revoked_certificate(
            entry.add_extension(x509.CRLReason(x509.ReasonFlags.key_compromise), critical=False).build()
        )
    return builder.sign(issuer.key, hashes.SHA256())
