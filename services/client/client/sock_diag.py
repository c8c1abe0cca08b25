"""The kernel's list of TCP connections over netlink, sock_diag(7). Pure: the bytes to send and those that come back."""

from __future__ import annotations

import os
import struct
from collections.abc import Iterable
from ipaddress import IPv4Address
from typing import Any

from client.tcp_connections import Connection, State

_HEADER = struct.Struct("=IHHII")  # struct nlmsghdr: length, type, flags, sequence number, port
_REQUEST = struct.Struct("=BBBxI48x")  # struct inet_diag_req_v2: family, protocol, extensions, states, any socket
_CONNECTION = struct.Struct("!BB2xHH4s12x4s12x")  # struct inet_diag_msg, as far as the two ends
_ERROR = struct.Struct("=i")

_SOCK_DIAG_BY_FAMILY = 20
_NLM_F_REQUEST_AND_DUMP = 0x301
_NLMSG_ERROR, _NLMSG_DONE = 2, 3
_AF_INET, _IPPROTO_TCP = 2, 6


def dump_request(states: Iterable[State]) -> bytes:
    """Asks for all IPv4 TCP connections in one of `states`."""
    bits = sum(1 << state for state in set(states))
    length = _HEADER.size + _REQUEST.size
    header = _HEADER.pack(length, _SOCK_DIAG_BY_FAMILY, _NLM_F_REQUEST_AND_DUMP, 1, 0)
    return header + _REQUEST.pack(_AF_INET, _IPPROTO_TCP, 0, bits)


def read_dump(data: bytes) -> tuple[tuple[Connection, ...], bool]:
    """The connections in one datagram of the answer, and whether it was the last.

    Raises OSError if the kernel refused (ENOENT: it has no sock_diag for TCP), ValueError if the bytes are cut short.
    """
    connections: list[Connection] = []
    at = 0
    while at < len(data):
        if len(data) - at < _HEADER.size:
            raise ValueError(f"netlink header: expected {_HEADER.size} bytes, found {len(data) - at}")
        length, kind = _HEADER.unpack_from(data, at)[:2]
        body = data[at + _HEADER.size : at + length]
        if length < _HEADER.size or len(body) != length - _HEADER.size:
            raise ValueError(f"netlink message: {length} bytes do not fit in {len(data) - at}")
        if kind == _NLMSG_DONE:
            return tuple(connections), True
        if kind == _NLMSG_ERROR:
            number = -_unpack(_ERROR, body)[0]
            raise OSError(number, f"sock_diag: {os.strerror(number)}")
        _family, state, local_port, remote_port, local, remote = _unpack(_CONNECTION, body)
        connections.append(Connection(IPv4Address(local), local_port, IPv4Address(remote), remote_port, State(state)))
        at += (length + 3) & ~3
    return tuple(connections), False


def _unpack(structure: struct.Struct, body: bytes) -> tuple[Any, ...]:
    if len(body) < structure.size:
        raise ValueError(f"netlink body: expected {structure.size} bytes, found {len(body)}")
    return structure.unpack_from(body)
