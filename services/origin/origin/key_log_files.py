"""Which key log file is written, when the next one starts, which ones go. Pure: times and sizes come as numbers.

A file is named <host>.<unix seconds of its start>.log. Secrets are kept no longer than the frames they open can matter.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

ROLL_AFTER_S = 600
KEEP_S = 7200
LARGEST_FILE = 8 * 1024 * 1024  # bytes; a handshake logs about 1000
LARGEST_TOTAL = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class KeyLogFile:
    """A file of this host: `started` in unix seconds, `size` in bytes."""

    started: int
    size: int


def file_name(host: str, started: int) -> str:
    return f"{host}.{started}.log"


def started_of(host: str, name: str) -> int | None:
    """When the file of this name was started; None if it is not a key log of `host`."""
    prefix, suffix = f"{host}.", ".log"
    middle = name[len(prefix) : -len(suffix)]
    if not (name.startswith(prefix) and name.endswith(suffix) and middle.isascii() and middle.isdigit()):
        return None
    return int(middle)


def is_due(current: KeyLogFile, now: int) -> bool:
    """Whether `current` is to be followed by a new file; also when the clock was set back.

    Never within the second it was started in: the new one would have the same name.
    """
    age = now - current.started
    return age != 0 and (not 0 < age < ROLL_AFTER_S or current.size >= LARGEST_FILE)


def outdated(files: Iterable[KeyLogFile], now: int) -> list[KeyLogFile]:
    """The files to delete: older than KEEP_S, or oldest once all together exceed LARGEST_TOTAL."""
    total = 0
    gone = []
    for file in sorted(files, key=lambda each: each.started, reverse=True):
        total += file.size
        if now - file.started > KEEP_S or total > LARGEST_TOTAL:
            gone.append(file)
    return gone
