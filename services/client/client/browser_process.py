"""A Chromium process and the DevTools pipe to it: commands with a deadline, events in order, a clean end."""

from __future__ import annotations

import fcntl
import os
import select
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

from client.cdp import Event, Json, MessageReader, Reply, encode

_CHROMIUM_READS, _CHROMIUM_WRITES = 3, 4
"""The descriptors that --remote-debugging-pipe means."""
_OUT_OF_THE_WAY = 10
_GRACE_S = 3.0
_SMALL_SHM = 64 * 1024 * 1024  # bytes: Docker's default


class BrowserFault(RuntimeError):
    """Chromium refused a command, ended, crashed, or took too long; the text says which."""


class BrowserProcess:
    """A running Chromium in a process group of its own. A context manager: on leaving, the whole group is gone."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str], log: Path, deadline: float) -> None:
        """Start `command`, whose standard error goes to `log`; every wait ends at `deadline` (time.monotonic()).

        Raises OSError.
        """
        self.events: list[Event] = []
        self._log = log
        self._deadline = deadline
        self._reader = MessageReader()
        self._replies: dict[int, Reply] = {}
        self._commands = 0
        self._spawn(list(command), environment)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._end()

    def call(self, method: str, session: str = "", purpose: str = "", **params: Any) -> Json:
        """The result of a DevTools command; `purpose` words its time-out. Raises BrowserFault, ProtocolError."""
        self._commands += 1
        number = self._commands
        self._write(encode(number, method, params, session), method)
        while number not in self._replies:
            self._read(waiting_for=purpose or method)
        reply = self._replies.pop(number)
        if reply.error:
            raise BrowserFault(f"Chromium refused {method}: {reply.error}")
        return reply.result

    def wait_for(self, wanted: Callable[[Event], bool], since: int, name: str) -> Event:
        """The first of `events[since:]` that is `wanted`, once it arrives. Raises BrowserFault, ProtocolError."""
        while True:
            for event in self.events[since:]:
                if wanted(event):
                    return event
            since = len(self.events)
            self._read(waiting_for=name)

    def close(self) -> None:
        """Have Chromium close its connections and exit by itself, as far as it does so in time."""
        with suppress(BrowserFault):  # it may be gone before it answers; _end sees to the rest
            self._deadline = time.monotonic() + _GRACE_S
            self.call("Browser.close")
            self._exited(self._deadline)

    def _spawn(self, command: list[str], environment: Mapping[str, str]) -> None:
        reads, self._to = os.pipe()
        self._from, writes = os.pipe()
        # Moved away from 3 and 4, so that placing one there cannot overwrite the other. All are close-on-exec.
        child_in, child_out = (fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, _OUT_OF_THE_WAY) for end in (reads, writes))
        os.close(reads)
        os.close(writes)
        try:
            self._pid = os.posix_spawn(
                command[0],
                command,
                environment,
                file_actions=[
                    (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                    (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0),
                    (os.POSIX_SPAWN_OPEN, 2, str(self._log), os.O_WRONLY | os.O_CREAT, 0o600),
                    (os.POSIX_SPAWN_DUP2, child_in, _CHROMIUM_READS),
                    (os.POSIX_SPAWN_DUP2, child_out, _CHROMIUM_WRITES),
                ],
                setsid=True,
            )
        except OSError:
            os.close(self._to)
            os.close(self._from)
            raise
        finally:
            os.close(child_in)
            os.close(child_out)
        os.set_blocking(self._to, False)

    def _write(self, data: bytes, method: str) -> None:
        while data:
            _, writable, _ = select.select([], [self._to], [], self._remaining(method))
            if writable:
                try:
                    data = data[os.write(self._to, data) :]
                except BrokenPipeError:
                    raise self._ended() from None

    def _read(self, waiting_for: str) -> None:
        readable, _, _ = select.select([self._from], [], [], self._remaining(waiting_for))
        if not readable:
            return
        data = os.read(self._from, 1 << 20)
        if not data:
            raise self._ended()
        for message in self._reader.feed(data):
            if isinstance(message, Reply):
                self._replies[message.id] = message
                continue
            self.events.append(message)
            if message.method == "Inspector.targetCrashed":
                raise BrowserFault(f"the page's process crashed{_shortage()}")

    def _remaining(self, waiting_for: str) -> float:
        remaining = self._deadline - time.monotonic()
        if remaining <= 0:
            raise BrowserFault(f"Chromium: out of time while waiting for {waiting_for}")
        return remaining

    def _ended(self) -> BrowserFault:
        code = self._exited(time.monotonic() + _GRACE_S)
        how = "closed its pipe but runs on" if code is None else f"ended with exit code {code}"
        words = self._log.read_text(errors="replace").strip().splitlines() if self._log.exists() else []
        return BrowserFault(f"Chromium {how}{_shortage()}: {words[-1] if words else 'it said nothing'}")

    def _exited(self, deadline: float) -> int | None:
        """Chromium's exit code (negative: the signal), left for _end to reap; None if it still runs at `deadline`."""
        pidfd = os.pidfd_open(self._pid)
        try:
            if not select.select([pidfd], [], [], max(0.0, deadline - time.monotonic()))[0]:
                return None
        finally:
            os.close(pidfd)
        status = os.waitid(os.P_PID, self._pid, os.WEXITED | os.WNOWAIT)
        assert status is not None  # only WNOHANG can give None
        return status.si_status if status.si_code == os.CLD_EXITED else -status.si_status

    def _end(self) -> None:
        """Kill what is left of the group and wait until it is gone."""
        os.close(self._to)
        os.close(self._from)
        with suppress(ProcessLookupError):
            os.killpg(self._pid, signal.SIGKILL)
        os.waitpid(self._pid, 0)
        end = time.monotonic() + _GRACE_S
        with suppress(ProcessLookupError):
            while time.monotonic() < end:
                os.killpg(self._pid, 0)  # the other members are the container's init's to reap
                time.sleep(0.002)


def _shortage() -> str:
    shm = os.statvfs("/dev/shm")
    size = shm.f_blocks * shm.f_frsize
    return (
        f" (/dev/shm has only {size >> 20} MiB: give it more, shm_size in compose.yaml)" if size <= _SMALL_SHM else ""
    )
