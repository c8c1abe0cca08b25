"""RSA keys too short for what they are to do: cryptography raises ValueError, the server gets an alert."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from certified import NAME, certified
from glassbox.alerts import AlertDescription, TlsFault
from glassbox.client import connect
from glassbox.events import ConnectionFailed
from glassbox.messages import Handshake, HandshakeType, ServerHello
from glassbox.offer import Offer
from glassbox.presentation import vector
from glassbox.records import ContentType, Record
from glassbox.signatures import SignatureScheme, verify
from glassbox.suites import TLS_1_2

RSA_SUITE = 0x009C  # TLS_RSA_WITH_AES_128_GCM_SHA256


def public_key(bits: int) -> rsa.RSAPublicKey:
    """Nobody knows its private half; nobody needs to."""
    return rsa.RSAPublicNumbers(65_537, (1 << (bits - 1)) | 1).public_key()


@pytest.mark.parametrize(("bits", "alert"), [(512, "ILLEGAL_PARAMETER"), (2048, "DECRYPT_ERROR")])
def test_a_signature_that_the_key_is_too_short_for(bits: int, alert: str) -> None:
    """RFC 8017, 9.1.1: hash and salt of 64 bytes each, and 2 more."""
    scheme = SignatureScheme.RSA_PSS_RSAE_SHA512
    with pytest.raises(TlsFault) as refusal:
        verify(public_key(bits), scheme, bytes(bits // 8), b"content", is_tls_1_3=True)
    assert refusal.value.alert == AlertDescription[alert]


def certificate(bits: int) -> bytes:
    name, now = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, NAME)]), datetime.now(UTC)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(public_key(bits))
    builder = builder.serial_number(1).not_valid_before(now).not_valid_after(now + timedelta(hours=1))
    return builder.sign(certified("ecdsa").key, hashes.SHA256()).public_bytes(Encoding.DER)


@pytest.mark.parametrize(("bits", "is_refused"), [(384, True), (2048, False)])
def test_a_pre_master_secret_that_the_key_is_too_short_for(bits: int, is_refused: bool) -> None:
    """RFC 8017, 7.2.1: 48 bytes and 11 more."""
    client = connect(Offer(NAME, versions=(TLS_1_2,)), lambda chain: None)
    client.bytes_to_send()
    flight = (
        ServerHello(bytes(32), b"", RSA_SUITE, ()).message(),
        Handshake(HandshakeType.CERTIFICATE, vector(3, vector(3, certificate(bits)))),
        Handshake(HandshakeType.SERVER_HELLO_DONE, b""),
    )
    sent = Record(ContentType.HANDSHAKE, TLS_1_2, b"".join(message.raw for message in flight))
    events = client.receive(sent.encode())
    assert bool(events) is is_refused
    if is_refused:
        (failure,) = events
        assert isinstance(failure, ConnectionFailed) and failure.alert == AlertDescription.ILLEGAL_PARAMETER
        assert "a key of 384 bits is too short" in failure.text
