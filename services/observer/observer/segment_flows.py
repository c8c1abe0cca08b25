"""Which flows a segment of the spool has frames of, as the bytes that their headers have in common. Pure.

It says too much rather than too little: bytes in a payload that look like a header count as one, and whatever
`belonging.belongs` would find in the segment is in it. So a flow that is not in it need not be searched for.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from observer.belonging import headers_of
from observer.flow import Flow

MOST_DIRECTIONS = 8192  # of flows, each 12 bytes: a segment with more of them (a SYN flood's) is always searched

# EtherType, an IPv4 header without options that carries TCP or UDP, its addresses and the ports behind them. Whatever
# VLAN tags a frame has stand before these bytes, or in the kernel's header of the frame. All but the EtherType is only
# looked at, because a true header may begin within a false one; two EtherTypes cannot overlap.
_HEADER = re.compile(rb"\x08\x00(?=\x45.{8}[\x06\x11].{2}(.{12}))", re.DOTALL)
_HEADER_SIZE = 26


def directions_in(chunks: Iterable[bytes], most: int = MOST_DIRECTIONS) -> bytes | None:
    """The flows in a segment, which comes in `chunks`, for `may_hold`. None when it has more directions than `most`."""
    found: set[bytes] = set()
    rest = b""
    for chunk in chunks:
        data = rest + chunk
        found.update(_HEADER.findall(data))
        if len(found) > most:
            return None
        rest = data[-(_HEADER_SIZE - 1) :]
    # One string instead of a set takes 12 bytes for each where a set takes 90, and is searched at memory speed.
    return b"".join(found)


def may_hold(flows: bytes, flow: Flow) -> bool:
    """Whether a segment with these `flows` may hold `flow`. Raises OSError for an address that is not IPv4."""
    return any(header in flows for header in headers_of(flow))
