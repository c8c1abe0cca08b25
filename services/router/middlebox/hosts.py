"""The names that sentences use for addresses: the hosts whose packets may pass the isp. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address

_LINKS = ("_INTERNET", "_EDGE")
_OWN = "isp"
_BEHIND = {"router": "client"}
"""Whoever is behind a translating router has its outer address, as far as the isp can see."""


@dataclass(frozen=True, slots=True)
class Hosts:
    """Names and addresses, each name once."""

    addresses: Mapping[str, IPv4Address]

    def address(self, name: str) -> IPv4Address | None:
        return self.addresses.get(name)

    def name(self, address: IPv4Address) -> str | None:
        return next((name for name, known in self.addresses.items() if known == address), None)


def from_environment(environment: Mapping[str, str]) -> Hosts:
    """Hosts on the links that the isp joins, from ADDR_<HOST>_<LINK>. Raises ValueError for what is no address."""
    found = {}
    for variable, address in environment.items():
        link = next((link for link in _LINKS if variable.endswith(link)), None)
        if variable.startswith("ADDR_") and link:
            name = variable.removeprefix("ADDR_").removesuffix(link).lower().replace("_", "-")
            if name != _OWN:
                found[_BEHIND.get(name, name)] = IPv4Address(address)
    return Hosts(dict(sorted(found.items())))
