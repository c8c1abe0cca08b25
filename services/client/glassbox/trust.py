"""Whether a chain of certificates leads to a trusted root and names the server.

RFC 5280's path validation is cryptography's. It says only that no path is good, and in words why not; which alert says
so on the wire (RFC 8446, 6.2) is told apart here.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from ipaddress import ip_address

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID
from cryptography.x509.verification import PolicyBuilder, Store, VerificationError

from glassbox.alerts import AlertDescription, TlsFault
from glassbox.handshake import ChainCheck
from glassbox.signatures import MALFORMED

_LONGEST_PATH = 10


def chain_check(roots: Sequence[x509.Certificate], name: str, now: datetime) -> ChainCheck:
    """Accepts chains to one of `roots` for the server `name` (or address) at the time `now`.

    Raises ValueError for a name that no certificate can have; one that ends with a dot is such a name.
    """
    verifier = PolicyBuilder().store(Store(list(roots))).time(now).build_server_verifier(_subject(name))

    def check(chain: tuple[bytes, ...]) -> None:
        try:
            certificates = [x509.load_der_x509_certificate(der) for der in chain]
            try:
                verifier.verify(certificates[0], certificates[1:])
            except VerificationError as fault:
                raise TlsFault(_alert(certificates, roots, now), f"Certificate: {_first_line(fault)}") from fault
        except MALFORMED as fault:
            raise TlsFault(AlertDescription.BAD_CERTIFICATE, f"Certificate: {fault}") from fault

    return check


def _subject(name: str) -> x509.DNSName | x509.IPAddress:
    try:
        return x509.IPAddress(ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _alert(chain: Sequence[x509.Certificate], roots: Sequence[x509.Certificate], now: datetime) -> AlertDescription:
    """The alert for a chain that was refused: the first of these that is true of it."""
    leaf = chain[0]
    if not _reaches(leaf, chain[1:], roots):
        return AlertDescription.UNKNOWN_CA
    if not leaf.not_valid_before_utc <= now <= leaf.not_valid_after_utc:
        return AlertDescription.CERTIFICATE_EXPIRED  # "has expired or is not currently valid"
    if not _is_for_servers(leaf):
        return AlertDescription.UNSUPPORTED_CERTIFICATE
    return AlertDescription.BAD_CERTIFICATE


def _reaches(leaf: x509.Certificate, others: Sequence[x509.Certificate], roots: Sequence[x509.Certificate]) -> bool:
    """Whether issuers' names lead from the leaf to a root, signatures unseen."""
    names = {root.subject for root in roots}
    at = leaf
    for _ in range(_LONGEST_PATH):
        if at.issuer in names:
            return True
        above = next((other for other in others if other.subject == at.issuer and other is not at), None)
        if above is None:
            return False
        at = above
    return False


def _is_for_servers(leaf: x509.Certificate) -> bool:
    try:
        usage = leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:
        return True
    return ExtendedKeyUsageOID.SERVER_AUTH in usage


def _first_line(fault: VerificationError) -> str:
    return str(fault).split("\n", 1)[0]
