"""Answers in the resolver's place: invents addresses for some names, and has the resolver answer for all others."""

from __future__ import annotations

import socket
import threading
from collections.abc import Mapping
from ipaddress import IPv4Address

from attack.boundary import Place
from attack.forgery import forged
from attack.overheard import Ear
from attack.redirection import DNS_PORT
from hostkit.dns_query import Query, judge

_PATIENCE_S = 3.0
_LARGEST_DATAGRAM = 65_535


class ForgingResolver:
    """Serves from construction to `close`. Raises OSError."""

    def __init__(self, place: Place, names: Mapping[str, IPv4Address], ear: Ear) -> None:
        self._resolver = (str(place.resolver), 53)
        self._names = dict(names)
        self._ear = ear
        self._asking: list[threading.Thread] = []
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind((str(place.internet), DNS_PORT))
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Once all that has arrived is heard and answered."""
        self._socket.setblocking(False)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as waking:
            waking.sendto(b"", self._socket.getsockname())
        self._thread.join()
        for thread in self._asking:
            thread.join()
        self._socket.close()

    def _serve(self) -> None:
        while True:
            try:
                wire, client = self._socket.recvfrom(_LARGEST_DATAGRAM)
            except BlockingIOError:  # it closes, and nothing is left
                return
            if not wire:  # what wakes it for that
                continue
            query = judge(wire)
            if isinstance(query, Query):
                name = b".".join(query.name).decode("latin-1")
                self._ear.hear("forge", client, "question", f"{name} type {query.rtype}")
            answer = forged(wire, self._names)
            if answer is not None:
                self._socket.sendto(answer, client)
            else:
                thread = threading.Thread(target=self._have_answered, args=(wire, client), daemon=True)
                self._asking = [*(each for each in self._asking if each.is_alive()), thread]
                thread.start()

    def _have_answered(self, wire: bytes, client: tuple[str, int]) -> None:
        """Ask the resolver, and hand its answer on; if it keeps silent, so does this."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
            asking.settimeout(_PATIENCE_S)
            asking.connect(self._resolver)
            try:
                asking.send(wire)
                answer = asking.recv(_LARGEST_DATAGRAM)
            except OSError as fault:
                self._ear.hear("forge", client, "question", f"the resolver did not answer: {fault}")
                return
        self._socket.sendto(answer, client)
