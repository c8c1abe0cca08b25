"""A packet in a packet: which of a field's occurrences are the frame's own.

tshark prints a field once for every layer that has it, the outermost first. In a tunnel the packet inside is what two
hosts have to say to each other, and the ones around it say how it travels; what an ICMP error has inside is a quotation
of another packet, and what TCP has inside is a part of its stream, which holds any number of packets.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

_IP = ("ip", "ipv6")
_TRANSPORTS = ("tcp", "udp", "icmp", "icmpv6")


@dataclass(frozen=True, slots=True)
class Own:
    """The frame's own layers by tshark's names ("" for one that it lacks), and how many of their kind are around."""

    ip: str = ""
    ips_around: int = 0
    transport: str = ""
    datagrams_around: int = 0
    in_tunnel: bool = False


@lru_cache(maxsize=1_000)
def own_layers(protocols: str) -> Own:
    """Of a frame with these protocols, as in "eth:ethertype:ip:udp:vxlan:eth:ethertype:ipv6:tcp"."""
    layers = protocols.split(":")
    at = _transport(layers)
    around = layers if at is None else layers[:at]
    headers = [layer for layer in around if layer in _IP]
    ip = headers[-1] if headers else ""
    return Own(
        ip=ip,
        ips_around=max(0, headers.count(ip) - 1),
        transport="" if at is None else layers[at],
        datagrams_around=around.count("udp"),
        in_tunnel=len(headers) > 1,
    )


def _transport(layers: list[str]) -> int | None:
    """The place of the frame's own transport: the innermost, or the first whose inside is not a packet of its own."""
    found = None
    for place, layer in enumerate(layers):
        if layer in _TRANSPORTS:
            found = place
            if layer != "udp":
                break
    return found
