"""What can be asked of the isp, as JSON objects. Pure.

{"kind": "impostor", "scheme": "https"}    answer in the balancer's place, with a certificate of its own
{"kind": "impostor", "scheme": "http"}     the same for plain HTTP
{"kind": "strip"}                          fetch by HTTPS what clients ask for by HTTP, hand it on in the clear
{"kind": "claim"}                          claim the resolver's address on the internet link, forward everything
{"kind": "forge", "names": {"parseltongue.co.in": "10.77.2.1"}}
                                           claim it, and answer for these names
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from typing import Any

from attack.boundary import read_address
from hostkit.agent import BadRequest

Json = Mapping[str, Any]
_SCHEMES = ("http", "https")


@dataclass(frozen=True, slots=True)
class Impostor:
    """Answer what is meant for the balancer's port of this scheme."""

    scheme: str


@dataclass(frozen=True, slots=True)
class Strip:
    """Stand between plain HTTP on the client's side and HTTPS on the balancer's (sslstrip, Marlinspike 2009)."""


@dataclass(frozen=True, slots=True)
class Claim:
    """Have the router take the isp for the resolver (ARP spoofing; RFC 826 believes whoever speaks)."""


@dataclass(frozen=True, slots=True)
class Forge:
    """Claim the resolver's address, and answer A questions for `names` with these addresses; forward all others."""

    names: tuple[tuple[str, IPv4Address], ...]


Order = Impostor | Strip | Claim | Forge


def read_orders(request: Json, lab: IPv4Network) -> tuple[Order, ...]:
    """The orders in {"attacks": [...]}. Raises BadRequest, OutsideTheLab among them."""
    listed = request.get("attacks")
    if not isinstance(listed, list) or set(request) != {"attacks"}:
        raise BadRequest('expected {"attacks": [...]} and nothing else')
    orders = tuple(_order(entry, f"attacks[{index}]", lab) for index, entry in enumerate(listed))
    on_port_80 = [order for order in orders if order in (Impostor("http"), Strip())]
    if len(set(orders)) < len(orders) or len(on_port_80) > 1:
        raise BadRequest("attacks: two of them want the same traffic")
    if sum(isinstance(order, Claim | Forge) for order in orders) > 1:
        raise BadRequest("attacks: the resolver's address can be claimed once")
    return orders


def write_order(order: Order) -> dict[str, Any]:
    """The object that `read_orders` reads as `order`."""
    kind: dict[str, Any] = {"kind": type(order).__name__.lower()}
    match order:
        case Impostor():
            return {**kind, "scheme": order.scheme}
        case Forge():
            return {**kind, "names": {name: str(address) for name, address in order.names}}
    return kind


def _order(entry: object, where: str, lab: IPv4Network) -> Order:
    parts = entry if isinstance(entry, dict) else {}
    kind, known = parts.get("kind"), set(parts) - {"kind"}
    if kind == "impostor" and known == {"scheme"} and parts["scheme"] in _SCHEMES:
        return Impostor(parts["scheme"])
    if kind == "strip" and not known:
        return Strip()
    if kind == "claim" and not known:
        return Claim()
    if kind == "forge" and known == {"names"} and isinstance(parts["names"], dict) and parts["names"]:
        found = {
            str(name).lower().rstrip("."): read_address(address, f"{where}.names", lab)
            for name, address in parts["names"].items()
        }
        return Forge(tuple(sorted(found.items())))
    raise BadRequest(
        f"{where}: expected impostor with a scheme (http or https), strip, claim, or forge with names,"
        f" found {entry!r:.80}"
    )
