"""How text is drawn in a terminal: how wide, in which colours and characters, and times in words. Pure."""

from __future__ import annotations

import textwrap
import unicodedata
from dataclasses import dataclass

BOLD, DIM, RED, GREEN, YELLOW = "1", "2", "31", "32", "33"


@dataclass(frozen=True, slots=True)
class Style:
    """How to draw: `width` in columns; colour and Unicode only where the reader's terminal has them."""

    width: int = 110
    colour: bool = False
    ascii: bool = False

    def paint(self, text: str, code: str) -> str:
        return f"\x1b[{code}m{text}\x1b[0m" if self.colour and text and code else text

    def shown(self, text: str) -> str:
        """Foreign text that takes one column a character and steers no terminal."""
        return "".join(c if _is_narrow(c) else "?" for c in self._printable(text))

    def wrapped(self, text: str, used: int) -> list[str]:
        """The text on lines that leave `used` columns free."""
        return textwrap.wrap(self._printable(text), max(self.width - used, 20))

    def cut(self, text: str, used: int = 0) -> str:
        """The text on one line that leaves `used` columns free."""
        text, room = self._printable(text), max(self.width - used, 20)
        ellipsis = "..." if self.ascii else "…"
        return text if len(text) <= room else text[: room - len(ellipsis)] + ellipsis

    def _printable(self, text: str) -> str:
        """A certificate's name or a path may hold a terminal's control sequences; here they stay characters."""
        if self.ascii:
            text = text.replace("→", "->").encode("ascii", "replace").decode()
        return "".join(c if c.isprintable() else "?" for c in text)


def milliseconds(time_ns: int | None) -> str:
    """A time in milliseconds with two decimals; a dash where there is none."""
    return "-" if time_ns is None else f"{time_ns / 1_000_000:.2f} ms"


def headings(names: list[str], centres: list[int], width: int) -> list[str]:
    """Names over their columns, on as many lines as they need not to touch: the last line stands nearest."""
    rows: list[list[str]] = [[" "] * width]
    for name, centre in zip(names, centres, strict=True):
        start = max(0, min(centre - len(name) // 2, width - len(name)))
        free = (row for row in rows if not "".join(row[max(start - 1, 0) : start + len(name) + 1]).strip())
        row = next(free, None)
        if row is None:
            row = [" "] * width
            rows.append(row)
        row[start : start + len(name)] = name
    return ["".join(row).rstrip() for row in reversed(rows)]


def _is_narrow(character: str) -> bool:
    return unicodedata.east_asian_width(character) not in "WF" and not unicodedata.combining(character)
