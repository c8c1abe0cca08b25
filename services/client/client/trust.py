"""An NSS database that trusts the lab's root CA: where Chromium on Linux looks beside its built-in list."""

from __future__ import annotations

import subprocess
from pathlib import Path


class TrustFault(RuntimeError):
    """certutil did not make the database; the text is its own."""


def make_trust_store(directory: Path, root_certificate: Path) -> Path:
    """A new database in `directory` that trusts `root_certificate` (PEM) for servers. Raises TrustFault, OSError."""
    directory.mkdir(parents=True)
    database = f"sql:{directory}"
    _certutil("-N", "-d", database, "--empty-password")
    _certutil("-A", "-d", database, "-n", "eightsteps root", "-t", "C,,", "-i", str(root_certificate))
    return directory


def _certutil(*arguments: str) -> None:
    done = subprocess.run(["certutil", *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        raise TrustFault(f"certutil {arguments[0]}: {done.stderr.strip() or f'exit code {done.returncode}'}")
