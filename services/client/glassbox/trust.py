"""Whether a chain of certificates leads to a trusted root and names the server: RFC 5280's path validation is
cryptography's, the alert that says why not is ours."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from ipaddress import ip_address

from cryptography import x509
from cryptography.x509.verification import PolicyBuilder, Store, VerificationError

from glassbox.alerts import AlertDescription, TlsFault
from glassbox.handshake import ChainCheck


def chain_check(roots: Sequence[x509.Certificate], name: str, now: datetime) -> ChainCheck:
    """Accepts chains to one of `roots` for the server `name` (or address) at the time `now`."""
    verifier = PolicyBuilder().store(Store(list(roots))).time(now).build_server_verifier(_subject(name))

    def check(chain: tuple[bytes, ...]) -> None:
        try:
            leaf, *others = (x509.load_der_x509_certificate(der) for der in chain)
        except ValueError as fault:
            raise TlsFault(AlertDescription.BAD_CERTIFICATE, f"Certificate: {fault}") from fault
        try:
            verifier.verify(leaf, others)
        except VerificationError as fault:
            raise TlsFault(_alert(leaf, roots, now), f"Certificate: {_first_line(fault)}") from fault

    return check


def _subject(name: str) -> x509.DNSName | x509.IPAddress:
    try:
        return x509.IPAddress(ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _alert(leaf: x509.Certificate, roots: Sequence[x509.Certificate], now: datetime) -> AlertDescription:
    """RFC 8446, 6.2. The library says only that no path is good; the commonest reasons are told apart here."""
    if not leaf.not_valid_before_utc <= now <= leaf.not_valid_after_utc:
        return AlertDescription.CERTIFICATE_EXPIRED  # "expired or is not currently valid"
    if leaf.issuer == leaf.subject and leaf not in roots:
        return AlertDescription.UNKNOWN_CA
    return AlertDescription.BAD_CERTIFICATE


def _first_line(fault: VerificationError) -> str:
    return str(fault).split("\n", 1)[0]
