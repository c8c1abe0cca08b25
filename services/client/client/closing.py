"""Waiting for the closing handshake, so that it lies inside the visit's capture."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import IPv4Address
from pathlib import Path

from client.proc_net_tcp import read_table
from client.sock_diag import dump_request, read_dump
from client.tcp_connections import HALF_CLOSED, Connection, half_closed

_LIMIT_S = 0.25
_INTERVAL_S = 0.002
_NETLINK_SOCK_DIAG = 4
_LARGEST_DATAGRAM = 1 << 16

ConnectionList = Callable[[], tuple[Connection, ...]]


def netlink_list() -> tuple[Connection, ...]:
    """The closing connections, asked for over netlink. Raises OSError where the kernel cannot."""
    connections: list[Connection] = []
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _NETLINK_SOCK_DIAG) as netlink:
        netlink.send(dump_request(HALF_CLOSED))
        is_last = False
        while not is_last:
            more, is_last = read_dump(netlink.recv(_LARGEST_DATAGRAM))
            connections += more
    return tuple(connections)


def proc_list() -> tuple[Connection, ...]:
    """All connections, from /proc. Raises OSError."""
    return read_table(Path("/proc/net/tcp").read_text())


def connection_list() -> ConnectionList:
    """The quicker list that this kernel has: 0.2 ms by netlink, 5 ms by /proc, which walks every bucket of a table."""
    try:
        netlink_list()
    except OSError:
        return proc_list
    return netlink_list


class Closings:
    """The connections of `local_address` that start to close after this object was made."""

    def __init__(self, local_address: IPv4Address, connections: ConnectionList) -> None:
        self._local_address = local_address
        self._connections = connections
        self._earlier = half_closed(connections(), local_address)

    def wait(self) -> int:
        """Return once none of them is half closed, or after 250 ms; how many then still are. Raises OSError."""
        end = time.monotonic() + _LIMIT_S
        while remaining := half_closed(self._connections(), self._local_address) - self._earlier:
            if time.monotonic() > end:
                return len(remaining)
            time.sleep(_INTERVAL_S)
        return 0


@dataclass(frozen=True, slots=True)
class HomeLink:
    """This host's end of the home link, as far as visits need it."""

    address: IPv4Address
    connections: ConnectionList

    def closings(self) -> Closings:
        """Those from now on."""
        return Closings(self.address, self.connections)
