"""What the program traceroute prints (-n -q 1). Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import IPv4Address

_HOP = re.compile(r"\s*(?P<ttl>\d+)\s+(?:(?P<address>[0-9.]+)\s+(?P<ms>[0-9.]+) ms\b.*|\*)\s*")


@dataclass(frozen=True, slots=True)
class Hop:
    """Who answered the probe sent with `ttl`, and after how long; None: nobody did in time."""

    ttl: int
    address: IPv4Address | None
    rtt_ns: int | None


def read_traceroute_output(text: str) -> tuple[Hop, ...]:
    """The hops. Raises ValueError naming the line that cannot be read."""
    hops = []
    for line in text.splitlines()[1:]:
        parts = _HOP.fullmatch(line)
        if parts is None:
            raise ValueError(f"traceroute: {line!r} is not a hop")
        answered = parts["address"] is not None
        hops.append(
            Hop(
                ttl=int(parts["ttl"]),
                address=IPv4Address(parts["address"]) if answered else None,
                rtt_ns=round(float(parts["ms"]) * 1_000) * 1_000 if answered else None,
            )
        )
    return tuple(hops)
