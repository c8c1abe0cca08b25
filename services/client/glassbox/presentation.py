"""The presentation language of TLS (RFC 8446, 3): numbers, vectors, and nothing left over.

Every error names message and field, what was expected and what was found.
"""

from __future__ import annotations

from glassbox.alerts import AlertDescription, TlsFault


class Reader:
    """Takes the fields of one structure off the front of `data`. Raises TlsFault(decode_error)."""

    def __init__(self, data: bytes, what: str) -> None:
        self._data = data
        self._at = 0
        self._what = what

    @property
    def left(self) -> int:
        """Bytes not yet taken."""
        return len(self._data) - self._at

    def take(self, length: int, field: str) -> bytes:
        if self.left < length:
            raise self.fault(field, f"{length} bytes", f"{self.left}")
        self._at += length
        return self._data[self._at - length : self._at]

    def uint(self, size: int, field: str) -> int:
        """A number of `size` bytes."""
        return int.from_bytes(self.take(size, field))

    def vector(self, size: int, field: str, minimum: int = 0) -> bytes:
        """A vector whose length stands before it in `size` bytes."""
        content = self.take(self.uint(size, f"{field}'s length"), field)
        if len(content) < minimum:
            raise self.fault(field, f"at least {minimum} bytes", f"{len(content)}")
        return content

    def rest(self) -> bytes:
        return self.take(self.left, "rest")

    def finish(self) -> None:
        if self.left:
            raise self.fault("end", "no more bytes", f"{self.left}")

    def fault(self, field: str, expected: str, found: str) -> TlsFault:
        text = f"{self._what}: {field}: expected {expected}, found {found}"
        return TlsFault(AlertDescription.DECODE_ERROR, text)


def numbers(data: bytes, what: str, size: int = 2) -> tuple[int, ...]:
    """A list of numbers of `size` bytes each."""
    reader = Reader(data, what)
    found = []
    while reader.left:
        found.append(reader.uint(size, "number"))
    return tuple(found)


def uint(value: int, size: int) -> bytes:
    return value.to_bytes(size)


def vector(size: int, content: bytes) -> bytes:
    """`content` with its length before it, in `size` bytes. Raises OverflowError when it does not fit."""
    return len(content).to_bytes(size) + content
