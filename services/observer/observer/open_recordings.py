"""Recordings on request: whatever happens on the links until somebody says that it is enough.

A visit tells one journey. An experiment is more than that: several requests, a host that is killed, a fault in
between. It gets the same evidence (frames of every link, keys, the tap's word on completeness) and no story.
"""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from observer import captures
from observer.document import plain
from observer.keys import parsed
from observer.section import Section
from observer.steps import LinkCapture
from observer.visit import EvidenceError, Observer

_PLAIN_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,99}")
_LONGEST_S = 600.0  # then the spool may recycle its records: a test that died must not keep them for ever


@dataclass(frozen=True, slots=True)
class Ended:
    """A recording that was written. `began_ns`: what its files hold from before is the past of kept connections."""

    folder: Path
    began_ns: int
    capture: tuple[LinkCapture, ...]


@dataclass(frozen=True, slots=True)
class _Open:
    section: Section
    began_ns: int
    expires: float


class OpenRecordings:
    """The recordings that are going on, by name. Use from any thread."""

    def __init__(self, observer: Observer) -> None:
        self._observer = observer
        self._lock = threading.Lock()
        self._open: dict[str, _Open] = {}

    def begin(self) -> str:
        """Begin one and return its name. Raises LabError."""
        self._close_expired()
        name = self._observer.names.next()
        section = self._observer.section(name)
        with self._lock:
            self._open[name] = _Open(section, time.time_ns(), time.monotonic() + _LONGEST_S)
        return name

    def end(self, name: str, keylog: str, about: str) -> Ended:
        """End `name` and write its folder; `keylog` holds the clients' TLS secrets, `about` says what it shows.

        Raises:
            ValueError: there is no such recording, or a line of `keylog` is no secret.
            EvidenceError: what was recorded could not be read.
            OSError: the folder could not be written.
        """
        secrets = parsed(keylog)
        with self._lock:
            found = self._open.pop(name, None)
        if found is None:
            raise ValueError(f"no recording {name!r} is going on: it was never begun, has ended, or took too long")
        with found.section as section:
            try:
                recordings = section.end()
                secrets += self._observer.secrets_of(recordings)
            except ValueError as fault:
                raise EvidenceError(f"recording {name}: {fault}") from fault
        capture = tuple(recording.capture for recording in recordings)
        files = captures.evidence_files(recordings, secrets, self._observer.topology, {})
        said: Mapping[str, object] = {"about": about, "began_ns": found.began_ns, "capture": plain(capture)}
        files["recording.json"] = (json.dumps(said, indent=1, ensure_ascii=False) + "\n").encode()
        return Ended(captures.place(self._observer.captures, name, files), found.began_ns, capture)

    def attach(self, name: str, file: str, content: bytes) -> None:
        """Put something that an experiment made of it (a table, a picture) beside an ended recording's frames.

        Raises:
            ValueError: there is no such recording, or `file` is no plain name or stands there already.
            OSError: the file could not be written.
        """
        folder = self._observer.captures / name
        if not _PLAIN_NAME.fullmatch(name) or not (folder / "recording.json").is_file():
            raise ValueError(f"there is no ended recording {name!r}")
        if not _PLAIN_NAME.fullmatch(file):
            raise ValueError(f"{file!r}: expected a plain name of letters, digits, dots, hyphens and underscores")
        try:
            with (folder / file).open("xb") as new:
                new.write(content)
        except FileExistsError:
            raise ValueError(f"{name} has a file {file} already") from None

    def _close_expired(self) -> None:
        with self._lock:
            expired = [name for name, found in self._open.items() if found.expires < time.monotonic()]
            closing = [self._open.pop(name) for name in expired]
        for found in closing:
            found.section.close()
