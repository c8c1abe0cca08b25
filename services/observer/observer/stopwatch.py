"""Where the time goes between a visit's last frame and its folder."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Phase:
    """One part of the work, and how long it took."""

    name: str
    duration_ns: int


class Stopwatch:
    """Times the phases of one piece of work, one after the other."""

    def __init__(self) -> None:
        self._phases: list[Phase] = []

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Time the block; a block that raises is no phase."""
        began = time.monotonic_ns()
        yield
        self._phases.append(Phase(name, time.monotonic_ns() - began))

    @property
    def phases(self) -> tuple[Phase, ...]:
        return tuple(self._phases)
