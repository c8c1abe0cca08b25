"""Which TLS secrets belong to a visit: the client's own, and of the origins' those whose handshakes were recorded."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from observer.keylog import Secret, parse
from observer.slicing import Recording

BACKEND = "backend"


def parsed(text: str) -> tuple[Secret, ...]:
    """The secrets of a key log. Raises KeyLogError (a ValueError) for a line that is none."""
    return tuple(parse(text).secrets)


def origin_secrets(folder: Path, recordings: Iterable[Recording]) -> tuple[Secret, ...]:
    """The origins' secrets for connections on the backend link: their client randoms occur in its frames.

    The origins log every handshake, health checks included, and keep two hours of them.
    """
    frames = b"".join(
        packet.data
        for recording in recordings
        if recording.link == BACKEND
        for packet in (*recording.earlier, *recording.packets)
    )
    return opening_secrets(folder, frames) if frames else ()


def opening_secrets(folder: Path, frames: bytes) -> tuple[Secret, ...]:
    """The origins' secrets whose client randoms occur in `frames`. Raises KeyLogError, OSError."""
    logged = (secret for path in sorted(folder.glob("*.log")) for secret in parsed(path.read_text(encoding="ascii")))
    recorded: dict[bytes, bool] = {}
    found = []
    for secret in logged:
        if secret.client_random not in recorded:
            recorded[secret.client_random] = secret.client_random in frames
        if recorded[secret.client_random]:
            found.append(secret)
    return tuple(found)
