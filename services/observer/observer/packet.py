"""A captured packet, as capture files have it."""

from __future__ import annotations

from typing import NamedTuple


class Packet(NamedTuple):
    """One packet as it was seen on one interface.

    A tuple, unlike the other types here: a capture has millions, and a frozen dataclass takes twice as long to make.
    `time_ns` is nanoseconds since the epoch; `original_length` is the length on the link, in bytes, of which `data`
    may be only the beginning.
    """

    time_ns: int
    interface_id: int
    data: bytes
    original_length: int
