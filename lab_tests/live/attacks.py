"""The isp's attacks, as tests order them: for a `with` block, and with what the isp got to see afterwards."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Self

Ask = Callable[[str, dict[str, Any]], dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Overheard:
    """What came to one of the isp's listeners. `what`: request, handshake failed, connection broke, question."""

    time_ns: int
    by: str
    """impostor http, impostor https, strip, forge."""
    what: str
    text: str


class Attacks:
    """In force while the `with` block runs; undone at its end, whatever happens."""

    def __init__(self, ask: Ask, orders: tuple[dict[str, Any], ...]) -> None:
        self._ask = ask
        self._orders = orders
        self._report: dict[str, Any] = {}

    def __enter__(self) -> Self:
        self._ask("POST /attacks", {"attacks": list(self._orders)})
        return self

    def __exit__(self, *_: object) -> None:
        self._report = self._ask("DELETE /attacks", {})

    @property
    def overheard(self) -> list[Overheard]:
        """What the isp's listeners got to see, in order: its own word, a frame has to bear it out."""
        assert self._report, "the attack is still on: look at what it brought after the `with` block"
        heard = self._report["overheard"]
        return [Overheard(entry["time_ns"], entry["by"], entry["what"], entry["text"]) for entry in heard]
