"""Answers kept as octets, so that a name asked again costs a look-up and a copy instead of parsing and packing.

The key is the query without its ID and with its name in lower case: whatever else differs - RD, CD, type, class,
EDNS payload size - is another entry. The answer gets the query's own ID and question (so its case is echoed), and
its TTLs are written anew each time the second changes.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable
from dataclasses import dataclass

from hostkit.dns_query import HEADER, Query, ttl_offsets

_LARGEST = 1232  # octets of an answer worth keeping: bounds the memory of `limit` entries
_OPT_SIZE = 11  # octets of an OPT record without options


@dataclass(slots=True)
class _Packed:
    message: bytes  # after the ID, the question in lower case, TTLs as of now
    question_end: int  # where the question ends in a message with ID
    ttls: tuple[tuple[int, int], ...]  # of each record: where its TTL is in `message`, and what it was when kept
    kept_at: float
    stale_at: float  # when the TTLs have to be written anew


class PackedAnswers:
    """A bounded memory of answers given over UDP, good over TCP too: none of them was cut. The oldest goes first."""

    def __init__(self, clock: Callable[[], float], limit: int = 2048) -> None:
        self._clock = clock
        self._limit = limit
        self._answers: dict[bytes, _Packed] = {}

    def __len__(self) -> int:
        return len(self._answers)

    def answer(self, wire: bytes) -> bytes | None:
        """The answer to the query in these octets, whatever they are; None when there is none at hand."""
        packed = self._answers.get(wire[2:])  # what _key() makes of a name in lower case, as nearly all are
        if packed is not None:
            if self._clock() < packed.stale_at or self._refresh(packed):
                return wire[:2] + packed.message
        else:
            packed = self._answers.get(_key(wire))
            if packed is None:
                return None
            if self._clock() < packed.stale_at or self._refresh(packed):
                end = packed.question_end
                return wire[:2] + packed.message[:10] + wire[12:end] + packed.message[end - 2 :]
        del self._answers[_key(wire)]
        return None

    def keep(self, wire: bytes, query: Query, answer: bytes) -> None:
        """Remember that `answer` was given to `wire`, which reads as `query`, just now.

        Kept is what can be found again (a question, and at most an OPT record without options) and ends at a
        known time (it has TTLs, none of them zero).
        """
        end = HEADER.size + len(query.question)
        offsets = ttl_offsets(answer)
        plain = len(wire) == end + (0 if query.edns is None else _OPT_SIZE)
        if not plain or not offsets or len(answer) > _LARGEST or wire.find(0, 12) + 5 != end:
            return
        now = self._clock()
        key = _key(wire)
        ttls = tuple((at - 2, struct.unpack_from("!I", answer, at)[0]) for at in offsets)
        packed = _Packed(answer[2:12] + key[10 : end - 2] + answer[end:], end, ttls, now, now)
        if self._refresh(packed):
            if len(self._answers) >= self._limit:
                del self._answers[next(iter(self._answers))]
            self._answers[key] = packed

    def clear(self) -> None:
        self._answers.clear()

    def _refresh(self, packed: _Packed) -> bool:
        """Write the TTLs that remain into the answer; False when one of them is down to nothing."""
        begun = math.ceil(self._clock() - packed.kept_at)  # seconds, the current one included
        packed.stale_at = packed.kept_at + begun
        message = bytearray(packed.message)
        for offset, ttl in packed.ttls:
            if ttl <= begun:
                return False
            struct.pack_into("!I", message, offset, ttl - begun)
        packed.message = bytes(message)
        return True


def _key(wire: bytes) -> bytes:
    """The query without its ID, its name in lower case.

    The first zero octet ends the name: a query with one inside a label is never kept. A name's length octets are
    below "A", so lower() leaves them alone; that of a malformed query is not, but it too is never kept.
    """
    name_end = wire.find(0, 12)
    return wire[2:12] + wire[12:name_end].lower() + wire[name_end:]
