"""The kernel's packet queue: fetches the packets that faults look at, has `faults` decide, carries it out.

One thread runs `serve`; any thread may install faults or ask for the report meanwhile.
"""

from __future__ import annotations

import heapq
import os
import select
import subprocess
import threading
import time
from collections.abc import Sequence
from typing import Protocol as Interface

from netfilterqueue import NetfilterQueue

from middlebox.faults import Discard, Fault, decide
from middlebox.packet import MalformedPacket, dissect
from middlebox.report import MOST_TOUCHES_KEPT, Report, TouchedPacket
from middlebox.rules import JUMP, ruleset

QUEUE_NUMBER = 84

_IPTABLES = "/run/iptables"  # the rule engine that `masquerade` found this kernel to take
_LONGEST_QUEUE = 65_535  # packets; beyond it the kernel drops, which no fault asked for
_WHOLE_PACKET = 65_535  # bytes


class RulesRefused(RuntimeError):
    """iptables did not take the rules; the text is its own."""


class QueuedPacket(Interface):
    """What NetfilterQueue hands over."""

    def get_payload(self) -> bytes: ...
    def set_payload(self, data: bytes) -> None: ...
    def retain(self) -> None: ...
    def accept(self) -> None: ...
    def drop(self) -> None: ...


class Interception:
    """Faults in force. Installs no rule while there is none; closing it, or its end, leaves no rule behind."""

    def __init__(self) -> None:
        """Flush rules that an earlier process left, and open the queue. Raises RulesRefused, OSError."""
        self._lock = threading.Lock()
        self._faults: tuple[Fault, ...] = ()
        self._reset_counts()
        self._held: list[tuple[int, int, QueuedPacket]] = []
        self._held_in_all = 0
        self._stopping = False
        self._wake_reader, self._wake_writer = os.pipe()
        _load(())
        _hook_chain()
        self._queue = NetfilterQueue()
        self._queue.bind(QUEUE_NUMBER, self._take, max_len=_LONGEST_QUEUE, range=_WHOLE_PACKET)

    def install(self, faults: Sequence[Fault]) -> None:
        """Put `faults` in force instead of those before, counting from zero. Raises RulesRefused; then none is."""
        self.clear()
        with self._lock:
            self._faults = tuple(faults)
            self._reset_counts()
        try:
            _load(faults)
        except RulesRefused:
            self.clear()
            raise

    def clear(self) -> None:
        """Put no fault in force. Packets held back are still sent when their time comes."""
        _load(())
        with self._lock:
            self._faults = ()
            self._reset_counts()

    def report(self) -> Report:
        with self._lock:
            return Report(self._faults, tuple(self._matched), tuple(self._touched), tuple(self._touches), self._unread)

    def serve(self) -> None:
        """Handle packets until `stop`."""
        while not self._stopping:
            timeout = None
            if self._held:
                timeout = max(0, self._held[0][0] - time.monotonic_ns()) / 1e9
            select.select([self._queue.get_fd(), self._wake_reader], [], [], timeout)
            self._queue.run(block=False)
            self._release(due_by=time.monotonic_ns())

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
            self._release(due_by=None)
            self._queue.unbind()

    def _reset_counts(self) -> None:
        self._matched = (0,) * len(self._faults)
        self._touched = [0] * len(self._faults)
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
            decision = decide(data, packet, self._faults, self._matched)
            self._matched = decision.matched
            for touch in decision.touches:
                self._touched[touch.fault] += 1
                if len(self._touches) < MOST_TOUCHES_KEPT:
                    self._touches.append(TouchedPacket(time.time_ns(), touch.fault, touch.action, packet))
        verdict = decision.verdict
        if isinstance(verdict, Discard):
            queued.drop()
            return
        if verdict.data is not data:
            queued.set_payload(verdict.data)
        if not verdict.delay_ns:
            queued.accept()
            return
        queued.retain()
        self._held_in_all += 1  # breaks ties, so that packets due at one instant keep their order
        heapq.heappush(self._held, (time.monotonic_ns() + verdict.delay_ns, self._held_in_all, queued))

    def _release(self, due_by: int | None) -> None:
        while self._held and (due_by is None or self._held[0][0] <= due_by):
            heapq.heappop(self._held)[2].accept()


def _load(faults: Sequence[Fault]) -> None:
    _checked([f"{_IPTABLES}-restore", "--noflush", "--wait", "5"], ruleset(faults, QUEUE_NUMBER))


def _hook_chain() -> None:
    present = _run([_IPTABLES, "--wait", "5", "-t", "mangle", "-C", *JUMP])
    if present.returncode:
        _checked([_IPTABLES, "--wait", "5", "-t", "mangle", "-A", *JUMP])


def _checked(command: Sequence[str], text: str = "") -> None:
    done = _run(command, text)
    if done.returncode:
        raise RulesRefused(f"{' '.join(command)}: {done.stderr.strip() or f'exit code {done.returncode}'}")


def _run(command: Sequence[str], text: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, input=text, capture_output=True, text=True, check=False)
