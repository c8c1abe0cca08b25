"""The keys under which the balancer's weak listener seals its session tickets, in the form that HAProxy reads.

HAProxy would make some of its own and keep them in memory. That is better for a site, and worse for the claim that
whoever steals them reads on: here they are a file.
"""

from __future__ import annotations

import os
from base64 import b64decode, b64encode
from binascii import Error
from pathlib import Path

from pki.files import PRIVATE_MODE, replace

KEYS = 3  # HAProxy seals with the last but one and opens with all
KEY_LENGTH = 80  # bytes: name 16, AES-256 32, HMAC-SHA256 32


def keep_ticket_keys(path: Path) -> str:
    """Make the file unless a good one is there; one line on what was done. Raises OSError."""
    why = _fault(path)
    if why is not None:
        lines = (b64encode(os.urandom(KEY_LENGTH)) + b"\n" for _ in range(KEYS))
        replace(path, b"".join(lines), PRIVATE_MODE)
    return f"{'kept' if why is None else 'made'}  {path.name:<13} session tickets{f'  ({why})' if why else ''}"


def _fault(path: Path) -> str | None:
    if not path.exists():
        return f"there is no {path.parent.name}/{path.name}"
    try:
        lengths = [len(b64decode(line, validate=True)) for line in path.read_bytes().splitlines()]
    except Error:
        return "unreadable"
    return None if lengths == [KEY_LENGTH] * KEYS else f"holds {len(lengths)} keys of {set(lengths)} bytes"
