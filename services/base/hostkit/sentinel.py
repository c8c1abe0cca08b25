"""Sentinels: the marked frames that cut one visit out of a link's recording.

The tap puts one on every link before a visit and one after it. It is an Ethernet frame of an EtherType for
local experiments (IEEE 802, 0x88B5) between two locally administered addresses that no host owns, so that
every host's kernel discards it before any protocol sees it.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from enum import Enum

ETHER_TYPE = 0x88B5
DESTINATION = bytes.fromhex("023853544550")  # 02: unicast, locally administered; then "8STEP"
SOURCE = bytes.fromhex("063853544550")
SIZE = 60  # bytes: the least an Ethernet frame has, its check sequence not counted
VERSION = 1

_PREFIX = DESTINATION + SOURCE + ETHER_TYPE.to_bytes(2, "big") + b"8STEPS" + bytes([VERSION])
_VISIT_AT = len(_PREFIX) + 1
_HASH_SIZE = 16


class Kind(Enum):
    """Which end of a visit a sentinel marks."""

    BEGIN = b"B"
    END = b"E"


@dataclass(frozen=True, slots=True)
class Sentinel:
    """A recognised sentinel: which end, and of which visit (`visit_hash` of its id)."""

    kind: Kind
    visit: bytes


def visit_hash(visit: str) -> bytes:
    """The 16 bytes that stand for a visit's id in its sentinels: ids may be longer than a frame has room for."""
    return hashlib.sha256(visit.encode()).digest()[:_HASH_SIZE]


def frame(kind: Kind, visit: str) -> bytes:
    """The whole sentinel frame for one end of `visit`, as it goes on the link."""
    return (_PREFIX + kind.value + visit_hash(visit)).ljust(SIZE, b"\0")


def recognise(data: bytes | memoryview) -> Sentinel | None:
    """The sentinel that `data`, a whole frame, is; None for any other frame, also for one that merely holds one."""
    if len(data) != SIZE or data[: len(_PREFIX)] != _PREFIX:
        return None
    try:
        kind = Kind(bytes(data[_VISIT_AT - 1 : _VISIT_AT]))
    except ValueError:
        return None
    return Sentinel(kind, bytes(data[_VISIT_AT : _VISIT_AT + _HASH_SIZE]))
