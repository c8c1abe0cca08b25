"""Packets of several links, each in its own order, as one stream in the order of time. Pure.

The tap hands over a link's frames block by block, so one link's block may come after another's with later frames.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable

from observer.packet import Packet


class ReorderWindow:
    """Holds packets back until no earlier one is to be expected."""

    def __init__(self) -> None:
        self._held: list[tuple[int, int, Packet]] = []
        self._arrived = 0

    def __len__(self) -> int:
        return len(self._held)

    def add(self, packets: Iterable[Packet]) -> None:
        """Take packets in, those of one link in their order."""
        for packet in packets:
            # Equal times: first come, first served, so a link keeps its own order.
            heapq.heappush(self._held, (packet.time_ns, self._arrived, packet))
            self._arrived += 1

    def due(self, before_ns: int) -> list[Packet]:
        """Take out, in order of time, what was on its link before `before_ns`."""
        found = []
        while self._held and self._held[0][0] < before_ns:
            found.append(heapq.heappop(self._held)[2])
        return found
