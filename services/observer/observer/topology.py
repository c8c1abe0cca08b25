"""The lab's hosts, links and addresses, read from the variables that compose.yaml sets: ADDR_<HOST>_<LINK>."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

_PREFIX = "ADDR_"


class Link(Enum):
    """The captured links, in the order a request crosses them."""

    HOME = "home"
    INTERNET = "internet"
    EDGE = "edge"
    BACKEND = "backend"


LINKS: tuple[str, ...] = tuple(link.value for link in Link)


class TopologyError(ValueError):
    """The environment does not describe the lab; the text names the variable."""


@dataclass(frozen=True, slots=True)
class Interface:
    """One host's address on one link."""

    host: str
    link: str
    address: str


@dataclass(frozen=True, slots=True)
class Topology:
    """Who has which address where. Empty for captures that were not made in a lab: names are then addresses."""

    lab: str
    interfaces: tuple[Interface, ...]

    def name(self, address: str) -> str:
        """The host that owns `address`; the address itself where no host of the lab does."""
        return next((i.host for i in self.interfaces if i.address == address), address)

    def address(self, host: str, link: str) -> str:
        """The address of `host` on `link`.

        Raises:
            TopologyError: the host has none there.
        """
        for interface in self.interfaces:
            if interface.host == host and interface.link == link:
                return interface.address
        raise TopologyError(
            f"{host} has no address on {link}: no {_PREFIX}{host.upper()}_{link.upper()} in compose.yaml"
        )

    def captured(self) -> tuple[Interface, ...]:
        """The interfaces on links that the tap records: all but the control network's."""
        return tuple(i for i in self.interfaces if i.link in LINKS)


def from_environment(environment: Mapping[str, str]) -> Topology:
    """Read the ADDR_ variables: ADDR_ORIGIN_1_BACKEND=10.77.4.11 says that origin-1 has this address on backend.

    Raises:
        TopologyError: a variable's name has no host and link in it, or there is none at all.
    """
    interfaces = []
    for variable, address in environment.items():
        if variable.startswith(_PREFIX):
            host, _, link = variable.removeprefix(_PREFIX).rpartition("_")
            if not host:
                raise TopologyError(f"{variable}: expected {_PREFIX}<HOST>_<LINK>")
            interfaces.append(Interface(host.lower().replace("_", "-"), link.lower(), address))
    if not interfaces:
        raise TopologyError(f"no {_PREFIX}... variable is set: start the observer through compose.yaml")
    # In the links' order, and not as the variables happen to stand: whoever reads them tells the hosts in one order.
    return Topology(environment.get("LAB", ""), tuple(sorted(interfaces, key=_place)))


def _place(interface: Interface) -> tuple[int, tuple[int, ...], str]:
    known = interface.link in LINKS
    octets = tuple(int(part) for part in interface.address.split(".") if part.isdigit())
    return LINKS.index(interface.link) if known else len(LINKS), octets, interface.host


NO_LAB = Topology("", ())
