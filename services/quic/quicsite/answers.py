"""What the server says to a request. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass

_BYTES = re.compile(r"/bytes/(?P<size>[0-9]{1,8})")
_LARGEST_BODY = 10 * 1024 * 1024
_LINE = 16  # bytes


@dataclass(frozen=True, slots=True)
class Answer:
    """`fields` are the header fields that not every answer has; whether the body is sent, the method decides."""

    status: int
    body: bytes
    fields: tuple[tuple[str, str], ...] = ()


def answer(method: str, target: str) -> Answer:
    """The response to `method` of `target`, its query included."""
    if method not in ("GET", "HEAD"):
        return Answer(405, b"405 Only GET and HEAD are understood here.\n", (("allow", "GET, HEAD"),))
    path = target.partition("?")[0]
    if path == "/":
        return Answer(200, b"The lab's second HTTP/3 server.\n")
    found = _BYTES.fullmatch(path)
    if found is None:
        return Answer(404, b"404 Only / and /bytes/<n> are here.\n")
    size = int(found["size"])
    if size > _LARGEST_BODY:
        return Answer(400, b"400 At most %d bytes.\n" % _LARGEST_BODY)
    # Lines that say their own offset, as the site's own /bytes has them.
    return Answer(200, b"".join(b"%015d\n" % offset for offset in range(0, size, _LINE))[:size])
