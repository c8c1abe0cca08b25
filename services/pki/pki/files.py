"""Identities and revocation lists as PEM files, replaced in one step each.

<root>/<folder>/<name>.pem: private key, certificate, the certificates sent after it (as HAProxy and OpenSSL read it).
<root>/public/<name>.pem: the same without the key.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from pki.catalogue import Row
from pki.plan import Found, Unusable
from pki.profile import Identity

PRIVATE_MODE = 0o400
PUBLIC_MODE = 0o644
UNFINISHED = ".unfinished"


def to_pem(identity: Identity) -> tuple[bytes, bytes]:
    """(private file, public file)."""
    key = identity.key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    chain = b"".join(
        certificate.public_bytes(serialization.Encoding.PEM) for certificate in (identity.certificate, *identity.sent)
    )
    return key + chain, chain


def from_pem(private: bytes, public: bytes) -> Found:
    """The identity in a row's two files, or why there is none."""
    if not private.endswith(public) or not public:
        return Unusable("private and public file differ")
    try:
        key = serialization.load_pem_private_key(private, password=None)
        certificates = x509.load_pem_x509_certificates(public)
    except (ValueError, TypeError) as fault:
        return Unusable(f"unreadable: {' '.join(str(fault).split())[:80]}")
    if not isinstance(key, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey):
        return Unusable(f"the key is {type(key).__name__}, neither elliptic curve nor RSA")
    return Identity(key, certificates[0], tuple(certificates[1:]))


class Store:
    """The folders of the volumes under `root`."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def sweep(self, rows: Iterable[Row]) -> None:
        """Remove what a killed run left half written."""
        for folder in {"public", *(row.folder for row in rows)}:
            for leftover in (self._root / folder).glob(f"*{UNFINISHED}"):
                leftover.unlink()

    def read(self, row: Row) -> Found:
        private, public = self._paths(row)
        for path in (private, public):
            if not path.exists():
                return Unusable(f"there is no {path.relative_to(self._root)}")
        return from_pem(private.read_bytes(), public.read_bytes())

    def write(self, row: Row, identity: Identity) -> None:
        for path, content, mode in zip(self._paths(row), to_pem(identity), (PRIVATE_MODE, PUBLIC_MODE), strict=True):
            replace(path, content, mode)

    def read_revocation_lists(self) -> list[x509.CertificateRevocationList] | Unusable:
        path = self._root / "public" / "crl.pem"
        if not path.exists():
            return Unusable("there is no public/crl.pem")
        end = b"-----END X509 CRL-----\n"
        parts = path.read_bytes().split(end)
        try:
            return [x509.load_pem_x509_crl(part + end) for part in parts[:-1]]
        except ValueError as fault:
            return Unusable(f"unreadable: {' '.join(str(fault).split())[:80]}")

    def write_revocation_lists(self, lists: Iterable[x509.CertificateRevocationList]) -> None:
        content = b"".join(each.public_bytes(serialization.Encoding.PEM) for each in lists)
        replace(self._root / "public" / "crl.pem", content, PUBLIC_MODE)

    def _paths(self, row: Row) -> tuple[Path, Path]:
        return self._root / row.folder / f"{row.name}.pem", self._root / "public" / f"{row.name}.pem"


def replace(path: Path, content: bytes, mode: int) -> None:
    """Put `content` at `path` at once: a reader, or a kill at any moment, sees the old file or the new one."""
    unfinished = path.with_name(path.name + UNFINISHED)
    descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with open(descriptor, "wb") as file:
        os.fchmod(descriptor, mode)
        file.write(content)
        file.flush()
        os.fsync(descriptor)
    os.rename(unfinished, path)
