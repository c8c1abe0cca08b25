"""The kernel's list of TCP connections as text, /proc/net/tcp. Pure."""

from __future__ import annotations

import sys
from ipaddress import IPv4Address

from client.tcp_connections import Connection, State


def read_table(text: str) -> tuple[Connection, ...]:
    """The connections in `text`, the whole of /proc/net/tcp. Raises ValueError naming the line that cannot be read."""
    connections = []
    for line in text.splitlines()[1:]:
        try:
            _slot, local, remote, state = line.split(maxsplit=4)[:4]
            connections.append(Connection(*_end(local), *_end(remote), State(int(state, 16))))
        except ValueError as fault:
            raise ValueError(f"/proc/net/tcp: {line!r}: {fault}") from fault
    return tuple(connections)


def _end(text: str) -> tuple[IPv4Address, int]:
    address, port = text.split(":")
    # The kernel prints the address's four bytes as one number of its own byte order.
    return IPv4Address(int(address, 16).to_bytes(4, sys.byteorder)), int(port, 16)
