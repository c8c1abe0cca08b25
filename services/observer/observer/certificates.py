"""What a certificate message says of the server, read with a library from the captured bytes. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from cryptography import x509
from cryptography.x509.oid import NameOID

from observer.steps import CertificateFacts

_UNREADABLE = (ValueError, x509.InvalidVersion, x509.UnsupportedGeneralNameType, x509.DuplicateExtension)


def certificate_facts(chain: Sequence[bytes]) -> CertificateFacts | None:
    """The leaf's facts from a chain in DER, leaf first (RFC 8446, section 4.4.2); None if that cannot be read as X.509.

    The library looks at a value only when it is asked for, so each of these questions may find a malformed one.
    """
    try:
        leaf = x509.load_der_x509_certificate(chain[0])
        names = _names(leaf)
        return CertificateFacts(
            subject=_common_name(leaf.subject) or (names[0] if names else ""),
            names=names,
            issuer=_common_name(leaf.issuer) or leaf.issuer.rfc4514_string(),
            not_after=leaf.not_valid_after_utc.isoformat(),
            chain_length=len(chain),
        )
    except _UNREADABLE:
        return None


def _names(leaf: x509.Certificate) -> tuple[str, ...]:
    try:
        found = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:
        return ()
    return tuple(found.value.get_values_for_type(x509.DNSName))


def _common_name(name: x509.Name) -> str:
    return next((str(a.value) for a in name.get_attributes_for_oid(NameOID.COMMON_NAME)), "")
