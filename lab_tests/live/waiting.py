"""Waiting for something that the lab does in its own time: bounded, and by asking, never by hoping."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

_PAUSE_S = 0.02  # between two questions, so that asking does not keep a core busy


T = TypeVar("T")


def wait_until(found: Callable[[], T | None], within_s: float, what: str, pause_s: float = _PAUSE_S) -> T:
    """Ask `found` until it answers something true, and return that. Fails after `within_s`: `what` never came.

    Between two questions it waits `pause_s`: longer where each of them leaves frames in a capture.
    """
    limit = time.monotonic() + within_s
    while not (answer := found()):
        assert time.monotonic() < limit, f"{what}: not within {within_s:g} s"
        time.sleep(pause_s)
    return answer
