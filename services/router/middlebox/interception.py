"""The kernel's packet queue: fetches the packets that faults look at, has `faults` decide, carries it out.

One thread runs `serve`; any thread may install faults or ask for the report meanwhile.
"""

from __future__ import annotations

import heapq
import os
import select
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network
from typing import Protocol as Interface

from netfilterqueue import NetfilterQueue

from middlebox.copies import Copier
from middlebox.decisions import Action, Decider, Discard, Forward, Ticket, Touch
from middlebox.faults import Fault
from middlebox.iptables import RulesRefused, add_once, load
from middlebox.packet import MalformedPacket, Packet, dissect
from middlebox.report import MOST_TOUCHES_KEPT, Report, TouchedPacket
from middlebox.rules import JUMP, UNTRACKED, ruleset

QUEUE_NUMBER = 84

_LONGEST_QUEUE = 65_535  # packets; beyond it the kernel drops, which no fault asked for
_WHOLE_PACKET = 65_535  # bytes
LONGEST_HOLD_NS = 1_000_000_000
"""A packet held for others to overtake it goes on alone after that: its sender may wait for an answer to it."""


class QueuedPacket(Interface):
    """What NetfilterQueue hands over."""

    def get_payload(self) -> bytes: ...
    def set_payload(self, data: bytes) -> None: ...
    def retain(self) -> None: ...
    def accept(self) -> None: ...
    def drop(self) -> None: ...


@dataclass(frozen=True, slots=True)
class _Waiting:
    """A packet in the queue whose verdict the kernel does not have yet."""

    queued: QueuedPacket
    packet: Packet
    forward: Forward


class Interception:
    """Faults in force. Installs no rule while there is none; closing it, or its end, leaves no rule behind."""

    def __init__(self, translated_link: IPv4Network) -> None:
        """Flush rules that an earlier process left, and open the queue. Raises RulesRefused, OSError."""
        self._lock = threading.Lock()
        self._start_over(())
        self._delayed: list[tuple[int, int, _Waiting]] = []
        self._delayed_in_all = 0
        self._held: dict[Ticket, tuple[int, _Waiting]] = {}
        """With the time at which it goes on alone, at the latest."""
        self._stopping = False
        self._wake_reader, self._wake_writer = os.pipe()
        os.set_blocking(self._wake_reader, False)
        self._copier = Copier(translated_link)
        load(ruleset((), QUEUE_NUMBER))
        add_once(JUMP)
        add_once(UNTRACKED)
        self._queue = NetfilterQueue()
        self._queue.bind(QUEUE_NUMBER, self._take, max_len=_LONGEST_QUEUE, range=_WHOLE_PACKET)

    def install(self, faults: Sequence[Fault]) -> None:
        """Put `faults` in force instead of those before, counting from zero. Raises RulesRefused; then none is."""
        self.clear()
        with self._lock:
            self._start_over(faults)
        try:
            load(ruleset(faults, QUEUE_NUMBER))
        except RulesRefused:
            self.clear()
            raise

    def clear(self) -> None:
        """Put no fault in force. What is delayed is still sent when its time comes, what is held at once."""
        load(ruleset((), QUEUE_NUMBER))
        with self._lock:
            for _, waiting in self._held.values():
                self._delay(waiting, 0)
            self._held.clear()
            self._start_over(())
        os.write(self._wake_writer, b"!")

    def report(self) -> Report:
        with self._lock:
            matched, touched = self._decider.matched, tuple(self._touched)
            return Report(self._decider.faults, matched, touched, tuple(self._touches), self._unread)

    def serve(self) -> None:
        """Handle packets until `stop`."""
        while not self._stopping:
            due = [self._delayed[0][0]] if self._delayed else []
            due += [latest for latest, _ in self._held.values()]
            timeout = max(0, min(due) - time.monotonic_ns()) / 1e9 if due else None
            readable, _, _ = select.select([self._queue.get_fd(), self._wake_reader], [], [], timeout)
            if self._wake_reader in readable:
                os.read(self._wake_reader, 4096)
            self._queue.run(block=False)
            with self._lock:
                self._give_up_holding(time.monotonic_ns())
                self._send_delayed(due_by=time.monotonic_ns())

    def stop(self) -> None:
        """Make `serve` return; a signal handler may call it."""
        self._stopping = True
        os.write(self._wake_writer, b"!")

    def close(self) -> None:
        """Remove the rules, send what is held, give the queue back."""
        try:
            self.clear()
        finally:
            self._queue.run(block=False)
            self._send_delayed(due_by=None)
            self._queue.unbind()
            self._copier.close()

    def _start_over(self, faults: Sequence[Fault]) -> None:
        self._decider = Decider(faults)
        self._touched = [0] * len(faults)
        self._touches: list[TouchedPacket] = []
        self._unread = 0

    def _take(self, queued: QueuedPacket) -> None:
        data = queued.get_payload()
        with self._lock:
            try:
                packet = dissect(data)
            except MalformedPacket:
                self._unread += 1
                queued.accept()
                return
            decision = self._decider.decide(data, packet)
            for touch in decision.touches:
                self._note(touch, packet)
            match decision.verdict:
                case Discard():
                    queued.drop()
                case Forward() as forward:
                    if forward.data is not data:
                        queued.set_payload(forward.data)
                    self._forward(_Waiting(queued, packet, forward))
            for ticket in decision.releases:
                if ticket in self._held:
                    self._let_go(self._held.pop(ticket)[1])

    def _note(self, touch: Touch, packet: Packet) -> None:
        self._touched[touch.fault] += touch.action is not Action.RELEASED
        if len(self._touches) < MOST_TOUCHES_KEPT:
            self._touches.append(TouchedPacket(time.time_ns(), touch.fault, touch.action, packet))

    def _forward(self, waiting: _Waiting) -> None:
        forward = waiting.forward
        if forward.held is not None:
            waiting.queued.retain()
            self._held[forward.held] = time.monotonic_ns() + LONGEST_HOLD_NS, waiting
        elif forward.delay_ns:
            waiting.queued.retain()
            self._delay(waiting, forward.delay_ns)
        else:
            self._send(waiting)

    def _let_go(self, waiting: _Waiting) -> None:
        """A held packet's wait is over; a delay of its own begins now."""
        if waiting.forward.delay_ns:
            self._delay(waiting, waiting.forward.delay_ns)
        else:
            self._send(waiting)

    def _delay(self, waiting: _Waiting, delay_ns: int) -> None:
        self._delayed_in_all += 1  # breaks ties, so that packets due at one instant keep their order
        heapq.heappush(self._delayed, (time.monotonic_ns() + delay_ns, self._delayed_in_all, waiting))

    def _give_up_holding(self, now_ns: int) -> None:
        for ticket in [ticket for ticket, (latest, _) in self._held.items() if latest <= now_ns]:
            _, waiting = self._held.pop(ticket)
            self._note(Touch(ticket[0], Action.RELEASED), waiting.packet)
            self._let_go(waiting)

    def _send_delayed(self, due_by: int | None) -> None:
        while self._delayed and (due_by is None or self._delayed[0][0] <= due_by):
            self._send(heapq.heappop(self._delayed)[2])

    def _send(self, waiting: _Waiting) -> None:
        waiting.queued.accept()
        for _ in range(waiting.forward.copies):
            self._copier.send(waiting.forward.data, waiting.packet)
