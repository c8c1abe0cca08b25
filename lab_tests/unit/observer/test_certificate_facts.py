"""What is told of a certificate; of one that no library reads, nothing, and that is no reason to end."""

from __future__ import annotations

import datetime
from functools import cache

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtensionOID, NameOID

from observer.certificates import certificate_facts

BEGIN = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
NAME = "ex.example"


@cache
def key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def certificate(*extensions: x509.ExtensionType) -> bytes:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, NAME)])
    builder = x509.CertificateBuilder(name, name, key().public_key(), 1, BEGIN, BEGIN + datetime.timedelta(days=1))
    for extension in extensions:
        builder = builder.add_extension(extension, critical=False)
    return builder.sign(key(), SHA256()).public_bytes(Encoding.DER)


def unread(oid: x509.ObjectIdentifier, value: str) -> bytes:
    """A certificate with an extension of these bytes, in hexadecimal."""
    return certificate(x509.UnrecognizedExtension(oid, bytes.fromhex(value)))


def replaced(data: bytes, old: bytes, new: bytes) -> bytes:
    assert len(old) == len(new) and old in data
    return data.replace(old, new)


def test_a_certificate_is_told_by_its_names_its_issuer_and_its_end() -> None:
    facts = certificate_facts([certificate(x509.SubjectAlternativeName([x509.DNSName(NAME)])), b""])
    assert facts is not None
    assert (facts.subject, facts.names, facts.issuer, facts.chain_length) == (NAME, (NAME,), NAME, 2)
    assert facts.not_after == "2026-01-02T00:00:00+00:00"


def test_without_alternative_names_there_are_none() -> None:
    facts = certificate_facts([certificate()])
    assert facts is not None and facts.names == ()


VERSION_3, VERSION_4 = bytes.fromhex("a003020102"), bytes.fromhex("a003020103")  # counted from 0 (RFC 5280, 4.1.2.1)
IN_UTF_8, IN_LATIN_1 = b"\x0c\x0aex.example", b"\x14\x0aex.ex\xe4mple"  # a T61String, with a letter beyond ASCII


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"no certificate",
        unread(ExtensionOID.SUBJECT_ALTERNATIVE_NAME, "3007 a505 a103 0c01 78"),  # ediPartyName
        unread(ExtensionOID.SUBJECT_ALTERNATIVE_NAME, "3007 8705 c000020150"),  # an iPAddress of five bytes
        unread(ExtensionOID.KEY_USAGE, "0400"),  # an OCTET STRING, where a BIT STRING belongs
        replaced(certificate(), VERSION_3, VERSION_4),
        replaced(certificate(), IN_UTF_8, IN_LATIN_1),
        certificate()[:-30],
    ],
    ids=["empty", "text", "ediPartyName", "five-byte-address", "key-usage", "version-4", "latin-1", "cut-off"],
)
def test_of_a_certificate_that_cannot_be_read_nothing_is_told(data: bytes) -> None:
    assert certificate_facts([data]) is None


def test_an_extension_that_stands_there_twice_is_no_reason_to_end() -> None:
    one = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"x")
    other = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.5"), b"x")
    twice = replaced(certificate(one, other), bytes.fromhex("06032a0305"), bytes.fromhex("06032a0304"))
    assert certificate_facts([twice]) is None
