"""Which TLS secrets belong to a visit: the client's own, and of the origins' those whose handshakes were recorded."""

from __future__ import annotations

import re
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
    """The origins' secrets for the ClientHellos in `frames`. Raises KeyLogError, OSError."""
    wanted = {random.hex().encode() for random in _CLIENT_HELLO.findall(frames)}
    lines = (line for path in sorted(folder.glob("*.log")) for line in whole_lines(path).splitlines(keepends=True))
    return parsed(b"".join(line for line in lines if _random_of(line) in wanted).decode("ascii"))


def whole_lines(path: Path, begin: int = 0) -> bytes:
    """What a key log that somebody still writes holds from byte `begin` to the end of its last whole line.

    One that was swept since it was listed holds nothing. Raises OSError.
    """
    try:
        with path.open("rb") as file:
            file.seek(begin)
            text = file.read()
    except FileNotFoundError:
        return b""
    return text[: text.rfind(b"\n") + 1]


# A record of type handshake that begins with a ClientHello, up to its random (RFC 8446, sections 5.1 and 4.1.2). The
# logs hold hours of handshakes, the frames a few: looking each of these up costs less than looking for each of those.
_CLIENT_HELLO = re.compile(rb"\x16\x03[\x01-\x03]..\x01...\x03\x03(.{32})", re.DOTALL)


def _random_of(line: bytes) -> bytes:
    """The client random in a key log's line, as it stands there; nothing in a line that is none."""
    parts = line.split(b" ", 2)
    return parts[1].lower() if len(parts) == 3 else b""
