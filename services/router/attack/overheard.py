"""What the isp's listeners got to see: the report's `overheard`."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from typing import Any

MOST_KEPT = 1000
LARGEST_BODY = 4096  # bytes of a request's body that are kept


@dataclass(frozen=True, slots=True)
class Overheard:
    """One thing that came to a listener. `what`: "request", "handshake failed" or "question"."""

    time_ns: int
    by: str
    peer: str
    what: str
    text: str


class Ear:
    """Collects; any thread may tell it something."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._heard: list[Overheard] = []

    def hear(self, by: str, peer: tuple[str, int], what: str, text: str) -> None:
        with self._lock:
            if len(self._heard) < MOST_KEPT:
                self._heard.append(Overheard(time.time_ns(), by, f"{peer[0]}:{peer[1]}", what, text))

    def as_json(self) -> list[dict[str, Any]]:
        with self._lock:
            return [
                {"time_ns": h.time_ns, "by": h.by, "peer": h.peer, "what": h.what, "text": h.text} for h in self._heard
            ]
