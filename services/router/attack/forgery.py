"""The answer that somebody on the way to the resolver gives in its place. Pure."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from ipaddress import IPv4Address

from hostkit.dns_query import HEADER, QR, RA, RD, Query, Type, judge

_TTL_S = 5
"""Short, so that the lie does not outlive the experiment for long."""
_POINTER_TO_QUESTION = b"\xc0\x0c"


def forged(wire: bytes, names: Mapping[str, IPv4Address]) -> bytes | None:
    """The answer to the query in `wire` if it is about one of `names`, else None: somebody honest has to answer.

    Only A records are invented; whoever asks for another type of such a name is told that there is none.
    """
    query = judge(wire)
    if not isinstance(query, Query):
        return None
    address = names.get(b".".join(query.name).decode("latin-1"))
    if address is None:
        return None
    invented = query.rtype == Type.A
    record = _POINTER_TO_QUESTION + struct.pack("!HHIH", Type.A, 1, _TTL_S, 4) + address.packed
    flags = QR | RA | (query.flags & RD)
    return HEADER.pack(query.id, flags, 1, int(invented), 0, 0) + query.question + (record if invented else b"")
