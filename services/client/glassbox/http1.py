"""A GET over HTTP/1.1, and its response as it comes (RFC 9112). Bytes in, values out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

Headers = tuple[tuple[str, str], ...]
_LARGEST_HEAD = 64 * 1024  # bytes
_NO_BODY = (204, 304)


class HttpFault(ValueError):
    """The response is none; the text says where."""


def request(method: str, target: str, host: str, headers: Sequence[tuple[str, str]], body: bytes | None) -> bytes:
    """A request (RFC 9112, 3)."""
    lines = [f"{method} {target} HTTP/1.1", f"Host: {host}", *(f"{name}: {value}" for name, value in headers)]
    if body is not None:
        lines.append(f"Content-Length: {len(body)}")
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1") + (body or b"")


@dataclass(frozen=True, slots=True)
class Head:
    version: str
    status: int
    headers: Headers

    def header(self, name: str) -> str | None:
        return next((value for key, value in self.headers if key.lower() == name), None)


class Response:
    """One final response to one request; interim ones (1xx) are passed over."""

    def __init__(self, method: str) -> None:
        self._method = method
        self._data = bytearray()
        self.head: Head | None = None
        self.body = bytearray()
        self.is_complete = False
        self._length: int | None = None
        self._is_chunked = False

    def feed(self, data: bytes) -> None:
        """Raises HttpFault."""
        self._data += data
        while self.head is None and b"\r\n\r\n" in self._data:
            end = self._data.index(b"\r\n\r\n")
            head = _read_head(bytes(self._data[:end]))
            del self._data[: end + 4]
            if head.status >= 200:
                self._begin(head)
        if self.head is None:
            if len(self._data) > _LARGEST_HEAD:
                raise HttpFault(f"response head: more than {_LARGEST_HEAD} bytes")
            return
        if self._is_chunked:
            self._take_chunks()
        else:
            self.body += self._data
            self._data.clear()
            self.is_complete = self._length is not None and len(self.body) >= self._length
            if self._length is not None:
                del self.body[self._length :]

    def end(self) -> None:
        """The peer sends no more. Raises HttpFault if that cuts the response short."""
        if self.head is not None and self._length is None and not self._is_chunked:
            self.is_complete = True  # RFC 9112, 6.3: until the connection closes
        if not self.is_complete:
            raise HttpFault(f"response: ended after {len(self.body)} bytes of its body")

    @property
    def keeps_connection(self) -> bool:
        """RFC 9112, 9.3."""
        return (
            self.is_complete
            and self.head is not None
            and self.head.version == "1.1"
            and (self.head.header("connection") or "").lower() != "close"
            and (self._is_chunked or self._length is not None)
        )

    def _begin(self, head: Head) -> None:
        self.head = head
        length = head.header("content-length")
        if self._method == "HEAD" or head.status in _NO_BODY:
            self._length = 0
        elif (head.header("transfer-encoding") or "").lower() == "chunked":
            self._is_chunked = True
        elif length is not None:
            if not length.isdecimal():
                raise HttpFault(f"Content-Length: expected a number, found {length!r:.40}")
            self._length = int(length)

    def _take_chunks(self) -> None:
        """RFC 9112, 7.1; trailers are dropped."""
        while not self.is_complete and b"\r\n" in self._data:
            start = self._data.index(b"\r\n") + 2
            line = bytes(self._data[: start - 2])
            try:
                size = int(line.split(b";")[0], 16)
            except ValueError:
                raise HttpFault(f"chunk size: expected hexadecimal digits, found {line!r:.40}") from None
            if size == 0:
                rest = bytes(self._data[start:])
                self.is_complete = rest.startswith(b"\r\n") or b"\r\n\r\n" in rest
                return
            end = start + size
            if len(self._data) < end + 2:
                return
            if self._data[end : end + 2] != b"\r\n":
                raise HttpFault("chunk: no line end after it")
            self.body += self._data[start:end]
            del self._data[: end + 2]


def _read_head(text: bytes) -> Head:
    status_line, *lines = text.decode("latin-1").split("\r\n")
    parts = status_line.split(" ", 2)
    if len(parts) < 2 or not parts[0].startswith("HTTP/1.") or not parts[1].isdecimal():
        raise HttpFault(f"status line: {status_line!r:.80}")
    headers = []
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon or not name:
            raise HttpFault(f"header: {line!r:.80}")
        headers.append((name, value.strip(" \t")))
    return Head(parts[0].removeprefix("HTTP/"), int(parts[1]), tuple(headers))
