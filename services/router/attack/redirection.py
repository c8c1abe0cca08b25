"""The iptables lines that turn traffic to the isp's own listeners. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from attack.boundary import Place
from attack.orders import Claim, Forge, Impostor, Order, Strip

CHAIN = "ATTACK"
NOTHING = f"*nat\n:{CHAIN} - [0:0]\nCOMMIT\n"
"""Empties the chain."""
JUMP = ("nat", "PREROUTING", "-j", CHAIN)
HTTPS_PORT, HTTP_PORT, DNS_PORT = 8443, 8080, 5353
"""Where the listeners are, on the isp's own address of the internet link."""


def ruleset(orders: Sequence[Order], place: Place) -> str:
    """Input for `iptables-restore --noflush` that redirects what `orders` are about, in one step."""
    lines = [line for order in orders for line in _lines(order, place)]
    return "\n".join(["*nat", f":{CHAIN} - [0:0]", *lines, "COMMIT", ""])


def _lines(order: Order, place: Place) -> list[str]:
    match order:
        case Impostor(scheme="https"):
            return _web(443, HTTPS_PORT, place)
        case Impostor() | Strip():
            return _web(80, HTTP_PORT, place)
        case Forge():
            return [f"-A {CHAIN} -s {place.router} -d {place.resolver} {_to('udp', 53, DNS_PORT)}"]
        case Claim():
            return []  # forwarded, through the middlebox's chain


def _web(port: int, listener: int, place: Place) -> list[str]:
    """For the balancer, and for the isp itself: a forged name leads there."""
    return [
        f"-A {CHAIN} -s {place.router} -d {address} {_to('tcp', port, listener)}"
        for address in (place.balancer, place.internet)
    ]


def _to(protocol: str, port: int, listener: int) -> str:
    return f"-p {protocol} --dport {port} -j REDIRECT --to-ports {listener}"
