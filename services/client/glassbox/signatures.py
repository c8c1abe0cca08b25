"""Signatures over a handshake: verified with the certificate's key, and made by the server half."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa

from glassbox.alerts import AlertDescription, TlsFault
from glassbox.keyschedule.hashes import Hash

PublicKey = ec.EllipticCurvePublicKey | rsa.RSAPublicKey | ed25519.Ed25519PublicKey


class SignatureScheme(IntEnum):
    """RFC 8446, 4.2.3."""

    ECDSA_SECP256R1_SHA256 = 0x0403
    ECDSA_SECP384R1_SHA384 = 0x0503
    RSA_PSS_RSAE_SHA256 = 0x0804
    RSA_PSS_RSAE_SHA384 = 0x0805
    RSA_PSS_RSAE_SHA512 = 0x0806
    ED25519 = 0x0807
    RSA_PKCS1_SHA256 = 0x0401
    RSA_PKCS1_SHA384 = 0x0501
    RSA_PKCS1_SHA512 = 0x0601


@dataclass(frozen=True, slots=True)
class _Ecdsa:
    curve: str | None
    hash: Hash


@dataclass(frozen=True, slots=True)
class _Pss:
    hash: Hash


@dataclass(frozen=True, slots=True)
class _Pkcs1:
    hash: Hash


_SCHEMES: dict[int, _Ecdsa | _Pss | _Pkcs1 | None] = {
    SignatureScheme.ECDSA_SECP256R1_SHA256: _Ecdsa("secp256r1", Hash.SHA256),
    SignatureScheme.ECDSA_SECP384R1_SHA384: _Ecdsa("secp384r1", Hash.SHA384),
    SignatureScheme.RSA_PSS_RSAE_SHA256: _Pss(Hash.SHA256),
    SignatureScheme.RSA_PSS_RSAE_SHA384: _Pss(Hash.SHA384),
    SignatureScheme.RSA_PSS_RSAE_SHA512: _Pss(Hash.SHA512),
    SignatureScheme.ED25519: None,
    SignatureScheme.RSA_PKCS1_SHA256: _Pkcs1(Hash.SHA256),
    SignatureScheme.RSA_PKCS1_SHA384: _Pkcs1(Hash.SHA384),
    SignatureScheme.RSA_PKCS1_SHA512: _Pkcs1(Hash.SHA512),
}
_FORBIDDEN_IN_1_3 = (
    SignatureScheme.RSA_PKCS1_SHA256,
    SignatureScheme.RSA_PKCS1_SHA384,
    SignatureScheme.RSA_PKCS1_SHA512,
)


MALFORMED = (ValueError, TypeError, x509.InvalidVersion, x509.DuplicateExtension, x509.UnsupportedGeneralNameType)
"""What cryptography raises for bytes that are no certificate. Some parts are read only when somebody asks for them.

None of these can be left out: a version and an extension have exceptions of their own, all else is ValueError, and a
name with a BIT STRING in it is TypeError, from path validation, too.
"""


def certificate_verify_content(transcript_hash: bytes, *, by_server: bool = True) -> bytes:
    """What CertificateVerify signs (RFC 8446, 4.4.3)."""
    who = b"server" if by_server else b"client"
    return b" " * 64 + b"TLS 1.3, " + who + b" CertificateVerify" + b"\0" + transcript_hash


def public_key(certificate: bytes) -> PublicKey:
    """The key in a certificate (DER). Raises TlsFault(bad_certificate, unsupported_certificate)."""
    try:
        key = x509.load_der_x509_certificate(certificate).public_key()
    except UnsupportedAlgorithm as fault:
        raise TlsFault(AlertDescription.UNSUPPORTED_CERTIFICATE, f"Certificate: {fault}") from fault
    except MALFORMED as fault:
        raise TlsFault(AlertDescription.BAD_CERTIFICATE, f"Certificate: {fault}") from fault
    if not isinstance(key, PublicKey):
        raise TlsFault(AlertDescription.UNSUPPORTED_CERTIFICATE, f"Certificate: a key of {type(key).__name__}")
    return key


def verify(key: PublicKey, scheme: int, signature: bytes, content: bytes, *, is_tls_1_3: bool) -> None:
    """Raises TlsFault: illegal_parameter when the scheme does not fit, decrypt_error when the signature does not."""
    if scheme not in _SCHEMES or (is_tls_1_3 and scheme in _FORBIDDEN_IN_1_3):
        raise TlsFault(AlertDescription.ILLEGAL_PARAMETER, f"signature scheme {scheme:#06x} was not offered")
    kind = _SCHEMES[scheme]
    try:
        match key, kind:
            case ec.EllipticCurvePublicKey(), _Ecdsa(curve, hash_) if not is_tls_1_3 or key.curve.name == curve:
                key.verify(signature, content, ec.ECDSA(hash_.algorithm))
            case rsa.RSAPublicKey(), _Pss(hash_):
                salted = padding.PSS(padding.MGF1(hash_.algorithm), hash_.length)
                key.verify(signature, content, salted, hash_.algorithm)
            case rsa.RSAPublicKey(), _Pkcs1(hash_):
                key.verify(signature, content, padding.PKCS1v15(), hash_.algorithm)
            case ed25519.Ed25519PublicKey(), None:
                key.verify(signature, content)
            case _:
                text = f"signature scheme {SignatureScheme(scheme).name.lower()} does not fit the certificate's key"
                raise TlsFault(AlertDescription.ILLEGAL_PARAMETER, text)
    except ValueError as fault:  # an RSA key shorter than the hash and its padding
        text = f"signature scheme {SignatureScheme(scheme).name.lower()} does not fit the certificate's key: {fault}"
        raise TlsFault(AlertDescription.ILLEGAL_PARAMETER, text) from fault
    except InvalidSignature:
        text = "the signature was not made over this handshake by the certificate's key"
        raise TlsFault(AlertDescription.DECRYPT_ERROR, text) from None


def sign_ecdsa(key: ec.EllipticCurvePrivateKey, content: bytes) -> tuple[SignatureScheme, bytes]:
    """What the server half signs with: P-256 only."""
    return SignatureScheme.ECDSA_SECP256R1_SHA256, key.sign(content, ec.ECDSA(Hash.SHA256.algorithm))
