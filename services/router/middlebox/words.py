"""A sentence as words, read from left to right; what does not fit is told in one line that marks the word. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from decimal import Decimal
from typing import NoReturn

from hostkit.agent import BadRequest

_WORD = re.compile(r'"(?:[^"\\]|\\.)*"|[0-9]+(?:\.[0-9]+){3}|[0-9]+(?:st|nd|rd|th)\b|[0-9]+(?:\.[0-9]+)?|%|[^\s%"]+|"')
_ORDINAL = re.compile(r"([0-9]{1,10})(?:st|nd|rd|th)")
_NUMBER = re.compile(r"[0-9]+(?:\.[0-9]+)?")
_SPELLED = {word: number for number, word in enumerate(("first", "second", "third", "fourth", "fifth"), start=1)}

MOST = 1 << 31


class Words:
    """The words of one sentence and how far they are read."""

    def __init__(self, sentence: str) -> None:
        self._words = _WORD.findall(sentence)
        self._at = 0

    @property
    def next(self) -> str:
        """The next word in lower case, empty at the end."""
        return self._words[self._at].lower() if self._at < len(self._words) else ""

    def take(self, *words: str) -> bool:
        """Step over `words` if they come next, however they are spelled."""
        upcoming = [word.lower() for word in self._words[self._at : self._at + len(words)]]
        if upcoming != [word.lower() for word in words]:
            return False
        self._at += len(words)
        return True

    def expect(self, *words: str) -> None:
        for word in words:
            if not self.take(word):
                self.refuse(f'expected "{word}"')

    def end(self, expected: str) -> None:
        """Refuse whatever is left."""
        if self._at < len(self._words):
            self.refuse(f"expected {expected}")

    def text(self) -> str:
        """Step over the next word, whatever it is, and return it as it is spelled."""
        if self._at == len(self._words):
            self.refuse("expected a word")
        self._at += 1
        return str(self._words[self._at - 1])

    def back(self) -> None:
        """Unread one word: it is the one that `refuse` has to mark."""
        self._at -= 1

    def has_ordinal(self) -> bool:
        return bool(_ORDINAL.fullmatch(self.next)) or self.next in _SPELLED

    def ordinal(self) -> int:
        """ "3rd" or "third" as 3."""
        if not self.has_ordinal():
            self.refuse("expected a position: 1st, 2nd, 3rd, ...")
        found = _ORDINAL.fullmatch(self.next)
        position = int(found[1]) if found else _SPELLED[self.next]
        if not 1 <= position <= MOST:
            self.refuse("positions count from 1st")
        self._at += 1
        return position

    def whole(self, what: str, least: int, most: int) -> int:
        number = self.number(what, least, most)
        if number != int(number):
            self.back()
            self.refuse(f"expected {what}: a whole number")
        return int(number)

    def number(self, what: str, least: int, most: int) -> Decimal:
        if not _NUMBER.fullmatch(self.next) or not least <= Decimal(self.next) <= most:
            self.refuse(f"expected {what}: a number from {least} to {most}")
        self._at += 1
        return Decimal(self._words[self._at - 1])

    def refuse(self, why: str) -> NoReturn:
        """Raise BadRequest: the sentence with its next word marked, and why it does not fit."""
        marked = [*self._words[: self._at], f">{''.join(self._words[self._at : self._at + 1])}<"]
        told = " ".join([*marked, *self._words[self._at + 1 :]])
        raise BadRequest(f"{' '.join(told.split())}: {why}")


def ordinal(position: int) -> str:
    """3 as "3rd"."""
    ending = "th" if position % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(position % 10, "th")
    return f"{position}{ending}"


def listed(names: Sequence[str]) -> str:
    """ "a, b or c"."""
    return f"{', '.join(names[:-1])} or {names[-1]}" if len(names) > 1 else "".join(names)
