"""TCP connections as the kernel lists them. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum
from ipaddress import IPv4Address


class State(IntEnum):
    """RFC 9293's states, numbered as in the kernel's tcp_states.h."""

    ESTABLISHED = 1
    SYN_SENT = 2
    SYN_RECEIVED = 3
    FIN_WAIT_1 = 4
    FIN_WAIT_2 = 5
    TIME_WAIT = 6
    CLOSED = 7
    CLOSE_WAIT = 8
    LAST_ACK = 9
    LISTEN = 10
    CLOSING = 11
    NEW_SYN_RECEIVED = 12


HALF_CLOSED = frozenset({State.FIN_WAIT_1, State.FIN_WAIT_2, State.CLOSING, State.LAST_ACK})
"""A FIN has been sent, and the closing handshake is not over."""


@dataclass(frozen=True, slots=True)
class Connection:
    """Both ends of a connection, and its state at this one."""

    local_address: IPv4Address
    local_port: int
    remote_address: IPv4Address
    remote_port: int
    state: State


Ends = tuple[int, IPv4Address, int]
"""Local port, remote address and port: what names a connection of one local address."""


def half_closed(connections: Iterable[Connection], local_address: IPv4Address) -> frozenset[Ends]:
    """Those connections of `local_address` that are closing."""
    return frozenset(
        (connection.local_port, connection.remote_address, connection.remote_port)
        for connection in connections
        if connection.local_address == local_address and connection.state in HALF_CLOSED
    )
