"""HTTP/1.1 messages (RFC 9112). Pipelined ones share a frame, and tshark gives their header lines in one list."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice

from observer.dissect.fields import Fields, unescaped
from observer.messages import HttpMessage, HttpVersion

_LINE_END = 2  # bytes: CR LF
_VERSION = len("HTTP/1.1 ")
_SMALLEST_CHUNKED = len("0\r\n\r\n")
_MOST_TO_DIVIDE = 100  # messages of one frame: beyond that nobody works out which header lines are whose
_WITHOUT_CONTENT = (204, 304)  # and 1xx: RFC 9112, section 6.3


@dataclass(frozen=True, slots=True)
class _Start:
    """A message before it is known which header lines are its own. `room` are the bytes it has to itself, or, in the
    last of a frame, the most that it can have; `line_length` those of its first line."""

    message: HttpMessage
    line_length: int
    room: int
    is_last: bool


def messages(fields: Fields) -> list[HttpMessage]:
    """The requests or the responses of a frame; never both, for one end sends it."""
    starts = _requests(fields) or _responses(fields)
    if not starts:
        return []
    lines = fields.all("http.request.line" if starts[0].message.is_request else "http.response.line")
    headers = [_header(line) for line in lines]
    if len(starts) == 1:
        return [_with_headers(starts[0].message, headers)]
    lengths = [len(unescaped(line).encode()) for line in lines]
    divisions = list(islice(_divisions(starts, headers, lengths), 2)) if len(starts) <= _MOST_TO_DIVIDE else []
    if len(divisions) != 1:  # it cannot be told whose they are: better nobody's than another's
        return [replace(start.message, headers_known=False) for start in starts]
    found = []
    for start, count in zip(starts, divisions[0], strict=True):
        found.append(_with_headers(start.message, headers[:count]))
        headers = headers[count:]
    return found


def _requests(fields: Fields) -> list[_Start]:
    if not fields.has("http.request.method"):
        return []
    methods = fields.all("http.request.method")
    targets = [unescaped(target) for target in fields.all("http.request.uri")]
    targets += [""] * (len(methods) - len(targets))
    return _starts(
        fields,
        [_message(method=method, path=target) for method, target in zip(methods, targets, strict=False)],
        [len(m) + 1 + len(t.encode()) + _VERSION + _LINE_END for m, t in zip(methods, targets, strict=False)],
    )


def _responses(fields: Fields) -> list[_Start]:
    if not fields.has("http.response.code"):
        return []
    statuses = fields.numbers("http.response.code")
    phrases = [unescaped(phrase) for phrase in fields.all("http.response.phrase")]
    phrases += [""] * (len(statuses) - len(phrases))
    return _starts(
        fields,
        [_message(status=status) for status in statuses],
        [_VERSION + 3 + 1 + len(phrase.encode()) + _LINE_END for phrase in phrases],
    )


def _starts(fields: Fields, found: list[HttpMessage], line_lengths: list[int]) -> list[_Start]:
    """tshark gives each message's length as that of all bytes to the end of what it dissects at once, so a message
    has what the next one's lacks; one that was put together from several segments stands alone."""
    to_end = [*fields.numbers("len(http)"), *[0] * len(found)][: len(found)]
    rooms = [own - after if after < own else own for own, after in zip(to_end, [*to_end[1:], 0], strict=True)]
    last = len(found) - 1
    return [
        _Start(message, length, room, number == last)
        for number, (message, length, room) in enumerate(zip(found, line_lengths, rooms, strict=False))
    ]


def _message(method: str | None = None, path: str | None = None, status: int | None = None) -> HttpMessage:
    return HttpMessage(HttpVersion.HTTP_1, None, method, path, None, status, ())


def _with_headers(message: HttpMessage, headers: Sequence[tuple[str, str]]) -> HttpMessage:
    host = next((value for name, value in headers if name.lower() == "host"), None)
    return replace(message, headers=tuple(headers), authority=host if message.is_request else None)


def _divisions(
    starts: Sequence[_Start], headers: Sequence[tuple[str, str]], lengths: Sequence[int]
) -> Iterator[tuple[int, ...]]:
    """Every way to give each message its header lines, so that section and content fill the bytes it has."""
    start, others = starts[0], starts[1:]
    if not others:
        if start.line_length + sum(lengths) + _LINE_END <= start.room:
            yield (len(headers),)
        return
    taken = start.line_length + _LINE_END
    for count in range(len(headers) + 1):
        if count:
            taken += lengths[count - 1]
        if taken > start.room:
            return
        if _can_be_content(start.message, headers[:count], start.room - taken):
            for rest in _divisions(others, headers[count:], lengths[count:]):
                yield (count, *rest)


def _can_be_content(message: HttpMessage, headers: Sequence[tuple[str, str]], size: int) -> bool:
    """Whether a message with these headers can have content of `size` bytes (RFC 9112, section 6.3)."""
    named = {name.lower(): value for name, value in headers}
    if message.status is not None and (message.status < 200 or message.status in _WITHOUT_CONTENT):
        return size == 0
    if "chunked" in named.get("transfer-encoding", "").lower():
        return size >= _SMALLEST_CHUNKED
    length = named.get("content-length", "0")
    # A response to HEAD has a length and no content.
    return size == (int(length) if length.isdecimal() else 0) or (size == 0 and not message.is_request)


def _header(line: str) -> tuple[str, str]:
    name, _, value = unescaped(line).strip("\r\n").partition(":")
    return name, value.strip()
