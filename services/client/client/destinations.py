"""What the client may address: lab names and addresses inside the lab's network. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import AddressValueError, IPv4Address, IPv4Network

from hostkit.agent import BadRequest

# RFC 3986, less user information (use an Authorization header) and IPv6 literals (the lab speaks IPv4).
_URL = re.compile(
    r"(?P<scheme>https?)://(?P<host>[A-Za-z0-9.-]+)(?::(?P<port>[0-9]{1,5}))?"
    r"(?:[/?#][A-Za-z0-9\-._~:/?#\[\]@!$&'()*+,;=%]*)?"
)
_LABEL = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?")
_LOOKS_LIKE_A_NUMBER = re.compile(r"[0-9]+|0[xX][0-9A-Fa-f]*")
_LONGEST_NAME = 253
_LONGEST_URL = 8000
_DEFAULT_PORT = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Origin:
    """Scheme, host and port of a URL (RFC 6454)."""

    scheme: str
    host: str
    port: int


def lab_network(prefix: str) -> IPv4Network:
    """The lab's network from LAB_NET ("10.77"). Raises ValueError."""
    return IPv4Network(f"{prefix}.0.0/16")


def check_url(url: str, lab: IPv4Network) -> Origin:
    """The origin of `url`. Raises BadRequest unless it is an http(s) URL that leads into the lab."""
    if len(url) > _LONGEST_URL:
        raise BadRequest(f"url: {len(url)} characters; at most {_LONGEST_URL}")
    parts = _URL.fullmatch(url)
    if parts is None:
        raise BadRequest(
            f"url: {url!r} is not http(s)://host[:port][/path]: no user information, spaces or raw non-ASCII"
        )
    scheme, host = parts["scheme"], parts["host"]
    port = int(parts["port"] or _DEFAULT_PORT[scheme])
    if not 1 <= port <= 65_535:
        raise BadRequest(f"url: {url!r} has port {port}; ports go from 1 to 65535")
    check_host(host, lab)
    return Origin(scheme, host.lower(), port)


def check_host(host: str, lab: IPv4Network) -> None:
    """Raises BadRequest unless `host` is an address inside the lab or a domain name."""
    labels = host.removesuffix(".").split(".")
    if _LOOKS_LIKE_A_NUMBER.fullmatch(labels[-1]):  # the URL standard reads such a host as an IPv4 address
        check_address(host, lab)
        return
    if len(host) > _LONGEST_NAME or not all(_LABEL.fullmatch(label) for label in labels):
        raise BadRequest(f"host: {host!r} is neither a domain name nor an IPv4 address")
    if len(labels) == 1 or labels[-1].lower() == "localhost":
        raise BadRequest(
            f"host: {host!r} names a machine, not a lab site; use a name with a dot, or an address in {lab}"
        )


def check_address(text: str, lab: IPv4Network) -> IPv4Address:
    """The address in `text`. Raises BadRequest unless it is dotted-quad IPv4 inside the lab."""
    try:
        address = IPv4Address(text)
    except AddressValueError:
        raise BadRequest(f"address: {text!r} is not a dotted-quad IPv4 address") from None
    if address not in lab:
        raise BadRequest(f"address: {address} lies outside the lab, {lab}")
    return address
