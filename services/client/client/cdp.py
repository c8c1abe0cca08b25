"""Messages of the Chrome DevTools Protocol over a pipe: JSON objects, each ended by a NUL byte. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

Json = Mapping[str, Any]

_LARGEST_MESSAGE = 64 * 1024 * 1024  # bytes; a screenshot is the largest there is


class ProtocolError(ValueError):
    """The bytes are no DevTools message; the text says where."""


@dataclass(frozen=True, slots=True)
class Reply:
    """The answer to the command numbered `id`; `error` is empty if it was carried out."""

    id: int
    result: Json
    error: str


@dataclass(frozen=True, slots=True)
class Event:
    """Something happened; `session` is the attached target's, empty for the browser's own."""

    method: str
    params: Json
    session: str


Message = Reply | Event


def encode(number: int, method: str, params: Json, session: str = "") -> bytes:
    """The command `method`, to be answered with `number`."""
    command: dict[str, Any] = {"id": number, "method": method, "params": params}
    if session:
        command["sessionId"] = session
    return json.dumps(command).encode() + b"\0"


class MessageReader:
    """Puts messages together from the bytes that arrive."""

    def __init__(self) -> None:
        self._pieces = bytearray()
        self._searched = 0  # so that a large message that comes in many pieces is searched once

    def feed(self, data: bytes) -> list[Message]:
        """The messages that `data` completes. Raises ProtocolError."""
        self._pieces += data
        messages: list[Message] = []
        while (end := self._pieces.find(b"\0", self._searched)) >= 0:
            messages.append(_decode(bytes(self._pieces[:end])))
            del self._pieces[: end + 1]
            self._searched = 0
        self._searched = len(self._pieces)
        if self._searched > _LARGEST_MESSAGE:
            raise ProtocolError(f"DevTools message: more than {_LARGEST_MESSAGE} bytes without an end")
        return messages


def _decode(text: bytes) -> Message:
    try:
        message = json.loads(text)
    except ValueError as fault:
        raise ProtocolError(f"DevTools message {text[:80]!r}: {fault}") from fault
    match message:
        case {"id": int(number), "error": {"message": str(error)}}:
            return Reply(number, {}, error or "no text")
        case {"id": int(number), "result": dict(result)}:
            return Reply(number, result, "")
        case {"method": str(method), "params": dict(params)}:
            return Event(method, params, message.get("sessionId", ""))
    raise ProtocolError(f"DevTools message {text[:80]!r}: neither an answer nor an event")
