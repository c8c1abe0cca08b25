"""The impostor's certificate: the right names, by a CA that nobody knows. Made anew each time, with openssl."""

from __future__ import annotations

import subprocess
from pathlib import Path

_NAMES = "DNS:parseltongue.co.in,DNS:*.parseltongue.co.in"
_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")


class CertificateFailed(RuntimeError):
    """openssl made none; the text is its own."""


def make(folder: Path) -> tuple[Path, Path]:
    """Chain and key in `folder`. Raises CertificateFailed."""
    ca, ca_key, leaf, key = (folder / name for name in ("ca.pem", "ca.key", "leaf.pem", "leaf.key"))
    _openssl("req", "-x509", *_KEY, "-days", "30", "-subj", "/CN=The isp's own CA", "-keyout", ca_key, "-out", ca)
    _openssl(
        *("req", "-x509", *_KEY, "-days", "30", "-subj", "/CN=parseltongue.co.in", "-CA", ca, "-CAkey", ca_key),
        *("-addext", f"subjectAltName={_NAMES}", "-addext", "basicConstraints=critical,CA:FALSE"),
        *("-keyout", key, "-out", leaf),
    )
    chain = folder / "chain.pem"
    chain.write_bytes(leaf.read_bytes() + ca.read_bytes())
    return chain, key


def _openssl(*arguments: str | Path) -> None:
    done = subprocess.run(["openssl", *map(str, arguments)], capture_output=True, text=True, check=False, timeout=20)
    if done.returncode:
        raise CertificateFailed(f"openssl {arguments[0]}: {done.stderr.strip().splitlines()[-1:]}")
