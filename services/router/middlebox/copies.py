"""Sends the copies of duplicated packets: raw IPv4 packets, past the queue, in the form the next hop has to get.

A copy that leaves by the link on which the isp translates goes through connection tracking, as its original did. One
that comes back from there has its inner address already; tracked, it would pass for a connection of its own and get
another port. A mark on its socket keeps it out (`rules.UNTRACKED`).
"""

from __future__ import annotations

import socket
from ipaddress import IPv4Network

from middlebox.packet import Packet
from middlebox.rules import UNTRACKED_MARK


class Copier:
    """Raises OSError: it needs NET_RAW, and NET_ADMIN for the mark."""

    def __init__(self, translated_link: IPv4Network) -> None:
        """`translated_link`: what leaves by it from elsewhere gets another source address."""
        self._link = translated_link
        self._tracked = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
        self._untracked = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
        self._untracked.setsockopt(socket.SOL_SOCKET, socket.SO_MARK, UNTRACKED_MARK)

    def send(self, data: bytes, packet: Packet) -> None:
        """Send `data`, which is `packet`, as it stands. Raises OSError."""
        translates = packet.destination in self._link and packet.source not in self._link
        sender = self._tracked if translates else self._untracked
        sender.sendto(data, (str(packet.destination), 0))

    def close(self) -> None:
        self._tracked.close()
        self._untracked.close()
