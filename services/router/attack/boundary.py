"""Where attacks may happen: in a lab's network, on a host that is the lab's isp and has no way out. Pure."""

from __future__ import annotations

import sys
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from ipaddress import AddressValueError, IPv4Address, IPv4Network

from hostkit.agent import BadRequest

_PRIVATE = tuple(IPv4Network(network) for network in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"))  # RFC 1918
_GATEWAY = 254  # the last byte of the machine's own address on each of the lab's networks, as in compose.yaml


class OutsideTheLab(BadRequest):
    """This is no place for it; the text says why."""


@dataclass(frozen=True, slots=True)
class Place:
    """The isp's addresses, those it may speak for, and the lab they lie in."""

    lab: IPv4Network
    internet: IPv4Address
    """The isp's own, on the internet link."""
    router: IPv4Address
    resolver: IPv4Address
    balancer: IPv4Address


def place(environment: Mapping[str, str]) -> Place:
    """The place that compose.yaml's variables describe.

    Raises:
        OutsideTheLab: a variable is missing, an address is none or lies outside LAB_NET, or LAB_NET is not private.
    """
    try:
        lab = IPv4Network(f"{environment['LAB_NET']}.0.0/16")
        names = ("ISP_INTERNET", "ROUTER_INTERNET", "RESOLVER_INTERNET", "BALANCER_EDGE")
        addresses = [IPv4Address(environment[f"ADDR_{name}"]) for name in names]
    except KeyError as missing:
        raise OutsideTheLab(f"attacks: {missing.args[0]} is not set: this is not the lab's isp") from None
    except ValueError as fault:
        raise OutsideTheLab(f"attacks: {fault}: this is not the lab's isp") from None
    if not any(lab.subnet_of(private) for private in _PRIVATE):
        raise OutsideTheLab(f"attacks: {lab} is no private network (RFC 1918): this is not a lab")
    for address in addresses:
        check_inside(address, lab)
    return Place(lab, *addresses)


def check_inside(address: IPv4Address, lab: IPv4Network) -> None:
    """Raises OutsideTheLab for an address that is not the lab's, or is the machine's that the lab runs on."""
    if address not in lab:
        raise OutsideTheLab(f"attacks: {address} lies outside the lab, {lab}")
    if address.packed[3] == _GATEWAY:
        raise OutsideTheLab(f"attacks: {address} is this machine's own address: it is not in the lab")


def check_no_way_out(routes: str, own: Collection[IPv4Address], there: Place) -> None:
    """Raises OutsideTheLab unless this host is the isp, and all its `routes` (/proc/net/route) end in the lab."""
    if there.internet not in own:
        raise OutsideTheLab(f"attacks: this host is not {there.internet}: it is not the lab's isp")
    for line in routes.splitlines()[1:]:
        interface, destination, *_, mask = line.split()[:8]
        network = IPv4Network((_route_address(destination), str(_route_address(mask))))
        if not network.subnet_of(there.lab):
            raise OutsideTheLab(
                f"attacks: this host has a route to {network} ({interface}): it is not in a lab without a way out"
            )


def _route_address(text: str) -> IPv4Address:
    """An address as the kernel writes it there: a word in the machine's own byte order, in hexadecimal digits."""
    return IPv4Address(int(text, 16).to_bytes(4, sys.byteorder))


def read_address(text: object, where: str, lab: IPv4Network) -> IPv4Address:
    """The lab's address in `text`. Raises BadRequest."""
    try:
        address = IPv4Address(text if isinstance(text, str) else repr(text))
    except AddressValueError:
        raise BadRequest(f"{where}: expected an IPv4 address, found {text!r}") from None
    check_inside(address, lab)
    return address
